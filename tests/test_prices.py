"""What replies cost, from what the providers count: in the shapes of their documentation, with prices of
`genai-prices`, whose own reading of the same body must come to the same."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import genai_prices
import pytest
from adapters import adapter, asking, provider, said, streamed_or_whole
from fake_models import Says
from fake_replies import APIS, Json

from guildhall.agents import (
    Agent,
    Budget,
    Hall,
    Message,
    ModelReply,
    ModelRequest,
    Parallel,
    Run,
    Usage,
)
from guildhall.agents.models.base import Model, OnText
from guildhall.agents.prices import Price, Prices
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import UserError

MESSAGES: dict[str, Json] = {
    "plain": {"input_tokens": 2095, "output_tokens": 503},
    "cache written": {"input_tokens": 21, "cache_creation_input_tokens": 188086, "output_tokens": 393,
                      "cache_creation": {"ephemeral_5m_input_tokens": 188086,
                                         "ephemeral_1h_input_tokens": 0}},
    "cache read": {"input_tokens": 21, "cache_read_input_tokens": 188086, "output_tokens": 393},
    "cache read and written": {"input_tokens": 50, "cache_read_input_tokens": 100000,
                               "cache_creation_input_tokens": 248, "output_tokens": 1200},
    "reasoning": {"input_tokens": 400, "output_tokens": 6000, "service_tier": "standard",
                  "output_tokens_details": {"thinking_tokens": 5100}},
    "long": {"input_tokens": 350000, "output_tokens": 12000},
}  # fmt: skip
RESPONSES: dict[str, Json] = {
    "plain": {"input_tokens": 36, "output_tokens": 87, "total_tokens": 123,
              "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
    "cache read": {"input_tokens": 20048, "output_tokens": 300, "total_tokens": 20348,
                   "input_tokens_details": {"cached_tokens": 19200},
                   "output_tokens_details": {"reasoning_tokens": 0}},
    "cache written": {"input_tokens": 9000, "output_tokens": 300, "total_tokens": 9300,
                      "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 8192}},
    "reasoning": {"input_tokens": 81, "output_tokens": 1035, "total_tokens": 1116,
                  "input_tokens_details": {"cached_tokens": 0},
                  "output_tokens_details": {"reasoning_tokens": 832}},
    "long": {"input_tokens": 350000, "output_tokens": 12000, "total_tokens": 362000},
}  # fmt: skip
CHAT: dict[str, Json] = {
    "plain": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
              "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}},
    "cache read": {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
                   "prompt_tokens_details": {"cached_tokens": 1920}},
    "reasoning": {"prompt_tokens": 81, "completion_tokens": 1035, "total_tokens": 1116,
                  "completion_tokens_details": {"reasoning_tokens": 832, "audio_tokens": 0}},
}  # fmt: skip
MODELS = {
    "messages": ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-4-5"),
    "responses": ("gpt-6-sol", "gpt-6-luna", "gpt-5.5", "gpt-5.4-mini"),
    "chat": ("gpt-6-sol", "gpt-4.1"),
}
SHAPES = {"messages": MESSAGES, "responses": RESPONSES, "chat": CHAT}


@streamed_or_whole
@pytest.mark.parametrize(("api", "name"), [(api, name) for api, names in MODELS.items() for name in names])
async def test_a_reply_costs_what_the_provider_counted(api: str, name: str, stream: bool) -> None:
    vendor, flavor = ("anthropic", "default") if api == "messages" else ("openai", api)
    replies = await counted(api, name, list(SHAPES[api].values()), stream=stream)
    for shape, (model, reply, body) in zip(SHAPES[api], replies, strict=True):
        theirs = genai_prices.extract_usage(body, provider_id=vendor, api_flavor=flavor)
        assert reply.usage is not None, shape
        spent = Prices().of(model, reply.usage)
        assert spent.unpriced == 0
        assert spent.usd == pytest.approx(float(theirs.calc_price().total_price)), shape
        assert spent.usd > 0


OTHERS: dict[str, tuple[Json, tuple[int, int, int]]] = {
    "deepseek": ({"prompt_tokens": 1600, "completion_tokens": 220, "total_tokens": 1820,
                  "prompt_cache_hit_tokens": 1536, "prompt_cache_miss_tokens": 64,
                  "prompt_tokens_details": {"cached_tokens": 1536},
                  "completion_tokens_details": {"reasoning_tokens": 180}}, (1600, 220, 1536)),
    "x-ai": ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 151,
              "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 6},
              "completion_tokens_details": {"reasoning_tokens": 110}}, (32, 119, 6)),
    "openrouter": ({"prompt_tokens": 194, "completion_tokens": 22, "total_tokens": 216,
                    "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 64},
                    "completion_tokens_details": {"reasoning_tokens": 4}}, (194, 22, 100)),
    "mistral": ({"prompt_tokens": 12, "completion_tokens": 33, "total_tokens": 45}, (12, 33, 0)),
}  # fmt: skip


@pytest.mark.parametrize("vendor", OTHERS)
async def test_compatible_providers_are_read_as_genai_prices_reads_them(vendor: str) -> None:
    counts, wanted = OTHERS[vendor]
    ((_, reply, body),) = await counted("chat", "fake", [counts])
    flavor = "default" if vendor == "mistral" else "chat"
    theirs = genai_prices.extract_usage({**body, "model": None}, provider_id=vendor, api_flavor=flavor).usage
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.output, reply.usage.cached) == wanted
    assert (theirs.input_tokens, theirs.output_tokens, theirs.cache_read_tokens or 0) == wanted


async def test_reasoning_that_is_counted_only_in_the_total_is_output() -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 120}
    ((_, reply, _),) = await counted("chat", "gemini", [counts])
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.output) == (5, 115)


@pytest.mark.parametrize("total", [None, 0, 3, float("nan"), "12"])
async def test_a_total_that_makes_no_sense_changes_nothing(total: Any) -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": total}
    ((_, reply, _),) = await counted("chat", "fake", [counts])
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.output) == (5, 9)


class Stated:
    """A model of one's own that states its price."""

    name = "made:own"

    def __init__(self, price: Any) -> None:
        self.price, self.calls = price, 0

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.calls += 1
        return ModelReply(text="fine", usage=Usage(input=10**6, output=10**6), model=self.name)


