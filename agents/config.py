"""The user's configuration: `config.toml` in the data folder, checked strictly."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from guildhall.errors import FileError
from guildhall.home import read_toml

Tier = Literal["fast", "balanced", "strong"]
TIERS: tuple[Tier, ...] = ("fast", "balanced", "strong")
Preference = Literal["cost_sensitive", "speed_priority", "quality_priority"]
"""What counts most where a model is chosen."""
CacheMode = Literal["use", "refresh", "off"]

_Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Weight = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]
_Fraction = Annotated[float, Field(ge=0, le=1)]


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

    input: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cached: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class ModelConfig(_Table):
    """What is known of one model; what is not given stays as the table of models has it."""

    tier: Tier | None = None
    strengths: tuple[str, ...] | None = None
    """Words for what it is good at, such as `code` or `writing`."""
    speed: _Above | None = None
    """Tokens a second."""
    context: _Count | None = None
    """Tokens that it takes."""
    price: PriceConfig | None = None
    private: bool | None = None
    """Whether it may see private data: it runs here, or under a contract that you trust."""
    rpm: _Count | None = None
    """Requests a minute, of all processes of the user together."""
    tpm: _Count | None = None
    """Tokens a minute, input and output."""
    in_flight: _Count | None = None
    """Calls at the same time."""


class RouterWeights(_Table):
    """How much each part of a candidate's score counts."""

    fit: _Weight = 1.0
    """Its tier against what the task needs."""
    strengths: _Weight = 0.4
    cost: _Weight = 0.25
    speed: _Weight = 0.15
    record: _Weight = 0.3
    """How its calls ended so far."""
    spread: _Weight = 0.4
    """For the provider whose turn it is, so that the members of a team differ."""


class RouterConfig(_Table):
    """How the model of a member that pins none is chosen."""

    preference: Preference | None = None
    simple: _Fraction = 0.3
    """A task of less complexity needs a tier less than its role."""
    complex: _Fraction = 0.7
    """A task of more complexity needs a tier more than its role."""
    weights: RouterWeights = RouterWeights()

    @model_validator(mode="after")
    def _in_order(self) -> "RouterConfig":
        if self.simple > self.complex:
            raise ValueError("simple must not be above complex")
        return self


class BudgetConfig(_Table):
    """What a run may cost where nobody says it."""

    usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """0 for no limit."""


class CacheConfig(_Table):
    """Whether a request that was answered before is answered from the database."""

    mode: CacheMode = "use"
    hours: _Above = 24.0
    """Older replies are not used."""
    megabytes: _Above = 200.0


class RunsConfig(_Table):
    """How long runs are kept."""

    days: _Above = 90.0
    megabytes: _Above = 2_000.0


class Config(_Table):
    models: ModelsConfig = ModelsConfig()
    model: dict[str, ModelConfig] = {}
    """By `provider:name`."""
    router: RouterConfig = RouterConfig()
    budget: BudgetConfig = BudgetConfig()
    cache: CacheConfig = CacheConfig()
    runs: RunsConfig = RunsConfig()


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
    """The keys of the table at that place."""
    table: type[BaseModel] = Config
    for key in above:
        field = table.model_fields.get(str(key))
        if str(key) == "model":
            return list((PriceConfig if above[-1] == "price" else ModelConfig).model_fields)
        if (
            field is not None
            and isinstance(field.annotation, type)
            and issubclass(field.annotation, BaseModel)
        ):
            table = field.annotation
    return list(table.model_fields)
