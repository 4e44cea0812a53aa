"""Where models can be asked, as the environment says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from guildhall.errors import UserError

from .clients import LOCAL_ONLY, listed_models

KEYS = {
    "anthropic": "ANTHROPIC_API_KEY to your key",
    "openai": "OPENAI_API_KEY to your key",
    "openai-compatible": "GUILDHALL_BASE_URL to the address of the server",
}
"""What is to be set for each provider."""
HOST = "host"
"""Stands for the model of the assistant that calls for a run."""
FOREIGN = "OPENAI_BASE_URL names a server that is not OpenAI's own"
_OWN = {"anthropic": "anthropic.com", "openai": "openai.com"}
_NOT_FOR_CHAT = ("embed", "whisper", "tts", "rerank", "moderation", "image")


@dataclass(frozen=True)
class Provider:
    """A place where models can be asked, and why it is used, or is not."""

    name: str
    """`anthropic`, `openai` or `openai-compatible`."""
    reason: str
    api_key: str | None = None
    base_url: str | None = None


def providers_of(environ: Mapping[str, str]) -> list[Provider]:
    """The providers that the environment names, in the order in which teams are spread over them."""
    found = []
    if key := environ.get("ANTHROPIC_API_KEY", "").strip():
        reason = "ANTHROPIC_API_KEY is set"
        found.append(Provider("anthropic", reason, key, environ.get("ANTHROPIC_BASE_URL") or None))
    base = environ.get("OPENAI_BASE_URL") or None
    if key := environ.get("OPENAI_API_KEY", "").strip():
        if base and not is_own("openai", base):
            found.append(Provider("openai-compatible", FOREIGN, key, base))
        else:
            found.append(Provider("openai", "OPENAI_API_KEY is set", key, base))
    if base := environ.get("GUILDHALL_BASE_URL"):
        found = [provider for provider in found if provider.name != "openai-compatible"]
        key = environ.get("GUILDHALL_API_KEY") or "none"
        found.append(Provider("openai-compatible", "GUILDHALL_BASE_URL is set", key, base))
    return found


def is_own(provider: str, base_url: str) -> bool:
    """Whether the address belongs to the provider itself."""
    if (own := _OWN.get(provider)) is None:
        return False
    host = urlsplit(base_url).hostname or ""
    return host == own or host.endswith(f".{own}")


async def models_of(server: Provider) -> list[str]:
    """The models that the server lists, for want of a name. Raises ProviderError."""
    names = await listed_models(server.base_url or "", server.api_key)
    return [name for name in names if not any(word in name.lower() for word in _NOT_FOR_CHAT)]


def is_on(switch: str) -> bool:
    """Whether GUILDHALL_LOCAL_ONLY is on; what might have been meant so is asked for, not passed over."""
    if (given := switch.strip().lower()) in ("1", "true", "yes"):
        return True
    if given not in ("", "0", "false", "no"):
        raise UserError(f"{LOCAL_ONLY} is {switch!r}; write 1 to allow only models on this machine, or 0")
    return False
