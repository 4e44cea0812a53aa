"""The table of models: what is shipped in `models.toml`, overridden and extended by the user's config."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from guildhall.memory.store.limits import Limit

from ..config import Config, PriceConfig, Tier
from ..message import Frozen
from ..prices import FREE, Price
from .clients import is_local
from .providers import is_own

_Count = Annotated[int, Field(gt=0)]


class ModelRow(Frozen):
    """What is known of one model; None is for what is not known."""

    provider: str
    name: str
    """As its provider calls it."""
    tier: Tier | None = None
    strengths: tuple[str, ...] = ()
    speed: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Tokens a second."""
    context: _Count | None = None
    """Tokens that it takes."""
    takes: tuple[Literal["image", "pdf"], ...] | None = None
    price: PriceConfig | None = None
    """In place of the one that the tables of `genai-prices` have."""
    private: bool | str = False
    """An address: there, and nowhere else."""
    rpm: _Count | None = None
    tpm: _Count | None = None
    in_flight: _Count | None = None

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def full_name(self) -> str:
        """`provider:name`, as a user writes it."""
        return f"{self.provider}:{self.name}"


class Table:
    """The rows of all models that are known here, by `provider:name`."""

    def __init__(self, config: Config) -> None:
        self.shipped: tuple[str, ...] = tuple(_shipped())
        """Those that the package knows by itself."""
        self.rows: Mapping[str, ModelRow] = _shipped() | {
            name: _overridden(name, given.model_dump(exclude_none=True))
            for name, given in config.model.items()
        }

    def row(self, name: str) -> ModelRow | None:
        """What is known of the model `provider:name`."""
        return self.rows.get(name)

    def of(self, provider: str, tier: Tier) -> tuple[ModelRow, ...]:
        """The provider's models of that tier."""
        return tuple(row for row in self.rows.values() if (row.provider, row.tier) == (provider, tier))

    def provider_of(self, name: str) -> str | None:
        """Whose model it is that a provider calls `name`."""
        return next((row.provider for row in self.rows.values() if row.name == name), None)

    def is_private(self, name: str, base_url: str | None = None) -> bool:
        """Whether the model may be shown private data at that address, or at its provider's own if None.

        Those that are part of this package may. A mark without an address holds for this machine and for
        the provider itself: an address in the environment is changed more easily than what was trusted.
        """
        if name.partition(":")[0] in FREE:
            return True
        marked = row.private if (row := self.row(name)) else False
        if isinstance(marked, str):
            return marked.rstrip("/") == (base_url or "").rstrip("/")
        return marked and (base_url is None or is_local(base_url) or is_own(name.partition(":")[0], base_url))

    def limit(self, name: str) -> Limit:
        """How much may be asked of the model, by all processes of the user together."""
        row = self.row(name)
        return Limit(row.rpm, row.tpm, row.in_flight) if row else Limit()

    def prices(self) -> dict[str, Price]:
        """The prices that the table states itself."""
        return {
            name: Price(row.price.input, row.price.output, row.price.cached, row.price.written)
            for name, row in self.rows.items()
            if row.price is not None
        }


@cache
def _shipped() -> dict[str, ModelRow]:
    path = Path(__file__).parent.parent / "models.toml"
    rows = [ModelRow.model_validate(row) for row in tomllib.loads(path.read_text("utf-8"))["models"]]
    return {row.full_name: row for row in rows}


def _overridden(name: str, given: Mapping[str, object]) -> ModelRow:
    """The row of the shipped table, or a new one, with what the user says of it."""
    provider, _, model = name.partition(":")
    known = _shipped().get(name) or ModelRow(provider=provider, name=model)
    return ModelRow.model_validate({**known.model_dump(), **given})
