"""A model that fails in a row is passed over, and tried again by one call."""

import asyncio
from collections.abc import Sequence

import pytest

from guildhall.agents.models import breaker
from guildhall.agents.models.breaker import FAILURES, Breakers
from guildhall.agents.models.guarded import Policy, Tries, guarded
from guildhall.errors import ProviderError, ProviderErrorKind

ONCE = Policy(attempts=1)


class Provider:
    """Fails with `kind` until it is mended; counts its calls by model."""

    def __init__(self, kind: ProviderErrorKind = "server") -> None:
        self.kind: ProviderErrorKind | None = kind
        self.asked: list[str] = []

    async def __call__(self, model: str, _tries: Tries) -> str:
        self.asked.append(model)
        if self.kind and model == "bad":
            raise ProviderError(self.kind, "scripted")
        return model

    async def ask(self, models: Sequence[str], breakers: Breakers, policy: Policy = ONCE) -> str:
        return await guarded(models, self, policy, breakers)


async def opened(provider: Provider, times: int = FAILURES) -> Breakers:
    breakers = Breakers()
    for _ in range(times):
        with pytest.raises(ProviderError):
            await provider.ask(["bad"], breakers)
    return breakers


async def test_after_failures_in_a_row_the_next_model_is_asked_at_once() -> None:
    provider = Provider()
    breakers = await opened(provider)
    provider.asked.clear()
    assert await provider.ask(["bad", "good"], breakers) == "good"
    assert provider.asked == ["good"]


async def test_one_success_in_between_keeps_it_closed() -> None:
    provider = Provider()
    breakers = await opened(provider, FAILURES - 1)
    provider.kind = None
    await provider.ask(["bad"], breakers)
    provider.kind = "server"
    with pytest.raises(ProviderError, match="scripted"):
        await provider.ask(["bad"], breakers)
    assert breakers.rest("bad") == 0


@pytest.mark.parametrize("kind", ["refused", "bad_response", "rate_limit", "max_tokens"])
async def test_what_another_call_need_not_share_does_not_open_it(kind: ProviderErrorKind) -> None:
    breakers = await opened(Provider(kind), 2 * FAILURES)
    assert breakers.rest("bad") == 0


async def test_after_its_rest_one_call_tries_and_the_others_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breaker, "FIRST_REST", 0.0)
    breakers = Breakers()
    breakers._states["bad"] = breaker._State(failures=FAILURES, until=0.0)
    assert breakers.rest("bad") == 0
    assert breakers.rest("bad") > 0
    breakers.abandoned("bad")  # the trial was cancelled
    assert breakers.rest("bad") == 0
    breakers.ended("bad", None)
    assert breakers.rest("bad") == 0


async def test_a_last_model_is_waited_for_instead_of_given_up() -> None:
    provider = Provider()
    breakers = Breakers()
    breakers._states["bad"] = breaker._State(failures=FAILURES, until=0.0)
    assert breakers.rest("bad") == 0  # a trial is on its way
    waiting = asyncio.ensure_future(provider.ask(["bad"], breakers, Policy(longest_wait=60)))
    await asyncio.sleep(0)
    assert not provider.asked
    provider.kind = None
    breakers.ended("bad", None)
    assert await waiting == "bad"


async def test_each_rest_is_longer_than_the_one_before() -> None:
    breakers = await opened(Provider())
    first = breakers._states["bad"].rest
    breakers.ended("bad", "server")
    assert breakers._states["bad"].rest > first


async def test_what_never_left_this_machine_says_nothing_of_the_model() -> None:
    async def unsent(_model: str, _tries: Tries) -> str:
        raise ProviderError("connection", "nobody listens", sent=False)

    breakers = Breakers()
    for _ in range(2 * FAILURES):
        with pytest.raises(ProviderError, match="nobody listens"):
            await guarded(["bad"], unsent, ONCE, breakers)


async def test_a_call_that_cannot_wait_so_long_is_told_that_the_model_rests() -> None:
    provider = Provider()
    breakers = await opened(provider)
    with pytest.raises(ProviderError, match="left alone for") as caught:
        await provider.ask(["bad"], breakers, Policy(deadline=0.5))
    assert caught.value.kind == "circuit_open"
