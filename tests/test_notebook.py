"""What members note for each other is kept with the run, once, and seen by those who may see it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guildhall.agents import Agent, Attachment, Hall, Message, ModelReply, Parallel, Pipeline, Run, ToolCall
from guildhall.agents.models.scripted import Step
from guildhall.agents.notebook import Notebook, noted, notes
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel
from guildhall.agents.tools.notes import note_tools
from guildhall.errors import ProviderError, StoreError
from guildhall.memory.store.database import Database
from guildhall.memory.store.notebook import Notes


def call(tool: str, **arguments: str) -> ModelReply:
    return ModelReply(calls=(ToolCall(id="1", name=tool, arguments=arguments),))


def agent(name: str, *steps: Step) -> Agent:
    return Agent(name, "Work.", [ScriptedModel(*steps, name=name)], note_tools())


def on_disk(home: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        return db.execute("SELECT number, task, kind, author, text FROM notebook ORDER BY number").fetchall()


async def test_what_is_noted_twice_is_there_once_and_numbers_count_up() -> None:
    book = Notebook("r" * 32, None)
    await book.add("one", task="team", kind="finding", author="ann")
    await book.add("two", task="team", kind="finding", author="ann")
    again = await book.add("one", task="team", kind="finding", author="ann")
    other = await book.add("one", task="team", kind="finding", author="bob")
    assert (again.number, other.number) == (1, 3)
    assert [(note.number, note.author, note.text) for note in await book.all()] == [
        (1, "ann", "one"), (2, "ann", "two"), (3, "bob", "one"),
    ]  # fmt: skip


async def test_a_later_sitting_finds_the_notes_of_the_earlier_ones_and_counts_on(tmp_path: Path) -> None:
    db = await asyncio.to_thread(Database, tmp_path / "guildhall.db")
    try:
        first = Notebook("a" * 32, Notes(db))
        await first.add("one", task="team", kind="finding", author="ann", private=True)
        await Notebook("b" * 32, Notes(db)).add("of another run", task="t", kind="note", author="zoe")
        await db.write(lambda db: None)
        later = Notebook("a" * 32, Notes(db))
        await asyncio.gather(
            later.add("one", task="team", kind="finding", author="ann"),
            later.add("two", task="team", kind="finding", author="bob"),
        )
        assert [(note.number, note.text, note.private) for note in await later.all()] == [
            (1, "one", True), (2, "two", False),
        ]  # fmt: skip
    finally:
        await asyncio.to_thread(db.close)


async def test_secrets_are_not_noted() -> None:
    run = Run(RunState("r" * 32))
    await noted(run, "key sk-ant-api03-" + "a1B2" * 12, kind="note", task="t", author="ann", private=False)
    assert "a1B2a1B2" not in (await notes(run))[0].text


async def test_private_notes_are_not_shown_to_who_may_not_see_them() -> None:
    run = Run(RunState("r" * 32))
    await noted(run, "open", kind="note", task="t", author="ann", private=False)
    await noted(run, "secret", kind="note", task="t", author="ann", private=True)
    run.trusted = False
    assert [note.text for note in await notes(run)] == ["open"]
    assert run.state.notices == ["note:2 is private and was not shown to models that are not marked private"]


async def test_a_disk_that_takes_nothing_costs_the_record_and_not_the_note() -> None:
    class Full(Notes):
        def __init__(self) -> None: ...

        async def all(self, run: str) -> list[object]:  # type: ignore[override]  # nothing is there
            return []

        def add(self, run: str, note: object) -> bool:
            return False

    run = Run(RunState("r" * 32, notes=Full()))
    await noted(run, "one", kind="note", task="t", author="ann", private=False)
    assert [note.text for note in await notes(run)] == ["one"]
    assert run.state.notices == [
        "part of the notebook could not be kept: the disk takes nothing: a note of this run is not on it"
    ]
    with pytest.raises(StoreError):
        await run.state.notebook.add("two", task="t", kind="note", author="ann")


async def test_members_note_for_each_other_with_tools_and_a_resumed_run_notes_nothing_twice(
    home: Path,
) -> None:
    ann = agent("ann", call("note", text="The crane is broken."), "noted")
    broken = ProviderError("auth", "no key")
    bob = agent("bob", call("read_notes"), broken, "The crane [note:1].")
    team = Pipeline("line", [ann, bob])
    async with Hall.open() as hall:
        failed = await hall.run_team(team, "Look.")
        assert failed.status == "failed"
        again = await hall.resume(failed.run_id, team=team)
    assert again.answer == "The crane [note:1]."
    assert [source.label for source in again.sources] == ["note:1"]
    model = bob.models[0]
    assert isinstance(model, ScriptedModel)
    assert model.requests[-1].turns[-1].text == "[note:1] ann: The crane is broken."
    assert on_disk(home) == [(1, "line", "finding", "ann", "The crane is broken.")]


async def test_what_is_noted_at_work_on_private_data_stays_private() -> None:
    ann = agent("ann", call("note", text="It is 5."), "noted")
    message = Message(text="Look.", attachments=())
    run = RunState("r" * 32)
    secret = Attachment(name="a.png", media_type="image/png", data=b"x", private=True)
    team = Parallel("team", [ann])
    await Run(run).give(team, message.model_copy(update={"attachments": (secret,)}))
    assert [note.private for note in await run.notebook.all()] == [True]


async def test_pruning_a_run_removes_its_notebook(home: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team(agent("ann", call("note", text="Gone soon."), "noted"), "Look.")
        assert result.status == "done"
        assert len(on_disk(home)) == 1
        await hall.prune(days=0)
    assert on_disk(home) == []


async def test_the_newest_notes_are_read_as_far_as_there_is_room() -> None:
    run = RunState("r" * 32)
    for text in ("old", "x" * 30_000, "y" * 30_000, "new"):
        await noted(Run(run), text, kind="note", task="t", author="ann", private=False)
    bob = agent("bob", call("read_notes"), "read")
    await Run(run).give(bob, Message(text="Look."))
    model = bob.models[0]
    assert isinstance(model, ScriptedModel)
    read = model.requests[-1].turns[-1].text
    assert read == f"2 older notes are left out.\n\n[note:3] ann: {'y' * 30_000}\n\n[note:4] ann: new"


async def test_of_a_note_that_is_longer_than_there_is_room_the_beginning_is_read() -> None:
    run = RunState("r" * 32)
    await noted(Run(run), "word " * 20_000, kind="note", task="t", author="ann", private=False)
    bob = agent("bob", call("read_notes"), "read")
    await Run(run).give(bob, Message(text="Look."))
    model = bob.models[0]
    assert isinstance(model, ScriptedModel)
    read = model.requests[-1].turns[-1].text
    assert len(read) < 41_000
    assert read.endswith("[the rest is left out]")
