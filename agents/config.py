"""The user's configuration: `config.toml` in the data folder, checked strictly."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guildhall.errors import FileError
from guildhall.home import read_toml

from .prices import Price

_Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelsConfig(_Table):
    """What the tiers stand for, each as `provider:name`, and the model of a compatible server."""

    fast: str | None = None
    balanced: str | None = None
    strong: str | None = None
    compatible: str | None = None
    """The name under which the server at GUILDHALL_BASE_URL or OPENAI_BASE_URL knows its model."""


class PriceConfig(_Table):
    """USD for a million tokens."""

    input: _Usd
    output: _Usd
    cached: _Usd | None = None


class Config(_Table):
    models: ModelsConfig = ModelsConfig()
    prices: dict[str, PriceConfig] = {}

    @property
    def own_prices(self) -> dict[str, Price]:
        return {name: Price(p.input, p.output, p.cached) for name, p in self.prices.items()}


def read_config(home: Path) -> Config:
    """The configuration, with defaults for what it does not say. Raises FileError."""
    path = home / "config.toml"
    try:
        return Config.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where, given = ".".join(map(str, first["loc"])), first["input"]
        if first["type"] == "extra_forbidden":
            problem = f"there is no key {where}; allowed are {', '.join(_allowed(first['loc'][:-1]))}"
        else:
            problem = f"{where} is {given!r:.80}: {first['msg']}"
        raise FileError("invalid", problem, path=str(path)) from None


def _allowed(above: tuple[str | int, ...]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {"models": ModelsConfig, "prices": PriceConfig}
    return list((tables[str(above[0])] if above else Config).model_fields)
