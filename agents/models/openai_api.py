"""Models of OpenAI, through its Responses API. Nothing is stored there."""

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
from .receiving import Draft, End, fields, usage
from .remote import RemoteModel
from .sending import PDF, at_most, check_files, data_url, named_schema, result_text, system_text

LEAST_OUTPUT = 16
"""The API rejects a lower limit of output tokens."""


@dataclass(frozen=True)
class OpenAIModel(RemoteModel):
    """A model of OpenAI. Key and address are OPENAI_API_KEY and OPENAI_BASE_URL if not given."""

    provider: str = field(default="openai", kw_only=True)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        check_files(request, self.takes, self.name)
        draft = partial(_Response, request, self.name, self.service, on_text)
        return await ask("/responses", self._body(request), draft)

    @property
    def service(self) -> clients.Service:
        return clients.openai(self.api_key, self.base_url)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        turns = (turn for turn in request.turns if turn.role != "system")
        body: dict[str, Any] = {
            "model": self.model,
            "input": [item for turn in turns for item in _items(turn)],
            "max_output_tokens": max(at_most(request, self.most_output), LEAST_OUTPUT),
            "store": False,
        }
        if self.stream:
            body["stream"] = True
        if system := system_text(request):
            body["instructions"] = system
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    "strict": False,
                }
                for tool in request.tools
            ]
        if request.output is not None:
            body["text"] = {"format": {"type": "json_schema", **named_schema(request.output)}}
        if request.effort:
            body["reasoning"] = {"effort": request.effort}
            body["include"] = ["reasoning.encrypted_content"]
        return body


def _items(turn: Turn) -> Iterator[dict[str, Any]]:
    text = turn.prompt()
    if turn.role == "tool":
        yield {"type": "function_call_output", "call_id": turn.call_id, "output": result_text(turn)}
        return
    if turn.native is not None and turn.native.provider == "openai":
        yield from turn.native.items
        return
    if turn.attachments:
        files = [_file(file) for file in turn.attachments]
        yield {"role": turn.role, "content": [*files, {"type": "input_text", "text": text}]}
    elif text:
        yield {"role": turn.role, "content": text}
    for call in turn.calls:
        arguments = json.dumps(call.arguments)
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}


def _file(file: Attachment) -> dict[str, Any]:
    if file.media_type == PDF:
        return {"type": "input_file", "filename": file.name, "file_data": data_url(file)}
    return {"type": "input_image", "image_url": data_url(file), "detail": "auto"}


class _Response(Draft):
    ENDS: ClassVar[Mapping[str, End]] = {
        "completed": "done",
        "max_output_tokens": "max_tokens",
        "content_filter": "refused",
        "failed": "server",
        "cancelled": "server",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._items: list[dict[str, Any]] = []

    def take(self, event: dict[str, Any]) -> bool:
        match event.get("type"):
            case "response.output_text.delta":
                self.say(event["delta"])
            case "response.refusal.delta":
                self.note(event["delta"])
                self.refusal += event["delta"]
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                self.note(event["delta"])
            case "response.output_item.done":
                self._finish(event["item"])
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end(event["response"])
                return True
            case kind if kind == "error" or event.get("error"):
                raise told(self.service, event)
        return False

    def events(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for item in answer.get("output") or ():
            for part in (item.get("content") or ()) if item["type"] == "message" else ():
                if part["type"] in ("output_text", "refusal"):
                    said = part.get("text") or part.get("refusal") or ""
                    yield {"type": f"response.{part['type']}.delta", "delta": said}
            yield {"type": "response.output_item.done", "item": item}
        yield {"type": "response.completed", "response": answer}

    def _finish(self, item: dict[str, Any]) -> None:
        self._items.append(item)
        if item["type"] == "function_call":
            self.call(len(self._items), id=item["call_id"], name=item["name"], arguments=item["arguments"])
        else:
            self.note(item.get("encrypted_content") or "")

    def _end(self, response: dict[str, Any]) -> None:
        counts = fields(response.get("usage"))
        details = fields(counts.get("input_tokens_details"))
        self.usage = usage(
            counts.get("input_tokens"),
            counts.get("output_tokens"),
            cached=details.get("cached_tokens"),
            cache_written=details.get("cache_write_tokens"),
        )
        if response.get("error"):
            raise told(self.service, response["error"])
        self.stop = fields(response.get("incomplete_details")).get("reason") or response.get("status")

    def native(self, calls: Mapping[Any, ToolCall]) -> Native | None:  # noqa: ARG002  the items hold them
        """All items, where reasoning is among them: it is taken back only with what followed it."""
        if not any(item["type"] == "reasoning" for item in self._items):
            return None
        return Native(provider="openai", items=tuple(self._items))
