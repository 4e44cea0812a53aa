"""A team's scribe writes the minutes of its runs; that it fails costs nothing but the minutes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support import Books

from guildhall.agents import Agent, Budget, Hall, Message, ModelReply, ModelRequest, Run, Usage
from guildhall.agents.event import Decided
from guildhall.agents.models.base import OnText
from guildhall.agents.models.scripted import Step
from guildhall.agents.patterns import Pipeline
from guildhall.agents.rules import Ruled, Rules
from guildhall.agents.team import TeamBuilder
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import FileError, ProviderError
from guildhall.memory.records import Record

TASK = "Which engine do we take?"
MINUTES: dict[str, Any] = {
    "outcome": "PostgreSQL was chosen for its types.",
    "decisions": [{"subject": "db.engine", "text": "The engine is PostgreSQL 17."}],
    "lessons": [
        {"who": "ann", "text": "Name the version at once."},
        {"who": "", "text": "Ask operations first."},
    ],
    "open_questions": ["Who migrates the data?"],
}


def scribe(*steps: Step) -> Agent:
    return Agent("scribe", "Write minutes.", [ScriptedModel(*steps, name="pen")])


def team(by: Agent) -> Ruled:
    return Ruled(Pipeline("board", [StubMember("ann", "PostgreSQL, I say.")]), Rules(scribe=by))


async def records(hall: Hall) -> dict[str, Record]:
    found = await hall.search("", sort="recent", limit=50)
    return {hit.record.text: hit.record for hit in found.hits}


async def test_the_minutes_are_remembered_each_with_its_author_and_for_whom_it_is(home: Path) -> None:
    by, books = scribe(json.dumps(MINUTES)), Books()
    async with Hall.open() as hall:
        result = await hall.run_team(team(by), TASK, sinks=[books])
        kept = await records(hall)
        follow_up = StubMember("board", "Yes.")
        await hall.run_team(follow_up, "And then?", continue_from=result.run_id)
    assert result.answer == "PostgreSQL, I say."
    outcome = kept[f"Task for board: {TASK}\nOutcome: PostgreSQL was chosen for its types."]
    decision = kept["The engine is PostgreSQL 17."]
    assert (decision.kind, decision.subject) == ("decision", "db.engine")
    assert (decision.author.agent, decision.author.model, decision.author.team) == ("scribe", "pen", "board")
    assert kept["Name the version at once."].visibility == "private"
    assert kept["Name the version at once."].author.agent == "ann"
    assert kept["Ask operations first."].visibility == "team"
    assert f"Open after the task for board: {TASK}\n- Who migrates the data?" in kept
    assert {one.session for one in kept.values()} == {f"run:{result.run_id}"}
    assert outcome.kind == "episode"
    [minutes] = [event for event in books.of(Decided) if event.choice == "minutes"]
    assert minutes.data["outcome"] == MINUTES["outcome"]
    [model] = by.models
    assert isinstance(model, ScriptedModel)
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "step", [ProviderError("auth", "no key"), "no JSON at all", json.dumps({"outcome": 5})]
)
async def test_minutes_that_nobody_wrote_are_made_by_rule(step: Step, home: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team(team(scribe(step, step, step)), TASK)
        kept = await records(hall)
    assert (result.status, result.answer) == ("done", "PostgreSQL, I say.")
    assert [*kept] == [f"Task for board: {TASK}\nOutcome: PostgreSQL, I say."]
    assert any(
        notice.startswith("scribe wrote no minutes, so they were made by rule") for notice in result.notices
    )


async def test_a_budget_without_room_for_the_scribe_costs_no_answer(home: Path) -> None:
    ann = Agent("ann", "Work.", [ScriptedModel("PostgreSQL, I say.")])
    line = Ruled(Pipeline("board", [ann]), Rules(scribe=scribe(json.dumps(MINUTES))))
    async with Hall.open() as hall:
        result = await hall.run_team(line, TASK, budget=Budget(calls=1))
        kept = await records(hall)
    assert (result.status, result.answer) == ("done", "PostgreSQL, I say.")
    assert [*kept] == [f"Task for board: {TASK}\nOutcome: PostgreSQL, I say."]


async def test_a_run_that_is_cancelled_while_its_scribe_writes_has_its_answer(home: Path) -> None:
    begun = asyncio.Event()

    class Endless:
        name, price, private = "endless", (0.0, 0.0), True

        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            begun.set()
            await asyncio.Event().wait()
            return ModelReply(text="", usage=Usage())

    async with Hall.open() as hall:
        by = Agent("scribe", "Write.", [Endless()])
        work = asyncio.create_task(hall.run_team(team(by), TASK))
        await begun.wait()
        [row] = await hall.runs()
        await hall.cancel(row.id)
        result = await work
    assert (result.status, result.answer) == ("done", "PostgreSQL, I say.")
    assert "the run was cancelled while what came of it was remembered: part of it is not" in result.notices


async def test_a_scribe_does_not_store_again_what_was_recalled(home: Path) -> None:
    known = "The engine of the billing service is PostgreSQL 17 since March."
    minutes = MINUTES | {"decisions": [{"subject": "db", "text": known}], "lessons": [], "open_questions": []}
    async with Hall.open() as hall:
        first = await hall.remember(known)
        await hall.run_team(team(scribe(json.dumps(minutes))), "Which engine does billing take?")
        kept = await records(hall)
        assert kept[known].id == first.id
        assert kept[known].subject is None
    assert len(kept) == 2


async def test_the_scribe_is_shown_what_was_said_and_no_memory(home: Path) -> None:
    by = scribe(json.dumps(MINUTES))
    async with Hall.open() as hall:
        await hall.remember("The engine of old was MySQL, which we take no more.")
        ann, bob = StubMember("ann", "Types matter."), StubMember("bob", "PostgreSQL then.")
        await hall.run_team(Ruled(Pipeline("board", [ann, bob]), Rules(scribe=by)), TASK)
    [model] = by.models
    assert isinstance(model, ScriptedModel)
    quotes = {quote.label: quote for quote in model.requests[0].turns[1].quotes}
    assert quotes["ann"].text == "Types matter."
    assert quotes["the answer"].text == "PostgreSQL then."
    assert not [quote for quote in quotes.values() if quote.kind == "memory"]
    assert ann.messages[0].quotes


def write(project: Path, keys: str) -> None:
    (project / ".guildhall" / "teams").mkdir(exist_ok=True)
    text = f"---\nname: mine\ndescription: d\nmembers: [critic]\n{keys}\n---\n"
    (project / ".guildhall" / "teams" / "mine.md").write_text(text)


async def test_a_team_file_names_a_scribe_and_switches_lessons_off(project: Path) -> None:
    write(project, "scribe: editor\nlessons: false")
    async with Hall.open() as hall:
        await hall.catalog.ready()
        member: Any = TeamBuilder(hall.library, hall.catalog, hall.tools()).team("mine")[0]
        other: Any = TeamBuilder(hall.library, hall.catalog, hall.tools()).team("mine", pattern="parallel")[0]
        estimate = await hall.estimate("mine", "Well?")
        result = await hall.run_team("mine", "Who pays?", context="The buyer pays the invoice in May.")
    assert (member.rules.scribe.name, member.rules.lessons) == ("editor", False)
    assert other.rules.scribe.name == "editor"
    assert [one.name for one in estimate.members] == ["critic", "editor"]
    assert result.status == "done"
    assert [one.member for one in result.contributions] == ["critic"]  # a model that is no LLM is not asked


async def test_a_human_is_no_scribe_and_nobody_unknown_is(project: Path) -> None:
    async with Hall.open() as hall:
        write(project, "scribe: human")
        with pytest.raises(FileError, match=r"mine.md:5: scribe: 'human' is a human, and a model writes"):
            await hall.run_team("mine", "Well?")
        write(project, "scribe: mine")
        with pytest.raises(FileError, match=r"mine.md:5: scribe: 'mine' is the team itself"):
            await hall.run_team("mine", "Well?")


async def test_a_follow_up_is_told_an_old_answer_by_the_scribes_summary(home: Path) -> None:
    long = "It begins somewhere. " + "It goes on at great length about types. " * 400

    class Says(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            return await super().run(message, run)

    line = Ruled(Pipeline("board", [Says("ann", long)]), Rules(scribe=scribe(json.dumps(MINUTES))))
    reader = StubMember("reader", "Yes.")
    async with Hall.open() as hall:
        first = await hall.run_team(line, TASK)
        second = await hall.run_team(StubMember("other", long), "And then?", continue_from=first.run_id)
        await hall.run_team(reader, "Well?", continue_from=second.run_id)
    [quote] = [quote for quote in reader.messages[0].quotes if quote.kind == "conversation"]
    assert "PostgreSQL was chosen for its types.\n[a summary, in place of an answer of about" in quote.text
