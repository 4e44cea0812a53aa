"""What a graph makes of failures: a stand-in is as good as whom it stands in for, a whole round is kept."""

from pathlib import Path

import pytest
from dying import Lines, whole_and_died_anywhere
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Message, Result, Run
from guildhall.agents.budget import Meter
from guildhall.agents.event import Decided, Finished
from guildhall.agents.kinds import Score
from guildhall.agents.patterns import Graph, Repeat, Step
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, NeedsInput

JOINED = (
    Step("search", "ann", "Search."),
    Step("instead", "bob", "Remember.", ("search",), when="search.failed"),
    Step("end", "dee", "End.", ("search", "instead")),
)
CHAIN = (
    *JOINED[:2],
    Step("guess", "cid", "Guess.", ("instead",), when="instead.failed"),
    Step("end", "dee", "End.", ("search", "instead", "guess")),
)
DOWN = Failure("down")
LOW = '{"score": 0.3, "reason": "short"}'


def people(**answers: str | Exception) -> list[StubMember]:
    said: dict[str, str | Exception] = {name: f"{name} said" for name in ("ann", "bob", "cid", "dee")}
    return [StubMember(name, answer) for name, answer in (said | answers).items()]


def calls(members: list[StubMember]) -> str:
    """Who was given something."""
    return " ".join(member.name for member in members if member.calls)


# -- stand-ins


async def test_what_joins_a_step_and_its_stand_in_goes_on_from_whichever_has_answered() -> None:
    fine, down = people(), people(ann=DOWN)
    assert (await given(Graph("team", fine, JOINED), "Go.")).text == "dee said"
    assert (await given(Graph("team", down, JOINED), "Go.")).text == "dee said"
    assert (calls(fine), calls(down)) == ("ann dee", "ann bob dee")
    [first], [other] = fine[3].messages, down[3].messages
    assert [(quote.label, quote.failed) for quote in first.quotes] == [("search", False)]
    assert [(quote.label, quote.failed) for quote in other.quotes] == [("search", True), ("instead", False)]


async def test_a_stand_in_can_have_a_stand_in_itself() -> None:
    for answers, who in (
        ({}, "ann dee"),
        ({"ann": DOWN}, "ann bob dee"),
        ({"ann": DOWN, "bob": DOWN}, "ann bob cid dee"),
    ):
        members = people(**answers)
        assert (await given(Graph("team", members, CHAIN), "Go.")).text == "dee said"
        assert calls(members) == who


@pytest.mark.parametrize(
    ("steps", "answers", "said"),
    [
        (JOINED, {"ann": DOWN, "bob": DOWN}, "end: not taken, because search, instead has failed"),
        (CHAIN, {"ann": DOWN, "bob": DOWN, "cid": DOWN}, "because search, instead, guess has failed"),
        # one that was left out, or that does not look at the failure, stands in for nobody
        (
            (
                Step("search", "ann", "x"),
                Step("other", "bob", "x"),
                Step("both", "cid", "x", ("search", "other"), when="search.failed and other.failed"),
                Step("end", "dee", "x", ("search", "both")),
            ),
            {"ann": DOWN},
            "end: not taken, because search has failed",
        ),
        (
            (
                Step("search", "ann", "x"),
                Step("other", "bob", "x"),
                Step("end", "dee", "x", ("search", "other")),
            ),
            {"ann": DOWN},
            "end: not taken, because search has failed",
        ),
    ],
)
async def test_nothing_is_built_on_a_failure_that_nobody_stood_in_for(
    steps: tuple[Step, ...], answers: dict[str, Exception], said: str
) -> None:
    members = people(**answers)
    with pytest.raises(Failure, match=said):
        await given(Graph("team", members, steps), "Go.")
    assert members[3].calls == 0


async def test_a_stand_in_who_asks_a_human_is_waited_for_and_its_failure_is_not_gone_on_from() -> None:
    after = Step("after", "cid", "Say that it failed.", ("end",), when="end.failed")
    members = people(ann=DOWN, bob=NeedsInput("Which one?", "q1"))
    with pytest.raises(NeedsInput):
        await given(Graph("team", members, (*JOINED, after)), "Go.")
    assert calls(members) == "ann bob"


async def test_a_stand_in_is_joined_in_the_same_way_after_the_process_has_died(tmp_path: Path) -> None:
    def team(lines: Lines) -> Graph:
        agents = [Agent(name, "Work.", [lines.model(name)]) for name in ("bob", "dee")]
        return Graph("team", [StubMember("ann", DOWN), *agents], JOINED)

    lines = Lines({"bob": ["I remember."], "dee": ["The end."]})
    assert (await whole_and_died_anywhere(team, lines, tmp_path)).answer == "The end."


# -- rounds


class Writer(StubMember):
    """Writes a draft, and fails at the one of this number."""

    fails = 2

    async def run(self, message: Message, run: Run) -> Message:
        if self.calls + 1 == self.fails:
            self.messages.append(message)
            raise DOWN
        self.answer = f"draft {self.calls + 1}"
        return await super().run(message, run)


def improved(fails: int, most: int = 3, sends: str | Exception = "done") -> tuple[Graph, StubMember]:
    steps = [
        Step("draft", "writer", "Draft it."),
        Step("spell", "speller", "Spell it.", ("draft",)),
        Step("rate", "rater", "Rate it.", ("draft", "spell"), output=Score,
             repeat=Repeat("draft", "rate.score < 0.8", most)),
        Step("send", "sender", "Send it.", ("draft", "rate")),
    ]  # fmt: skip
    writer = Writer("writer")
    writer.fails = fails
    rater = Agent("rater", "Rate.", [ScriptedModel(*[LOW] * most)])
    sender = StubMember("sender", sends)
    return Graph("team", [writer, StubMember("speller"), rater, sender], steps), sender


