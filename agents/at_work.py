"""The runs that are at work in this process, and the wish of any other that they end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from guildhall.errors import StoreError
from guildhall.memory.store.runs import RunLog, Runs
from guildhall.redact import logger

from .conduct import wait_out
from .state import RunState

T = TypeVar("T")
CANCEL_CHECK = 0.5
"""Seconds between looks at whether another process wants a run of this one ended."""
_TAKES_NOTHING = ("memory_full", "memory_read_only")
log = logger(__name__)


async def taken(taking: Coroutine[Any, Any, RunLog]) -> RunLog:
    """The log of a run that is now ours; if the caller is cancelled meanwhile, the run is given back."""
    task = asyncio.ensure_future(taking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await wait_out(task)
        if not task.exception():
            await task.result().end("cancelled", "")
        raise


async def begun(state: RunState, beginning: Coroutine[Any, Any, RunLog]) -> RunLog | None:
    """The log of a new run. There is none where the disk takes nothing: the run goes on, and says so."""
    try:
        return await taken(beginning)
    except StoreError as error:
        if error.code not in _TAKES_NOTHING:
            raise
        state.notice(f"this run is not kept, so it cannot be resumed: {error}")
        return None


class AtWork:
    """Each run is a task of its own, so that it can be cancelled from anywhere."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._logs: dict[str, RunLog] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def outcome(self, run: str, work: Coroutine[Any, Any, T], log: RunLog | None = None) -> T:
        """What the work comes to. Where who waits for it is cancelled, it is first brought to its end."""
        task = asyncio.create_task(work)
        self._tasks[run] = task
        if log is not None:
            self._logs[run] = log
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch_for_cancels())
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await wait_out(task)
            raise
        finally:
            self._tasks.pop(run, None)
            self._logs.pop(run, None)
        return task.result()

    def cancel(self, run: str) -> bool:
        """Whether the run was at work here, and is asked to end."""
        if task := self._tasks.get(run):
            task.cancel()
        return task is not None

    async def stop(self, *, interrupt: bool = False) -> None:
        """Cancel all that is at work, and wait for its end; or leave it for another process to go on with."""
        for log in self._logs.values() if interrupt else ():
            log.leave()
        tasks = [*self._tasks.values(), *filter(None, [self._watcher])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_for_cancels(self) -> None:
        """Cancel the runs that another process wants ended, each once, as long as there are runs."""
        cancelled: set[str] = set()
        while self._tasks:
            await asyncio.sleep(CANCEL_CHECK)
            try:
                wanted = await self._runs.cancel_requests()
            except StoreError:
                log.warning("could not look for runs to cancel", exc_info=True)
                continue
            for run in wanted - cancelled:
                cancelled.add(run)
                self.cancel(run)
        self._watcher = None
