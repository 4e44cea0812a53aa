"""A model server that holds its replies back until a test lets them go."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fake_models import FakeModels, Says, fake_models

LONG = 60.0
"""Seconds after which something that has to come does not come any more."""


class Gate:
    """Holds the replies of a model server back until it is opened, but for the first few that are `free`."""

    SAID = "Said behind the gate."

    def __init__(self, server: FakeModels) -> None:
        self.server, self.open, self.free = server, threading.Event(), 0
        server.reply = lambda _body, _api: Says(
            self.SAID, after=self.open if len(server.requests) > self.free else None
        )

    async def reached(self, calls: int = 2) -> None:
        """Wait until so many calls are held."""
        await self._until(lambda server: server.in_flight == calls)

    async def reached_after(self, answered: int) -> None:
        """Wait until one call is held, and so many before it were answered."""
        await self._until(lambda server: server.in_flight == 1 and server.good.total() == answered)

    async def left(self, calls: int, *, seconds: float) -> None:
        """Wait until so many callers have hung up; they may take so many seconds."""
        await self._until(lambda server: server.disconnected == calls, seconds)

    async def _until(self, condition: Callable[[FakeModels], bool], seconds: float = LONG) -> None:
        await asyncio.to_thread(self.server.wait_for, condition, seconds)


@contextmanager
def gated() -> Iterator[Gate]:
    with fake_models() as server:
        gate = Gate(server)
        yield gate
        gate.open.set()
