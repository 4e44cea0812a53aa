"""The MCP server as hosts use it: the official client, in memory and over stdio, in both protocol eras."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Fault, fake_models
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, Implementation, TextContent

from guildhall.agents import Hall
from guildhall.mcp_server.server import build

pytestmark = pytest.mark.usefixtures("duo")
ERAS = pytest.mark.parametrize("era", ["legacy", "auto"])
SERVE = ["-m", "guildhall", "mcp"]
NOTES = """The harbour was closed in March because of the storm.

Ships unload at the northern pier until the crane is repaired.

The crane will be repaired in May.
"""


@pytest.fixture
def duo(project: Path) -> Path:
    """A project with a team of two and a file for them."""
    for name, work in {
        "reader": "Find what the text says.",
        "doubter": "Find what the text leaves open.",
    }.items():
        _write(project, f"specialists/{name}.md", f"name: {name}\ndescription: {work}", work)
    _write(
        project,
        "teams/duo.md",
        "name: duo\ndescription: Two views.\npattern: parallel\nmembers: [reader, doubter]",
    )
    (project / "notes.md").write_text(NOTES)
    return project


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModels]:
    """A model server in place of the extractive model; what it says can be set."""
    with fake_models() as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        yield server


async def test_every_tool_tells_a_model_when_and_how_to_call_it() -> None:
    async with Client(build()) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == [
        "run_team", "get_run", "cancel_run", "ask_specialist", "recall", "remember",
    ]  # fmt: skip
    for tool in tools:
        hints = tool.annotations
        assert tool.title
        assert "Use it" in (tool.description or "")
        assert hints is not None
        assert None not in (
            hints.read_only_hint,
            hints.destructive_hint,
            hints.idempotent_hint,
            hints.open_world_hint,
        )
        assert tool.output_schema is not None
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), (tool.name, name)
            limits = {"maxLength", "maximum", "maxItems", "maxProperties", "enum"}
            assert schema["type"] == "boolean" or limits & schema.keys(), (tool.name, name)


async def test_what_hosts_read_of_the_tools_stays_short() -> None:
    """Tokens are about four bytes of compact JSON."""
    async with Client(build()) as client:
        tools = (await client.list_tools()).model_dump(mode="json", by_alias=True, exclude_none=True)["tools"]
    read = [{key: tool[key] for key in ("name", "description", "inputSchema")} for tool in tools]
    given = [tool["outputSchema"] for tool in tools]
    assert len(_compact(read)) / 4 <= 1_500
    assert (len(_compact(read)) + len(_compact(given))) / 4 <= 2_200


async def test_the_tools_are_those_that_hosts_have_seen() -> None:
    """What is listed is in tests/data/tools.json; write it anew where a change is meant."""
    async with Client(build()) as client:
        listed = (await client.list_tools()).model_dump(mode="json", by_alias=True, exclude_none=True)
    kept = Path(__file__).parent / "data" / "tools.json"
    assert listed["tools"] == json.loads(kept.read_text("utf-8"))


@ERAS
async def test_a_team_answers_in_data_and_in_text_alike(era: str) -> None:
    result = await _call(
        "run_team", {"task": "When is the crane repaired?", "team": "duo", "files": ["notes.md"]}, era=era
    )
    data, text = _data(result), _text(result)
    assert not result.is_error
    assert data["status"] == "done"
    assert "repaired in May" in data["answer"]
    assert {part["member"]: part["status"] for part in data["contributions"]} == {
        "reader": "answered",
        "doubter": "answered",
    }
    assert any(source["label"].startswith("notes.md") for source in data["sources"])
    assert data["cost"]["calls"] >= 2
    assert data["answer"] in text
    assert data["run_id"] in text
    assert "2 of 2 answered" in text


async def test_without_a_key_the_answer_says_where_this_host_keeps_them() -> None:
    cursor = Implementation(name="cursor-vscode", version="1")
    call = {"task": "When is the crane repaired?", "team": "duo", "files": ["notes.md"]}
    notices = " ".join(_data(await _call("run_team", call, client_info=cursor))["notices"])
    assert "extractive model" in notices
    assert "ANTHROPIC_API_KEY" in notices
    assert "`env`" in notices
    assert ".cursor/mcp.json" in notices


@ERAS
async def test_progress_is_told_while_the_team_is_at_work(era: str, models: FakeModels) -> None:
    gate, told = threading.Event(), list[tuple[float, str]]()
    models.reply = lambda _body, _api: "said behind the gate" if gate.wait(20) else Fault("500")

    async def progress(step: float, _total: float | None, message: str | None) -> None:
        told.append((step, message or ""))
        if "reader (writing)" in (message or ""):
            gate.set()

    result = await _call("run_team", {"task": "Look", "team": "duo"}, era=era, progress_callback=progress)
    assert _data(result)["status"] == "done"
    assert gate.is_set()
    steps = [step for step, _ in told]
    assert len(steps) >= 2
    assert steps == sorted(set(steps))


async def test_a_run_that_fails_is_an_answer_with_its_reason(models: FakeModels) -> None:
    models.reply = lambda _body, _api: Fault("400", message="no such luck")
    result = await _call("ask_specialist", {"specialist": "reader", "task": "Look"})
    assert not result.is_error
    assert _data(result)["status"] == "failed"
    assert "no such luck" in _data(result)["error"]
    assert "no such luck" in _text(result)


async def test_a_role_in_words_is_asked_like_a_specialist(models: FakeModels) -> None:
    data = _data(
        await _call("ask_specialist", {"specialist": "a harbour pilot", "task": "Look", "context": "fog"})
    )
    assert data["status"] == "done"
    assert "fog" in json.dumps(models.requests[0].body)


async def test_an_unknown_team_is_an_error_that_names_the_known_ones() -> None:
    result = await _call("run_team", {"task": "Look", "team": "dou"})
    assert result.is_error
    assert "did you mean duo" in _text(result)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../outside.txt", "outside the project"),
        ("link.txt", "outside the project"),
        (".env", "may hold secrets"),
        ("missing.md", "there is no file"),
        (".", "is not a file"),
    ],
)
async def test_files_that_are_not_of_the_project_are_refused_with_the_reason(
    name: str, reason: str, duo: Path, models: FakeModels
) -> None:
    (duo.parent / "outside.txt").write_text("private")
    (duo / "link.txt").symlink_to(duo.parent / "outside.txt")
    (duo / ".env").write_text("KEY=1")
    result = await _call("run_team", {"task": "Look", "team": "duo", "files": [name]})
    assert result.is_error
    assert reason in _text(result)
    assert not models.requests


async def test_a_server_that_was_started_above_the_home_folder_reads_no_files(
    duo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(duo / "inner" / "home"))
    monkeypatch.setenv("USERPROFILE", str(duo / "inner" / "home"))
    result = await _call("run_team", {"task": "Look", "team": "duo", "files": ["notes.md"]})
    assert result.is_error
    assert "reads no files" in _text(result)


async def test_what_one_server_remembers_another_recalls_with_its_author() -> None:
    fact = {"text": "The harbour opens again in June.", "kind": "decision", "subject": "harbour"}
    kept = _data(await _call("remember", fact, client_info=Implementation(name="claude-code", version="1")))
    again = _data(await _call("remember", fact))
    hits = _data(await _call("recall", {"query": "when does the harbour open"}))["hits"]
    assert again["merged"]
    assert again["id"] == kept["id"]
    assert [hit["id"] for hit in hits] == [kept["id"]]
    assert hits[0]["author"] == "claude-code"
    assert hits[0]["kind"] == "decision"


async def test_recalling_nothing_says_what_to_do_next() -> None:
    data = _data(await _call("recall", {"query": "zeppelins"}))
    assert data["hits"] == []
    assert "ask the user" in data["next"]


async def test_a_hall_that_could_not_be_opened_is_opened_once_it_can_be(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("models = nonsense")
    async with Client(build()) as client:
        refused = await client.call_tool("recall", {"query": "anything"})
        (home / "config.toml").unlink()
        opened = await client.call_tool("recall", {"query": "anything"})
    assert refused.is_error
    assert "config.toml" in _text(refused)
    assert not opened.is_error


async def test_a_call_that_is_cancelled_while_the_hall_opens_leaves_it_to_the_next() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slowly() -> AsyncIterator[Hall]:
        asked.set()
        await go_on.wait()
        async with Hall.open() as hall:
            yield hall

    async with Client(build(slowly)) as client:
        first = asyncio.create_task(client.call_tool("recall", {"query": "anything"}))
        await asked.wait()
        first.cancel()
        await asyncio.wait({first})
        go_on.set()
        assert not (await client.call_tool("recall", {"query": "anything"})).is_error


@pytest.mark.slow
def test_listing_the_tools_imports_no_provider_and_touches_no_disk(home: Path) -> None:
    program = """
