"""What a person writes becomes a typed answer; what could mean the contrary is asked for again."""

from typing import Any

import pytest
from asking import Person
from pydantic import BaseModel

from guildhall.agents import Budget, Message, Run
from guildhall.agents.budget import Meter
from guildhall.agents.kinds import (
    Ballot,
    Challenge,
    Choice,
    Conflicts,
    Contribution,
    Findings,
    Passing,
    Post,
    Review,
    Route,
    Score,
    Speaker,
    Verdict,
    Wanted,
)
from guildhall.agents.patterns import Handoff, Hierarchy, Human, PeerToPeer
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember
from guildhall.errors import Failure, UserError

NAMES = ("ann", "bob")


class Sum(BaseModel):
    total: int


async def asked_for(wanted: Wanted, *answers: str) -> tuple[Message, Person]:
    """What a human answers who is asked for that, and the person behind it."""
    person = Person([*answers])
    state = RunState("r" * 32, Meter(Budget()), human=person)
    return await Run(state).give(Human("me"), Message(text="Is it good?"), wanted=wanted), person


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        (Review, "yes", {"accepted": True}),
        (Review, "Ok!", {"accepted": True}),
        (Review, "yes please", {"accepted": True}),
        (Review, "no", {"accepted": False}),
        (Review, "No: the date is wrong.", {"accepted": False, "reason": "the date is wrong."}),
        (Review, "no. Mend it.\nAnd the price.", {"accepted": False, "reason": "Mend it.\nAnd the price."}),
        (Challenge, "yes", {"refuted": False}),
        (Challenge, "nope", {"refuted": True}),
        (Challenge, "No, the sum is wrong", {"refuted": True, "reason": "the sum is wrong"}),
        (Score, "0.7", {"score": 0.7}),
        (Score, "80 % too long", {"score": 0.8, "reason": "too long"}),
        (Score, "7/10", {"score": 0.7}),
        (Choice, "bob", {"choice": "bob"}),
        (Verdict, "a", {"winner": "ann", "answer": ""}),
        (Route, "BOB", {"worker": "bob", "confidence": 1.0}),
        (Ballot, "ann", {"ranking": ("ann",)}),
        (Ballot, "Bob > ann", {"ranking": ("bob", "ann")}),
        (Ballot, "b\na", {"ranking": ("bob", "ann")}),
        (Ballot, "abstain", {"ranking": ()}),
        (Speaker, "nobody", {"speaker": ""}),
        (Contribution, "So it is.", {"answer": "So it is."}),
        (Passing, "It is so: ann is right.", {"answer": "It is so: ann is right.", "to": ""}),
        (Passing, "to Ann: she knows\nthe price", {"answer": "she knows\nthe price", "to": "ann"}),
        (Passing, "bob: he can", {"answer": "he can", "to": "bob"}),
        (Passing, "To bob.", {"answer": "", "to": "bob"}),
        (Passing, "To conclude: no.", {"answer": "To conclude: no.", "to": ""}),
        (Post, "So it is.", {"answer": "So it is.", "letters": ()}),
        (Findings, "- It rains.\n\n- It is cold.", {"done": True}),
        (Findings, "Nothing.", {"findings": ()}),
        (Conflicts, "none", {"conflicts": ()}),
        (Sum, '{"total": 3}', {"total": 3}),
    ],
)
async def test_plain_words_become_the_typed_answer(kind: Any, said: str, expected: dict[str, Any]) -> None:
    answer, person = await asked_for(Wanted(kind, NAMES), said)
    assert len(person.asked) == 1
    assert isinstance(answer.data, kind)
    assert {key: getattr(answer.data, key) for key in expected} == expected


async def test_lines_that_begin_with_a_name_are_letters() -> None:
    answer, _ = await asked_for(Wanted(Post, (*NAMES, "all")), "It is 5.\nann: why 6?\nto all: I go\nhome.\n")
    post = answer.data
    assert post.answer == answer.text == "It is 5."
    assert [(one.to, one.text, one.type, one.requires_response) for one in post.letters] == [
        ("ann", "why 6?", "request", True),
        ("all", "I go\nhome.", "info", False),
    ]


async def test_each_line_is_a_finding_or_a_contradiction() -> None:
    answer, _ = await asked_for(Wanted(Findings), "- It rains.\n\nIt is cold.")
    assert [one.text for one in answer.data.findings] == ["It rains.", "It is cold."]
    answer, _ = await asked_for(Wanted(Conflicts, NAMES), "the price: ann: 5; Bob: 7 or 8: who knows")
    [conflict] = answer.data.conflicts
    assert (conflict.about, [(side.who, side.says) for side in conflict.sides]) == (
        "the price",
        [("ann", "5"), ("bob", "7 or 8: who knows")],
    )


