"""What the fake provider says: the smallest fitting reply, in the shapes of three APIs, and as events."""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Event = tuple[str, Json | str]
"""Its name, if the API gives it one, and its data."""
WORDS = {
    "messages": {"": "end_turn", "calls": "tool_use", "max_tokens": "max_tokens", "refused": "refusal",
                 "paused": "pause_turn"},
    "chat": {"": "stop", "calls": "tool_calls", "max_tokens": "length", "refused": "content_filter",
             "paused": "stop"},
    "responses": {"": "completed", "calls": "completed", "max_tokens": "incomplete", "refused": "completed",
                  "paused": "completed"},
}  # fmt: skip
"""How each API says why a reply ended."""


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    """JSON."""
    id: str = ""


@dataclass(frozen=True)
class Says:
    text: str = ""
    calls: tuple[Call, ...] = ()
    stop: str = ""
    """Why the reply ends: `max_tokens`, `refused`, or a word of the API itself."""
    reasoning: str = ""
    cached: int = 0
    """Input tokens that came from the cache."""
    written: int = 0
    sent: Any = None
    """Sent as it is: a list of events as a stream, anything else whole."""
    usage: Any = "counted"
    """Sent as it is, where something else than the true counts is wanted."""
    after: threading.Event | None = None
    """Not said before this is set."""


def default_reply(body: Json, api: str) -> Says:
    """What the directives ask for that fake_models.py lists."""
    if api == "embeddings":
        return Says()
    turns: list[Json] = body["input"] if api == "responses" else body["messages"]
    users = [text_of(turn) for turn in turns if turn.get("role") == "user"]
    last, now = next((text for text in reversed(users) if text), ""), text_of(turns[-1])
    if schema := _schema(body):
        return Says(json.dumps(smallest(schema)))
    if now.startswith("result: "):
        return Says(f"after the {now[:60]}")
    if calls := re.findall(r"\[\[tool (\S+) (\{.*?\})\]\]", last, re.DOTALL):
        return Says(calls=tuple(Call(name, arguments) for name, arguments in calls))
    if words := re.search(r"\[\[words (\d+)\]\]", last):
        return Says(" ".join(f"word{number}" for number in range(int(words[1]))))
    return Says(f"echo {hashlib.sha256(last.encode()).hexdigest()[:8]} {last[:60]}")


def text_of(turn: Json) -> str:
    """The text of one entry of a request; that of a tool's result begins with `result: `."""
    content = turn.get("content", turn.get("output", ""))
    if isinstance(content, list):
        content = "\n".join(text_of(part) if "content" in part else part.get("text", "") for part in content)
    result = turn.get("role") == "tool" or turn.get("type") in ("tool_result", "function_call_output")
    return f"result: {content}" if result else str(content)


def _schema(body: Json) -> Json | None:
    chat = (body.get("response_format") or {}).get("json_schema")
    messages, responses = ((body.get(key) or {}).get("format") for key in ("output_config", "text"))
    return (chat or messages or responses or {}).get("schema")


