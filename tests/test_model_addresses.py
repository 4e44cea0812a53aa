"""Where models are asked: addresses, proxies, and which of them is this machine."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from adapters import APIS, KEY, adapter, all_apis, asking, failed, provider, said
from fake_models import Fault, fake_models

from guildhall.agents.models import clients
from guildhall.agents.models.anthropic_api import AnthropicModel
from guildhall.agents.models.base import Model
from guildhall.agents.models.clients import close_clients, is_local
from guildhall.agents.models.openai_api import OpenAIModel
from guildhall.agents.models.openai_chat import OpenAICompatibleModel


async def test_local_only_forbids_every_other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUILDHALL_LOCAL_ONLY", "1")
    for model in (AnthropicModel("fake", api_key=KEY), OpenAIModel("fake", api_key=KEY)):
        error = await failed(model)
        assert (error.kind, error.sent) == ("private", False)
        assert "GUILDHALL_LOCAL_ONLY" in str(error)
        assert "https://api." in str(error)
    async with provider() as server:
        for api in APIS:
            assert (await said(adapter(api, server), asking("hello"))).text


@pytest.mark.parametrize(
    ("address", "local"),
    [("http://localhost:11434/v1", True), ("http://127.0.0.2", True), ("http://[::1]:8080/v1", True),
     ("http://192.168.0.2/v1", False), ("http://localhost.example.com", False), ("http://[::1", False),
     ("http://127.0.0.1@example.com/v1", False), ("https://api.openai.com/v1", False), ("", False)],
)  # fmt: skip
def test_only_addresses_of_this_machine_are_local(address: str, local: bool) -> None:
    assert is_local(address) is local


async def test_a_proxy_does_not_see_what_goes_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with provider() as server:
        for api in APIS:
            assert (await said(adapter(api, server), asking("hello"))).text


@pytest.mark.parametrize(
    ("key", "address", "kind"),
    [("bad\nkey", "http://127.0.0.1:9", "auth"), ("key", "localhost:9", "not_found"),
     ("key", "http://127.0.0.1:9", "connection")],
)  # fmt: skip
async def test_a_wrong_key_or_address_is_explained(key: str, address: str, kind: str) -> None:
    error = await failed(OpenAIModel("fake", api_key=key, base_url=address))
    await close_clients()
    assert error.kind == kind
    assert "OPENAI_" in str(error)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:port/v1", "http://127.0.0.1:99999", "http://me:hidden1pass@127.0.0.1:9/v1", "http:///v1",
     "http://exa mple/v1", "http://127.0.0.1:9/v1?version=1", "ftp://127.0.0.1", "http://[::1"],
)  # fmt: skip
@all_apis
async def test_an_address_that_cannot_be_asked_is_explained_and_not_asked(api: str, address: str) -> None:
    make: dict[str, Callable[..., Model]] = {
        "messages": AnthropicModel, "responses": OpenAIModel, "chat": OpenAICompatibleModel,
    }  # fmt: skip
    error = await failed(make[api]("fake", api_key=KEY, base_url=address))
    assert (error.kind, error.sent, error.retryable) == ("not_found", False, False)
    assert "_BASE_URL" in str(error)
    assert "hidden1pass" not in str(error)


@all_apis
async def test_an_address_may_have_blanks_around_it_and_capitals(api: str) -> None:
    async with provider() as server:
        server.url = f" {server.url.replace('http', 'HTTP')}"
        model: Any = adapter(api, server)
        model = replace(model, base_url=f"{model.base_url}\n")
        assert (await said(model, asking("hello"))).text.endswith("hello")


async def test_a_connection_that_could_not_be_made_has_sent_nothing() -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 no TLS here\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await failed(OpenAIModel("fake", api_key=KEY, base_url=address))
        await close_clients()
    assert (error.kind, error.sent, error.billed) == ("connection", False, False)


async def test_a_connection_that_takes_too_long_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CONNECT_SECONDS", 0.2)
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await failed(OpenAIModel("fake", api_key=KEY, base_url=address))
        await close_clients()
        await gone.wait()
    assert (error.kind, error.sent, error.retryable) == ("connection", False, True)


@all_apis
async def test_calls_one_after_the_other_use_one_connection(api: str) -> None:
    with fake_models(pace=0.002) as server:  # so that a reply is whole before its body has ended
        for number in range(3):
            await said(adapter(api, server), asking(f"question {number}"))
        await close_clients()
        assert server.connections == 1


async def test_a_proxy_that_wants_a_password_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with provider(lambda _body, _api: Fault("407")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        error = await failed(OpenAICompatibleModel("fake", base_url="http://models.example.test/v1"))
    assert (error.kind, error.retryable) == ("auth", False)
    assert "check HTTP_PROXY" in str(error)


async def test_a_rejected_key_is_named_by_the_variable_that_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with provider(lambda _body, _api: Fault("401")) as server:
        assert "check GUILDHALL_API_KEY" in str(await failed(adapter("chat", server)))
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        assert "check OPENAI_API_KEY" in str(await failed(adapter("chat", server)))
