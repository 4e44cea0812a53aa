"""A human takes part as a member: what the user sees, and what an answer comes to."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from asking import Person
from support import Books, Waiting, given

from guildhall.agents import Agent, Budget, Hall, Member, Message, Pipeline, Quote, Run
from guildhall.agents.budget import Meter
from guildhall.agents.event import Answered, Finished
from guildhall.agents.kinds import (
    Review,
    Score,
    Wanted,
)
from guildhall.agents.pattern_specs import PATTERNS
from guildhall.agents.patterns import Human
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, NeedsInput, UserError


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
    assert shown.startswith("The team line asks you as boss.\n\nThe task:\n\nIs it good?\n\nBear in mind:")
    assert "ann:\n> First line.\n> > Answer yes to all." in shown  # nothing in it looks like the question
    assert {part.member: part.text for part in result.contributions}["boss"] == "It is fine."
    [answered] = books.of(Answered)
    assert [end.sources for end in books.of(Finished) if end.who == "boss"] == [(answered.id,)]
    assert result.answer == "done"


async def test_who_does_not_answer_in_time_fails_and_has_accepted_nothing() -> None:
    hasty = Human("me", timeout=0.05)
    for wanted, counts in ((None, "me did not answer in time$"), (Wanted(Review), "which counts as no")):
        with pytest.raises(Failure, match=counts) as failed:
            await asked_for(wanted, who=hasty)
        assert failed.value.kind == "no_answer"


async def test_silence_is_no_reason_to_write_a_draft_anew() -> None:
    writer = StubMember("writer", "A draft.")
    team = Pipeline("line", [writer], {}, {"writer": Acceptance(Human("me", timeout=0.05), "It is short.")})
    with pytest.raises(Failure, match="me did not answer in time, which counts as no"):
        await given(team, "Write it.", state=RunState("r" * 32, Meter(Budget()), human=Person()))
    assert writer.calls == 1


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


FOR_MODELS = ("You are", "quoted", "text above", "in `", "JSON", "specialists", "its label")
"""Words in which models are told what to do."""
ROLES = {"debate": "judge", "vote": "judge", "router": "judge", "loop": "critic", "group_chat": "moderator"}
"""Whose work a person does, too."""


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name not in ("graph", "auto")])
@pytest.mark.slow
async def test_in_every_pattern_people_are_told_who_asks_what_in_words_for_people(
    pattern: str, project: Path
) -> None:
    for name in ("boss", "chief"):
        write(project, "specialists", name, "human: true\n")
    role = f"{ROLES[pattern]}: chief\n" if pattern in ROLES else ""
    write(project, "teams", "board", f"pattern: {pattern}\nmembers: [boss, analyst, critic]\n{role}")
    asked: list[str] = []
    async with Hall.open() as hall:
        result = await hall.run_team("board", "Shall we buy a crane for 5 million?")
        while result.status == "needs_input":
            question = result.questions[0]
            ours = [line for line in question.text.splitlines() if line[:1] not in ("-", ">")]
            assert ours[0] in ("The team board asks you as boss.", "The team board asks you as chief.")
            assert [words for words in FOR_MODELS if words in "\n".join(ours)] == []
            said = question.options[0] if question.options else "0.9, since the old one is broken"
            said = "yes" if "`yes`" in question.text else said
            asked.append(question.id)
            result = await hall.answer(result.run_id, said, question=question.id)
    assert result.status == "done", result.error
    assert len(asked) == len(set(asked)) <= 20
    assert asked or pattern == "first_valid"  # somebody else is quicker


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


async def test_a_team_file_that_has_a_human_plan_for_others_is_refused(project: Path) -> None:
    write(project, "teams", "board", "pattern: hierarchy\nmembers: [critic]\nmanager: human\n")
    async with Hall.open() as hall:
        with pytest.raises(FileError, match="manager: 'human' is a human, and a manager writes plans"):
            await hall.run_team("board", "Well?")


def test_a_human_without_a_name_or_a_time_to_answer_is_refused() -> None:
    with pytest.raises(UserError, match="needs a name"):
        Human(" ")
    with pytest.raises(UserError, match="timeout"):
        Human("me", timeout=-1)


LONG = "\n".join(f"Clause {number}: the supplier delivers in week {number}." for number in range(200))


async def shown(message: Message, wanted: Wanted | None = None) -> str:
    """What a human is shown who gets that message."""
    person = Person(["yes", "0.5", "nobody"])
    state = RunState("r" * 32, Meter(Budget()), human=person)
    await Run(state).give(Human("me"), message, wanted=wanted)
    return person.asked[0].text


async def test_what_is_to_be_judged_is_shown_whole_and_what_was_known_before_in_short_and_last() -> None:
    quotes = (
        Quote(label="memory:1", kind="memory", text="word " * 1000),
        Quote(label="contract.md", kind="document", text="1\n2"),
        Quote(label="law.md", kind="document", text="1\n2", first_line=40),
        Quote(label="context", kind="document", text="Only until May."),
        Quote(label="ann", kind="answer", text=f"{LONG}\nWe accept unlimited liability."),
        Quote(label="objection", kind="remark", text="It is too long.\nAnd too dear."),
    )
    text = await shown(Message(text="Sign?", quotes=quotes), Wanted(Review))
    lines = text.splitlines()
    assert all(f"> {line}" in lines for line in LONG.splitlines())
    assert "> We accept unlimited liability." in lines
    assert "> Only until May." in lines
    assert "> And too dear." in lines
    assert "Files of this run, for you to open: contract.md (2 lines); law.md (lines 40 to 41)" in lines
    assert lines[-1].startswith("- memory:1: word")
    assert len(lines[-1]) < 250
    assert text.index("Answer `yes`") < text.index("Sign?") < text.index("Clause 0")


async def test_the_prompt_for_models_is_not_shown_where_the_kind_or_the_pattern_says_it_to_people() -> None:
    message = Message(text="Well?", brief="You are a judge. Be fair.", person="It must be short.")
    for wanted in (Wanted(Review), None):
        text = await shown(message, wanted)
        assert "It must be short." in text
        assert "Be fair" not in text
    bare = message.model_copy(update={"person": ""})
    assert "Be fair" not in await shown(bare, Wanted(Score))
    assert "Be fair" in await shown(bare)  # a pattern of the user's own, which has no other words
