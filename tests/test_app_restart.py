"""The App and a real server that ends: the page shows what became of the run, and goes on with the next."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Says, fake_models
from hosting import Hosted, hosted, result
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_host import data, write_files

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.deadline(90)]
OWN = ".asks textarea"


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with fake_models() as server:
        yield server


@pytest.fixture
def server(project: Path, home: Path, models: FakeModels) -> StdioServerParameters:
    """A process that serves; its id is in a file."""
    write_files(project)
    return StdioServerParameters(
        command="sh",
        args=["-c", f"echo $$ > {home.parent}/pid; exec {sys.executable} -m guildhall mcp"],
        env={"GUILDHALL_HOME": str(home), "GUILDHALL_BASE_URL": f"{models.url}/v1", "HOME": str(home)},
        cwd=project,
    )


class Host:
    """Calls the tools of whichever server is there."""

    client: Client | None = None

    async def __call__(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if self.client is None:
            return result("the server is gone", failed=True)
        try:
            called = await self.client.call_tool(name, arguments)
        except (MCPError, OSError, ExceptionGroup):
            return result("the server is gone", failed=True)
        told: dict[str, Any] = called.model_dump(by_alias=True, exclude_none=True, mode="json")
        return told


async def shows(app: Hosted, run: str) -> None:
    await app.tells("sendToolResult", result("running", run_id=run))
    await app.until("() => document.querySelectorAll('.lane').length > 0")


async def test_a_half_typed_answer_outlives_its_server_and_is_taken_by_the_next(
    server: StdioServerParameters,
) -> None:
    host = Host()
    async with hosted(host) as app:
        async with Client(server, mode="legacy") as host.client:
            asked = await host.client.call_tool("run_team", {"task": "Is the crane safe?", "team": "asking"})
            assert data(asked)["status"] == "needs_input"
            await shows(app, data(asked)["run_id"])
            await app.frame.fill(OWN, "It is sa")
            await app.frame.click(".lane .head >> nth=0")
        host.client = None
        await app.says("This may be out of date: the server is gone.")
        async with Client(server, mode="legacy") as host.client:
            await app.until("() => document.querySelector('.problem').hidden")
            assert await app.frame.input_value(OWN) == "It is sa"
            await app.frame.focus(OWN)
            await app.page.keyboard.press("End")
            await app.page.keyboard.type("fe.")
            await app.page.keyboard.press("Enter")
            await app.until(
                "() => document.querySelector('.answer:not([hidden]) h3')?.textContent === 'Answer'"
            )
            assert await app.frame.locator(".said").all_inner_texts() == ["You: It is safe."]
            assert await app.frame.locator(".lane").count() == 2


async def test_a_run_whose_server_was_killed_is_shown_as_interrupted_and_goes_on_from_the_page(
    server: StdioServerParameters, home: Path, models: FakeModels
) -> None:
    host, gate = Host(), threading.Event()
    models.reply = lambda _body, _api: Says("Said behind the gate.", after=gate)
    async with hosted(host) as app:
        with suppress(MCPError, OSError, ExceptionGroup):
            async with Client(server, mode="legacy") as host.client:
                call = asyncio.create_task(
                    host.client.call_tool("run_team", {"task": "Look at the harbour.", "team": "duo"})
                )
                await asyncio.to_thread(models.wait_for, lambda one: one.in_flight == 2)
                seen = data(await host.client.call_tool("get_run", {"after": -1}))
                await shows(app, seen["run_id"])
                os.kill(int((home.parent / "pid").read_text()), signal.SIGKILL)
                await asyncio.gather(call, return_exceptions=True)
        host.client = None
        await app.says("This may be out of date: the server is gone.")
        gate.set()
        async with Client(server, mode="legacy") as host.client:
            await app.says("Nobody works on this run any more.")
            assert await app.frame.inner_text(".status") == "interrupted"
            await app.frame.click("button:has-text('Go on')")
            await app.until(
                "() => document.querySelector('.answer:not([hidden]) h3')?.textContent === 'Answer'"
            )
            assert "Said behind the gate." in await app.frame.inner_text(".answer")
            assert await app.frame.inner_text(".status") == "done"
