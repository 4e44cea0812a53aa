"""The three adapters against a real HTTP server that speaks their APIs."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest
from adapters import APIS, KEY, SEARCH, adapter, all_apis, asking, failed, provider, said, streamed_or_whole
from fake_models import Call, Fault, Says

from guildhall.agents.message import Attachment, ModelRequest, Turn
from guildhall.agents.models.anthropic_api import AnthropicModel
from guildhall.agents.models.base import Model
from guildhall.agents.models.clients import client, close_clients, compatible, listed_models, openai
from guildhall.agents.models.openai_api import OpenAIModel
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.errors import ProviderError

VERDICT = {
    "title": "Verdict",
    "type": "object",
    "properties": {"score": {"type": "integer"}, "why": {"type": "string"}},
    "required": ["score", "why"],
    "additionalProperties": False,
}
PNG = Attachment(name="chart.png", media_type="image/png", data=b"\x89PNG")
PDF = Attachment(name="contract.pdf", media_type="application/pdf", data=b"%PDF-1.7")


@all_apis
@pytest.mark.slow
async def test_the_text_streams_in_pieces_that_make_up_the_reply(api: str) -> None:
    pieces: list[str] = []
    async with provider() as server:
        reply = await adapter(api, server).complete(asking("What is a guild?"), pieces.append)
    assert reply.text == "".join(pieces)
    assert reply.text.endswith("What is a guild?")
    assert len(pieces) > 3
    assert reply.model.endswith(":fake")
    assert server.requests[0].body["stream"] is True


@all_apis
async def test_system_prompts_reach_the_model_apart_from_the_conversation(api: str) -> None:
    turns = (Turn(role="system", text="Be brief."), Turn(role="user", text="hello"))
    async with provider() as server:
        await said(adapter(api, server), ModelRequest(turns=turns, effort="low", max_output=77))
    body = server.requests[0].body
    if api == "messages":
        assert body["system"] == [{"type": "text", "text": "Be brief."}]
        assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
        assert (body["max_tokens"], body["output_config"]) == (77, {"effort": "low"})
    elif api == "responses":
        assert (body["instructions"], body["input"]) == ("Be brief.", [{"role": "user", "content": "hello"}])
        assert (body["max_output_tokens"], body["reasoning"]) == (77, {"effort": "low"})
        assert body["store"] is False
    else:
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert (body["max_tokens"], body["reasoning_effort"]) == (77, "low")


@streamed_or_whole
@all_apis
async def test_several_tool_calls_and_their_results_make_a_round_trip(api: str, stream: bool) -> None:
    asked = asking('[[tool search {"query": "risks"}]] [[tool search {"query": "dates"}]]', tools=(SEARCH,))
    async with provider() as server:
        model = adapter(api, server, stream=stream)
        first = await said(model, asked)
        assert [call.arguments for call in first.calls] == [{"query": "risks"}, {"query": "dates"}]
        results = (
            Turn(role="tool", text="no such file", call_id=first.calls[0].id, failed=True),
            Turn(role="tool", text="May 1st", call_id=first.calls[1].id),
        )
        answered = Turn(role="assistant", text=first.text, calls=first.calls)
        second = await said(model, asked.model_copy(update={"turns": (*asked.turns, answered, *results)}))
    assert second.text.startswith("after the result: ")
    assert second.calls == ()
    sent = json.dumps(server.requests[1].body)
    for call in first.calls:
        assert sent.count(f'"{call.id}"') == 2
    assert '"is_error": true' in sent if api == "messages" else "The tool failed: no such file" in sent


@all_apis
async def test_typed_output_is_asked_for_in_the_providers_own_way(api: str) -> None:
    async with provider() as server:
        reply = await said(adapter(api, server), asking("Judge it.", output=VERDICT))
    assert json.loads(reply.text) == {"score": 0, "why": "x"}
    body = server.requests[0].body
    if api == "messages":
        assert body["output_config"]["format"]["type"] == "json_schema"
        assert body["output_config"]["format"]["schema"]["required"] == ["score", "why"]
    elif api == "responses":
        wanted = {"type": "json_schema", "name": "Verdict", "schema": VERDICT, "strict": True}
        assert body["text"]["format"] == wanted
    else:
        assert body["response_format"]["json_schema"]["strict"] is True
        assert '"additionalProperties": false' in body["messages"][0]["content"]


@pytest.mark.parametrize(
    "change",
    [
        {"required": ["score"]},
        {"additionalProperties": True},
        {"properties": {"score": {"type": "integer", "default": 1}, "why": {"type": "string"}}},
        {"properties": {"score": {}, "why": {"type": "string"}}},
    ],
)
async def test_a_schema_outside_the_rules_of_strict_mode_is_not_sent_as_strict(
    change: dict[str, Any],
) -> None:
    async with provider() as server:
        await said(adapter("responses", server), asking("Judge it.", output=VERDICT | change))
    assert server.requests[0].body["text"]["format"]["strict"] is False


async def test_a_schema_that_anthropic_cannot_take_is_told_in_words() -> None:
    schema = {"type": "object", "properties": {"anything": {}}, "required": []}
    async with provider() as server:
        await said(adapter("messages", server), asking("Judge it.", output=schema))
    body = server.requests[0].body
    assert "output_config" not in body
    assert json.dumps(schema) in body["system"][0]["text"]


@all_apis
async def test_images_and_pdfs_go_along_with_the_text(api: str) -> None:
    turn = Turn(role="user", text="Compare them.", attachments=(PNG, PDF))
    async with provider() as server:
        await said(adapter(api, server, takes=frozenset({"image", "pdf"})), ModelRequest(turns=(turn,)))
    body = server.requests[0].body
    content = body["input" if api == "responses" else "messages"][0]["content"]
    assert content[2]["text"] == "Compare them."
    if api == "messages":
        assert content[0]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
        assert (content[1]["type"], content[1]["title"]) == ("document", "contract.pdf")
    elif api == "responses":
        assert content[0]["image_url"] == "data:image/png;base64,iVBORw=="
        assert content[1]["filename"] == "contract.pdf"
    else:
        assert content[0] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
        assert content[1]["file"]["file_data"].startswith("data:application/pdf;base64,")


@pytest.mark.parametrize("file", [PDF, Attachment(name="plan.tiff", media_type="image/tiff", data=b"II")])
@all_apis
async def test_a_file_that_the_model_does_not_take_is_refused_before_it_is_sent(
    api: str, file: Attachment
) -> None:
    turn = Turn(role="user", text="Read it.", attachments=(file,))
    async with provider() as server:
        model = adapter(api, server, takes=frozenset({"image"}))
        error = await failed(model, ModelRequest(turns=(turn,)))
    assert error.kind == "unsupported"
    for word in (file.name, model.name, "images"):
        assert word in str(error)
    assert server.requests == []


@streamed_or_whole
@all_apis
async def test_usage_counts_all_input_and_names_the_cached_part(api: str, stream: bool) -> None:
    async with provider(lambda _body, _api: Says("fine", cached=30, written=10)) as server:
        reply = await said(adapter(api, server, stream=stream), asking("a question " * 40))
    assert reply.usage is not None
    assert reply.usage.cached == 30
    assert reply.usage.input > 100
    if api == "messages":
        assert reply.usage.cache_written == 10


async def test_anthropics_cached_tokens_are_added_to_its_input() -> None:
    counts = {"input_tokens": 5, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10}
    async with provider(lambda _body, _api: Says("fine", usage=counts | {"output_tokens": 2})) as server:
        reply = await said(adapter("messages", server), asking("hello"))
    assert reply.usage is not None
    assert reply.usage.model_dump() == {"input": 45, "output": 2, "cached": 30, "cache_written": 10}


@pytest.mark.parametrize("counts", [None, {}, {"input_tokens": float("nan"), "prompt_tokens": -1}])
@streamed_or_whole
@all_apis
async def test_usage_that_is_missing_or_impossible_is_none_and_never_zero(
    api: str, stream: bool, counts: Any
) -> None:
    async with provider(lambda _body, _api: Says("fine", usage=counts)) as server:
        reply = await said(adapter(api, server, stream=stream), asking("hello"))
    assert (reply.text, reply.usage) == ("fine", None)


@streamed_or_whole
@all_apis
async def test_text_is_valid_unicode_whatever_the_provider_sends(api: str, stream: bool) -> None:
    odd = "lone \ud800 nul \x00 line\u2028end \U0001f600"
    calls = (Call("search", json.dumps({"query": "a\ud83db\x00"})),)
    async with provider(lambda _body, _api: Says(odd, calls=calls)) as server:
        reply = await said(adapter(api, server, stream=stream), asking("Odd.", tools=(SEARCH,)))
    assert reply.text == "lone \ufffd nul \ufffd line\u2028end \U0001f600"
    assert reply.calls[0].arguments == {"query": "a\ufffdb\ufffd"}
    assert json.loads(reply.model_dump_json())["text"] == reply.text


@streamed_or_whole
@all_apis
async def test_reasoning_goes_back_to_the_provider_it_came_from(api: str, stream: bool) -> None:
    async with provider(lambda _body, _api: Says("So it is.", reasoning="because")) as server:
        model = adapter(api, server, stream=stream)
        reply = await said(model, asking("Why?"))
        turn = Turn(role="assistant", text=reply.text, native=reply.native)
        again = Turn(role="user", text="Sure?")
        for other in (model, *(adapter(name, server) for name in APIS if name != api)):
            await said(other, ModelRequest(turns=(*asking("Why?").turns, turn, again)))
    own, *others = (json.dumps(request.body) for request in server.requests[1:])
    if api == "messages":
        assert '{"type": "thinking", "thinking": "because", "signature": "signed"}' in own
    if api == "responses":
        assert '"encrypted_content": "because"' in own
    assert own.count("So it is.") == 1
    assert not any("because" in body for body in others)


async def test_a_long_prompt_of_anthropic_is_cached_and_a_short_one_is_not() -> None:
    short = (Turn(role="system", text="Be brief."), Turn(role="user", text="hello"))
    long = (Turn(role="system", text="Be brief. " * 500), Turn(role="user", text="hello"))
    async with provider() as server:
        model = adapter("messages", server)
        for turns in (short, long):
            await said(model, ModelRequest(turns=turns))
        await said(model, ModelRequest(turns=long, tools=(SEARCH,)))
    one, two, three = (request.body for request in server.requests)
    assert "cache_control" not in json.dumps(one)
    assert two["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert json.dumps(two).count("cache_control") == 1
    assert three["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("part", ["stream_options", "response_format", "reasoning_effort"])
async def test_a_server_that_rejects_an_optional_part_is_asked_without_it(part: str) -> None:
    def picky(body: dict[str, Any], _api: str) -> str | Fault:
        return Fault("400", message=f"{part}: extra inputs are not permitted") if part in body else "fine"

    async with provider(picky) as server:
        model = adapter("chat", server)
        for _ in range(2):
            reply = await said(model, asking("Judge it.", output=VERDICT, effort="low"))
            assert reply.text == "fine"
    assert [part in request.body for request in server.requests] == [True, False, False]
    assert all(request.body["stream"] for request in server.requests)


@all_apis
async def test_a_reply_that_is_not_to_stream_comes_in_one_piece(api: str) -> None:
    pieces: list[str] = []
    async with provider() as server:
        reply = await adapter(api, server, stream=False).complete(asking("What is a guild?"), pieces.append)
    assert pieces == [reply.text]
    assert reply.text.endswith("What is a guild?")
    assert {"stream", "stream_options"}.isdisjoint(server.requests[0].body)


@pytest.mark.parametrize(
    "why", ["Your organization must be verified to stream this model.", "Streaming is not supported"]
)
@all_apis
async def test_a_server_that_rejects_streaming_is_asked_without_it(api: str, why: str) -> None:
    def unverified(body: dict[str, Any], _api: str) -> str | Fault:
        return Fault("400", message=why, code="unsupported_value") if "stream" in body else "fine"

    async with provider(unverified) as server:
        for _ in range(2):
            assert (await said(adapter(api, server), asking("hello"))).text == "fine"
    assert ["stream" in request.body for request in server.requests] == [True, False, False]
    assert not any("stream_options" in request.body for request in server.requests[1:])


@all_apis
async def test_a_rejection_that_only_sounds_like_one_of_streaming_is_tried_once_and_not_remembered(
    api: str,
) -> None:
    async with provider(lambda _body, _api: Fault("400", message="no video stream here")) as server:
        for _ in range(2):
            assert (await failed(adapter(api, server))).kind == "invalid_request"
    assert ["stream" in request.body for request in server.requests] == [True, False, True, False]


async def test_a_model_of_openai_without_effort_is_asked_without_it() -> None:
    def plain(body: dict[str, Any], _api: str) -> str | Fault:
        why = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        return Fault("400", message=why) if "reasoning" in body else "fine"

    async with provider(plain) as server:
        assert (await said(adapter("responses", server), asking("hello", effort="low"))).text == "fine"
    assert "include" not in server.requests[1].body
    assert server.requests[1].body["stream"] is True


@all_apis
async def test_a_model_says_what_its_replies_are_kept_under(api: str) -> None:
    async with provider() as server:
        model: Any = adapter(api, server, private=True)
    address = server.url if api == "messages" else f"{server.url}/v1"
    assert model.identity == f"{model.name}@{address}"
    assert model.private is True


async def test_a_key_of_openai_is_not_shown_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with provider() as server:
        model = OpenAICompatibleModel("fake", base_url=server.url)
        await said(model, asking("hello"))
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        await said(model, asking("hello"))
    assert [request.headers["authorization"] for request in server.requests] == [
        "bearer none",
        "bearer sk-secret",
    ]


async def test_keys_and_addresses_come_from_the_environment_at_the_time_of_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models: dict[str, Model] = {"ANTHROPIC": AnthropicModel("fake"), "OPENAI": OpenAIModel("fake")}
    async with provider() as server:
        for name, model in models.items():
            error = await failed(model)
            assert error.kind == "auth"
            assert f"set {name}_API_KEY" in str(error)
            monkeypatch.setenv(f"{name}_API_KEY", "from-the-environment")
            monkeypatch.setenv(f"{name}_BASE_URL", server.url)
            assert (await said(model, asking("hello"))).text.startswith("echo")


async def test_calls_of_one_provider_share_one_client() -> None:
    async with provider() as server:
        first = client(openai(KEY, server.url))
        assert client(openai(KEY, server.url)) is first
        assert client(openai("another", server.url)) is not first
        await asyncio.gather(*(said(adapter("responses", server), asking(str(n))) for n in range(10)))
    assert first.is_closed()
    assert len(server.requests) == 10


async def test_a_compatible_server_is_asked_for_its_models() -> None:
    async with provider() as server:
        assert await listed_models(f"{server.url}/v1", None) == ["fake"]
    with pytest.raises(ProviderError):
        await listed_models(compatible(None, "http://127.0.0.1:9").base_url, None)
    await close_clients()


def test_the_adapters_import_no_sdk() -> None:
    program = (
        "import sys\n"
        "from guildhall.agents.models import anthropic_api, guarded, openai_api, openai_chat, scripted\n"
        "anthropic_api.AnthropicModel('x'), openai_api.OpenAIModel('x')\n"
        "print(sorted({'anthropic', 'openai', 'httpx2', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
