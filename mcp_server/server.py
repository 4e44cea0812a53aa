"""The server that a host starts: `serve()` over stdio, `build()` for tests and other transports."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.apps import APP_MIME_TYPE, Apps
from mcp.server.caching import CacheHint
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources import FunctionResource, Resource
from mcp.server.mcpserver.tools import Tool
from mcp_types import Icon, ToolAnnotations
from mcp_types.methods import CacheableMethod

from guildhall import __version__
from guildhall.names import WAIT

from . import about, tools
from .app import URI, page
from .jobs import Jobs
from .lazy import OpenHall, open_default
from .run_tasks import run_tasks
from .serving import GuildhallServer
from .subscriptions import Subscriptions

INSTRUCTIONS = (
    "Teams of LLM specialists with one long-term memory for this project. Call run_team for work "
    "that gains from several roles, ask_specialist for one quick expert. Call recall before you "
    "ask the user for what may be known, and remember what they settle."
)

STEADY: tuple[CacheableMethod, ...] = ("tools/list", "resources/list", "resources/templates/list")
A_WHILE = 3_600_000
"""Milliseconds that a host may take what does not change for the same."""


def serve(*, patience: float = WAIT) -> None:
    """Serve the host that started this process until it closes stdin; stdout carries JSON-RPC alone."""
    log_to_stderr()
    build(patience=patience).run("stdio")


def log_to_stderr() -> None:
    """Have what is logged be where no host reads it."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def build(open_hall: OpenHall = open_default, *, patience: float = WAIT) -> MCPServer[Jobs]:
    """A server whose tools work in the Hall that `open_hall` opens, once the first of them is called.

    A call waits for a run for so many seconds of `patience`; the run goes on, and the next call waits on.
    """

    @asynccontextmanager
    async def jobs_while_serving(_: MCPServer[Jobs]) -> AsyncIterator[Jobs]:
        jobs = Jobs(open_hall, subscriptions, patience=patience)
        try:
            yield jobs
        finally:
            await jobs.close()

    subscriptions = Subscriptions()
    shown = {"ui": {"resourceUri": URI}}
    return GuildhallServer(
        "guildhall",
        title=about.TITLE,
        description=about.DESCRIPTION,
        version=__version__,
        website_url=about.WEBSITE,
        icons=[Icon(src=about.icon(), mime_type="image/svg+xml", sizes=["any"])],
        instructions=INSTRUCTIONS,
        tools=[
            _tool(tools.run_team, "Run a team", open_world=True, meta=shown),
            _tool(tools.get_run, "Get a run", idempotent=True),
            _tool(tools.cancel_run, "Cancel a run", destructive=True, idempotent=True),
            _tool(tools.ask_specialist, "Ask a specialist", open_world=True, meta=shown),
            _tool(tools.recall, "Recall from memory", read_only=True, idempotent=True),
            _tool(tools.remember, "Remember", idempotent=True),
        ],
        resources=[_page()],
        extensions=[Apps(), run_tasks()],
        lifespan=jobs_while_serving,
        subscriptions=subscriptions.bus,
        cache_hints={name: CacheHint(ttl_ms=A_WHILE, scope="public") for name in STEADY},
        log_level="WARNING",
    )


def _page() -> Resource:
    """The page of the App, which is put together once a host reads it."""
    return FunctionResource(
        uri=URI, name="run", title="A run, live", description="Shows a run while it works.",
        mime_type=APP_MIME_TYPE, fn=page, meta={"ui": {"prefersBorder": True}},
    )  # fmt: skip


def _tool(
    function: Any,
    title: str,
    *,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
    meta: dict[str, Any] | None = None,
) -> Tool:
    """The function as a tool; its docstring tells a model when to call it."""
    tool = Tool.from_function(
        function,
        title=title,
        description=" ".join((function.__doc__ or "").split()),
        annotations=ToolAnnotations(
            read_only_hint=read_only,
            destructive_hint=destructive,
            idempotent_hint=idempotent,
            open_world_hint=open_world,
        ),
        meta={"anthropic/alwaysLoad": True, **(meta or {})},
    )
    tool.parameters = {**_lean(tool.parameters), "additionalProperties": False}
    tool.fn_metadata.output_schema = _in_short(_lean(tool.fn_metadata.output_schema))
    return tool


def _lean(schema: Any) -> Any:
    """The schema without titles and empty defaults: they say nothing, and every host reads them."""
    if isinstance(schema, list):
        return [_lean(one) for one in schema]
    if isinstance(schema, dict):
        return {name: _lean(value) for name, value in schema.items() if not _idle(name, value)}
    return schema


def _in_short(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what comes back: all of it is always there, and what lists hold is text, or described."""
    properties = {
        name: {word: value for word, value in one.items() if word != "items"}
        for name, one in schema["properties"].items()
    }
    return {"properties": properties, "type": schema["type"]}


def _idle(name: str, value: Any) -> bool:
    return (name == "title" and isinstance(value, str)) or (name == "default" and not value)
