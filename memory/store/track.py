"""How the calls of each model have ended so far, over all runs of the user."""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from .database import Database

FADES = 1_000
"""Calls after which the record of a model is halved, so that what it does now outweighs what it once did."""
_ADD = """
    INSERT INTO track VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (model) DO UPDATE SET
        calls = calls + excluded.calls, lost = lost + excluded.lost, seconds = seconds + excluded.seconds,
        output = output + excluded.output, usd = usd + excluded.usd
"""
_FADE = """
    UPDATE track SET
        calls = calls / 2, lost = lost / 2, seconds = seconds / 2, output = output / 2, usd = usd / 2
    WHERE calls >= ?
"""


class Tally(NamedTuple):
    """The sums of one model's calls."""

    calls: int = 0
    lost: int = 0
    """Those of them that brought no reply, through no fault of the caller."""
    seconds: float = 0.0
    """From the request to the end of its reply, of all calls."""
    output: int = 0
    """Tokens."""
    usd: float = 0.0

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.calls + other.calls,
            self.lost + other.lost,
            self.seconds + other.seconds,
            self.output + other.output,
            self.usd + other.usd,
        )


class Track:
    """What is known of the models' calls; the older it is, the less it counts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> dict[str, Tally]:
        """The tallies by the name of the model, as far as they are on disk."""

        def read(db: sqlite3.Connection) -> dict[str, Tally]:
            rows = db.execute("SELECT model, calls, lost, seconds, output, usd FROM track")
            return {row[0]: Tally(*row[1:]) for row in rows}

        return await self._db.read(read)

    def add(self, tallies: Mapping[str, Tally]) -> None:
        """Have the calls counted within moments; never waits."""
        rows = [(model, *tally) for model, tally in tallies.items()]

        def write(db: sqlite3.Connection) -> None:
            db.executemany(_ADD, rows)
            db.execute(_FADE, (FADES,))

        if rows:
            self._db.write_later(write)
