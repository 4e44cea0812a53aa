"""Which model calls are made again, on which model, and how long."""

import asyncio
from collections.abc import Sequence

import pytest
from fake_models import fake_models

from guildhall.agents.message import ModelReply, ModelRequest, Turn
from guildhall.agents.models.breaker import Breakers
from guildhall.agents.models.clients import close_clients
from guildhall.agents.models.guarded import Policy, Tries, guarded
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.models.scripted import ScriptedModel
from guildhall.errors import Failure, ProviderError, ProviderErrorKind

QUICK = Policy(first_wait=0.001, longest_wait=0.002)
REQUEST = ModelRequest(turns=(Turn(role="user", text="Who is there?"),))


def error(kind: ProviderErrorKind, retry_after: float | None = None) -> ProviderError:
    return ProviderError(kind, f"a failure: {kind}", retry_after=retry_after)


async def ask(models: Sequence[ScriptedModel], policy: Policy = QUICK) -> str:
    async def call(model: ScriptedModel, _tries: Tries) -> ModelReply:
        return await model.complete(REQUEST, lambda _: None)

    return (await guarded(models, call, policy)).text


async def test_a_failure_that_may_pass_is_tried_again_on_the_same_model() -> None:
    model = ScriptedModel(error("overloaded"), error("truncated"), "at last")
    assert await ask([model]) == "at last"


async def test_a_failure_that_does_not_pass_leads_to_the_next_model() -> None:
    first, second = ScriptedModel(error("quota"), "never asked"), ScriptedModel("instead")
    assert await ask([first, second]) == "instead"
    assert len(first.requests) == 1


async def test_attempts_are_counted_for_each_model() -> None:
    models = [ScriptedModel(*[error("server")] * 9, name=f"model {n}") for n in range(3)]
    with pytest.raises(ProviderError):
        await ask(models, Policy(attempts=2, first_wait=0.001))
    assert [len(model.requests) for model in models] == [2, 2, 2]


async def test_the_last_failure_is_raised() -> None:
    with pytest.raises(ProviderError) as caught:
        await ask([ScriptedModel(error("auth")), ScriptedModel(error("context"))])
    assert caught.value.kind == "context"


async def test_a_provider_that_wants_too_long_a_pause_is_left_for_the_next_model() -> None:
    patient, ready = ScriptedModel(error("rate_limit", 3600), "later"), ScriptedModel("now")
    assert await ask([patient, ready]) == "now"
    assert len(patient.requests) == 1


async def test_other_errors_pass_untouched() -> None:
    model = ScriptedModel(ZeroDivisionError("a bug"), "never asked")
    with pytest.raises(ZeroDivisionError):
        await ask([model])
    assert len(model.requests) == 1


async def test_no_attempt_begins_once_the_deadline_is_used_up() -> None:
    seen: list[int] = []

    async def slow(_model: str, tries: Tries) -> str:
        seen.append(tries.number)
        tries.seconds += 5
        raise error("timeout")

    with pytest.raises(ProviderError):
        await guarded(["one", "two", "three"], slow, Policy(deadline=12, first_wait=0.001))
    assert seen == [1, 2, 3]


async def test_a_pause_that_would_end_after_the_deadline_is_not_begun() -> None:
    model = ScriptedModel(error("rate_limit", 30), "too late")
    async with asyncio.timeout(5):
        with pytest.raises(ProviderError):
            await ask([model], Policy(deadline=20))


async def test_each_attempt_begins_with_nothing_streamed() -> None:
    seen: list[tuple[int, int]] = []

    async def call(_model: str, tries: Tries) -> str:
        seen.append((tries.number, tries.streamed))
        tries.streamed += 100
        if tries.number < 3:
            raise error("server")
        return "done"

    assert await guarded(["only"], call, QUICK) == "done"
    assert seen == [(1, 0), (2, 0), (3, 0)]


async def test_cancelling_ends_a_pause() -> None:
    model = ScriptedModel(error("rate_limit", 50), "never")
    task = asyncio.create_task(ask([model]))
    while not model.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_pauses_double_up_to_a_limit_and_are_spread() -> None:
    policy = Policy(attempts=99, first_wait=1, longest_wait=8)
    for attempt, usual in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        pauses = {policy.pause(error("server"), attempt) for _ in range(20)}
        assert len(pauses) > 1
        assert all(pause and usual / 2 <= pause <= usual * 1.5 for pause in pauses)
    pause = policy.pause(error("rate_limit", 10), 1)
    assert pause
    assert 10 <= pause <= 11


