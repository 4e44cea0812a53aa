"""A router gives a task to whoever it suits, asks where it is unsure, and takes a hand-back once."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Message, ModelReply, ModelRequest, Parallel, Run
from guildhall.agents.event import Decided, Finished, Started
from guildhall.agents.kinds import Score, Wanted
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import Router
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import BudgetRefused, Failure, NeedsInput, ProviderError, UserError
from guildhall.memory.store.questions import Question

SURE, NOBODYS = "Review this contract for liability.", "Xyzzy plugh?"


@dataclass
class Known(StubMember):
    """A stub that says what it is for."""

    role: str = ""


def lawyer(answer: str | Exception = "liable") -> Known:
    return Known("lawyer", answer, role="Reviews contracts for legal risk and liability")


def baker(answer: str | Exception = "baked") -> Known:
    return Known("baker", answer, role="Bakes sourdough bread and cakes")


def cook(answer: str | Exception = "cooked") -> Known:
    return Known("cook", answer, role="Cooks soups and stews")


def route(worker: str, confidence: float = 0.9) -> str:
    return json.dumps({"worker": worker, "confidence": confidence, "reason": "its field"})


def judge(*replies: str | Exception) -> Agent:
    return Agent("judge", "Judge.", [ScriptedModel(*replies)])


@dataclass
class Told:
    """What came of a run."""

    answer: Message
    books: Books
    state: RunState

    @property
    def routes(self) -> list[Decided]:
        return [event for event in self.books.of(Decided) if event.what == "route"]

    @property
    def started(self) -> list[str]:
        return [event.path for event in self.books.of(Started)]


async def told(team: Router, task: str = SURE, **more: Any) -> Told:
    books = Books()
    state = RunState("r" * 32, sinks=[books], **more)
    return Told(await given(team, task, state=state), books, state)


async def test_the_one_whom_the_task_suits_answers_alone_and_every_score_is_told() -> None:
    one, other = lawyer(), baker()
    came = await told(Router("desk", [other, one], judge()))
    assert (came.answer.text, came.answer.sender) == ("liable", "desk")
    assert other.calls == 0
    assert one.messages[0].text == SURE
    (choice,) = came.routes
    assert choice.choice == "lawyer"
    assert choice.data["by"] == "rule"
    assert [score["name"] for score in choice.data["scores"]] == ["lawyer", "baker"]
    assert all({"score", "work", "words"} <= score.keys() for score in choice.data["scores"])
    assert "contract" in choice.reason


async def test_the_judge_is_asked_only_where_the_rule_is_unsure() -> None:
    one, other = lawyer(), baker()
    came = await told(Router("desk", [one, other], judge(route("baker"))), NOBODYS)
    assert came.answer.text == "baked"
    (choice,) = came.routes
    assert (choice.choice, choice.data["by"]) == ("baker", "judge")
    assert choice.evidence
    assert one.calls == 0
    assert came.started == ["desk", "desk/judge", "desk/baker"]


async def test_the_judge_is_asked_where_another_one_is_nearly_as_sure() -> None:
    other = Known("attorney", "liable, too", role="Reviews contracts for legal risk and liability")
    alone = await told(Router("team", [lawyer(), other, baker()], judge(), margin=0.0))
    assert alone.started == ["team", "team/lawyer"]
    near = await told(Router("team", [lawyer(), other, baker()], judge(route("attorney"))))
    assert near.answer.text == "liable, too"
    assert near.routes[0].data["scores"][0]["score"] >= near.routes[0].data["sure"]


async def test_who_is_sure_enough_to_be_chosen_must_reach_the_threshold_too() -> None:
    team = Router("team", [lawyer(), baker()], sure=0.1, margin=0.0, threshold=1.0, escalate="fail")
    with pytest.raises(Failure, match="nobody in it seems right for this task"):
        await told(team)


async def test_the_judge_is_shown_every_member_and_must_name_one_of_them() -> None:
    model = ScriptedModel(route("nobody-here"), route("lawyer"))
    team = Router("desk", [lawyer(), baker()], Agent("judge", "Judge.", [model]))
    came = await told(team, NOBODYS)
    assert came.answer.text == "liable"
    turns = model.requests[-1].turns
    assert {quote.label for quote in turns[1].quotes} == {"lawyer", "baker"}
    assert "there is no 'nobody-here'" in turns[-1].text


@pytest.mark.parametrize("said", [ProviderError("auth", "no key"), "no JSON"])
async def test_a_judge_that_gives_no_route_leaves_it_to_the_rule_and_that_is_said(
    said: str | Exception,
) -> None:
    model = ScriptedModel(said, said, said)
    team = Router("desk", [lawyer(), baker()], Agent("judge", "Judge.", [model]), sure=1.0)
    came = await told(team)
    assert came.answer.text == "liable"
    assert "judge gave no second opinion" in came.state.notices[0]
    assert came.routes[0].data["by"] == "rule"


async def test_where_nobody_seems_right_the_two_best_answer_side_by_side() -> None:
    both = asyncio.Barrier(2)

    class Meeting(Known):
        async def run(self, message: Message, run: Run) -> Message:
            await both.wait()
            return await super().run(message, run)

    members = [Meeting("ann", "yes"), Meeting("bob", "no"), cook()]
    came = await told(Router("desk", members, judge(route("cook", 0.1))), NOBODYS)
    assert "## ann\n\nyes" in came.answer.text
    assert "## bob\n\nno" in came.answer.text
    assert came.routes[0].choice == "ann and bob"
    assert "judge is unsure" in came.routes[0].reason


async def test_one_of_the_two_that_fails_is_named_and_the_other_one_answers() -> None:
    came = await told(Router("desk", [lawyer(Failure("tired")), baker()]), NOBODYS)
    assert came.answer.text == "## baker\n\nbaked"
    assert came.state.notices == ["1 of 2 members answered; no answer from lawyer"]


async def test_where_nobody_seems_right_the_team_can_fail_before_anybody_works() -> None:
    members = [lawyer(), baker()]
    with pytest.raises(Failure, match="desk: nobody in it seems right for this task"):
        await told(Router("desk", members, escalate="fail"), NOBODYS)
    assert [member.calls for member in members] == [0, 0]


async def test_where_nobody_seems_right_a_human_can_choose() -> None:
    asked: list[Question] = []

    async def human(question: Question) -> str:
        asked.append(question)
        return "baker"

    came = await told(Router("desk", [lawyer(), baker()], escalate="human"), NOBODYS, human=human)
    assert came.answer.text == "baked"
    assert asked[0].options == ("lawyer", "baker")
    assert came.routes[0].data["by"] == "user"


async def test_where_no_human_is_there_the_run_waits() -> None:
    with pytest.raises(NeedsInput):
        await told(Router("desk", [lawyer(), baker()], escalate="human"), NOBODYS)


async def test_a_task_that_is_handed_back_goes_to_the_next_best_once_and_never_to_the_same() -> None:
    one, other, third = lawyer("NOT MINE: this is about bread"), baker(), cook()
    came = await told(Router("desk", [third, other, one]), f"{SURE} Then bake sourdough bread.")
    assert came.answer.text == "baked"
    assert "NOT MINE" in one.messages[0].brief
    assert other.messages[0].brief == ""
    first, second = came.routes
    assert (first.choice, second.choice) == ("lawyer", "baker")
    assert second.reason == "lawyer handed it back: this is about bread"
    assert (one.calls, other.calls, third.calls) == (1, 1, 0)


@pytest.mark.parametrize("words", ["Not mine: bread", "**Not mine**: bread", "not mine.", '"Not mine"'])
async def test_it_is_handed_back_in_small_letters_too(words: str) -> None:
    came = await told(Router("desk", [lawyer(words), baker()]), f"{SURE} Then bake sourdough bread.")
    assert came.answer.text == "baked"


async def test_what_begins_like_a_hand_back_can_be_an_answer() -> None:
    came = await told(Router("desk", [lawyer("Not mine shafts alone, wells too."), baker()]), SURE)
    assert came.answer.text == "Not mine shafts alone, wells too."


async def test_what_the_next_best_says_is_the_answer_whatever_it_is() -> None:
    members = [lawyer("NOT MINE: no"), baker("NOT MINE: neither")]
    came = await told(Router("desk", members))
    assert came.answer.text == "NOT MINE: neither"
    assert len(came.routes) == 2


async def test_the_next_best_takes_over_from_one_that_fails() -> None:
    came = await told(Router("desk", [lawyer(ValueError("broken")), baker()]))
    assert came.answer.text == "baked"
    assert came.state.notices == ["desk: lawyer has failed: ValueError: broken; baker took its place"]


@pytest.mark.parametrize(
    ("first", "words"),
    [(Failure("tired"), "lawyer: tired; baker: ill"), ("NOT MINE: no", "lawyer: handed back.*baker: ill")],
)
async def test_the_team_fails_with_both_reasons_where_the_next_best_fails(
    first: str | Exception, words: str
) -> None:
    third = cook()
    with pytest.raises(Failure, match=words):
        await told(Router("desk", [lawyer(first), baker(Failure("ill")), third]))
    assert third.calls == 0


async def test_a_router_can_be_asked_for_a_typed_answer() -> None:
    model = ScriptedModel("NOT MINE: no", json.dumps({"score": 0.5, "reason": "so"}))
    one = Agent("lawyer", "Answer.", [model], role="Reviews contracts for liability")
    run = Run(RunState("r" * 32))
    answer = await run.give(Router("desk", [one, baker()]), Message(text=SURE), wanted=Wanted(Score))
    assert answer.data == Score(score=0.5, reason="so")
    assert "NOT MINE" not in model.requests[0].turns[1].brief


async def test_meaning_counts_where_an_embedder_is_given() -> None:
    async def embed(texts: object) -> list[list[float]]:
        return [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]

    came = await told(Router("desk", [lawyer(), baker()], embed=embed), NOBODYS)
    assert came.answer.text == "baked"
    assert came.routes[0].data["scores"][0]["meaning"] == 1


async def test_routers_nest_in_teams_and_teams_in_routers() -> None:
    law = Parallel("law", [lawyer("a"), lawyer("b")])
    came = await told(Router("outer", [Router("food", [baker(), cook()]), law]))
    assert came.answer.text.count("## lawyer") == 2
    came = await told(Router("outer", [Router("food", [baker(), cook()]), law]), "Bake a sourdough bread")
    assert came.answer.text == "baked"


async def test_the_end_of_the_budget_in_the_middle_ends_it_with_that_reason() -> None:
    members = [Agent(one.name, "x", [ScriptedModel("x")], role=one.role) for one in (lawyer(), baker())]
    books = Books()
    state = RunState("r" * 32, sinks=[books])
    state.meter.budget = Budget(calls=1)
    with pytest.raises((Failure, BudgetRefused), match="calls"):
        await given(Router("desk", members, judge(route("baker"))), NOBODYS, state=state)
    assert books.balanced


async def test_cancelling_ends_whoever_is_at_work() -> None:
    begun = asyncio.Event()

    class Slow(Known):
        async def run(self, message: Message, run: Run) -> Message:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    books = Books()
    slow = Slow("lawyer", role=lawyer().role)
    team = Router("desk", [slow, baker()])
    work = asyncio.create_task(given(team, SURE, state=RunState("r" * 32, sinks=[books])))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert [ended.outcome for ended in books.of(Finished)] == ["cancelled", "cancelled"]


async def test_a_run_that_was_cut_short_takes_the_same_way_and_pays_nothing_twice(home: Path) -> None:
    asked, first = ScriptedModel(route("baker")), ScriptedModel("NOT MINE: no")
    begun = asyncio.Event()

    class Hanging(ScriptedModel):
        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    def team(last: ScriptedModel) -> Router:
        agents = [
            Agent("lawyer", "x", [last], role=lawyer().role),
            Agent("baker", "x", [first], role=baker().role),
        ]
        return Router("desk", agents, Agent("judge", "Judge.", [asked]))

    async with Hall.open() as hall:
        work = asyncio.create_task(hall.run_team(team(Hanging()), NOBODYS, run_id="a" * 32))
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        again = await hall.resume("a" * 32, team=team(ScriptedModel("mine")))
        events = await hall.events("a" * 32)
    assert again.answer == "mine"
    routes = [event.choice for event in events if isinstance(event, Decided) and event.what == "route"]
    assert routes == ["baker", "lawyer"] * 2
    assert (len(asked.requests), len(first.requests)) == (1, 1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Router("desk", [lawyer()]), "desk has 1 member and needs 2 or more"),
        (lambda: Router("desk", [lawyer(), lawyer()]), "several members called lawyer"),
        (lambda: Router("desk", [lawyer(), baker()], threshold=2), "threshold is 2; give a number from 0"),
        (lambda: Router("desk", [lawyer(), baker()], escalate="ask"), "escalate is 'ask'; allowed are both,"),  # type: ignore[arg-type]  # what is wrong
        (lambda: Router("desk", [lawyer(), baker()], "judge"), "which has no name and no run method"),  # type: ignore[arg-type]  # what is wrong
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_once(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()
