"""The faults of the fake provider: what they are called, and what each one says."""

import gzip
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from fake_replies import Call, Json, Says

FAULTS = {
    "ok": "a good answer",
    "400 401 402 403 404 405 407 408 409 413 422 425 500 501 503 504 529": "that status; :2 adds Retry-After",
    "429": "429, with Retry-After where 429:SECONDS says so",
    "429none": "429 without Retry-After",
    "429ms": "429 with retry-after-ms (300)",
    "429date": "429 with Retry-After as a date, :SECONDS from now (2)",
    "429far": "429 with Retry-After: 86400",
    "429bad": "429 with Retry-After: soon",
    "429neg": "429 with Retry-After: -5",
    "502": "502 with a proxy's page of HTML",
    "noretry500": "500 with x-should-retry: false",
    "retry400": "400 with x-should-retry: true",
    "quota": "429, the account has no credit",
    "context": "400, the prompt is too long",
    "redirect 307": "307 to another host",
    "reset": "the connection is reset instead of an answer",
    "eof": "the connection is closed without an answer",
    "hang": "no answer at all",
    "slowhead": "headers a byte at a time, over :SECONDS (30)",
    "slowbody": "a JSON body a byte at a time, over :SECONDS (30)",
    "trunc": "a JSON body shorter than its Content-Length",
    "badjson": "200, not JSON",
    "longerror": "500, and its body does not end",
    "gziperror": "500, and its body is gzip",
    "html200": "200, a login page",
    "empty200": "200, no body",
    "wrongct": "200, good JSON labelled text/plain",
    "noct": "200, good JSON without a label",
    "badutf8": "200, JSON whose text is not UTF-8",
    "nulls": "200, JSON with null for content and usage",
    "missing": "200, JSON without content and usage",
    "extra": "200, JSON with parts and fields that nobody knows",
    "oddstop": "200, JSON that ends for a reason that nobody knows",
    "bigheader": "200, with a header of 100 KB",
    "gzipbomb": "200, :MB of spaces in gzip (64)",
    "badgzip": "200, labelled gzip and not compressed",
    "deep": "200, JSON nested 20,000 deep",
    "hugetext": ":MB of text (8)",
    "surrogate": "a lone surrogate in the text",
    "nul": "NUL and control characters in the text",
    "nan": "NaN for the tokens of the input",
    "emptycontent": "no content",
    "maxtokens": "cut at the limit of tokens",
    "refusal": "refused",
    "pause": "Anthropic's pause_turn",
    "badtool": "a tool call whose arguments are no JSON",
    "unknowntool": "a call of a tool that was not offered",
    "duptool": "two tool calls with one id",
    "badschema": "JSON that breaks the schema",
    "cut": "stream: reset after :N events (half of them)",
    "fin": "stream: closed after :N events without the last chunk of the body",
    "cleanend noend": "stream: ends in order after :N events",
    "sseerror error": "stream: an error event after :N events",
    "stall": "stream: silence after :N events",
    "badsse garbage": "stream: after :N events one that is not JSON",
    "pings": "stream: nothing but pings for :SECONDS (30)",
    "crlf": "stream: lines end with CRLF",
    "cr": "stream: lines end with CR",
    "datalines": "stream: the data of an event are several lines",
    "nolastend": "stream: the last line has no end",
    "bytes": "stream: a byte at a time",
    "bom": "stream: begins with a byte order mark",
    "order": "stream: a piece of text comes before the first event",
    "dupend": "stream: the last event comes twice",
    "unknownevent": "stream: an event that nobody knows",
    "giantline": "stream: a line of 8 MB",
    "jsonstream plain": "JSON where a stream was asked for",
    "sseplain": "a stream where none was asked for",
}
"""By name; names in one line mean the same, or are statuses."""
NAMES = frozenset(name for names in FAULTS for name in names.split())
ALSO = {
    "noend": "cleanend",
    "error": "sseerror",
    "garbage": "badsse",
    "plain": "jsonstream",
    "307": "redirect",
}
ERRORS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
          404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error",
          529: "overloaded_error"}  # fmt: skip
JSON_TYPE = "application/json"
HTML = b"<html><body><h1>Please log in</h1><script>alert(1)</script></body></html>"


@dataclass(frozen=True)
class Fault:
    kind: str
    """A name of FAULTS, or a status."""
    value: str | None = None
    """What stands behind its colon."""
    message: str = "as the test wants it"
    code: str | None = None

    @property
    def name(self) -> str:
        return ALSO.get(self.kind, self.kind)

    def number(self, default: float) -> float:
        return float(self.value) if self.value else default


def refused(fault: Fault) -> tuple[int, dict[str, str], Any] | None:
    """Status, headers and body, for faults that turn the request away."""
    name, headers, message, code = fault.name, {}, fault.message, fault.code
    if name == "502":
        return 502, {}, HTML
    if name == "gziperror":
        return 500, {"content-encoding": "gzip"}, gzip.compress(b'{"error": {"message": "unpacked"}}')
    if name == "redirect":
        return 307, {"location": "http://127.0.0.1:9/elsewhere"}, b""
    if name.isdigit():
        status, headers = int(name), {"retry-after": fault.value} if fault.value else {}
    elif name.startswith("429"):
        status, headers = 429, _later(name.removeprefix("429"), fault)
    elif name == "quota":
        status, message, code = 429, "You exceeded your current quota", "insufficient_quota"
    elif name == "context":
        status, message = 400, "prompt is too long: 250000 tokens > 200000 maximum"
    elif name in ("noretry500", "retry400"):
        status, headers = int(name[-3:]), {"x-should-retry": "true" if name == "retry400" else "false"}
    else:
        return None
    error = {"type": ERRORS.get(status, "api_error"), "message": message} | ({"code": code} if code else {})
    return status, headers, {"type": "error", "error": error}


