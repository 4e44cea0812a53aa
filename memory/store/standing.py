"""How often each member's side has held where a matter was decided, over all runs of a project."""

import json
import math
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from .database import Database

FADES = 200
"""Matters after which a member's record is halved, so that what it does now outweighs what it once did."""
MOST = 0.95
"""Neither a record nor its own word makes anybody surer than this."""
LEAST = 0.05
"""The weight of who is wrong as often as right, or more often."""
_ADD = """
    INSERT INTO standing VALUES (?, ?, ?, ?)
    ON CONFLICT (scope, member) DO UPDATE SET
        matters = matters + excluded.matters, held = held + excluded.held
"""
_FADE = "UPDATE standing SET matters = matters / 2, held = held / 2 WHERE matters >= ?"


class Standing(NamedTuple):
    """One member's record: matters that were judged, and those of them in which its side held."""

    matters: int = 0
    held: int = 0

    def plus(self, other: "Standing") -> "Standing":
        """Both together."""
        return Standing(self.matters + other.matters, self.held + other.held)

    @property
    def share(self) -> float:
        """How often its side is to be expected to hold: 2 of 3 for whom nobody knows, then what was seen."""
        return min(MOST, (self.held + 2) / (self.matters + 3))

    @property
    def weight(self) -> float:
        """What its vote counts."""
        return weight_of(self.share)


def weight_of(share: float) -> float:
    """What a vote counts that is right in this share of all cases: its log odds.

    Among independent members no other weights err less (Nitzan and Paroush, 1982).
    """
    share = min(MOST, share)
    return LEAST if share <= 0.5 else max(LEAST, math.log(share / (1 - share)))


class Standings:
    """The records of all members; the older they are, the less they count."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self, scope: str) -> dict[str, Standing]:
        """The records of a project by the name of the member, as far as they are on disk."""

        def read(db: sqlite3.Connection) -> dict[str, Standing]:
            rows = db.execute("SELECT member, matters, held FROM standing WHERE scope = ?", (scope,))
            return {member: Standing(matters, held) for member, matters, held in rows}

        return await self._db.read(read)

    def add(
        self, scope: str, standings: Mapping[str, Standing], *, run: str, path: str, digest: str, value: Any
    ) -> None:
        """Have what was judged at that path of a run counted within moments; never waits.

        Its entry in the run's journal is written with it: both are on disk or none, and nothing is counted
        twice.
        """
        rows = [(scope, member, *standing) for member, standing in standings.items()]
        entry = (run, path, digest, json.dumps(value))

        def write(db: sqlite3.Connection) -> None:
            known = db.execute("SELECT 1 FROM journal WHERE run = ? AND path = ?", (run, path)).fetchone()
            db.execute("INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", entry)
            if known is None:
                db.executemany(_ADD, rows)
                db.execute(_FADE, (FADES,))

        self._db.write_later(write)