def smallest(schema: Json, defs: Json | None = None) -> Any:
    """The smallest value that fits the usual parts of a JSON schema."""
    defs = defs or schema.get("$defs", {})
    if "$ref" in schema:
        return smallest(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if several := next((key for key in ("anyOf", "oneOf", "allOf") if key in schema), ""):
        return smallest(schema[several][0], defs)
    if schema.get("type") == "object":
        parts = schema.get("properties", {})
        return {name: smallest(parts[name], defs) for name in schema.get("required", [])}
    if schema.get("type") == "array":
        return [smallest(schema.get("items", {}), defs)] * schema.get("minItems", 0)
    simple = {"string": "x" * max(1, schema.get("minLength", 1)), "boolean": True, "null": None}
    return simple.get(schema.get("type", "null"), schema.get("minimum", 0))


def _counts(body: Json, says: Says) -> tuple[int, int]:
    said = len(says.text) + sum(len(call.arguments) for call in says.calls)
    return max(1, len(json.dumps(body)) // 4), max(1, said // 4)


def _ids(says: Says) -> list[tuple[str, Call]]:
    return [(call.id or f"call_{number}", call) for number, call in enumerate(says.calls)]


def _stop(api: str, says: Says) -> str:
    return WORDS[api].get(says.stop or ("calls" if says.calls else ""), says.stop)


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*$|\s*\S+", text) or [text]


def _loaded(call: Call) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(call.arguments)
    return call.arguments


def messages(body: Json, says: Says) -> Json:
    read, written = _counts(body, says)
    content: list[Json] = []
    if says.reasoning:
        content.append({"type": "thinking", "thinking": says.reasoning, "signature": "signed"})
    if says.text:
        content.append({"type": "text", "text": says.text})
    for name, call in _ids(says):
        content.append({"type": "tool_use", "id": name, "name": call.name, "input": _loaded(call)})
    usage = {"input_tokens": read, "output_tokens": written, "cache_read_input_tokens": says.cached,
             "cache_creation_input_tokens": says.written}  # fmt: skip
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": _stop("messages", says), "stop_sequence": None,
            "usage": usage if says.usage == "counted" else says.usage}  # fmt: skip


def messages_events(whole: Json) -> list[Event]:
    begun = {**whole, "content": [], "stop_reason": None, "usage": _begun(whole["usage"])}
    events: list[Json] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(whole["content"]):
        key = {"thinking": "thinking", "text": "text", "tool_use": "input"}[block["type"]]
        empty = {**block, key: {} if key == "input" else ""}
        delta = {"thinking": "thinking_delta", "text": "text_delta", "input": "input_json_delta"}[key]
        part = "partial_json" if key == "input" else key
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        for word in _words(dumped(block[key])):
            said = {"type": delta, part: word}
            events.append({"type": "content_block_delta", "index": index, "delta": said})
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": whole["usage"]}, {"type": "message_stop"}]
    return [(event["type"], event) for event in events]


def _begun(usage: Any) -> Any:
    """The usage as a stream begins with it."""
    return usage | {"output_tokens": 1} if isinstance(usage, dict) and "output_tokens" in usage else usage


def chat(body: Json, says: Says) -> Json:
    read, written = _counts(body, says)
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
             "prompt_tokens_details": {"cached_tokens": says.cached}}  # fmt: skip
    message: Json = {"role": "assistant", "content": says.text or None}
    if says.calls:
        message["tool_calls"] = [
            {"id": name, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for name, call in _ids(says)
        ]
    return {"id": "chatcmpl_1", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": _stop("chat", says)}],
            "usage": usage if says.usage == "counted" else says.usage}  # fmt: skip


def chat_events(whole: Json) -> list[Event]:
    choice = whole["choices"][0]
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in _words(choice["message"]["content"] or "")]
    for index, call in enumerate(choice["message"].get("tool_calls", [])):
        words = _words(call["function"]["arguments"])
        begun = {"index": index, **call, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [begun]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": word}}]} for word in words]
    base = {**whole, "object": "chat.completion.chunk", "usage": None}
    events: list[Event] = [
        ("", {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas
    ]
    end = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    events += [("", {**base, "choices": [end]}), ("", {**base, "choices": [], "usage": whole["usage"]})]
    return [*events, ("", "[DONE]")]


def responses(body: Json, says: Says) -> Json:
    read, written = _counts(body, says)
    output: list[Json] = []
    if says.reasoning:
        output.append({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": says.reasoning})
    if says.text:
        kind, key = ("refusal", "refusal") if says.stop == "refused" else ("output_text", "text")
        part = {"type": kind, key: says.text, "annotations": []}
        output.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                       "content": [part]})  # fmt: skip
    for name, call in _ids(says):
        output.append({"type": "function_call", "id": f"fc_{name}", "call_id": name, "name": call.name,
                       "arguments": call.arguments, "status": "completed"})  # fmt: skip
    usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written,
             "input_tokens_details": {"cached_tokens": says.cached, "cache_write_tokens": says.written},
             "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    status = _stop("responses", says)
    why = {"reason": "max_output_tokens"} if status == "incomplete" else None
    return {"id": "resp_1", "object": "response", "created_at": 0, "model": body["model"], "status": status,
            "incomplete_details": why, "error": None, "output": output, "parallel_tool_calls": True,
            "tool_choice": "auto", "tools": [],
            "usage": usage if says.usage == "counted" else says.usage}  # fmt: skip


def responses_events(whole: Json) -> list[Event]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[Json] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(whole["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        begun = {**item, **({"content": []} if item["type"] == "message" else {})}
        events.append({"type": "response.output_item.added", **at, "item": begun})
        for part in item.get("content", []):
            words = _words(part.get("text") or part.get("refusal"))
            events += [{"type": f"response.{part['type']}.delta", **at, "delta": word} for word in words]
        events.append({"type": "response.output_item.done", **at, "item": item})
    end = "incomplete" if whole["status"] == "incomplete" else "completed"
    events.append({"type": f"response.{end}", "response": whole})
    return [(event["type"], {**event, "sequence_number": n}) for n, event in enumerate(events)]


def embeddings(body: Json, says: Says) -> Json:
    """Vectors of `dimensions` (8) numbers; texts with the same words are near each other."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    rows = [
        {"object": "embedding", "index": index, "embedding": _vector(text, body.get("dimensions", 8))}
        for index, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    return {"object": "list", "data": rows, "model": body["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}  # fmt: skip


def _vector(text: str, size: int) -> list[float]:
    found = [0.01] * size
    for word in re.findall(r"\w+", text.lower()):
        found[int(hashlib.sha256(word.encode()).hexdigest(), 16) % size] += 1.0
    return found


APIS: dict[str, tuple[Callable[[Json, Says], Json], Callable[[Json], list[Event]]]] = {
    "messages": (messages, messages_events),
    "chat": (chat, chat_events),
    "responses": (responses, responses_events),
    "embeddings": (embeddings, lambda whole: [("", whole)]),
}


def dumped(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(data)
