"""Runs as tasks of the protocol."""

import asyncio
from functools import partial

from mcp.server.context import CallNext, HandlerResult
from mcp_types import CallToolRequestParams, CallToolResult

from guildhall.errors import UserError

from .jobs import Job, Jobs
from .results import run_answer
from .tasks import Asked, Task, Tasks, as_task

STARTED = "guildhall/run"
"""Where the id of a run stands in the result of a call that is answered with a task."""


def run_tasks() -> Tasks:
    """The extension by which calls for runs are answered with tasks, which are the runs."""
    return Tasks({"run_team": _start, "ask_specialist": _start}, find=_found)


def started(job: Job, so_far: CallToolResult) -> CallToolResult:
    """The result of a call that is to be a task."""
    return so_far.model_copy(update={"meta": {STARTED: job.id}})


async def _start(_params: CallToolRequestParams, ctx: Asked, call_next: CallNext) -> Task | HandlerResult:
    token = as_task.set(True)
    try:
        result = await call_next(ctx)
    finally:
        as_task.reset(token)
    run = (result.meta or {}).get(STARTED) if isinstance(result, CallToolResult) else None
    return result if run is None else await _found(ctx, run)


async def _found(ctx: Asked, run: str) -> Task | None:
    jobs: Jobs = ctx.lifespan_context
    try:
        job = await jobs.find(run)
    except UserError:
        return None
    client = ctx.session.client_params
    work = asyncio.create_task(_answered(jobs, job, client.client_info.name if client else ""))
    if job.ended:
        await asyncio.wait({work})
    return Task(job.id, work, job.asks, job.view.summary, partial(jobs.cancelled, job), job.was_told)


async def _answered(jobs: Jobs, job: Job, host: str) -> CallToolResult:
    """The answer of the run once it has ended; cancelled as the run is."""
    if job.work is not None:
        await asyncio.wait({job.work})
    result = await job.result(await jobs.hall.get())
    if result.status == "cancelled":
        raise asyncio.CancelledError
    return run_answer(result, host=host)
