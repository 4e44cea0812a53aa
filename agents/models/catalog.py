"""Which models there are here, and which of them a member may ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from guildhall.errors import ProviderError, UserError
from guildhall.memory.store.limits import Limit

from ..config import TIERS, Config, Preference, Tier
from ..prices import Prices
from .base import Model
from .clients import LOCAL_ONLY, is_local
from .extractive import ExtractiveModel
from .providers import FOREIGN, HOST, KEYS, Provider, is_on, models_of, providers_of
from .router import Candidate, Candidates
from .table import Table

CHOSEN = (
    "The built-in extractive model was asked for: it quotes sentences of what it was given and writes none "
    "of its own."
)
NO_KEY = (
    "No model provider is configured, so the built-in extractive model answered: it quotes sentences of what "
    "it was given and writes none of its own. Set ANTHROPIC_API_KEY or OPENAI_API_KEY, or GUILDHALL_BASE_URL "
    "for a compatible server; `guildhall doctor` tells more."
)
ALL_REMOTE = (
    f"{LOCAL_ONLY} is set and no provider is on this machine, so the built-in extractive model answered: it "
    "quotes sentences of what it was given and writes none of its own. Set GUILDHALL_BASE_URL to a server on "
    "this machine, or unset the switch."
)


@dataclass(frozen=True)
class Choice:
    """A tier, a model that stands for it here, and why; where there is none, `model` is empty."""

    tier: Tier
    model: str
    reason: str


class Catalog:
    """The models of one environment. Making it asks nobody; `ready` may ask a compatible server."""

    def __init__(self, environ: Mapping[str, str], config: Config, host: Model | None = None) -> None:
        self._config, self._host = config, host
        self.table = Table(config)
        self.prices = Prices(self.table.prices())
        self.local_only = is_on(environ.get(LOCAL_ONLY, ""))
        found = providers_of(environ)
        self.providers = tuple(p for p in found if self._may_ask(p))
        self.left_out = tuple(p for p in found if not self._may_ask(p))
        """Providers that would be used, were it not for GUILDHALL_LOCAL_ONLY."""
        self._listed: list[str] | None = None
        self._unlisted = ""
        """Why the server's models are not known."""

    @property
    def extractive_only(self) -> bool:
        return not self.providers

    @property
    def why_extractive(self) -> str:
        """What the reader of an extractive answer is told."""
        if self.providers:
            return CHOSEN
        return ALL_REMOTE if self.left_out else NO_KEY

    async def ready(self) -> None:
        """Learn the model of a compatible server, where neither the configuration nor the user names it."""
        server = next((p for p in self.providers if p.name == "openai-compatible"), None)
        if server is not None and self._listed is None and not self._config.models.compatible:
            try:
                self._listed = await models_of(server) or None
                self._unlisted = "it lists no models"
            except ProviderError as error:
                self._unlisted = str(error)

    def choices(self) -> list[Choice]:
        """What each tier stands for."""
        return [choice for tier in TIERS for choice in self._choices(tier)]

    def unlisted(self) -> dict[str, str]:
        """Models that only a table of the configuration names, each with the nearest that is known, or empty.

        Of a server whose models nobody knows, every name may be right.
        """
        own, found = self._config, {}
        of_server = [own.models.compatible, *(self._listed or ())]
        known = [
            *self.table.shipped,
            *(name for tier in TIERS if (name := own.models.meaning(tier)[1])),
            *(f"openai-compatible:{name}" for name in of_server if name),
        ]
        for name, row in own.model.items():
            provider, _, model = name.partition(":")
            beside = [other.partition(":")[2] for other in known if other.startswith(f"{provider}:")]
            added = provider == "openai-compatible" and row.tier is not None
            if beside and model not in beside and not added:
                near = get_close_matches(model, beside, n=1, cutoff=0.5)
                found[name] = f"{provider}:{near[0]}" if near else ""
        return found

    def models_for(
        self, wish: str | None, *, default: Tier, seat: int, preference: Preference | None = None
    ) -> Candidates:
        """The models that a member may ask, and how one of them is chosen.

        `wish` is a tier, a model (`provider:name`) or None for the `default` tier, which a task may move.
        Members of one team sit on seats counted from 0: with several providers they are spread over them.
        """
        own, turn = self._config.router, seat % max(1, len(self.providers))
        order = self.providers[turn:] + self.providers[:turn]
        role = next((tier for tier in TIERS if tier == wish), default)
        if wish is None or wish in TIERS:
            found = self._candidates(role, order, (role,) if wish else TIERS)
        else:
            found = [Candidate(model := self.model(wish), row=self.table.row(model.name))]
        return Candidates(
            tuple(found),
            role=role,
            wished=wish is not None,
            preference=preference or own.preference,
            turn=order[0].name if order else "",
            config=own,
            prices=self.prices,
        )

    def model(self, name: str) -> Model:
        """The model of that name: `provider:name`, a tier, `extractive`, or a name that is known."""
        if name == "extractive":
            return ExtractiveModel()
        if name in TIERS:
            return self.models_for(name, default="balanced", seat=0)[0]
        provider, colon, model = name.partition(":")
        if provider == HOST:
            return self._of_host(name)
        if not colon or provider not in KEYS:
            return self._guessed(name)
        if not model.strip():
            raise UserError(f"{name!r} names no model; write one behind the colon")
        return self._made(self._configured(provider) or Provider(provider, "named by the user"), model)

    def _of_host(self, name: str) -> Model:
        if self._host is None:
            raise UserError(f"{name} is what an assistant lends to runs it calls for; name another model")
        return self._host

    def lacking(self, name: str) -> str | None:
        """What is to be set before the model of that name can be asked; None if nothing is."""
        provider = name.partition(":")[0]
        if provider not in KEYS or self._configured(provider):
            return None
        if self.local_only and (provider != "openai-compatible" or self.left_out):
            return _forbidden(name)
        return f"{name} cannot be asked: set {KEYS[provider]}"

    def limit(self, name: str) -> Limit:
        """How much may be asked of the model, by all processes of the user together."""
        return self.table.limit(name)

    def _candidates(
        self, role: Tier, providers: tuple[Provider, ...], tiers: tuple[Tier, ...]
    ) -> list[Candidate]:
        """The models of the tiers, each once, of the providers in their order."""
        own = self._config.models
        name = own.meaning(role)[1]
        if not providers or self.lacking(name or ""):
            return [Candidate(self.model(name) if name else ExtractiveModel())]
        models: dict[str, Model] = {}
        stands_for: dict[str, set[Tier]] = {}
        for tier in tiers:
            same, name = own.meaning(tier)
            if name:
                made = [] if self.lacking(name) else [self.model(name)]
            else:
                made = [self._made(p, listed) for p in providers for listed in self._names(same, p)]
            for model in made:
                models.setdefault(model.name, model)
                stands_for.setdefault(model.name, set()).add(tier)
        if not models:
            raise UserError(_NONE_OF.format(tier=role))
        return [
            Candidate(model, frozenset(stands_for[name]), self.table.row(name))
            for name, model in models.items()
        ]

    def _may_ask(self, provider: Provider) -> bool:
        return not self.local_only or is_local(provider.base_url or "")

    def _configured(self, name: str) -> Provider | None:
        """The provider of that name; models of OpenAI may be had at a foreign OPENAI_BASE_URL."""
        found = next((p for p in self.providers if p.name == name), None)
        if found is None and name == "openai":
            found = next((p for p in self.providers if p.reason == FOREIGN), None)
        return found

    def _guessed(self, name: str) -> Model:
        """A model named without its provider: by the table, else that of the compatible server."""
        listed = self.table.provider_of(name)
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

    def _choices(self, tier: Tier) -> list[Choice]:
        same, own = self._config.models.meaning(tier)
        alias = "" if same == tier else f"as {same}, "
        if own:
            return [self._chosen(tier, own, f"{alias}set in config.toml")]
        if not self.providers:
            why = f"{LOCAL_ONLY} is set" if self.left_out else "no provider is configured"
            return [Choice(tier, "extractive", why)]
        found = []
        for provider in self.providers:
            try:
                names = self._names(same, provider)
            except UserError as error:
                found.append(Choice(tier, "", str(error)))
                continue
            reason = f"{alias}{provider.reason}"
            found += [Choice(tier, f"{provider.name}:{name}", reason) for name in names]
        return found or [Choice(tier, "", _NONE_OF.format(tier=tier))]

    def _chosen(self, tier: Tier, name: str, reason: str) -> Choice:
        """The model that the configuration gives the tier, or why it cannot be asked."""
        if problem := self.lacking(name):
            return Choice(tier, "", problem)
        try:
            return Choice(tier, self.model(name).name, reason)
        except UserError as error:
            return Choice(tier, "", str(error))

    def _names(self, tier: Tier, provider: Provider) -> list[str]:
        """The provider's models of the tier. Raises UserError where nothing is known of a server's models."""
        if names := [row.name for row in self.table.of(provider.name, tier)]:
            return names
        return self._of_server(tier, provider) if provider.name == "openai-compatible" else []

    def _of_server(self, tier: Tier, server: Provider) -> list[str]:
        """What stands for a tier that the configuration gives none of the server's models."""
        if own := self._config.models.compatible:
            return [own]
        given = {row.name for tier in TIERS for row in self.table.of(server.name, tier)}
        listed = [name for name in self._listed or [] if name not in given]
        usual = [row.name for row in self.table.of("openai", tier)][:1]
        if usual and (usual[0] in listed or (not self._listed and server.reason == FOREIGN)):
            return usual
        if listed or given:
            return listed[:1]
        raise UserError(
            f"which models the server at {server.base_url} has is not known: {self._unlisted}. Mend that, or "
            'name a model with --model NAME, or in config.toml as [models] compatible = "NAME"'
        )

    def _made(self, provider: Provider, name: str) -> Model:
        """The adapter; making one imports no SDK."""
        full_name = f"{provider.name}:{name}"
        if not self._may_ask(provider):
            raise UserError(_forbidden(full_name))
        url, row = provider.base_url, self.table.row(full_name)
        said: dict[str, Any] = {
            "api_key": provider.api_key,
            "takes": frozenset(row.takes if row and row.takes is not None else _TAKES[provider.name]),
            "private": self.table.is_private(full_name, url),
            "most_output": row.context // 2 if row and row.context else None,
        }
        if provider.name == "anthropic":
            from .anthropic_api import AnthropicModel

            return AnthropicModel(name, base_url=url, **said)
        if provider.name == "openai":
            from .openai_api import OpenAIModel

            return OpenAIModel(name, base_url=url, **said)
        if url is None:
            raise UserError(f"{full_name} cannot be asked: set {KEYS[provider.name]}")
        from .openai_chat import OpenAICompatibleModel

        return OpenAICompatibleModel(name, base_url=url, **said)


_TAKES = {"anthropic": ("image", "pdf"), "openai": ("image", "pdf"), "openai-compatible": ("image",)}
_NONE_OF = (
    'no model stands for the tier {tier}: name one in config.toml, as [models] {tier} = "provider:name"'
)


def _forbidden(name: str) -> str:
    return (
        f"{name} cannot be asked: {LOCAL_ONLY} is set, which allows only models on this machine. Name one of "
        "a server here (GUILDHALL_BASE_URL), or extractive; or unset the switch"
    )
