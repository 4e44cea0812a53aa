"""What the tests of the model adapters share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fake_models import FakeModels, Reply, fake_models

from guildhall.agents.message import ModelReply, ModelRequest, ToolSpec, Turn
from guildhall.agents.models.anthropic_api import AnthropicModel
from guildhall.agents.models.base import Model
from guildhall.agents.models.clients import close_clients
from guildhall.agents.models.openai_api import OpenAIModel
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.errors import ProviderError

KEY = "secret-" + "k" * 30
APIS = ("messages", "responses", "chat")
all_apis = pytest.mark.parametrize("api", APIS)
streamed_or_whole = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
SEARCH = ToolSpec(
    name="search",
    description="Search the files.",
    parameters={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)


@asynccontextmanager
async def provider(reply: Reply | None = None) -> AsyncIterator[FakeModels]:
    with fake_models(reply) as server:
        try:
            yield server
        finally:
            await close_clients()


def adapter(api: str, server: FakeModels, name: str = "fake", **more: Any) -> Model:
    if api == "messages":
        return AnthropicModel(name, api_key=KEY, base_url=server.url, **more)
    if api == "responses":
        return OpenAIModel(name, api_key=KEY, base_url=f"{server.url}/v1", **more)
    return OpenAICompatibleModel(name, api_key=KEY, base_url=f"{server.url}/v1", **more)


def asking(text: str, **more: Any) -> ModelRequest:
    return ModelRequest(turns=(Turn(role="user", text=text),), **more)


async def said(model: Model, request: ModelRequest) -> ModelReply:
    return await model.complete(request, lambda _: None)


async def failed(model: Model, request: ModelRequest | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await said(model, request or asking("hello"))
    return caught.value
