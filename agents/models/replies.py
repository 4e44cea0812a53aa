"""Replies that were paid for: on disk, or on their way for somebody who asked the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from guildhall.errors import ProviderError, StoreError
from guildhall.memory.store.cache import Cache
from guildhall.redact import logger

from ..config import CacheMode
from ..message import ModelReply
from .base import Model
from .guarded import Tries

log = logger(__name__)
Ask = Callable[[], Awaitable[ModelReply]]


@dataclass(eq=False, slots=True)
class _Flight:
    """A request that somebody is at work on."""

    models: tuple[str, ...]
    tries: Tries
    """Of the one who asks, and whom."""
    landed: "asyncio.Future[ModelReply | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """None where there is no reply."""
    new: bool = False
    """Whether the reply was asked for, and not found."""
    failed: bool = False
    """Whether the models gave none."""

    def land(self, reply: ModelReply | None) -> None:
        if not self.landed.done():
            self.landed.set_result(reply)


class Replies:
    """The cache of one hall, over the one that all processes share."""

    def __init__(self, cache: Cache, *, hours: float) -> None:
        self._cache, self._seconds = cache, hours * 3600
        self._flights: dict[str, _Flight] = {}

    async def reply(
        self, models: Sequence[Model], digest: str, mode: CacheMode, ask: Ask, tries: Tries
    ) -> tuple[ModelReply, bool]:
        """The reply of one of the models to the request of that digest, and whether it was there already.

        Who asks the same while `ask` is at work waits for it. If it fails, the next one asks, with what
        is left of the time for calls of these models. Where the first has no `identity`, it is always asked.
        """
        key, names = _key(models[0], digest), tuple(model.name for model in models)
        if mode == "off" or not key:
            return await ask(), False
        while (flight := self._flights.get(key)) is not None:
            await asyncio.wait([flight.landed])
            reply = flight.landed.result()
            if reply is not None and reply.model in names and (flight.new or mode == "use"):
                return reply, True
            if flight.failed and flight.models == names:  # else there may be time for others
                tries.seconds = max(tries.seconds, flight.tries.seconds)
        mine = self._flights[key] = _Flight(names, tries)
        reply = None
        try:
            if mode == "use" and (reply := await self._found(key)) is not None:
                return reply, True
            reply, mine.new = await ask(), True
            return reply, False
        except ProviderError:
            mine.failed = True
            raise
        finally:
            self._close(key, mine)
            mine.land(reply)

    def give_way(self, tries: Tries) -> None:
        """Let those who wait for this request ask themselves: it waits for the budget of its own run."""
        for key, flight in list(self._flights.items()):
            if flight.tries is tries:
                self._close(key, flight)
                flight.land(None)

    async def any_reply(self, digest: str) -> ModelReply | None:
        """The newest reply to the request, of whichever model."""
        try:
            found = await self._cache.find_any(digest, youngest=time.time() - self._seconds)
            return ModelReply.model_validate(found.value) if found else None
        except (StoreError, ValidationError):
            log.warning("the cache could not be read", exc_info=True)
            return None

    def keep(self, model: object, digest: str, reply: ModelReply) -> None:
        """Have the reply found from now on."""
        if key := _key(model, digest):
            value = reply.model_dump(mode="json", exclude_defaults=True, exclude={"source"})
            try:
                self._cache.keep(key, digest, reply.model, value)
            except StoreError:
                log.warning("a reply could not be kept in the cache", exc_info=True)

    def _close(self, key: str, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _found(self, key: str) -> ModelReply | None:
        try:
            found = await self._cache.find(key, youngest=time.time() - self._seconds)
            return ModelReply.model_validate(found.value) if found else None
        except (StoreError, ValidationError):
            log.warning("the cache could not be read", exc_info=True)
            return None


def _key(model: object, digest: str) -> str:
    identity = getattr(model, "identity", "")
    return f"{identity} {digest}" if identity and digest else ""
