"""An event loop whose clock leaps to the next thing that is to happen, so that waiting costs no time."""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class LeapingLoop(asyncio.SelectorEventLoop):
    """Where nothing is left to do but to wait, its time is at once that at which the wait ends.

    So what takes a second of its time does so however busy the machine is. It must wait for nothing else
    than its own clock: work for threads is done in its own.
    """

    def __init__(self) -> None:
        self._leapt = 0.0
        super().__init__(_Leaping(self._leap))
        self.set_default_executor(_AtOnce(max_workers=1))

    def time(self) -> float:
        return self._leapt

    def _leap(self, seconds: float | None) -> None:
        if seconds is None:
            raise RuntimeError("nothing can happen any more, and the run has not ended")
        self._leapt += max(seconds, 0.0)


class _Leaping(selectors.DefaultSelector):
    """Waits for nothing, but tells how long it should have."""

    def __init__(self, leap: Callable[[float | None], None]) -> None:
        super().__init__()
        self._tell = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            self._tell(timeout)
        return ready


class _AtOnce(ThreadPoolExecutor):
    """Does in the thread of its caller what it is given."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  whoever waits for it gets it
            done.set_exception(error)
        return done
