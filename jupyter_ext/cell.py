"""A cell at work: the run in a thread of its own, the cell waiting for it where a Stop can reach it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from .errors import Interrupted

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall

    OpenHall = Callable[[], AbstractAsyncContextManager[Hall]]

T = TypeVar("T")
TICK = 0.05
"""Seconds between two looks at a run: a Stop is noticed, and what was said is shown, this often."""
GRACE = 5.0
"""Seconds that a run may take to end once it is stopped, such as to close its connections."""


def open_default() -> "AbstractAsyncContextManager[Hall]":
    from guildhall.agents.hall import Hall

    return Hall.open(host="jupyter")


class _Open(NamedTuple):
    """A Hall, the loop in which it lives, and what is at work there."""

    hall: "Hall"
    loop: asyncio.AbstractEventLoop
    closing: asyncio.Event
    tasks: set[asyncio.Task[Any]]


class Engine:
    """One thread with an event loop and a Hall, from the first run on: no cell can stall another's run."""

    def __init__(self, open_hall: "OpenHall" = open_default) -> None:
        self._open_hall = open_hall
        self._opened: Future[_Open] | None = None
        self._thread: threading.Thread | None = None

    def run(
        self, work: "Callable[[Hall], Coroutine[Any, Any, T]]", *, each_tick: Callable[[], None] | None = None
    ) -> T:
        """The outcome of the work, done in the engine's thread; `each_tick` is called in the caller's.

        If the user interrupts, the work is cancelled to its end and Interrupted is raised.
        """
        show = each_tick or _nothing
        job: _Job[T] | None = None
        try:
            opened = self._wait_until_open()
            job = _Job(opened, work(opened.hall))
            while not job.ended.wait(TICK):
                show()
        except KeyboardInterrupt:
            raise Interrupted(_stopped(job)) from None
        show()
        return job.result()

    def close(self) -> None:
        """End the thread, and with it whatever is at work in it."""
        opened, thread, self._opened, self._thread = self._opened, self._thread, None, None
        if opened is None or thread is None or not thread.is_alive():
            return
        hall = opened.result(GRACE)
        hall.loop.call_soon_threadsafe(hall.closing.set)
        thread.join(GRACE)

    def _wait_until_open(self) -> _Open:
        if self._opened is None or self._thread is None or not self._thread.is_alive():
            self._opened = Future()
            self._thread = threading.Thread(
                target=_live, args=(self._open_hall, self._opened), name="guildhall", daemon=True
            )
            self._thread.start()
        while True:
            try:
                return self._opened.result(TICK)
            except TimeoutError:
                if self._opened.done():  # it was the opening itself that timed out
                    raise


class _Job(Generic[T]):
    """Work in the engine's loop, seen from another thread."""

    def __init__(self, opened: _Open, work: Coroutine[Any, Any, T]) -> None:
        self.ended = threading.Event()
        self._opened = opened
        self._task: asyncio.Task[T] | None = None
        opened.loop.call_soon_threadsafe(self._start, work)

    def cancel(self) -> None:
        self._opened.loop.call_soon_threadsafe(self._cancel)

    def result(self) -> T:
        assert self._task is not None
        return self._task.result()

    def _start(self, work: Coroutine[Any, Any, T]) -> None:
        self._task = self._opened.loop.create_task(work)
        self._opened.tasks.add(self._task)
        self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[T]) -> None:
        self._opened.tasks.discard(task)
        self.ended.set()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _stopped(job: _Job[Any] | None) -> str:
    """What is said of work that the user stopped, once it has ended."""
    if job is None:
        return "stopped before the run began"
    job.cancel()
    if job.ended.wait(GRACE):
        return "the run was stopped"
    return f"the run was told to stop, and has not ended within {GRACE:g} seconds"


def _live(open_hall: "OpenHall", opened: Future[_Open]) -> None:
    """The life of the engine's thread."""
    try:
        asyncio.run(_keep_open(open_hall, opened))
    except BaseException as error:
        if opened.done():
            raise
        opened.set_exception(error)  # it belongs to whoever waits for the Hall


async def _keep_open(open_hall: "OpenHall", opened: Future[_Open]) -> None:
    async with open_hall() as hall:
        here = _Open(hall, asyncio.get_running_loop(), asyncio.Event(), set())
        opened.set_result(here)
        await here.closing.wait()
        for task in (tasks := list(here.tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _nothing() -> None: ...
