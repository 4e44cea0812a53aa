"""One request and its answer: it is sent, and what comes back is read, as it streams in or whole."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from guildhall.errors import ProviderError
from guildhall.redact import redact

from ..message import ModelReply
from .clients import Service, client, ready
from .failures import complains_of, failure
from .receiving import Draft, fields, loaded

MOST_BYTES = 16 * 2**20
"""Of one event of a stream, or of an answer that comes whole."""
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "stream": ("stream", "stream_options"),
    "stream_options": ("stream_options",),
    "response_format": ("response_format",),
    "reasoning_effort": ("reasoning_effort",),
    "reasoning": ("reasoning", "include"),
    "effort": ("output_config.effort",),
}
"""Parts of a request that some servers reject and that it can go without, and where they stand in it.

The first place is the part itself; what stands at the others goes with it.
"""

# With this header the SDKs hand over the open response, instead of objects that cost ten times the CPU.
_OPTIONS = {"headers": {"X-Stainless-Raw-Response": "stream", "Accept-Encoding": "identity"}}
_BOM = b"\xef\xbb\xbf"
_BLANK = _BOM + b" \t\r\n"
_JSON = (b"{", b"[")
_REJECTED: WeakKeyDictionary[Any, dict[str, set[tuple[str, str]]]] = WeakKeyDictionary()
"""By client and model, the optional parts that were rejected, with the values they had: known as long as
the client is kept, since another server may stand at the address one day."""


async def ask(path: str, body: dict[str, Any], draft: Callable[[], Draft]) -> ModelReply:
    """Send the request and give the reply that its answer makes. Every failure is a ProviderError.

    Where an optional part is rejected, the request is sent again without it, or with its other name, and if
    that helps, those that follow are too.
    """
    begun = draft()
    renamed = begun.RENAMED
    sdk = await _client(begun.service)
    rejected = _REJECTED.setdefault(sdk, {}).setdefault(begun.model, set())
    has = _optional(body, renamed)
    parts = {part for part, value in has.items() if (part, value) in rejected}
    while True:
        sent = _without(body, parts, renamed)
        try:
            reply = await _asked(sdk, path, sent, draft())
        except ProviderError as error:
            named = complains_of(error, _optional(sent, renamed))
            if not named:
                raise
            parts |= named
        else:
            rejected |= {(part, has[part]) for part in parts}
            return reply


def _optional(body: dict[str, Any], renamed: Mapping[str, str]) -> dict[str, str]:
    """The parts of the request that can be left out or renamed, with their values."""
    found = {}
    places = {part: first for part, (first, *_) in OPTIONAL.items()} | {part: part for part in renamed}
    for part, place in places.items():
        outer, _, inner = place.partition(".")
        value = fields(body.get(outer)).get(inner) if inner else body.get(outer)
        if value is not None:
            found[part] = json.dumps(value, sort_keys=True)
    return found


def _without(body: dict[str, Any], parts: Iterable[str], renamed: Mapping[str, str]) -> dict[str, Any]:
    left = dict(body)
    for place in {place for part in parts for place in OPTIONAL.get(part, (part,))}:
        outer, _, inner = place.partition(".")
        value = left.pop(outer, None)
        if place in renamed:
            left[renamed[place]] = value
        if inner and (kept := {key: value[key] for key in value if key != inner}):
            left[outer] = kept
    return left


async def _client(service: Service) -> Any:
    try:
        await ready(service)
        return client(service)
    except ProviderError:
        raise
    except Exception as error:
        raise failure(error, service) from error


async def _asked(sdk: Any, path: str, body: dict[str, Any], draft: Draft) -> ModelReply:
    service = draft.service
    try:
        response = await sdk.post(
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
    held = bytearray()
    first, found, waiting = b"", False, 0
    async for chunk in chunks:
        rest.append(chunk if first else chunk.lstrip(_BLANK))
        first = first or rest[-1][:1]
        waiting += len(chunk)
        if waiting > MOST_BYTES:
            raise ProviderError("too_big", f"{draft.model} sent more than {MOST_BYTES:,} bytes: ask for less")
        if first in _JSON or not (b"\n" in chunk or b"\r" in chunk):
            continue
        *lines, last = _lines(b"".join(rest))
        for event in _events(lines, held):
            found = True
            if event is None or draft.take(event):
                await _drain(chunks)
                return True
        rest, waiting = [last], len(last) + len(held)
    if first in _JSON:
        draft.whole(loaded(b"".join(rest)))
        return True
    event = _last(b"".join(rest), held)
    if event is not None:
        draft.take(event)
    return found or event is not None


def _lines(data: bytes) -> list[bytes]:
    """The lines, which end with LF, CRLF or CR; the last one has not ended yet."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        data = data[:-1].replace(b"\r", b"\n") + data[-1:]  # the LF of a last CR may still come
    return data.split(b"\n")


def _events(lines: Iterable[bytes], held: bytearray) -> Iterator[dict[str, Any] | None]:
    """The events in the lines, None for the one that says that no more follow.

    Nearly all data are one line. One that is no JSON by itself is held, with those that follow it, until an
    empty line ends the event.
    """
    for line in lines:
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if data == b"[DONE]" and not held:
                yield None
            elif data and not held and (event := _whole(data)) is not None:
                yield event
            elif data:
                held += data + b"\n"
        elif held and not line.strip():
            data = bytes(held)
            held.clear()
            yield loaded(data)


def _whole(data: bytes) -> dict[str, Any] | None:
    """The event; None if it is no JSON, for it may be a part of one."""
    try:
        return loaded(data)
    except ValueError:
        return None


def _last(line: bytes, held: bytearray) -> dict[str, Any] | None:
    """The event that the end of the stream ends; None if it has broken off in it, or there is none."""
    try:
        return next(_events([line, b""], held), None)
    except ValueError:
        return None


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the end of the body, so that the connection can be used again; a whole reply needs no more."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1):
            async for _ in chunks:
                pass
