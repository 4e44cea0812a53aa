"""Replies that are kept, so that a request that was answered before need not be paid for again."""

import asyncio
import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from .database import Database

BATCH = 200
"""Entries that are removed in one transaction."""
PAUSE = 0.01
"""Seconds between two of these, in which other processes can write."""


@dataclass(frozen=True)
class Cached:
    """A reply that was kept."""

    model: str
    value: Any
    """What was kept, as JSON has it."""
    at: float
    """When it was kept, in seconds since the epoch."""


class Cache:
    """The kept replies of all processes of the user."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, key: str, *, youngest: float) -> Cached | None:
        """The entry of that key, if it was kept at `youngest` or later."""
        sql = "SELECT model, value, at FROM cache WHERE key = ? AND at >= ?"
        return await self._db.read(lambda db: _one(db, sql, key, youngest))

    async def find_any(self, digest: str, *, youngest: float) -> Cached | None:
        """The newest entry for that request, whatever the model, if it was kept at `youngest` or later."""
        sql = "SELECT model, value, at FROM cache WHERE digest = ? AND at >= ? ORDER BY at DESC LIMIT 1"
        return await self._db.read(lambda db: _one(db, sql, digest, youngest))

    def keep(self, key: str, digest: str, model: str, value: Any) -> None:
        """Have the value kept with the next write or within moments, in place of an older one; never waits.

        Nothing is kept on a disk that has taken nothing for long.
        """
        sql, at = "INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?, ?)", time.time()
        self._db.write_later(lambda db: db.execute(sql, (key, digest, model, json.dumps(value), at)))

    async def shrink(self, *, oldest: float, most_bytes: float) -> int:
        """The number of entries that were removed: those kept before `oldest`, then the oldest until the
        values of the rest fit `most_bytes`.
        """
        until = await self._db.read(lambda db: _beyond(db, oldest, most_bytes))
        removed = 0
        while some := await self._db.write(lambda db: _remove(db, oldest, until)):
            removed += some
            await asyncio.sleep(PAUSE)
        return removed


def _one(db: sqlite3.Connection, sql: str, wanted: str, youngest: float) -> Cached | None:
    row = db.execute(sql, (wanted, youngest)).fetchone()
    return Cached(row[0], json.loads(row[1]), row[2]) if row else None


def _beyond(db: sqlite3.Connection, oldest: float, most_bytes: float) -> float | None:
    """When the newest entry was kept that, with all that are newer, does not fit."""
    sums = (
        "SELECT at, SUM(length(CAST(value AS BLOB))) OVER (ORDER BY at DESC) AS bytes "
        "FROM cache WHERE at >= ?"
    )
    sql = f"SELECT at FROM ({sums}) WHERE bytes > ? ORDER BY at DESC LIMIT 1"
    row = db.execute(sql, (oldest, most_bytes)).fetchone()
    return float(row[0]) if row else None


def _remove(db: sqlite3.Connection, oldest: float, until: float | None) -> int:
    old = "SELECT key FROM cache WHERE at < ? OR at <= ? ORDER BY at LIMIT ?"
    return db.execute(f"DELETE FROM cache WHERE key IN ({old})", (oldest, until, BATCH)).rowcount
