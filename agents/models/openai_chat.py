"""Models on any server that speaks chat completions: Ollama, vLLM, LM Studio, Gemini, Mistral, OpenRouter."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from ..message import Attachment, ModelReply, ModelRequest, Native, ToolCall, Turn
from . import clients
from .base import OnText
from .exchange import ask
from .failures import told
from .receiving import Draft, End, count, fields, usage
from .remote import RemoteModel
from .sending import PDF, at_most, check_files, data_url, in_words, named_schema, result_text, system_text


@dataclass(frozen=True)
class OpenAICompatibleModel(RemoteModel):
    """A model on the server at `base_url`, as `<provider>:<model>`."""

    base_url: str = field(kw_only=True)
    takes: frozenset[str] = field(default=frozenset({"image"}), kw_only=True)
    provider: str = field(default="openai-compatible", kw_only=True)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        check_files(request, self.takes, self.name)
        draft = partial(_Chat, request, self.name, self.service, on_text, provider=self.provider)
        return await ask("/chat/completions", self._body(request), draft)

    @property
    def service(self) -> clients.Service:
        return clients.compatible(self.api_key, self.base_url)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        system = system_text(request)
        if request.output is not None:
            system = f"{system}\n\n{in_words(request.output)}".strip()
        messages = [{"role": "system", "content": system}] if system else []
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                *messages,
                *(_message(turn, self.provider) for turn in request.turns if turn.role != "system"),
            ],
            "max_tokens": at_most(request, self.most_output),
        }
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in request.tools
            ]
        if request.output is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": named_schema(request.output)}
        if request.effort:
            body["reasoning_effort"] = request.effort
        return body


def _message(turn: Turn, provider: str) -> dict[str, Any]:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.call_id, "content": result_text(turn)}
    text = turn.prompt()
    if turn.attachments:
        files = [_file(file) for file in turn.attachments]
        return {"role": turn.role, "content": [*files, {"type": "text", "text": text}]}
    message: dict[str, Any] = {"role": turn.role, "content": text}
    if turn.calls:
        own = turn.native is not None and turn.native.provider == provider
        extras = turn.native.items if turn.native is not None and own else ({},) * len(turn.calls)
        message["tool_calls"] = [_call(call) | extra for call, extra in zip(turn.calls, extras, strict=False)]
        message["content"] = text or None
    return message


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _file(file: Attachment) -> dict[str, Any]:
    if file.media_type == PDF:
        return {"type": "file", "file": {"filename": file.name, "file_data": data_url(file)}}
    return {"type": "image_url", "image_url": {"url": data_url(file)}}


@dataclass
class _Chat(Draft):
    provider: str = ""
    ENDS: ClassVar[Mapping[str, End]] = {
        "stop": "done",
        "tool_calls": "done",
        "function_call": "done",
        "end_turn": "done",
        "eos": "done",
        "length": "max_tokens",
        "max_tokens": "max_tokens",
        "model_length": "context",
        "content_filter": "refused",
        "safety": "refused",
        "error": "server",
    }

    RENAMED: ClassVar[Mapping[str, str]] = {"max_tokens": "max_completion_tokens"}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._extras: dict[int, dict[str, Any]] = {}
        self._open: dict[Any, int] = {}
        """The call that the pieces with that number or id belong to; under None, those without either."""

    def take(self, event: dict[str, Any]) -> bool:
        if event.get("error"):
            raise told(self.service, event)
        if event.get("usage") is not None:
            self._count(event["usage"])
        for choice in filter(None, (event.get("choices") or ())[:1]):
            if choice.get("error"):
                raise told(self.service, choice)
            self.stop = choice.get("finish_reason") or self.stop
            self._take(choice.get("delta") or {})
        return False

    def events(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        choices = [
            {**choice, "delta": _numbered(choice.get("message") or {})}
            for choice in filter(None, answer.get("choices") or ())
        ]
        yield {**answer, "choices": choices}

    def _take(self, delta: dict[str, Any]) -> None:
        content = delta.get("content")
        if isinstance(content, list):
            for part in content:
                self._say(part)
        elif content:
            self.say(content)
        if refusal := delta.get("refusal"):
            self.note(refusal)
            self.refusal += refusal
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            self.note(str(reasoning))
        for call in delta.get("tool_calls") or ():
            self._add(call)

    def _say(self, part: Any) -> None:
        """Some servers send reasoning as a part of the content, and then the text as another."""
        if isinstance(part, dict):
            if part.get("type") != "text":
                self.note(str(part))
                return
            part = part["text"]
        self.say(part)

    def _add(self, piece: dict[str, Any]) -> None:
        """Some servers number no calls, since each comes whole, or give all one number; some give no ids.

        Another call begins with another id, if it comes with a name: some give each piece a new id.
        """
        function = piece.get("function") or {}
        id, name = str(piece.get("id") or ""), function.get("name") or ""  # noqa: A001  its name
        at = piece.get("index")
        place = (id or None) if at is None else at
        key = self._open.get(place, len(self._calls))
        if (known := self._calls.get(key)) and name and known.name:
            another = id != known.id if id else at is None
            key = len(self._calls) if another else key
        self._open[place] = self._open[None] = key
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        self.call(key, id=id, name=name, arguments=arguments)
        if piece.get("extra_content"):
            self._extras[key] = {"extra_content": piece["extra_content"]}

    def _count(self, counts: Any) -> None:
        """Some servers leave the reasoning out of the completion and count it only in the total."""
        counts = fields(counts)
        read, written, total = (
            count(counts.get(f"{part}_tokens")) for part in ("prompt", "completion", "total")
        )
        if read is not None and written is not None and total is not None:
            written = max(written, total - read)
        details = fields(counts.get("prompt_tokens_details"))
        cached = details.get("cached_tokens", counts.get("prompt_cache_hit_tokens"))
        self.usage = usage(read, written, cached=cached, cache_written=details.get("cache_write_tokens"))

    def native(self, calls: Mapping[Any, ToolCall]) -> Native | None:
        """What came with the calls beside the standard, such as the signatures of Gemini's reasoning."""
        if not self._extras:
            return None
        return Native(provider=self.provider, items=tuple(self._extras.get(key, {}) for key in calls))


def _numbered(message: dict[str, Any]) -> dict[str, Any]:
    """The message with its tool calls numbered, as they are where they stream in."""
    calls = message.get("tool_calls") or ()
    return {**message, "tool_calls": [{**call, "index": number} for number, call in enumerate(calls)]}
