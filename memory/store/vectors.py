"""The vectors of records in SQL: what an embedder made of each, and how far an index has come with them."""

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from guildhall.memory.question import Condition

CHUNK = 512
"""Vectors read at a time: few enough to stay in the processor's cache."""
_PLACES, _SOME = 8, 16
_BEFORE = 400
"""Characters of the turn before that are embedded with a record."""


class Space(NamedTuple):
    """What is searched together: the vectors of one scope by one embedder, by their numbers."""

    scope: int
    embedder: int


class Mark(NamedTuple):
    """How far the index of a space has come: vectors up to `watermark` are in the collection of `epoch`."""

    epoch: int = 0
    watermark: int = 0


class Candidate(NamedTuple):
    """A vector by its number, and the record that it is of."""

    seq: int
    record: int
    vector: bytes


class State(NamedTuple):
    """A space by its names, how many vectors it has, and how many of them an index has been given."""

    scope: str
    embedder: str
    vectors: int
    fed: int
    epoch: int


def embedder_id(db: sqlite3.Connection, name: str) -> int:
    """The number of the embedder, which is made if it is new."""
    if (known := known_embedder(db, name)) is not None:
        return known
    return int(db.execute("INSERT INTO embedders (name) VALUES (?) RETURNING id", (name,)).fetchone()[0])


def known_embedder(db: sqlite3.Connection, name: str) -> int | None:
    """The number of the embedder, if it has embedded anything."""
    row = db.execute("SELECT id FROM embedders WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def missing(
    db: sqlite3.Connection,
    embedder: int,
    limit: int,
    *,
    after: int = 0,
    upto: int = sys.maxsize,
    private: bool = True,
) -> list[tuple[int, int, str]]:
    """Records without a vector of the embedder: number, scope, and the text to embed; the newest first.

    Only those with a number above `after` and up to `upto`, and without `private` only those that any model
    may be shown.
    """
    rows = db.execute(
        "SELECT r.seq, r.scope, r.kind, r.subject, r.agent, r.text, substr(before.text, -?) FROM records r "
        "LEFT JOIN records before ON before.scope = r.scope AND before.session = r.session "
        "AND before.turn = r.turn - 1 AND before.private <= r.private AND r.kind <> 'document' "
        "AND r.session <> '' AND before.session <> '' "
        "WHERE r.seq > ? AND r.seq <= ? AND r.status <> 'retracted' AND r.private <= ? "
        "AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.record = r.seq AND v.embedder = ?) "
        "GROUP BY r.seq ORDER BY r.seq DESC LIMIT ?",
        (_BEFORE, after, upto, private, embedder, limit),
    )
    return [(seq, scope, _embedded(*about)) for seq, scope, *about in rows]


def lacking(db: sqlite3.Connection, embedder: int, records: Sequence[int]) -> frozenset[int]:
    """Those of the records, given by their numbers, that have no vector of the embedder."""
    marks = ", ".join("?" * len(records))
    sql = f"SELECT record FROM vectors WHERE embedder = ? AND record IN ({marks})"
    return frozenset(records) - {record for (record,) in db.execute(sql, (embedder, *records))}


def add(db: sqlite3.Connection, embedder: int, rows: Sequence[tuple[int, int, bytes]]) -> None:
    """Keep vectors (of unit length, float32): each with the number of its record, and of its scope.

    Nothing is kept of a record that was deleted meanwhile, or that has its vector already.
    """
    db.executemany(
        "INSERT INTO vectors (record, scope, embedder, vector) "
        "SELECT seq, scope, ?, ? FROM records WHERE seq = ? AND scope = ? ON CONFLICT DO NOTHING",
        [(embedder, vector, record, scope) for record, scope, vector in rows],
    )


def count(db: sqlite3.Connection, space: Space, limit: int, *, after: int = 0) -> int:
    """How many vectors there are above `after`; counts no further than the limit."""
    sql = "SELECT 1 FROM vectors WHERE scope = ? AND embedder = ? AND seq > ? LIMIT ?"
    return int(db.execute(f"SELECT count(*) FROM ({sql})", (*space, after, limit)).fetchone()[0])


