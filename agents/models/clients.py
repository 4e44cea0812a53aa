"""The clients of the provider SDKs, one for each event loop, address and key: making one costs 20 ms."""

import asyncio
import functools
import hashlib
import importlib
import logging
import os
import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from guildhall.errors import ProviderError
from guildhall.redact import know_value, logger, redact

CONNECT_SECONDS = 10.0
"""How long a connection may take. The deadline of a whole call belongs to the caller."""


MOST_OF_ERROR, MOST_OF_LIST = 64 * 2**10, 8 * 2**20
"""Bytes that are read of an answer that tells of an error, and of a list of models."""
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
    foreign: bool = False
    """Whether what the environment holds for OpenAI beside the key is not meant for it."""

    @property
    def account(self) -> str:
        """The address, and what tells one key from another without saying it."""
        return f"{self.base_url} {hashlib.blake2b((self.key or '').encode(), digest_size=6).hexdigest()}"


def anthropic(key: str | None, base_url: str | None) -> Service:
    """Anthropic, with what is not given taken from the environment."""
    base_url = (base_url or os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com").strip()
    key = key or os.environ.get("ANTHROPIC_API_KEY")
    return Service("anthropic", "Anthropic", base_url, key, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")


def openai(key: str | None, base_url: str | None) -> Service:
    """OpenAI, with what is not given taken from the environment."""
    base_url = (base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1").strip()
    key = key or os.environ.get("OPENAI_API_KEY")
    return Service("openai", "OpenAI", base_url, key, "OPENAI_API_KEY", "OPENAI_BASE_URL")


def compatible(key: str | None, base_url: str) -> Service:
    """A server that speaks like OpenAI. It gets the key of the environment only if that is meant for it."""
    base_url = base_url.strip()
    foreign = os.environ.get("OPENAI_BASE_URL", "").strip() != base_url
    if not key and not foreign:
        key = os.environ.get("OPENAI_API_KEY")
    title, names = f"the server at {base_url}", "GUILDHALL" if foreign else "OPENAI"
    return Service(
        "openai", title, base_url, key or "none", f"{names}_API_KEY", f"{names}_BASE_URL", foreign=foreign
    )


def is_local(base_url: str) -> bool:
    """Whether the address is this machine's own."""
    try:
        host = urlsplit(base_url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


_Clients = dict[tuple[str, str, str, bool], Any]
_CLIENTS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients] = WeakKeyDictionary()
_HOLDERS: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


async def ready(service: Service) -> None:
    """Import the SDK, in a thread: it takes a second, in which others are at work."""
    if service.sdk not in sys.modules:
        await asyncio.to_thread(importlib.import_module, service.sdk)


def client(service: Service) -> Any:
    """The SDK's client for the running loop. Raises ProviderError where no request can be made."""
    given = _checked(service)
    mine = _CLIENTS.setdefault(asyncio.get_running_loop(), {})
    key = (service.sdk, service.base_url, given, service.foreign)
    if key not in mine:
        mine[key] = _made(service, given, _made_anthropic if service.sdk == "anthropic" else _made_openai)
    return mine[key]


def blocking_client(service: Service) -> Any:
    """A client of the openai SDK for threads, which whoever asks keeps. Raises as `client` does."""
    return _made(service, _checked(service), _made_in_threads)


def _checked(service: Service) -> str:
    """Its key, where it may be asked."""
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
    return service.key


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


_LISTING = {"timeout": CONNECT_SECONDS, "headers": {"Accept-Encoding": "identity"}}


async def listed_models(base_url: str, api_key: str | None) -> list[str]:
    """The names of the models that a compatible server lists. Raises ProviderError."""
    from .failures import failure  # it needs Service

    service = compatible(api_key, base_url)
    await ready(service)
    try:
        answer = await client(service).get("/models", cast_to=object, options=_LISTING)
        return [str(row["id"]) for row in answer["data"]]
    except ProviderError:
        raise
    except Exception as error:
        raise failure(error, service) from error


def _made(service: Service, key: str, make: Callable[..., Any]) -> Any:
    know_value(key)
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ProviderError("auth", f"{service.key_name} holds characters that no key has: copy it once more")
    if problem := _problem(service.base_url):
        raise ProviderError("not_found", redact(f"{service.url_name} {problem}"), sent=False)
    _redact_logs(service.sdk)
    headers = _not_for_others(key) if service.foreign else None
    local, url = is_local(service.base_url), service.base_url
    return make(local, base_url=url, api_key=key, max_retries=0, default_headers=headers)


def _problem(base_url: str) -> str:
    """Why no request can be sent to the address; empty if it can."""
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is {base_url!r}, which is no address ({error}): correct it"
    if parts.scheme not in ("http", "https"):
        return f"is {base_url!r}; it must begin with http:// or https://"
    if "@" in parts.netloc:
        return f"names a user or a password before {host}: leave them out, and set the key by itself"
    if not host or not base_url.isprintable() or any(sign in base_url for sign in " ?#"):
        return f"is {base_url!r}; it must name a host and a path alone, as http://127.0.0.1:8080/v1 does"
    return ""


def _not_for_others(key: str) -> dict[str, Any]:
    """What keeps the headers back that the SDK adds from the environment; they may hold secrets."""
    from openai import Omit

    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    own = [line.partition(":")[0].strip() for line in lines if ":" in line]
    names = ("OpenAI-Organization", "OpenAI-Project", *own)
    return {name: f"Bearer {key}" if name.lower() == "authorization" else Omit() for name in names}


def _redact_logs(sdk: str) -> None:
    """Redact what the SDK and its transport log: at level DEBUG that is whole requests."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in (sdk, "aiohttp", "httpx2"):
            logger(name)


def _made_anthropic(local: bool, **options: Any) -> Any:
    from anthropic import AsyncAnthropic, DefaultAioHttpClient, Timeout

    http, timeout = _transport(DefaultAioHttpClient, local), Timeout(None, connect=CONNECT_SECONDS)
    return AsyncAnthropic(**options, http_client=http, timeout=timeout, open_telemetry=False)


def _made_openai(local: bool, **options: Any) -> Any:
    from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

    http, timeout = _transport(DefaultAioHttpClient, local), Timeout(None, connect=CONNECT_SECONDS)
    return AsyncOpenAI(**options, http_client=http, timeout=timeout)


def _made_in_threads(local: bool, **options: Any) -> Any:
    from openai import DefaultHttpxClient, OpenAI, Timeout

    http, timeout = _transport(DefaultHttpxClient, local, _shorten_now), Timeout(CONNECT_SECONDS)
    return OpenAI(**options, http_client=http, timeout=timeout)


def _transport(make: Callable[..., Any], local: bool, shorten: Callable[[Any], Any] | None = None) -> Any:
    """The HTTP client; aiohttp takes half the CPU of the SDK's own.

    A redirect would carry the prompt to another host, and so would a proxy to one's own machine.
    """
    hooks = {"response": [shorten or _shorten]}
    return make(follow_redirects=False, trust_env=not local, verify=_certificates(), event_hooks=hooks)


async def _shorten(response: Any) -> None:
    """Read the beginning alone of an error or a list: the SDKs read all of it, and uncompress it first."""
    listing = response.request.method == "GET"
    if response.is_success and not listing:
        return
    most, begun = MOST_OF_LIST if listing else MOST_OF_ERROR, bytearray()
    async with aclosing(aiter(response.stream)) as chunks:
        async for chunk in chunks:
            begun += chunk
            if len(begun) > most:
                break
    await response.stream.aclose()
    _put_back(response, begun[:most])


def _shorten_now(response: Any) -> None:
    """As `_shorten`, in threads."""
    if response.is_success:
        return
    begun = bytearray()
    for chunk in response.stream:
        begun += chunk
        if len(begun) > MOST_OF_ERROR:
            break
    response.stream.close()
    _put_back(response, begun[:MOST_OF_ERROR])


def _put_back(response: Any, body: bytearray) -> None:
    from httpx2 import ByteStream

    compressed = response.headers.pop("content-encoding", "identity") != "identity"  # though not asked for
    response.stream = ByteStream(b"" if compressed else bytes(body))


@functools.cache
def _certificates() -> Any:
    """Whom to trust, read once: it takes 18 ms."""
    from httpx2 import create_ssl_context

    return create_ssl_context()
