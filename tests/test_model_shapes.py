"""Replies in the shapes that servers have made of the three APIs, which the adapters take all the same."""

import logging
from typing import Any

import pytest
from adapters import KEY, SEARCH, adapter, all_apis, asking, failed, provider, said, streamed_or_whole
from fake_models import Fault, Says

from guildhall.agents.message import ModelReply

COUNTS = {"input_tokens": 5, "output_tokens": 7, "prompt_tokens": 5, "completion_tokens": 7}


def chat(*deltas: dict[str, Any], stop: str = "stop", stream: bool = True) -> Says:
    """A chat completion of these pieces, streamed or whole; whole it has one piece."""
    if not stream:
        return Says(sent={"choices": [{"message": deltas[0], "finish_reason": stop}]})
    return Says(sent=[{"choices": [{"delta": delta}]} for delta in (*deltas, {})] + [_end(stop)])


def _end(stop: str) -> dict[str, Any]:
    return {"choices": [{"delta": {}, "finish_reason": stop}]}


async def reply_to(says: Says, *, api: str = "chat", stream: bool = True) -> ModelReply:
    async with provider(lambda _body, _api: says) as server:
        return await said(adapter(api, server, stream=stream), asking("Look.", tools=(SEARCH,)))


@streamed_or_whole
async def test_content_may_come_in_parts_of_which_some_are_reasoning(stream: bool) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    parts = [thinking, {"type": "text", "text": "So "}, {"type": "text", "text": "it is."}]
    assert (await reply_to(chat({"content": parts}, stream=stream), stream=stream)).text == "So it is."


def called(**call: Any) -> dict[str, Any]:
    return {"tool_calls": [call]}


def search(arguments: Any, **call: Any) -> dict[str, Any]:
    return called(**call, function={"name": "search", "arguments": arguments})


def more(arguments: str, **call: Any) -> dict[str, Any]:
    return called(**call, function={"arguments": arguments})


ONE = '{"query": "1"}'
TWO = '{"query": "2"}'


@pytest.mark.parametrize(
    ("deltas", "queries"),
    [
        ((search(ONE, index=0, id="a"), search(TWO, index=0, id="b")), ["1", "2"]),
        ((search(ONE, id="a"), search(TWO, id="b")), ["1", "2"]),
        ((search(ONE), search(TWO)), ["1", "2"]),
        ((search('{"query":', id="a"), more(' "1"}')), ["1"]),
        ((search('{"query":', id="a"), more(' "1"}', id="a"), search(TWO, id="b")), ["1", "2"]),
        ((search('{"query":', index=0, id="a"), more(' "1"}', index=0, id="another")), ["1"]),
        ((search('{"query":', index=0, id="a"), search(' "1"}', index=0, id="a")), ["1"]),
        ((more("", index=0, id="a"), search(ONE, index=0)), ["1"]),
        (
            (search('{"query":', index=0, id="a"), search(TWO, index=1, id="b"), more(' "1"}', index=0)),
            ["1", "2"],
        ),
        ((search({"query": "1"}, index=0, id=7),), ["1"]),
    ],
    ids=[
        "all have one number", "no number", "no number and no id", "pieces without either", "pieces by id",
        "each piece has a new id", "each piece has the name", "the name comes later", "interleaved",
        "arguments as an object",
    ],
)  # fmt: skip
async def test_tool_calls_are_told_apart_however_they_are_numbered(
    deltas: tuple[dict[str, Any], ...], queries: list[str]
) -> None:
    reply = await reply_to(chat(*deltas, stop="tool_calls"))
    assert [call.arguments for call in reply.calls] == [{"query": query} for query in queries]
    assert len({call.id for call in reply.calls}) == len(queries)


async def test_whole_tool_calls_of_one_number_are_told_apart() -> None:
    calls = [{**search(text, index=0)["tool_calls"][0], "id": ""} for text in (ONE, TWO)]
    reply = await reply_to(chat({"tool_calls": calls}, stream=False), stream=False)
    assert [call.arguments for call in reply.calls] == [{"query": "1"}, {"query": "2"}]


@pytest.mark.parametrize("counts", ["many", [], [1], 7, True, {"input_tokens": "x", "prompt_tokens": {}}])
@streamed_or_whole
@all_apis
async def test_a_reply_is_kept_whatever_stands_for_its_usage(api: str, stream: bool, counts: Any) -> None:
    reply = await reply_to(Says("fine", usage=counts), api=api, stream=stream)
    assert (reply.text, reply.usage) == ("fine", None)


@pytest.mark.parametrize(
    ("odd", "total"), [(-3, 5), ("many", 5), (None, 5), ([], 5), ("3", 8), (2.5, 8), (float("nan"), 5)]
)
@streamed_or_whole
async def test_an_odd_count_of_the_cache_is_no_less_input(stream: bool, odd: Any, total: int) -> None:
    says = Says("fine", usage=COUNTS | {"cache_read_input_tokens": odd})
    usage = (await reply_to(says, api="messages", stream=stream)).usage
    assert usage is not None
    assert (usage.input, usage.output) == (total, 7)


@streamed_or_whole
@all_apis
async def test_odd_details_of_the_usage_leave_its_counts(api: str, stream: bool) -> None:
    counts = COUNTS | {"prompt_tokens_details": "x", "input_tokens_details": [1], "cache_creation": "x"}
    usage = (await reply_to(Says("fine", usage=counts), api=api, stream=stream)).usage
    assert usage is not None
    assert (usage.input, usage.output) == (5, 7)


