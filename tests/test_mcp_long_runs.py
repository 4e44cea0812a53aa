"""A run is no part of the request that called for it: it outlives timeouts, cancellation and the server."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from gating import Gate, gated
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_host import data, text, write_files

from guildhall.agents import Hall
from guildhall.mcp_server import waiting
from guildhall.mcp_server.server import build

ERAS = pytest.mark.parametrize("era", ["legacy", "auto"])
CALL = {"task": "Look at the harbour.", "team": "duo"}
LINE = "name: line\ndescription: One after the other.\npattern: pipeline\nmembers: [reader, doubter]"
pytestmark = pytest.mark.usefixtures("duo")


@pytest.fixture
def duo(project: Path) -> Path:
    write_files(project)
    write_files(project, {"teams/line.md": LINE})
    return project


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gated() as gate:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{gate.server.url}/v1")
        yield gate


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
async def test_a_call_that_its_host_gives_up_while_the_hall_opens_is_worked_on(era: str, gate: Gate) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slowly() -> AsyncIterator[Hall]:
        asked.set()
        await go_on.wait()
        async with Hall.open(interrupts=True) as hall:
            yield hall

    async with Client(build(slowly), mode=era) as client:
        request = asyncio.create_task(client.call_tool("run_team", CALL))
        await asked.wait()
        request.cancel()
        await asyncio.wait({request})
        go_on.set()
        await gate.reached()
        gate.open.set()
        assert data(await client.call_tool("run_team", CALL))["status"] == "done"
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


@ERAS
async def test_a_host_that_gives_up_three_times_gets_its_answer_in_the_end(era: str, gate: Gate) -> None:
    async with Client(build(), mode=era) as client:
        for tool, arguments in (("run_team", CALL), ("run_team", CALL), ("get_run", {"run_id": ""})):
            with pytest.raises(MCPError):
                await client.call_tool(tool, arguments, read_timeout_seconds=0.05)
            await gate.reached()
        gate.open.set()
        again = data(await client.call_tool("run_team", CALL))
        newest = data(await client.call_tool("get_run", {"run_id": ""}))
    assert (again["status"], again["run_id"], again["answer"]) == ("done", newest["run_id"], newest["answer"])
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


async def test_six_calls_at_once_work_beside_each_other_within_the_limit_of_their_model(
    gate: Gate, home: Path
) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[model."openai-compatible:fake"]\ntier = "balanced"\nin_flight = 4\n')
    async with Client(build()) as client:
        tasks = [{**CALL, "task": f"Look at pier {number}."} for number in range(6)]
        calls = [asyncio.create_task(client.call_tool("run_team", task)) for task in tasks]
        await gate.reached(4)
        gate.open.set()
        results = [data(result) for result in await asyncio.gather(*calls)]
    assert {(result["status"], result["members"]) for result in results} == {("done", "2 of 2 answered")}
    assert len({result["run_id"] for result in results}) == 6
    assert (gate.server.peak_in_flight, len(gate.server.requests)) == (4, 12)


@ERAS
@pytest.mark.parametrize("by", ["the same server", "another"])
async def test_cancelling_ends_the_calls_within_a_second_and_keeps_what_was_said(
    by: str, era: str, gate: Gate
) -> None:
    gate.free = 1
    async with Client(build(), mode=era) as client, Client(build(), mode=era) as other:
        call = asyncio.create_task(client.call_tool("run_team", {**CALL, "team": "line"}))
        await gate.reached_after(1)
        running = data(await client.call_tool("get_run", {"after": -1}))
        assert Gate.SAID in [part["text"] for part in running["contributions"]]
        left = asyncio.create_task(gate.left(1, seconds=1))
        canceller = client if by == "the same server" else other
        ended = data(await canceller.call_tool("cancel_run", {"run_id": running["run_id"]}))
        await left
        assert data(await call)["status"] == ended["status"] == "cancelled"
        assert Gate.SAID in [part["text"] for part in ended["contributions"]]
        [kept] = (await other.read_resource(f"run://{ended['run_id']}")).contents
        transcript = json.loads(kept.text)["events"]  # type: ignore[union-attr]  # it is no blob
        assert Gate.SAID in [event.get("text") for event in transcript if event["kind"] == "replied"]
        assert "resume=true" in ended["next"]
        gate.open.set()
        gone_on = data(await client.call_tool("get_run", {"run_id": ended["run_id"], "resume": True}))
    assert (gone_on["status"], gone_on["run_id"]) == ("done", ended["run_id"])
    assert gate.server.good.total() == 2  # nobody was asked twice for what was answered


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


async def test_progress_is_told_again_while_nothing_changes_with_who_is_at_work(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, enough = list[tuple[float, str]](), asyncio.Event()
    monkeypatch.setattr(waiting, "BEAT", 0.03)
    monkeypatch.setattr(waiting, "TICK", 0.01)

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message or ""))
        same = [message for _, message in told if message == told[-1][1]]
        if len(same) >= 3 and "reader (" in same[0] and "doubter (" in same[0]:
            enough.set()

    async with Client(build(), mode="legacy") as client:
        call = asyncio.create_task(client.call_tool("run_team", CALL, progress_callback=tell))
        await enough.wait()
        gate.open.set()
        await call
    steps = [step for step, _ in told]
    assert steps == sorted({*steps})


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


@ERAS
async def test_what_could_not_begin_begins_once_it_is_put_right(era: str, duo: Path) -> None:
    call = {**CALL, "team": "trio"}
    async with Client(build(), mode=era) as client:
        assert "there is no team 'trio'" in text(await client.call_tool("run_team", call))
        write_files(duo, {"teams/trio.md": LINE.replace("name: line", "name: trio")})
        assert data(await client.call_tool("run_team", call))["status"] == "done"


async def test_what_a_view_sees_of_an_end_is_still_told_to_the_model_that_called(gate: Gate) -> None:
    async with Client(build(), mode="legacy") as client:
        request = asyncio.create_task(client.call_tool("run_team", CALL))
        await gate.reached()
        request.cancel()
        await asyncio.wait({request})
        gate.open.set()
        seen = data(await client.call_tool("get_run", {"after": -1}))
        while seen["status"] == "running":
            seen = data(await client.call_tool("get_run", {"run_id": seen["run_id"], "after": -1}))
        told = data(await client.call_tool("run_team", CALL))
        anew = data(await client.call_tool("run_team", CALL))
    assert told["run_id"] == seen["run_id"]
    assert anew["run_id"] != told["run_id"]


async def test_a_run_at_work_says_who_is_and_for_how_long(gate: Gate) -> None:
    gate.free = 1
    hosts = (Client(build(patience=0.02), mode="legacy") for _ in range(2))
    async with next(hosts) as client, next(hosts) as other:
        run = data(await client.call_tool("run_team", {**CALL, "team": "line"}))
        await gate.reached_after(1)
        for host in (client, other):
            seen = await host.call_tool("get_run", {"run_id": run["run_id"], "after": -1})
            later = await host.call_tool("get_run", {"run_id": run["run_id"]})
            assert text(later).startswith("Still at work: doubter\n")
            assert (data(later)["cost"]["calls"], data(later)["status"]) == (1, "running")
            assert data(later)["seconds"] > data(seen)["seconds"] > 0
        gate.open.set()


async def test_the_newest_run_is_that_of_this_server_then_of_this_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path.cwd()
    async with Client(build()) as client:
        own = data(await client.call_tool("run_team", CALL))["run_id"]
        (tmp_path / "another" / ".guildhall").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "another")
        async with Client(build()) as other:
            assert (await other.call_tool("get_run", {})).is_error
            elsewhere = data(await other.call_tool("run_team", {"task": "A secret?", "team": "research"}))
            assert data(await other.call_tool("get_run", {}))["run_id"] == elsewhere["run_id"]
        monkeypatch.chdir(here)
        async with Hall.open() as hall:
            newer = (await hall.run_team("duo", "Look again.")).run_id
        assert data(await client.call_tool("get_run", {}))["run_id"] == own
        recent = json.loads((await client.read_resource("runs://recent")).contents[0].text)["runs"]  # type: ignore[union-attr]
    assert [run["id"] for run in recent] == [newer, own]
    async with Client(build()) as fresh:
        assert data(await fresh.call_tool("get_run", {}))["run_id"] == newer
