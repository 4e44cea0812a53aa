"""What a run may spend: reserved before each attempt at a model call, settled after it."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from guildhall.errors import BudgetRefused


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


NOTHING = Amount()
_Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Budget:
    """Limits of one run; what is None is not limited. They hold however many members work at once."""

    usd: _Limit | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    """Input and output together."""
    calls: Annotated[int, Field(gt=0)] | None = None
    """Attempts at model calls."""
    seconds: _Limit | None = None
    """Working time; of a resumed run, all its sittings together."""
    depth: Annotated[int, Field(ge=1, le=64)] = 16
    """Teams within teams."""


class Meter:
    """What a run has spent and what is reserved, held against its budget."""

    def __init__(self, budget: Budget, *, spent: Amount = NOTHING, seconds: float = 0.0) -> None:
        self.budget = budget
        self.spent = spent
        self.held = NOTHING
        self._began = time.monotonic() - seconds
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        return math.inf if self.budget.seconds is None else self.budget.seconds - self.seconds

    async def reserve(self, most: Amount, model: str = "MODEL") -> "Reservation":
        """Hold `most`, after waiting if only the reservations of others are in the way.

        Raises BudgetRefused where what is already spent leaves no room for it.
        """
        while True:
            self._refuse_what_cannot_fit(most, model)
            if self._lacking(self.spent + self.held + most) is None:
                break
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self.held += most
        return Reservation(self, most)

    def _refuse_what_cannot_fit(self, most: Amount, model: str) -> None:
        if most.unpriced and self.budget.usd is not None:
            raise BudgetRefused(
                f"the price of {model} is not known, so no budget in USD can hold; give it in config.toml "
                f'under [prices."{model}"], with input and output in USD per million tokens, or limit '
                "calls or tokens instead"
            )
        if self.seconds_left <= 0:
            raise BudgetRefused(
                f"the run's {self.budget.seconds:g} seconds are over; resume it with a larger budget"
            )
        if unit := self._lacking(self.spent + most):
            spent, need, limit = (getattr(part, unit) for part in (self.spent, most, self.budget))
            of = f"{_said(spent, unit)} of {_said(limit, unit)}".replace(f" {unit} of", " of")
            raise BudgetRefused(
                f"no room for another call: it may take {_said(need, unit)}, and {of} are spent; "
                f"resume the run with a larger budget of {unit}"
            )

    def _lacking(self, total: Amount) -> str | None:
        """The first unit of which the budget has less than `total`."""
        budget = self.budget
        if budget.calls is not None and total.calls > budget.calls:
            return "calls"
        if budget.tokens is not None and total.tokens > budget.tokens:
            return "tokens"
        if budget.usd is not None and total.usd > budget.usd:
            return "usd"
        return None

    def _settle(self, most: Amount, actual: Amount) -> None:
        held = self.held - most
        self.held = held if held.calls else NOTHING  # or rounding of dollars would add up
        self.spent += actual
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


def _said(number: float, unit: str) -> str:
    if unit == "usd":
        return f"${number:.4f}"
    return f"{number:,g} {unit if number != 1 else unit.removesuffix('s')}"
