"""A run is no part of the request that called for it: it outlives timeouts, cancellation and the server."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from fake_models import FakeModels, Says, fake_models
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_host import data, text, write_files

from guildhall.agents import Hall
from guildhall.mcp_server.server import build

ERAS = pytest.mark.parametrize("era", ["legacy", "auto"])
CALL = {"task": "Look at the harbour.", "team": "duo"}
pytestmark = pytest.mark.usefixtures("duo")


@pytest.fixture
def duo(project: Path) -> Path:
    write_files(project)
    return project


class Gate:
    """Holds the replies of a model server back until it is opened."""

    def __init__(self, server: FakeModels) -> None:
        self.server, self.open = server, threading.Event()
        server.reply = lambda _body, _api: Says("Said behind the gate.", after=self.open)

    async def reached(self, calls: int = 2) -> None:
        await asyncio.to_thread(self.server.wait_for, lambda server: server.in_flight == calls)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with fake_models() as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        held = Gate(server)
        yield held
        held.open.set()


async def test_what_takes_longer_than_a_call_waits_is_told_and_waited_for_by_the_next(gate: Gate) -> None:
    async with Client(build(patience=0.05), mode="legacy") as client:
        first = data(await client.call_tool("run_team", CALL))
        assert (first["status"], first["answer"]) == ("running", "")
        assert f"get_run(run_id='{first['run_id'][:12]}')" in first["next"]
        gate.open.set()
        done = first
        while done["status"] == "running":
            done = data(await client.call_tool("get_run", {"run_id": first["run_id"][:12]}))
    assert (done["status"], done["run_id"]) == ("done", first["run_id"])
    assert (done["members"], len(gate.server.requests)) == ("2 of 2 answered", 2)


async def test_a_newer_host_waits_on_without_a_turn_of_its_model(gate: Gate) -> None:
    async with Client(build(patience=0.05)) as client:
        call = asyncio.create_task(client.call_tool("run_team", CALL))
        await gate.reached()
        gate.open.set()
        assert data(await call)["status"] == "done"
        gate.open.clear()
        later = data(await client.call_tool("run_team", {**CALL, "task": "Look again."}))
    assert later["status"] == "running"  # after eight rounds


@ERAS
async def test_a_call_that_its_host_gives_up_loses_nothing(era: str, gate: Gate) -> None:
    async with Client(build(), mode=era) as client:
        request = asyncio.create_task(client.call_tool("run_team", CALL))
        await gate.reached()
        request.cancel()
        await asyncio.wait({request})
        with anyio.move_on_after(0.05):
            await client.call_tool("get_run", {})
        gate.open.set()
        again = data(await client.call_tool("run_team", CALL))
        newest = data(await client.call_tool("get_run", {}))
    assert (again["status"], newest["run_id"]) == ("done", again["run_id"])
    assert len(gate.server.requests) == 2


@ERAS
async def test_a_host_that_was_not_told_of_the_end_is_told_when_it_calls_again(era: str, gate: Gate) -> None:
    async with Client(build(), mode=era) as client:
        request = asyncio.create_task(client.call_tool("run_team", CALL))
        await gate.reached()
        request.cancel()
        await asyncio.wait({request})
        gate.open.set()
        async with Hall.open() as hall:
            while (await hall.find()).status == "running":
                await asyncio.sleep(0.01)
        again = data(await client.call_tool("run_team", CALL))
        assert (again["status"], len(gate.server.requests)) == ("done", 2)
        anew = data(await client.call_tool("run_team", CALL))
    assert anew["run_id"] != again["run_id"]


async def test_a_host_with_two_seconds_of_patience_gets_its_answer_in_the_end(gate: Gate) -> None:
    async with Client(build(), mode="legacy", read_timeout_seconds=0.2) as client:
        with pytest.raises(MCPError):
            await client.call_tool("run_team", CALL)
        gate.open.set()
        assert data(await client.call_tool("run_team", CALL))["status"] == "done"
    assert len(gate.server.requests) == 2


@ERAS
async def test_the_same_call_joins_the_run_and_others_run_beside_it(era: str, gate: Gate) -> None:
    async with Client(build(), mode=era) as client:
        same = [asyncio.create_task(client.call_tool("run_team", CALL)) for _ in range(4)]
        other = [
            asyncio.create_task(client.call_tool("run_team", {**CALL, "task": task})) for task in ("B", "C")
        ]
        await gate.reached(6)
        gate.open.set()
        ids = [data(result)["run_id"] for result in await asyncio.gather(*same, *other)]
    assert len({*ids[:4]}) == 1
    assert len({*ids}) == 3


@ERAS
async def test_cancelling_ends_the_calls_and_keeps_what_was_said(era: str, gate: Gate) -> None:
    async with Client(build(), mode=era) as client:
        call = asyncio.create_task(client.call_tool("run_team", CALL))
        await gate.reached()
        running = data(await client.call_tool("get_run", {"after": -1}))
        ended = data(await client.call_tool("cancel_run", {"run_id": running["run_id"]}))
        assert (ended["status"], gate.server.in_flight) == ("cancelled", 0)
        assert data(await call)["status"] == "cancelled"
        assert gate.server.disconnected == 2
        assert "resume=true" in ended["next"]
        gate.open.set()
        gone_on = data(await client.call_tool("get_run", {"run_id": ended["run_id"], "resume": True}))
    assert (gone_on["status"], gone_on["run_id"]) == ("done", ended["run_id"])


async def test_progress_rises_with_each_word_of_it_over_several_calls(gate: Gate) -> None:
    told: list[float] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        assert message

    async with Client(build(patience=0.1), mode="legacy") as client:
        first = data(await client.call_tool("run_team", CALL, progress_callback=tell))
        await client.call_tool("get_run", {"run_id": first["run_id"]}, progress_callback=tell)
    assert len(told) >= 2
    assert told == sorted({*told})


async def test_a_run_that_another_process_works_on_is_waited_for_and_cancelled(gate: Gate) -> None:
    async with Hall.open() as hall, Client(build(), mode="legacy") as client:
        work = asyncio.create_task(hall.run_team("duo", "Look."))
        await gate.reached()
        [row] = await hall.runs()
        seen = await client.call_tool("get_run", {"run_id": row.id, "after": -1})
        assert data(seen)["status"] == "running"
        assert (seen.meta or {})["guildhall/view"]["items"][0]["is"] == "run"
        waiting = asyncio.create_task(client.call_tool("get_run", {"run_id": row.id}))
        gate.open.set()
        assert data(await waiting)["status"] == "done"
        gate.open.clear()
        second = asyncio.create_task(hall.run_team("duo", "Look again."))
        await gate.reached()
        assert data(await client.call_tool("cancel_run", {"run_id": (await hall.find()).id}))["status"] == (
            "cancelled"
        )
        await asyncio.gather(work, second)


async def test_a_run_that_is_not_there_is_refused_with_a_hint() -> None:
    async with Client(build()) as client:
        for arguments in ({}, {"run_id": "deadbeef"}):
            result = await client.call_tool("get_run", arguments)
            assert result.is_error
            assert "run" in text(result)


@pytest.mark.slow
@pytest.mark.deadline(60)
@pytest.mark.parametrize("by", ["stdin", "kill"])
async def test_a_server_that_ends_leaves_its_run_to_the_next_one(
    by: str, gate: Gate, home: Path, duo: Path
) -> None:
    server = StdioServerParameters(
        command="sh",
        args=["-c", f"echo $$ > {home.parent}/pid; exec {sys.executable} -m guildhall mcp"],
        env={"GUILDHALL_HOME": str(home), "GUILDHALL_BASE_URL": f"{gate.server.url}/v1", "HOME": str(home)},
        cwd=duo,
    )
    seen = await _begun(server, gate, home.parent / "pid", kill=by == "kill")
    gate.open.set()
    async with Client(server, mode="legacy") as client:
        before = data(await client.call_tool("get_run", {"run_id": seen, "after": -1}))
        assert before["status"] == "interrupted"
        done = data(await client.call_tool("get_run", {"run_id": seen, "resume": True}))
    assert (done["status"], done["run_id"]) == ("done", seen)


async def _begun(server: StdioServerParameters, gate: Gate, pid: Path, *, kill: bool) -> str:
    """The id of a run that was at work when its server ended."""
    seen: dict[str, Any] = {}
    try:
        async with Client(server, mode="legacy") as client:
            call = asyncio.create_task(client.call_tool("run_team", CALL))
            await gate.reached()
            seen = data(await client.call_tool("get_run", {"after": -1}))
            if kill:
                os.kill(int(pid.read_text()), signal.SIGKILL)
            else:
                call.cancel()
            await asyncio.wait({call})
    except (MCPError, OSError, ExceptionGroup):
        assert kill
    return str(seen["run_id"])
