"""What the adapters share in receiving: events are read, and checked before they become a reply."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic_core import from_json

from guildhall.errors import ProviderError, ProviderErrorKind
from guildhall.redact import redact

from ..message import ModelReply, ModelRequest, Native, ToolCall, Usage
from .base import OnText
from .clients import Service

MOST_BYTES = 2_000_000
"""Of a reply: its text, its reasoning and the arguments of its calls."""
End = Literal["done", "max_tokens", "context", "refused", "server"]
"""How a reply ends: well, or with a failure of that kind."""

_ENDED: Mapping[ProviderErrorKind, str] = {
    "max_tokens": "the reply of {model} was cut at {limit} output tokens: ask for less, or raise the limit",
    "context": "the reply of {model} was cut where its context was full: give it less text or fewer files",
    "refused": "{model} declined to answer: put it differently, or use another model",
    "server": "{model} failed within its reply: try again later, or use another model",
}

_LONE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


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
    """What the API's stop reasons mean, in lower case."""
    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Parts of a request that some servers know under another name alone."""

    def __post_init__(self) -> None:
        self._text: list[str] = []
        self._calls: dict[Any, _Pending] = {}
        self._size = 0

    @abstractmethod
    def take(self, event: dict[str, Any]) -> bool:
        """Add an event; True if it was the last one."""

    @abstractmethod
    def events(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The events that would have streamed in for an answer that came whole."""

    def whole(self, answer: dict[str, Any]) -> None:
        """Take an answer that came whole instead of streaming in."""
        for event in self.events(answer):
            self.take(event)
        if self.stop is None:
            raise ProviderError(
                "bad_response", f"the reply of {self.model} does not say how it ended: try again"
            )

    def counted(self) -> Usage | None:
        """What the provider has counted; of a reply that broke off, at least what had streamed.

        What it has not counted is taken at three bytes a token, which is more than prose takes.
        """
        if self.usage is None and not self._size:
            return None
        if self.usage is not None and self.stop is not None:
            return self.usage
        begun = self.usage or Usage(input=self.request.input_bound() // 3)
        return begun.model_copy(update={"output": max(begun.output, self._size // 3)})

    def native(self, calls: Mapping[Any, ToolCall]) -> Native | None:  # noqa: ARG002  those who need it
        """What the provider wants back as it came; `calls` are the checked ones, by their keys."""
        return None

    def say(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("a piece of text is not a string")
        if text:
            self.grow(text)
            text = text.replace("\x00", "\ufffd")
            self._text.append(text)
            self.on_text(text)

    def call(self, key: Any, *, id: str = "", name: str = "", arguments: str = "") -> None:  # noqa: A002  its name
        """Begin the tool call of that key, or add to it."""
        pending = self._calls.get(key)
        if pending is None:
            pending = self._calls[key] = _Pending(id or f"call_{len(self._calls)}", name)
        pending.name = pending.name or name
        if arguments:
            self.note(arguments)
            pending.arguments.append(arguments)

    def note(self, beside: str) -> None:
        """Count what comes beside the text, and show that something comes."""
        if beside:
            self.grow(beside)
            self.on_text("")

    def grow(self, text: str) -> None:
        """Count what has come. Raises ProviderError if it is too much."""
        self._size += len(text) if text.isascii() else len(text.encode())
        if self._size > MOST_BYTES:
            raise ProviderError(
                "too_big", f"the reply of {self.model} exceeds {MOST_BYTES:,} bytes: ask for less"
            )

    def reply(self) -> ModelReply:
        """The finished reply. Raises ProviderError unless it is whole."""
        if self.stop is None:
            raise ProviderError("truncated", f"the reply of {self.model} broke off before its end: try again")
        end = "refused" if self.refusal else self.ENDS.get(str(self.stop).lower())
        if end is None:
            why = f"{self.model} stopped for an unknown reason, {self.stop!r:.80}"
            raise ProviderError("bad_response", f"{why}: try again, or use another model")
        text = "".join(self._text)
        if end != "done":
            raise self._ended(end, text)
        calls = dict(self._checked())
        if not text.strip() and not calls:
            raise ProviderError("bad_response", f"{self.model} gave an empty reply: try again")
        native = self.native(calls)
        return ModelReply(
            text=text, calls=tuple(calls.values()), usage=self.usage, model=self.model, native=native
        )

    def _ended(self, end: ProviderErrorKind, text: str) -> ProviderError:
        what = _ENDED[end].format(model=self.model, limit=self.request.max_output)
        if end == "refused" and (said := redact(self.refusal or text)[:200]):
            what = f"{what}; it says: {said}"
        return ProviderError(end, what, partial=text if end in ("max_tokens", "context") else "")

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
            raise ProviderError("bad_tool_call", f"{self.model} {problem}: try again, or use another model")


def loaded(data: bytes) -> dict[str, Any]:
    """The JSON object, with lone surrogates replaced. Raises ValueError or TypeError."""
    try:
        value = from_json(data)
    except ValueError:
        value = from_json(_LONE.sub(rb"\\ufffd", data))
    if not isinstance(value, dict):
        raise TypeError("what came is no JSON object")
    return value


def _object(arguments: str) -> dict[str, Any] | None:
    """The arguments of a tool call; None if they are no JSON object."""
    try:
        text = arguments.replace("\\u0000", "\\ufffd").strip() or "{}"
        found = from_json(_LONE.sub(rb"\\ufffd", text.encode()), allow_inf_nan=False)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def usage(read: Any, written: Any, *, cached: Any = 0, cache_written: Any = 0) -> Usage | None:
    """The usage, with `read` all of the input; None if a count of the two is missing or impossible."""
    all_read, output = count(read), count(written)
    if all_read is None or output is None:
        return None
    to_cache = min(count(cache_written) or 0, all_read)  # the dearer part first
    from_cache = min(count(cached) or 0, all_read - to_cache)
    return Usage(input=all_read, output=output, cached=from_cache, cache_written=to_cache)


def count(value: Any) -> int | None:
    """The number of tokens; None for what is none. Some gateways send whole numbers as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= 12:
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10**12 - 1:
        return math.ceil(value)
    return None


def fields(value: Any) -> dict[str, Any]:
    """The object, and an empty one for anything else: what is beside the reply must not spoil it."""
    return value if isinstance(value, dict) else {}
