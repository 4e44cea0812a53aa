"""A run of a server in a process of its own: hosts give up and hang up, the server is killed, nothing is lost
and nothing is paid twice."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest
from gating import Gate, gated
from http_served import Served, served_http
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_host import data, write_files
from raw_host import greeting

pytestmark = [pytest.mark.slow, pytest.mark.deadline(90), pytest.mark.usefixtures("project_of_teams")]
ERAS = pytest.mark.parametrize("era", ["legacy", "auto"])
CALL = {"task": "Look at the harbour.", "team": "duo"}
IN_LINE = {**CALL, "team": "line"}
LINE = "name: line\ndescription: One after the other.\npattern: pipeline\nmembers: [reader, doubter]"


@pytest.fixture
def project_of_teams(project: Path) -> None:
    write_files(project)
    write_files(project, {"teams/line.md": LINE})


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gated() as gate:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{gate.server.url}/v1")
        yield gate


async def test_a_host_that_waits_two_seconds_gets_the_answer_of_a_run_of_ten(gate: Gate, home: Path) -> None:
    told = list[tuple[float, float, str]]()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((monotonic(), progress, message or ""))

    async with Client(_stdio(home), mode="legacy") as client:
        await client.call_tool("recall", {"query": "anything"})  # however slowly it starts
        for number in range(2):
            given_up = asyncio.create_task(client.call_tool("run_team", CALL, read_timeout_seconds=2))
            await gate.reached()
            if number == 0:
                asyncio.get_running_loop().call_later(10, gate.open.set)
            with pytest.raises(MCPError):
                await given_up
        began = monotonic()
        answer = data(await client.call_tool("run_team", CALL, progress_callback=tell))
        ended = monotonic()
        newest = data(await client.call_tool("get_run", {"run_id": ""}))
    assert (answer["status"], answer["run_id"]) == ("done", newest["run_id"])
    assert answer["answer"] == newest["answer"]
    assert answer["seconds"] >= 10
    assert len(gate.server.requests) == 2
    times = [began, *(at for at, _, _ in told), ended]
    assert max(later - sooner for sooner, later in pairwise(times)) <= 5
    steps = [progress for _, progress, _ in told]
    assert steps == sorted({*steps})
    assert "reader (" in told[0][2]
    assert "doubter (" in told[0][2]


@pytest.mark.parametrize("how", ["legacy", "auto", "torn"])
async def test_a_host_that_hangs_up_in_the_middle_gets_its_answer_from_the_next_call(
    how: str, gate: Gate, home: Path
) -> None:
    with served_http(home) as server:
        leaving = asyncio.create_task(_torn(server) if how == "torn" else _called(server, how))
        await gate.reached()
        leaving.cancel()
        await asyncio.wait({leaving})
        async with server.host("legacy" if how == "torn" else how) as client:
            going_on = data(await client.call_tool("get_run", {"run_id": "", "after": -1}))
            assert (going_on["status"], gate.server.disconnected) == ("running", 0)
            again = asyncio.create_task(client.call_tool("run_team", CALL))
            gate.open.set()
            done = data(await again)
            newest = data(await client.call_tool("get_run", {"run_id": ""}))
    assert (done["status"], done["run_id"], newest["run_id"]) == ("done", *[going_on["run_id"]] * 2)
    assert len(gate.server.requests) == 2


@ERAS
async def test_hosts_join_a_run_over_http_and_one_of_them_cancels_it(
    era: str, gate: Gate, home: Path
) -> None:
    gate.free = 1
    with served_http(home) as server:
        calls = [asyncio.create_task(_called(server, era, IN_LINE)) for _ in range(3)]
        await gate.reached_after(1)
        async with server.host(era) as client:
            run = data(await client.call_tool("get_run", {"after": -1}))["run_id"]
            left = asyncio.create_task(gate.left(1, seconds=1))
            ended = data(await client.call_tool("cancel_run", {"run_id": run}))
            await left
        results = await asyncio.gather(*calls)
    assert {(result["run_id"], result["status"]) for result in results} == {(run, "cancelled")}
    assert Gate.SAID in [part["text"] for part in ended["contributions"]]


@pytest.mark.parametrize("over", ["stdio", "http"])
@pytest.mark.parametrize("by", ["leaving", "kill"])
async def test_a_server_that_ends_leaves_its_run_to_the_next_one(
    by: str, over: str, gate: Gate, home: Path
) -> None:
    gate.free = 1
    async with _server(over, home) as (client, process):
        call = asyncio.create_task(client.call_tool("run_team", IN_LINE))
        await gate.reached_after(1)
        seen = data(await client.call_tool("get_run", {"after": -1}))["run_id"]
        if by == "kill":
            os.kill(process, signal.SIGKILL)
        else:
            call.cancel()
        await asyncio.wait({call})
    assert len(gate.server.requests) == 2
    gate.open.set()
    async with _server(over, home) as (client, _):
        before = data(await client.call_tool("get_run", {"run_id": seen, "after": -1}))
        assert (before["status"], before["error"]) == ("interrupted", "")
        done = data(await client.call_tool("get_run", {"run_id": seen, "resume": True}))
    assert (done["status"], done["run_id"], done["members"]) == ("done", seen, "2 of 2 answered")
    assert (gate.server.good.total(), len(gate.server.requests)) == (2, 3)


def _stdio(home: Path) -> StdioServerParameters:
    """The server as a host starts it; its process writes down its id."""
    named = ("GUILDHALL_HOME", "GUILDHALL_BASE_URL", "GUILDHALL_EMBEDDER", "HOME")
    begin = f"echo $$ > {home.parent}/pid; exec {sys.executable} -m guildhall mcp"
    environ = {name: os.environ[name] for name in named}
    return StdioServerParameters(command="sh", args=["-c", begin], env=environ, cwd=Path.cwd())


@asynccontextmanager
async def _server(over: str, home: Path) -> AsyncIterator[tuple[Client, int]]:
    """A host of a server, and the id of the server's process; it may be killed."""
    if over == "http":
        with served_http(home) as server:
            async with _unless_killed(server.host("legacy")) as client:
                yield client, server.process.pid
    else:
        async with _unless_killed(Client(_stdio(home), mode="legacy")) as client:
            yield client, int((home.parent / "pid").read_text())


@asynccontextmanager
async def _unless_killed(connected: Any) -> AsyncIterator[Client]:
    whole = False
    try:
        async with connected as client:
            yield client
            whole = True
    except (MCPError, OSError, ExceptionGroup):
        if not whole:
            raise


async def _called(server: Served, era: str, call: dict[str, Any] = CALL) -> dict[str, Any]:
    async with server.host(era) as client:
        return data(await client.call_tool("run_team", call))


async def _torn(server: Served) -> None:
    """Call, and never read the answer: who is cancelled here closes the connection without a word."""
    async with httpx2.AsyncClient(headers=server.headers, timeout=60) as http:
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": greeting()}
        began = await http.post(server.url, json=hello)
        session = {"mcp-session-id": began.headers["mcp-session-id"]}
        params = {"name": "run_team", "arguments": CALL}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
        async with http.stream("POST", server.url, headers=session, json=call):
            await asyncio.Event().wait()
