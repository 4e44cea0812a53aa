"""The time of a step goes by while its worker could be at work, and not while it waits for others."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from managing import managed, never, plan, step
from support import given
from virtual_time import virtual_time

from guildhall.agents import Budget, Hierarchy, Member, Message, Run
from guildhall.agents.budget import Meter
from guildhall.agents.patterns import Human
from guildhall.agents.state import RunState
from guildhall.memory.store.questions import Question

STALL, LONGER = 0.1, 0.5
"""Seconds that a step may take, and that somebody else takes."""


@dataclass
class Slow:
    """Somebody at a face who answers when let go."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, question: Question) -> str:
        self.begun.set()
        await self.let_go.wait()
        return "It is 5."


@dataclass
class Does:
    """A worker that does what it is told in its span."""

    work: Callable[[Run], Awaitable[str]]
    name: str = "ann"

    async def run(self, message: Message, run: Run) -> Message:
        return run.answer(message, await self.work(run))


def at_work(worker: Member, person: Slow) -> "asyncio.Task[Message]":
    boss, _ = managed(plan(step("look", worker.name)))
    team = Hierarchy("team", [worker], boss, stall_seconds=STALL, replan=0)
    return asyncio.create_task(
        given(team, "The price?", state=RunState("r" * 32, Meter(Budget()), human=person))
    )


async def test_a_human_who_thinks_longer_than_a_step_may_take_is_not_stopped() -> None:
    person = Slow()
    work = at_work(Human("ann"), person)
    await person.begun.wait()
    with virtual_time():
        await asyncio.wait({work}, timeout=LONGER)
    assert not work.done()
    person.let_go.set()
    assert (await work).text == "made of It is 5."


async def test_after_the_answer_the_clock_goes_on() -> None:
    async def asks(run: Run) -> str:
        await run.question("The price?")
        await never()
        return "never said"

    person = Slow()
    work = at_work(Does(asks), person)
    await person.begun.wait()
    person.let_go.set()
    with virtual_time():
        done, _ = await asyncio.wait({work}, timeout=LONGER)
    assert done
    assert f"ann had no answer after {STALL:g} seconds" in str(work.exception())


async def test_a_step_that_waits_for_a_slot_is_not_stopped_until_its_call_is_in_flight() -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def waits(run: Run) -> str:
        run.span("ask").decided("limit", "waits", "all slots are taken")
        begun.set()
        await let_go.wait()
        return "It is 5."

    work = at_work(Does(waits), Slow())
    await begun.wait()
    with virtual_time():
        await asyncio.wait({work}, timeout=LONGER)
    assert not work.done()
    let_go.set()
    assert (await work).text == "made of It is 5."
