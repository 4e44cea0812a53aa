"""What is forgotten is gone: the record, what was derived from it, its vectors, and its words wherever they
stand in the database. Only its id stays, so that no import brings it back."""

import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from guildhall.errors import UserError

from . import ledger
from .question import Condition
from .words import divided

GONE = "[forgotten]"
"""Stands in the logs of runs where a forgotten text stood."""
_SHORTEST = 12
"""Characters of a sentence that is looked for by itself; shorter ones say nothing of whose they are."""
_SENTENCES = re.compile(r"(?<=[.!?…])\s+|\n+")
_TEXTS = (
    ("events", "body"), ("journal", "value"), ("cache", "value"), ("runs", "task"), ("runs", "answer"),
    ("runs", "spec"), ("questions", "text"), ("questions", "answer"), ("notebook", "text"),
    ("origins", "source"), ("files", "data"), ("records", "text"),
)  # fmt: skip
_OF_THE_NEXT_TURN = (
    "DELETE FROM vectors WHERE record IN (SELECT next.seq FROM records said JOIN records next "
    "ON next.scope = said.scope AND next.session = said.session AND next.turn = said.turn + 1 "
    "WHERE said.seq = ? AND said.session <> '')"
)
_OF_A_RUN = ("events", "journal", "questions", "notebook")


