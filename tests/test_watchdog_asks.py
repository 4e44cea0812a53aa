"""A watchdog that asks the user: no answer that comes meanwhile is lost, and it goes on watching."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from asking import Person
from support import Books, given
from watching import SOON, Hangs, noticed, watched

from guildhall.agents import Agent, Hall, Message, ModelRequest, Parallel, Run
from guildhall.agents.event import Answered, Decided, Event
from guildhall.agents.kinds import Score
from guildhall.agents.patterns import Quality, Supervised, Watchdog
from guildhall.agents.rules import PLAIN
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure

ASKS = Watchdog(idle_seconds=SOON, then="escalate")


@dataclass
class Late(StubMember):
    """Answers once something was noticed, and `asked`, where that is to be waited for."""

    noticed: asyncio.Event = field(default_factory=asyncio.Event)
    person: Person | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Decided) and event.what == "watchdog":
            self.noticed.set()

    async def run(self, message: Message, run: Run) -> Message:
        await self.noticed.wait()
        if self.person is not None:
            await self.person.begun.wait()
        return await super().run(message, run)


async def test_an_answer_that_comes_while_the_user_is_asked_is_taken_and_the_question_withdrawn() -> None:
    books, person = Books(), Person()
    ann = Late("ann", "42", person=person)
    state = RunState("r" * 32, sinks=[books, ann], human=person)
    team = watched(Parallel("team", [ann]), ASKS)
    async with asyncio.timeout(30):
        assert "42" in (await given(team, "Go.", state=state)).text
    assert len(person.asked) == 1
    assert [one.by for one in books.of(Answered)] == ["nobody"]
    assert [one.choice for one in noticed(books)] == ["escalate", "go on"]


async def test_who_ends_before_the_user_is_back_is_not_asked_about_again_when_resumed(home: Path) -> None:
    person = Person()
    ann, bob = Late("ann", "42", person=person), Hangs("bob")

    class Line:
        name = "line"
        members = (ann, bob)

        async def run(self, message: Message, run: Run) -> Message:
            first = await run.give(watched(ann, ASKS), message)
            second = await run.give(bob, message)
            return run.answer(message, f"{first.text}, {second.text}")

    async with Hall.open() as hall:
        running = hall.run_team(Line(), "Go.", run_id="e" * 32, human=person, sinks=[ann])
        task = asyncio.create_task(running)
        while not bob.messages:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(person.asked) == 1
        bob.times = 0
        result = await hall.resume("e" * 32, team=Line())
    assert (result.status, result.answer) == ("done", "42, done")


async def test_where_nobody_is_there_an_answer_that_comes_is_taken_and_nobody_asked(home: Path) -> None:
    ann = Late("ann", "42")
    async with Hall.open() as hall:
        result = await hall.run_team(watched(Parallel("team", [ann]), ASKS), "Go.", sinks=[ann])
    assert (result.status, result.questions) == ("done", ())


async def test_after_go_on_it_is_watched_again_and_stopped_the_second_time() -> None:
    books, ann = Books(), Hangs("ann")
    state = RunState("r" * 32, sinks=[books], human=Person(["go on"]))
    with pytest.raises(Failure, match="was stopped by its watchdog: nothing has come of it"):
        async with asyncio.timeout(30):
            await given(watched(Parallel("team", [ann]), ASKS), "Go.", state=state)
    assert [one.choice for one in noticed(books)] == ["escalate", "go on", "stop"]
    assert ann.cut_short == 1


async def test_a_resumed_run_is_watched_again_after_go_on(home: Path) -> None:
    ann = Hangs("ann")
    ann.times = 2
    team = watched(Parallel("team", [ann]), ASKS)
    async with Hall.open() as hall:
        result = await hall.run_team(team, "Go.")
        assert result.status == "needs_input"
        async with asyncio.timeout(30):
            result = await hall.answer(result.run_id, "go on", team=team)
    assert result.status == "failed"
    assert "was stopped by its watchdog" in result.error


async def test_after_a_retry_a_resumed_run_pays_nothing_again_and_takes_the_users_answer(home: Path) -> None:
    asked: list[ModelRequest] = []

    def reply(request: ModelRequest) -> str:
        asked.append(request)
        if request.output:
            return Score(score=0.2, reason=f"lacks something, {len(asked)}").model_dump_json()
        return f"text {len(asked)}"

    class Slow(Hangs):
        """Hangs in the first attempt."""

        async def run(self, message: Message, run: Run) -> Message:
            self.times = 0 if any(quote.label == "watchdog" for quote in message.quotes) else 9
            return await super().run(message, run)

    def team() -> Supervised:
        model = ScriptedModel(*[reply] * 20)
        writer, critic = Agent("writer", "Write.", [model]), Agent("critic", "Judge.", [model])
        return Supervised(
            Parallel("team", [writer, critic, Slow("slow")]), PLAIN, None, [Quality(critic, 0.9)],
            "escalate", Watchdog(idle_seconds=5 * SOON, then="retry"),
        )  # fmt: skip

    async with Hall.open() as hall:
        result = await hall.run_team(team(), "Well?", cache="off")
        assert result.status == "needs_input"
        paid = len(asked)
        result = await hall.answer(result.run_id, "take it", team=team())
        journal = [one for one in await hall.events(result.run_id) if isinstance(one, Decided)]
    assert result.status == "done"
    assert len(asked) == paid
    assert [one for one in journal if one.what == "journal"] == []


async def test_what_a_first_attempt_had_answered_is_no_part_of_a_revision_after_the_second() -> None:
    class Once(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            if self.calls:
                raise Failure("tired")
            return await super().run(message, run)

    critic = Agent("critic", "Judge.", [ScriptedModel(*[Score(score=0.1, reason="x").model_dump_json()] * 2)])
    chair = StubMember("chair")
    team = Supervised(
        Parallel("team", [Once("ann", "from before"), Hangs("bob")], chair), PLAIN, None,
        [Quality(critic)], watchdog=Watchdog(idle_seconds=SOON, then="retry"),
    )  # fmt: skip
    await given(team, "Go.")
    assert len(chair.messages) == 2
    assert "from before" not in [quote.text for quote in chair.messages[1].quotes]
