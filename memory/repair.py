"""Whether the database is whole, and how it is made whole again."""

import contextlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from guildhall.errors import StoreError

from .store import vectors
from .store.database import Database, reported

_MOST = 20
_ENDS = ("", "-wal", "-shm")
_LOCKED = (0x40000000, 512)
"""Where in a file SQLite has its locks: from there on, so many bytes."""
_OF_RECORDS = (
    ("vectors", "record"), ("origins", "record"), ("ends", "record"), ("coexisting", "one"),
    ("coexisting", "other"),
)  # fmt: skip
"""Tables that tell of records, and where."""
_LOST_SCOPES = (
    "INSERT OR IGNORE INTO scopes (id, name) SELECT DISTINCT scope, 'rescued ' || scope FROM records "
    "WHERE scope NOT IN (SELECT id FROM scopes)"
)
_READERS = (  # an older version had none, and private is private
    "UPDATE records SET readers = CASE visibility WHEN 'private' THEN 'agent:' || agent "
    "WHEN 'team' THEN 'team:' || team ELSE '' END"
)


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
    """What is wrong with the file and its keys; nothing where it is sound. Blocks for long; nobody waits."""
    said = [row[0] for row in db.execute(f"PRAGMA integrity_check({_MOST})")]
    problems = [f"the file: {one}" for one in said if one != "ok"]
    lost = {(table, parent) for table, _, parent, _ in db.execute("PRAGMA foreign_key_check")}
    return problems + [
        f"{table} has rows that belong to no row of {parent}" for table, parent in sorted(lost)
    ]


def unindexed(db: sqlite3.Connection) -> list[str]:
    """Which full-text indexes do not hold what they should; in a transaction of the caller's."""
    problems = []
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
    for table, column in _OF_RECORDS:
        db.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT seq FROM records)")
    vectors.begin_anew(db)


def rescued(path: Path) -> Repaired:
    """What could be read of a damaged file, which is a new file in its place; the old one is kept. Blocks.

    Nobody in this process has it open. Raises StoreError where nothing can be read of it, or another process
    has it open.
    """
    moved = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    fresh, old = (path.with_name(f"{path.name}.{what}-{os.getpid()}") for what in ("new", "old"))
    with reported(path), _alone(path) as file:
        try:
            _copy_to(old, file, path)  # reading may write
            Database(fresh).close()
            with contextlib.closing(sqlite3.connect(old)) as damaged:
                problems = _problems(damaged)
                rows, lost = _copied(damaged, fresh)
            if not rows:
                raise StoreError("memory_damaged", f"nothing can be read of {path}: restore a backup of it")
            _take_place(fresh, path, moved)
        finally:
            for end in _ENDS:
                _end(fresh, end).unlink(missing_ok=True)
                _end(old, end).unlink(missing_ok=True)
    return Repaired(tuple(problems), rows, tuple(lost), str(moved))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """The file, while no other process has it open. Raises StoreError.

    It is closed last: a process that closes a file loses all its locks on it.
    """
    with path.open("r+b") as file:
        if sys.platform != "win32":  # there, a file that is open cannot be moved
            import fcntl

            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED[1], _LOCKED[0])
            except OSError:
                raise StoreError(
                    "store_in_use",
                    f"{path} is open in another process: end notebooks, hosts and runs that use it first",
                ) from None
        yield file


def _copy_to(copy: Path, file: BinaryIO, path: Path) -> None:
    with copy.open("xb") as out:
        copy.chmod(0o600)
        shutil.copyfileobj(file, out)
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(_end(path, "-wal"), _end(copy, "-wal"))


def _take_place(fresh: Path, path: Path, moved: Path) -> None:
    """Put the new file in place. Whoever is killed meanwhile leaves the old one there, or the new one."""
    with contextlib.suppress(OSError):  # a disk without links
        os.link(path, moved)
    for end in _ENDS[1:]:  # first, since a log that is found beside a file is played back into it
        with contextlib.suppress(FileNotFoundError):
            _end(path, end).rename(_end(moved, end))
    if not moved.exists():
        path.rename(moved)
    fresh.replace(path)


def copies(path: Path) -> list[Path]:
    """The damaged files that are kept beside the database."""
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def _end(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _problems(db: sqlite3.Connection) -> list[str]:
    try:
        return [*checked(db), *unindexed(db)]
    except sqlite3.DatabaseError as error:
        return [f"the file: {error}"]


def _copied(old: sqlite3.Connection, fresh: Path) -> tuple[int, list[str]]:
    """How many rows were copied, and of which tables not all could be."""
    with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        new.execute("BEGIN")
        names = [name for (name,) in new.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = [name for name in names if not name.startswith(("sqlite_", "words_"))]
        lost = [table for table in tables if not _copy(old, new, table)]
        new.execute(_LOST_SCOPES)
        new.execute(_READERS)
        _indexed(new)
        new.execute("COMMIT")
        counts = (
            new.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables if table != "about"
        )
        return sum(counts), lost


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> bool:
    """Whether all rows of the table could be copied; a damaged page costs what is on it."""
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return False
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})") if row[1] in there]
    if not columns:
        return True  # a file of an older version
    sql = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    whole = True
    for order in ("", " ORDER BY rowid DESC"):
        try:
            for row in old.execute(f"SELECT {', '.join(columns)} FROM {table}{order}"):
                try:
                    new.execute(sql, row)
                except sqlite3.IntegrityError:  # of a row that is damaged itself
                    whole = False
        except sqlite3.DatabaseError:
            whole = False
            continue
        break
    return whole


def _indexed(db: sqlite3.Connection) -> None:
    from .store.schema import full_text

    for (scope,) in db.execute("SELECT id FROM scopes").fetchall():
        for statement in full_text(scope):
            db.execute(statement)
    rebuild(db)