def _later(how: str, fault: Fault) -> dict[str, str]:
    if how == "ms":
        return {"retry-after-ms": f"{fault.number(300):g}"}
    if how == "date":
        return {"retry-after": formatdate(time.time() + fault.number(2), usegmt=True)}
    words = {"far": "86400", "bad": "soon", "neg": "-5"}
    return {"retry-after": words[how]} if how in words else {}


def changed(fault: Fault, body: Json, says: Says) -> Says:
    """What is said instead of `says`, for faults of what is said."""
    if fault.name == "giantline" and body.get("stream"):
        return Says("g" * 8_000_000)
    if fault.name == "badtool":
        return Says(calls=(Call(_offered(body), '{"a": 1, "b": [unquoted'),))
    if fault.name == "duptool":
        return Says(calls=(Call(_offered(body), "{}", id="call_same"),) * 2)
    change = _CHANGES.get(fault.name)
    return change(says, fault) if change else says


def _offered(body: Json) -> str:
    tools = [tool.get("name") or tool["function"]["name"] for tool in body.get("tools", ())]
    return tools[0] if tools else "tool"


_COUNTED = ("input_tokens", "prompt_tokens", "output_tokens", "completion_tokens")
_CHANGES: dict[str, Callable[[Says, Fault], Says]] = {
    "hugetext": lambda _, fault: Says(("a" * 9_999 + " ") * int(fault.number(8) * 100)),
    "surrogate": lambda says, _: replace(says, text=f"\ud800 {says.text}"),
    "nul": lambda _says, _: Says("a\x00b\x07c\x1b[31mred\u202etxt\u2066"),
    "nan": lambda says, _: replace(says, usage=dict.fromkeys(_COUNTED, float("nan"))),
    "emptycontent": lambda _says, _: Says(),
    "maxtokens": lambda says, _: replace(says, text=says.text[: len(says.text) // 2], stop="max_tokens"),
    "refusal": lambda _says, _: Says("I cannot help with that.", stop="refused"),
    "pause": lambda says, _: replace(says, stop="paused"),
    "unknowntool": lambda _says, _: Says(calls=(Call("no_such_tool", "{}"),)),
    "badschema": lambda _says, _: Says('{"wrong": true}'),
}


_Body = tuple[bytes, dict[str, str], str | None]


def _labelled(data: bytes, kind: str | None = JSON_TYPE, **headers: str) -> _Body:
    return data, {name.replace("_", "-"): value for name, value in headers.items()}, kind


def _data(whole: Json) -> bytes:
    return json.dumps(whole).encode()


def _nulls(whole: Json) -> Json:
    return {key: None if key in ("content", "choices", "output", "usage") else whole[key] for key in whole}


def _extra(whole: Json) -> Json:
    """With what a provider may add one day: a field, and a part of the content."""
    part = {"type": "hologram", "id": "h1", "data": [1, 2]}
    for key in ("content", "output"):
        if key in whole:
            return {**whole, "future": {"a": 1}, key: [part, *whole[key]]}
    choice = whole["choices"][0]
    message = {**choice["message"], "hologram": [1]}
    return {**whole, "future": {"a": 1}, "choices": [{**choice, "message": message}]}


def _oddly_stopped(whole: Json) -> Json:
    if "choices" in whole:
        return {**whole, "choices": [{**whole["choices"][0], "finish_reason": "transcended"}]}
    return {**whole, "stop_reason" if "content" in whole else "status": "transcended"}


@lru_cache(maxsize=2)
def _bomb(megabytes: int) -> bytes:
    return gzip.compress(b" " * (megabytes * 1_000_000), 1)


BODIES: dict[str, Callable[[Json, Fault], _Body]] = {
    "badjson": lambda whole, _: _labelled(_data(whole)[:-7]),
    "html200": lambda _whole, _: _labelled(HTML, "text/html"),
    "empty200": lambda _whole, _: _labelled(b""),
    "wrongct": lambda whole, _: _labelled(_data(whole), "text/plain"),
    "noct": lambda whole, _: _labelled(_data(whole), None),
    "badutf8": lambda whole, _: _labelled(re.sub(rb"echo|one", b"ec\xff\xfeho", _data(whole))),
    "nulls": lambda whole, _: _labelled(_data(_nulls(whole))),
    "missing": lambda whole, _: _labelled(_data({"id": whole["id"]})),
    "extra": lambda whole, _: _labelled(_data(_extra(whole))),
    "oddstop": lambda whole, _: _labelled(_data(_oddly_stopped(whole))),
    "bigheader": lambda whole, _: _labelled(_data(whole), x_big="h" * 100_000),
    "gzipbomb": lambda _whole, fault: _labelled(_bomb(int(fault.number(64))), content_encoding="gzip"),
    "badgzip": lambda whole, _: _labelled(_data(whole), content_encoding="gzip"),
    "deep": lambda _whole, _: _labelled(b"[" * 20_000 + b"]" * 20_000),
}
