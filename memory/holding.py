"""Until when each record holds: worked out anew from what is there, whatever was said, settled or forgotten
in which order.

Of one subject, among the same readers, a record holds until the next one begins that is trusted as much or
more. Those that were settled to coexist let each other hold, and what only models marked private may see
ends nothing that others may see. What was settled to give way holds until the record begins to which it
does; if that is older, it never held, and ends nothing itself.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Said(NamedTuple):
    """What decides of a record until when it holds, and what it ends."""

    seq: int
    id: str
    valid_from: float
    trust: float
    private: bool
    recorded_at: float


class Way(NamedTuple):
    """The record to which another gives way, and since when; `moved` says that it is the same for more
    readers, so that the other one ends still what was before it."""

    to: Said
    at: float
    moved: bool


class Until(NamedTuple):
    """The end of a record, and since when that can be known."""

    valid_to: float
    by: str
    known: float


def ends(
    said: Sequence[Said], ways: Mapping[int, Sequence[Way]], coexisting: Collection[tuple[int, int]] = ()
) -> dict[int, Until]:
    """The end of each record that has one, by its number; all are of one subject and for the same readers."""
    found: dict[int, Until] = {}
    counting = []
    for one in sorted(said, key=lambda one: (one.valid_from, one.seq)):
        given = ways.get(one.seq, ())
        if given:
            found[one.seq] = min(Until(max(one.valid_from, w.to.valid_from), w.to.id, w.at) for w in given)
        if not given or found[one.seq].valid_to > one.valid_from or any(way.moved for way in given):
            counting.append(one)
    for place, one in enumerate(counting):
        newer = (other for other in counting[place + 1 :] if (one.seq, other.seq) not in coexisting)
        if (other := next((other for other in newer if _ends(other, one)), None)) is not None:
            end = Until(other.valid_from, other.id, max(one.recorded_at, other.recorded_at))
            found[one.seq] = min(found.get(one.seq, end), end)
    return found


def _ends(newer: Said, older: Said) -> bool:
    return newer.trust >= older.trust and (older.private or not newer.private)


# -- the same on disk

_SAID = ", ".join(f"r.{name}" for name in Said._fields)
_END = "valid_to, superseded_by, closed_at"
_OF_SUBJECT = (  # what ended before is not touched
    f"SELECT {_SAID}, r.valid_to, r.superseded_by FROM records o JOIN records r ON r.scope = o.scope "
    "AND r.subject = o.subject COLLATE NOCASE AND r.readers = o.readers WHERE o.seq = ? "
    "AND r.status = 'active' AND (r.valid_to IS NULL OR r.valid_to >= o.valid_from)"
)
_OF_NONE = (
    f"SELECT {_SAID}, r.valid_to, r.superseded_by FROM records r WHERE r.seq = ? AND r.status = 'active'"
)
_WAYS = (
    f"SELECT w.loser, w.at, w.moved, {_SAID} FROM ways w JOIN records r ON r.seq = w.winner "
    "WHERE r.status = 'active' AND w.loser IN ({})"
)
_GIVE_WAY = "SELECT loser FROM ways WHERE winner IN ({})"
_ENDED_BY = "SELECT r.seq FROM records g JOIN records r ON r.superseded_by = g.id WHERE g.seq IN ({})"
_KEEP = (
    f"INSERT INTO ends (record, {_END}) SELECT seq, {_END} FROM records "
    "WHERE seq = ? AND closed_at IS NOT NULL"
)


def refresh(
    db: sqlite3.Connection, seqs: Iterable[int], *, now: float, forgotten: Collection[str] = ()
) -> None:
    """Work out until when the records of these numbers hold, and all that they may end.

    Of what is `forgotten` it is not known any more that it ever ended anything.
    """
    numbers = {*seqs}
    numbers |= {seq for (seq,) in in_parts(db, _GIVE_WAY, numbers)}
    sql = "SELECT seq, subject, valid_from FROM records WHERE seq IN ({})"
    done = set[int]()
    for seq, subject, _ in sorted(in_parts(db, sql, numbers), key=lambda row: row[2]):
        if seq not in done:
            rows = db.execute(_OF_NONE if subject is None else _OF_SUBJECT, (seq,)).fetchall()
            _write(db, rows, now=now, forgotten=forgotten)
            done.update(row[0] for row in rows)


def touched(db: sqlite3.Connection, seqs: Collection[int]) -> set[int]:
    """The numbers of the records that end because of these."""
    return {seq for sql in (_GIVE_WAY, _ENDED_BY) for (seq,) in in_parts(db, sql, seqs)}


def remove(db: sqlite3.Connection, gone: Mapping[int, str], *, now: float) -> None:
    """Delete the records of these numbers and ids: what they had ended holds as if they had never been."""
    rest = touched(db, gone) - gone.keys()
    over = "SET valid_to = NULL, superseded_by = NULL WHERE status <> 'active' AND superseded_by IN ({})"
    for sql in ("DELETE FROM ends WHERE superseded_by IN ({})", f"UPDATE records {over}"):
        in_parts(db, sql, gone.values())
    db.executemany("DELETE FROM records WHERE seq = ?", [(seq,) for seq in gone])
    refresh(db, rest, now=now, forgotten={*gone.values()})


def retract(db: sqlite3.Connection, seq: int, *, now: float) -> None:
    """Have the record say nothing any more; what was known of it until now stays known."""
    rest = touched(db, [seq])
    db.execute(_KEEP, (seq,))
    db.execute("UPDATE records SET status = 'retracted', closed_at = ? WHERE seq = ?", (now, seq))
    refresh(db, rest, now=now)


def give_way(db: sqlite3.Connection, loser: int, winner: int, *, now: float, moved: bool = False) -> None:
    """Have the one record give way to the other, whatever was settled of the two before."""
    _unsettle(db, loser, winner)
    db.execute("INSERT INTO ways (winner, loser, at, moved) VALUES (?, ?, ?, ?)", (winner, loser, now, moved))
    refresh(db, [loser, winner], now=now)


def gives_way(db: sqlite3.Connection, seq: int, *, but: int) -> bool:
    """Whether the record was settled to give way to any but that one, be it later on."""
    sql = "SELECT 1 FROM ways w JOIN records r ON r.seq = w.winner WHERE w.loser = ? AND w.winner <> ? "
    return db.execute(f"{sql} AND r.status = 'active'", (seq, but)).fetchone() is not None


def coexist(db: sqlite3.Connection, one: int, other: int, *, now: float) -> None:
    """Have the two records hold beside each other, whatever was settled of them before."""
    _unsettle(db, one, other)
    pairs = [(one, other), (other, one)]
    db.executemany("INSERT INTO coexisting (one, other) VALUES (?, ?)", pairs)
    refresh(db, [one, other], now=now)


def coexisting(db: sqlite3.Connection, id_: str) -> set[str]:
    """The ids of the records that were settled to hold beside this one."""
    sql = "SELECT r.id FROM records a JOIN coexisting c ON c.one = a.seq JOIN records r ON r.seq = c.other "
    return {other for (other,) in db.execute(f"{sql} WHERE a.id = ?", (id_,))}


class Settled(NamedTuple):
    """What was settled of a record, and what was known of its end before."""

    gives_way: tuple[tuple[str, float, bool], ...] = ()
    """To which id, since when, and whether it is the same for more readers."""
    coexists: tuple[str, ...] = ()
    ends: tuple[tuple[float | None, str | None, float], ...] = ()
    """Until when, for which id, and since when that was known."""


def settled_of(db: sqlite3.Connection, id_: str) -> Settled:
    """All that was settled of the record of that id, for a ledger in which it is not known."""
    ways = "SELECT r.id, w.at, w.moved FROM records l JOIN ways w ON w.loser = l.seq JOIN records r"
    ended = f"SELECT e.{_END.replace(', ', ', e.')} FROM ends e JOIN records r ON r.seq = e.record"
    return Settled(
        gives_way=tuple(db.execute(f"{ways} ON r.seq = w.winner WHERE l.id = ?", (id_,))),
        coexists=tuple(sorted(coexisting(db, id_))),
        ends=tuple(db.execute(f"{ended} WHERE r.id = ? ORDER BY e.rowid", (id_,))),
    )


def settle_as(db: sqlite3.Connection, seq: int, settled: Settled) -> None:
    """Note that this was settled of the record; `refresh` makes of it what follows."""
    there = "FROM records WHERE id = ?"
    ways = [(seq, at, moved, id_) for id_, at, moved in settled.gives_way]
    db.executemany(f"INSERT OR IGNORE INTO ways (loser, at, moved, winner) SELECT ?, ?, ?, seq {there}", ways)
    for pair in ("SELECT ?, seq", "SELECT seq, ?"):
        rows = [(seq, id_) for id_ in settled.coexists]
        db.executemany(f"INSERT OR IGNORE INTO coexisting (one, other) {pair} {there}", rows)
    ends = [(seq, *end) for end in settled.ends]
    db.executemany(f"INSERT INTO ends (record, {_END}) VALUES (?, ?, ?, ?)", ends)


def in_parts(db: sqlite3.Connection, sql: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
    """The rows of a statement with one place for a list of values, however many there are."""
    every, found = list(values), list[tuple[Any, ...]]()
    for start in range(0, len(every), 500):
        part = every[start : start + 500]
        found += db.execute(sql.format(", ".join("?" * len(part))), part).fetchall()
    return found


def _write(
    db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], *, now: float, forgotten: Collection[str]
) -> None:
    """Write down the ends of these as far as they are other ones now; the one before stays known."""
    said = [Said._make(row[: len(Said._fields)]) for row in rows]
    numbers = [one.seq for one in said]
    ways: dict[int, list[Way]] = {}
    for loser, at, moved, *winner in in_parts(db, _WAYS, numbers):
        ways.setdefault(loser, []).append(Way(Said._make(winner), at, bool(moved)))
    pairs = set(in_parts(db, "SELECT one, other FROM coexisting WHERE one IN ({})", numbers))
    found = ends(said, ways, pairs)
    for one, (*_, was_until, was_by) in zip(said, rows, strict=True):
        end = found.get(one.seq)
        until, by, known = (end.valid_to, end.by, end.known) if end else (None, None, None)
        if was_by in forgotten:
            if end is None and db.execute("SELECT 1 FROM ends WHERE record = ?", (one.seq,)).fetchone():
                known = now
        elif (until, by) == (was_until, was_by):
            continue
        else:
            db.execute(_KEEP, (one.seq,))
            known = now
        sql = "UPDATE records SET valid_to = ?, superseded_by = ?, closed_at = ? WHERE seq = ?"
        db.execute(sql, (until, by, known, one.seq))


def _unsettle(db: sqlite3.Connection, one: int, other: int) -> None:
    for table, names in (("ways", "(winner, loser)"), ("coexisting", "(one, other)")):
        sql = f"DELETE FROM {table} WHERE {names} IN ((?, ?), (?, ?))"
        db.execute(sql, (one, other, other, one))
