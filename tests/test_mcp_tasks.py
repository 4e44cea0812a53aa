"""Runs as tasks of the protocol: how each stands, and that its host hears of its end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from gating import Gate, gated
from mcp.client import Client
from mcp.client.extension import ClientExtension
from mcp_host import data, write_files
from mcp_types import Request, RequestParams, Result
from pydantic import ConfigDict

from guildhall.agents import Hall
from guildhall.mcp_server.server import build
from guildhall.mcp_server.tasks import ID

CALL = {"task": "Look at the harbour.", "team": "duo"}
pytestmark = pytest.mark.usefixtures("duo")


@pytest.fixture
def duo(project: Path) -> Path:
    write_files(project)
    return project


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gated() as gate:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{gate.server.url}/v1")
        yield gate


class TakesTasks(ClientExtension):
    identifier = ID

    def settings(self) -> dict[str, Any]:
        return {}


class Params(RequestParams):
    model_config = ConfigDict(extra="allow")


class Told(Result):
    model_config = ConfigDict(extra="allow")


class Asked(Request[Params, Literal["tools/call", "tasks/get", "tasks/cancel"]]):
    pass


def host() -> Client:
    return Client(build(), extensions=[TakesTasks()])


async def ask(client: Client, method: Any, **params: Any) -> dict[str, Any]:
    told = await client.session.send_request(Asked(method=method, params=Params(**params)), Told)
    return told.model_dump(by_alias=True)


async def begun(client: Client) -> str:
    """The id of the task that the call is answered with."""
    answer = await ask(client, "tools/call", name="run_team", arguments=CALL)
    assert answer["resultType"] == "task"
    return str(answer["taskId"])


async def ended(client: Client, task: str) -> dict[str, Any]:
    while (seen := await ask(client, "tasks/get", taskId=task))["status"] == "working":
        await asyncio.sleep(0.01)
    return seen


async def stored(run: str) -> None:
    """Wait until the run has ended, without any look at its task."""
    async with Hall.open() as hall:
        while (await hall.find(run)).status == "running":
            await asyncio.sleep(0.01)


async def test_a_task_that_was_cancelled_is_cancelled(gate: Gate) -> None:
    async with host() as client:
        task = await begun(client)
        await gate.reached()
        await ask(client, "tasks/cancel", taskId=task)
        seen = [await ask(client, "tasks/get", taskId=task) for _ in range(2)]
        assert await begun(client) != task  # whoever cancels knows how it ended
    async with host() as other:
        seen.append(await ask(other, "tasks/get", taskId=task))
    assert [one["status"] for one in seen] == ["cancelled"] * 3
    assert not any("result" in one for one in seen)


async def test_a_task_whose_run_goes_on_goes_on_with_it(gate: Gate) -> None:
    async with host() as client:
        task = await begun(client)
        await gate.reached()
        await ask(client, "tasks/cancel", taskId=task)
        before = await ask(client, "tasks/get", taskId=task)
        gate.open.set()
        resumed = data(await client.call_tool("get_run", {"run_id": task, "resume": True}))
        after = await ask(client, "tasks/get", taskId=task)
    assert (before["status"], resumed["status"], after["status"]) == ("cancelled", "done", "completed")
    assert after["result"]["structuredContent"]["answer"] == resumed["answer"]
    assert after["createdAt"] == before["createdAt"]


async def test_a_task_that_ended_unseen_is_given_to_the_same_call_again(gate: Gate) -> None:
    async with host() as client:
        task = await begun(client)
        await gate.reached()
        gate.open.set()
        await stored(task)
        assert await begun(client) == task
        assert (await ended(client, task))["status"] == "completed"
        assert await begun(client) != task
