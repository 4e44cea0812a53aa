"""The tools that the official suite's scenarios of the tasks extension call, on the code that runs are tasks
with: `python task_fixture.py`, which prints its port."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.context import CallNext, HandlerResult
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
)

from guildhall.mcp_server.asks import Asks
from guildhall.mcp_server.over_http import serve_app
from guildhall.mcp_server.tasks import Asked, Task, Tasks

Work = Callable[[dict[str, Any], Asks], Awaitable[str]]


def form(message: str, name: str = "confirm", kind: str = "boolean") -> ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def answer(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])


async def slow_compute(given: dict[str, Any], asks: Asks) -> str:
    await asyncio.sleep(float(given.get("seconds", 0)))
    return f"computed {given.get('label')}"


async def failing_job(given: dict[str, Any], asks: Asks) -> str:
    await asyncio.sleep(1)
    raise RuntimeError("failed")


async def protocol_error_job(given: dict[str, Any], asks: Asks) -> str:
    await asyncio.sleep(0.2)
    raise MCPError(-32603, "boom")


async def confirm_delete(given: dict[str, Any], asks: Asks) -> str:
    said = await asks.ask(form(f"delete {given.get('filename')}?"))
    assert isinstance(said, ElicitResult)
    return f"deleted: {said.action}"


async def multi_input(given: dict[str, Any], asks: Asks) -> str:
    said = await asyncio.gather(asks.ask(form("one")), asks.ask(form("two")))
    return str([one.action for one in said if isinstance(one, ElicitResult)])


def starts(work: Work, *, asks_first: bool = False) -> Any:
    async def start(params: CallToolRequestParams, ctx: Asked, call_next: CallNext) -> Task | HandlerResult:
        given = dict(params.arguments or {})
        if asks_first:
            first = await call_next(ctx)
            if isinstance(first, InputRequiredResult):
                return first
            assert isinstance(first, CallToolResult)
            [said] = first.content
            given["said"] = said.text if isinstance(said, TextContent) else ""
        asks = Asks()

        async def worked() -> CallToolResult:
            return answer(await work(given, asks))

        return Task(f"task-{id(asks):x}", asyncio.create_task(worked()), asks)

    return start


async def with_task(given: dict[str, Any], asks: Asks) -> str:
    return f"hello {given['said']}"


TASKS = Tasks(
    {
        "slow_compute": starts(slow_compute),
        "failing_job": starts(failing_job),
        "protocol_error_job": starts(protocol_error_job),
        "confirm_delete": starts(confirm_delete),
        "multi_input": starts(multi_input),
        "test_tool_with_task": starts(with_task, asks_first=True),
    },
    only={"failing_job"},
)
server = MCPServer("tasks", version="1", extensions=[TASKS], log_level="WARNING")


@server.tool()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@server.tool(name="slow_compute")
async def slow_compute_at_once(seconds: float = 0, label: str = "") -> str:
    """Compute for a while."""
    return await slow_compute({"seconds": seconds, "label": label}, Asks())


@server.tool(name="failing_job")
async def failing_job_at_once() -> str:
    """Fail after a while."""
    raise RuntimeError("it is a task alone")


@server.tool(name="protocol_error_job")
async def protocol_error_job_at_once() -> str:
    """Fail in the protocol."""
    raise MCPError(-32603, "boom")


@server.tool(name="confirm_delete")
async def confirm_delete_at_once(
    filename: str, ctx: Context[Any, Any]
) -> CallToolResult | InputRequiredResult:
    """Ask before a file is deleted."""
    if not ctx.input_responses:
        return InputRequiredResult(
            input_requests={"confirm": form(f"delete {filename}?")}, request_state="asked"
        )
    return answer("deleted")


@server.tool(name="multi_input")
async def multi_input_at_once(ctx: Context[Any, Any]) -> CallToolResult | InputRequiredResult:
    """Ask two things at once."""
    if not ctx.input_responses:
        return InputRequiredResult(
            input_requests={"one": form("one"), "two": form("two")}, request_state="asked"
        )
    return answer("both")


@server.tool()
async def test_tool_with_task(ctx: Context[Any, Any]) -> CallToolResult | InputRequiredResult:
    """Ask for a name, then work."""
    said = (ctx.input_responses or {}).get("user_name")
    if not isinstance(said, ElicitResult):
        return InputRequiredResult(input_requests={"user_name": form("name?", "name", "string")})
    return answer(str((said.content or {}).get("name")))


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    serve_app(server.streamable_http_app(), listening)
