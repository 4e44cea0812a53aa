"""Which models there are here, and which member uses which."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from guildhall.errors import ProviderError, UserError

from ..config import Config
from .base import Model
from .extractive import ExtractiveModel

Tier = Literal["fast", "balanced", "strong"]
TIERS: tuple[Tier, ...] = ("fast", "balanced", "strong")
CHOSEN = (
    "The built-in extractive model was asked for: it quotes sentences of what it was given and writes none "
    "of its own."
)
NO_KEY = (
    "No model provider is configured, so the built-in extractive model answered: it quotes sentences of what "
    "it was given and writes none of its own. Set ANTHROPIC_API_KEY or OPENAI_API_KEY, or GUILDHALL_BASE_URL "
    "for a compatible server; `guildhall doctor` tells more."
)
_NOT_FOR_CHAT = ("embed", "whisper", "tts", "rerank", "moderation", "image")


@dataclass(frozen=True)
class Provider:
    """A place where models can be asked, and why it is used."""

    name: str
    """`anthropic`, `openai` or `openai-compatible`."""
    reason: str
    api_key: str | None = None
    base_url: str | None = None


@dataclass(frozen=True)
class Choice:
    """A tier, the model that it stands for here, and why."""

    tier: Tier
    model: str
    reason: str


class Catalog:
    """The models of one environment. Making it asks nobody; `ready` may ask a compatible server."""

    def __init__(self, environ: Mapping[str, str], config: Config) -> None:
        self._config = config
        self.providers = tuple(_providers(environ))
        self._listed: list[str] | None = None

    @property
    def extractive_only(self) -> bool:
        return not self.providers

    async def ready(self) -> None:
        """Learn the model of a compatible server, where neither the configuration nor the user names it."""
        server = next((p for p in self.providers if p.name == "openai-compatible"), None)
        if server is not None and self._listed is None and not self._config.models.compatible:
            self._listed = await _models_of(server) or None

    def choices(self) -> list[Choice]:
        """What each tier stands for."""
        if not self.providers:
            return [Choice(tier, "extractive", "no provider is configured") for tier in TIERS]
        return [self._choice(tier, provider) for tier in TIERS for provider in self.providers]

    def models_for(self, wish: str | None, *, default: Tier, seat: int) -> tuple[Model, ...]:
        """The models of a member, in order of preference.

        `wish` is a tier, a model (`provider:name`) or None for the `default` tier. Members of one
        team sit on seats counted from 0: with several providers they are spread over them.
        """
        if wish is not None and wish not in TIERS:
            return (self.model(wish),)
        tier: Tier = default if wish is None else wish
        if own := getattr(self._config.models, tier):
            return (self.model(own),)
        if not self.providers:
            return (ExtractiveModel(),)
        turn = seat % len(self.providers)
        order = self.providers[turn:] + self.providers[:turn]
        return tuple(self._made(provider, self._name(tier, provider)) for provider in order)

    def model(self, name: str) -> Model:
        """The model of that name: `provider:name`, a tier, `extractive`, or a name that is known."""
        if name == "extractive":
            return ExtractiveModel()
        if name in TIERS:
            return self.models_for(name, default="balanced", seat=0)[0]
        provider, colon, model = name.partition(":")
        if not colon or provider not in _KEYS:
            return self._guessed(name)
        if not model.strip():
            raise UserError(f"{name!r} names no model; write one behind the colon")
        return self._made(self._configured(provider) or Provider(provider, "named by the user"), model)

    def lacking(self, name: str) -> str | None:
        """What is to be set before the model of that name can be asked; None if nothing is."""
        provider = name.partition(":")[0]
        if provider not in _KEYS or self._configured(provider):
            return None
        return f"{name} cannot be asked: set {_KEYS[provider]}"

    def _configured(self, name: str) -> Provider | None:
        """The provider of that name; models of OpenAI may be had at a foreign OPENAI_BASE_URL."""
        found = next((p for p in self.providers if p.name == name), None)
        if found is None and name == "openai":
            found = next((p for p in self.providers if p.reason == _FOREIGN), None)
        return found

    def _guessed(self, name: str) -> Model:
        """A model named without its provider: by the table, else that of the compatible server."""
        listed = next((row["provider"] for row in table() if row["name"] == name), None)
        begins = {"claude": "anthropic", "gpt": "openai"}.get(name.split("-", maxsplit=1)[0])
        server = next((p for p in self.providers if p.name == "openai-compatible"), None)
        wanted = listed or (begins if not server else None)
        known = next((p for p in self.providers if p.name == wanted), None)
        if known or server:
            return self._made(known or server, name)  # type: ignore[arg-type]  # one of them is there
        if wanted:
            return self._made(Provider(wanted, "named by the user"), name)
        raise UserError(
            f"{name!r} does not say whose model it is; write it as anthropic:NAME, openai:NAME, "
            f"openai-compatible:NAME (with GUILDHALL_BASE_URL), a tier ({', '.join(TIERS)}), or extractive"
        )

    def _choice(self, tier: Tier, provider: Provider) -> Choice:
        if own := getattr(self._config.models, tier):
            return Choice(tier, own, "set in config.toml")
        try:
            return Choice(tier, f"{provider.name}:{self._name(tier, provider)}", provider.reason)
        except UserError as error:
            return Choice(tier, "", str(error))

    def _name(self, tier: Tier, provider: Provider) -> str:
        if provider.name != "openai-compatible":
            return _of_table(tier, provider.name)
        if own := self._config.models.compatible:
            return own
        usual = _of_table(tier, "openai")
        listed = self._listed or []
        if usual in listed or (not listed and provider.reason == _FOREIGN):
            return usual
        if listed:
            return listed[0]
        raise UserError(
            f"the server at {provider.base_url} does not answer, or lists no models: start it, or name a "
            'model with --model NAME, or in config.toml as [models] compatible = "NAME"'
        )

    def _made(self, provider: Provider, name: str) -> Model:
        """The adapter; making one imports no SDK."""
        takes = frozenset(_takes(provider.name, name))
        if provider.name == "anthropic":
            from .anthropic_api import AnthropicModel

            return AnthropicModel(name, api_key=provider.api_key, base_url=provider.base_url, takes=takes)
        if provider.name == "openai":
            from .openai_api import OpenAIModel

            return OpenAIModel(name, api_key=provider.api_key, base_url=provider.base_url, takes=takes)
        if provider.base_url is None:
            raise UserError(f"openai-compatible:{name} cannot be asked: set {_KEYS[provider.name]}")
        from .openai_chat import OpenAICompatibleModel

        return OpenAICompatibleModel(name, base_url=provider.base_url, api_key=provider.api_key)


_KEYS = {
    "anthropic": "ANTHROPIC_API_KEY to your key",
    "openai": "OPENAI_API_KEY to your key",
    "openai-compatible": "GUILDHALL_BASE_URL to the address of the server",
}
_FOREIGN = "OPENAI_BASE_URL names a server that is not OpenAI's own"


def _providers(environ: Mapping[str, str]) -> list[Provider]:
    """The providers that the environment names, in the order in which teams are spread over them."""
    found = []
    if key := environ.get("ANTHROPIC_API_KEY", "").strip():
        reason = "ANTHROPIC_API_KEY is set"
        found.append(Provider("anthropic", reason, key, environ.get("ANTHROPIC_BASE_URL") or None))
    base = environ.get("OPENAI_BASE_URL") or None
    if key := environ.get("OPENAI_API_KEY", "").strip():
        if base and not _is_openai(base):
            found.append(Provider("openai-compatible", _FOREIGN, key, base))
        else:
            found.append(Provider("openai", "OPENAI_API_KEY is set", key, base))
    if base := environ.get("GUILDHALL_BASE_URL"):
        found = [provider for provider in found if provider.name != "openai-compatible"]
        key = environ.get("GUILDHALL_API_KEY") or "none"
        found.append(Provider("openai-compatible", "GUILDHALL_BASE_URL is set", key, base))
    return found


def _is_openai(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


@cache
def table() -> tuple[dict[str, str], ...]:
    """The rows of `models.toml`."""
    path = Path(__file__).parent.parent / "models.toml"
    return tuple(tomllib.loads(path.read_text("utf-8"))["models"])


def _of_table(tier: Tier, provider: str) -> str:
    return next(row["name"] for row in table() if row["provider"] == provider and row["tier"] == tier)


def _takes(provider: str, name: str) -> Sequence[str]:
    row = next((r for r in table() if r["provider"] == provider and r["name"] == name), None)
    return row["takes"] if row else ("image", "pdf")


async def _models_of(server: Provider) -> list[str]:
    """The models that the server lists, for want of a name; none if it does not say."""
    from .clients import listed_models

    try:
        names = await listed_models(server.base_url or "", server.api_key)
    except ProviderError:
        return []
    return [name for name in names if not any(word in name.lower() for word in _NOT_FOR_CHAT)]
