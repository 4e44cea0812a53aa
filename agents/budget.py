"""What a run may spend: reserved before each attempt at a model call, settled after it."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from guildhall.errors import BudgetRefused, UserError

from .config import how_to_price


@dataclass(frozen=True, slots=True)
class Amount:
    """What calls cost. `usd` counts those with a known price; `unpriced` is the number of the others."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    usd: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        return self.input + self.output

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.calls + other.calls,
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.usd + other.usd,
            self.unpriced + other.unpriced,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(
            self.calls - other.calls,
            self.input - other.input,
            self.output - other.output,
            self.cached - other.cached,
            self.usd - other.usd,
            self.unpriced - other.unpriced,
        )

    def times(self, many: int) -> "Amount":
        return Amount(
            self.calls * many,
            self.input * many,
            self.output * many,
            self.cached * many,
            self.usd * many,
            self.unpriced * many,
        )


NOTHING = Amount()


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of one run; what is None is not limited. They hold however many members work at once."""

    usd: float | None = None
    tokens: int | None = None
    """Input and output together."""
    calls: int | None = None
    """Attempts at model calls."""
    seconds: float | None = None
    """Working time; of a resumed run, all its sittings together."""
    depth: int = 16
    """Teams within teams."""
    by_default: bool = False
    """Whether `usd` is the limit of the configuration, which nobody asked for: it takes no note of models
    whose price is not known."""

    @property
    def strict(self) -> bool:
        """Whether somebody limits the USD, so that no call may be of unknown price."""
        return self.usd is not None and not self.by_default

    def __post_init__(self) -> None:
        for unit in ("usd", "tokens", "calls", "seconds"):
            limit, whole = getattr(self, unit), unit in ("tokens", "calls")
            if limit is not None and not (_is_number(limit, whole=whole) and 0 < limit < math.inf):
                number = "whole number" if whole else "number"
                raise UserError(f"the budget of {unit} is {limit!r:.80}; give a {number} above 0")
        if not (_is_number(self.depth, whole=True) and 1 <= self.depth <= 64):
            raise UserError(f"the budget of depth is {self.depth!r:.80}; give a whole number from 1 to 64")


class Meter:
    """What a run has spent and what is reserved, held against its budget."""

    def __init__(self, budget: Budget, *, spent: Amount = NOTHING, seconds: float = 0.0) -> None:
        self.budget = budget
        self.spent = spent
        self.held = NOTHING
        self._began = time.monotonic() - seconds
        self._waiting: list[asyncio.Future[None]] = []
        self._questions = 0
        self._stands: float | None = None  # since when the clock does
        self._limits: dict[asyncio.Timeout, float] = {}

    @property
    def seconds(self) -> float:
        """Working time. While a human is asked and no call is in flight, the clock stands."""
        return (time.monotonic() if self._stands is None else self._stands) - self._began

    @property
    def seconds_left(self) -> float:
        return math.inf if self.budget.seconds is None else self.budget.seconds - self.seconds

    def fits(self, most: Amount) -> bool:
        """Whether what is already spent leaves room for it."""
        return not (most.unpriced and self.budget.strict) and self._lacking(self.spent, most) is None

    async def reserve(
        self, most: Amount, model: str = "MODEL", *, on_wait: Callable[[str], None] | None = None
    ) -> "Reservation":
        """Hold `most`, after waiting if only the reservations of others are in the way.

        `on_wait` is told so, once. Raises BudgetRefused where what is already spent leaves no room for it.
        """
        while True:
            self._refuse_what_cannot_fit(most, model)
            if (unit := self._lacking(self.spent, self.held, most)) is None:
                break
            if on_wait is not None:
                on_wait(f"other calls of this run hold what is left of its {unit}")
                on_wait = None
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self.held += most
        self._see_whether_the_clock_stands()
        return Reservation(self, most)

    @contextmanager
    def asking_a_human(self) -> Iterator[None]:
        """Around the wait for an answer, which is no time of the run."""
        self._questions += 1
        self._see_whether_the_clock_stands()
        try:
            yield
        finally:
            self._questions -= 1
            self._see_whether_the_clock_stands()

    @asynccontextmanager
    async def in_time(self, grace: float) -> AsyncIterator[None]:
        """Cut short what takes until `grace` after the end of the run's seconds. Raises BudgetRefused."""
        if self.budget.seconds is None:
            yield
            return
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limits[limit] = grace
                self._reschedule(limit)
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self.out_of_time() from error
        finally:
            self._limits.pop(limit, None)

    def _see_whether_the_clock_stands(self) -> None:
        stands = bool(self._questions) and not self.held.calls
        if stands == (self._stands is not None):
            return
        now = time.monotonic()
        if self._stands is not None:
            self._began += now - self._stands
        self._stands = now if stands else None
        for limit in self._limits:
            self._reschedule(limit)

    def _reschedule(self, limit: asyncio.Timeout) -> None:
        if not limit.expired():
            left = None if self._stands is not None else max(self.seconds_left, 0) + self._limits[limit]
            limit.reschedule(left and asyncio.get_running_loop().time() + left)

    def _refuse_what_cannot_fit(self, most: Amount, model: str) -> None:
        if most.unpriced and self.budget.strict:
            raise BudgetRefused(
                f"the price of {model} is not known, so no budget in USD can hold; {how_to_price(model)}, or "
                "limit calls or tokens instead",
                "usd",
            )
        if self.seconds_left <= 0:
            raise self.out_of_time()
        if unit := self._lacking(self.spent, most):
            spent, need, limit = (getattr(part, unit) for part in (self.spent, most, self.budget))
            of = f"{_said(spent, unit)} of {_said(limit, unit)}".replace(f" {unit} of", " of")
            whose = ""
            if unit == "usd" and self.budget.by_default:
                whose = " of the default budget (`[budget] usd` in config.toml, or --budget-usd)"
            raise BudgetRefused(
                f"no room for another call: it may take {_said(need, unit)}, and {of}{whose} are spent; "
                f"resume the run with a larger budget of {unit}",
                unit,
            )

    def out_of_time(self) -> BudgetRefused:
        """What is raised where the run's seconds are over."""
        return BudgetRefused(
            f"the run's {self.budget.seconds:g} seconds are over; resume it with a larger budget of seconds",
            "seconds",
        )

    def _lacking(self, *amounts: Amount) -> str | None:
        """The first unit of which the budget has less than all these together."""
        budget = self.budget
        if budget.calls is not None and sum([part.calls for part in amounts]) > budget.calls:
            return "calls"
        if budget.tokens is not None and sum([part.tokens for part in amounts]) > budget.tokens:
            return "tokens"
        if budget.usd is not None and sum([part.usd for part in amounts]) > budget.usd:
            return "usd"
        return None

    def _settle(self, most: Amount, actual: Amount) -> None:
        held = self.held - most
        self.held = held if held.calls else NOTHING  # or rounding of dollars would add up
        self.spent += actual
        self._see_whether_the_clock_stands()
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class Reservation:
    """A part of the budget that is held for one attempt."""

    __slots__ = ("_meter", "_open", "most")

    def __init__(self, meter: Meter, most: Amount) -> None:
        self._meter, self.most, self._open = meter, most, True

    def settle(self, actual: Amount) -> None:
        """Put what was really spent in place of what was held; the first time counts."""
        if self._open:
            self._open = False
            self._meter._settle(self.most, actual)  # noqa: SLF001  two halves of one thing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.settle(NOTHING)


def _is_number(value: Any, *, whole: bool) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


def _said(number: float, unit: str) -> str:
    if unit == "usd":
        return f"${number:.4f}"
    return f"{number:,g} {unit if number != 1 else unit.removesuffix('s')}"
