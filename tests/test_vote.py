"""Votes are counted as they were given; abstentions, failures and ties are told."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cutting import Stuck, cut_short
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Message, Run
from guildhall.agents.budget import Meter
from guildhall.agents.event import Decided
from guildhall.agents.kinds import Choice, Wanted
from guildhall.agents.models.base import Model
from guildhall.agents.patterns import Vote
from guildhall.agents.patterns.counting import counted
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, TooFew, UserError
from guildhall.memory.store.standing import Standing

NAMES = ("ann", "bob", "cid", "dan", "eve")


def ballot(*ranking: str, confidence: float = 0.5) -> str:
    return json.dumps({"ranking": ranking, "confidence": confidence, "reason": "so it seems"})


def voters(*said: str | Exception) -> list[StubMember]:
    return [StubMember(name, one) for name, one in zip(NAMES, said, strict=False)]


class Answering(StubMember):
    """Answers, and votes by another ballot where it is asked to."""

    def __init__(self, name: str, answer: str, vote: str) -> None:
        super().__init__(name, answer)
        self.vote = vote

    async def run(self, message: Message, run: Run) -> Message:
        self.messages.append(message)
        ranked = run.wanted is not None and run.wanted.kind.__name__ == "Ballot"
        return run.answer(message, self.vote if ranked else self.answer)  # type: ignore[arg-type]  # it is text


async def held(team: Vote, **more: Any) -> tuple[Message, Decided, RunState]:
    books = Books()
    state = RunState("r" * 32, Meter(more.pop("budget", Budget())), sinks=[books], **more)
    answer = await given(team, "Which one?", state=state)
    [vote] = [event for event in books.of(Decided) if event.what == "vote"]
    return answer, vote, state


async def test_the_option_with_most_votes_wins_and_who_voted_for_what_is_told() -> None:
    members = voters(ballot("buy"), ballot("rent"), ballot("buy", "rent"), ballot(), Failure("ill"))
    answer, vote, state = await held(Vote("team", members, ["buy", "rent"]))
    assert answer.text.startswith("**buy**: 2 of 3 votes, more than half; abstained: dan; no vote from eve.")
    assert "- dan: abstains (0.50): so it seems" in answer.text
    assert answer.data == Choice(
        choice="buy", reason="2 of 3 votes, more than half; abstained: dan; no vote from eve"
    )
    assert vote.data["votes"] == {"ann": ["buy"], "bob": ["rent"], "cid": ["buy", "rent"], "dan": []}
    assert vote.data["counts"] == {"buy": 2, "rent": 1}
    assert (vote.data["abstained"], vote.data["failed"]) == (["dan"], ["eve"])
    assert state.notices == ["team: no valid ballot of eve"]


async def test_all_vote_at_once_each_with_another_option_first() -> None:
    together = asyncio.Barrier(3)

    class Meeting(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await together.wait()
            return await super().run(message, run)

    members = [Meeting(name, ballot("b")) for name in NAMES[:3]]
    await held(Vote("team", members, ["a", "b", "c"]))
    listed = [member.messages[0].brief.splitlines()[1:] for member in members]
    assert listed == [["- a", "- b", "- c"], ["- b", "- c", "- a"], ["- c", "- a", "- b"]]


@pytest.mark.parametrize(
    ("rule", "winner"), [("majority", "a"), ("borda", "b"), ("weighted", "c")]
)  # fmt: skip
async def test_each_rule_counts_in_its_own_way(rule: Any, winner: str) -> None:
    said = [ballot("a", "b", "c", confidence=0.3), ballot("a", "b", "c", confidence=0.3),
            ballot("b", "c", "a", confidence=0.1), ballot("c", "b", "a", confidence=0.9)]  # fmt: skip
    _, vote, _ = await held(Vote("team", voters(*said), ["a", "b", "c"], rule=rule))
    assert vote.choice == winner


async def test_who_is_surer_weighs_more_by_the_log_odds_and_nobody_weighs_all_or_nothing() -> None:
    said = [ballot("a", confidence=0.9), ballot("b", confidence=0.7), ballot("b", confidence=0.7)]
    said += [ballot("a", confidence=1.0), ballot("b", confidence=0.0)]
    answer, vote, _ = await held(Vote("team", voters(*said[:3]), ["a", "b"], rule="weighted"))
    assert vote.data["counts"] == {"a": pytest.approx(2.197, abs=0.001), "b": pytest.approx(1.695, abs=0.001)}
    assert "2.20 of 3.89, weighted by confidence" in answer.text
    assert vote.data["confidence"] == {"ann": 0.9, "bob": 0.7, "cid": 0.7}
    _, vote, _ = await held(Vote("team", voters(*said[3:]), ["a", "b"], rule="weighted"))
    assert vote.data["counts"] == {"a": pytest.approx(2.944, abs=0.001), "b": 0.05}


def test_by_borda_nobody_gains_by_leaving_options_out() -> None:
    whole = counted("borda", "abc", {"ann": "abc"})
    short = counted("borda", "abc", {"ann": "a"})
    assert whole.points == {"a": 2, "b": 1, "c": 0}
    assert short.points == {"a": 2, "b": 0.5, "c": 0.5}
    assert whole.total == short.total
    assert counted("borda", "abc", {"ann": "aab"}).points == whole.points


async def test_a_tie_is_broken_by_the_rule_that_is_named_and_that_is_said() -> None:
    tied = (ballot("buy"), ballot("rent"))
    judge = StubMember("judge", '{"choice": "rent", "reason": "cheaper"}')
    options = ["wait", "buy", "rent"]
    cases: Sequence[tuple[dict[str, Any], str, str]] = [
        ({}, "buy", "it is the first of them in order"),
        ({"judge": judge}, "rent", "which judge has decided: cheaper"),
        ({"ties": "status_quo", "status_quo": "wait"}, "wait", "so it stays as it is: wait"),
    ]
    for more, winner, why in cases:
        answer, vote, _ = await held(Vote("team", voters(*tied), options, **more))
        assert vote.choice == winner
        assert vote.data["tie"]["between"] == ["buy", "rent"]
        assert "a tie of buy, rent" in vote.reason
        assert why in answer.text
    assert "wait" not in judge.messages[0].brief


async def test_a_judge_that_fails_leaves_the_tie_to_the_first_and_that_is_said() -> None:
    judge = StubMember("judge", Failure("asleep"))
    _, vote, state = await held(Vote("team", voters(ballot("b"), ballot("a")), ["a", "b"], judge=judge))
    assert (vote.choice, vote.data["tie"]["rule"]) == ("a", "first")
    assert state.notices == ["judge did not break the tie, so the first of them has won"]


async def test_where_nobody_votes_nobody_else_decides() -> None:
    nobody, judge = voters(ballot(), ballot()), StubMember("judge", '{"choice": "a", "reason": "first"}')
    for more in ({}, {"judge": judge}, {"ties": "status_quo", "status_quo": "b"}):
        with pytest.raises(TooFew, match=r"^0 of 2 have voted, and at least 1 must; 2 abstained: ann, bob$"):
            await held(Vote("team", nobody, ["a", "b"], **more))
    assert judge.calls == 0


async def test_who_abstains_is_none_of_those_who_are_needed() -> None:
    members = voters(ballot("a"), ballot(), ballot("a"), Failure("ill"))
    with pytest.raises(TooFew, match="2 of 4 have voted, and at least 3 must; 1 abstained: bob"):
        await held(Vote("team", members, ["a", "b"], need=3))
    answer, _, _ = await held(Vote("team", members, ["a", "b"], need=2))
    assert answer.text.startswith("**a**: 2 of 2 votes, more than half; abstained: bob; no vote from dan")


async def test_fewer_valid_ballots_than_needed_fail_the_team() -> None:
    members = voters(ballot("a"), "I would say a", ballot("z"))
    few = r"1 of 3 have voted, and at least 2 must; no valid ballot of bob, cid \(bob: bob gave no Ballot"
    with pytest.raises(TooFew, match=few):
        await held(Vote("team", members, ["a", "b"], need=2))


async def test_where_too_few_ballots_are_valid_the_answers_are_counted_and_that_is_told() -> None:
    members = [
        Answering("ann", "Answer: 1", ballot("answer 3")),
        Answering("bob", "Answer: 2", "I cannot say"),
        Answering("cid", "Answer: 3", "nor can I"),
    ]
    _, vote, state = await held(Vote("team", members, need=3))
    assert vote.data["counts"] == {"answer 1": 1, "answer 2": 1, "answer 3": 1}
    assert vote.reason.startswith("1 of 3 votes; a tie of answer 1, answer 2, answer 3")
    few = "team: 1 of 3 have voted, and at least 3 must; no valid ballot of bob, cid"
    told = f"{few}; so the answers are counted as they are"
    assert told in state.notices
    answer, vote, _ = await held(Vote("team", members, need=1))
    assert vote.reason == "1 of 1 votes, more than half; no vote from bob, cid"
    assert vote.reason in answer.text


async def test_an_invalid_ballot_goes_back_to_the_voter_s_model() -> None:
    model = ScriptedModel(ballot("c"), ballot("b"), ballot("b"))
    members = [Agent(name, f"{name} votes.", [model]) for name in ("ann", "bob")]
    _, vote, _ = await held(Vote("team", members, ["a", "b"]))
    assert vote.data["counts"] == {"a": 0, "b": 2}
    model.done()


async def test_equal_answers_are_one_and_more_than_half_of_them_win_at_once() -> None:
    members = voters("It has 42.\nAnswer: 42", "**Answer:** 42.0", "Seven.\nAnswer: 7")
    answer, vote, _ = await held(Vote("team", members))
    assert answer.text.startswith("It has 42.")
    assert "- cid: 7" in answer.text
    assert vote.data["authors"] == {"answer 1": ["ann", "bob"], "answer 2": ["cid"]}
    assert [member.calls for member in members] == [1, 1, 1]


async def test_answers_without_a_majority_are_ranked_by_members_who_do_not_know_whose_they_are() -> None:
    members = [
        Answering("ann", "Answer: red", ballot("answer 2", "answer 1")),
        Answering("bob", "Answer: blue", ballot("answer 2")),
        Answering("cid", "Answer: green", ballot("answer 3")),
    ]
    answer, vote, _ = await held(Vote("team", members))
    assert answer.text.startswith("Answer: blue")
    assert vote.choice == "bob"
    assert vote.data["counts"] == {"answer 1": 0, "answer 2": 2, "answer 3": 1}
    shown = [[quote.label for quote in member.messages[1].quotes] for member in members]
    assert shown[0] == ["answer 1", "answer 2", "answer 3"]
    assert shown[1] == ["answer 2", "answer 3", "answer 1"]


async def test_a_rule_that_needs_rankings_asks_for_them_though_most_agree() -> None:
    members = [
        Answering("ann", "Answer: red", ballot("answer 2", "answer 1")),
        Answering("bob", "Answer: red", ballot("answer 2", "answer 1")),
        Answering("cid", "Answer: green", ballot("answer 2")),
    ]
    answer, vote, _ = await held(Vote("team", members, rule="borda"))
    assert answer.text.startswith("Answer: green")
    assert vote.data["counts"] == {"answer 1": 0, "answer 2": 3}


async def test_answers_are_counted_as_they_are_where_nobody_can_rank_them() -> None:
    members = [Answering(name, f"Answer: {said}", "?") for name, said in zip(NAMES, "ABBCD", strict=True)]
    answer, vote, state = await held(Vote("team", members))
    assert answer.text.startswith("Answer: B")
    assert vote.reason == "2 of 5 votes, the most but not half"
    assert "0 of 5 have voted" in state.notices[-1]


async def test_one_member_that_is_sampled_is_as_consistent_as_its_answers() -> None:
    model = ScriptedModel(*(f"Answer: {said}" for said in ("7", "42", "42", "9", "42")))
    answer, vote, _ = await held(Vote("team", [Agent("ann", "Count.", [model])], samples=5))
    assert answer.text.startswith("Answer: 42")
    assert vote.data["authors"]["answer 2"] == ["ann #2", "ann #3", "ann #5"]
    model.done()


async def test_samples_are_counted_as_they_are_where_none_has_more_than_half_too() -> None:
    model = ScriptedModel(*(f"Answer: {said}" for said in ("7", "42", "9")))
    _, vote, _ = await held(Vote("team", [Agent("ann", "Count.", [model])], samples=3))
    assert vote.reason.startswith("1 of 3 votes; a tie of answer 1, answer 2, answer 3")
    assert len(model.requests) == 3


async def test_a_vote_that_is_asked_for_a_typed_answer_gives_the_winner_s() -> None:
    said = [json.dumps({"choice": choice, "reason": f"{choice}!"}) for choice in ("rent", "buy", "rent")]
    run = Run(RunState("r" * 32))
    wanted = Wanted(Choice, ("buy", "rent"))
    answer = await run.give(Vote("team", voters(*said)), Message(text="Which?"), wanted=wanted)
    assert answer.data == Choice(choice="rent", reason="rent!")


async def test_who_was_right_before_outweighs_those_who_were_not() -> None:
    known = {"ann": Standing(100, 90), "bob": Standing(100, 55), "cid": Standing(100, 55)}
    members = voters(ballot("a"), ballot("b"), ballot("b"))
    team = Vote("team", members, ["a", "b"], rule="weighted", weigh="standing")
    _, vote, state = await held(team, standing=known)
    assert vote.choice == "a"
    assert vote.data["weights"]["ann"] > vote.data["weights"]["bob"] * 2
    assert state.standings == {}  # a vote confirms nobody
    _, vote, _ = await held(team)
    assert vote.choice == "b"  # those whom nobody knows count the same


async def test_what_is_paid_for_is_kept_where_the_budget_ends_in_the_middle() -> None:
    model = ScriptedModel("Answer: red", "Answer: blue", "Answer: green")
    members = [Agent(name, "Answer.", [model]) for name in NAMES[:3]]
    answer, vote, state = await held(Vote("team", members), budget=Budget(calls=3))
    assert answer.text.startswith("Answer: red")
    assert vote.data["tie"]["rule"] == "first"
    assert state.meter.held.calls == 0


async def test_a_vote_that_was_cut_off_goes_on_with_the_ballots_that_were_given(home: Path) -> None:
    def team(*models: Model) -> Vote:
        members = [Agent(name, f"{name} votes.", [one]) for name, one in zip(NAMES, models, strict=False)]
        return Vote("team", members, ["a", "b"], rule="weighted", weigh="standing")

    async with Hall.open() as hall:
        stuck = Stuck(ballot("b"))
        await cut_short(hall, team(stuck, stuck, stuck), stuck, home, "a" * 32)
        rest = ScriptedModel(ballot("b"), ballot("a"))
        result = await hall.resume("a" * 32, team=team(rest, rest, rest))
    assert result.answer.startswith("**b**")
    rest.done()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": [StubMember("ann")]}, "number of votes is 1"),
        ({"options": ["a"]}, "options: 1 given; give 2 to 50"),
        ({"options": ["a", "A"]}, "cannot be told from others"),
        ({"rule": "most"}, "rule is 'most'; "),
        ({"ties": "judge"}, "ties are for the judge, and there is none"),
        ({"ties": "status_quo", "options": ["a", "b"]}, "status_quo: '' is not one of the options"),
        ({"samples": 3, "rule": "borda"}, "samples are counted as they are"),
        ({"need": 3}, "need is 3"),
    ],
)
def test_a_vote_that_cannot_work_is_refused_at_once(change: dict[str, Any], words: str) -> None:
    options: dict[str, Any] = {"name": "team", "members": voters("a", "b")} | change
    with pytest.raises(UserError, match=words):
        Vote(**options)
