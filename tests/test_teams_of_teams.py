"""Teams within teams: one budget, one cancel and one journal for all of them.

As a program it is a process to be killed: it begins the run of `project` and ends in the call of that number.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from managing import Managing, Working, labels, managed, plan, step
from support import Books, given

from guildhall.agents import (
    Agent,
    Budget,
    Hall,
    ModelReply,
    ModelRequest,
    Parallel,
    Pipeline,
    Usage,
)
from guildhall.agents.budget import NOTHING, Meter
from guildhall.agents.event import Asked, Decided, Finished, Started
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns.hierarchy import Hierarchy
from guildhall.agents.patterns.peer_to_peer import PeerToPeer
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import BudgetRefused, ProviderError, TooFew

RUN = "0123456789abcdef0123456789abcdef"
INNER = plan(step("one", "ann"), step("two", "bob", "one"))
OUTER = plan(step("left", "north"), step("right", "south"))
ALL = "made of made of ann, bob, made of ann, bob"
CALLS = 10
"""Two plans of two steps below one of two, each integrated."""


@dataclass
class Saying:
    """A worker's model; `before` may wait, fail, or end the process."""

    name: str
    before: Callable[[], Any] | None = None
    price: tuple[float, float] | None = (1.0, 1.0)
    requests: list[ModelRequest] = field(default_factory=list)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.before is not None and (waiting := self.before()) is not None:
            await waiting
        return ModelReply(text=self.name, usage=Usage(input=10, output=5), model=self.name)


def agent(name: str, before: Callable[[], Any] | None = None) -> Agent:
    return Agent(name, "Work.", [Saying(name, before)])


def inner(name: str, **more: Any) -> Hierarchy:
    boss, _ = managed(INNER)
    return Hierarchy(name, [agent("ann"), agent("bob")], boss, **more)


def outer(*teams: Hierarchy, **more: Any) -> Hierarchy:
    boss, _ = managed(OUTER)
    return Hierarchy("top", teams or [inner("north"), inner("south")], boss, **more)


async def test_a_manager_of_managers_gives_work_that_they_divide_again() -> None:
    north, south = inner("north"), inner("south")
    books = Books()
    answer = await given(outer(north, south), "Build it.", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == ALL
    assert len(books.of(Asked)) == CALLS
    paths = [event.path for event in books.of(Started)]
    assert "top/step:left/step:two" in paths
    model = north.manager.models[0]  # type: ignore[attr-defined]  # it is an agent
    asked = model.planned[0].turns[1]
    assert asked.text == "Do left."
    assert [(q.label, q.text) for q in asked.quotes if q.kind == "task"] == [("top", "Build it.")]


@pytest.mark.parametrize("calls", range(1, CALLS + 1))
async def test_one_budget_holds_over_all_levels_and_leaves_nothing_reserved(calls: int) -> None:
    meter, books = Meter(Budget(calls=calls)), Books()
    state = RunState("r" * 32, meter, sinks=[books])
    try:
        answer = await given(outer(), "Build it.", state=state)
    except (BudgetRefused, TooFew):
        assert calls < CALLS
    else:  # what was paid for stands, also where nobody was left to join it
        assert (answer.text == ALL) == (calls == CALLS)
        assert calls == CALLS or any("could not join the answers" in notice for notice in state.notices)
    assert len(books.of(Asked)) == calls
    assert books.balanced
    assert meter.held == NOTHING


async def test_one_cancel_ends_all_levels_and_nothing_is_asked_afterwards() -> None:
    at_work, hung = asyncio.Semaphore(0), asyncio.Event()

    async def hang() -> None:
        at_work.release()
        await hung.wait()

    teams = []
    for name in ("north", "south"):
        boss, _ = managed(plan(step("one", "ann"), step("two", "bob")))
        teams.append(Hierarchy(name, [agent("ann", hang), agent("bob", hang)], boss))
    meter, books = Meter(Budget()), Books()
    work = asyncio.create_task(
        given(outer(*teams), "Build it.", state=RunState("r" * 32, meter, sinks=[books]))
    )
    for _ in range(4):
        await at_work.acquire()
    before = asyncio.all_tasks()
    work.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await work
    assert asyncio.all_tasks() < before
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert books.balanced
    assert meter.held == NOTHING
    ends = {event.path: event.outcome for event in books.of(Finished) if event.outcome != "answered"}
    assert set(ends.values()) == {"cancelled"}
    assert {"top", "top/step:left", "top/step:right/step:two"} <= set(ends)


def broken(team: Hierarchy, name: str) -> Hierarchy:
    """The team, in which everybody of that name fails."""
    error = ProviderError("invalid_request", "scripted to fail")

    def fail() -> None:
        raise error

    for member in (team.manager, *team.members):
        if member.name == name:
            model = member.models[0]  # type: ignore[attr-defined]  # they are agents
            if isinstance(model, Managing):
                model.given = dict.fromkeys(("plan", "answer"), error)
            else:
                model.before = fail
    return team


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("ann", "made of made of ann, bob, lacking left"),  # the first step, so that nothing was done
        ("bob", "made of made of ann, lacking two, made of ann, bob"),
        ("boss", "made of made of ann, bob, lacking left"),
    ],
)
async def test_each_who_fails_costs_no_more_than_what_rests_on_it(name: str, answer: str) -> None:
    state = RunState("r" * 32)
    made = await given(outer(broken(inner("north"), name), inner("south")), "Build it.", state=state)
    assert made.text == answer
    assert any("no answer from" in notice for notice in state.notices)