def test_a_policy_without_an_attempt_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="attempts is 0"):
        Policy(attempts=0)


async def test_guarding_no_model_at_all_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="at least one"):
        await ask([])


async def test_a_turned_away_request_is_made_again_over_http() -> None:
    async def call(model: OpenAICompatibleModel, _tries: Tries) -> ModelReply:
        return await model.complete(REQUEST, lambda _: None)

    with fake_models() as server:
        model = OpenAICompatibleModel("fake/429:0.01,cut,ok", base_url=server.url)
        reply = await guarded([model], call, QUICK)
        await close_clients()
    assert reply.text.endswith("Who is there?")
    assert len(server.requests) == 3


async def test_a_script_is_told_in_order_to_whoever_asks() -> None:
    model = ScriptedModel("one", ModelReply(text="two"), lambda request: request.turns[0].text)
    replies = await asyncio.gather(*(model.complete(REQUEST, lambda _: None) for _ in range(3)))
    assert [reply.text for reply in replies] == ["one", "two", "Who is there?"]
    assert {reply.model for reply in replies} == {"scripted"}
    assert model.requests == [REQUEST] * 3
    model.done()


async def test_a_script_streams_its_text() -> None:
    pieces: list[str] = []
    await ScriptedModel("three short words").complete(REQUEST, pieces.append)
    assert pieces == ["three", " short", " words"]


async def test_a_script_complains_when_it_is_asked_once_too_often() -> None:
    model = ScriptedModel("only")
    assert await ask([model]) == "only"
    with pytest.raises(Failure, match="asked for step 2, with 'Who is there") as caught:
        await ask([model])
    assert caught.value.kind == "script"


async def test_a_script_complains_about_steps_that_are_left() -> None:
    model = ScriptedModel("one", "two", "three")
    await ask([model])
    with pytest.raises(Failure, match=r"2 of the 3 steps .* 'two'"):
        model.done()


async def test_a_model_that_hangs_leaves_time_for_the_next() -> None:
    limits = []

    async def call(model: str, tries: Tries) -> str:
        limits.append((model, tries.patience))
        if model == "hangs":
            tries.seconds += tries.patience
            raise error("timeout")
        return "in time"

    assert await guarded(["hangs", "hangs", "fine"], call, Policy(deadline=100)) == "in time"
    assert limits == [("hangs", 50.0), ("hangs", 25.0), ("fine", 25.0)]


class Resting(Breakers):
    """The model `b:1` rests, each time it is looked at for as long as the next of `rests`."""

    def __init__(self, *rests: float) -> None:
        super().__init__()
        self._rests = iter(rests)

    def rest(self, model: str) -> float:
        return next(self._rests) if model == "b:1" else 0.0


class Named(ScriptedModel):
    def __init__(self, name: str, *steps: str | ProviderError) -> None:
        super().__init__(*steps)
        self.name, self.identity = name, f"{name}@here"


@pytest.mark.parametrize("rests", [(0.001, 0.0), (60.0,)])
async def test_the_last_model_that_can_be_asked_is_waited_for_if_its_rest_is_short(
    rests: tuple[float, ...],
) -> None:
    async def call(model: ScriptedModel, _tries: Tries) -> ModelReply:
        return await model.complete(REQUEST, lambda _: None)

    unusable = Named("a:1", error("auth")), Named("a:2", "never asked")
    models = (unusable[0], Named("b:1", "after its rest"), unusable[1])
    asking = guarded(models, call, Policy(), Resting(*rests))
    if len(rests) == 2:
        assert (await asking).text == "after its rest"
    else:
        with pytest.raises(ProviderError, match="a failure: auth"):  # it can be mended, and a rest cannot
            await asking


async def test_a_model_that_rests_does_not_stand_for_its_provider() -> None:
    async def call(model: ScriptedModel, _tries: Tries) -> ModelReply:
        return await model.complete(REQUEST, lambda _: None)

    models = (Named("a:1", error("auth")), Named("b:1", "never asked"), Named("b:2", "instead"))
    assert (await guarded(models, call, QUICK, Resting(60.0))).text == "instead"
