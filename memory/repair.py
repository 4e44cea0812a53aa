"""Whether the database is whole, and how it is made whole again."""

import contextlib
import os
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from guildhall.errors import StoreError

from .store import vectors
from .store.database import Database, reported

_MOST = 20
_ENDS = ("", "-wal", "-shm")


@dataclass(frozen=True)
class Repaired:
    """What was wrong, and what was done."""

    problems: tuple[str, ...] = ()
    rows: int = 0
    """Rows that were saved from a damaged file."""
    lost: tuple[str, ...] = ()
    """Tables of which not all could be read."""
    moved: str = ""
    """Where the damaged file is now."""


def checked(db: sqlite3.Connection) -> list[str]:
    """What is wrong with the file, its keys, and its full-text indexes; nothing where it is sound. Blocks."""
    said = [row[0] for row in db.execute(f"PRAGMA integrity_check({_MOST})")]
    problems = [f"the file: {one}" for one in said if one != "ok"]
    lost = {(table, parent) for table, _, parent, _ in db.execute("PRAGMA foreign_key_check")}
    problems += [f"{table} has rows that belong to no row of {parent}" for table, parent in sorted(lost)]
    for scope, name in db.execute("SELECT id, name FROM scopes").fetchall():
        table = f"words_{scope}"
        try:
            db.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            problems.append(f"the words of {name} are not indexed as they are ({error})")
    return problems


def rebuild(db: sqlite3.Connection) -> None:
    """Have all that can be made of the records made anew: full-text indexes now, the dense one as needed.

    In a transaction of the caller's.
    """
    for (scope,) in db.execute("SELECT id FROM scopes").fetchall():
        db.execute(f"INSERT INTO words_{scope} (words_{scope}) VALUES ('rebuild')")
    db.execute("DELETE FROM vectors WHERE record NOT IN (SELECT seq FROM records)")
    db.execute("DELETE FROM origins WHERE record NOT IN (SELECT seq FROM records)")
    vectors.rename_ledger(db)


def rescued(path: Path) -> Repaired:
    """What could be read of a damaged file, which is a new file in its place; the old one is kept. Blocks.

    Raises StoreError where nothing can be read of it, or somebody else has it open.
    """
    moved = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    fresh, old = (path.with_name(f"{path.name}.{what}-{os.getpid()}") for what in ("new", "old"))
    try:
        for end in _ENDS:  # a copy is read, since reading may write
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(_end(path, end), _end(old, end))
        Database(fresh).close()
        with reported(path), contextlib.closing(sqlite3.connect(old)) as damaged:
            problems = _problems(damaged)
            rows, lost = _copied(damaged, fresh)
        if not rows:
            raise StoreError("memory_damaged", f"nothing can be read of {path}: restore a backup of it")
        for end in _ENDS:
            with contextlib.suppress(FileNotFoundError):
                _end(path, end).rename(_end(moved, end))
        fresh.rename(path)
    finally:
        for end in _ENDS:
            _end(fresh, end).unlink(missing_ok=True)
            _end(old, end).unlink(missing_ok=True)
    return Repaired(tuple(problems), rows, tuple(lost), str(moved))


def copies(path: Path) -> list[Path]:
    """The damaged files that are kept beside the database."""
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def _end(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _problems(db: sqlite3.Connection) -> list[str]:
    try:
        return checked(db)
    except sqlite3.DatabaseError as error:
        return [f"the file: {error}"]


def _copied(old: sqlite3.Connection, fresh: Path) -> tuple[int, list[str]]:
    """How many rows were copied, and of which tables not all could be."""
    rows, lost = 0, []
    with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        new.execute("BEGIN")
        for (table,) in new.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table.startswith(("sqlite_", "words_")):
                continue
            copied, whole = _copy(old, new, table)
            rows += copied if table != "about" else 0
            lost += [] if whole else [table]
        _indexed(new)
        new.execute("COMMIT")
    return rows, lost


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> tuple[int, bool]:
    """The rows of a table that can be read, and whether these are all; a damaged page costs what is on it."""
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return 0, False
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})") if row[1] in there]
    if not columns:
        return 0, True  # a file of an older version
    sql = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    copied, whole = 0, True
    for order in ("", " ORDER BY rowid DESC"):
        try:
            for row in old.execute(f"SELECT {', '.join(columns)} FROM {table}{order}"):
                copied += new.execute(sql, row).rowcount
        except sqlite3.DatabaseError:
            whole = False
            continue
        return copied, whole
    return copied, whole


def _indexed(db: sqlite3.Connection) -> None:
    from .store.schema import full_text

    for (scope,) in db.execute("SELECT id FROM scopes").fetchall():
        for statement in full_text(scope):
            db.execute(statement)
    rebuild(db)
