"""The way of working together is the simplest that serves the task, and it is told why."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from every_pattern import Given, agent
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Member, Message, Parallel, Run
from guildhall.agents.event import Decided, Started
from guildhall.agents.kinds import Score, Wanted
from guildhall.agents.patterns import Auto, Hierarchy
from guildhall.agents.patterns.auto import AutoSpec
from guildhall.agents.patterns.debate import Debate
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.agents.ways import WAYS, Way, way_of
from guildhall.errors import Failure, ProviderError, UserError

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import routing

UNSURE = (
    "Reconcile the conflicting specifications of the protocol and prove that consensus survives failures."
)
"""Complex, without parts that can be seen."""


@dataclass
class Known(StubMember):
    role: str = ""


def team(chooser: Agent | None = None, *, own: Mapping[Any, Any] | None = None) -> Auto:
    members = [
        Known("lawyer", "liable", role="Reviews contracts"),
        Known("baker", "baked", role="Bakes bread"),
    ]
    make: dict[Way, Member] = {way: StubMember(way, f"by {way}") for way in WAYS if way != "one"}
    return Auto("crew", members, make | dict(own or {}), chooser)


async def worked(auto: Auto, task: str, **more: Any) -> tuple[Message, Decided, Books, RunState]:
    books = Books()
    state = RunState("r" * 32, sinks=[books], **more)
    answer = await given(auto, task, state=state)
    (choice,) = (event for event in books.of(Decided) if event.what == "pattern")
    return answer, choice, books, state


def chooser(*replies: str | Exception) -> Agent:
    return Agent("chooser", "Choose.", [ScriptedModel(*replies)])


@pytest.mark.parametrize(("name", "floor"), [("tuning", 0.95), ("held out", 0.85), ("blind", 0.5)])
def test_the_rule_chooses_rightly_as_often_as_is_said(name: str, floor: float) -> None:
    tasks = routing.labelled("auto", name)
    assert len(tasks) >= 40
    right = routing.accuracy(tasks, lambda task: way_of(task).way)
    assert right >= floor
    assert right >= 0.2 + routing.accuracy(tasks, lambda task: "one")


@pytest.mark.parametrize(
    ("task", "way", "answer"),
    [
        ("Review this contract.", "one", "liable"),
        ("Describe the climate, the economy and the traffic of Peru.", "parallel", "by parallel"),
        ("Collect figures, then analyse them, and based on that write a plan.", "hierarchy", "by hierarchy"),
        ("Should we rent the hall or buy it?", "debate", "by debate"),
    ],
)  # fmt: skip
async def test_each_way_is_taken_for_the_tasks_it_is_for(task: str, way: str, answer: str) -> None:
    said, choice, books, _ = await worked(team(), task)
    assert said.text == answer
    assert (choice.choice, choice.data["by"]) == (way, "rule")
    assert choice.reason
    assert books.of(Started)[1].path == f"crew/{way}"


async def test_a_cheap_model_is_asked_only_where_the_rule_is_unsure() -> None:
    assert not way_of(UNSURE).sure
    said = json.dumps({"choice": "debate", "reason": "two readings"})
    answer, choice, _, _ = await worked(team(chooser(said)), UNSURE)
    assert answer.text == "by debate"
    assert choice.data["by"] == "chooser"
    assert choice.reason.startswith("two readings (by rule: ")
    assert choice.evidence
    answer, choice, _, _ = await worked(team(chooser()), "Review this contract.")
    assert choice.data["by"] == "rule"


async def test_a_choice_that_was_not_offered_goes_back_to_the_chooser() -> None:
    model = ScriptedModel(*(json.dumps({"choice": way, "reason": "so"}) for way in ("swarm", "parallel")))
    answer, _, _, _ = await worked(team(Agent("chooser", "Choose.", [model])), UNSURE)
    assert answer.text == "by parallel"
    assert (
        "there is no 'swarm'; there are: one, parallel, hierarchy, debate" in model.requests[1].turns[-1].text
    )


@pytest.mark.parametrize("said", [ProviderError("auth", "no key"), "Hm."])
async def test_a_chooser_that_fails_leaves_it_to_the_rule_and_that_is_said(said: str | Exception) -> None:
    _, choice, _, state = await worked(team(chooser(said, said, said)), UNSURE)
    assert choice.choice == way_of(UNSURE).way
    assert "chooser did not say how to work on this" in state.notices[0]


async def test_a_way_that_the_team_does_not_have_gives_way_to_one_alone() -> None:
    auto = Auto("crew", [StubMember("only", "done")], {})
    answer, choice, _, _ = await worked(auto, "Should we rent the hall or buy it?")
    assert answer.text == "done"
    assert choice.choice == "one"
    assert "no way for debate" in choice.reason


@pytest.mark.parametrize("way", WAYS)
async def test_a_way_that_fails_fails_the_team_with_its_reason(way: str) -> None:
    tasks = {
        "one": "Name it.", "parallel": "Describe the climate, the economy and the traffic.",
        "hierarchy": "First do this, then that, and finally the rest.", "debate": "Should we stay?",
    }  # fmt: skip
    with pytest.raises(Failure, match="tired"):
        await worked(team(own={way: StubMember(way, Failure("tired"))}), tasks[way])


async def test_the_way_that_is_taken_gives_the_typed_answer_that_is_wanted() -> None:
    model = ScriptedModel(json.dumps({"score": 0.5, "reason": "so"}))
    auto = Auto("crew", [Agent("ann", "Answer.", [model])], {})
    answer = await Run(RunState("r" * 32)).give(auto, Message(text="Name it."), wanted=Wanted(Score))
    assert answer.data == Score(score=0.5, reason="so")


async def test_a_choice_that_was_paid_for_is_not_paid_again_on_a_resumed_run(home: Path) -> None:
    choosing = ScriptedModel(json.dumps({"choice": "parallel", "reason": "so"}))
    working = ScriptedModel(ProviderError("auth", "no key"), "found the key")

    def made() -> Auto:
        ann = Agent("ann", "x", [working])
        return Auto("crew", [ann], {"parallel": Parallel("all", [ann])}, Agent("chooser", "x", [choosing]))

    async with Hall.open() as hall:
        failed = await hall.run_team(made(), UNSURE)
        again = await hall.resume(failed.run_id, team=made())
    assert (failed.status, again.answer) == ("failed", "## ann\n\nfound the key")
    choosing.done()


async def test_the_end_of_the_budget_after_the_choice_ends_it_with_that_reason() -> None:
    state = RunState("r" * 32, sinks=[books := Books()])
    state.meter.budget = Budget(calls=1)
    auto = Auto(
        "crew", [Agent("ann", "x", [ScriptedModel("x")])], {},
        chooser(json.dumps({"choice": "one", "reason": "so"})),
    )  # fmt: skip
    with pytest.raises(Failure, match="calls"):
        await given(auto, UNSURE, state=state)
    assert books.balanced


async def test_any_team_can_be_told_to_choose_its_way_with_the_built_in_roles(home: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team("research", "Name the author.", context="Ann wrote it.", pattern="auto")
        events = await hall.events(result.run_id)
    assert result.status == "done"
    assert result.pattern == "auto"
    chosen = [event for event in events if isinstance(event, Decided) and event.what == "pattern"]
    assert [event.choice for event in chosen] == ["one"]
    assert chosen[0].data["ways"] == list(WAYS)


def test_a_team_of_many_has_every_way() -> None:
    names = tuple(f"clerk-{number}" for number in range(30))
    spec = AutoSpec(name="team", description="d", members=names)
    everybody = (*names, "judge", "manager", "moderator", "synthesizer")
    team = spec.made(Given(spec, {name: agent(name, ScriptedModel()) for name in everybody}))
    assert isinstance(team, Auto)
    assert team.make.keys() == {*WAYS}


def test_the_ways_of_a_team_are_its_parts() -> None:
    model = ScriptedModel()
    ann, bob, judge = (Agent(name, "x", [model]) for name in ("ann", "bob", "judge"))
    make: dict[Way, Member] = {
        "parallel": Parallel("p", [ann, bob]),
        "hierarchy": Hierarchy("h", [ann, bob], judge),
        "debate": Debate("d", [ann, bob], judge),
    }
    auto = Auto("crew", [ann, bob], make, judge)
    assert [part.role for part in auto.parts] == ["chooser", *WAYS]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Auto("crew", [], {}), "crew has no members"),
        (
            lambda: team(own={"swarm": StubMember("swarm")}),
            "'swarm' is no way to work; .*allowed are one, parallel",
        ),
        (lambda: team(own={"debate": "debate"}), "which has no name and no run method"),
    ],
)
def test_what_cannot_work_is_refused_at_once(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


@pytest.mark.parametrize("task", ["", "?", "\n" * 9_000, "a, " * 4_000, "\ud800", "or " * 2_000 + "?"])
def test_any_text_has_a_way(task: str) -> None:
    assert way_of(task).way in WAYS


def test_what_is_quoted_in_a_task_does_not_choose_the_way() -> None:
    assert way_of('Translate "Should we first sell, then buy, and finally rent?" into German').way == "one"