def share(db: sqlite3.Connection, space: Space, gate: Condition) -> float:
    """About which part of the vectors is of records that meet the condition, by a look at a hundred."""
    condition, values = gate
    mine = "FROM vectors WHERE scope = ? AND embedder = ?"
    lowest, highest = db.execute(
        f"SELECT (SELECT min(seq) {mine}), (SELECT max(seq) {mine})", (*space, *space)
    ).fetchone()
    if lowest is None:
        return 0.0
    some = f"SELECT record {mine} AND seq >= ? ORDER BY seq LIMIT {_SOME}"
    sql = f"SELECT count(*), sum({condition}) FROM ({some}) v JOIN records r ON r.seq = v.record"
    places = (lowest + (highest - lowest) * part // _PLACES for part in range(_PLACES))
    looked = [db.execute(sql, (*values, *space, place)).fetchone() for place in places]
    return float(sum(met or 0 for _, met in looked) / sum(there for there, _ in looked))


def read(
    db: sqlite3.Connection, space: Space, gate: Condition | None = None, *, after: int = 0
) -> Iterator[list[tuple[int, bytes]]]:
    """The vectors above `after` of records that meet the condition, each with its record, in chunks."""
    sql = "SELECT v.record, v.vector FROM vectors v"
    where = "WHERE v.scope = ? AND v.embedder = ? AND v.seq > ?"
    if gate is None:
        cursor = db.execute(f"{sql} {where}", (*space, after))
    else:
        condition, values = gate
        joined = f"{sql} JOIN records r ON r.seq = v.record {where} AND {condition}"
        cursor = db.execute(joined, (*space, after, *values))
    while rows := cursor.fetchmany(CHUNK):
        yield rows


def checked(
    db: sqlite3.Connection, space: Space, seqs: Sequence[int], gate: Condition | None = None
) -> list[Candidate]:
    """Those of an index's candidates that are of this space still, and whose records meet the condition."""
    condition, values = gate or ("1", ())
    among = ", ".join(map(str, seqs))  # twice as fast as json_each
    rows = db.execute(
        "SELECT v.seq, v.record, v.vector FROM vectors v CROSS JOIN records r ON r.seq = v.record "
        f"WHERE v.seq IN ({among}) AND +v.scope = ? AND +v.embedder = ? AND {condition}",
        (*space, *values),
    )
    return list(map(Candidate._make, rows))


def mark(db: sqlite3.Connection, space: Space) -> Mark:
    row = db.execute("SELECT epoch, watermark FROM marks WHERE scope = ? AND embedder = ?", space).fetchone()
    return Mark(*row) if row else Mark()


def advance(db: sqlite3.Connection, space: Space, old: Mark, seq: int) -> None:
    """The index has the vectors up to `seq`; no effect where its collection was given up meanwhile."""
    db.execute(
        "INSERT INTO marks (scope, embedder, epoch, watermark) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET watermark = excluded.watermark "
        "WHERE epoch = excluded.epoch AND watermark < excluded.watermark",
        (*space, old.epoch, seq),
    )


def give_up(db: sqlite3.Connection, space: Space, epoch: int) -> None:
    """Have the index of the space begin anew in the next epoch; no effect where that has begun already."""
    db.execute(
        "INSERT INTO marks (scope, embedder, epoch, watermark) VALUES (?, ?, ? + 1, 0) "
        "ON CONFLICT DO UPDATE SET epoch = epoch + 1, watermark = 0 WHERE epoch = ?",
        (*space, epoch, epoch),
    )


def batch(db: sqlite3.Connection, space: Space, after: int, limit: int) -> list[tuple[int, bytes]]:
    """The next vectors above `after`, each with its number."""
    sql = "SELECT seq, vector FROM vectors WHERE scope = ? AND embedder = ? AND seq > ? ORDER BY seq LIMIT ?"
    return db.execute(sql, (*space, after, limit)).fetchall()


def sample(db: sqlite3.Connection, space: Space, upto: int, most: int) -> list[bytes]:
    """Vectors up to that number: half of them from the newest thousand, half from anywhere."""
    mine = "SELECT seq FROM vectors WHERE scope = ? AND embedder = ? AND seq <= ?"
    newest = f"SELECT seq FROM ({mine} ORDER BY seq DESC LIMIT 1000) ORDER BY random() LIMIT ?"
    anywhere = f"SELECT seq FROM ({mine}) ORDER BY random() LIMIT ?"
    rows = db.execute(
        f"SELECT vector FROM vectors WHERE seq IN ({newest}) OR seq IN ({anywhere})",
        (*space, upto, most // 2, *space, upto, most - most // 2),
    )
    return [vector for (vector,) in rows]


def below(db: sqlite3.Connection, space: Space, watermark: int) -> int:
    """How many vectors there are up to the watermark."""
    sql = "SELECT count(*) FROM vectors WHERE scope = ? AND embedder = ? AND seq <= ?"
    return int(db.execute(sql, (*space, watermark)).fetchone()[0])


def states(db: sqlite3.Connection) -> list[State]:
    """All spaces, the largest first."""
    rows = db.execute(
        "SELECT s.name, e.name, count(*), sum(v.seq <= coalesce(m.watermark, 0)), coalesce(m.epoch, 0) "
        "FROM vectors v JOIN scopes s ON s.id = v.scope JOIN embedders e ON e.id = v.embedder "
        "LEFT JOIN marks m ON m.scope = v.scope AND m.embedder = v.embedder "
        "GROUP BY v.scope, v.embedder ORDER BY count(*) DESC"
    )
    return list(map(State._make, rows))


def ledger_name(db: sqlite3.Connection, path: Path) -> str:
    """What an index calls this database: a copy of the file has another name (it is another inode)."""
    row = db.execute("SELECT value FROM about WHERE name = 'ledger'").fetchone()
    return f"guildhall-{row[0] if row else 'unnamed'}-{os.stat(path).st_ino:x}"  # noqa: PTH116  no object made


def begin_anew(db: sqlite3.Connection) -> None:
    """Have every index of this database begin anew; what there is of it is to be removed."""
    db.execute("UPDATE indexes SET abandoned = 1")
    rename_ledger(db)


def rename_ledger(db: sqlite3.Connection) -> None:
    """Have every index of this database begin anew, under another name; what there is may be another's."""
    db.execute(
        "INSERT INTO about (name, value) VALUES ('ledger', lower(hex(randomblob(8)))) "
        "ON CONFLICT DO UPDATE SET value = excluded.value"
    )
    db.execute("UPDATE marks SET epoch = epoch + 1, watermark = 0")


def placed(db: sqlite3.Connection, name: str, place: str) -> None:
    """From now on there may be vectors at the place, under the name."""
    db.execute("INSERT OR IGNORE INTO indexes (name, place) VALUES (?, ?)", (name, place))


def abandoned(db: sqlite3.Connection) -> dict[str, list[str]]:
    """The names under which vectors are to be removed, by their places."""
    found: dict[str, list[str]] = {}
    for place, name in db.execute("SELECT place, name FROM indexes WHERE abandoned"):
        found.setdefault(place, []).append(name)
    return found


def removed(db: sqlite3.Connection, name: str, place: str) -> None:
    """There are no vectors at the place any more, under the name."""
    db.execute("DELETE FROM indexes WHERE name = ? AND place = ?", (name, place))


def _embedded(kind: str, subject: str | None, agent: str, text: str, before: str | None) -> str:
    """What is embedded of a record: who says it, what it is about, and what it follows."""
    about = f"[{kind} | {subject}] " if subject else ""
    speaker = f"{agent}: " if agent else ""
    return f"{about}{speaker}{text}" + (f" (after: {before})" if before else "")
