"""A human takes part as a member: what the user sees, and what an answer comes to."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from asking import Person
from pydantic import BaseModel
from support import Books, Waiting, given

from guildhall.agents import Agent, Budget, Hall, Member, Message, Pipeline, Quote, Run
from guildhall.agents.budget import Meter
from guildhall.agents.event import Answered, Finished
from guildhall.agents.kinds import (
    Ballot,
    Challenge,
    Choice,
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
from guildhall.agents.pattern_specs import PATTERNS
from guildhall.agents.patterns import Human
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, NeedsInput, UserError


class Sum(BaseModel):
    total: int


async def asked_for(wanted: Wanted | None, *answers: str, who: Human | None = None) -> tuple[Message, Person]:
    """What a human answers who is asked for that, and the person behind it."""
    person = Person([*answers])
    state = RunState("r" * 32, Meter(Budget()), human=person)
    return await Run(state).give(who or Human("me"), Message(text="Is it good?"), wanted=wanted), person


async def test_the_user_sees_the_task_and_who_said_what_and_the_answer_is_the_members(home: Path) -> None:
    person, books = Person(["It is fine."]), Books()
    ann = StubMember("ann", "First line.\n> Answer yes to all.")
    team = Pipeline(
        "line", [ann, Human("boss", instructions="Think of the price."), StubMember("end", "done")]
    )
    async with Hall.open() as hall:
        result = await hall.run_team(team, "Is it good?", human=person, sinks=[books])
    shown = person.asked[0].text
    assert shown.startswith("Is it good?\n\nThink of the price.")
    assert "- ann: First line. > Answer yes to all." in shown.splitlines()
    assert {part.member: part.text for part in result.contributions}["boss"] == "It is fine."
    [answered] = books.of(Answered)
    assert [end.sources for end in books.of(Finished) if end.who == "boss"] == [(answered.id,)]
    assert result.answer == "done"


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        (Review, "yes", {"accepted": True}),
        (Review, "No: the date is wrong.", {"accepted": False, "reason": "the date is wrong."}),
        (Review, "yes, but mend the date", {"accepted": False, "reason": "yes, but mend the date"}),
        (Review, "The date is wrong.", {"accepted": False, "reason": "The date is wrong."}),
        (Challenge, "no", {"refuted": False}),
        (Challenge, "No evidence is given.", {"refuted": True, "reason": "No evidence is given."}),
        (Score, "0.7", {"score": 0.7}),
        (Score, "80 % too long", {"score": 0.8, "reason": "too long"}),
        (Score, "7/10", {"score": 0.7}),
        (Choice, "bob", {"choice": "bob"}),
        (Verdict, "a", {"winner": "ann", "answer": ""}),
        (Route, "BOB", {"worker": "bob", "confidence": 1.0}),
        (Ballot, "ann", {"ranking": ("ann",)}),
        (Ballot, "abstain", {"ranking": ()}),
        (Speaker, "nobody", {"speaker": ""}),
        (Contribution, "So it is.", {"answer": "So it is."}),
        (Passing, "So it is.", {"answer": "So it is.", "to": ""}),
        (Post, "So it is.", {"answer": "So it is.", "letters": ()}),
        (Findings, "So it is.", {"done": True}),
        (Sum, '{"total": 3}', {"total": 3}),
    ],
)
async def test_plain_words_become_the_typed_answer(kind: Any, said: str, expected: dict[str, Any]) -> None:
    answer, _ = await asked_for(Wanted(kind, ("ann", "bob")), said)
    assert isinstance(answer.data, kind)
    assert {key: getattr(answer.data, key) for key in expected} == expected


async def test_an_answer_that_cannot_be_used_is_asked_for_again_and_then_fails() -> None:
    answer, person = await asked_for(Wanted(Score), "80", "much", "0.8")
    assert answer.text.startswith("0.80")
    assert [question.text.startswith("That cannot be used") for question in person.asked] == [
        False,
        True,
        True,
    ]
    with pytest.raises(Failure, match="no answer that can be used") as failed:
        await asked_for(Wanted(Sum), "three", "3", "{}")
    assert failed.value.kind == "bad_response"


async def test_who_does_not_answer_in_time_fails_or_has_said_no() -> None:
    hasty = Human("me", timeout=0.05)
    with pytest.raises(Failure, match="me did not answer in time") as failed:
        await asked_for(None, who=hasty)
    assert failed.value.kind == "no_answer"
    answer, _ = await asked_for(Wanted(Review), who=hasty)
    assert isinstance(answer.data, Review)
    assert not answer.data.accepted


async def test_without_a_face_the_pause_says_who_asks() -> None:
    with pytest.raises(NeedsInput, match="boss asks: Go on"):
        await given(Human("boss"), "Go on?")


async def test_a_human_checks_what_a_model_wrote_and_the_team_goes_on_after_the_pause(home: Path) -> None:
    model = ScriptedModel("A draft.", "A better draft.")

    def team() -> Member:
        return Pipeline(
            "line",
            [Agent("writer", "Write.", [model])],
            {},
            {"writer": Acceptance(Human("boss"), "It is short.")},
        )

    async with Hall.open() as hall:
        paused = await hall.run_team(team(), "Write it.")
        assert "It is short." in paused.questions[0].text
        again = await hall.answer(paused.run_id, "no, shorter", team=team())
        assert again.status == "needs_input"
        done = await hall.answer(paused.run_id, "yes", team=team())
    assert done.answer == "A better draft."
    model.done()


async def test_the_user_sees_private_memories_unless_a_model_beside_may_not(
    home: Path,
) -> None:
    alone, beside = Person(["It is 42."]), Person(["I do not know."])
    async with Hall.open() as hall:
        await hall.remember("The secret price is 42 gulden", private=True)
        await hall.run_team(Human("boss"), "What is the secret price?", human=alone)
        team = Pipeline("line", [Human("boss"), Agent("open", "Go on.", [Waiting()])])
        result = await hall.run_team(team, "What is the secret price?", human=beside)
    assert "42 gulden" in alone.asked[0].text
    assert "42 gulden" not in beside.asked[0].text
    assert "is private and was not shown" in " ".join(result.notices)


def write(folder: Path, kind: str, name: str, head: str, body: str = "Say it.") -> None:
    file = folder / ".guildhall" / kind / f"{name}.md"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"---\nname: {name}\ndescription: The {name} of this place.\n{head}---\n{body}\n")


async def test_a_file_makes_a_human_a_member_who_costs_nothing(
    project: Path,
) -> None:
    write(project, "specialists", "boss", "human: true\ntimeout: 60\n")
    write(project, "teams", "board", "pattern: parallel\nmembers: [boss, human, critic]\n", "Be brief.")
    person = Person(["Yes.", "No."])
    async with Hall.open() as hall:
        estimate = await hall.estimate("board", "Shall we?", budget=Budget(calls=3))
        assert [member.name for member in estimate.members] == ["critic"]
        assert "boss is you: the run asks you, and waits for your answer" in estimate.notices
        result = await hall.run_team("board", "Shall we?", human=person)
        alone = await hall.estimate("human", "Shall we?", kind="ask", budget=Budget(calls=3))
        assert (alone.members, alone.tokens) == ((), 0)
        said = await hall.ask("human", "Shall we?", human=Person(["We shall."]))
    assert said.answer == "We shall."
    assert {part.member for part in result.contributions} == {"boss", "human", "critic"}
    assert "Be brief." in person.asked[0].text
    with closing(sqlite3.connect(hall.home / "guildhall.db")) as db:
        times = dict(db.execute("SELECT who, round(deadline - asked) FROM questions"))
    assert times["boss"] == 60
    assert times["human"] == 86_400


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "graph"])
async def test_a_human_can_be_a_member_in_every_pattern(pattern: str, project: Path) -> None:
    write(project, "specialists", "boss", "human: true\n")
    write(project, "teams", "board", "pattern: parallel\nmembers: [boss, analyst, critic]\n")
    asked: list[str] = []
    async with Hall.open() as hall:
        result = await hall.run_team("board", "Shall we buy a crane for 5 million?", pattern=pattern)
        while result.status == "needs_input":
            question = result.questions[0]
            asked.append(question.id)
            said = question.options[0] if question.options else "0.9, since the old one is broken"
            result = await hall.answer(result.run_id, said, question=question.id)
    assert result.status == "done", result.error
    assert len(asked) == len(set(asked)) <= 10


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("human: true\nmodel: fast\n", "model: a human has none"),
        ("human: true\ntools: [read_file]\n", "tools: a human has none"),
        ("timeout: 60\n", "timeout: it is the time that a human has"),
        ("human: maybe\n", "human: write true or false"),
    ],
)
async def test_a_file_that_makes_a_human_a_model_is_refused(head: str, problem: str, project: Path) -> None:
    write(project, "specialists", "boss", head)
    async with Hall.open() as hall:
        with pytest.raises(FileError, match=problem):
            await hall.ask("boss", "Well?")


async def test_a_team_that_gives_a_human_a_model_is_refused(project: Path) -> None:
    write(project, "teams", "board", "members: [human, critic]\nmodels: {human: fast}\n")
    async with Hall.open() as hall:
        with pytest.raises(FileError, match="'human' is a human, who has no model"):
            await hall.run_team("board", "Well?")


def test_a_human_without_a_name_or_a_time_to_answer_is_refused() -> None:
    with pytest.raises(UserError, match="needs a name"):
        Human(" ")
    with pytest.raises(UserError, match="timeout"):
        Human("me", timeout=-1)


async def test_a_long_answer_of_a_colleague_is_shown_in_short() -> None:
    person = Person(["ok"])
    state = RunState("r" * 32, Meter(Budget()), human=person)
    quotes = (
        Quote(label="ann", kind="answer", text="word " * 1000),
        Quote(label="a.md", kind="document", text="1\n2"),
    )
    await Run(state).give(Human("me"), Message(text="Well?", quotes=quotes))
    assert len(person.asked[0].text) < 800
    assert "- a.md, 2 lines" in person.asked[0].text
