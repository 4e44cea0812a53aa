"""One request and its answer: it is sent, and what comes back is read, as it streams in or whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from guildhall.errors import ProviderError
from guildhall.redact import redact

from ..message import ModelReply
from .clients import client, ready
from .failures import complains_of, failure
from .receiving import Draft, loaded

MOST_BYTES = 16 * 2**20
"""Of one event of a stream, or of an answer that comes whole."""
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "stream": ("stream", "stream_options"),
    "stream_options": ("stream_options",),
    "response_format": ("response_format",),
    "reasoning_effort": ("reasoning_effort",),
    "reasoning": ("reasoning", "include"),
}
"""Parts of a request that some servers reject and that it can go without, and what goes with each."""

# With this header the SDKs hand over the open response, instead of objects that cost ten times the CPU.
_OPTIONS = {"headers": {"X-Stainless-Raw-Response": "stream", "Accept-Encoding": "identity"}}
_BOM = b"\xef\xbb\xbf"
_BLANK = _BOM + b" \t\r\n"
_JSON = (b"{", b"[")
_REJECTED: dict[tuple[str, str], set[str]] = {}
"""By address and model, the optional parts that it has rejected."""


async def ask(path: str, body: dict[str, Any], draft: Callable[[], Draft]) -> ModelReply:
    """Send the request and give the reply that its answer makes. Every failure is a ProviderError.

    Where an optional part is rejected, the request is sent again without it, and if that helps, those
    that follow are too.
    """
    begun = draft()
    rejected = _REJECTED.setdefault((begun.service.base_url, begun.model), set())
    parts = set(rejected)
    while True:
        sent = _without(body, parts)
        try:
            reply = await _asked(path, sent, draft())
        except ProviderError as error:
            named = complains_of(error, OPTIONAL.keys() & sent.keys())
            if not named:
                raise
            parts |= named
        else:
            rejected |= parts
            return reply


def _without(body: dict[str, Any], parts: Iterable[str]) -> dict[str, Any]:
    gone = {key for part in parts for key in OPTIONAL[part]}
    return {key: value for key, value in body.items() if key not in gone}


async def _asked(path: str, body: dict[str, Any], draft: Draft) -> ModelReply:
    service = draft.service
    try:
        await ready(service)
        response = await client(service).post(
            path, cast_to=object, body=body, options=_OPTIONS, stream=True, stream_cls=object
        )
        try:
            found = await _read(response.iter_bytes(), draft)
            kind = response.headers.get("content-type", "no content type")
        finally:
            await response.close()
        if not found and "event-stream" not in kind:
            at = f"{service.title} answered with {kind[:80]} instead of a reply"
            raise ProviderError("bad_response", redact(f"{at}: check {service.url_name}"))
        return draft.reply()
    except ProviderError as error:
        error.usage = draft.counted()
        raise
    except Exception as error:  # the SDKs let those of half a dozen libraries through
        failed = failure(error, service)
        failed.usage = draft.counted()
        raise failed from error


async def _read(chunks: AsyncIterator[bytes], draft: Draft) -> bool:
    """Give the answer to the draft, be it a stream of events or one JSON value; False if it is neither.

    Its first byte tells which: some servers stream unasked, some do not though asked, and some do not
    label what they send. Lines are split here since the SDKs' own `iter_lines` also splits at U+2028,
    which JSON may contain.
    """
    rest: list[bytes] = []
    first, found, waiting = b"", False, 0
    async for chunk in chunks:
        first = first or chunk.lstrip(_BLANK)[:1]
        rest.append(chunk)
        waiting += len(chunk)
        if waiting > MOST_BYTES:
            raise ProviderError("too_big", f"{draft.model} sent more than {MOST_BYTES:,} bytes: ask for less")
        if b"\n" not in chunk or first in _JSON:
            continue
        *lines, last = b"".join(rest).split(b"\n")
        rest, waiting = [last], len(last)
        for data in filter(None, map(_data, lines)):
            found = True
            if data == b"[DONE]" or draft.take(loaded(data)):
                await _drain(chunks)
                return True
    if first in _JSON:
        draft.whole(loaded(b"".join(rest).lstrip(_BLANK)))
        return True
    return found


def _data(line: bytes) -> bytes:
    line = line.removeprefix(_BOM)
    return line[5:].strip() if line.startswith(b"data:") else b""


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the end of the body, so that the connection can be used again; a whole reply needs no more."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1):
            async for _ in chunks:
                pass
