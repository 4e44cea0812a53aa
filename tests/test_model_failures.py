"""How calls of models fail, on the three adapters against a real HTTP server."""

import asyncio

import pytest
from adapters import (
    SEARCH,
    adapter,
    all_apis,
    asking,
    failed,
    provider,
    said,
    streamed_or_whole,
)
from fake_models import Call, Fault, Reply, Says

from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.errors import ProviderError


@pytest.mark.parametrize(
    ("stop", "kind"), [("max_tokens", "max_tokens"), ("refused", "refused"), ("dreaming", "bad_response")]
)
@all_apis
async def test_a_reply_that_ended_early_is_no_answer(api: str, stop: str, kind: str) -> None:
    async with provider(lambda _body, _api: Says("I would rather", stop=stop)) as server:
        error = await failed(adapter(api, server))
    assert error.kind == kind


FAULTS = {
    "400": "invalid_request",
    "401": "auth",
    "402": "quota",
    "403": "auth",
    "404": "not_found",
    "307": "not_found",
    "413": "context",
    "429": "rate_limit",
    "500": "server",
    "529": "overloaded",
    "503": "overloaded",
    "error": "overloaded",
    "garbage": "bad_response",
    "noend": "truncated",
    "cut": "connection",
}


@pytest.mark.parametrize(("fault", "kind"), FAULTS.items())
@all_apis
async def test_each_failure_has_its_kind(api: str, fault: str, kind: str) -> None:
    async with provider() as server:
        model = adapter(api, server, f"fake/{fault}")
        error = await failed(model)
    assert error.kind == kind
    assert len(server.requests) == 1


def always(says: Says) -> Reply:
    return lambda _body, _api: says


BUY_MORE = "Rate limit reached for fake. Add a payment method at https://platform.openai.com/account/billing."


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("429", code="insufficient_quota"), "quota"),
        (Fault("400", message="Your credit balance is too low to access the API"), "quota"),
        (Fault("400", code="context_length_exceeded"), "context"),
        (Fault("400", message="prompt is too long: 250000 tokens > 200000 maximum"), "context"),
        (Fault("400", message="API key not valid. Please pass a valid API key."), "auth"),
        (Fault("400", code="model_not_found"), "not_found"),
        (Fault("429", message="You exceeded your current quota. Please retry in 3.5s."), "rate_limit"),
        (Fault("429", message=f"{BUY_MORE} Please try again in 3.5s.", code="requests"), "rate_limit"),
        (Fault("429", "3.5", message=BUY_MORE, code="rate_limit_exceeded"), "rate_limit"),
        (Fault("429", message="Please check your billing details.", code="billing_not_active"), "quota"),
        (Fault("400", message="Billing hard limit has been reached."), "quota"),
        (Fault("400", message="'max_tokens' is too large: 8192. The maximum context length is 4096."),
         "invalid_request"),
    ],
)  # fmt: skip
@all_apis
async def test_what_the_provider_says_decides_over_its_status(api: str, fault: Fault, kind: str) -> None:
    async with provider(lambda _body, _api: fault) as server:
        error = await failed(adapter(api, server))
    assert error.kind == kind
    assert error.retry_after == (3.5 if kind == "rate_limit" else None)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("2", 2.0), ("0.25", 0.25), ("86400", 86400.0), ("soon", None), ("-5", None), ("nan", None),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)  # fmt: skip
async def test_retry_after_is_read_in_all_its_shapes(given: str, seconds: float | None) -> None:
    async with provider(lambda _body, _api: Fault("429", given)) as server:
        error = await failed(adapter("chat", server))
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("in 250ms", 0.25), ("in 20s", 20.0), ("in 1m30.5s", 90.5), ("in 2h0m0s", 7200.0), ("tomorrow", None)],
)
async def test_a_pause_is_also_read_from_the_text(said: str, seconds: float | None) -> None:
    async with provider(lambda _body, _api: Fault("429", message=f"Please try again {said}.")) as server:
        assert (await failed(adapter("chat", server))).retry_after == seconds