class Asking:
    """A member of one's own, which asks its model without an agent."""

    name = "asking"

    def __init__(self, model: Model) -> None:
        self.model = model

    async def run(self, message: Message, run: Run) -> Message:
        return run.answer(message, (await run.ask([self.model], asking(message.text))).text)


class Unforeseen:
    """A member of ones own that gives all to another, which nobody knows beforehand."""

    name = "unforeseen"

    def __init__(self, member: Agent) -> None:
        self._member = member

    async def run(self, message: Message, run: Run) -> Message:
        return await run.give(self._member, message)


NO_PRICES = [
    (math.nan, math.nan), (math.inf, 1.0), (-5.0, -5.0), (1.0, 1.0, math.nan), ("1", "2"), (True, 1.0),
    (10**400, 1), (1.0,), (1.0,) * 5, (), "12", 1.0, {"input": 1.0, "output": 1.0},
]  # fmt: skip


@pytest.mark.parametrize("price", NO_PRICES, ids=lambda price: f"{price!r:.20}")
async def test_a_price_that_is_none_is_refused_before_anything_is_asked(price: Any, project: Path) -> None:
    model = Stated(price)
    said = r"the price of the model made:own is .*; it must be a pair \(input, output\) of finite numbers"
    with pytest.raises(UserError, match=said):
        Agent("one", "Answer.", [model])
    async with Hall.open() as hall:
        for budget in (None, Budget(usd=0.0001)):
            team = Parallel("four", [Asking(model) for _ in range(4)], need=1)
            result = await hall.run_team(team, "Well?", budget=budget)
            assert (result.status, result.usage.cost_usd) == ("failed", 0.0)
            assert re.search(said, result.error)
    assert model.calls == 0


async def test_a_price_that_turns_into_none_after_the_agent_was_made_asks_nothing(project: Path) -> None:
    model = Stated((1.0, 1.0))
    agent = Agent("one", "Answer.", [model])
    model.price = (math.nan, math.nan)
    async with Hall.open() as hall:
        with pytest.raises(UserError, match="finite numbers"):
            await hall.run_team(agent, "Well?", budget=Budget(usd=0.0001))
        result = await hall.run_team(Unforeseen(agent), "Well?", budget=Budget(usd=0.0001))
    assert (result.status, model.calls) == ("failed", 0)


@pytest.mark.parametrize(
    ("price", "usd"),
    [
        ((1.0, 2.0), 3.0),
        ([1, 2], 3.0),
        ((0, 0.0, None), 0.0),
        ((1.0, 2.0, 0.5), 3.0),
        ((1, 2, None, 9), 3.0),
        (None, None),
    ],
)
async def test_a_model_of_ones_own_costs_what_it_states(price: Any, usd: float | None, project: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team(Agent("one", "Answer.", [Stated(price)]), "Well?")
    assert (result.status, result.usage.cost_usd) == ("done", usd)


async def counted(
    api: str, name: str, counts: Sequence[Json], *, stream: bool = True
) -> list[tuple[Model, ModelReply, Json]]:
    """For each of the counts the model, its reply with them, and the same reply as the provider's body."""
    said_now: list[Says] = []
    found = []
    async with provider(lambda _body, _api: said_now[-1]) as server:
        model = adapter(api, server, name, stream=stream, **({"provider": "openai"} if api == "chat" else {}))
        for number, usage in enumerate(counts):
            said_now.append(Says("fine", usage=usage))
            reply = await said(model, asking("hello"))
            found.append((model, reply, APIS[api][0](server.requests[number].body, said_now[-1])))
    return found


@pytest.mark.parametrize(
    ("provider", "price", "usd"),
    [
        ("anthropic", Price(8.0, 40.0), 10.0),  # a quarter more than other input
        ("anthropic", Price(8.0, 40.0, written=16.0), 16.0),
        ("openai-compatible", Price(8.0, 40.0), 8.0),
    ],
)
def test_input_that_goes_into_a_cache_has_a_price_of_its_own(provider: str, price: Price, usd: float) -> None:
    model = ScriptedModel()
    model.name = f"{provider}:one"
    prices = Prices({model.name: price})
    assert prices.of(model, Usage(input=1_000_000, cache_written=1_000_000)).usd == usd
    assert prices.amount(model, 1_000_000, 0).usd == usd


@pytest.mark.parametrize("name", ["openai:gpt-6.1-sol", "mine:one"])
def test_counts_that_make_no_sense_together_are_priced_all_the_same(name: str) -> None:
    model = ScriptedModel()
    model.name = name
    prices = Prices({"mine:one": Price(1.0, 1.0)})
    assert prices.of(model, Usage(input=10, output=5, cached=8, cache_written=8)).usd > 0
