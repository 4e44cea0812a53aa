"""Who wants to be told when a run goes on, in either era of the protocol."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

from guildhall.errors import UserError
from guildhall.redact import logger

if TYPE_CHECKING:
    from .jobs import Jobs

log = logger(__name__)
MOST = 100
"""Addresses that one host is told of; the oldest makes room."""
RECENT = "runs://recent"


@dataclass(frozen=True)
class _Wanted:
    """What a host has subscribed to, under the address that it gave."""

    whole: str
    session: ServerSession


class Subscriptions:
    """Older hosts subscribe to an address, newer ones listen: both are told of the same."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self.bus)
        self._wanted: dict[Connection, dict[str, _Wanted]] = {}
        self._listened = Counter[tuple[str, str]]()
        """How many listen to an address, beside which is the whole one."""

    async def add(self, uri: str, session: ServerSession, jobs: "Jobs") -> None:
        """Tell the host of the session from now on. Raises UserError for what nobody is told of."""
        whole = await _whole(uri, jobs)
        host = session._connection  # noqa: SLF001  the session itself lasts for one request
        if host not in self._wanted:
            host.exit_stack.callback(self._wanted.pop, host, None)
        wanted = self._wanted.setdefault(host, {})
        wanted.pop(uri, None)
        wanted[uri] = _Wanted(whole, session)
        if len(wanted) > MOST:
            del wanted[next(iter(wanted))]

    def remove(self, uri: str, session: ServerSession) -> None:
        host = session._connection  # noqa: SLF001  as above
        self._wanted.get(host, {}).pop(uri, None)

    async def listen(
        self, ctx: ServerRequestContext["Jobs", Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Tell the host of what can be told; the acknowledgement says of what."""
        served: dict[str, str] = {}
        for uri in (params.notifications.resource_subscriptions or ())[:MOST]:
            try:
                served[uri] = await _whole(uri, ctx.lifespan_context)
            except UserError as error:
                log.info("nobody is told of %s: %s", uri, error)
        asked = params.notifications.model_copy(update={"resource_subscriptions": [*served]})
        self._listened.update(served.items())
        try:
            return await self._listen(ctx, params.model_copy(update={"notifications": asked}))
        finally:
            self._listened.subtract(served.items())
            self._listened += Counter()  # drops those that nobody listens to any more

    async def tell(self, uri: str) -> None:
        """Tell all who want it that there is more to read there."""
        for address in {address for address, whole in self._listened if whole == uri} | {uri}:
            await self.bus.publish(ResourceUpdated(uri=address))
        wanted = [each.items() for each in self._wanted.values()]
        told = [(address, one.session) for each in wanted for address, one in each if one.whole == uri]
        await asyncio.gather(*(self._tell(address, session) for address, session in told))

    async def _tell(self, uri: str, session: ServerSession) -> None:
        try:
            async with asyncio.timeout(1.0):
                await session.send_resource_updated(uri)
        except (MCPError, OSError, RuntimeError, TimeoutError):  # it has gone
            self.remove(uri, session)


async def _whole(uri: str, jobs: "Jobs") -> str:
    """The address with the whole id of its run, which is followed from now on, wherever it is at work."""
    if uri == RECENT:
        return uri
    found = re.fullmatch(r"run://([^/?#]+)", uri)
    if found is None:
        raise UserError(f"nobody is told of changes to {uri!r:.80}: subscribe to run://ID or {RECENT}")
    return f"run://{(await jobs.find(found[1])).id}"
