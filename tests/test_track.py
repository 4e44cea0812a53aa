"""How models did, kept over runs and processes."""

import asyncio
from pathlib import Path

from guildhall.memory.store.database import Database
from guildhall.memory.store.track import FADES, Tally, Track


async def kept(folder: Path, *added: dict[str, Tally]) -> dict[str, Tally]:
    """What is on disk after these were added, one after the other."""
    db = await asyncio.to_thread(Database, folder / "guildhall.db")
    for tallies in added:
        Track(db).add(tallies)
    await asyncio.to_thread(db.close)
    db = await asyncio.to_thread(Database, folder / "guildhall.db")
    found = await Track(db).all()
    await asyncio.to_thread(db.close)
    return found


async def test_nothing_is_known_of_models_that_were_never_asked(home: Path) -> None:
    assert await kept(home) == {}
    assert await kept(home, {}) == {}


async def test_calls_are_summed_by_model_over_runs(home: Path) -> None:
    one = {"openai:a": Tally(3, 1, 4.5, 300, 0.25), "anthropic:b": Tally(1, 0, 2.0, 50, 0.5)}
    two = {"openai:a": Tally(2, 0, 1.5, 100, 0.75)}
    assert await kept(home, one, two) == {
        "openai:a": Tally(5, 1, 6.0, 400, 1.0),
        "anthropic:b": Tally(1, 0, 2.0, 50, 0.5),
    }


async def test_two_stores_over_one_file_add_to_the_same_sums(home: Path) -> None:
    stores = [await asyncio.to_thread(Database, home / "guildhall.db") for _ in range(2)]
    for db in stores:
        for _ in range(20):
            Track(db).add({"openai:a": Tally(1, 0, 0.5, 10, 0.25)})
    for db in stores:
        await asyncio.to_thread(db.close)
    assert (await kept(home))["openai:a"] == Tally(40, 0, 20.0, 400, 10.0)


async def test_old_calls_fade_so_that_a_model_that_got_better_is_seen_to(home: Path) -> None:
    bad = {"openai:a": Tally(FADES - 2, FADES - 2, 998.0, 0, 0.0)}
    good = {"openai:a": Tally(100, 0, 100.0, 1_000, 0.0)}
    found = (await kept(home, bad, *[good] * 30))["openai:a"]
    assert found.calls < FADES
    assert found.lost / found.calls < 0.1