@pytest.mark.parametrize(
    "fault", [Fault("400", message="Mend it and try again in 55 s."), Fault("401", "55")]
)
async def test_a_failure_that_does_not_pass_asks_for_no_pause(fault: Fault) -> None:
    async with provider(lambda _body, _api: fault) as server:
        assert (await failed(adapter("chat", server))).retry_after is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [(429, "rate_limit"), (401, "auth"), ("402", "quota"), (400, "invalid_request"), (503, "overloaded"),
     (502, "server"), ("oops", "server")],
)  # fmt: skip
async def test_an_error_within_a_stream_is_told_apart_by_the_status_it_names(
    code: int | str, kind: str
) -> None:
    error = {"error": {"code": code, "message": "as the test wants it"}}
    for sent in ([error], [{"choices": [{**error, "delta": {}, "finish_reason": "error"}]}]):
        says = Says(sent=sent)
        async with provider(always(says)) as server:
            assert (await failed(adapter("chat", server))).kind == kind


@streamed_or_whole
@all_apis
async def test_an_error_in_place_of_a_reply_is_told_whatever_its_shape(api: str, stream: bool) -> None:
    for error, kind in (("out of memory", "server"), ({"type": "insufficient_quota"}, "quota")):
        says = Says(sent=[{"error": error}] if stream else {"error": error})
        async with provider(always(says)) as server:
            told = await failed(adapter(api, server, stream=stream))
        assert told.kind == kind
        assert "KeyError" not in str(told)
        assert "out of memory" in str(told) or kind == "quota"


@all_apis
async def test_a_message_says_what_to_do_and_holds_no_key(api: str) -> None:
    secret = "sk-ant-api03-" + "x" * 40
    async with provider(lambda _body, _api: Fault("401", message=f"invalid key {secret}")) as server:
        error = await failed(adapter(api, server))
    assert "check " in str(error)
    assert "_API_KEY" in str(error)
    assert secret not in str(error)


async def test_a_key_of_no_known_shape_is_kept_out_of_messages_too() -> None:
    key = "q7Rw2ZkP9mXt4LbV"
    async with provider(lambda _body, _api: Fault("401", message=f"no such key: {key}")) as server:
        model = OpenAICompatibleModel("fake", base_url=server.url, api_key=key)
        error = await failed(model)
    assert "no such key" in str(error)
    assert key not in str(error)


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ((Call("rm", "{}"),), "no tool it was offered"),
        ((Call("search", '{"query": '),), "no JSON object"),
        ((Call("search", "[1, 2]"),), "no JSON object"),
        ((Call("search", '{"query": NaN}'),), "no JSON object"),
        ((Call("search", "{}", id="same"), Call("search", "{}", id="same")), "two tool calls"),
    ],
)
@all_apis
async def test_a_tool_call_that_cannot_be_made_is_not_passed_on(
    api: str, calls: tuple[Call, ...], why: str
) -> None:
    async with provider(lambda _body, _api: Says(calls=calls)) as server:
        error = await failed(adapter(api, server), asking("Look.", tools=(SEARCH,)))
    assert error.kind == "bad_tool_call"
    assert why in str(error)


@all_apis
async def test_an_empty_reply_is_no_answer(api: str) -> None:
    async with provider(lambda _body, _api: Says()) as server:
        assert (await failed(adapter(api, server))).kind == "bad_response"


async def test_an_answer_may_not_grow_without_bound_before_it_can_be_read() -> None:
    async with provider() as server:
        assert (await failed(adapter("chat", server, "fake/gzipbomb:17"))).kind == "too_big"


@all_apis
async def test_a_reply_may_not_grow_without_bound(api: str) -> None:
    async with provider(lambda _body, _api: Says("word " * 100 + "x" * 2_000_000)) as server:
        assert (await failed(adapter(api, server))).kind == "too_big"


async def test_a_reply_that_breaks_off_tells_what_the_provider_had_counted() -> None:
    pieces: list[str] = []
    async with provider(lambda _body, _api: "word " * 60) as server:
        model = adapter("messages", server, "fake/cleanend:50")
        with pytest.raises(ProviderError) as caught:
            await model.complete(asking("hello"), pieces.append)
    assert caught.value.kind == "truncated"
    assert caught.value.usage.input > 10
    assert caught.value.usage.output == len("".join(pieces)) // 3 > 60


