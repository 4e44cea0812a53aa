"""The user's configuration: `config.toml` in the data folder, checked strictly."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from guildhall.errors import FileError
from guildhall.home import read_toml
from guildhall.memory.embedders import NAMES

from .models.providers import HOST, KEYS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Tier = Literal["fast", "balanced", "strong"]
TIERS: tuple[Tier, ...] = ("fast", "balanced", "strong")
Preference = Literal["cost_sensitive", "speed_priority", "quality_priority"]
"""What counts most where a model is chosen."""
CacheMode = Literal["use", "refresh", "off"]

_Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Weight = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]
_Fraction = Annotated[float, Field(ge=0, le=1)]


def _of_a_provider(name: str) -> str:
    provider, _, model = name.partition(":")
    if provider not in (*KEYS, HOST) or not model.strip():
        what = f"there is no provider {provider!r}" if provider not in (*KEYS, HOST) else "it names no model"
        raise ValueError(f"{what}; write provider:name, where the provider is {', '.join((*KEYS, HOST))}")
    return name


def _of_a_tier(name: str) -> str:
    """A model, another tier, or a model without its provider."""
    return _of_a_provider(name) if ":" in name else name


def embedder_setting(given: str) -> str:
    """What was given, if it is an embedder by name or the model of an API that embeds."""
    if given not in NAMES and given.partition(":")[0] not in ("openai", "openai-compatible"):
        raise ValueError(
            f"there is no embedder {given!r}; it can be {', '.join(NAMES)}, openai:MODEL or "
            "openai-compatible:MODEL"
        )
    return _of_a_tier(given)


def _mark(given: Any) -> bool | str:
    if isinstance(given, bool) or (isinstance(given, str) and given.startswith(("http://", "https://"))):
        return given
    shown = json.dumps(given, default=str)
    raise ValueError(f"{shown:.80} is neither true nor false, without quotation marks, nor a trusted address")


_FullName = Annotated[str, AfterValidator(_of_a_provider)]
_Meaning = Annotated[str, Field(min_length=1), AfterValidator(_of_a_tier)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelsConfig(_Table):
    """What the tiers stand for, as `provider:name` or another tier, and the model of a compatible server."""

    fast: _Meaning | None = None
    balanced: _Meaning | None = None
    strong: _Meaning | None = None
    compatible: Annotated[str, Field(min_length=1)] | None = None
    """The name under which the server at GUILDHALL_BASE_URL or OPENAI_BASE_URL knows its model."""

    def meaning(self, tier: Tier) -> tuple[Tier, str | None]:
        """The tier that the tier stands for, itself if for no other, and the model given for that."""
        given = getattr(self, tier)
        return self.meaning(given) if given in TIERS else (tier, given)

    @model_validator(mode="after")
    def _in_no_circle(self) -> "ModelsConfig":
        for tier in TIERS:
            seen: list[str] = [tier]
            while (given := getattr(self, seen[-1])) in TIERS:
                seen.append(given)
                if given in seen[:-1]:
                    circle = ", ".join(f'{one} = "{other}"' for one, other in pairwise(seen))
                    raise ValueError(f"{circle} is a circle; name a model in it, as provider:name")
        return self


class PriceConfig(_Table):
    """USD for a million tokens."""

    input: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cached: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    written: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Of input that goes into the provider's cache."""


class ModelConfig(_Table):
    """What is known of one model; what is not given stays as the table of models has it."""

    tier: Tier | None = None
    strengths: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """Words for what it is good at, such as `code` or `writing`."""
    speed: _Above | None = None
    """Tokens a second."""
    context: _Count | None = None
    """Tokens that it takes."""
    price: PriceConfig | None = None
    takes: Annotated[tuple[Literal["image", "pdf"], ...], Field(strict=False)] | None = None
    """What it reads beside text."""
    private: Annotated[bool | str | None, PlainValidator(_mark)] = None
    """Whether it may see private data, at its provider's own address and on this machine; at another one,
    that address."""
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
            raise ValueError(f"simple is {self.simple:g}, and must not be above complex, {self.complex:g}")
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


class MemoryConfig(_Table):
    """What finds memories by what they mean, and what is kept of runs."""

    embedder: Annotated[str, AfterValidator(embedder_setting)] = "auto"
    dimensions: _Count | None = None
    """Of the vectors of an API's model, where it can give shorter ones than it does by itself."""
    lessons: bool = True
    """Whether members are told what they had done wrong in earlier runs, and that is remembered."""


class Config(_Table):
    models: ModelsConfig = ModelsConfig()
    model: dict[_FullName, ModelConfig] = {}
    """By `provider:name`."""
    router: RouterConfig = RouterConfig()
    budget: BudgetConfig = BudgetConfig()
    cache: CacheConfig = CacheConfig()
    runs: RunsConfig = RunsConfig()
    memory: MemoryConfig = MemoryConfig()


def read_config(home: Path) -> Config:
    """The configuration, with defaults for what it does not say. Raises FileError."""
    path = home / "config.toml"
    try:
        return Config.model_validate(read_toml(path))
    except ValidationError as error:
        problem = _problem(error.errors(include_url=False)[0])
        raise FileError("invalid", problem, path=str(path)) from None


def how_to_price(model: str) -> str:
    """What a user writes to give the model a price."""
    if model.partition(":")[0] in KEYS:
        return (
            f'give it in config.toml as [model."{model}"] price = {{ input = ..., output = ... }} in USD per '
            "million tokens"
        )
    return "give it as the model's own price = (input, output) in USD per million tokens"


_TYPES = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "a table",
    "string_type": "a string",
    "string_too_short": "a name",
    "tuple_type": "a list of strings",
}
"""What is allowed, by how pydantic calls the error, where its own words are not those of TOML."""


def _problem(error: "ErrorDetails") -> str:
    """What was given and what is allowed, in a sentence."""
    keys = [str(key) for key in error["loc"] if key != "[key]"]
    where = ".".join(key if re.fullmatch(r"[\w-]+", key) else f'"{key}"' for key in keys)
    given = json.dumps(error["input"], default=str, ensure_ascii=False)
    match error["type"]:
        case "extra_forbidden":
            return f"there is no key {where}; allowed are {', '.join(_allowed(error['loc'][:-1]))}"
        case "missing":
            return f"{where} is missing; give it beside {given:.80}"
        case "value_error":
            return f"{where}: {error['ctx']['error']}"
        case kind:
            allowed = _TYPES.get(kind) or error["msg"].removeprefix("Input should be ")
            unquoted = isinstance(error["input"], str) and kind in ("bool_type", "float_type", "int_type")
            return f"{where} is {given:.80}; it must be {allowed}" + ", without quotation marks" * unquoted


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