@pytest.mark.parametrize(
    ("kind", "said", "then", "hint"),
    [
        (Review, "Yes, that is fine.", "yes", "neither a plain yes nor a plain no"),
        (Review, "yes, but mend the date", "no: mend the date", "neither a plain yes nor a plain no"),
        (Review, "Looks good", "yes", "Answer `yes`, or `no: ` and what has to change."),
        (Review, "no problem", "yes", "neither a plain yes nor a plain no"),
        (Challenge, "Nothing", "yes", "Answer `yes` if it stands, or `no: ` and what speaks against it."),
        (Challenge, "no evidence is given", "no: no evidence", "neither a plain yes nor a plain no"),
        (Score, "much", "0.8", "Answer with a number from 0 to 1"),
        (Score, "80", "80%", "80 is not from 0 to 1"),
        (Ballot, "carl", "ann", "there is no 'carl'"),
        (Ballot, "ann > ann", "ann", "it names one twice"),
        (Passing, "to anne: she knows", "to ann: she knows", "did you mean ann?"),
        (Passing, "ann", "ann: go on", "begin with `ann: `"),
        (Post, "ann:", "ann: well?", "a letter is empty"),
        (Findings, "\n".join("x" * 21), "x", "there are 21 lines"),
        (Conflicts, "ann says 5", "none", "a matter, and two names"),
        (Sum, "three", '{"total": 3}', "it is no JSON"),
        (Sum, "{}", '{"total": 3}', "'total' is missing or does not fit"),
    ],
)
async def test_a_reply_that_is_no_answer_is_asked_for_again_in_our_own_words(
    kind: Any, said: str, then: str, hint: str
) -> None:
    answer, person = await asked_for(Wanted(kind, NAMES), said, then)
    assert isinstance(answer.data, kind)
    first, again = (question.text for question in person.asked)
    assert again.endswith(first.removeprefix("The team"))  # all that was asked, and how it is answered
    assert hint in again
    assert "no answer to this" in again.splitlines()[0]
    for words in ("Input should", "validation", "Invalid JSON", "pydantic"):
        assert words not in again


async def test_who_never_gives_a_usable_answer_fails() -> None:
    with pytest.raises(Failure, match="no answer that can be used: 'more' is no answer to this") as failed:
        await asked_for(Wanted(Sum), "three", "3", "{}", "[]", "more")
    assert failed.value.kind == "bad_response"


async def test_names_are_offered_and_nobody_is_told_from_somebody_of_that_name() -> None:
    _, person = await asked_for(Wanted(Verdict, ("proposal A", "proposal B")), "proposal a")
    assert person.asked[0].options == ("proposal A", "proposal B")
    assert "Choose one: proposal A, proposal B." in person.asked[0].text
    answer, person = await asked_for(Wanted(Speaker, ("nobody", "ann")), "(nobody)")
    assert person.asked[0].options == ("nobody", "ann", "(nobody)")
    assert answer.data.speaker == ""
    answer, _ = await asked_for(Wanted(Speaker, ("nobody", "ann")), "nobody")
    assert answer.data.speaker == "nobody"


async def test_a_person_passes_work_on_and_writes_letters() -> None:
    person = Person(["to ann: she knows the price"])
    state = RunState("r" * 32, Meter(Budget()), human=person)
    ann = StubMember("ann", "It is 5.")
    answer = await Run(state).give(Handoff("line", [Human("boss"), ann]), Message(text="The price?"))
    assert answer.text == "It is 5."
    assert "she knows the price" in ann.messages[0].quotes[-1].text
    assert "It can pass to: ann." in person.asked[0].text
    person = Person(["It may be 5.\nann: what is it?", "It is 6."])
    state = RunState("r" * 32, Meter(Budget()), human=person)
    answer = await Run(state).give(
        PeerToPeer("peers", [Human("boss"), StubMember("ann", "It is 6.")]), Message(text="The price?")
    )
    assert "> It is 6." in person.asked[1].text.splitlines()  # the reply of ann, whole
    assert "## boss\n\nIt is 6." in answer.text


def test_a_human_cannot_manage_a_hierarchy() -> None:
    with pytest.raises(UserError, match="'boss' is a human, and a manager writes plans"):
        Hierarchy("firm", [StubMember("ann", "x")], Human("boss"))
