"""How a model is asked: what was paid for is not asked again, and what is private goes to few."""

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from guildhall.errors import BudgetRefused, Failure, ProviderError

from . import event as ev
from .attempt import Call, attempt, kept_failure, kept_reply, replayed
from .budget import NOTHING
from .message import ModelReply, ModelRequest
from .models.base import Model
from .models.guarded import guarded

if TYPE_CHECKING:
    from .run import Run

_WAY_OUT = 0.1
"""Seconds after the end of a run's seconds in which its calls in flight end by themselves."""


async def ask(run: "Run", models: Sequence[Model], request: ModelRequest, priority: int = 0) -> ModelReply:
    """The reply to `request` in the span `run`: from the journal or cache, else of the first that answers.

    Raises Failure, which is in the journal, too, so that a resumed run takes the same way.
    """
    state = run.state
    digest = request.digest() if state.log is not None or state.replies is not None else ""
    if (known := run.recorded(digest)) is not None:
        source, model = state.replied.get(run.path, (0, ""))
        state.models |= {model} - {""}
        return replayed(known, source)
    try:
        allowed = _priced(run, _allowed(models, request))
        asking = partial(_in_time, Call(run, request, digest, priority), allowed)
        if state.replies is None:
            return await asking()
        reply, cached = await state.replies.reply(allowed[0], digest, state.cache, asking)
    except Failure as failure:
        await run.record(digest, kept_failure(failure))
        raise
    return await _reused(run, reply, digest) if cached else reply


def is_private(model: Model) -> bool:
    """Whether the model may see private data."""
    return bool(getattr(model, "private", False))


def _allowed(models: Sequence[Model], request: ModelRequest) -> Sequence[Model]:
    """The models that may see what is in the request. Raises ProviderError if none may."""
    if not (private := request.private):
        return models
    if allowed := [model for model in models if is_private(model)]:
        return allowed
    what, names = ", ".join(private[:5]), ", ".join(model.name for model in models[:5])
    raise ProviderError(
        "private",
        f"{what} is private, and {names} is not marked private: nothing was sent; mark a model that you "
        "trust in config.toml, or use one that runs here",
    )


def _priced(run: "Run", models: Sequence[Model]) -> Sequence[Model]:
    """Under a budget in USD, the models whose price is known; all of them, if none is."""
    if not run.state.meter.strict:
        return models
    priced = [model for model in models if run.state.prices.knows(model)]
    if priced and priced[0] is not models[0]:
        reason = f"the price of {models[0].name} is not known, and there is a budget in USD"
        run.decided("model", priced[0].name, reason)
    return priced or models


async def _in_time(call: Call, models: Sequence[Model]) -> ModelReply:
    """The reply, within the run's seconds: waiting for a slot and between attempts ends with them, too."""
    meter = call.run.state.meter
    left = meter.seconds_left
    if math.isinf(left):
        return await _affordable(call, models)
    try:
        async with asyncio.timeout(max(left, 0) + _WAY_OUT) as limit:
            return await _affordable(call, models)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise meter.out_of_time() from error


async def _affordable(call: Call, models: Sequence[Model]) -> ModelReply:
    """The reply of the models; where the budget is too short, of a cheaper one, or an older reply."""
    run, state, trying = call.run, call.run.state, partial(attempt, call)
    try:
        return await guarded(models, trying, state.policy, state.breakers)
    except BudgetRefused as refused:
        if state.meter.budget.by_default and refused.unit == "usd":
            state.notice(f"the default budget of ${state.meter.budget.usd:.2f} a run has bitten: {refused}")
        if refused.unit == "seconds":
            raise
        if cheaper := _cheaper(call, models) if refused.unit == "usd" else []:
            run.decided("budget", cheaper[0].name, f"a cheaper model of this team, since there is {refused}")
            return await guarded(cheaper, trying, state.policy, state.breakers)
        if (replies := state.replies) is None or state.cache == "off":
            raise
        if (reply := await replies.any_reply(call.digest)) is None:
            raise
        why = f"{reply.model} answered the same before, and there is {refused}"
        run.decided("budget", "an earlier reply", why)
        return await _reused(run, reply, call.digest)


def _cheaper(call: Call, models: Sequence[Model]) -> list[Model]:
    """The models of the team that the budget has room for, the dearest first."""
    state, request, names = call.run.state, call.request, {models[0].name}
    fitting: list[tuple[float, Model]] = []
    for model in (*models, *state.team_models.values()):
        most = state.prices.amount(model, request.input_bound(), request.max_output)
        known = model.name in names or not state.prices.knows(model)
        if not known and state.meter.fits(most) and (is_private(model) or not request.private):
            names.add(model.name)
            fitting.append((most.usd, model))
    return [model for _, model in sorted(fitting, key=lambda pair: -pair[0])]


async def _reused(run: "Run", reply: ModelReply, digest: str) -> ModelReply:
    """The reply as one of this run, which cost nothing."""
    reply = reply.model_copy(update={"usage": None})
    await run.record(digest, kept_reply(reply, NOTHING), wait=False)
    run.state.models.add(reply.model)
    run.state.reused += 1
    event = run.emit(
        ev.Replied, asked=0, cached=True, text=reply.text, model=reply.model, usage=None, spent=NOTHING
    )
    return reply.model_copy(update={"source": event})
