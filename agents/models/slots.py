"""Calls that wait until their model's limits have room for them."""

import asyncio
import contextlib
import itertools
import random
import time
from bisect import insort
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from guildhall.errors import ProviderError
from guildhall.memory.store.limits import AGAIN, Claim, Limit, Limits, Refusal

SPREAD = 0.1
"""The part of a pause within which the calls that waited for its end are sent, at random."""


class Slot:
    """The right to one call, until it is freed."""

    def __init__(self, give_back: Callable[[int | None], None] | None = None) -> None:
        self._give_back = give_back

    def free(self, *, tokens: int | None = None) -> None:
        """Let another call have it; `tokens` were really used (None: nobody knows).

        Never waits, never fails, and may be called again.
        """
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(tokens)


@dataclass(eq=False)
class _Waiter:
    model: str
    place: tuple[int, int]
    """The lower, the sooner."""
    on_wait: Callable[[str], None]
    told: set[str] = field(default_factory=set)
    spread: float = 0.0
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def refused(self, refusal: Refusal) -> None:
        if refusal.paused:
            self.spread = max(self.spread, refusal.wait * SPREAD)
        if refusal.reason not in self.told:
            self.told.add(refusal.reason)
            self.on_wait(refusal.reason)

    async def sleep(self, seconds: float | None) -> None:
        """Return when it is woken, or so many seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        self.woken.clear()


class Slots:
    """Of the calls of one process that wait for a model, only the first asks the database."""

    def __init__(self, limits: Limits, of: Callable[[str], Limit]) -> None:
        """`of` gives the limits of a model, asked at each call."""
        self._limits, self._of = limits, of
        self._lines: defaultdict[str, list[_Waiter]] = defaultdict(list)
        self._numbers = itertools.count()

    async def take(
        self,
        model: str,
        *,
        account: str = "",
        tokens: int,
        priority: int = 0,
        longest: float = 60.0,
        on_wait: Callable[[str], None],
    ) -> Slot:
        """The right to one call that may use so many tokens; higher priority first, then who came first.

        A pause that the provider asks for holds for one `account`, which is the model's name if not given.
        `on_wait` is told why the call has to wait, each reason once. Raises ProviderError where the
        provider asked for a pause of more than `longest` seconds.
        """
        limit, account = self._of(model), account or model
        if not limit.given() and not await self._limits.is_paused(account):
            return Slot()
        claim = Claim(model, limit, tokens, priority, account)
        waiter = _Waiter(model, (-priority, next(self._numbers)), on_wait)
        try:
            refilled = await self._admitted(claim, waiter, longest)
            if waiter.spread:
                await asyncio.sleep(random.uniform(0, waiter.spread))  # noqa: S311  no secret depends on it
        except BaseException:
            self._limits.give_back(claim)
            raise
        finally:
            self._leave(account, waiter)

        def give_back(used: int | None) -> None:
            self._limits.give_back(claim, refilled=refilled, used=used)
            self._wake(account)

        return Slot(give_back)

    def pause(self, account: str, seconds: float) -> None:
        """Have all calls of all processes wait so long; for a Retry-After. Never waits, never fails."""
        self._limits.pause(account, seconds)

    async def _admitted(self, claim: Claim, waiter: _Waiter, longest: float) -> float:
        """When the tokens it takes will be refilled."""
        line = self._lines[claim.account]
        while True:
            pause = None
            if not line or waiter.place <= line[0].place:
                answer = await self._limits.admit(claim)
                if not isinstance(answer, Refusal):
                    return answer
                if answer.paused and answer.wait > longest:
                    raise _left_alone(waiter.model, answer.wait)
                pause = min(answer.wait, AGAIN)
                self._join(line, waiter)
                for each in line:
                    each.refused(answer)
            self._join(line, waiter)
            await waiter.sleep(pause)

    def _join(self, line: list[_Waiter], waiter: _Waiter) -> None:
        if waiter not in line:
            insort(line, waiter, key=lambda other: other.place)

    def _leave(self, account: str, waiter: _Waiter) -> None:
        line = self._lines[account]
        if waiter in line:
            line.remove(waiter)
            self._wake(account)

    def _wake(self, account: str) -> None:
        """Have the first who waits ask at once."""
        if line := self._lines[account]:
            line[0].woken.set()


def _left_alone(model: str, seconds: float) -> ProviderError:
    until = time.strftime("%H:%M", time.localtime(time.time() + seconds))
    return ProviderError(
        "rate_limit",
        f"{model} asked to be left alone until {until}, in {seconds:.0f} seconds: try again then, or give "
        "another model",
        retry_after=seconds,
        sent=False,
    )
