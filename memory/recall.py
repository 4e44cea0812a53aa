"""Which records say most about a query."""

import json
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from .records import Author, Hit, Kind, Record
from .store.database import AFTER

POOL = 200
"""Candidates that the full-text index gives before they are filtered and scored."""
_FIELDS = (
    "id", "text", "kind", "subject", "visibility", "agent", "model", "run", "host", "source", "source_hash",
    "derived_from", "tags", "trust", "importance", "valid_from", "valid_to", "recorded_at", "superseded_by",
    "status", "expires_at", "pinned", "private",
)  # fmt: skip
_COLUMNS = ", ".join([*(f"r.{name}" for name in _FIELDS), "s.name"])
_RECORDS = "records r JOIN scopes s ON s.id = r.scope"
_STOP = frozenset(
    """a an and are as at be but by can did do does for from had has have how i in is it its me my of on or
    our s so t than that the their them then there these they this to was we were what when where which who
    whom why will with would you your""".split()
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query with its filters; times are seconds since the epoch."""

    query: str
    at: float
    """What held at this time is asked for."""
    viewer: str = ""
    """The agent that asks: what is private to others is left out. Empty: the user, who sees all."""
    kinds: tuple[Kind, ...] = ()
    agent: str = ""
    run: str = ""
    tags: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    min_trust: float = 0.0


def matching(db: sqlite3.Connection, scope: str, question: Question, limit: int) -> list[Hit]:
    """The best records of the scope, each after the one that holds for its subject.

    A record that does not hold gives way to that one. Score: bm25 / its largest + 0.15 for a subject
    + 0.30 (trust - 1).
    """
    found = db.execute("SELECT id FROM scopes WHERE name = ?", (scope,)).fetchone()
    words = _words(question.query)
    if found is None or not words:
        return []
    table = f"words_{int(found[0])}"
    sql = (
        f"SELECT {_COLUMNS}, -bm25({table}) FROM {table} JOIN records r ON r.seq = {table}.rowid "
        f"JOIN scopes s ON s.id = r.scope WHERE {table} MATCH ? ORDER BY bm25({table}) LIMIT {POOL}"
    )
    rows = db.execute(sql, (words,)).fetchall()
    most = max((row[-1] for row in rows), default=0.0)
    ranked = sorted(rows, key=lambda row: -_score(row, most)["all"])
    hits: dict[str, Hit] = {}
    leading: dict[tuple[Any, ...], Record | None] = {}
    for row in ranked:  # a record is made of a row only when it may be among the best
        said, parts = _record(row), _score(row, most)
        score = parts.pop("all")
        about = (said.subject, said.status, said.visibility == "private" and said.author.agent)
        if about not in leading:
            leading[about] = _leading(db, said, question.at)
        for record in (leading[about], said):
            if record is not None and record.id not in hits and _wanted(record, question):
                hits[record.id] = Hit(record=record, score=score, parts=parts)
        if len(hits) >= limit:
            break
    return list(hits.values())[:limit]


def _score(row: tuple[Any, ...], most: float) -> dict[str, float]:
    parts = {
        "bm25": row[-1] / most if most > 0 else 0.0,
        "subject": 0.15 if row[_FIELDS.index("subject")] else 0.0,
        "trust": 0.30 * (row[_FIELDS.index("trust")] - 1),
    }
    return {**parts, "all": sum(parts.values())}


def find(db: sqlite3.Connection, id: str) -> Record | None:  # noqa: A002  the name of the field
    """The record of that id, or of the only id that begins so."""
    select = f"SELECT {_COLUMNS} FROM {_RECORDS} WHERE"
    rows = db.execute(f"{select} r.id = ?", (id,)).fetchall()
    rows = rows or db.execute(f"{select} r.id >= ? AND r.id < ? LIMIT 2", (id, id + AFTER)).fetchall()
    return _record(rows[0]) if len(rows) == 1 else None


def _record(row: tuple[Any, ...]) -> Record:
    values = dict(zip((*_FIELDS, "scope"), row, strict=False))
    author = Author(**{name: values.pop(name) for name in Author.model_fields})
    for name in ("derived_from", "tags"):
        values[name] = json.loads(values[name])
    return Record(**values, author=author)


def rivals(db: sqlite3.Connection, record: Record, at: float) -> list[Record]:
    """What holds for the record's subject at that time or later, the most trusted first, then the newest.

    What is private to an agent has rivals only there: it never takes the place of what all may read.
    """
    private = record.visibility == "private"
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM {_RECORDS} WHERE s.name = :scope AND r.subject = :subject "
        "AND r.status = 'active' AND (r.visibility = 'private') = :private "
        "AND (NOT :private OR r.agent = :agent) AND (r.valid_to IS NULL OR r.valid_to > :at) "
        "AND (r.expires_at IS NULL OR r.expires_at > :at) ORDER BY r.trust DESC, r.seq DESC",
        {
            "scope": record.scope, "subject": record.subject, "private": private,
            "agent": record.author.agent, "at": at,
        },
    )  # fmt: skip
    return [_record(row) for row in rows]


def _leading(db: sqlite3.Connection, record: Record, at: float) -> Record | None:
    """The record that is to be believed of the subject at that time."""
    if record.subject is None or record.status != "active":
        return None
    return next((rival for rival in rivals(db, record, at) if rival.valid_from <= at), None)


def _wanted(record: Record, question: Question) -> bool:
    return (
        record.status != "retracted"
        and record.valid_from <= question.at
        and (record.valid_to is None or record.valid_to > question.at)
        and record.trust >= question.min_trust
        and (record.expires_at is None or record.expires_at > question.at)
        and (not question.viewer or record.visibility != "private" or record.author.agent == question.viewer)
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