@pytest.mark.parametrize("fault", ["sseerror:6", "cut:6", "cleanend:6"])
@all_apis
async def test_what_streamed_before_a_failure_is_counted_where_the_provider_did_not(
    api: str, fault: str
) -> None:
    pieces: list[str] = []
    async with provider(lambda _body, _api: "\u4e16\u754c " * 60) as server:
        with pytest.raises(ProviderError) as caught:
            await adapter(api, server, f"fake/{fault}").complete(asking("hello " * 100), pieces.append)
    assert caught.value.usage.input > 100
    assert caught.value.usage.output == len("".join(pieces).encode()) // 3 > 3


async def test_reasoning_that_streamed_before_a_failure_is_counted_too() -> None:
    for key in ("reasoning_content", "reasoning"):
        says = Says(sent=[{"choices": [{"delta": {key: "because " * 30}}]}, {"error": "overloaded"}])
        async with provider(always(says)) as server:
            assert (await failed(adapter("chat", server))).usage.output == 80


@pytest.mark.parametrize("fault", ["401", "reset", "badjson"])
@all_apis
async def test_a_call_without_counts_tells_none(api: str, fault: str) -> None:
    async with provider() as server:
        assert (await failed(adapter(api, server, f"fake/{fault}"))).usage is None


COUNTS = {"input_tokens": 100, "output_tokens": 20, "prompt_tokens": 100, "completion_tokens": 20}


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        (Says("half of it", stop="max_tokens", usage=COUNTS), "max_tokens"),
        (Says("never", stop="refused", usage=COUNTS), "refused"),
        (Says(calls=(Call("rm", "{}"),), usage=COUNTS), "bad_tool_call"),
        (Says(usage=COUNTS), "bad_response"),
    ],
)
@streamed_or_whole
@all_apis
async def test_a_finished_reply_that_is_no_answer_tells_its_usage(
    api: str, stream: bool, says: Says, kind: str
) -> None:
    async with provider(lambda _body, _api: says) as server:
        error = await failed(adapter(api, server, stream=stream))
    assert error.kind == kind
    assert error.usage is not None
    assert (error.usage.input, error.usage.output) == (100, 20)
    assert error.partial == ("half of it" if kind == "max_tokens" else "")


@pytest.mark.parametrize("fault", "400 401 403 404 409 413 422 429 500 503 504 529 307 quota badjson".split())
@all_apis
async def test_every_failure_says_what_to_do_next(api: str, fault: str) -> None:
    async with provider() as server:
        error = await failed(adapter(api, server, f"fake/{fault}"))
    told = str(error).partition("; it says")[0]
    assert any(f"{word} " in told for word in ("check", "try", "use", "add", "give", "set", "change")), told


async def test_a_failed_server_that_wants_no_retry_is_not_said_to_have_been_asked_wrongly() -> None:
    async with provider() as server:
        error = await failed(adapter("chat", server, "fake/noretry500"))
    assert (error.retryable, "failed: try again later" in str(error)) == (False, True)


async def test_what_a_provider_packs_unasked_is_not_unpacked() -> None:
    async with provider() as server:
        assert "unpacked" not in str(await failed(adapter("chat", server, "fake/gziperror")))


async def test_a_redirect_is_not_followed_and_names_the_other_address() -> None:
    async with provider() as server:
        error = await failed(adapter("chat", server, "fake/redirect"))
    assert error.kind == "not_found"
    assert "http://127.0.0.1:9/elsewhere" in str(error)
    assert "set GUILDHALL_BASE_URL" in str(error)


@pytest.mark.parametrize("fault", ["hang", "stall"])
@all_apis
async def test_cancelling_a_call_closes_its_connection(api: str, fault: str) -> None:
    async with provider() as server:
        call = asyncio.create_task(said(adapter(api, server, f"fake/{fault}"), asking("hello")))
        await asyncio.to_thread(server.wait_for, lambda server: server.in_flight == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.to_thread(server.wait_for, lambda server: server.disconnected == 1)


@all_apis
async def test_a_deadline_around_a_call_holds(api: str) -> None:
    async with provider() as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await said(adapter(api, server, "fake/hang"), asking("hello"))
