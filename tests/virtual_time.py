"""Time that goes by only where everybody waits for it: tests of limits take none, on a busy machine too."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def virtual_time() -> Iterator[None]:
    """Have the running loop go straight to the next moment that anybody waits for."""
    loop: Any = asyncio.get_running_loop()
    selector = loop._selector
    real_time, real_select, now = loop.time, selector.select, loop.time()

    def select(timeout: float | None = None) -> Any:
        nonlocal now
        ready = real_select(timeout if timeout is None else 0)
        now += 0 if ready or timeout is None else max(timeout, 0)
        return ready

    loop.time, selector.select = lambda: now, select
    try:
        yield
    finally:
        loop.time, selector.select = real_time, real_select
