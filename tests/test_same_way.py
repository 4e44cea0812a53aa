"""A resumed run takes the way that it took before, though now all is there at once."""

import asyncio
from dataclasses import dataclass

from asking import Asks
from managing import managed, plan, step

from guildhall.agents import Hall, Hierarchy, Member, Message, Run
from guildhall.agents.testing import StubMember
from guildhall.errors import Failure


@dataclass
class Late(StubMember):
    """Answers once it has been waited for so many turns of the loop."""

    turns: int = 0

    async def run(self, message: Message, run: Run) -> Message:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return await super().run(message, run)


@dataclass
class Race:
    """Says who is first, unless the last one fails."""

    runners: list[Member]
    last: Member
    name: str = "race"

    async def run(self, message: Message, run: Run) -> Message:
        async with asyncio.TaskGroup() as group:
            running = {one.name: group.create_task(run.give(one, message)) for one in self.runners}
            first = await run.first(running)
        await run.give(self.last, message)
        return run.answer(message, first)


async def test_who_was_first_is_first_again_though_another_one_is_quicker_now() -> None:
    async with Hall.open() as hall:
        before = Race([Late("ann", turns=50), Late("bob")], StubMember("eve", Failure("asleep")))
        failed = await hall.run_team(before, "Run.")
        now = Race([Late("ann"), Late("bob", turns=50)], StubMember("eve"))
        again = await hall.resume(failed.run_id, team=now)
    assert (failed.status, again.status, again.answer) == ("failed", "done", "bob")


async def test_a_step_that_had_stalled_is_not_waited_for_again() -> None:
    class Hangs(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await super().run(message, run)
            return await asyncio.Future[Message]()

    ann, (boss, model) = Hangs("ann"), managed(plan(step("look", "ann"), step("ask", "clerk")))
    team = Hierarchy("team", [ann, Asks()], boss, stall_seconds=0.02, replan=0)
    async with Hall.open() as hall:
        paused = await hall.run_team(team, "May we?")
        done = await hall.answer(paused.run_id, "yes", team=team)
    assert (paused.status, done.answer) == ("needs_input", "made of clerk was told yes, lacking look")
    assert ann.calls == 1
    [failed] = [quote for quote in model.integrated[0].turns[1].quotes if quote.failed]
    assert failed.text.endswith("ann had no answer after 0.02 seconds")