async def test_a_team_whose_highest_manager_fails_has_failed() -> None:
    with pytest.raises(ProviderError, match="scripted to fail"):
        await given(broken(outer(), "boss"), "Build it.")


async def test_a_manager_below_that_gives_no_plan_has_its_work_given_to_another_team() -> None:
    north = inner("north")
    north.manager.models[0].given = {"plan": "I would rather not."}  # type: ignore[attr-defined]  # it is an agent
    boss, model = managed(OUTER, plan(step("left", "south")))
    answer = await given(Hierarchy("top", [north, inner("south")], boss), "Build it.")
    assert answer.text == "made of made of ann, bob, made of ann, bob"
    [failed] = [quote for quote in model.planned[1].turns[1].quotes if quote.failed]
    assert "boss gave no valid Plan in 3 tries" in failed.text


async def test_managers_at_both_levels_engage_specialists_of_their_own() -> None:
    worker = Saying("engaged")
    temporary = Agent("temporary", "Work.", [worker])

    def engaging(name: str, *members: Any) -> Hierarchy:
        boss, _ = managed(
            plan(step("one", members[0].name), step("two", "lee"), engage=[("lee", f"a lawyer of {name}")])
        )
        return Hierarchy(name, members, boss, temporary=temporary, most_engaged=1)

    books = Books()
    team = engaging("top", engaging("north", agent("ann")))
    answer = await given(team, "Build it.", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "made of made of ann, engaged, engaged"
    roles = {event.path: event.role for event in books.of(Started) if event.who == "lee"}
    assert roles == {"top/step:one/step:two": "a lawyer of north", "top/step:two": "a lawyer of top"}


async def test_a_manager_can_be_a_team_whose_last_word_is_the_plan() -> None:
    drafts = [StubMember("one", "ann first"), StubMember("two", "bob first")]
    last, model = managed(plan(step("draft", "ann")))
    council = Parallel("council", drafts, last)
    ann = Working("ann")
    answer = await given(Hierarchy("top", [ann], council), "Build it.")
    assert answer.text.startswith("made of ann did draft")
    assert labels(drafts[0].messages[0], "specialist") == ["ann"]
    assert len(model.planned) == 1


async def test_an_orchestrator_gives_steps_to_teams_of_equals_who_write_to_each_other() -> None:
    def post(answer: str, to: str = "", text: str = "") -> str:
        letter = {"to": to, "type": "info", "topic": "", "text": text, "priority": 0}
        letter |= {"requires_response": False, "seconds": 0}
        return json.dumps({"answer": answer, "letters": [letter] if to else []})

    def equals(name: str) -> tuple[PeerToPeer, ScriptedModel]:
        def says(request: ModelRequest) -> str:
            if "You are ann" in request.turns[1].brief:
                return post(f"{name}: 5 days", "bob", "It takes 5 days.")
            told = any("It takes 5 days." in quote.text for quote in request.turns[1].quotes)
            return post(f"{name}: {'so we start on Monday' if told else 'unknown'}")

        model = ScriptedModel(says, says, says)
        return PeerToPeer(name, [Agent(who, "Work.", [model]) for who in ("ann", "bob")]), model

    (north, north_model), (south, south_model) = equals("north"), equals("south")
    books = Books()
    boss, manager = managed(plan(step("left", "north"), step("right", "south", "left")))
    team = Hierarchy("top", [north, south], boss)
    answer = await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    for name in ("north", "south"):
        assert f"{name}: so we start on Monday" in answer.text
    assert "unknown" not in answer.text
    north_model.done()
    south_model.done()
    seen = next(request.turns[1] for request in south_model.requests)
    assert next(quote.label for quote in seen.quotes if quote.kind == "answer") == "left"
    assert next(event.what for event in books.of(Decided)) == "plan"
    assert len(manager.integrated) == 1
    assert books.balanced


async def test_a_stalled_step_is_not_taken_again_when_the_run_goes_on(home: Path) -> None:
    asked: list[int] = []

    def hang() -> Any:
        asked.append(1)
        return asyncio.Event().wait()

    boss, model = managed(plan(step("slow", "ann")), plan(step("slow", "bob")))
    team = Hierarchy("team", [agent("ann", hang), Working("bob")], boss, stall_seconds=0.05)
    last = ScriptedModel(ProviderError("auth", "no key"), "The end.")
    line = Pipeline("line", [team, Agent("last", "End.", [last])])
    async with Hall.open() as hall:
        failed = await hall.run_team(line, "Go.", cache="off")
        again = await hall.resume(failed.run_id, team=line)
    assert (failed.status, again.status, again.answer) == ("failed", "done", "The end.")
    assert len(asked) == 1
    assert (len(model.planned), len(model.integrated)) == (2, 1)


def project(before: Callable[[], Any] | None = None) -> Hierarchy:
    """Two levels, in one of which a step stalls; `before` is called before each reply."""

    def boss(what: str, *plans: str) -> Agent:
        return Agent("boss", f"You manage {what}.", [Called(plans, before=before)])

    north = Hierarchy("north", [agent("ann", before), agent("bob", before)], boss("north", INNER))
    idle = agent("idle", asyncio.Event().wait)
    others = [Working("ann"), Working("bob")]  # they never wait, so that they cannot stall
    plans = (plan(step("slow", "idle")), INNER)
    south = Hierarchy("south", [idle, *others], boss("south", *plans), stall_seconds=0.1)
    return Hierarchy("top", [north, south], boss("all", OUTER))


@dataclass
class Called(Managing):
    before: Callable[[], Any] | None = None

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        if self.before is not None:
            self.before()
        return await super().complete(request, on_text)

    def _said(self, kind: str, request: ModelRequest) -> str | Exception:
        if kind != "Plan":
            return super()._said(kind, request)
        return self.plans["planned this before" in request.turns[1].brief]  # whatever was asked before


@pytest.mark.parametrize("last", [2, 5, 8, 9])
@pytest.mark.slow
async def test_a_killed_project_goes_on_with_all_that_it_had(last: int, home: Path) -> None:
    child = [sys.executable, __file__, str(home), str(last)]
    killed = await asyncio.to_thread(subprocess.run, child, check=False)
    assert killed.returncode == 9
    with sqlite3.connect(home / "guildhall.db") as db:
        journal = [path for (path,) in db.execute("SELECT path FROM journal")]
    db.close()
    replied = sum(path.rpartition("/")[2].startswith("ask") for path in journal)
    calls: list[int] = []
    async with Hall.open(home=home, project=home, environ={}) as hall:
        team = project(lambda: calls.append(1))
        result = await hall.resume(RUN, team=team)
    assert result.answer == "made of made of ann, bob, made of ann did one, bob did two"
    assert len(calls) == 9 - replied
    stalled = any("clock" in path for path in journal)
    idle = team.members[1].members[0].models[0]  # type: ignore[attr-defined]  # a team of agents
    assert len(idle.requests) == (not stalled)
    assert stalled or last < 9


async def main(home: str, last: int) -> None:
    calls: list[int] = []

    def count() -> None:
        calls.append(1)
        if len(calls) == last:
            os._exit(9)

    async with Hall.open(home=Path(home), project=Path(home), environ={}) as hall:
        await hall.run_team(project(count), "Build it.", run_id=RUN)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
