"""Answers are one only where they say the same: order, signs and symbols count."""

import json
from pathlib import Path

import pytest
from support import Books, given

from guildhall.agents import Agent, Message
from guildhall.agents.event import Decided
from guildhall.agents.models.extractive import ExtractiveModel
from guildhall.agents.patterns import Debate, Vote
from guildhall.agents.patterns.agreement import SAME, groups, likeness, measured
from guildhall.agents.patterns.wording import tokens
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember

PAIRS = Path(__file__).parent.parent / "benchmarks" / "data" / "agreement_pairs.jsonl"


def alike(one: str, other: str) -> float:
    first, second = Message(text=one), Message(text=other)
    assert likeness(first, second) == likeness(second, first)
    return likeness(first, second)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Yes.", "yes", True), ("Yes", "No", False), ("Option A", "Option B", False),
        ("The answer is 42.", "I counted.\n\n**Answer:** 42.0", True), ("1,000", "1000", True),
        ("-5", "5", False), ("5%", "5", False), ("It is allowed.", "It isn't allowed.", False),
        ("Deliver within 30 days of the order, or pay damages.",
         "Within 60 days of the order deliver, or pay damages.", False),
        ("The supplier delivers within thirty days of the order, or else it pays damages to the customer.",
         "Within thirty days of the order the supplier delivers, or else pays the customer damages.", True),
        ("The supplier may deliver in parts where the customer was told of it in good time before.",
         "The supplier may not deliver in parts where the customer was told of it in good time before.",
         False),
    ],
)  # fmt: skip
def test_answers_are_the_same_where_they_say_the_same(one: str, other: str, same: bool) -> None:
    assert (alike(one, other) >= SAME) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x", "-x"), ("C", "C++"), ("C", "C#"), ("1/2", "2/1"), ("10 > 5", "5 > 10"), ("A, B", "B, A"),
        ("from Paris to Rome", "from Rome to Paris"), ("Alice owes Bob", "Bob owes Alice"),
        ("x = 3, y = 4", "x = 4, y = 3"), ("O(n)", "O(n^2)"), ("3.1", "3.10"), ("5 MB", "5 Mb"),
        ("**kwargs", "*kwargs"), ("__init__", "init"), ("No refund", "No, refund"),
    ],
)  # fmt: skip
def test_short_answers_that_differ_in_order_sign_or_symbol_have_nothing_in_common(
    one: str, other: str
) -> None:
    assert alike(f"Answer: {one}", f"Answer: {other}") == 0


@pytest.mark.parametrize(
    ("words", "one", "other"),
    [
        ("{} the price of the annual enterprise plan for customers in Europe by 5 percent",
         "Increase", "Decrease"),
        ("{} the merger of the northern and southern sales teams in the third quarter", "approve", "reject"),
        ("the patient may {} take ibuprofen together with the new medicine for the heart", "safely",
         "not safely"),
        ("the {} the whole price on the day on which the keys of the house are handed over",
         "buyer pays the seller", "seller pays the buyer"),
        ("the goods have to be shipped {} within three weeks after the payment has come in",
         "from Hamburg to Genoa", "from Genoa to Hamburg"),
        ("{} of the board may sign contracts of more than ten thousand euros for the club",
         "Only members", "Some members"),
        ("the module should be rewritten in {} by the core team, and the tests stay as they are", "C", "C++"),
        ("the committee recommends option {} for the new office building near the station", "A", "B"),
    ],
)  # fmt: skip
def test_long_answers_of_nearly_the_same_words_that_say_the_contrary_are_not_alike(
    words: str, one: str, other: str
) -> None:
    assert alike(words.format(one), words.format(other)) == 0
    assert alike(words.format(one), words.format(one)) == 1


def test_of_labelled_pairs_none_is_joined_wrongly_and_few_are_kept_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To join costs a right result, to keep apart a ballot; free rewording is beyond a rule."""
    pairs = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    same, other = ([pair for pair in pairs if pair["same"] is flag] for flag in (True, False))
    joined = [pair for pair in other if alike(pair["one"], pair["other"]) >= SAME]
    apart = [pair for pair in same if alike(pair["one"], pair["other"]) < SAME]
    with capsys.disabled():
        print(
            f"\nagreement: {len(joined)} of {len(other)} pairs wrongly joined, "
            f"{len(apart)} of {len(same)} wrongly kept apart"
        )
    assert min(len(same), len(other)) >= 40
    assert joined == []
    assert len(apart) <= len(same) / 4


def test_agreement_is_that_of_the_one_who_is_furthest_from_the_typical_answer() -> None:
    answers = [Message(text=f"Answer: {said}") for said in ("red", "blue", "red", "red")]
    found = measured(answers)
    assert (found.value, found.typical, found.furthest) == (0.0, 0, 1)
    assert found.how == "the lines that give the answer"
    assert groups(answers) == [[0, 2, 3], [1]]


def test_a_long_answer_that_says_one_thing_more_is_another_answer_and_yet_like_it() -> None:
    words = "ship the {} on Tuesday with the new index and the old importer, once the tests have passed"
    assert 0.5 < alike(words.format("release"), words.format("beta release")) < SAME


def test_an_answer_with_many_empty_lines_says_what_it_says_without_them() -> None:
    gaps = "\n" * 60_000  # what grows with the square of them would not end here
    with_gaps, without = (f"It was in 1887.{gap}- The pier is older." for gap in (gaps, "\n"))
    assert tokens(with_gaps) == tokens(without)


async def test_a_vote_is_not_given_to_what_it_was_cast_against() -> None:
    answers = {"ann": "Answer: C", "bob": "Answer: C++", "cid": "Answer: C++"}
    answer = await given(Vote("team", [StubMember(*one) for one in answers.items()]), "Which language?")
    assert answer.text.startswith("Answer: C++\n\n**Vote:** for the answer of bob, cid: 2 of 3 votes")


async def test_opposite_proposals_do_not_end_a_debate() -> None:
    books = Books()
    members = [StubMember("ann", "Answer: Alice owes Bob"), StubMember("bob", "Answer: Bob owes Alice")]
    team = Debate("team", members, StubMember("judge", "?"))
    await given(team, "Who owes whom?", state=RunState("r" * 32, sinks=[books]))
    [gate] = [event for event in books.of(Decided) if event.what == "gate"]
    assert (gate.choice, gate.data["value"]) == ("the debate goes on", 0)


async def test_that_extracts_of_one_text_agree_is_told_to_confirm_nothing() -> None:
    state = RunState("r" * 32)
    members = [Agent(name, "Reads.", [ExtractiveModel()]) for name in ("ann", "bob", "cid")]
    await given(Vote("team", members), "When was it? It was in 1848. It rained.", state=state)
    assert any("that they agree confirms nothing" in notice for notice in state.notices)
