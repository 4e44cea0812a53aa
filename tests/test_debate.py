"""Members propose, criticise, refine, and a judge decides; agreeing is not being right."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cutting import Stuck, cut_short
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Message, ModelRequest, Run
from guildhall.agents.budget import Meter
from guildhall.agents.event import Decided, Started
from guildhall.agents.kinds import Choice, Verdict, Wanted
from guildhall.agents.patterns import Debate, Vote
from guildhall.agents.rules import Ruled, Rules
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, TooFew, UserError

STAGES = {
    "Others work": "proposal",
    "Criticise each": "critique",
    "Yours is": "refined",
    "Try to": "challenge",
    "Decide by": "verdict",
    "Choose one": "proposal",
}
"""What members are asked for, by words of the brief."""


def stage_of(brief: str) -> str:
    return next(name for words, name in STAGES.items() if words in brief)


@dataclass
class Debater:
    """Says what it has for each stage; an error is raised."""

    name: str
    proposal: str | Exception
    critique: str | Exception = "## proposal A\nweak\n\n## proposal B\nvague\n\n## proposal C\nlong"
    refined: str | Exception = ""
    challenge: str | Exception = '{"refuted": false, "reason": "tried dates and names"}'
    seen: dict[str, list[Message]] = field(default_factory=dict)
    meeting: asyncio.Barrier | None = None

    async def run(self, message: Message, run: Run) -> Message:
        stage = stage_of(message.brief)
        self.seen.setdefault(stage, []).append(message)
        if self.meeting is not None:
            await self.meeting.wait()
        said = getattr(self, stage) or f"{self.proposal}, refined"
        if isinstance(said, Exception):
            raise said
        return run.answer(message, said, sources=message.sources)


def verdict(winner: str = "proposal B", answer: str = "", dissent: str = "") -> str:
    return json.dumps({"winner": winner, "answer": answer, "reason": "best shown", "dissent": dissent})


def three(**of_bob: Any) -> list[Debater]:
    return [
        Debater("ann", "Buy now"),
        Debater("bob", "Rent it first", **of_bob),
        Debater("cid", "Wait a year"),
    ]


async def held(
    team: Debate, task: str = "What is to be done?", **more: Any
) -> tuple[Message, Books, RunState]:
    books = Books()
    state = RunState("r" * 32, Meter(more.pop("budget", Budget())), sinks=[books], **more)
    return await given(team, task, state=state), books, state


def decided(books: Books, what: str) -> Decided:
    [event] = [event for event in books.of(Decided) if event.what == what]
    return event  # type: ignore[no-any-return]  # of() gives Any


async def test_each_stage_is_at_once_and_the_winner_s_refined_proposal_is_the_answer() -> None:
    members, judge = three(), StubMember("judge", verdict(dissent="proposal A is cheaper"))
    together = asyncio.Barrier(3)
    for member in members:
        member.meeting = together  # each stage goes on only once all three are in it
    answer, books, state = await held(Debate("team", members, judge))
    assert answer.text.startswith("Rent it first, refined")
    assert "**Why:** best shown" in answer.text
    assert "**Against it:** proposal A (ann) is cheaper" in answer.text
    assert judge.calls == 1
    event = decided(books, "verdict")
    assert event.choice == "bob"
    assert event.data["authors"] == {"proposal A": "ann", "proposal B": "bob", "proposal C": "cid"}
    assert [event.path for event in books.of(Started)] == [
        "team", "team/ann", "team/bob", "team/cid",
        "team/ann-critique", "team/bob-critique", "team/cid-critique",
        "team/ann-refined", "team/bob-refined", "team/cid-refined", "team/judge",
    ]  # fmt: skip
    assert state.notices == []


async def test_nobody_is_told_whose_proposal_is_whose_and_nobody_s_comes_first_for_all() -> None:
    members, judge = three(), StubMember("judge", verdict())
    await held(Debate("team", members, judge, rounds=2))
    shown = [[quote.label for quote in member.seen["critique"][0].quotes] for member in members]
    assert shown == [
        ["proposal B", "proposal C"], ["proposal C", "proposal A"], ["proposal A", "proposal B"],
    ]  # fmt: skip
    again = [[quote.label for quote in member.seen["critique"][1].quotes] for member in members]
    assert again == [list(reversed(labels)) for labels in shown]
    messages = [
        *judge.messages,
        *(one for member in members for many in member.seen.values() for one in many),
    ]
    for message in messages:
        told = " ".join([message.brief, *(quote.label for quote in message.quotes)])
        assert not re.search(r"\b(?:ann|bob|cid)\b", told)
        assert message.text == "What is to be done?"


async def test_an_author_hears_what_critics_say_of_its_proposal_or_all_where_they_do_not_divide() -> None:
    members = three(critique="All of them are too dear.")
    await held(Debate("team", members, StubMember("judge", verdict())))
    [message] = members[0].seen["refined"]
    assert [(quote.label, quote.text) for quote in message.quotes] == [
        ("proposal A", "Buy now"), ("critique 1", "All of them are too dear."),
        ("critique 2", "## proposal A\nweak"),
    ]  # fmt: skip


async def test_a_synthesis_is_the_answer_where_no_proposal_holds_alone() -> None:
    judge = StubMember("judge", verdict("", "Rent for a year, then buy."))
    answer, books, _ = await held(Debate("team", three(), judge))
    assert answer.text.startswith("Rent for a year, then buy.")
    assert decided(books, "verdict").choice == "a synthesis"


async def test_labels_in_a_synthesis_get_names_and_other_words_do_not() -> None:
    written = "Take the date of proposal B. This proposal a priori has none, as proposal Z."
    answer, _, _ = await held(Debate("team", three(), StubMember("judge", verdict("", written))))
    named = "Take the date of proposal B (bob). This proposal a priori has none, as proposal Z."
    assert answer.text.startswith(named)


async def test_a_shared_answer_ends_the_debate_only_once_somebody_has_tried_to_refute_it() -> None:
    members = [Debater(name, "It is 42.") for name in ("ann", "bob", "cid")]
    judge = StubMember("judge", verdict())
    answer, books, _ = await held(Debate("team", members, judge))
    assert answer.text.startswith("It is 42.")
    assert "tried dates and names" in answer.text
    assert judge.calls == 0
    assert [member.name for member in members if "challenge" in member.seen] == ["cid"]
    gate, challenge = decided(books, "gate"), decided(books, "challenge")
    assert (gate.choice, gate.data["value"], gate.data["threshold"]) == ("the debate ends", 1.0, 0.8)
    assert (challenge.choice, challenge.data) == ("not refuted", {"by": "cid", "of": "ann"})


async def test_a_refuted_answer_is_debated_and_all_see_the_objection() -> None:
    members = [Debater(name, "It is 42.") for name in ("ann", "bob", "cid")]
    members[2].challenge = '{"refuted": true, "reason": "it leaves out the tax"}'
    judge = StubMember("judge", verdict("proposal A"))
    answer, books, _ = await held(Debate("team", members, judge, rounds=2))
    assert judge.calls == 1
    assert answer.text.startswith("It is 42., refined")
    for member in members:
        for stage in ("critique", "refined"):
            first, second = member.seen[stage]
            assert [q.text for q in first.quotes if q.label == "objection"] == ["it leaves out the tax"]
            assert "objection" not in [quote.label for quote in second.quotes]
    assert decided(books, "gate").choice == "the debate goes on"


@pytest.mark.parametrize("said", [Failure("tired"), "no JSON"])
async def test_a_challenge_that_fails_ends_nothing(said: str | Exception) -> None:
    members = [Debater(name, "It is 42.", challenge=said) for name in ("ann", "bob")]
    judge = StubMember("judge", verdict())
    _, books, _ = await held(Debate("team", members, judge))
    assert judge.calls == 1
    assert decided(books, "challenge").choice == "not made"


async def test_without_a_challenge_agreement_ends_nothing() -> None:
    members = [Debater(name, "It is 42.") for name in ("ann", "bob")]
    judge = StubMember("judge", verdict())
    _, books, _ = await held(Debate("team", members, judge, challenge=False))
    assert judge.calls == 1
    assert decided(books, "gate").data["value"] == 1.0


async def test_who_fails_at_first_is_out_and_who_fails_later_keeps_its_last_proposal() -> None:
    judge = StubMember("judge", verdict("proposal B"))
    members = three(refined=Failure("tired"))
    members[0].proposal = Failure("ill")
    answer, _, state = await held(Debate("team", members, judge))
    assert [quote.label for quote in judge.messages[0].quotes] == ["proposal B", "proposal C"]
    assert answer.text.startswith("Rent it first\n")
    assert state.notices[0] == "2 of 3 members answered; no answer from ann"
    assert "bob keeps the proposal that it had: tired" in state.notices[1]
    assert set(members[0].seen) == {"proposal"}


async def test_a_critic_that_fails_is_named_and_its_proposal_goes_on() -> None:
    judge = StubMember("judge", verdict())
    answer, _, state = await held(Debate("team", three(critique=Failure("tired")), judge))
    assert answer.text.startswith("Rent it first, refined")
    assert ["bob gave no critique: tired" in notice for notice in state.notices] == [True]


async def test_one_proposal_alone_is_the_answer_and_that_is_said_and_none_fails_the_team() -> None:
    members = [Debater("ann", "Buy now"), Debater("bob", Failure("ill"))]
    judge = StubMember("judge", verdict())
    answer, _, state = await held(Debate("team", members, judge))
    assert (answer.text, judge.calls) == ("Buy now", 0)
    assert "team: ann alone made a proposal, so nothing was debated" in state.notices
    members[0].proposal = Failure("gone")
    with pytest.raises(TooFew, match="ann: gone; bob: ill"):
        await held(Debate("team", members, judge))


@pytest.mark.parametrize("said", [Failure("asleep"), "I like B", verdict("", ""), verdict("proposal X")])
async def test_without_a_verdict_all_that_was_paid_for_is_in_the_answer(said: str | Exception) -> None:
    members = [Debater("ann", "It is red."), Debater("bob", "It is 42."), Debater("cid", "It is 42.")]
    for member in members:
        member.refined = member.proposal
    answer, books, state = await held(Debate("team", members, StubMember("judge", said)))
    assert answer.text.startswith("It is 42.")
    assert "It is red." in answer.text
    assert "**No verdict was given.**" in answer.text
    assert "judge gave no verdict: " in state.notices[0]
    verdict_of = decided(books, "verdict")
    assert verdict_of.data["by"] == ""
    why = state.notices[0].partition("judge gave no verdict: ")[2].partition(". The answer")[0]
    assert why
    assert why not in answer.text + verdict_of.reason


async def test_what_is_remembered_of_a_debate_without_a_verdict_says_nothing_of_the_error(
    home: object,
) -> None:
    members = [Debater("ann", "The pier of Larvik is red."), Debater("bob", "The pier of Larvik is green.")]
    judge = StubMember("judge", Failure("the socket of the judge was closed"))
    later = StubMember("later", "It is red.")
    async with Hall.open() as hall:
        result = await hall.run_team(Debate("team", members, judge), "What colour has the pier of Larvik?")
        assert any("the socket of the judge" in notice for notice in result.notices)
        await hall.run_team(later, "The colour of the pier of Larvik?")
    recalled = [quote.text for quote in later.messages[0].quotes if quote.kind == "memory"]
    assert any("No verdict was given" in text for text in recalled)
    assert not any("socket" in text for text in recalled)


async def test_a_verdict_on_what_was_never_proposed_is_none() -> None:
    class Judge(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            data = Verdict(winner="proposal X", answer="", reason="so", dissent="")
            return run.answer(message, "X", data=data)

    _, books, state = await held(Debate("team", three(), Judge("judge")))
    assert decided(books, "verdict").data["by"] == ""
    assert "judge gave no Verdict" in state.notices[0]


async def test_a_verdict_that_cannot_be_read_goes_back_to_the_judge_s_model() -> None:
    model = ScriptedModel(verdict("proposal Z"), verdict("proposal B"))
    answer, _, _ = await held(Debate("team", three(), Agent("judge", "Judge.", [model])))
    assert "there is no 'proposal Z'" in model.requests[1].turns[-1].text
    assert answer.text.startswith("Rent it first, refined")
    model.done()


@pytest.mark.parametrize(
    ("said", "winner", "calls"),
    [
        (lambda first: "proposal B", "bob", 2),
        (lambda first: first, "bob", 3),  # for whatever stands first, until it sees both verdicts
    ],
)
async def test_the_judge_looks_again_where_the_order_changes_its_mind(
    said: Callable[[str], str], winner: str, calls: int
) -> None:
    class Judge(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            self.messages.append(message)
            labels = [quote.label for quote in message.quotes]
            best = "proposal B" if "first verdict" in labels else said(labels[0])
            return run.answer(message, verdict(best))

    judge = Judge("judge")
    _, books, _ = await held(Debate("team", three(), judge, swap=True))
    event = decided(books, "verdict")
    assert (event.choice, judge.calls) == (winner, calls)
    assert ("changed from proposal A to proposal C" in event.reason) == (calls == 3)


async def test_what_is_paid_for_is_kept_where_the_budget_ends_in_the_middle() -> None:
    model = ScriptedModel("Buy now", "Wait a year", "weak", "vague", "Buy now, at a discount")
    members = [Agent(name, "Debate.", [model]) for name in ("ann", "bob")]
    judge = Agent("judge", "Judge.", [model])
    answer, books, state = await held(Debate("team", members, judge), budget=Budget(calls=5))
    assert "Buy now, at a discount" in answer.text
    assert "Wait a year" in answer.text
    assert books.balanced
    assert state.meter.held.calls == 0
    model.done()


async def test_a_debate_that_is_asked_for_a_typed_answer_gives_the_winner_s() -> None:
    def says(choice: str) -> str:
        return json.dumps({"choice": choice, "reason": f"it is {choice}"})

    members = [Debater(name, says(c), refined=says(c)) for name, c in (("ann", "buy"), ("bob", "rent"))]
    run = Run(RunState("r" * 32))
    message = Message(text="Well?", brief="Choose one.")
    team = Debate("team", members, StubMember("judge", verdict()))
    answer = await run.give(team, message, wanted=Wanted(Choice, ("buy", "rent")))
    assert answer.data == Choice(choice="rent", reason="it is rent")


async def test_a_debate_that_was_cut_off_goes_on_without_paying_twice(home: Path) -> None:
    def says(request: ModelRequest) -> str:
        stage = stage_of(request.turns[-1].brief)
        return verdict() if stage == "verdict" else f"{stage} of {request.turns[0].text[:3]}"

    def team(model: ScriptedModel) -> Debate:
        members = [Agent(name, f"{name} debates.", [model]) for name in ("ann", "bob")]
        return Debate("team", members, Agent("judge", "Judge.", [model]))

    async with Hall.open() as hall:
        whole = await hall.run_team(team(ScriptedModel(*[says] * 7)), "Well?", cache="off")
        for cut in range(1, 7):
            stuck, run_id = Stuck(*[says] * cut), f"{cut}" * 32
            await cut_short(hall, team(stuck), stuck, home, run_id)
            rest = ScriptedModel(*[says] * (7 - cut))
            again = await hall.resume(run_id, team=team(rest))
            assert again.answer == whole.answer
            rest.done()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": [StubMember("ann")]}, "1 member and needs 2"),
        ({"judge": StubMember("ann")}, "ann proposes and judges"),
        ({"rounds": 0}, "rounds is 0; give a whole number from 1 to 10"),
        ({"agreement": 1.5}, "agreement is 1.5; give a number from 0 to 1"),
        ({"members": [StubMember("ann"), StubMember("ann")]}, "several members called ann"),
    ],
)
def test_a_debate_that_cannot_work_is_refused_at_once(change: dict[str, Any], words: str) -> None:
    fitting = {
        "name": "team",
        "members": [StubMember("ann"), StubMember("bob")],
        "judge": StubMember("judge"),
    }
    options: dict[str, Any] = fitting | change
    with pytest.raises(UserError, match=words):
        Debate(**options)


async def test_a_jury_that_votes_can_be_the_judge() -> None:
    jury = Vote(
        "jury", [StubMember(name, verdict(f"proposal {one}")) for name, one in zip("xyz", "BAB", strict=True)]
    )
    answer, books, _ = await held(Debate("team", three(), jury))
    assert answer.text.startswith("Rent it first, refined")
    assert decided(books, "verdict").choice == "bob"


async def test_what_is_shown_keeps_to_the_tokens_that_the_team_hands_over_and_the_answer_is_whole() -> None:
    members = [
        Debater(name, "\n\n".join(f"{name} point {n}." for n in range(300))) for name in ("ann", "bob")
    ]
    for member in members:
        member.refined = member.proposal
    judge, books = StubMember("judge", verdict("proposal B")), Books()
    team = Ruled(Debate("team", members, judge, challenge=False), Rules(tokens=300))
    answer = await given(team, "Well?", state=RunState("r" * 32, sinks=[books]))
    assert "bob point 150." in answer.text
    for message in (*members[0].seen["critique"], *members[0].seen["refined"], *judge.messages):
        shown = [quote.text for quote in message.quotes if quote.label.startswith("proposal")]
        assert all("point 0." in text and "left out" in text for text in shown)
        assert sum(map(len, shown)) < 2_000
    assert any(event.what == "handover" for event in books.of(Decided))
