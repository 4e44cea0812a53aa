"""What calls cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from .budget import Amount
from .message import Usage
from .models.base import Model

FREE = ("extractive", "scripted")
"""Models that are part of this package."""


class Price(NamedTuple):
    """USD for a million tokens."""

    input: float
    output: float
    cached: float | None = None
    """Of input that is read from the provider's cache; as other input if not given."""


@dataclass(frozen=True)
class Prices:
    """Prices by the name of the model: the user's own, else those of the `genai-prices` tables."""

    own: Mapping[str, Price] = field(default_factory=dict)

    def of(self, model: Model, usage: Usage) -> Amount:
        """What a reply with this usage costs."""
        usd = self._usd(model, usage)
        return Amount(1, usage.input, usage.output, usage.cached, usd or 0.0, int(usd is None))

    def amount(self, model: Model, tokens_in: int, tokens_out: int) -> Amount:
        """What a call with that many tokens costs, none of them cached."""
        return self.of(model, Usage(input=tokens_in, output=tokens_out))

    def knows(self, model: Model) -> bool:
        """Whether the model has a price."""
        return self._usd(model, Usage()) is not None

    def _usd(self, model: Model, usage: Usage) -> float | None:
        name = model.name
        price = self.own.get(name) or getattr(model, "price", None)
        if price is not None:
            cached = price[0] if len(price) < 3 or price[2] is None else price[2]
            fresh = usage.input - usage.cached
            return (fresh * price[0] + usage.cached * cached + usage.output * price[1]) / 1e6
        provider, _, model_name = name.partition(":")
        if provider in FREE:
            return 0.0
        if provider not in ("anthropic", "openai"):
            return None
        return _listed(provider, model_name, usage)


@lru_cache(maxsize=4096)
def _listed(provider: str, model: str, usage: Usage) -> float | None:
    """The price in the tables of `genai-prices`; None where they do not know the model."""
    import genai_prices

    tokens = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_written,
    )
    try:
        return float(genai_prices.calc_price(tokens, model, provider_id=provider).total_price)
    except LookupError:
        return None
