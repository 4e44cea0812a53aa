"""The tasks extension of the protocol: a call is answered at once with a task, which the host looks at, gives
answers to, and cancels."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp_types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from .asks import Asks

ID = "io.modelcontextprotocol/tasks"
POLL, LIFE = 500, 3_600_000
"""Milliseconds between two looks of the host, and those that a task is kept."""
ENDING = 2.0
"""Seconds that a cancelled task has for its end."""
KEPT = 200
"""Tasks that are known at a time."""
VERSIONS = frozenset(MODERN_PROTOCOL_VERSIONS)
as_task: ContextVar[bool] = ContextVar("as_task", default=False)
"""Whether the call that is worked on is to be answered with a task."""
Asked = ServerRequestContext[Any, Any]


@dataclass(eq=False)
class Task:
    """Something at work outside of the request that called for it."""

    id: str
    work: "asyncio.Task[CallToolResult]"
    asks: Asks
    says: Callable[[], str] = lambda: ""
    """What is going on, in a line."""
    cancel: Callable[[], Awaitable[Any]] | None = None
    """Ends it, where it takes more than to cancel the work."""
    heard: Callable[[], Any] = lambda: None
    """Called when the host has been told how it ended."""
    created: str = field(default_factory=lambda: _now())  # noqa: PLW0108  it stands below

    @property
    def status(self) -> str:
        if not self.work.done():
            return "input_required" if self.asks.open() else "working"
        if self.work.cancelled():
            return "cancelled"
        return "failed" if isinstance(self.work.exception(), MCPError) else "completed"

    def told(self, *, whole: bool) -> dict[str, Any]:
        """As the host sees it; `whole` with what it asks, or has come to."""
        about: dict[str, Any] = {
            "taskId": self.id, "status": self.status, "createdAt": self.created, "lastUpdatedAt": _now(),
            "ttlMs": LIFE, "pollIntervalMs": POLL,
        }  # fmt: skip
        if text := self.says():
            about["statusMessage"] = text
        if not whole:
            return about
        if self.work.done():
            self.heard()
        match about["status"]:
            case "input_required":
                about["inputRequests"] = {id_: _plain(one) for id_, one in self.asks.open().items()}
            case "completed":
                error = self.work.exception()
                about["result"] = _plain(_failed(error) if error else self.work.result())
            case "failed":
                error = self.work.exception()
                assert isinstance(error, MCPError), "as its status says"
                about["error"] = _plain(error.error)
        return about


class TaskParams(RequestParams):
    task_id: str


class UpdateParams(TaskParams):
    input_responses: dict[str, Any]


Found = Callable[[Asked, str], Awaitable[Task | None]]
"""The task of an id that this process has not begun itself, or that has ended: it may go on since."""
Starts = Callable[[CallToolRequestParams, Asked, CallNext], Awaitable[Task | HandlerResult]]
"""A task for the call, or the answer to it where it needs none."""


class Tasks(Extension):
    """Answers calls of the tools that can `start` one with a task, where the host has negotiated that."""

    identifier = ID

    def __init__(
        self, start: dict[str, Starts], *, find: Found | None = None, only: Collection[str] = ()
    ) -> None:
        """Tools in `only` cannot be called in another way."""
        self._start, self._find, self._only = start, find, only
        self._tasks: dict[str, Task] = {}

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskParams, self._get, VERSIONS),
            MethodBinding("tasks/update", UpdateParams, self._update, VERSIONS),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, VERSIONS),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Asked, call_next: CallNext
    ) -> HandlerResult:
        start, declared = self._start.get(params.name), ctx.session.client_capabilities
        wanted = ctx.protocol_version in VERSIONS and declared and ID in (declared.extensions or {})
        if start is None or not (wanted or params.name in self._only):
            return await call_next(ctx)
        require_client_extension(ctx, ID)
        started = await start(params, ctx, call_next)
        if not isinstance(started, Task):
            return started
        self._tasks[started.id] = started
        for id_ in [id_ for id_, task in self._tasks.items() if task.work.done()][:-KEPT]:
            del self._tasks[id_]
        return {"resultType": "task", **started.told(whole=False)}

    async def _task(self, ctx: Asked, params: TaskParams) -> Task:
        require_client_extension(ctx, ID)
        headers = getattr(ctx.request, "headers", None)
        if headers is not None and headers.get("mcp-name") != params.task_id:
            raise MCPError(HEADER_MISMATCH, "the header Mcp-Name must be the id of the task")
        task = self._tasks.get(params.task_id)
        if self._find is not None and (task is None or task.work.done()):
            found = await self._find(ctx, params.task_id)
            if found is not None:
                found.created = task.created if task else found.created
                self._tasks[found.id] = task = found
        if task is None:
            raise MCPError(INVALID_PARAMS, f"there is no task {params.task_id!r:.100}")
        return task

    async def _get(self, ctx: Asked, params: TaskParams) -> HandlerResult:
        return (await self._task(ctx, params)).told(whole=True)

    async def _update(self, ctx: Asked, params: UpdateParams) -> HandlerResult:
        task = await self._task(ctx, params)
        task.asks.answer(params.input_responses)
        await asyncio.sleep(0)  # what asked goes on
        return {}

    async def _cancel(self, ctx: Asked, params: TaskParams) -> HandlerResult:
        task = await self._task(ctx, params)
        if not task.work.done():
            if task.cancel is not None:
                await task.cancel()
            else:
                task.work.cancel()
            await asyncio.wait({task.work}, timeout=ENDING)
            if task.work.done():
                task.heard()
        return {}


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def _failed(error: BaseException) -> CallToolResult:
    """A tool that fails has an answer, which says so."""
    from mcp_types import TextContent

    return CallToolResult(content=[TextContent(text=str(error))], is_error=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
