"""Claude, through Anthropic's Messages API."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

from ..message import ModelReply, ModelRequest, Native, ToolCall, Turn
from . import clients
from .base import OnText
from .exchange import ask
from .failures import told
from .receiving import Draft, End, count, fields, usage
from .remote import RemoteModel
from .sending import PDF, at_most, check_files, encoded, in_words, system_text

WORTH_CACHING = 4_000
"""Characters below which the API would not cache a prompt."""
_CACHE = {"type": "ephemeral"}
_REASONING = ("thinking", "redacted_thinking")


@dataclass(frozen=True)
class AnthropicModel(RemoteModel):
    """A model of Anthropic. Key and address are ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL if not given."""

    provider: str = field(default="anthropic", kw_only=True)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        check_files(request, self.takes, self.name)
        draft = partial(_Messages, request, self.name, self.service, on_text)
        return await ask("/v1/messages", self._body(request), draft)

    @property
    def service(self) -> clients.Service:
        return clients.anthropic(self.api_key, self.base_url)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        schema, system = _transformed(request.output), system_text(request)
        if request.output is not None and schema is None:
            system = f"{system}\n\n{in_words(request.output)}".strip()
        tools = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
        body: dict[str, Any] = {"model": self.model, "max_tokens": at_most(request, self.most_output)}
        if self.stream:
            body["stream"] = True
        body["messages"] = _messages(request)
        if system:
            body["system"] = [{"type": "text", "text": system}]
        if tools:
            body["tools"] = tools
        config: dict[str, Any] = {"effort": request.effort} if request.effort else {}
        if schema is not None:
            config["format"] = {"type": "json_schema", "schema": schema}
        if config:
            body["output_config"] = config
        _mark_for_cache(body)
        return body


def _transformed(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """The schema in the subset that the API takes; None if it cannot be said in it."""
    if schema is None:
        return None
    from anthropic import transform_schema

    try:
        return transform_schema(schema)
    except (ValueError, TypeError, AttributeError, AssertionError):
        return None


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    """The turns as messages; neighbours of one role are one message, as results of tools have to be."""
    turns = [turn for turn in request.turns if turn.role != "system"]
    grouped = groupby(turns, key=lambda turn: "assistant" if turn.role == "assistant" else "user")
    said = ((role, [block for turn in group for block in _blocks(turn)]) for role, group in grouped)
    return [{"role": role, "content": content} for role, content in said if content]


def _blocks(turn: Turn) -> Iterator[dict[str, Any]]:
    text = turn.prompt()
    if turn.role == "tool":
        result = {"type": "tool_result", "tool_use_id": turn.call_id, "content": text}
        yield {**result, "is_error": True} if turn.failed else result
        return
    if turn.native is not None and turn.native.provider == "anthropic":
        yield from map(dict, turn.native.items)
        return
    for file in turn.attachments:
        kind = "document" if file.media_type == PDF else "image"
        source = {"type": "base64", "media_type": file.media_type, "data": encoded(file)}
        yield {"type": kind, "source": source, **({"title": file.name} if kind == "document" else {})}
    if text.strip():
        yield {"type": "text", "text": text}
    for call in turn.calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _mark_for_cache(body: dict[str, Any]) -> None:
    """Have the prompt cached where it is long, and its messages where another turn is likely to follow."""
    tools, system, messages = body.get("tools", []), body.get("system", []), body["messages"]
    fixed = sum(map(_length, (*tools, *system)))
    if fixed >= WORTH_CACHING:
        (system or tools)[-1]["cache_control"] = _CACHE
    said = sum(_length(block) for message in messages for block in message["content"])
    if (tools or len(messages) > 1) and fixed + said >= WORTH_CACHING:
        last = messages[-1]["content"]
        last[-1] = {**last[-1], "cache_control": _CACHE}


def _length(block: dict[str, Any]) -> int:
    if "source" in block:
        return WORTH_CACHING  # a file
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in block.values())


@dataclass
class _Block:
    """A part of the reply's content while it streams in."""

    begun: dict[str, Any]
    pieces: list[str] = field(default_factory=list)
    signature: str = ""


