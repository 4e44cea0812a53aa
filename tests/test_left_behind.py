"""Whatever fails or is cancelled in the middle, nothing stays reserved, held, waiting or open."""

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fake_models import FakeModels, fake_models
from support import Books

from guildhall import Budget, Hall
from guildhall.agents import Agent, Member, Parallel, Pipeline, Result
from guildhall.agents.event import Lost, Replied
from guildhall.agents.models.openai_chat import OpenAICompatibleModel

CONFIG = """
[model."openai-compatible:fake"]
in_flight = 2
rpm = 6000
tpm = 10_000_000
price = { input = 1.0, output = 1.0 }
"""
RATES = {"429:0.05": 0.1, "cut:3": 0.15, "500": 0.1}
BUDGETS = (Budget(calls=4), Budget(usd=0.004), Budget(tokens=6_000), Budget(seconds=0.5), Budget())


def team(server: FakeModels, rng: random.Random) -> Member:
    """Some that ask what others of other runs ask, too, and one who goes on from them."""
    models = [OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")]
    members = [
        Agent(f"m{number}", f"You are {rng.randint(1, 3)}.", models, max_output=1000, memory=False)
        for number in range(4)
    ]
    return Pipeline("line", [Parallel("panel", members), Agent("last", "Sum up.", models, max_output=1000)])


async def one_run(hall: Hall, server: FakeModels, rng: random.Random, books: Books) -> Result | None:
    """The result; None of a run that was cancelled in its middle, as most are."""
    working = asyncio.create_task(
        hall.run_team(
            team(server, rng),
            f"Which offer, {rng.randint(1, 2)}?",
            budget=rng.choice(BUDGETS),
            cache=rng.choice(("use", "refresh", "off")),
            priority=rng.randint(0, 2),
            sinks=[books],
        )
    )
    if rng.random() < 0.6:
        await asyncio.wait([working], timeout=rng.uniform(0, 0.8))
        working.cancel()
    try:
        return await working
    except asyncio.CancelledError:
        return None


@pytest.mark.slow
@pytest.mark.deadline(120)
@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_left_of_runs_that_fail_and_are_cancelled(
    home: Path, project: Path, seed: int
) -> None:
    rng = random.Random(seed)
    home.mkdir()
    (home / "config.toml").write_text(CONFIG)
    all_books = [Books() for _ in range(12)]
    with fake_models(rates=RATES, seed=seed, latency=0.05, jitter=1) as server:
        async with Hall.open() as hall:
            results = await asyncio.gather(*(one_run(hall, server, rng, books) for books in all_books))
            assert hall._shared._replies._flights == {}
        assert server.peak_in_flight <= 2
    assert any(results)
    assert all(books.balanced for books in all_books)
    for result, books in zip(results, all_books, strict=True):
        spent = [event.spent for event in books.events if isinstance(event, Lost | Replied)]
        assert result is None or result.usage.calls == sum(one.calls for one in spent)
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        assert db.execute("SELECT count(*) FROM leases").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM waiting").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM runs WHERE status = 'running'").fetchone() == (0,)
