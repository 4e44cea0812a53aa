"""The records in SQL: they are the truth, and whatever else exists is rebuilt from them."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from guildhall.errors import UserError

from . import holding
from .question import Condition, Question
from .records import QUARANTINE, Author, Origin, Record, Remembered
from .store.database import AFTER
from .store.schema import full_text
from .words import divided, header, terms

EVERYWHERE = "*"
"""The scope of what is recalled in all projects of the user; no project can be called so."""
SHORTEST = 4
"""Signs of the beginning of an id that name a record."""
WHOLE = 32
"""Signs of an id."""
_OWN = (
    "id", "text", "kind", "subject", "visibility", "agent", "model", "run", "host", "team", "source", "place",
    "source_hash", "session", "turn", "derived_from", "tags", "trust", "importance", "valid_from", "valid_to",
    "recorded_at", "closed_at", "superseded_by", "status", "expires_at", "pinned", "private",
)  # fmt: skip
_COLUMNS = ", ".join([*(f"r.{name}" for name in _OWN), "s.name"])
_SELECT = f"SELECT {_COLUMNS} FROM records r JOIN scopes s ON s.id = r.scope WHERE"
_OF_ORIGIN = ", ".join(f"o.{name}" for name in ("source", "at", "trust", *Author.model_fields))


def find(db: sqlite3.Connection, id: str) -> Record | None:  # noqa: A002  the name of the field
    """The record of that id, or of the only id that begins so."""
    rows = db.execute(f"{_SELECT} r.id = ?", (id,)).fetchall()
    if not rows and len(id) >= SHORTEST:
        rows = db.execute(f"{_SELECT} r.id >= ? AND r.id < ? LIMIT 2", (id, id + AFTER)).fetchall()
    return _record(rows[0]) if len(rows) == 1 else None


def seen(db: sqlite3.Connection, scope: str, id: str) -> Record | None:  # noqa: A002  the name of the field
    """The record of that id, where it is of the scope, or for all of them."""
    record = find(db, id)
    return record if record is not None and record.scope in (scope, EVERYWHERE) else None


def at(db: sqlite3.Connection, seq: int, condition: Condition) -> Record | None:
    """The record of that number, where it meets the condition."""
    sql, values = condition
    row = db.execute(f"{_SELECT} r.seq = ? AND {sql}", (seq, *values)).fetchone()
    return _record(row) if row else None


def newest(db: sqlite3.Connection, scopes: Sequence[int], condition: Condition, most: int) -> list[Record]:
    """The newest records of the scopes that meet the condition."""
    sql, values = condition
    within = ", ".join(map(str, scopes))
    rows = db.execute(
        f"{_SELECT} r.scope IN ({within}) AND {sql} ORDER BY r.valid_from DESC, r.seq DESC LIMIT ?",
        (*values, most),
    )
    return [_record(row) for row in rows]


def history(db: sqlite3.Connection, scope: str, subject: str, condition: Condition) -> list[Record]:
    """All that was ever recorded of the subject, the oldest first."""
    sql, values = condition
    rows = db.execute(
        f"{_SELECT} s.name IN (?, ?) AND r.subject = ? COLLATE NOCASE AND {sql} ORDER BY r.valid_from, r.seq",
        (scope, EVERYWHERE, subject, *values),
    )
    return [_record(row) for row in rows]


def owners(db: sqlite3.Connection, scope: str) -> frozenset[str]:
    """The agents that remember something for themselves alone."""
    rows = db.execute(
        "SELECT DISTINCT substr(r.readers, 7) FROM records r JOIN scopes s ON s.id = r.scope "
        "WHERE r.readers <> '' AND r.readers >= 'agent:' AND r.readers < 'agent;' AND s.name = ?",
        (scope,),
    )
    return frozenset(agent for (agent,) in rows)


def origins(db: sqlite3.Connection, id: str) -> list[Origin]:  # noqa: A002  the name of the field
    """Who else has said what the record says, in the order in which that was written."""
    rows = db.execute(
        f"SELECT {_OF_ORIGIN} FROM origins o JOIN records r ON r.seq = o.record "
        "WHERE r.id = ? ORDER BY o.rowid LIMIT -1 OFFSET 1",  # the first is the record's own
        (id,),
    )
    return [_origin(row) for row in rows]


def leading(db: sqlite3.Connection, seq: int, question: Question) -> list[tuple[int, str]]:
    """The number and id of the record that is to be believed of this one's subject, at the time asked for.

    It is the most trusted that holds, and of equals the newest. After it comes the next that is trusted less
    and was not settled, if any; there is none at all where the record is about no subject.
    """
    holds, values = question.holds
    (said, of_said), (stands, of_r) = question.stands("said"), question.stands("r")
    rows = db.execute(
        "SELECT r.seq, r.id, r.trust FROM records said JOIN records r ON r.scope = said.scope "
        "AND r.subject = said.subject COLLATE NOCASE AND r.readers = said.readers WHERE said.seq = ? "
        f"AND said.status <> 'quarantined' AND {said} AND r.status <> 'quarantined' AND {stands} AND {holds} "
        f"{'AND r.private = 0 ' * question.public}"
        "ORDER BY r.trust DESC, r.valid_from DESC, r.seq DESC LIMIT 2",
        (seq, *of_said, *of_r, *values),
    ).fetchall()
    settled = holding.coexisting(db, rows[0][1]) if len(rows) > 1 else ()
    return [
        (number, id_)
        for number, id_, trust in rows
        if number == rows[0][0] or (trust < rows[0][2] and id_ not in settled)
    ]


def write(db: sqlite3.Connection, record: Record) -> Remembered:
    """What became of the record. One that is there, or whose id was forgotten, is not written again."""
    if _is_known(db, record.id):
        return Remembered(id=record.id, merged=True)
    made_of = _lineage(db, record.derived_from)
    trust = min([record.trust, *(one.trust for one in made_of)])
    status = "quarantined" if trust < QUARANTINE else record.status
    private = record.private or any(one.private for one in made_of)
    ids = tuple(dict.fromkeys(one.id for one in made_of))
    changes = {"trust": trust, "status": status, "private": private, "derived_from": ids}
    record = record.model_copy(update=changes)
    scope = scope_id(db, record.scope)
    same = _same(db, scope, record)
    if same is None:
        _insert(db, scope, record)
    else:
        record = _merged(db, same, record)
    return _held(db, record).model_copy(update={"merged": same is not None})


def take(db: sqlite3.Connection, record: Record, also: Sequence[Origin]) -> int | None:
    """The number of the record, written as it stands with its times and its end; None where it was known."""
    if _is_known(db, record.id):
        return None
    seq = _insert(db, scope_id(db, record.scope), record)
    for origin in also:
        _add_origin(db, record, origin)
    return seq


def every(db: sqlite3.Connection, scopes: Sequence[int]) -> list[Record]:
    """All records of the scopes, in the order in which they were written."""
    within = ", ".join(map(str, scopes))
    return [_record(row) for row in db.execute(f"{_SELECT} r.scope IN ({within}) ORDER BY r.seq")]


def approve(db: sqlite3.Connection, record: Record, *, trust: float, now: float) -> Remembered:
    """What became of a record that was in quarantine, and is trusted so far from now on."""
    db.execute("UPDATE records SET status = 'active', trust = ? WHERE id = ?", (trust, record.id))
    own = "(SELECT seq FROM records WHERE id = ?)"
    db.execute(f"UPDATE origins SET trust = max(trust, ?) WHERE record = {own}", (trust, record.id))
    return _held(db, record.model_copy(update={"status": "active", "trust": trust, "recorded_at": now}))


def number(db: sqlite3.Connection, id_: str) -> int:
    """The number of the record of that id, which is there."""
    return int(db.execute("SELECT seq FROM records WHERE id = ?", (id_,)).fetchone()[0])


def scope_id(db: sqlite3.Connection, name: str) -> int:
    """The number of the scope, which is made if it is new."""
    if (known := scope_ids(db, name)) != []:
        return known[0]
    scope = int(db.execute("INSERT INTO scopes (name) VALUES (?) RETURNING id", (name,)).fetchone()[0])
    for statement in full_text(scope):
        db.execute(statement)
    return scope


def scope_ids(db: sqlite3.Connection, *names: str) -> list[int]:
    """The numbers of those scopes that there are, in that order."""
    rows = (db.execute("SELECT id FROM scopes WHERE name = ?", (name,)).fetchone() for name in names)
    return [int(row[0]) for row in rows if row]


def readers(record: Record) -> str:
    """Who alone may recall it beside the user; nothing for all who may recall from its scope."""
    if record.visibility == "private":
        return f"agent:{record.author.agent}"
    return f"team:{record.author.team}" if record.visibility == "team" else ""


def digest(text: str) -> str:
    """The same for texts that differ in white space alone."""
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).hexdigest()


def _is_known(db: sqlite3.Connection, id_: str) -> bool:
    """Whether there is, or was, a record of that id."""
    known = "SELECT 1 FROM records WHERE id = :id UNION ALL SELECT 1 FROM tombstones WHERE id = :id"
    return db.execute(known, {"id": id_}).fetchone() is not None


def _same(db: sqlite3.Connection, scope: int, record: Record) -> Record | None:
    """The record that says the same to the same readers and holds still, of a subject since then at least."""
    if record.kind == "document" or (record.kind == "episode" and record.session):
        return None  # the same words in two places are two places
    row = db.execute(
        "SELECT id FROM records WHERE scope = ? AND hash = ? AND kind = ? AND subject IS ? COLLATE NOCASE "
        "AND status = ? AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > ?) AND private = ? "
        "AND readers = ? AND (subject IS NULL OR valid_from <= ?)",
        (
            scope, digest(record.text), record.kind, record.subject, record.status, record.recorded_at,
            record.private, readers(record), record.valid_from,
        ),
    ).fetchone()  # fmt: skip
    return find(db, row[0]) if row else None


def _insert(db: sqlite3.Connection, scope: int, record: Record) -> int:
    """Its number."""
    turn = record.turn
    if record.session and not turn:
        sql = (
            "SELECT coalesce(max(turn), 0) + 1 FROM records WHERE scope = ? AND session = ? AND session <> ''"
        )
        turn = int(db.execute(sql, (scope, record.session)).fetchone()[0])
    values: dict[str, Any] = {
        **record.model_dump(include=set(_OWN)),
        **record.author.model_dump(),
        "scope": scope,
        "turn": turn,
        "hash": digest(record.text),
        "readers": readers(record),
        "head": header(record),
        "divided": divided(record.text),
        "words": len(terms(record.text)),
        "asks": record.text.rstrip().endswith(("?", "？")),  # noqa: RUF001  full-width
        "derived_from": json.dumps(record.derived_from),
        "tags": json.dumps(record.tags),
    }
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    return int(
        db.execute(f"INSERT INTO records ({names}) VALUES ({marks}) RETURNING seq", values).fetchone()[0]
    )


def _merged(db: sqlite3.Connection, same: Record, record: Record) -> Record:
    """The record that says the same, which keeps where this one came from, and gains what it adds."""
    _add_origin(db, same, _own_origin(record))
    tags = json.dumps([*dict.fromkeys((*same.tags, *record.tags))])
    db.execute(  # the later end: max() of SQLite is NULL, which is never, where one is
        "UPDATE records SET trust = max(trust, ?), importance = max(importance, ?), pinned = max(pinned, ?), "
        "valid_from = min(valid_from, ?), expires_at = max(expires_at, ?), tags = ? WHERE id = ?",
        (record.trust, record.importance, record.pinned, record.valid_from, record.expires_at, tags, same.id),
    )
    return record.model_copy(update={"id": same.id, "trust": max(same.trust, record.trust)})


def _own_origin(record: Record) -> Origin:
    return Origin(author=record.author, source=record.source, at=record.recorded_at, trust=record.trust)


def _add_origin(db: sqlite3.Connection, record: Record, origin: Origin) -> None:
    """Write down who says the record too; with the first of them, who has said it first."""
    there = "SELECT 1 FROM origins o JOIN records r ON r.seq = o.record WHERE r.id = ?"
    is_first = db.execute(there, (record.id,)).fetchone() is None
    for one in (_own_origin(record), origin) if is_first else (origin,):
        author = one.author.model_dump()
        db.execute(
            f"INSERT INTO origins (record, source, at, trust, {', '.join(author)}) "
            f"SELECT seq, ?, ?, ?, {', '.join('?' * len(author))} FROM records WHERE id = ?",
            (one.source, one.at, one.trust, *author.values(), record.id),
        )


def _origin(row: tuple[Any, ...]) -> Origin:
    source, at, trust, *author = row
    return Origin(
        author=Author(**dict(zip(Author.model_fields, author, strict=True))),
        source=source,
        at=at,
        trust=trust,
    )


def _held(db: sqlite3.Connection, record: Record) -> Remembered:
    """What became of the record now that it holds: which it took the place of, and which are trusted more."""
    sql = "SELECT id FROM records WHERE superseded_by = ? ORDER BY valid_from DESC, seq DESC"
    before = db.execute(sql, (record.id,)).fetchall()
    holding.refresh(db, [number(db, record.id)], now=record.recorded_at)
    ended = [id_ for (id_,) in db.execute(sql, (record.id,)) if (id_,) not in before]
    return Remembered(id=record.id, superseded=next(iter(ended), None), conflicts=_heavier(db, record))


def _heavier(db: sqlite3.Connection, record: Record) -> tuple[str, ...]:
    """The records that hold for its subject, too, and are trusted more; not those that were settled."""
    if record.subject is None or record.status != "active":
        return ()
    rows = db.execute(
        "SELECT r.id FROM records r JOIN scopes s ON s.id = r.scope WHERE s.name = :scope "
        "AND r.subject = :subject COLLATE NOCASE AND r.readers = :readers AND r.trust > :trust "
        "AND r.status = 'active' AND r.valid_from <= max(:start, :now) AND r.id <> :id "
        "AND (r.valid_to IS NULL OR r.valid_to > :start) AND (r.expires_at IS NULL OR r.expires_at > :start) "
        "ORDER BY r.trust DESC, r.seq DESC",
        {
            "scope": record.scope, "subject": record.subject, "readers": readers(record), "id": record.id,
            "trust": record.trust, "start": record.valid_from, "now": record.recorded_at,
        },
    )  # fmt: skip
    settled = holding.coexisting(db, record.id)
    return tuple(id_ for (id_,) in rows if id_ not in settled)


def _lineage(db: sqlite3.Connection, ids: Sequence[str]) -> list[Record]:
    """The records that something is derived from.

    What is gone meanwhile is left out. Raises UserError for a part of an id that none begins with.
    """
    found = []
    for id_ in ids:
        name = id_.removeprefix("memory:")
        if (record := find(db, name)) is not None:
            found.append(record)
        elif len(name) < WHOLE and not _is_known(db, name):
            raise UserError(
                f"derived_from names {id_!r:.80}; there is no such memory: `guildhall recall` shows the ids"
            )
    return found


def _record(row: tuple[Any, ...]) -> Record:
    values = dict(zip((*_OWN, "scope"), row, strict=False))
    author = Author(**{name: values.pop(name) for name in Author.model_fields})
    for name in ("derived_from", "tags"):
        values[name] = json.loads(values[name])
    return Record(**values, author=author)
