"""A limit of time for a member, which goes by only while the member could be at work."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from .. import event as ev
from ..message import Message
from ..run import Run

_WAITS = ("limit", "budget")
"""What a call waits for that is no fault of the member."""


async def in_time(
    start: Callable[[], Coroutine[Any, Any, Message]], seconds: float, run: Run
) -> Message | None:
    """The answer of the member that `start` gives something in the span `run`; None where it is stopped.

    The clock stands while the user is asked below there, and while all that is under way there waits for a
    slot or for the budget.
    """
    clock = _Clock(run.path)
    run.state.observe(clock)
    try:
        work = start()  # its span is the first that is opened below
        try:
            async with asyncio.timeout(seconds) as clock.limit:
                clock.see()
                return await work
        except TimeoutError:
            if clock.limit is None or not clock.limit.expired():
                raise
            return None
    finally:
        run.state.ignore(clock)


class _Clock:
    """Stops and goes on by what happens in one member's span."""

    def __init__(self, above: str) -> None:
        self.limit: asyncio.Timeout | None = None
        self._above, self._path = above, ""
        self._left: float | None = None  # while it stands
        self._questions: dict[int, str] = {}
        self._flying: set[int] = set()
        self._waiting: set[str] = set()

    def streamed(self, path: str) -> None:
        """Pieces of a reply are no matter."""

    def __call__(self, event: ev.Event) -> None:
        if not self._path and isinstance(event, ev.Started) and event.path.rpartition("/")[0] == self._above:
            self._path = event.path
        if not self._path or not _is_below(event.path, self._path):
            return
        match event:
            case ev.Question():
                self._questions[event.id] = event.path
            case ev.Answered():
                self._questions.pop(event.question, None)
            case ev.Decided() if event.what in _WAITS and event.choice == "waits":
                self._waiting.add(event.path)
            case ev.Asked() | ev.Called():
                self._flying.add(event.id)
                self._waiting.discard(event.path)
            case ev.Replied() | ev.Lost():
                self._flying.discard(event.asked)
            case ev.Returned():
                self._flying.discard(event.called)
            case ev.Finished():
                self._end(event.path)
        self.see()

    def _end(self, path: str) -> None:
        """Nothing below there is waited for any more."""
        self._waiting = {one for one in self._waiting if not _is_below(one, path)}
        self._questions = {id_: one for id_, one in self._questions.items() if not _is_below(one, path)}

    def see(self) -> None:
        """Have the limit stand, or go on with the seconds that were left."""
        if self.limit is None or self.limit.expired():
            return
        stands, now = bool(self._questions or (self._waiting and not self._flying)), _now()
        if stands and (ends := self.limit.when()) is not None:
            self._left = max(0.0, ends - now)
            self.limit.reschedule(None)
        elif not stands and self._left is not None:
            self.limit.reschedule(now + self._left)
            self._left = None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}/")
