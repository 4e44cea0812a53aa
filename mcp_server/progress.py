"""A run at work for a request: what it does is said as progress, and its end is the request's."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context as Variables
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.mcpserver import Context

if TYPE_CHECKING:
    from guildhall.agents.result import Result
    from guildhall.view.reduce import View

TICK = 0.5
"""Seconds between two looks at a run; hosts are told when something has changed."""
BEAT = 4.0
"""Seconds after which a host is told even if nothing has; some give up after five."""


async def watched(ctx: Context[Any, Any], view: "View", work: "Coroutine[Any, Any, Result]") -> "Result":
    """The result of the run. If the request is cancelled, so is the run, to its very end.

    The run is a task with a context of its own: nothing of the request reaches into it.
    """
    run = asyncio.create_task(work, name="run", context=Variables())
    try:
        await _tell(ctx, view, run)
    finally:
        if not run.done():
            run.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({run})
    return run.result()


async def _tell(ctx: Context[Any, Any], view: "View", run: asyncio.Task[Any]) -> None:
    """Progress until the run ends: one more each time, at each change and at each beat."""
    clock = asyncio.get_running_loop().time
    step, told, told_at = 0, None, 0.0
    while not run.done():
        summary = view.summary()
        if summary != told or clock() - told_at >= BEAT:
            step, told, told_at = step + 1, summary, clock()
            await ctx.report_progress(step, None, summary)
        await asyncio.wait({run}, timeout=TICK)
