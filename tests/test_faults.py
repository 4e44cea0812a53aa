"""What becomes of a model call when the provider misbehaves: each fault, on each API, streamed and whole."""

import asyncio
import time
from collections.abc import Callable

import pytest
from adapters import APIS, KEY, SEARCH, adapter, asking, provider
from fake_faults import ALSO, FAULTS, NAMES
from fake_models import FakeModels

from guildhall.agents.message import ModelReply
from guildhall.agents.models.base import Model
from guildhall.agents.models.guarded import Policy, Tries, guarded
from guildhall.errors import ProviderError

QUESTION = "What is a guild?"
ENDINGS = {
    "ok": "reply",
    "429:0.01": "rate_limit",
    "429:0.01,ok": "reply",
    "429none": "rate_limit",
    "429ms:5": "rate_limit",
    "429date": "rate_limit",
    "429far": "rate_limit",
    "429bad": "rate_limit",
    "429neg": "rate_limit",
    "400": "invalid_request",
    "401": "auth",
    "402": "quota",
    "403": "auth",
    "404": "not_found",
    "405": "not_found",
    "407": "auth",
    "408": "timeout",
    "409": "server",
    "413": "context",
    "422": "invalid_request",
    "425": "server",
    "500": "server",
    "501": "server",
    "502": "server",
    "503:0.01": "overloaded",
    "504": "timeout",
    "529": "overloaded",
    "longerror": "server",
    "gziperror": "server",
    "noretry500": "invalid_request",
    "retry400": "server",
    "quota": "quota",
    "context": "context",
    "redirect": "not_found",
    "reset": "connection",
    "eof": "connection",
    "hang": "timeout",
    "slowhead": "timeout",
    "slowbody": "timeout",
    "trunc": "connection",
    "badjson": "bad_response",
    "html200": "bad_response",
    "empty200": "bad_response",
    "wrongct": "reply",
    "noct": "reply",
    "badutf8": "bad_response",
    "nulls": "bad_response",
    "missing": "bad_response",
    "extra": "reply",
    "oddstop": "bad_response",
    "bigheader": "bad_response",
    "gzipbomb": "too_big",
    "badgzip": "bad_response",
    "deep": "bad_response",
    "hugetext": "too_big",
    "surrogate": "reply",
    "nul": "reply",
    "nan": "reply",
    "emptycontent": "bad_response",
    "maxtokens": "max_tokens",
    "refusal": "refused",
    "pause": "bad_response",
    "badtool": "bad_tool_call",
    "unknowntool": "bad_tool_call",
    "duptool": "bad_tool_call",
    "badschema": "reply",
    "cut:3": "connection",
    "cut:3,ok": "reply",
    "fin:3": "connection",
    "cleanend:3": "truncated",
    "sseerror:3": "overloaded",
    "stall:3": "timeout",
    "badsse:3": "bad_response",
    "pings": "timeout",
    "crlf": "reply",
    "cr": "reply",
    "datalines": "reply",
    "nolastend": "reply",
    "bytes": "reply",
    "bom": "reply",
    "order": "bad_response",
    "dupend": "reply",
    "unknownevent": "reply",
    "giantline": "too_big",
    "jsonstream": "reply",
    "sseplain": "reply",
}
"""By fault: a reply, or the kind of failure."""
ONLY_MESSAGES = ("order", "pause")
"""Faults that are none on the other APIs: their events stand alone, and they know no pause."""
OF_STREAMS = {name for names, what in FAULTS.items() if what.startswith("stream:") for name in names.split()}
TEXTS = {"nul": "a\ufffdb\x07c\x1b[31mred\u202etxt\u2066", "badschema": '{"wrong": true}'}
"""What a reply says, where that is no echo of the question."""
QUICK = (
    "429:0.01 429:0.01,ok 401 403 404 407 422 500 502 503:0.01 quota context redirect reset eof trunc "
    "badjson longerror gziperror html200 empty200 wrongct noct nulls surrogate nul refusal duptool "
    "cut:3 cleanend:3 sseerror:3 crlf cr datalines nolastend bom"
).split()
UNTIL_THE_END = ("hang", "slowhead", "slowbody", "stall", "pings")
"""Faults that only the deadline ends."""