@all_apis
async def test_the_parts_of_the_input_are_never_more_than_the_input(api: str) -> None:
    cache = {"cached_tokens": 9, "cache_write_tokens": 4}
    counts = COUNTS | {"prompt_tokens_details": cache, "input_tokens_details": cache}
    usage = (await reply_to(Says("fine", usage=counts), api=api)).usage
    assert usage is not None
    assert usage.cached + usage.cache_written <= usage.input
    if api != "messages":
        assert (usage.input, usage.cached, usage.cache_written) == (5, 1, 4)


def message(*ends: dict[str, Any]) -> Says:
    """A message of Anthropic's that ends with these events."""
    return Says(
        sent=[
            {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "fine"}},
            *({"type": "message_delta", **end} for end in ends),
            {"type": "message_stop"},
        ]
    )


@pytest.mark.parametrize(
    ("later", "output"), [({"output_tokens": 9}, 9), ({"input_tokens": 0, "output_tokens": 2}, 7), (None, 7)]
)
async def test_a_second_end_of_a_message_takes_nothing_from_the_first(later: Any, output: int) -> None:
    first = {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
    says = message(first, {"delta": {"stop_reason": None}, "usage": later})
    usage = (await reply_to(says, api="messages")).usage
    assert usage is not None
    assert (usage.input, usage.output) == (5, output)


async def test_the_count_that_a_message_begins_with_is_not_its_total() -> None:
    for end in ({}, {"usage": "x"}, {"usage": {"output_tokens": -1}}):
        says = message({"delta": {"stop_reason": "end_turn"}, **end})
        assert (await reply_to(says, api="messages")).usage is None


@pytest.mark.parametrize(
    ("api", "stop", "kind"),
    [("messages", "model_context_window_exceeded", "context"), ("chat", "model_length", "context"),
     ("chat", "max_tokens", "max_tokens"), ("chat", "MAX_TOKENS", "max_tokens"), ("chat", "error", "server"),
     ("chat", "SAFETY", "refused"), ("responses", "failed", "server"), ("responses", "cancelled", "server")],
)  # fmt: skip
async def test_each_way_to_end_early_has_its_kind(api: str, stop: str, kind: str) -> None:
    async with provider(lambda _body, _api: Says("half of it", stop=stop, usage=COUNTS)) as server:
        error = await failed(adapter(api, server))
    assert error.kind == kind
    assert error.partial == ("half of it" if kind in ("context", "max_tokens") else "")
    assert error.usage.output == 7
    assert ("output tokens" in str(error)) is (kind == "max_tokens")


async def test_a_reason_to_end_may_be_written_in_capitals() -> None:
    assert (await reply_to(chat({"content": "fine"}, stop="STOP"))).text == "fine"


async def test_events_that_say_nothing_are_passed_over() -> None:
    says = chat({"content": "fine"})
    says.sent[:0] = [{"choices": None}, {"choices": [None]}, {"choices": [{"delta": None}]}, {}]
    assert (await reply_to(says)).text == "fine"


async def test_only_the_effort_that_a_model_rejects_is_left_out() -> None:
    def picky(body: dict[str, Any], _api: str) -> str | Fault:
        wrong = body.get("reasoning_effort") == "low"
        return Fault("400", message="Unsupported value: 'reasoning_effort'.") if wrong else "fine"

    async with provider(picky) as server:
        for effort in ("low", "low", "high"):
            await said(adapter("chat", server), asking("hello", effort=effort))
    sent = [request.body.get("reasoning_effort") for request in server.requests]
    assert sent == ["low", None, None, "high"]


async def test_a_model_of_anthropic_without_effort_is_asked_without_it_and_keeps_the_schema() -> None:
    def plain(body: dict[str, Any], _api: str) -> str | Fault:
        why = "This model does not support the effort parameter."
        return Fault("400", message=why) if "effort" in body.get("output_config", {}) else "fine"

    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
              "additionalProperties": False}  # fmt: skip
    async with provider(plain) as server:
        await said(adapter("messages", server), asking("hello", effort="low"))
        await said(adapter("messages", server), asking("hello", effort="low", output=schema))
    assert [list(request.body.get("output_config", ())) for request in server.requests] == [
        ["effort"],
        [],
        ["format"],
    ]


async def test_a_server_that_knows_the_limit_by_its_other_name_is_asked_with_that() -> None:
    def strict(body: dict[str, Any], _api: str) -> str | Fault:
        why = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return Fault("400", message=why) if "max_tokens" in body else "fine"

    async with provider(strict) as server:
        for _ in range(2):
            await said(adapter("chat", server), asking("hello", max_output=77))
    assert [request.body.get("max_completion_tokens") for request in server.requests] == [None, 77, 77]


async def test_a_foreign_server_gets_no_header_that_is_meant_for_openai(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: mine-alone\nAuthorization: Bearer mine-too")
    async with provider() as server:
        await said(adapter("chat", server), asking("hello"))
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        await said(adapter("chat", server), asking("hello"))
    foreign, own = (request.headers for request in server.requests)
    assert "mine" not in str(foreign)
    assert foreign["authorization"] == f"bearer {KEY}"
    assert (own["x-gateway"], own["openai-organization"]) == ("mine-alone", "org-mine")


@all_apis
async def test_what_the_sdks_log_is_redacted(api: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQrSt" * 2
    for name in ("anthropic", "openai", "httpx2", "aiohttp"):
        caplog.set_level(logging.DEBUG, logger=name)
    async with provider(lambda _body, _api: Fault("400", message=f"not {secret}")) as server:
        await failed(adapter(api, server), asking(f"My key is {secret}."))
    assert "HTTP Request" in caplog.text
    assert "My key is" in caplog.text or api != "messages"
    assert secret not in caplog.text