class Wanted(NamedTuple):
    """Which records are to be forgotten: all that meet every part that is given."""

    ids: tuple[str, ...] = ()
    run: str = ""
    source: str = ""
    before: float | None = None
    """Recorded before that time."""

    def condition(self) -> Condition:
        """The same on a record `r`. Raises UserError where nothing is given, which would be all."""
        parts: list[Condition] = []
        if self.ids:
            parts.append((f"r.id IN ({', '.join('?' * len(self.ids))})", self.ids))
        if self.run:
            parts.append(("r.run = ?", (self.run,)))
        if self.source:
            folder = self.source.rstrip("/") + "/"
            parts.append(("(r.source = ? OR substr(r.source, 1, ?) = ?)", (self.source, len(folder), folder)))
        if self.before is not None:
            parts.append(("r.recorded_at < ? AND NOT r.pinned", (self.before,)))
        if not parts:
            raise UserError("say what is to be forgotten: ids, a run, a source, or a time before which")
        return " AND ".join(part for part, _ in parts), tuple(value for _, some in parts for value in some)


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten, or would be."""

    records: int = 0
    derived: int = 0
    """Of these, such as were derived from the others."""
    places: int = 0
    """Rows of the logs of runs, and other records, in which their words stood."""
    left: str = ""
    """What could not be done, and when it will be."""


def erase(db: sqlite3.Connection, scope: str, wanted: Wanted, *, dry: bool = False) -> Forgotten:
    """What was forgotten in the scope; with `dry`, what would be. In a transaction of the caller's.

    The run that is named goes with all that is known of it. What is recalled everywhere is named by its id.
    """
    wanted = wanted._replace(ids=tuple(_whole(db, id_) for id_ in wanted.ids))
    condition, values = wanted.condition()
    everywhere = ledger.EVERYWHERE if wanted.ids else scope
    rows = db.execute(
        "SELECT r.seq, r.id FROM records r JOIN scopes s ON s.id = r.scope "
        f"WHERE s.name IN (?, ?) AND {condition}",
        (scope, everywhere, *values),
    ).fetchall()
    named = {id_: seq for seq, id_ in rows}
    every = {**named, **_derived(db, named)}
    if dry or not (every or wanted.run):
        return Forgotten(len(every), len(every) - len(named))
    texts = [text for (text,) in _in_parts(db, "SELECT text FROM records WHERE seq IN ({})", every.values())]
    now = time.time()
    db.executemany("INSERT OR IGNORE INTO tombstones (id, at) VALUES (?, ?)", [(id_, now) for id_ in every])
    gone = [(seq,) for seq in every.values()]
    db.executemany(_OF_THE_NEXT_TURN, gone)  # what was embedded of it had some words of this one
    db.executemany("DELETE FROM records WHERE seq = ?", gone)
    if wanted.run:
        _erase_run(db, wanted.run)
    if wanted.source:
        _erase_documents(db, scope, wanted.source)
    places = _erase_words(db, sorted(_pieces(texts), key=len, reverse=True))
    for (table,) in db.execute("SELECT 'words_' || id FROM scopes").fetchall():
        db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # until then it keeps the words
    return Forgotten(len(every), len(every) - len(named), places)


def _whole(db: sqlite3.Connection, id_: str) -> str:
    if (record := ledger.find(db, id_.removeprefix("memory:"))) is None:
        raise UserError(
            f"there is no memory {id_!r}, or several begin so; `guildhall recall` shows their ids"
        )
    return record.id


def _derived(db: sqlite3.Connection, named: Iterable[str]) -> dict[str, int]:
    """The records that were made of those, and of what was made of them."""
    found: dict[str, int] = {}
    rest = set(named)
    while rest:
        sql = "SELECT r.id, r.seq FROM records r JOIN json_each(r.derived_from) f WHERE f.value IN ({})"
        rows = _in_parts(db, sql, rest)
        new: dict[str, int] = dict(rows)
        rest = new.keys() - found.keys() - set(named)
        found |= {one: new[one] for one in rest}
    return found


def _erase_run(db: sqlite3.Connection, run: str) -> None:
    for table in _OF_A_RUN:
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
    db.execute("DELETE FROM runs WHERE id = ?", (run,))


def _erase_documents(db: sqlite3.Connection, scope: str, source: str) -> None:
    folder = source.rstrip("/") + "/"
    db.execute(
        "DELETE FROM documents WHERE scope = (SELECT id FROM scopes WHERE name = ?) "
        "AND (path = ? OR substr(path, 1, ?) = ?)",
        (scope, source, len(folder), folder),
    )


def _erase_words(db: sqlite3.Connection, pieces: Sequence[str]) -> int:
    """How many rows had one of the pieces, of the logs and of other records; none has any more."""
    forms = list(dict.fromkeys(form for piece in pieces for form in _written(piece)))
    if not forms:
        return 0
    texts = re.compile("|".join(map(re.escape, forms)))
    data = re.compile(b"|".join(re.escape(form.encode()) for form in forms))
    changed = 0
    for table, column in _TEXTS:
        key = _key(db, table)
        for *where, value in db.execute(f"SELECT {', '.join(key)}, {column} FROM {table}").fetchall():
            if isinstance(value, bytes):
                new: str | bytes = data.sub(GONE.encode(), value)
            else:
                new = texts.sub(GONE, value or "")
            if new != (value or ""):
                changes: dict[str, str | bytes | None] = {column: new}
                if table == "records":
                    changes["divided"] = divided(str(new))
                    db.execute("DELETE FROM vectors WHERE record = ?", where)
                sets = ", ".join(f"{name} = ?" for name in changes)
                condition = " AND ".join(f"{name} = ?" for name in key)
                db.execute(f"UPDATE {table} SET {sets} WHERE {condition}", (*changes.values(), *where))
                changed += 1
    return changed


def _pieces(texts: Iterable[str]) -> set[str]:
    """The texts and their sentences: a log may have quoted one of them."""
    sentences = {part.strip() for text in texts for part in _SENTENCES.split(text)}
    return {piece for piece in sentences.union(texts) if len(piece) >= _SHORTEST} | set(texts)


def _written(piece: str) -> Iterator[str]:
    """As it may stand: as it is, and in JSON, which may stand in JSON itself."""
    yield piece
    form = piece
    for _ in range(2):
        yield from (json.dumps(form)[1:-1], form := json.dumps(form, ensure_ascii=False)[1:-1])


def _key(db: sqlite3.Connection, table: str) -> list[str]:
    """The columns that name a row."""
    columns = db.execute(f"PRAGMA table_info({table})").fetchall()
    return [name for _, name, *_, part in sorted(columns, key=lambda row: row[-1]) if part] or ["rowid"]


def _in_parts(db: sqlite3.Connection, sql: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
    every, found = list(values), list[tuple[Any, ...]]()
    for start in range(0, len(every), 500):
        part = every[start : start + 500]
        found += db.execute(sql.format(", ".join("?" * len(part))), part).fetchall()
    return found
