"""Kept replies: found by key or by request, in place of older ones, within an age and a size."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guildhall.memory.store.cache import Cache
from guildhall.memory.store.database import Database

EVER = 0.0


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database(home / "guildhall.db")
    yield opened
    opened.close()


@pytest.fixture
def cache(db: Database) -> Cache:
    return Cache(db)


async def kept(db: Database, key: str, *, at: float, digest: str = "d", size: int = 10) -> None:
    """An entry whose value takes so many bytes, kept at that time."""
    Cache(db).keep(key, digest, f"model of {key}", "x" * (size - 2))
    await db.write(lambda raw: raw.execute("UPDATE cache SET at = ? WHERE key = ?", (at, key)))


async def keys(db: Database) -> list[str]:
    return await db.read(lambda raw: [key for (key,) in raw.execute("SELECT key FROM cache ORDER BY key")])


async def test_what_was_kept_is_found_by_every_process(db: Database, cache: Cache) -> None:
    value = {"text": "The storm. \u2603", "usage": {"input": 3, "output": None}, "parts": [1.5, True]}
    before = time.time()
    cache.keep("k", "d", "openai:m", value)
    await db.write(lambda raw: None)  # commits what was handed in before
    other = Database(db.path)
    found = await Cache(other).find("k", youngest=before)
    other.close()
    assert found is not None
    assert (found.model, found.value) == ("openai:m", value)
    assert before <= found.at <= time.time()


async def test_an_entry_that_nobody_waits_for_is_kept_within_moments(cache: Cache) -> None:
    cache.keep("k", "d", "m", 1)
    while await cache.find("k", youngest=EVER) is None:  # the test's deadline ends it otherwise
        await asyncio.sleep(0.01)


async def test_what_is_too_old_or_was_never_kept_is_not_found(db: Database, cache: Cache) -> None:
    await kept(db, "k", at=100.0)
    assert await cache.find("k", youngest=100.0) is not None
    assert await cache.find("k", youngest=100.1) is None
    assert await cache.find("other", youngest=EVER) is None
    assert await cache.find_any("d", youngest=100.1) is None
    assert await cache.find_any("k", youngest=EVER) is None


async def test_for_a_request_the_newest_reply_of_any_model_is_found(db: Database, cache: Cache) -> None:
    await kept(db, "a", at=100.0)
    await kept(db, "b", at=300.0)
    await kept(db, "c", at=200.0)
    await kept(db, "x", at=400.0, digest="another")
    found = await cache.find_any("d", youngest=150.0)
    assert found is not None
    assert (found.model, found.at) == ("model of b", 300.0)


async def test_a_newer_reply_takes_the_place_of_the_older(db: Database, cache: Cache) -> None:
    await kept(db, "k", at=100.0, digest="old")
    cache.keep("k", "new", "m", "newer")
    await db.write(lambda raw: None)
    found = await cache.find("k", youngest=101.0)
    assert found is not None
    assert found.value == "newer"
    assert await cache.find_any("old", youngest=EVER) is None
    assert await keys(db) == ["k"]


async def test_old_entries_are_removed(db: Database, cache: Cache) -> None:
    for number in range(5):
        await kept(db, f"k{number}", at=float(number))
    assert await cache.shrink(oldest=3.0, most_bytes=1e6) == 3
    assert await keys(db) == ["k3", "k4"]
    assert await cache.shrink(oldest=3.0, most_bytes=1e6) == 0


async def test_the_oldest_go_until_the_bytes_of_the_rest_fit(db: Database, cache: Cache) -> None:
    for number, at in enumerate((50.0, 20.0, 40.0, 30.0, 10.0)):
        await kept(db, f"k{number}", at=at, size=1000)
    assert await cache.shrink(oldest=15.0, most_bytes=2000.0) == 3
    assert await keys(db) == ["k0", "k2"]
    assert await cache.shrink(oldest=EVER, most_bytes=1999.0) == 1
    assert await keys(db) == ["k0"]
    assert await cache.shrink(oldest=EVER, most_bytes=0) == 1
    assert await keys(db) == []


async def test_bytes_are_counted_and_not_characters(db: Database, cache: Cache) -> None:
    await db.write(lambda raw: raw.execute("INSERT INTO cache VALUES ('k', 'd', 'm', '\"\u2603\"', 1.0)"))
    assert await cache.shrink(oldest=EVER, most_bytes=5) == 0
    assert await cache.shrink(oldest=EVER, most_bytes=4) == 1


async def test_more_entries_than_fit_in_one_transaction_are_removed(db: Database, cache: Cache) -> None:
    rows = [(f"k{number}", "d", "m", "1", float(number)) for number in range(450)]
    await db.write(lambda raw: raw.executemany("INSERT INTO cache VALUES (?, ?, ?, ?, ?)", rows))
    assert await cache.shrink(oldest=440.0, most_bytes=1e6) == 440
    assert len(await keys(db)) == 10


async def test_two_processes_that_shrink_at_once_remove_each_entry_once(db: Database, cache: Cache) -> None:
    rows = [(f"k{number}", "d", "m", "1", float(number)) for number in range(900)]
    await db.write(lambda raw: raw.executemany("INSERT INTO cache VALUES (?, ?, ?, ?, ?)", rows))
    other = Database(db.path)
    both = await asyncio.gather(
        cache.shrink(oldest=800.0, most_bytes=50.0), Cache(other).shrink(oldest=800.0, most_bytes=50.0)
    )
    other.close()
    assert sum(both) == 850
    assert len(await keys(db)) == 50


async def test_an_entry_is_found_without_reading_all(db: Database, cache: Cache) -> None:
    await kept(db, "k", at=1.0)
    statements: list[str] = []

    def traced(raw: sqlite3.Connection) -> None:
        raw.set_trace_callback(statements.append)

    await db.read(traced)
    await cache.find("k", youngest=EVER)
    await cache.find_any("d", youngest=EVER)
    plans = await db.read(
        lambda raw: [raw.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in tuple(statements)]
    )
    assert len(plans) == 2
    assert all(len(plan) == 1 and "SEARCH" in plan[0][3] for plan in plans)
