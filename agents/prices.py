"""What calls cost."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Real
from typing import Any, NamedTuple

from guildhall.errors import UserError

from .budget import Amount
from .message import Usage
from .models.base import Model

_WRITING = 1.25
"""What Anthropic asks for input that goes into its cache, as a multiple of other input; it is asked to
keep all that we send. docs.claude.com, "Prompt caching"."""
FREE = ("extractive", "scripted")
"""Models that are part of this package."""


class Price(NamedTuple):
    """USD for a million tokens."""

    input: float
    output: float
    cached: float | None = None
    """Of input that is read from the provider's cache; as other input if not given."""
    written: float | None = None
    """Of input that is written to that cache; if not given, at Anthropic's rate there, and as other input
    elsewhere."""

    def of(self, usage: Usage, provider: str) -> float:
        """USD of a call."""
        cached = self.input if self.cached is None else self.cached
        usual = self.input * (_WRITING if provider == "anthropic" else 1)
        written = usual if self.written is None else self.written
        fresh = max(0, usage.input - usage.cached - usage.cache_written)
        parts = ((fresh, self.input), (usage.cached, cached), (usage.cache_written, written))
        return (sum(tokens * usd for tokens, usd in parts) + usage.output * self.output) / 1e6


@dataclass(frozen=True)
class Prices:
    """Prices by the name of the model: those of the configuration, else what the model itself states, else
    those of the `genai-prices` tables."""

    own: Mapping[str, Price] = field(default_factory=dict)

    def of(self, model: Model, usage: Usage) -> Amount:
        """What a reply with this usage costs."""
        usd = self._usd(model, usage)
        return Amount(1, usage.input, usage.output, usage.cached, usd or 0.0, int(usd is None))

    def amount(self, model: Model, tokens_in: int, tokens_out: int) -> Amount:
        """What a call with that many tokens costs at most: none is read from a cache."""
        into_cache = tokens_in if model.name.startswith("anthropic:") else 0
        return self.of(model, Usage(input=tokens_in, output=tokens_out, cache_written=into_cache))

    def knows(self, model: Model) -> bool:
        """Whether the model has a price."""
        return self._usd(model, Usage()) is not None

    def _usd(self, model: Model, usage: Usage) -> float | None:
        provider, _, model_name = model.name.partition(":")
        if price := self.own.get(model.name) or stated_price(model):
            return price.of(usage, provider)
        if provider in FREE:
            return 0.0
        if provider not in ("anthropic", "openai"):
            return None
        return _listed(provider, model_name, usage)


def stated_price(model: Model) -> Price | None:
    """The price that the model itself states; None if it states none. Raises UserError if it can be none."""
    given = getattr(model, "price", None)
    if given is None:
        return None
    parts = given if isinstance(given, tuple | list) else ()
    try:
        price = _price_of(*parts)
    except TypeError:  # of a part that has no hash, or too many parts
        price = None
    if price is None:
        raise UserError(
            f"the price of the model {getattr(model, 'name', model)!s:.80} is {given!r:.80}; it must be a "
            "pair (input, output) of finite numbers from 0 on, in USD for a million tokens, or None if it is "
            "not known"
        )
    return price


@lru_cache(maxsize=256, typed=True)
def _price_of(read: Any, said: Any, cached: Any = None, written: Any = None) -> Price | None:
    """The parts as a price, if they can be one."""
    known = (read, said, *(part for part in (cached, written) if part is not None))
    if not all(map(_is_price, known)):
        return None
    return Price(*(None if part is None else float(part) for part in (read, said, cached, written)))  # type: ignore[arg-type]  # the first two are numbers


def _is_price(part: Any) -> bool:
    return isinstance(part, Real) and not isinstance(part, bool) and 0 <= part <= sys.float_info.max  # type: ignore[operator]  # Real has no order in its stubs


@lru_cache(maxsize=4096)
def _listed(provider: str, model: str, usage: Usage) -> float | None:
    """The price in the tables of `genai-prices`; None where they do not know the model."""
    import genai_prices

    tokens = genai_prices.Usage(
        input_tokens=max(usage.input, usage.cached + usage.cache_written),
        output_tokens=usage.output,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_written,
    )
    try:
        return float(genai_prices.calc_price(tokens, model, provider_id=provider).total_price)
    except LookupError:
        return None
