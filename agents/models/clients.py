"""The clients of the provider SDKs, one for each event loop, address and key: making one costs 20 ms."""

import asyncio
import functools
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from guildhall.errors import ProviderError
from guildhall.redact import know_value, redact

CONNECT_SECONDS = 10.0
"""How long a connection may take. The deadline of a whole call belongs to the caller."""


LOCAL_ONLY = "GUILDHALL_LOCAL_ONLY"
"""The variable that forbids every model on another machine; it is read at each call."""


@dataclass(frozen=True)
class Service:
    """Where models are asked, and how a user is told of it."""

    sdk: Literal["anthropic", "openai"]
    title: str
    base_url: str
    key: str | None
    key_name: str
    """Where the user sets the key."""
    url_name: str


def anthropic(key: str | None, base_url: str | None) -> Service:
    """Anthropic, with what is not given taken from the environment."""
    base_url = base_url or os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
    key = key or os.environ.get("ANTHROPIC_API_KEY")
    return Service("anthropic", "Anthropic", base_url, key, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")


def openai(key: str | None, base_url: str | None) -> Service:
    """OpenAI, with what is not given taken from the environment."""
    base_url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    key = key or os.environ.get("OPENAI_API_KEY")
    return Service("openai", "OpenAI", base_url, key, "OPENAI_API_KEY", "OPENAI_BASE_URL")


def compatible(key: str | None, base_url: str) -> Service:
    """A server that speaks like OpenAI. It gets the key of the environment only if that is meant for it."""
    if not key and os.environ.get("OPENAI_BASE_URL") == base_url:
        key = os.environ.get("OPENAI_API_KEY")
    title = f"the server at {base_url}"
    return Service("openai", title, base_url, key or "none", "GUILDHALL_API_KEY", "GUILDHALL_BASE_URL")


def is_local(base_url: str) -> bool:
    """Whether the address is this machine's own."""
    try:
        host = urlsplit(base_url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


_Clients = dict[tuple[str, str, str], Any]
_CLIENTS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients] = WeakKeyDictionary()
_HOLDERS: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


async def ready(service: Service) -> None:
    """Import the SDK, in a thread: it takes a second, in which others are at work."""
    if service.sdk not in sys.modules:
        await asyncio.to_thread(importlib.import_module, service.sdk)


def client(service: Service) -> Any:
    """The SDK's client for the running loop. Raises ProviderError where no request can be made."""
    local_only = os.environ.get(LOCAL_ONLY, "").strip().lower() not in ("", "0", "false", "no")
    if local_only and not is_local(service.base_url):
        raise ProviderError(
            "private",
            f"{LOCAL_ONLY} is set, and {redact(service.base_url)} is not this machine: use a model on this "
            "machine, or unset it",
            sent=False,
        )
    if not service.key:
        raise ProviderError("auth", f"{service.title} needs a key: set {service.key_name} to yours")
    mine = _CLIENTS.setdefault(asyncio.get_running_loop(), {})
    key = (service.sdk, service.base_url, service.key)
    if key not in mine:
        know_value(service.key)
        mine[key] = _made(service, service.key.strip())
    return mine[key]


def hold_clients() -> None:
    """Keep the clients of the running loop until `release_clients` was called as often."""
    loop = asyncio.get_running_loop()
    _HOLDERS[loop] = _HOLDERS.get(loop, 0) + 1


async def release_clients() -> None:
    """Close the clients of the running loop, if nobody else holds them."""
    loop = asyncio.get_running_loop()
    _HOLDERS[loop] = _HOLDERS.get(loop, 1) - 1
    if _HOLDERS[loop] <= 0:
        await close_clients()


async def close_clients() -> None:
    """Close the clients of the running loop, and their connections."""
    for made in _CLIENTS.pop(asyncio.get_running_loop(), {}).values():
        await made.close()


async def listed_models(base_url: str, api_key: str | None) -> list[str]:
    """The names of the models that a compatible server lists. Raises ProviderError."""
    from .failures import failure  # it needs Service

    service = compatible(api_key, base_url)
    await ready(service)
    try:
        answer = await client(service).get("/models", cast_to=object, options={"timeout": CONNECT_SECONDS})
        return [str(row["id"]) for row in answer["data"]]
    except ProviderError:
        raise
    except Exception as error:
        raise failure(error, service) from error


def _made(service: Service, key: str) -> Any:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ProviderError("auth", f"{service.key_name} holds characters that no key has: copy it once more")
    if not service.base_url.startswith(("http://", "https://")):
        raise ProviderError(
            "not_found", f"{service.url_name} is {service.base_url!r}; it must begin with http:// or https://"
        )
    make = _made_anthropic if service.sdk == "anthropic" else _made_openai
    return make(is_local(service.base_url), base_url=service.base_url, api_key=key, max_retries=0)


def _made_anthropic(local: bool, **options: Any) -> Any:
    from anthropic import AsyncAnthropic, DefaultAioHttpClient, Timeout

    http, timeout = _transport(DefaultAioHttpClient, local), Timeout(None, connect=CONNECT_SECONDS)
    return AsyncAnthropic(**options, http_client=http, timeout=timeout, open_telemetry=False)


def _made_openai(local: bool, **options: Any) -> Any:
    from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

    http, timeout = _transport(DefaultAioHttpClient, local), Timeout(None, connect=CONNECT_SECONDS)
    return AsyncOpenAI(**options, http_client=http, timeout=timeout)


def _transport(make: Callable[..., Any], local: bool) -> Any:
    """aiohttp, at half the CPU of the default.

    A redirect would carry the prompt to another host, and so would a proxy to one's own machine.
    """
    return make(follow_redirects=False, trust_env=not local, verify=_certificates())


@functools.cache
def _certificates() -> Any:
    """Whom to trust, read once: it takes 18 ms."""
    from httpx2 import create_ssl_context

    return create_ssl_context()
