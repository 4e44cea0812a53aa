"""The Hall of a server: opened by the first call that needs it, closed with the server."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import Context
from importlib import import_module
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from guildhall.agents.discovery import Library
    from guildhall.agents.hall import Hall

LATER = (
    "guildhall.agents.hall", "guildhall.memory.asked", "guildhall.view.recalled", "guildhall.view.reduce",
)  # fmt: skip
"""What calls of the tools import, and no start."""
OpenHall = Callable[[], "AbstractAsyncContextManager[Hall]"]


def open_default() -> "AbstractAsyncContextManager[Hall]":
    """The Hall of the project around the working folder; imported only now."""
    from guildhall.agents.hall import Hall

    from .sampling import HostModel

    _drop_unresolved()
    return Hall.open(host="mcp", recalls_private=False, interrupts=True, host_model=HostModel())


def warm_up() -> None:
    """Import what a first call needs, while the host and its model think of one."""
    for name in LATER:
        with suppress(Exception):  # whoever needs it says what is wrong with it
            import_module(name)


class LazyHall:
    """Opens and closes the Hall in a task of its own, whichever request asked for it first."""

    def __init__(self, open_hall: OpenHall = open_default) -> None:
        self._open = open_hall
        self._closing = asyncio.Event()
        self._opened: asyncio.Future[Hall] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def get(self) -> "Hall":
        """The open Hall. Where opening failed, the next call tries again."""
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
            keeping = self._keep(self._opened)
            self._keeper = asyncio.create_task(keeping, name="hall", context=Context())
        return await asyncio.shield(self._opened)

    async def library(self) -> "Library":
        """The teams and specialists. Hosts list them at their start, for which nothing need be opened."""
        if self._opened is not None or self._open is not open_default:
            return (await self.get()).library.steady()
        from guildhall.agents.discovery import Library
        from guildhall.home import data_folder, project_folder

        _drop_unresolved()
        return Library(project_folder(), data_folder(), steady=True)

    async def close(self) -> None:
        self._closing.set()
        if self._keeper is not None:
            with anyio.CancelScope(shield=True):
                await self._keeper

    async def _keep(self, opened: "asyncio.Future[Hall]") -> None:
        try:
            async with self._open() as hall:
                opened.set_result(hall)
                await self._closing.wait()
        except Exception as error:
            if opened.done():
                raise
            self._opened = None
            opened.set_exception(error)


def _drop_unresolved() -> None:
    """Do without variables in which the host has left a reference as it is: that is no key, and no folder."""
    from guildhall.hosts import unresolved

    for name in unresolved(os.environ):
        del os.environ[name]
