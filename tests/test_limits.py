"""What all processes of a user ask of a model stays within its limits, and who waits gets its turn."""

import asyncio
import sqlite3

import pytest
from limiting import Process, until
from limits_child import MODEL

from guildhall.agents.models.slots import Slot
from guildhall.errors import ProviderError
from guildhall.memory.store.limits import Claim, Limit, Refusal


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_no_number_above_0_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="give a number above 0, or None"):
        Limit(requests=wrong)


async def test_a_model_without_limits_needs_no_writing(here: Process) -> None:
    here.limit = Limit()
    lock = sqlite3.connect(here.db.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    (await here.take()).free()
    lock.close()
    assert here.limits.asked == 0


async def test_no_more_calls_are_in_flight_than_allowed(here: Process) -> None:
    here.limit, peak, in_flight = Limit(in_flight=3), 0, 0

    async def call() -> None:
        nonlocal peak, in_flight
        slot = await here.take()
        in_flight += 1
        peak = max(peak, in_flight)
        if peak == 3:
            full.set()
        await full.wait()
        in_flight -= 1
        slot.free()

    full = asyncio.Event()
    await asyncio.gather(*(call() for _ in range(20)))
    assert peak == 3
    assert set(here.reasons) == {"3 of 3 calls are in flight"}
    assert (await here.rows("leases"), await here.rows("waiting")) == (0, 0)


async def test_a_slot_freed_twice_is_one_slot(here: Process) -> None:
    first = await here.take()
    first.free()
    first.free()
    second = await here.take()
    first.free()
    assert await here.rows("leases") == 1
    second.free()
    assert await here.rows("leases") == 0


async def test_requests_a_minute_hold(here: Process) -> None:
    here.limit = Limit(requests=60)
    for _ in range(6):
        await here.take()
    waiting = [await here.waiting("seventh"), await here.waiting("eighth")]
    assert set(here.reasons) == {"60 requests a minute are used"}
    here.clock.now += 0.5
    asked = here.limits.asked
    await until(lambda: here.limits.asked >= asked + 2)
    assert here.order == []
    here.clock.now += 1.5
    await asyncio.gather(*waiting)
    assert here.order == ["seventh", "eighth"]


async def test_tokens_that_were_not_used_are_given_back(here: Process) -> None:
    here.limit = Limit(tokens=600)
    first = await here.take(60)
    second = await here.waiting("second", 60)
    assert here.reasons == ["600 tokens a minute are used"]
    first.free(tokens=0)
    await second


async def test_tokens_are_given_back_once(here: Process) -> None:
    here.limit = Limit(tokens=600)
    slot = await here.take(60)
    slot.free(tokens=30)
    slot.free(tokens=30)
    waiting = await here.waiting("next", 60)
    here.clock.now += 3
    await waiting


async def test_tokens_that_time_has_refilled_are_not_given_back(here: Process) -> None:
    here.limit = Limit(tokens=600)
    slot = await here.take(60)
    here.clock.now += 6
    await here.take(60)
    slot.free(tokens=0)
    waiting = await here.waiting("next", 60)
    here.clock.now += 6
    await waiting


@pytest.mark.slow
async def test_only_the_first_who_waits_asks_and_nobody_overtakes_it(here: Process) -> None:
    here.limit = Limit(tokens=600)
    await here.take(10)
    large, small = await here.waiting("large", 60), await here.waiting("small", 5)
    asked = set()
    while here.limits.asked < 8:
        asked.add(here.limits.tokens)
        await asyncio.sleep(0.005)
    assert asked == {60}
    here.clock.now += 1
    await large
    here.clock.now += 1
    await small
    assert here.order == ["large", "small"]


async def test_tokens_that_were_used_beyond_what_was_asked_count(here: Process) -> None:
    here.limit = Limit(tokens=600)
    (await here.take(10)).free(tokens=200)
    second = await here.waiting("second", 60)
    here.clock.now += 19
    asked = here.limits.asked
    await until(lambda: here.limits.asked >= asked + 2)
    assert here.order == []
    here.clock.now += 1
    await second


async def test_a_call_larger_than_the_burst_is_made_when_all_is_refilled(here: Process) -> None:
    here.limit = Limit(tokens=600)
    await here.take(300)
    after = await here.waiting("after", 300)
    here.clock.now += 29
    asked = here.limits.asked
    await until(lambda: here.limits.asked >= asked + 2)
    assert here.order == []
    here.clock.now += 1
    await after


async def test_calls_estimated_far_above_the_allowance_hold_it_by_what_they_use(here: Process) -> None:
    limit, began = Limit(tokens=100), here.clock.now
    for done in range(4):
        claim = Claim(MODEL, limit, 8_192)
        while isinstance(refilled := await here.limits.admit(claim), Refusal):
            here.clock.now += refilled.wait
        assert here.clock.now - began == pytest.approx(done * 120, abs=0.01)
        here.limits.give_back(claim, refilled=refilled, used=200)


async def test_a_call_that_died_at_work_stops_the_next_for_ten_minutes_at_most(here: Process) -> None:
    here.limit = Limit(tokens=100)
    await here.take(1_000_000)
    after = await here.waiting("after", 8_192)
    here.clock.now += 600
    await after


async def test_a_call_is_told_each_reason_once(here: Process) -> None:
    slot = await here.take()
    waiting = await here.waiting("b")
    await until(lambda: here.limits.asked >= 4)
    here.slots.pause(MODEL, 1)
    await until(lambda: len(here.reasons) > 1)
    here.clock.now += 1
    asked = here.limits.asked
    await until(lambda: here.limits.asked >= asked + 2)
    slot.free()
    await waiting
    assert here.reasons == ["1 of 1 calls are in flight", "the provider asked to wait"]


async def test_the_higher_priority_goes_first_then_who_came_first(here: Process) -> None:
    slot = await here.take()
    tasks = [await here.waiting("low 1"), await here.waiting("low 2")]
    tasks += [await here.waiting("high 1", priority=5), await here.waiting("high 2", priority=5)]
    for name in ("high 1", "high 2", "low 1", "low 2"):
        slot.free()
        await until(lambda: len(here.order) > 0)
        assert here.order.pop() == name
        slot = next(task for task in tasks if task.done()).result()
        tasks = [task for task in tasks if not task.done()]
    assert await here.rows("waiting") == 0


async def test_a_waiter_that_is_cancelled_leaves_nothing_and_passes_its_turn_on(here: Process) -> None:
    slot = await here.take()
    first, second = await here.waiting("first"), await here.waiting("second")
    third = await here.waiting("third")
    first.cancel()
    third.cancel()
    await asyncio.gather(first, third, return_exceptions=True)
    slot.free()
    (await second).free()
    assert here.order == ["second"]
    assert (await here.rows("leases"), await here.rows("waiting")) == (0, 0)


async def test_a_call_that_is_cancelled_at_any_moment_leaves_nothing(here: Process) -> None:
    for turns in range(12):
        task = asyncio.create_task(here.take())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result().free()
        assert (await here.rows("leases"), await here.rows("waiting")) == (0, 0)


async def test_a_holder_that_is_cancelled_frees_its_slot(here: Process) -> None:
    holding = asyncio.Event()

    async def hold() -> None:
        slot = await here.take()
        try:
            holding.set()
            await asyncio.Event().wait()
        finally:
            slot.free()

    holder = asyncio.create_task(hold())
    await holding.wait()
    waiting = await here.waiting("next")
    holder.cancel()
    await waiting


async def test_a_slot_can_be_freed_when_the_store_is_closed(here: Process) -> None:
    slot = await here.take()
    await asyncio.to_thread(here.db.close)
    slot.free(tokens=3)
    here.slots.pause(MODEL, 1)


@pytest.mark.parametrize("back", [30, 3_000, 1_000_000])
@pytest.mark.parametrize("limit", [Limit(), Limit(requests=1, tokens=100, in_flight=1)])
async def test_a_clock_that_is_set_back_stops_nobody(here: Process, limit: Limit, back: float) -> None:
    here.limit = limit
    (await here.take(1000)).free()
    here.slots.pause(MODEL, 20)
    await here.rows("limits")
    here.clock.now -= back
    (await here.take()).free()
    assert here.reasons == []


async def test_a_pause_set_after_the_clock_was_set_back_holds_for_its_time(here: Process) -> None:
    here.slots.pause(MODEL, 20)
    await here.rows("limits")
    here.clock.now -= 3_000
    here.slots.pause(MODEL, 5)
    waiting = await here.waiting("next")
    assert here.reasons == ["the provider asked to wait"]
    here.clock.now += 5
    await waiting


@pytest.mark.parametrize("limit", [Limit(), Limit(tokens=100)])
async def test_a_clock_that_is_put_right_by_a_little_ends_no_pause(here: Process, limit: Limit) -> None:
    here.limit = limit
    here.slots.pause(MODEL, 20)
    await here.rows("limits")
    here.clock.now -= 0.5
    await here.waiting("next")
    assert here.reasons == ["the provider asked to wait"]


async def test_a_limit_holds_for_a_model_and_a_pause_for_an_account(here: Process) -> None:
    async def take(account: str) -> Slot:
        return await here.slots.take(MODEL, account=account, tokens=0, on_wait=here.reasons.append)

    first = await take("one")
    waiting = asyncio.create_task(take("two"))
    await until(lambda: bool(here.reasons))
    assert here.reasons == ["1 of 1 calls are in flight"]
    first.free()
    (await waiting).free()
    here.slots.pause("one", 1000)
    (await take("two")).free()
    with pytest.raises(ProviderError, match="asked to be left alone"):
        await take("one")
