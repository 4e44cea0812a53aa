"""The logs of runs: where they quote a text, and how it is taken out of them."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .quoted import Quoted

AT_ONCE = 50
"""Rows that are changed in one transaction, so that nobody waits for long."""
_TEXTS = {
    "events": ("run, id", "body"),
    "journal": ("run, path", "value"),
    "runs": ("id", "task, answer, spec"),
    "questions": ("id", "text, options, answer"),
    "notebook": ("run, number", "task, text"),
    "files": ("digest", "data"),
    "cache": ("key", "value"),
}
"""Of each table the key, and where texts stand."""
_JSON = frozenset({"body", "value", "spec", "options"})
_OF_A_RUN = {"events", "journal", "notebook", "runs"}
"""Tables whose key begins with the run."""


class Trace(NamedTuple):
    """A row in which something of a text stands."""

    table: str
    key: tuple[str | int, ...]


def traces(db: sqlite3.Connection, quoted: Quoted) -> list[Trace]:
    """All rows that quote it. Blocks for long where the logs are large; whoever writes need not wait."""
    return [] if quoted.empty else list(_traces(db, quoted))


def erased(db: sqlite3.Connection, quoted: Quoted, found: Sequence[Trace]) -> int:
    """How many of the rows had something of it still, which they have no more; in the caller's transaction.

    Replies that were kept to be used again go altogether.
    """
    return sum(_erase(db, quoted, trace) for trace in found)


def runs_of(found: Sequence[Trace]) -> set[str]:
    """The runs that are told of there."""
    return {str(trace.key[0]) for trace in found if trace.table in _OF_A_RUN}


def erase_run(db: sqlite3.Connection, run: str) -> None:
    """Have nothing of the run left, but for what memory has from it."""
    replies = "SELECT digest FROM journal WHERE run = ?"
    db.execute(f"DELETE FROM cache WHERE digest IN ({replies})", (run,))
    for table in ("events", "journal", "questions", "notebook"):
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
    db.execute("DELETE FROM runs WHERE id = ?", (run,))
    used = "SELECT json_extract(file.value, '$.digest') FROM runs, json_each(runs.spec, '$.files') AS file"
    db.execute(f"DELETE FROM files WHERE digest NOT IN ({used})")


def _traces(db: sqlite3.Connection, quoted: Quoted) -> Iterator[Trace]:
    for table, (key, texts) in _TEXTS.items():
        size = key.count(",") + 1
        for row in db.execute(f"SELECT {key}, {texts} FROM {table}"):
            if any(quoted.within(value) for value in row[size:]):
                yield Trace(table, row[:size])


def _erase(db: sqlite3.Connection, quoted: Quoted, trace: Trace) -> bool:
    key, texts = _TEXTS[trace.table]
    here = " AND ".join(f"{name} = ?" for name in key.split(", "))
    row = db.execute(f"SELECT {texts} FROM {trace.table} WHERE {here}", trace.key).fetchone()
    if row is None:
        return False
    named = zip(texts.split(", "), row, strict=True)
    new = [
        value and (quoted.without_in_json(value) if name in _JSON else quoted.without(value))
        for name, value in named
    ]
    if new == list(row):
        return False
    if trace.table == "cache":
        db.execute(f"DELETE FROM cache WHERE {here}", trace.key)
        return True
    sets = ", ".join(f"{name} = ?" for name in texts.split(", "))
    db.execute(f"UPDATE {trace.table} SET {sets} WHERE {here}", (*new, *trace.key))
    return True
