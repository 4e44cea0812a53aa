"""The first answer that passes wins, and the others are cancelled and cost nothing more."""

import asyncio
from pathlib import Path

import pytest
from cutting import Stuck, cut_short
from support import Books, Waiting, given

from guildhall.agents import Agent, Hall, Message, Parallel, Pipeline, Run
from guildhall.agents.event import Decided, Event, Finished, Lost
from guildhall.agents.kinds import Contribution
from guildhall.agents.models.base import Model
from guildhall.agents.patterns import FirstValid
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.patterns.human import Human
from guildhall.agents.rules import Ruled, Rules
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, NeedsInput, TooFew, UserError
from guildhall.memory.store.standing import Standing
from guildhall.view.reduce import View


async def has_a_date(message: Message, answer: Message, run: Run) -> str:
    return "" if "1848" in answer.text else "it names no year"


async def test_the_first_valid_answer_wins_and_the_calls_of_the_others_end() -> None:
    books = Books()
    slow = Waiting(let_go=asyncio.Event())
    members = [
        Agent("ann", "Answer.", [slow]), Agent("bob", "Answer.", [ScriptedModel("in 1848")]),
    ]  # fmt: skip
    state = RunState("r" * 32, sinks=[books])
    answer = await given(FirstValid("team", members, has_a_date), "When?", state=state)
    assert answer.text == "in 1848"
    assert {end.path: end.outcome for end in books.of(Finished)} == {
        "team/bob/bob": "answered", "team/bob": "answered",
        "team/ann/ann": "cancelled", "team/ann": "cancelled", "team": "answered",
    }  # fmt: skip
    assert [lost.error for lost in books.of(Lost)] == ["cancelled"]
    assert books.balanced
    assert state.meter.held.calls == 0
    [gate] = [event for event in books.of(Decided) if event.what == "gate"]
    assert (gate.choice, gate.data["cancelled"]) == ("bob", ["ann"])


