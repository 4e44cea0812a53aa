"""Who wants to be told when a run goes on, in either era of the protocol."""

import asyncio
import contextlib
from collections import defaultdict

from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated
from mcp.shared.exceptions import MCPError

from guildhall.redact import logger

log = logger(__name__)
MOST = 100
"""Addresses that one server keeps subscribers of."""


class Subscriptions:
    """Older hosts subscribe to an address, newer ones listen: both are told of the same."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self._sessions: defaultdict[str, list[ServerSession]] = defaultdict(list)

    def add(self, uri: str, session: ServerSession) -> None:
        if len(self._sessions) < MOST and session not in self._sessions[uri]:
            self._sessions[uri].append(session)

    def remove(self, uri: str, session: ServerSession) -> None:
        with contextlib.suppress(ValueError):
            self._sessions[uri].remove(session)
        if not self._sessions[uri]:
            del self._sessions[uri]

    async def tell(self, uri: str) -> None:
        """Tell all who want it that there is more to read there."""
        await self.bus.publish(ResourceUpdated(uri=uri))
        for session in [*self._sessions.get(uri, ())]:
            try:
                async with asyncio.timeout(1.0):
                    await session.send_resource_updated(uri)
            except (MCPError, OSError, RuntimeError, TimeoutError):  # it has gone
                self.remove(uri, session)
