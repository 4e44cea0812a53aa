"""Conditions compare what steps have answered, and can do nothing else."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.agents.kinds import Choice, Review, Score
from guildhall.agents.message import Message
from guildhall.agents.patterns import Graph, Step
from guildhall.agents.patterns.condition import LONGEST, check_places, condition
from guildhall.agents.testing import StubMember
from guildhall.errors import UserError

DONE: Mapping[str, Message] = {
    "rate": Message(
        sender="rate", type="response", text="0.70: short", data=Score(score=0.7, reason="short")
    ),
    "triage": Message(
        sender="triage", type="response", text="bug: it fails", data=Choice(choice="bug", reason="it fails")
    ),
    "review": Message(
        sender="review", type="response", text="accepted: ", data=Review(accepted=True, reason="")
    ),
    "lost": Message(sender="lost", type="error", text="no key"),
    "left-out": Message(sender="left-out", type="info", text="left out"),
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("rate.score < 0.8", True),
        ("rate.score <= .7", True),
        ("rate.score > 0.8", False),
        ("rate.score >= 0.7 and rate.score < 1", True),
        ("0.5 < rate.score", True),
        ("rate.score > -1", True),
        ('triage.choice == "bug"', True),
        ("triage.choice == 'feature'", False),
        ("triage.choice != 'feature'", True),
        ("'fails' in triage.text", True),
        ('"short" in rate.reason', True),
        ("review.accepted", True),
        ("not review.accepted", False),
        ("review.accepted == true", True),
        ("review.accepted == false", False),
        ("lost.failed and not lost.answered", True),
        ("left-out.answered or left-out.failed", False),
        # `and` binds closer than `or`, and `not` closer than both
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not true or true", True),
        ("not (true or true)", False),
        ("not not true", True),
        # what is not there is nothing: it equals nothing that can be written, and is not larger or smaller
        ("lost.score < 1", False),
        ("lost.score > 0", False),
        ("not (lost.score < 1)", True),
        ("lost.score < 1 or review.accepted", True),
        ("review.accepted or lost.score < 1", True),
        ("nobody.text == 'x'", False),
        ("'x' in left-out.text", False),
        ("rate.score == '0.7'", False),
        ("rate.score < 'a'", False),
    ],
)
def test_a_condition_holds_or_does_not(text: str, holds: bool) -> None:
    assert condition(text).holds(DONE) is holds


def test_a_condition_names_what_it_looks_at_each_once() -> None:
    looked = condition("rate.score < 0.8 and not (review.accepted or rate.score > 2)")
    assert looked.places == (("rate", "score"), ("review", "accepted"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ends too early"),
        ("rate.score <", "ends too early"),
        ("rate.score < 0.8 and", "ends too early"),
        ("(rate.score < 0.8", r"lacks a \)"),
        ("rate.score < 0.8)", r"goes on with '\)'"),
        ("rate.score < 0.8 rate.score", "goes on with 'rate.score'"),
        ("0 < rate.score < 1", "goes on with '<'"),
        ("rate", "'rate', which is no value"),
        ("and.text", "which is no value"),
        ("rate.score = 0.8", "cannot be read at ' = 0.8'"),
        ("rate.score + 1 > 2", "cannot be read"),
        ("rate['score'] > 2", "cannot be read"),
        ("rate.score.real > 2", "cannot be read"),
        ("rate.__class__ == 1", "which is no value|cannot be read|__class__"),
        ("open('x')", r"'open', which is no value"),
        ('rate.text == "half', "cannot be read"),
        ("x" * (LONGEST + 1), "at most 1000 characters; this one has 1001"),
        ("(" * 40 + "true" + ")" * 40, "too many parentheses"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_is(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_places(condition(text), {"rate": ["score", "text"]})


def test_a_field_or_step_that_is_not_there_is_named_with_those_that_are() -> None:
    fields = {"rate": ["score", "text"], "draft": ["text"]}
    check_places(condition("rate.score < 1 and draft.text == 'x'"), fields)
    with pytest.raises(UserError, match=r"names the step 'rat'; there are: rate, draft"):
        check_places(condition("rat.score < 1"), fields)
    with pytest.raises(UserError, match=r"draft has no 'score'; there are: text"):
        check_places(condition("draft.score < 1"), fields)


def test_many_nots_and_tests_are_as_good_as_few() -> None:
    assert condition("not " * 200 + "true").holds({}) is True
    assert condition(" and ".join(["true"] * 100)).holds({}) is True
    assert condition(" and ".join(["(true)"] * 50)).holds({}) is True


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["rate.score", "lost.text", "not", "and", "or", "in", "(", ")", "<", "==", "0.8", "'a'", "true", "-1"]
), max_size=14).map(" ".join))  # fmt: skip
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        made = condition(text)
    except UserError:
        return
    assert made.holds(DONE) in (True, False)
    assert made.holds({}) in (True, False)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("rate.score < '0.5'", "rate.score, which is a number, with a text"),
        ("rate.text > 0.5", "rate.text, which is a text, with a number"),
        ("true == rate.score", "rate.score, which is a number, with true or false"),
        ("rate.answered == 'yes'", "rate.answered, which is true or false, with a text"),
        ("sort.choice == 'bgu'", "sort.choice can be bug, idea, and never 'bgu'"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(when: str, words: str) -> None:
    steps = [
        Step("rate", "ann", "x", output=Score),
        Step("sort", "ann", "x", choices=("bug", "idea")),
        Step("last", "ann", "x", ("rate", "sort"), when=when),
    ]
    with pytest.raises(UserError, match=re.escape(words)):
        Graph("team", [StubMember("ann")], steps)