def ending(fault: str, api: str, *, streamed: bool) -> str:
    name = fault.partition(":")[0]
    if not streamed and name in OF_STREAMS:
        return "reply"
    return "reply" if name in ONLY_MESSAGES and api != "messages" else ENDINGS[fault]


async def outcome(
    model: Model, policy: Policy, on_text: Callable[[int, str], None]
) -> ModelReply | ProviderError:
    """How a guarded call ends, under the policy's deadline as in a run."""

    async def attempt(model: Model, tries: Tries) -> ModelReply:
        began = time.monotonic()
        try:
            async with asyncio.timeout(policy.deadline - tries.seconds):
                request = asking(QUESTION, tools=(SEARCH,))
                return await model.complete(request, lambda text: on_text(tries.number, text))
        except TimeoutError as error:
            raise ProviderError("timeout", f"no whole reply within {policy.deadline:g} s") from error
        finally:
            tries.seconds += time.monotonic() - began

    try:
        return await guarded([model], attempt, policy)
    except ProviderError as error:
        return error


async def check(server: FakeModels, fault: str, api: str, *, streamed: bool) -> None:
    deadline = 0.3 if fault.partition(":")[0] in UNTIL_THE_END else 25.0
    policy = Policy(
        attempts=2, deadline=deadline, first_wait=0.001, longest_wait=0.002, longest_retry_after=0.1
    )
    streams: dict[int, list[str]] = {}
    model = adapter(api, server, f"fake/{fault}", stream=streamed)
    ended = await outcome(model, policy, lambda number, text: streams.setdefault(number, []).append(text))
    wanted = ending(fault, api, streamed=streamed)
    if isinstance(ended, ProviderError):
        assert (ended.kind, bool(str(ended))) == (wanted, True), f"{fault} {api} {streamed}: {ended}"
        assert "<" not in str(ended)
        assert KEY not in str(ended)
    else:
        assert wanted == "reply", f"{fault} {api} {streamed}: {ended}"
        assert ended.text.endswith(TEXTS.get(fault, QUESTION))
        assert "".join(streams[max(streams)]) == ended.text


def test_every_fault_has_its_ending() -> None:
    assert {fault.partition(":")[0] for fault in ENDINGS} == NAMES - ALSO.keys()
    assert len(set(QUICK)) == 36


@pytest.mark.parametrize(("number", "fault"), list(enumerate(QUICK)), ids=QUICK)
async def test_a_fault_of_a_stream_has_its_ending(number: int, fault: str) -> None:
    async with provider() as server:
        await check(server, fault, APIS[number % len(APIS)], streamed=True)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ENDINGS)
async def test_a_fault_has_its_ending_on_every_api_streamed_and_whole(fault: str) -> None:
    async with provider() as server, asyncio.TaskGroup() as group:
        for api in APIS:
            for streamed in (True, False):
                group.create_task(check(server, fault, api, streamed=streamed))


async def test_text_that_broke_off_is_told_from_that_of_the_next_attempt() -> None:
    said: list[tuple[int, str]] = []
    async with provider() as server:
        model = adapter("messages", server, "fake/cleanend:4,ok")
        ended = await outcome(
            model, Policy(first_wait=0.001), lambda number, text: said.append((number, text))
        )
    assert isinstance(ended, ModelReply)
    attempts = ["".join(text for number, text in said if number == attempt) for attempt in (1, 2)]
    assert attempts[1] == ended.text
    assert attempts[0]
    assert ended.text.startswith(attempts[0])
    assert attempts[0] != ended.text