@pytest.mark.parametrize("fails", [2, 3])
async def test_where_a_later_round_fails_the_graph_goes_on_from_the_one_before(fails: int) -> None:
    team, sender = improved(fails)
    books = Books()
    state = RunState("r" * 32, sinks=[books])
    assert (await given(team, "Go.", state=state)).text == "done"
    [[draft, rating]] = [message.quotes for message in sender.messages]
    assert (draft.text, rating.text) == (f"draft {fails - 1}", "0.30: short")
    stands = f"round {fails} has failed, so what round {fails - 1} came to stands: draft: down; "
    assert [notice.startswith(f"team, rate: {stands}") for notice in state.notices] == [True]
    decided = [one for one in books.of(Decided) if one.what == "step"]
    assert [one.choice for one in decided] == ["draft"] * (fails - 1) + ["goes on"]
    assert decided[-1].reason.startswith(stands)
    outcomes = {one.path: one.outcome for one in books.of(Finished)}
    assert outcomes[f"team/draft.{fails}"] == "failed"


async def test_a_first_round_that_fails_leaves_nothing_to_go_on_from() -> None:
    team, sender = improved(1)
    with pytest.raises(Failure, match="draft: down"):
        await given(team, "Go.")
    assert sender.calls == 0


async def test_a_later_round_that_waits_for_a_human_has_not_failed() -> None:
    class Asking(Writer):
        async def run(self, message: Message, run: Run) -> Message:
            if self.calls == 1:
                raise NeedsInput("Is it right?", "q1")
            return await super().run(message, run)

    team, sender = improved(9)
    asking = Graph("team", [Asking("writer"), *team.members[1:]], team.steps)
    with pytest.raises(NeedsInput):
        await given(asking, "Go.")
    assert sender.calls == 0


async def test_a_kept_round_is_gone_on_from_in_the_same_way_after_the_process_has_died(
    tmp_path: Path,
) -> None:
    steps = (
        Step("draft", "ann", "Draft it."),
        Step("look", "bob", "Look at it.", ("draft",)),
        Step("rate", "cid", "Rate it.", ("draft", "look"), repeat=Repeat("draft", "rate.answered")),
        Step("end", "dee", "End it.", ("draft", "rate")),
    )

    class Looking(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            if "draft two" in [quote.text for quote in message.quotes]:
                raise DOWN
            return await super().run(message, run)

    def team(lines: Lines) -> Graph:
        agents = [Agent(name, "Work.", [lines.model(name)]) for name in ("ann", "cid", "dee")]
        return Graph("team", [Looking("bob"), *agents], steps)

    lines = Lines({"ann": ["draft one", "draft two"], "cid": ["rather short"], "dee": ["The end."]})
    result = await whole_and_died_anywhere(team, lines, tmp_path)
    assert result.answer == "The end."
    assert "draft one" in lines.asked[-1][1]
    assert "draft two" not in lines.asked[-1][1]


# -- the end of the budget


def article(*said: str | Exception) -> Graph:
    """Facts, then a draft and its rating up to three times, then the end: eight calls."""
    steps = [
        Step("facts", "one", "Collect."),
        Step("draft", "one", "Draft.", ("facts",)),
        Step("rate", "one", "Rate.", ("draft",), output=Score, repeat=Repeat("draft", "rate.score < 0.8")),
        Step("end", "one", "End.", ("draft", "rate")),
    ]
    return Graph("team", [Agent("one", "Work.", [ScriptedModel(*said)])], steps)


ALL = ("facts", "draft 1", LOW, "draft 2", LOW, "draft 3", LOW, "the end")


@pytest.mark.parametrize(
    ("affordable", "draft"), [(3, "draft 1"), (4, "draft 1"), (5, "draft 2"), (6, "draft 2"), (7, "draft 3")]
)
async def test_where_the_budget_ends_after_a_whole_round_what_was_done_stands_as_the_answer(
    affordable: int, draft: str, home: Path
) -> None:
    def told(result: Result) -> list[str]:
        return [notice for notice in result.notices if "no room for another call" in notice]

    async with Hall.open() as hall:
        short = await hall.run_team(article(*ALL[:affordable]), "Go.", budget=Budget(calls=affordable))
        assert (short.status, short.usage.calls) == ("done", affordable)
        assert short.answer == f"## facts\n\nfacts\n\n## draft\n\n{draft}\n\n## rate\n\n0.30: short"
        assert told(short)[-1].startswith(
            "team did not come to its end, so what was done stands as it is: end: "
        )
        assert len(told(short)) == (1 if affordable == 7 else 2)
        rest = article(*ALL[affordable:])
        whole = await hall.resume(short.run_id, team=rest, budget=Budget(calls=8))
    assert (whole.status, whole.answer, whole.usage.calls) == ("done", "the end", 8)
    assert told(whole) == []


@pytest.mark.parametrize("affordable", [1, 2])
async def test_where_the_budget_ends_before_a_round_was_whole_the_graph_has_failed(affordable: int) -> None:
    with pytest.raises(Failure, match="no room for another call"):
        await given(article(*ALL[:affordable]), "Go.", budget=Budget(calls=affordable))


async def test_an_end_that_fails_for_another_reason_is_no_answer() -> None:
    team, sender = improved(2, sends=Failure("no such address"))
    with pytest.raises(Failure, match="send: no such address"):
        await given(team, "Go.")
    assert sender.calls == 1


async def test_what_must_be_typed_does_not_stand_as_it_is() -> None:
    outer = Graph("outer", [article(*ALL[:4])], [Step("work", "team", "Work.", output=Score)])
    with pytest.raises(Failure, match="no room for another call"):
        await given(outer, "Go.", state=RunState("r" * 32, Meter(Budget(calls=4))))
