"""What the adapters share in receiving: a stream of events is read, and checked before it becomes a reply."""

import asyncio
import contextlib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic_core import from_json

from guildhall.errors import ProviderError
from guildhall.redact import redact

from ..message import ModelReply, ModelRequest, Native, ToolCall, Usage
from .base import OnText
from .clients import Service, client, ready
from .failures import failure

MOST_CHARACTERS = 2_000_000
"""Of a reply: its text, its reasoning and the arguments of its calls."""
MOST_BYTES = 16 * 2**20
"""Of one event of a stream."""
End = Literal["done", "max_tokens", "refused"]

# With this header the SDKs hand over the open response, instead of objects that cost ten times the CPU.
_OPTIONS = {"headers": {"X-Stainless-Raw-Response": "stream", "Accept-Encoding": "identity"}}
_LONE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_BOM = b"\xef\xbb\xbf"


@dataclass
class _Pending:
    """A tool call while it streams in."""

    id: str
    name: str
    arguments: list[str] = field(default_factory=list)


@dataclass
class Draft(ABC):
    """A reply while it streams in; each API has its own, which takes the events."""

    request: ModelRequest
    model: str
    service: Service
    on_text: OnText
    stop: str | None = None
    usage: Usage | None = None
    refusal: str = ""
    ENDS: ClassVar[Mapping[str, End]]
    """What the API's stop reasons mean."""

    def __post_init__(self) -> None:
        self._text: list[str] = []
        self._calls: dict[Any, _Pending] = {}
        self._size = 0

    @abstractmethod
    def take(self, event: dict[str, Any]) -> bool:
        """Add an event; True if it was the last one."""

    def native(self, calls: Mapping[Any, ToolCall]) -> Native | None:  # noqa: ARG002  those who need it
        """What the provider wants back as it came; `calls` are the checked ones, by their keys."""
        return None

    def say(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("a piece of text is not a string")
        if text:
            self.grow(len(text))
            text = text.replace("\x00", "\ufffd")
            self._text.append(text)
            self.on_text(text)

    def call(self, key: Any, *, id: str = "", name: str = "", arguments: str = "") -> None:  # noqa: A002  its name
        """Begin the tool call of that key, or add to it."""
        pending = self._calls.get(key)
        if pending is None:
            pending = self._calls[key] = _Pending(id or f"call_{len(self._calls)}", name)
        if arguments:
            self.grow(len(arguments))
            pending.arguments.append(arguments)

    def grow(self, characters: int) -> None:
        self._size += characters
        if self._size > MOST_CHARACTERS:
            raise ProviderError(
                "too_big", f"the reply of {self.model} exceeds {MOST_CHARACTERS:,} characters"
            )

    def reply(self) -> ModelReply:
        """The finished reply. Raises ProviderError unless it is whole."""
        if self.stop is None:
            raise ProviderError("truncated", f"the reply of {self.model} broke off before its end: try again")
        end = "refused" if self.refusal else self.ENDS.get(self.stop)
        if end == "max_tokens":
            limit = f"{self.request.max_output} output tokens: ask for less, or raise the limit"
            raise ProviderError("max_tokens", f"the reply of {self.model} was cut at {limit}")
        text = "".join(self._text)
        if end == "refused":
            said = redact(self.refusal or text)[:200]
            raise ProviderError("refused", f"{self.model} declined to answer" + (f": {said}" if said else ""))
        if end is None:
            raise ProviderError(
                "bad_response", f"{self.model} stopped for an unknown reason: {self.stop!r:.80}"
            )
        calls = dict(self._checked())
        if not text and not calls:
            raise ProviderError("bad_response", f"{self.model} gave an empty reply: try again")
        native = self.native(calls)
        return ModelReply(
            text=text, calls=tuple(calls.values()), usage=self.usage, model=self.model, native=native
        )

    def _checked(self) -> Iterator[tuple[Any, ToolCall]]:
        offered, seen = [tool.name for tool in self.request.tools], set()
        for key, call in self._calls.items():
            if call.name not in offered:
                tools = ", ".join(offered) or "none"
                problem = f"called {call.name!r:.80}, which is no tool it was offered ({tools})"
            elif call.id in seen:
                problem = f"gave two tool calls the id {call.id!r:.80}"
            elif (arguments := _object("".join(call.arguments))) is None:
                problem = f"called {call.name} with arguments that are no JSON object"
            else:
                seen.add(call.id)
                yield key, ToolCall(id=call.id, name=call.name, arguments=arguments)
                continue
            raise ProviderError("bad_tool_call", f"{self.model} {problem}")


async def ask(path: str, body: dict[str, Any], draft: Draft) -> ModelReply:
    """Send the request and give the reply that its events make. Every failure is a ProviderError."""
    service = draft.service
    await ready(service)
    try:
        response = await client(service).post(
            path, cast_to=object, body=body, options=_OPTIONS, stream=True, stream_cls=object
        )
        try:
            events = await _read(response.iter_bytes(), draft)
            kind = response.headers.get("content-type", "no content type")
        finally:
            await response.close()
        if not events and "event-stream" not in kind:
            at = f"{service.title} answered with {kind[:80]} instead of a stream of events"
            raise ProviderError("bad_response", redact(f"{at}: check {service.url_name}"))
        return draft.reply()
    except ProviderError:
        raise
    except Exception as error:  # the SDKs let those of half a dozen libraries through
        raise failure(error, service) from error


async def _read(chunks: AsyncIterator[bytes], draft: Draft) -> int:
    """Give each event to the draft; the number of events.

    Lines are split here since the SDKs' own `iter_lines` also splits at U+2028, which JSON may contain.
    """
    rest: list[bytes] = []
    events = waiting = 0
    async for chunk in chunks:
        rest.append(chunk)
        waiting += len(chunk)
        if waiting > MOST_BYTES:
            raise ProviderError("too_big", f"an event of {draft.model} exceeds {MOST_BYTES:,} bytes")
        if b"\n" not in chunk:
            continue
        *lines, last = b"".join(rest).split(b"\n")
        rest, waiting = [last], len(last)
        for line in lines:
            data = _data(line)
            if data:
                events += 1
                if data == b"[DONE]" or draft.take(_event(data)):
                    await _drain(chunks)
                    return events
    return events


def _data(line: bytes) -> bytes:
    if line.startswith(_BOM):
        line = line[3:]
    return line[5:].strip() if line.startswith(b"data:") else b""


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the end of the body, so that the connection can be used again; a whole reply needs no more."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1):
            async for _ in chunks:
                pass


def _event(data: bytes) -> dict[str, Any]:
    try:
        event = from_json(data)
    except ValueError:
        event = from_json(_LONE.sub(rb"\\ufffd", data))
    if not isinstance(event, dict):
        raise TypeError("an event is no JSON object")
    return event


def _object(arguments: str) -> dict[str, Any] | None:
    """The arguments of a tool call; None if they are no JSON object."""
    try:
        text = arguments.replace("\\u0000", "\\ufffd").strip() or "{}"
        found = from_json(_LONE.sub(rb"\\ufffd", text.encode()), allow_inf_nan=False)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def usage(read: Any, written: Any, *, cached: Any = 0, cache_written: Any = 0) -> Usage | None:
    """The usage, with `read` all of the input; None if a count of the two is missing or not finite."""
    if not (_is_count(read) and _is_count(written)):
        return None
    return Usage(
        input=int(read),
        output=int(written),
        cached=min(int(cached), int(read)) if _is_count(cached) else 0,
        cache_written=min(int(cache_written), int(read)) if _is_count(cache_written) else 0,
    )


def _is_count(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value < 10**12
