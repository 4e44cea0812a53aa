"""Replies that were paid for: on disk, or on their way for somebody who asked the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from guildhall.errors import StoreError
from guildhall.memory.store.cache import Cache
from guildhall.redact import logger

from ..config import CacheMode
from ..message import ModelReply

log = logger(__name__)
Ask = Callable[[], Awaitable[ModelReply]]


class Replies:
    """The cache of one hall, over the one that all processes share."""

    def __init__(self, cache: Cache, *, hours: float) -> None:
        self._cache, self._seconds = cache, hours * 3600
        self._coming: dict[str, asyncio.Future[ModelReply | None]] = {}

    async def reply(self, model: object, digest: str, mode: CacheMode, ask: Ask) -> tuple[ModelReply, bool]:
        """The reply to the request of that digest, and whether it was there already.

        Who asks the same while `ask` is at work waits for it; if it fails, the next one asks.
        A model without an `identity` is always asked.
        """
        key = _key(model, digest)
        if mode == "off" or not key:
            return await ask(), False
        while (coming := self._coming.get(key)) is not None:
            await asyncio.wait([coming])
            if (reply := coming.result()) is not None:
                return reply, True
        mine = self._coming[key] = asyncio.get_running_loop().create_future()
        reply = None
        try:
            if mode == "use" and (reply := await self._found(key)) is not None:
                return reply, True
            reply = await ask()
            return reply, False
        finally:
            del self._coming[key]
            mine.set_result(reply)

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
