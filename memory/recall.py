"""Which records say most about a query."""

import json
import re
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from .records import Author, Hit, Kind, Record

POOL = 200
"""Candidates that the full-text index gives before they are filtered and scored."""
_FIELDS = (
    "id", "text", "kind", "subject", "visibility", "agent", "model", "run", "host", "source", "source_hash",
    "derived_from", "tags", "trust", "importance", "valid_from", "valid_to", "recorded_at", "superseded_by",
    "status", "expires_at", "pinned",
)  # fmt: skip
COLUMNS = ", ".join([*(f"r.{name}" for name in _FIELDS), "s.name"])
_STOP = frozenset(
    """a an and are as at be but by can did do does for from had has have how i in is it its me my of on or
    our s so t than that the their them then there these they this to was we were what when where which who
    whom why will with would you your""".split()
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query with its filters; times are seconds since the epoch."""

    query: str
    kinds: tuple[Kind, ...] = ()
    agent: str = ""
    run: str = ""
    tags: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    as_of: float | None = None
    min_trust: float = 0.0


def matching(db: sqlite3.Connection, scope: str, question: Question, limit: int) -> list[Hit]:
    """The best records of the scope; a record that was superseded gives way to the one that holds.

    Score: bm25 / its largest + 0.15 for a subject + 0.30 (trust - 1).
    """
    found = db.execute("SELECT id FROM scopes WHERE name = ?", (scope,)).fetchone()
    words = _words(question.query)
    if found is None or not words:
        return []
    table = f"words_{int(found[0])}"
    sql = (
        f"SELECT {COLUMNS}, -bm25({table}) FROM {table} JOIN records r ON r.seq = {table}.rowid "
        f"JOIN scopes s ON s.id = r.scope WHERE {table} MATCH ? ORDER BY bm25({table}) LIMIT {POOL}"
    )
    rows = db.execute(sql, (words,)).fetchall()
    most = max((row[-1] for row in rows), default=0.0)
    ranked = sorted(rows, key=lambda row: -_score(row, most)["all"])
    hits: dict[str, Hit] = {}
    for row in ranked:  # a record is made of a row only when it may be among the best
        record = _holding(db, _record(row), question.as_of)
        if record is not None and record.id not in hits and _wanted(record, question):
            parts = _score(row, most)
            hits[record.id] = Hit(record=record, score=parts.pop("all"), parts=parts)
        if len(hits) == limit:
            break
    return list(hits.values())


def _score(row: tuple[Any, ...], most: float) -> dict[str, float]:
    parts = {
        "bm25": row[-1] / most if most > 0 else 0.0,
        "subject": 0.15 if row[_FIELDS.index("subject")] else 0.0,
        "trust": 0.30 * (row[_FIELDS.index("trust")] - 1),
    }
    return {**parts, "all": sum(parts.values())}


def find(db: sqlite3.Connection, id: str) -> Record | None:  # noqa: A002  the name of the field
    """The record of that id, or of the only id that begins so."""
    sql = (
        f"SELECT {COLUMNS} FROM records r JOIN scopes s ON s.id = r.scope "
        "WHERE substr(r.id, 1, ?) = ? LIMIT 2"
    )
    rows = db.execute(sql, (len(id), id)).fetchall()
    return _record(rows[0]) if len(rows) == 1 else None


def _record(row: tuple[Any, ...]) -> Record:
    values = dict(zip((*_FIELDS, "scope"), row, strict=False))
    author = Author(**{name: values.pop(name) for name in Author.model_fields})
    for name in ("derived_from", "tags"):
        values[name] = json.loads(values[name])
    return Record(**values, author=author)


def _holding(db: sqlite3.Connection, record: Record, as_of: float | None) -> Record | None:
    """The record, or, now, the one that holds in its place."""
    if as_of is not None:
        held = record.valid_from <= as_of and (record.valid_to is None or as_of < record.valid_to)
        return record if held else None
    for _ in range(100):  # a chain is short; a damaged one must not loop
        if record.superseded_by is None:
            return record
        newer = find(db, record.superseded_by)
        if newer is None:
            return None
        record = newer
    return None


def _wanted(record: Record, question: Question) -> bool:
    now = question.as_of or time.time()
    return (
        record.status != "retracted"
        and record.trust >= question.min_trust
        and (record.expires_at is None or record.expires_at > now)
        and (not question.kinds or record.kind in question.kinds)
        and (not question.agent or record.author.agent == question.agent)
        and (not question.run or record.author.run == question.run)
        and set(question.tags) <= set(record.tags)
        and (question.since is None or record.recorded_at >= question.since)
        and (question.until is None or record.recorded_at <= question.until)
    )


def _words(query: str) -> str:
    """The query for the full-text index: each word quoted, any of them may match."""
    words = dict.fromkeys(word.lower() for word in re.findall(r"\w+", query[:4000]))
    telling = [word for word in words if word not in _STOP] or list(words)
    return " OR ".join(f'"{word}"' for word in telling[:64])