import asyncio, sys
from mcp.client import Client
from guildhall.mcp_server.server import build
async def main():
    async with Client(build(), mode="legacy") as client:
        await client.list_tools()
asyncio.run(main())
heavy = {"anthropic", "openai", "chromadb", "numpy", "genai_prices"}
print(sorted(heavy & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
    assert not home.exists()


@pytest.mark.slow
def test_what_a_first_call_needs_is_imported_before_it_without_any_provider(home: Path) -> None:
    program = """
import asyncio, sys
from guildhall.mcp_server.lazy import LATER, warm_up
warm_up()
heavy = {"anthropic", "openai", "chromadb", "numpy"}
print(sorted(set(LATER) - set(sys.modules)), sorted(heavy & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[] []\n"
    assert not home.exists()


@ERAS
async def test_a_host_starts_the_server_over_stdio_and_gets_an_answer(
    era: str, duo: Path, home: Path
) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=SERVE, env={"GUILDHALL_HOME": str(home)}, cwd=duo
    )
    async with Client(server, mode=era) as client:
        result = await client.call_tool(
            "run_team", {"task": "When is the crane repaired?", "team": "duo", "files": ["notes.md"]}
        )
    assert "repaired in May" in _data(result)["answer"]


@pytest.mark.slow
def test_stdout_carries_json_rpc_alone_and_the_server_outlives_garbage(duo: Path) -> None:
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    call = {"name": "run_team", "arguments": {"task": "When is it repaired?", "team": "nobody"}}
    sent: list[dict[str, Any] | str] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        "this is not JSON",
        {"id": 2, "method": "tools/call", "params": call},
        {"id": 3, "method": "ping"},
    ]
    with subprocess.Popen(
        [sys.executable, *SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=duo,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        lines = []
        for message in sent:
            line = message if isinstance(message, str) else json.dumps({"jsonrpc": "2.0", **message})
            server.stdin.write(line + "\n")
            server.stdin.flush()
            if isinstance(message, dict) and "id" in message:
                lines.append(server.stdout.readline())
        server.stdin.close()
        lines += server.stdout.readlines()
        assert server.wait(20) == 0
    answers = [json.loads(line) for line in lines]
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert {answer["id"] for answer in answers if "id" in answer} == {1, 2, 3}


async def _call(
    tool: str,
    arguments: dict[str, Any],
    *,
    era: str = "auto",
    client_info: Implementation | None = None,
    progress_callback: Any = None,
) -> CallToolResult:
    async with Client(build(), mode=era, client_info=client_info) as client:
        return await client.call_tool(tool, arguments, progress_callback=progress_callback)


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _data(result: CallToolResult) -> dict[str, Any]:
    assert isinstance(result.structured_content, dict), _text(result)
    return result.structured_content


def _text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def _write(project: Path, name: str, front: str, body: str = "Work together.") -> None:
    path = project / ".guildhall" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\n{front}\n---\n{body}\n")
