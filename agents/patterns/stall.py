"""A limit of time for a member, which goes by only while the member could be at work."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from .. import event as ev
from ..message import Message
from ..run import Run
from .under_way import UnderWay


async def in_time(
    start: Callable[[], Coroutine[Any, Any, Message]], seconds: float, run: Run
) -> Message | None:
    """The answer of the member that `start` gives something in the span `run`; None where it is stopped.

    The clock stands while the user is asked below there, and while all that is under way there waits for a
    slot or for the budget.
    """
    clock = _Clock()
    with run.state.observed(run.path, clock):
        work = start()  # its span is the first that is opened there
    with run.state.observed(clock.path, clock):
        try:
            async with asyncio.timeout(seconds) as clock.limit:
                return await work
        except TimeoutError:
            if clock.limit is None or not clock.limit.expired():
                raise
            return None


class _Clock:
    """Stops and goes on by what happens in one member's span."""

    def __init__(self) -> None:
        self.limit: asyncio.Timeout | None = None
        self.path = ""
        """Of the first event that was seen."""
        self._under_way = UnderWay()
        self._left: float | None = None  # while it stands

    def streamed(self, path: str) -> None:
        """Pieces of a reply are no matter."""

    def __call__(self, event: ev.Event) -> None:
        """Have the limit stand, or go on with the seconds that were left."""
        self.path = self.path or event.path
        self._under_way.see(event)
        if self.limit is None or self.limit.expired():
            return
        stands, now = self._under_way.asks_user or self._under_way.is_held_up, _now()
        if stands and (ends := self.limit.when()) is not None:
            self._left = max(0.0, ends - now)
            self.limit.reschedule(None)
        elif not stands and self._left is not None:
            self.limit.reschedule(now + self._left)
            self._left = None


def _now() -> float:
    return asyncio.get_running_loop().time()
