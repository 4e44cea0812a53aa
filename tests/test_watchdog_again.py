"""What is done about what a watchdog has noticed: it is tried again, planned again, or the user is asked."""

import asyncio
from pathlib import Path

import pytest
from asking import Person
from managing import managed, plan, step
from support import Books, given
from watching import SOON, Hangs, look, looks, noticed, watched

from guildhall.agents import (
    Agent,
    Budget,
    Hall,
    Message,
    ModelReply,
    Parallel,
    Pipeline,
    Run,
    ToolCall,
)
from guildhall.agents.budget import Meter
from guildhall.agents.event import Finished, Started
from guildhall.agents.patterns import Hierarchy, Human, Watchdog
from guildhall.agents.patterns.watchdog import Then
from guildhall.agents.result import collect
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, UserError
from guildhall.view.reduce import View


async def test_the_second_attempt_knows_what_was_noticed_and_has_paths_of_its_own() -> None:
    ann, bob, books, view = Hangs("ann", "42"), StubMember("bob", "41"), Books(), View()
    team = watched(
        Parallel("team", [ann, bob], StubMember("chair", "so")), Watchdog(idle_seconds=SOON, then="retry")
    )
    answer = await given(team, "Go.", state=RunState("r" * 32, sinks=[books, view]))
    assert answer.text == "so"
    again = ann.messages[1]
    assert again.text == "Go."
    assert "take another way" in again.brief
    assert [(quote.label, quote.text) for quote in again.quotes] == [
        ("watchdog", "nothing has come of it for 0.02 seconds; bob had answered")
    ]
    assert [one.path for one in books.of(Started)] == [
        "team", "team/ann", "team/bob", "team/again/ann", "team/again/bob", "team/again/chair",
    ]  # fmt: skip
    assert [event.choice for event in noticed(books)] == ["retry"]
    said = [f"{one.member} {one.status}" for one in collect(books.events).contributions()]
    assert said == ["ann cancelled", "bob answered", "ann answered", "bob answered", "chair answered"]
    lanes = {item["name"]: item for item in view.items() if item["is"] == "member"}
    assert {name: item["status"] for name, item in lanes.items()} == dict.fromkeys(
        ("team", "ann", "bob", "chair"), "done"
    )


@pytest.mark.parametrize("then", ["retry", "stop"])
async def test_who_had_paused_for_the_user_waits_no_more_where_the_watchdog_ends_the_team(
    home: Path, then: Then
) -> None:
    team = watched(Parallel("team", [Human("human"), looks(*[1] * 8)]), Watchdog(repeats=2, then=then))
    async with Hall.open() as hall:
        result = await hall.run_team(team, "When?")
        stored = await hall.result(result.run_id)
    assert result.status == "failed"
    for one in (result, stored):
        assert {part.status for part in one.contributions if part.member == "human"} == {"cancelled"}
        assert one.questions == ()


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ((1, 1, 1, 1, 1), r'each time ann called look with {"page": 1} 2 times'),
        ((1, 1, 2, 2, 2), r'first ann called look with {"page": 1} 2 times, then ann .* {"page": 2} 2 times'),
    ],
)
async def test_that_it_was_tried_twice_is_said_with_what_was_noticed(
    pages: tuple[int, ...], told: str
) -> None:
    team = watched(Parallel("team", [looks(*pages)]), Watchdog(repeats=2, then="retry"))
    with pytest.raises(Failure, match=f"^team was stopped by its watchdog: it was tried twice, {told}$"):
        await given(team, "Go.")


async def test_who_fails_in_the_same_way_twice_is_stopped() -> None:
    ann = Hangs("ann")
    ann.times = 5
    books = Books()
    with pytest.raises(Failure, match="tried twice, each time nothing has come of it"):
        await given(
            watched(Parallel("team", [ann]), Watchdog(idle_seconds=SOON, then="retry")),
            "Go.",
            state=RunState("r" * 32, sinks=[books]),
        )
    assert [event.choice for event in noticed(books)] == ["retry", "stop"]
    assert ann.cut_short == 2


async def test_a_manager_plans_again_and_a_team_without_one_is_refused() -> None:
    boss, model = managed(plan(step("facts", "ann")), plan(step("other", "bob")))
    team = Hierarchy("team", [Hangs("ann"), StubMember("bob", "other facts")], boss)
    answer = await given(watched(team, Watchdog(idle_seconds=SOON, then="replan")), "Write it.")
    assert "other facts" in answer.text
    assert len(model.integrated) == 1
    with pytest.raises(UserError, match="team cannot be replanned by its watchdog: it has no manager"):
        watched(Parallel("team", [StubMember("ann")]), Watchdog(then="replan"))


