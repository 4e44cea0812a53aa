"""A specialist knows what stands in the folders that its file names, and cites it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from papers import pdf, prose
from support import given

from guildhall import Hall
from guildhall.agents import Agent, Budget, ModelReply, ModelRequest
from guildhall.agents.event import Recalled
from guildhall.agents.knowledge import Knowledge
from guildhall.agents.message import ToolCall
from guildhall.agents.specs import read_specialist
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import FileError, ProviderError, UserError

LAW = """# Harbour law

A ship pays nine euros for each night at the pier.

## Cranes

Cranes rest on Sundays.
"""
TASK = "What does a ship pay for a night at the pier?"


@pytest.fixture
def law(project: Path) -> Path:
    folder = project / "law"
    folder.mkdir()
    (folder / "fees.md").write_text(LAW)
    (folder / "tides.pdf").write_bytes(pdf([prose(1), "Spring tides come with the full moon."]))
    specialist(project / ".guildhall", "lawyer", "law")
    return folder


def specialist(folder: Path, name: str, knowledge: str) -> None:
    file = folder / "specialists" / f"{name}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"---\nname: {name}\ndescription: ours\nknowledge: [{knowledge}]\n---\nAnswer from it.\n")


def calls(query: str) -> ModelReply:
    return ModelReply(calls=(ToolCall(id="1", name="search_knowledge", arguments={"query": query}),))


def knowing(folder: Path, model: ScriptedModel) -> Agent:
    knowledge = Knowledge((folder,), folder.parent)
    return Agent("lawyer", "Answer.", [model], tools=[knowledge.tool], knowledge=knowledge)


def shown(request: ModelRequest) -> Sequence[tuple[str, str]]:
    return [(quote.kind, quote.label) for quote in request.turns[1].quotes]


async def test_a_specialist_answers_from_its_knowledge_and_cites_the_line(law: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.ask("lawyer", TASK)
    assert "A ship pays nine euros for each night at the pier. [law/fees.md:3]" in result.answer
    assert ("law/fees.md:3", "document") in [(source.label, source.kind) for source in result.sources]


async def test_what_it_is_shown_is_there_once_and_is_what_the_documents_say_now(law: Path) -> None:
    model = ScriptedModel("nine [law/fees.md:3]", "ten [law/fees.md:3]")
    async with Hall.open() as hall:
        await hall.run_team(knowing(law, model), TASK)
        (law / "fees.md").write_text(LAW.replace("nine", "ten"))
        result = await hall.run_team(knowing(law, model), TASK)
    prompts = [request.turns[1].prompt() for request in model.requests]
    assert prompts[0].count("[law/fees.md:3] A ship pays nine euros") == 1
    assert prompts[1].count("A ship pays ten euros") == 1
    assert "nine euros" not in prompts[1]
    assert [source.label for source in result.sources] == ["law/fees.md:3"]


async def test_it_searches_its_knowledge_and_cites_a_page(law: Path) -> None:
    model = ScriptedModel(calls("full moon"), "With the full moon [law/tides.pdf:p-2], [law/fees.md:7].")
    async with Hall.open() as hall:
        result = await hall.run_team(knowing(law, model), "When do we need more rope?")
    told = model.requests[1].turns[-1].text
    assert "[law/tides.pdf:p-2] Spring tides come with the full moon." in told
    assert "law/tides.pdf:p-2" in [source.label for source in result.sources]


async def test_one_sees_only_its_own_documents(law: Path, project: Path) -> None:
    (project / "other").mkdir()
    (project / "other" / "fees.md").write_text("A ship pays a hundred euros for each night at the pier.")
    model = ScriptedModel("ok")
    async with Hall.open() as hall:
        await hall.memory.ingest("other", scope=hall.scope)
        await hall.run_team(knowing(law, model), TASK)
    labels = [label for kind, label in shown(model.requests[0]) if kind == "document"]
    assert set(labels) == {"law/fees.md"}


async def test_a_resumed_run_is_shown_what_it_was_shown_before(law: Path) -> None:
    failing = ScriptedModel(ProviderError("invalid_request", "down"))
    model = ScriptedModel("nine")
    async with Hall.open() as hall:
        failed = await hall.run_team(knowing(law, failing), TASK, run_id="a" * 32)
        (law / "fees.md").write_text("Nothing is to be paid.")
        resumed = await hall.resume("a" * 32, team=knowing(law, model), budget=Budget(calls=10))
    assert (failed.status, resumed.status) == ("failed", "done")
    assert model.requests[0].turns[1].quotes == failing.requests[0].turns[1].quotes


async def test_what_cannot_be_read_is_told_once(law: Path) -> None:
    (law / "broken.pdf").write_bytes(b"%PDF-1.4 no more")
    async with Hall.open() as hall:
        first = await hall.ask("lawyer", TASK)
        second = await hall.ask("lawyer", TASK)
    assert [notice for notice in first.notices if "law/broken.pdf: it is damaged" in notice]
    assert not [notice for notice in second.notices if "broken.pdf" in notice]


async def test_two_members_who_know_the_same_have_it_read_once(law: Path, project: Path) -> None:
    specialist(project / ".guildhall", "clerk", "law")
    teams = project / ".guildhall" / "teams"
    teams.mkdir()
    (teams / "office.md").write_text(
        "---\nname: office\ndescription: ours\npattern: parallel\nmembers: [lawyer, clerk]\n---\n"
    )
    events: list[object] = []
    async with Hall.open() as hall:
        result = await hall.run_team("office", TASK, sinks=[events.append])
    assert "nine euros" in result.answer
    recalled = [event for event in events if isinstance(event, Recalled) and "knowledge" in event.path]
    assert {event.who for event in recalled} == {"lawyer", "clerk"}
    assert all("law/fees.md:1-7" in event.records for event in recalled)


async def test_private_knowledge_is_not_shown_to_models_that_are_not_marked_private(law: Path) -> None:
    model = ScriptedModel("I do not know.")
    model.private = False
    async with Hall.open() as hall:
        await hall.memory.ingest("law", scope=hall.scope, private=True)
        result = await hall.run_team(knowing(law, model), TASK)
    assert shown(model.requests[0]) == []
    assert any("law/fees.md:1-7 is private" in notice for notice in result.notices)


@pytest.mark.parametrize(
    ("knowledge", "words"),
    [
        ("/etc", "outside of the project"),
        ("~/papers", "outside of the project"),
        ("linked", "outside of the project"),
        ("papers", "there is no"),
    ],
)
async def test_what_a_specialist_of_a_project_may_not_know_is_refused_before_anything_is_asked(
    law: Path, project: Path, tmp_path: Path, knowledge: str, words: str
) -> None:
    (project / "linked").symlink_to(tmp_path, target_is_directory=True)
    specialist(project / ".guildhall", "lawyer", knowledge)
    async with Hall.open() as hall:
        with pytest.raises(UserError, match=words):
            await hall.ask("lawyer", TASK)


@pytest.mark.parametrize("path", ["../secret", "a/../b", "docs/*.md", "a\\\\b", "''", "C:/x"])
def test_a_path_that_is_none_is_refused_with_its_line(path: str) -> None:
    text = f"---\nname: a\ndescription: b\nknowledge: [{path}]\n---\nx".encode()
    with pytest.raises(FileError) as error:
        read_specialist(text)
    assert (error.value.line, error.value.problem.partition(":")[0]) == (4, "knowledge.0")


async def test_the_users_own_specialist_may_know_what_lies_elsewhere(
    home: Path, project: Path, tmp_path: Path
) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "fees.md").write_text(LAW)
    specialist(home, "lawyer", str(papers))
    async with Hall.open() as hall:
        result = await hall.ask("lawyer", TASK)
    assert f"[{papers}/fees.md:3]" in result.answer


async def test_the_whole_project_can_be_known(law: Path, project: Path) -> None:
    specialist(project / ".guildhall", "lawyer", ".")
    async with Hall.open() as hall:
        result = await hall.ask("lawyer", TASK)
    assert "[law/fees.md:3]" in result.answer


async def test_what_only_quotes_documents_is_not_remembered_as_an_outcome(law: Path) -> None:
    (law / "tides.pdf").unlink()
    async with Hall.open() as hall:
        result = await hall.ask("lawyer", TASK)
        found = await hall.memory.search("", scope=hall.scope, sort="recent", kinds=["episode"])
    assert "nine euros" in result.answer
    assert [hit.record.text for hit in found.hits] == []


async def test_without_memory_it_is_said(law: Path) -> None:
    state = RunState("r" * 32)
    await given(knowing(law, ScriptedModel("ok")), TASK, state=state)
    assert state.notices == ["lawyer has knowledge in documents, and this run was started without memory"]


async def test_what_an_answer_takes_from_documents_goes_with_them(law: Path) -> None:
    said = "Two nights: eighteen euros. [law/fees.md:3]\nA ship pays nine euros for each night at the pier."
    async with Hall.open() as hall:
        await hall.run_team(knowing(law, ScriptedModel(said)), TASK)
        [outcome] = [hit.record for hit in await hall.recall("euros", kinds=["episode"])]
        [fees] = [hit.record for hit in await hall.recall("nine euros", kinds=["document"], limit=1)]
        assert outcome.derived_from == (fees.id,)
        assert "eighteen" in outcome.text
        assert "nine euros" not in outcome.text  # the document says so itself
        assert (await hall.memory.forget(source="law", scope=hall.scope)).derived == 1
        assert await hall.recall("euros") == []
