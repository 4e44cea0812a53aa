"""Limits are those of all processes of the user together."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from limiting import CHILD, ONE, Process, until
from limits_child import MODEL, TOKENS

from guildhall.errors import ProviderError
from guildhall.memory.store.limits import Claim, Limit, Refusal


@pytest.mark.parametrize("limit", [Limit(), ONE])
async def test_what_one_process_was_told_stops_the_others(
    here: Process, other: Process, limit: Limit
) -> None:
    here.limit = other.limit = limit
    (await here.take()).free()
    here.slots.pause(MODEL, 1000)
    for process in (here, other):
        with pytest.raises(ProviderError, match=r"^m asked to be left alone until \d\d:\d\d") as told:
            await process.take()
        assert (told.value.kind, told.value.sent) == ("rate_limit", False)
        assert told.value.retry_after == pytest.approx(1000)
        assert await process.rows("waiting") == 0  # and the pause is on disk


@pytest.mark.parametrize("limit", [Limit(), ONE])
@pytest.mark.slow
async def test_calls_go_on_when_a_short_pause_is_over(here: Process, other: Process, limit: Limit) -> None:
    here.limit = other.limit = limit
    here.slots.pause(MODEL, 1)
    here.slots.pause(MODEL, 0.1)
    await here.rows("limits")
    waiting = [await process.waiting("x") for process in (here, other)]
    assert here.reasons == other.reasons == ["the provider asked to wait"]
    here.clock.now += 0.9
    asked = here.limits.asked
    await until(lambda: here.limits.asked >= asked + 2)
    assert here.order == []
    here.clock.now += 0.2
    for task in asyncio.as_completed(waiting):
        (await task).free()


async def test_between_processes_the_higher_priority_goes_first(here: Process, other: Process) -> None:
    slot = await here.take()
    low = await here.waiting("low")
    high = await other.waiting("high", priority=1)
    slot.free()
    (await high).free()
    await low
    assert here.order == ["high", "low"]


async def test_between_processes_who_came_first_goes_first(here: Process, other: Process) -> None:
    slot = await here.take()
    first, second = await other.waiting("first"), await here.waiting("second")
    slot.free()
    (await first).free()
    await second
    assert here.order == ["first", "second"]
    assert here.reasons[-1] == "calls of other processes come first"


async def test_room_beyond_what_those_who_come_first_want_is_used(here: Process, other: Process) -> None:
    limit = Limit(in_flight=2)
    held = [Claim(MODEL, limit, 1) for _ in range(2)]
    first, second, third = (Claim(MODEL, limit, 1) for _ in range(3))
    for claim in held:
        assert isinstance(await here.limits.admit(claim), float)
    assert isinstance(await other.limits.admit(first), Refusal)
    for claim in held:
        here.limits.give_back(claim)
    assert isinstance(await here.limits.admit(second), float)
    refusal = await here.limits.admit(third)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "calls of other processes come first"
    assert isinstance(await other.limits.admit(first), float)


async def test_small_calls_do_not_keep_a_large_one_of_another_process_waiting(
    here: Process, other: Process
) -> None:
    limit = Limit(tokens=600)
    assert isinstance(await here.limits.admit(Claim(MODEL, limit, 10)), float)
    large = Claim(MODEL, limit, 60)
    assert isinstance(await other.limits.admit(large), Refusal)
    small = Claim(MODEL, limit, 10)
    assert isinstance(await here.limits.admit(small), Refusal)
    here.clock.now += 1
    assert isinstance(await other.limits.admit(large), float)


async def test_a_waiter_of_another_process_that_asks_no_more_is_passed_over(
    here: Process, other: Process
) -> None:
    held, gone, mine = (Claim(MODEL, ONE, 1) for _ in range(3))
    await here.limits.admit(held)
    assert isinstance(await other.limits.admit(gone), Refusal)
    here.limits.give_back(held)
    assert isinstance(await here.limits.admit(mine), Refusal)
    here.clock.now += 1.5
    assert isinstance(await here.limits.admit(mine), float)
    assert isinstance(await other.limits.admit(gone), Refusal)
    assert await here.rows("waiting") == 1


@pytest.mark.slow
async def test_the_slots_of_a_process_that_was_killed_are_freed(home: Path, here: Process) -> None:
    here.limit = Limit(in_flight=2)
    child = await start(home, here.limit, calls=2)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"holding\n"
    waiting = await here.waiting("next")
    assert here.order == []
    child.kill()
    await child.wait()
    (await waiting).free()
    assert await here.rows("leases") == 0


@pytest.mark.slow
@pytest.mark.deadline(120)
async def test_four_processes_together_stay_within_the_limits(home: Path, here: Process) -> None:
    limit = Limit(requests=600, tokens=600 * TOKENS, in_flight=5)
    noted = "CREATE TABLE noted (at REAL)"
    trigger = "CREATE TRIGGER note AFTER INSERT ON leases BEGIN INSERT INTO noted VALUES (new.since); END"
    await here.db.write(lambda db: (db.execute(noted), db.execute(trigger)))
    in_flight = peak = calls = 0
    full = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal in_flight, peak, calls
        in_flight, calls = in_flight + 1, calls + 1
        peak = max(peak, in_flight)
        if peak == 5:
            full.set()
        await full.wait()
        await asyncio.sleep(0.01)
        in_flight -= 1
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        children = [await start(home, limit, calls=20, port=port) for _ in range(4)]
        assert [await child.wait() for child in children] == [0] * 4
    assert (calls, peak) == (80, 5)
    rows = await here.db.read(lambda db: db.execute("SELECT at FROM noted ORDER BY at").fetchall())
    times = [at for (at,) in rows]
    assert len(times) == 80
    for first, begin in enumerate(times):
        for last in range(first, 80):
            assert last - first + 1 <= (times[last] - begin) * 10 + 60 + 1e-3
    assert (await here.rows("leases"), await here.rows("waiting")) == (0, 0)


async def start(home: Path, limit: Limit, *, calls: int, port: int = 0) -> asyncio.subprocess.Process:
    about = (str(home), json.dumps(dict(limit.given())), str(calls), str(port))
    return await asyncio.create_subprocess_exec(sys.executable, str(CHILD), *about, stdout=PIPE)