async def test_an_answer_that_is_not_valid_is_passed_over_however_early_it_comes() -> None:
    class Early(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            said.set()
            return await super().run(message, run)

    class Late(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await said.wait()
            await asyncio.sleep(0)
            return await super().run(message, run)

    said, books = asyncio.Event(), Books()
    state = RunState("r" * 32, sinks=[books])
    members = [Early("ann", "long ago"), Late("bob", "in 1848")]
    answer = await given(FirstValid("team", members, has_a_date), "When?", state=state)
    assert answer.text == "in 1848"
    checks = [(event.choice, event.data["of"]) for event in books.of(Decided) if event.what == "check"]
    assert checks == [("not passed", "ann"), ("passed", "bob")]
    assert state.standings == {"ann": Standing(1, 0), "bob": Standing(1, 1)}


async def test_where_none_is_valid_the_team_fails_with_every_reason() -> None:
    members = [StubMember("ann", "long ago"), StubMember("bob", Failure("ill")), StubMember("cid", " ")]
    with pytest.raises(TooFew) as caught:
        await given(FirstValid("team", members, has_a_date), "When?")
    assert str(caught.value) == (
        "none of 3 answers is valid: ann: its answer is not valid: it names no year; bob: ill; "
        "cid: the answer is empty"
    )


async def test_without_a_check_any_answer_that_is_not_empty_wins() -> None:
    members = [StubMember("ann", " \n"), StubMember("bob", "long ago")]
    assert (await given(FirstValid("team", members), "When?")).text == "long ago"
    with pytest.raises(TooFew, match="ann: the answer is empty"):
        await given(FirstValid("team", members[:1]), "When?")


async def test_each_answer_is_checked_in_a_place_of_its_own_by_a_member_that_is_asked() -> None:
    class Checker(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            good = "1848" in message.quotes[-1].text
            return run.answer(message, f'{{"accepted": {str(good).lower()}, "reason": "no year"}}')

    books = Books()
    members = [StubMember("ann", "long ago"), StubMember("bob", "in 1848")]
    team = FirstValid("team", members, Acceptance(Checker("critic"), "names the year"))
    await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    paths = {end.path for end in books.of(Finished) if end.who == "critic"}
    assert paths == {"team/ann/critic", "team/bob/critic"}


async def test_a_member_that_asks_a_human_is_waited_for_only_where_no_other_answer_is_valid() -> None:
    class Asking(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            raise NeedsInput("Which war?", question="q")

    good = FirstValid("team", [Asking("ann"), StubMember("bob", "in 1848")], has_a_date)
    assert (await given(good, "When?")).text == "in 1848"
    with pytest.raises(NeedsInput):
        await given(FirstValid("team", [Asking("ann"), StubMember("bob", "?")], has_a_date), "When?")


@pytest.mark.parametrize("asked_before", [True, False])
async def test_what_a_person_was_asked_is_withdrawn_once_another_answer_has_won(asked_before: bool) -> None:
    asked, view = asyncio.Event(), View()

    class Late(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await (asked.wait() if asked_before else asyncio.sleep(0))
            return await super().run(message, run)

    def sees(event: Event) -> None:
        if isinstance(event, Finished) and event.outcome == "waiting":
            asked.set()

    def team() -> Pipeline:
        pair = Parallel("pair", [Human("clerk"), StubMember("ann", "long ago")])
        race = FirstValid("race", [Human("boss"), pair, Late("bob", "in 1848")], has_a_date)
        return Pipeline("line", [race, Human("chief")])

    async with Hall.open() as hall:
        result = await hall.run_team(team(), "When?", sinks=[sees, view])
        stored = await hall.result(result.run_id)
        done = await hall.answer(result.run_id, "So it was.", team=team())
    for one in (result, stored):
        assert [question.who for question in one.questions] == ["chief"]
        said = {part.member: part.status for part in one.contributions}
        assert (said["boss"], said["clerk"], said["chief"]) == ("cancelled", "cancelled", "waiting")
    lanes = {item["name"]: item["status"] for item in view.items() if item["is"] == "member"}
    assert (lanes["boss"], lanes["clerk"], lanes["pair"]) == ("cancelled", "cancelled", "cancelled")
    [won] = [item for item in view.items() if item["is"] == "decision" and item["what"] == "gate"]
    assert won["text"] == "the first valid answer; not waited for: boss, pair"
    assert (done.status, done.answer) == ("done", "So it was.")


async def test_a_resumed_run_whose_winner_is_known_asks_nobody_else(home: Path) -> None:
    def team(*models: Model) -> Pipeline:
        ann, bob, cid, last = (
            Agent(name, "Go.", [model])
            for name, model in zip(("ann", "bob", "cid", "last"), models, strict=True)
        )
        return Pipeline("line", [FirstValid("team", [ann, bob, cid], has_a_date), last])

    stuck = Stuck()
    slow = Waiting(let_go=asyncio.Event())
    first = team(slow, ScriptedModel("in 1848"), ScriptedModel("long ago"), stuck)
    async with Hall.open() as hall:
        await cut_short(hall, first, stuck, home, "a" * 32)
        last, books = ScriptedModel("It was in 1848."), Books()
        unasked = [ScriptedModel() for _ in range(3)]
        again = team(*unasked, last)
        result = await hall.resume("a" * 32, team=again, sinks=[books])
    assert result.answer == "It was in 1848."
    assert "asked anew" not in [event.choice for event in books.of(Decided)]
    assert not any(model.requests for model in unasked)
    last.done()


async def test_before_there_is_a_winner_a_resumed_run_goes_on_with_all(home: Path) -> None:
    def team(ann: Model, bob: Model) -> FirstValid:
        return FirstValid("team", [Agent("ann", "Go.", [ann]), Agent("bob", "Go.", [bob])], has_a_date)

    stuck = Stuck("long ago")
    async with Hall.open() as hall:
        await cut_short(hall, team(stuck, stuck), stuck, home, "a" * 32)
        rest = ScriptedModel("in 1848")
        result = await hall.resume("a" * 32, team=team(rest, rest))
    assert result.answer == "in 1848"
    rest.done()


def test_two_members_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="several members called ann"):
        FirstValid("team", [StubMember("ann"), StubMember("ann")])


async def test_candidates_are_asked_for_contributions_where_the_team_wants_these() -> None:
    given_by_ann = Contribution(
        answer="in 1848", reasons=(), sources=(), open_points=(), confidence=1.0, claims=()
    ).model_dump_json()
    model = ScriptedModel(given_by_ann)
    team = FirstValid("team", [Agent("ann", "Answers.", [model])], has_a_date)
    answer = await given(Ruled(team, Rules(typed=True)), "When?")
    assert "in 1848" in answer.text
    assert [request.output and request.output["title"] for request in model.requests] == ["Contribution"]
