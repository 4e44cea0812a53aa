"""What is private goes to models that are marked private, and to no other."""

from pathlib import Path

import pytest
from fake_models import FakeModels, fake_models

from guildhall import Hall
from guildhall.agents import Agent, Attachment, Message, Parallel, Run
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import ProviderError, UserError

TASK = "What does the letter say?"
LETTER = Attachment(name="letter.md", media_type="text/markdown", data=b"The house is sold.", private=True)
MARKED = '[model."openai-compatible:fake"]\nprivate = true\n'


def environ(server: FakeModels) -> dict[str, str]:
    return {"GUILDHALL_BASE_URL": f"{server.url}/v1"}


@pytest.mark.parametrize(
    "given", [{"files": [LETTER]}, {"context": "The house is sold.", "private": True}, {"private": True}]
)
async def test_it_is_refused_by_name_before_a_byte_leaves(project: Path, given: dict[str, object]) -> None:
    with fake_models() as server:
        async with Hall.open(environ=environ(server)) as hall:
            with pytest.raises(UserError, match="is private, and critic asks openai-compatible:fake"):
                await hall.ask("critic", TASK, **given)  # type: ignore[arg-type]  # of the parametrisation
            assert await hall.runs() == []
        assert server.requests == []


async def test_a_model_that_the_configuration_marks_is_asked(home: Path, project: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(MARKED)
    with fake_models() as server:
        async with Hall.open(environ=environ(server)) as hall:
            result = await hall.ask("critic", TASK, files=[LETTER])
        assert "The house is sold." in str(server.requests[0].body)
    assert result.status == "done"


async def test_the_built_in_model_may_see_it(project: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.ask("critic", "Is the house sold?", files=[LETTER])
    assert result.status == "done"


async def test_an_answer_that_rests_on_it_is_private_too(project: Path) -> None:
    reader = Agent("reader", "Read.", [ScriptedModel("The house is sold, says the letter.")])
    with fake_models() as server:
        remote = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        writer = Agent("writer", "Write.", [remote])

        class Line:
            name = "line"

            async def run(self, message: Message, run: Run) -> Message:
                said = await run.give(reader, message)
                return await run.give(writer, Message(text=TASK, quotes=(said.as_quote(),)))

        async with Hall.open() as hall:
            result = await hall.run_team(Line(), TASK, files=[LETTER])
        assert server.requests == []
    assert result.status == "failed"
    assert "reader is private, and openai-compatible:fake is not marked private" in result.error


async def test_of_several_models_only_the_marked_ones_are_asked(project: Path) -> None:
    with fake_models() as server:
        remote = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        member = Agent("reader", "Read.", [remote, ScriptedModel("Sold.")])
        async with Hall.open() as hall:
            result = await hall.run_team(member, TASK, files=[LETTER])
        assert server.requests == []
    assert result.answer == "Sold."


async def test_a_private_memory_is_withheld_from_other_models_and_that_is_said(project: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ=environ(server)) as hall:
            kept = await hall.remember("The letter says that the house is sold.", private=True)
            result = await hall.ask("critic", TASK)
        assert "house is sold" not in str([request.body for request in server.requests])
    assert result.status == "done"
    label = f"memory:{kept.id[:8]}"
    assert [notice for notice in result.notices if label in notice and "private" in notice]


async def test_a_private_memory_is_shown_to_a_marked_model_and_what_comes_of_it_stays_private(
    home: Path, project: Path
) -> None:
    home.mkdir()
    (home / "config.toml").write_text(MARKED)
    with fake_models() as server:
        async with Hall.open(environ=environ(server)) as hall:
            await hall.remember("The letter says that the house is sold.", private=True)
            await hall.ask("critic", TASK)
            hits = await hall.recall("outcome letter")
        assert "house is sold" in str(server.requests[0].body)
    outcomes = [hit.record for hit in hits if hit.record.kind == "episode"]
    assert [record.private for record in outcomes] == [True]


async def test_one_switch_forbids_all_remote_models(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUILDHALL_LOCAL_ONLY", "1")
    remote = OpenAICompatibleModel("fake", base_url="http://models.example/v1", api_key="none")
    async with Hall.open() as hall:
        result = await hall.run_team(Agent("reader", "Read.", [remote]), TASK)
        with pytest.raises(UserError, match="GUILDHALL_LOCAL_ONLY"):
            await hall.ask("critic", TASK, model="anthropic:claude-opus-5-5")
    assert result.status == "failed"
    assert "GUILDHALL_LOCAL_ONLY" in result.error
    with fake_models() as server:  # this machine is allowed
        local = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        async with Hall.open() as hall:
            assert (await hall.run_team(Agent("reader", "Read.", [local]), TASK)).status == "done"


async def test_a_failed_member_names_what_was_kept_back_and_the_others_answer(project: Path) -> None:
    remote = OpenAICompatibleModel("fake", base_url="http://127.0.0.1:9/v1", api_key="none")
    team = Parallel(
        "two", [Agent("remote", "Read.", [remote]), Agent("local", "Read.", [ScriptedModel("Sold.")])]
    )
    async with Hall.open() as hall:
        result = await hall.run_team(team, TASK, files=[LETTER])
    failed = next(said for said in result.contributions if said.status == "failed")
    assert (failed.member, "letter.md" in failed.error) == ("remote", True)
    assert ProviderError("private", "").billed is False
