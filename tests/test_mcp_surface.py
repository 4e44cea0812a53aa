"""What hosts find beside the tools: resources, prompts, completions, and word of a run that goes on."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fake_models import fake_models
from gating import gated
from mcp.client import Client
from mcp.client.session import MessageHandlerFnT
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_host import compact, data, text, write_files
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from guildhall.agents import Hall
from guildhall.agents.testing import StubMember
from guildhall.mcp_server import subscriptions
from guildhall.mcp_server.server import build

ERAS = pytest.mark.parametrize("era", ["legacy", "auto"])
pytestmark = pytest.mark.usefixtures("duo")


@pytest.fixture
def duo(project: Path) -> Path:
    write_files(project)
    return project


async def read(client: Client, uri: str) -> Any:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_the_server_says_who_it_is() -> None:
    async with Client(build()) as client:
        about = client.server_info
        assert about is not None
        assert (about.name, about.title, about.version) == ("guildhall", "Guildhall", "0.1.0")
        assert about.website_url
        assert about.icons
        assert "run_team" in (client.instructions or "")


@ERAS
async def test_teams_specialists_runs_and_memories_can_be_read(era: str) -> None:
    async with Client(build(), mode=era) as client:
        listed = [str(one.uri) for one in (await client.list_resources()).resources]
        assert listed == ["teams://", "runs://recent", "ui://guildhall/run.html"]
        templates = [one.uri_template for one in (await client.list_resource_templates()).resource_templates]
        assert templates == ["team://{name}", "specialist://{name}", "run://{run_id}", "memory://{id}"]
        run = data(await client.call_tool("run_team", {"task": "Look.", "team": "duo"}))
        kept = data(await client.call_tool("remember", {"text": "The pier is closed."}))
        teams = await read(client, "teams://")
        assert {"duo", "research"} <= {one["name"] for one in teams["teams"]}
        assert {"reader", "critic"} <= {one["name"] for one in teams["specialists"]}
        team = await read(client, "team://duo")
        assert (team["members"], team["models"]["reader"]) == (["reader", "doubter"], "extractive")
        assert "Work together." in (await read(client, "specialist://reader"))["instructions"]
        assert (await read(client, "runs://recent"))["runs"][0]["id"] == run["run_id"]
        told = await read(client, f"run://{run['run_id'][:12]}")
        assert told["run"]["answer"] == run["answer"]
        assert {"run_started", "run_finished"} <= {event["kind"] for event in told["events"]}
        assert (await read(client, f"memory://{kept['id']}"))["text"] == "The pier is closed."


@pytest.mark.parametrize(
    "uri", ["team://nobody", "specialist://x/y", "run://deadbeef", "memory://abcd1234", "x://y"]
)
async def test_what_is_not_there_is_refused(uri: str) -> None:
    async with Client(build()) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
    assert refused.value.error.code == -32602
    assert "Traceback" not in str(refused.value)


async def test_what_is_private_is_not_read_by_a_host(home: Path) -> None:
    async with Hall.open() as hall:
        kept = await hall.remember("The code is 4711.", private=True)
    async with Client(build()) as client:
        with pytest.raises(MCPError, match="is private"):
            await client.read_resource(f"memory://{kept.id}")


async def test_a_run_on_private_data_that_another_face_began_is_not_told_to_a_host() -> None:
    async with Hall.open() as hall:
        private = await hall.run_team(StubMember("ann", "The code is 4711."), "What is it?", private=True)
    async with Client(build()) as client:
        with pytest.raises(MCPError, match="private data"):
            await client.read_resource(f"run://{private.run_id}")
        refused = await client.call_tool("get_run", {"run_id": private.run_id})
    assert refused.is_error
    assert "4711" not in text(refused)
    assert "guildhall runs show" in text(refused)


@ERAS
async def test_each_team_and_each_main_pattern_is_a_prompt(era: str) -> None:
    async with Client(build(), mode=era) as client:
        prompts = {one.name: one for one in (await client.list_prompts()).prompts}
        assert {"duo", "research", "code-review", "debate", "parallel", "vote"} <= prompts.keys()
        assert all(one.title and one.description for one in prompts.values())
        for name, how in (("duo", "team='duo'"), ("debate", "pattern='debate'")):
            given = {"task": "Is the pier safe?", "continue_from": "abc"}
            [message] = (await client.get_prompt(name, given)).messages
            assert isinstance(message.content, TextContent)
            assert how in message.content.text
            assert "continue_from='abc'" in message.content.text
            assert message.content.text.endswith("Is the pier safe?")
        with pytest.raises(MCPError, match="there is no prompt"):
            await client.get_prompt("nobody")


@ERAS
async def test_names_and_ids_are_completed(era: str) -> None:
    async with Client(build(), mode=era) as client:
        run = data(await client.call_tool("run_team", {"task": "Look.", "team": "duo"}))["run_id"]
        kept = data(await client.call_tool("remember", {"text": "The pier is closed."}))["id"]
        for uri, argument, begun, wanted in (
            ("team://{name}", "name", "du", "duo"),
            ("specialist://{name}", "name", "ader", "reader"),
            ("run://{run_id}", "run_id", run[:4], run),
            ("memory://{id}", "id", kept[:4], kept),
        ):
            reference = ResourceTemplateReference(uri=uri)
            found = await client.complete(reference, {"name": argument, "value": begun})
            assert wanted in found.completion.values
        prompt = PromptReference(name="duo")
        found = await client.complete(prompt, {"name": "continue_from", "value": ""})
        assert run in found.completion.values
        assert (await client.complete(prompt, {"name": "task", "value": "x"})).completion.values == []


@ERAS
async def test_what_hosts_list_at_their_start_opens_nothing(era: str, home: Path) -> None:
    async with Client(build(), mode=era) as client:
        assert (await client.list_prompts()).prompts
        assert (await client.list_resources()).resources
        assert (await client.list_tools()).tools
        reference = ResourceTemplateReference(uri="team://{name}")
        assert "duo" in (await client.complete(reference, {"name": "name", "value": ""})).completion.values
        assert await read(client, "teams://")
        assert not home.exists()


@ERAS
async def test_what_goes_wrong_outside_of_a_tool_says_what_to_do(era: str, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("[models\n", "utf-8")
    async with Client(build(), mode=era) as client:
        assert "duo" in {one.name for one in (await client.list_prompts()).prompts}
        with pytest.raises(MCPError, match=r"config\.toml"):
            await client.read_resource("runs://recent")
        reference = ResourceTemplateReference(uri="run://{run_id}")
        with pytest.raises(MCPError, match=r"config\.toml"):
            await client.complete(reference, {"name": "run_id", "value": ""})


@ERAS
async def test_who_wants_to_know_is_told_when_a_run_goes_on(era: str) -> None:
    told = asyncio.Event()
    uri = ""

    async def hear(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated" and message.params.uri == uri:
            told.set()

    async with Client(build(patience=0.01), mode=era, message_handler=hear) as client:
        run = data(await client.call_tool("run_team", {"task": "Look.", "team": "asking"}))
        uri = f"run://{run['run_id']}"
        if era == "legacy":
            with pytest.warns(MCPDeprecationWarning):  # newer hosts listen
                await client.subscribe_resource(uri)
            await _goes_on(run["run_id"], client)
            await told.wait()
        else:
            async with client.listen(resource_subscriptions=[uri]) as events:
                going = asyncio.create_task(_goes_on(run["run_id"], client))
                async for event in events:
                    assert str(getattr(event, "uri", "")) == uri
                    break
                await going


@ERAS
@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_run_is_told_of_under_a_short_id_wherever_it_works(
    era: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Queue[str]()
    with gated() as gate:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{gate.server.url}/v1")
        async with (
            Client(build(patience=0.01), mode=era, message_handler=_into(told)) as one,
            Client(build(), mode=era, message_handler=_into(told)) as two,
        ):
            run = data(await one.call_tool("run_team", {"task": "Look.", "team": "duo"}))
            await gate.reached()
            uri, client = f"run://{run['run_id'][:12]}", one if where == "here" else two
            if era == "legacy":
                with pytest.warns(MCPDeprecationWarning):
                    await client.subscribe_resource(uri)
                gate.open.set()
                assert await told.get() == uri
            else:
                wanted = [uri, "run://ffffffffffff", "teams://"]
                async with client.listen(resource_subscriptions=wanted) as events:
                    assert events.honored.resource_subscriptions == [uri]
                    gate.open.set()
                    assert str(getattr(await anext(events), "uri", "")) == uri


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_what_nobody_is_told_of_is_refused_and_the_oldest_address_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = asyncio.Queue[str]()
    monkeypatch.setattr(subscriptions, "MOST", 2)
    async with Client(build(), mode="legacy", message_handler=_into(told)) as client:
        for uri in ("run://ffffffffffff", "run://ff", "run://", "teams://", "nothing"):
            with pytest.raises(MCPError):
                await client.subscribe_resource(uri)
        run = data(await client.call_tool("run_team", {"task": "Look.", "team": "asking"}))["run_id"]
        addresses = [f"run://{run[:length]}" for length in (8, 12, 16, 20)]
        for uri in addresses:
            await client.subscribe_resource(uri)
        await client.unsubscribe_resource(addresses[2])
        await client.subscribe_resource("runs://recent")
        await _goes_on(run, client)
        heard = set[str]()
        while "runs://recent" not in heard:  # which is told last
            heard.add(await told.get())
    assert heard == {addresses[3], "runs://recent"}


def _into(told: "asyncio.Queue[str]") -> MessageHandlerFnT:
    """What puts the addresses that an older host is told of there."""

    async def hear(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            told.put_nowait(message.params.uri)

    return hear


async def _goes_on(run: str, client: Client) -> None:
    """Have the run, which asks the user, go on in the server."""
    names: list[str] = []
    while not names:  # until it asks
        shown = await client.call_tool("get_run", {"run_id": run, "after": -1})
        items = (shown.meta or {})["guildhall/view"]["items"]
        names = [item["name"] for item in items if item["is"] == "question"]
    [name] = names
    await client.call_tool("get_run", {"run_id": run, "question": name, "answer": "It is safe."})


async def test_what_a_model_reads_of_a_large_run_stays_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "A long sentence about the pier that says much. " * 500
    front = "name: crowd\ndescription: A crowd.\npattern: parallel\nmembers: ["
    names = [f"m{number}" for number in range(8)]
    write_files(
        Path.cwd(),
        {
            "teams/crowd.md": f"{front}{', '.join(names)}]",
            **{f"specialists/{name}.md": f"name: {name}\ndescription: Number {name}." for name in names},
        },
    )
    with fake_models(lambda _body, _api: long) as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        async with Client(build()) as client:
            result = await client.call_tool("run_team", {"task": "Look.", "team": "crowd"})
    told = data(result)
    assert (told["status"], told["members"]) == ("done", "8 of 8 answered")
    assert len(compact(told)) / 4 <= 10_000
    assert len(text(result)) / 4 <= 10_000
    assert text(result).startswith(told["answer"][:100])
    assert "more characters are kept with the run" in told["answer"]
    [link] = [part for part in result.content if part.type == "resource_link"]
    assert str(link.uri) == f"run://{told['run_id']}"