class _Messages(Draft):
    ENDS: ClassVar[Mapping[str, End]] = {
        "end_turn": "done",
        "stop_sequence": "done",
        "tool_use": "done",
        "max_tokens": "max_tokens",
        "model_context_window_exceeded": "context",
        "refusal": "refused",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._blocks: dict[int, _Block] = {}
        self._counts: dict[str, int] = {}

    def take(self, event: dict[str, Any]) -> bool:
        kind = event.get("type")
        if event.get("error") or kind == "error":
            raise told(self.service, event)
        if kind == "content_block_delta":
            self._add(event["index"], event["delta"])
        elif kind == "content_block_start":
            self._begin(event["index"], event["content_block"])
        elif kind == "message_start":
            self._count(event["message"].get("usage"))
        elif kind == "message_delta":
            if self.stop is None:
                self._counts.pop("output_tokens", None)  # it began with that, and it is no total
            self.stop = event["delta"].get("stop_reason") or self.stop
            self._count(event.get("usage"))
        return kind == "message_stop"

    def events(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if answer.get("error"):
            yield answer
        yield {"type": "message_start", "message": answer}
        for index, block in enumerate(answer.get("content") or ()):
            yield {"type": "content_block_start", "index": index, "content_block": block}
            if block["type"] == "tool_use":
                said = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            elif block["type"] == "thinking":
                said = {"type": "thinking_delta", "thinking": block["thinking"]}
            else:
                continue
            yield {"type": "content_block_delta", "index": index, "delta": said}
        yield {"type": "message_delta", "delta": answer, "usage": answer.get("usage")}

    def _begin(self, index: int, begun: dict[str, Any]) -> None:
        self._blocks[index] = _Block(begun)
        if begun["type"] == "text":
            self._add(index, {"type": "text_delta", "text": begun.get("text") or ""})
        elif begun["type"] == "tool_use":
            self.call(index, id=begun["id"], name=begun["name"])

    def _add(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks[index]
        match delta["type"]:
            case "text_delta":
                self.say(delta["text"])
                block.pieces.append(delta["text"])
            case "input_json_delta":
                self.call(index, arguments=delta["partial_json"])
                block.pieces.append(delta["partial_json"])
            case "thinking_delta":
                self.note(delta["thinking"])
                block.pieces.append(delta["thinking"])
            case "signature_delta":
                block.signature += delta["signature"]

    def _count(self, counts: Any) -> None:
        """The counts of a later event replace those of an earlier one: they are totals, which never fall."""
        for key, value in fields(counts).items():
            if (number := count(value)) is not None:
                self._counts[key] = max(number, self._counts.get(key, 0))
        read = self._counts.get("input_tokens")
        cached = self._counts.get("cache_read_input_tokens", 0)
        written = self._counts.get("cache_creation_input_tokens", 0)
        total = None if read is None else read + cached + written
        self.usage = usage(total, self._counts.get("output_tokens"), cached=cached, cache_written=written)

    def native(self, calls: Mapping[Any, ToolCall]) -> Native | None:
        """The whole content, where it holds reasoning: signatures hold only for content as it came."""
        if not any(block.begun["type"] in _REASONING for block in self._blocks.values()):
            return None
        content = (_finished(block, calls.get(index)) for index, block in self._blocks.items())
        return Native(provider="anthropic", items=tuple(filter(None, content)))


def _finished(block: _Block, call: ToolCall | None) -> dict[str, Any] | None:
    """The part as it is sent back; None for text that is empty, which the API rejects."""
    text, kind = "".join(block.pieces), block.begun["type"]
    if kind == "thinking":
        signature = block.signature or block.begun.get("signature", "")
        return {"type": kind, "thinking": text, "signature": signature}
    if kind == "text":
        return {"type": kind, "text": text} if text else None
    if call is not None:
        return {"type": kind, "id": call.id, "name": call.name, "input": call.arguments}
    return block.begun