async def test_the_user_says_whether_it_goes_on_and_it_does_so_meanwhile() -> None:
    go = asyncio.Event()

    class Slow(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await go.wait()
            return await super().run(message, run)

    class Patient(Person):
        async def __call__(self, question: object) -> str | None:
            said = await super().__call__(question)  # type: ignore[arg-type]  # as it comes
            go.set()
            return said

    person, slow = Patient(["go on"]), Slow("ann", "at last")
    state = RunState("r" * 32, Meter(Budget()), human=person)
    team = watched(Parallel("team", [slow]), Watchdog(idle_seconds=SOON, then="escalate"))
    assert "at last" in (await given(team, "Go.", state=state)).text
    assert slow.calls == 1
    assert (
        person.asked[0].text
        == "The watchdog of team has noticed: nothing has come of it for 0.02 seconds. Is team to go on?"
    )
    state = RunState("r" * 32, Meter(Budget()), human=Person(["stop"]))
    with pytest.raises(Failure, match="was stopped by its watchdog"):
        await given(
            watched(Parallel("team", [Hangs("ann")]), Watchdog(idle_seconds=SOON, then="escalate")),
            "Go.",
            state=state,
        )


@pytest.mark.parametrize(("said", "status"), [("go on", "done"), ("stop", "failed")])
async def test_a_run_that_waits_for_the_users_word_goes_on_from_its_journal(
    home: Path, said: str, status: str
) -> None:
    ann, bob = Hangs("ann", "42"), looks(1, then="seen", name="bob")
    team = watched(Parallel("team", [ann, bob]), Watchdog(idle_seconds=SOON, then="escalate"))
    async with Hall.open() as hall:
        result = await hall.run_team(team, "Go.")
        assert result.status == "needs_input"
        assert ann.cut_short == 1
        result = await hall.answer(result.run_id, said, team=team)
        assert result.status == status
    assert ann.calls == (2 if said == "go on" else 1)
    assert len(bob.models[0].requests) == 2  # type: ignore[attr-defined]  # scripted


async def test_a_resumed_run_takes_the_same_way_without_making_the_first_attempt_again(home: Path) -> None:
    bob = Hangs("bob", "here")
    bob.times = 2
    pages = [1, 1, 1, 2]
    replies = [
        ModelReply(calls=(ToolCall(id=str(n), name="look", arguments={"page": page}),))
        for n, page in enumerate(pages)
    ]
    model = ScriptedModel(*replies, "seen")
    books = Books()
    ann = Agent("ann", "Answer.", [model], tools=[look])
    died = watched(Parallel("team", [ann, bob]), Watchdog(then="retry"))
    async with Hall.open() as hall:
        started = asyncio.create_task(hall.run_team(died, "Go.", run_id="d" * 32, sinks=[books]))
        while not any(one.path == "team/again/ann" for one in books.of(Finished)):
            await asyncio.sleep(0)
        started.cancel()
        await asyncio.gather(started, return_exceptions=True)
        asked = len(model.requests)
        after = Books()
        fresh = StubMember("bob", "here")
        result = await hall.resume(
            "d" * 32, team=watched(Parallel("team", [ann, fresh]), Watchdog(then="retry")), sinks=[after]
        )
    assert result.status == "done"
    assert "seen" in result.answer
    assert len(model.requests) == asked
    started_anew = [one.path for one in after.of(Started)][len(books.of(Started)) :]
    assert started_anew == ["team", "team/again/ann", "team/again/bob"]
    assert fresh.calls == 1


async def test_a_stop_is_tried_again_where_the_run_had_failed_and_is_gone_on_with(home: Path) -> None:
    ann = Hangs("ann", "42")
    team = watched(Parallel("team", [ann]), Watchdog(idle_seconds=SOON))
    async with Hall.open() as hall:
        result = await hall.run_team(team, "Go.")
        assert result.status == "failed"
        assert result.error.startswith("team was stopped by its watchdog")
        result = await hall.resume(result.run_id, team=team)
    assert result.status == "done"


async def test_what_was_private_in_the_first_attempt_stays_so_in_the_second() -> None:
    class Secret(Hangs):
        async def run(self, message: Message, run: Run) -> Message:
            run.private = True
            return await super().run(message, run)

    asked: list[Message] = []

    class Last(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            asked.append(message)
            return await super().run(message, run)

    state = RunState("r" * 32)
    team = watched(
        Pipeline("team", [Secret("ann", "42"), Last("bob")]), Watchdog(idle_seconds=SOON, then="retry")
    )
    answer = await given(team, "Go.", state=state)
    assert answer.private
    assert not asked[0].private  # the task is the user's, and no secret
    assert all(quote.private for quote in asked[0].quotes)


def test_a_second_attempt_is_among_what_a_team_may_come_to() -> None:
    team = watched(Parallel("team", [StubMember("ann")]), Watchdog(then="retry"))
    assert [part.times for part in team.parts] == [2]
