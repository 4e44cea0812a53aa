"""What is private goes to models that are marked private, and to no other."""

import re
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Says, fake_models
from fake_replies import Call
from mcp import Client
from support import Books

from guildhall import Hall
from guildhall.agents import (
    Agent,
    Attachment,
    Message,
    Parallel,
    Pipeline,
    Run,
    ToolContext,
    tool,
)
from guildhall.agents.event import Decided
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.patterns.together import all_answers
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import ProviderError, UserError
from guildhall.mcp_server.server import build

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

    class Unforeseen:
        """Its members are known only once it is at work."""

        name = "unforeseen"

        async def run(self, message: Message, run: Run) -> Message:
            return await run.give(team, message)

    async with Hall.open() as hall:
        with pytest.raises(UserError, match=r"letter.md is private, and remote asks"):
            await hall.run_team(team, TASK, files=[LETTER])
        result = await hall.run_team(Unforeseen(), TASK, files=[LETTER])
    failed = next(said for said in result.contributions if said.status == "failed")
    assert (failed.member, "letter.md" in failed.error) == ("remote", True)
    assert ProviderError("private", "").billed is False


async def test_the_words_of_an_error_about_it_stay_with_it(project: Path) -> None:
    def says(body: dict[str, Any], api: str) -> Says:
        if body["model"] == "remote":
            return Says("fine")
        return Says("I will not say that the house is sold.", stop="refused")

    with fake_models(says) as server:

        def asked(name: str) -> OpenAICompatibleModel:
            url = f"{server.url}/v1"
            return OpenAICompatibleModel(name, base_url=url, api_key="none", private=name == "local")

        reader, last = Agent("reader", "Read.", [asked("local")]), Agent("last", "Sum up.", [asked("remote")])

        class Line:
            """Only the reader is given the letter."""

            name = "line"

            async def run(self, message: Message, run: Run) -> Message:
                [failed] = await all_answers([run.give(reader, message)], ["reader"])
                return await run.give(last, Message(text=message.text, quotes=(failed.as_quote(),)))

        async with Hall.open() as hall:
            result = await hall.run_team(Line(), TASK, files=[LETTER])
        remote = [request.body for request in server.requests if request.body["model"] == "remote"]
    assert (result.status, len(remote)) == ("done", 1)
    assert "house is sold" not in str(remote)
    assert "house is sold" in result.contributions[0].error  # the user may know


async def test_a_team_in_which_one_may_not_see_it_does_without_a_private_memory(project: Path) -> None:
    with fake_models() as server:
        models = [
            OpenAICompatibleModel(name, base_url=f"{server.url}/v1", api_key="none", private=name == "local")
            for name in ("local", "remote")
        ]
        team = Pipeline("line", [Agent(model.model, "Read.", [model]) for model in models])
        async with Hall.open() as hall:
            await hall.remember("The letter says that the house is sold.", private=True)
            result = await hall.run_team(team, TASK)
        assert "house is sold" not in str([request.body for request in server.requests])
    assert result.status == "done"


async def test_a_team_that_may_not_see_a_private_memory_does_its_work_without_it(project: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ=environ(server)) as hall:
            await hall.remember("The letter says that the house is sold.", private=True)
            result = await hall.run_team("research", TASK)
            outcomes = [hit.record for hit in await hall.recall("outcome letter") if hit.record.author.run]
        assert "house is sold" not in str([request.body for request in server.requests])
    assert result.status == "done"
    assert [record.private for record in outcomes] == [False]


async def test_what_a_tool_of_ones_own_recalls_goes_to_marked_models_alone(project: Path) -> None:
    @tool
    async def lookup(query: str, context: ToolContext) -> str:
        """What is known of it."""
        return "; ".join(hit.record.text for hit in await context.run.recall(query))

    def says(body: dict[str, Any], api: str) -> Says:
        if any(message["role"] == "tool" for message in body["messages"]):
            return Says("done")
        return Says(calls=(Call("lookup", '{"query": "house letter"}'),))

    with fake_models(says) as server:
        models = [
            OpenAICompatibleModel(name, base_url=f"{server.url}/v1", api_key="none", private=name == "local")
            for name in ("remote", "local")
        ]
        async with Hall.open() as hall:
            await hall.remember("The letter says that the house is sold.", private=True)
            await hall.run_team(Agent("reader", "Read.", models, tools=[lookup]), "Which zebra?")
            outcomes = [hit.record for hit in await hall.recall("outcome zebra") if hit.record.author.run]
        told = [request.body["model"] for request in server.requests if "sold" in str(request.body)]
    assert told == ["local"]
    assert [record.private for record in outcomes] == [True]


async def test_an_assistant_is_not_told_of_private_memories(home: Path, project: Path) -> None:
    """Nobody has marked the model that reads what the server's tools answer."""
    home.mkdir()
    (home / "config.toml").write_text(MARKED)
    with fake_models() as server:
        async with Hall.open(environ=environ(server)) as hall:
            await hall.remember("The letter says that the house is sold.", private=True)
        async with Client(build()) as client:
            told = await client.call_tool("recall", {"query": "house letter"})
        async with Hall.open(environ=environ(server), recalls_private=False) as hall:
            await hall.ask("critic", TASK)
        assert "house is sold" not in str([request.body for request in server.requests])
    assert "house is sold" not in str(told)
    assert "Private memories were withheld (1 or more)" in str(told.structured_content)


async def test_the_choice_of_a_model_is_among_those_that_may_see_it(home: Path, project: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(MARKED)
    books = Books()
    with fake_models() as server:
        both = environ(server) | {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        async with Hall.open(environ=both) as hall:
            plan = await hall.estimate("critic", TASK, kind="ask", files=[LETTER])
            await hall.ask("critic", TASK, files=[LETTER], sinks=[books])
        async with Hall.open(environ={"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}) as hall:
            with pytest.raises(UserError, match=r"letter.md is private"):
                await hall.estimate("critic", TASK, kind="ask", files=[LETTER])
    assert plan.members[0].model == "openai-compatible:fake"
    assert [event.choice for event in books.of(Decided) if event.what == "model"] == [
        "openai-compatible:fake"
    ]


async def test_a_mark_holds_for_the_address_that_was_trusted(home: Path, project: Path) -> None:
    home.mkdir()
    config = home / "config.toml"
    with fake_models() as server:
        here = f"{server.url}/v1"
        elsewhere = here.replace("127.0.0.1", "models.example")
        for mark, address, trusted in (
            ("true", here, True),
            ("true", elsewhere, False),
            (f'"{elsewhere}/"', elsewhere, True),
            (f'"{elsewhere}"', here, False),
            ("true", "https://api.openai.com/v1", False),  # no server of this name
        ):
            config.write_text(f'[model."openai-compatible:fake"]\nprivate = {mark}\n')
            async with Hall.open(environ={"GUILDHALL_BASE_URL": address}) as hall:
                model = hall.catalog.model("openai-compatible:fake")
                assert getattr(model, "private") is trusted  # noqa: B009  the protocol of models lacks it
                if not trusted:
                    wanted = "private = true" if address == here else f'private = "{address}"'
                    with pytest.raises(UserError, match=re.escape(wanted)):
                        await hall.ask("critic", TASK, files=[LETTER], model="openai-compatible:fake")
        assert server.requests == []
