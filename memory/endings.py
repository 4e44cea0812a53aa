"""What ends a record and what holds beside it, in SQL, with the ends that were taken back since."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple


class End(NamedTuple):
    """From `closed_at` on it was known that the record holds until `valid_to`; None: that it holds."""

    valid_to: float | None
    superseded_by: str | None
    closed_at: float


def close(
    db: sqlite3.Connection, ids: Sequence[str], *, by: str | None, until: float | None, now: float
) -> None:
    """Have the record `by` take the place of these from `until` on; None: have them hold."""
    db.executemany(
        "INSERT INTO ends (record, valid_to, superseded_by, closed_at) SELECT seq, valid_to, superseded_by, "
        "closed_at FROM records WHERE id = ? AND closed_at IS NOT NULL",
        [(id_,) for id_ in ids],
    )
    db.executemany(
        "UPDATE records SET superseded_by = ?, valid_to = ?, closed_at = ? WHERE id = ?",
        [(by, until, now, id_) for id_ in ids],
    )


def earlier_ends(db: sqlite3.Connection, id_: str) -> list[End]:
    """The ends that the record was given before the one that it has, the oldest first."""
    columns = ", ".join(f"e.{name}" for name in End._fields)
    sql = f"SELECT {columns} FROM ends e JOIN records r ON r.seq = e.record WHERE r.id = ? ORDER BY e.rowid"
    return [End._make(row) for row in db.execute(sql, (id_,))]


def add_ends(db: sqlite3.Connection, id_: str, ends: Sequence[End]) -> None:
    """Note ends that the record was given earlier."""
    db.executemany(
        f"INSERT INTO ends (record, {', '.join(End._fields)}) SELECT seq, ?, ?, ? FROM records WHERE id = ?",
        [(*end, id_) for end in ends],
    )


def coexist(db: sqlite3.Connection, id_: str, other: str) -> None:
    """Note that the two hold beside each other."""
    pair = "SELECT a.seq, b.seq FROM records a, records b WHERE a.id = ? AND b.id = ?"
    sql = f"INSERT OR IGNORE INTO coexisting {pair}"
    db.executemany(sql, [(id_, other), (other, id_)])


def coexisting(db: sqlite3.Connection, id_: str) -> set[str]:
    """The ids of the records that are known to hold beside this one."""
    sql = "SELECT r.id FROM records a JOIN coexisting c ON c.one = a.seq JOIN records r ON r.seq = c.other "
    return {other for (other,) in db.execute(f"{sql} WHERE a.id = ?", (id_,))}
