"""How a model is asked: what was paid for is not asked again, and what is private goes to few."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from guildhall.errors import BudgetRefused, Failure

from . import event as ev
from .attempt import Call, attempt, kept_failure, kept_reply, replayed
from .budget import NOTHING
from .choosing import allowed, is_private, priced, private_parts
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
    call = Call(run, request, digest, state.sample(digest) if digest else 0, priority)
    try:
        usable = priced(run, allowed(run, models, request))
        async with state.meter.in_time(_WAY_OUT):  # waiting of any kind ends with the run's seconds, too
            reply, cached = await _affordable(call, usable)
    except Failure as failure:
        if not call.tries.answered:  # a reply that was paid for is in the journal
            await run.record(digest, kept_failure(failure))
        raise
    return await _reused(call, reply) if cached else reply


async def _affordable(call: Call, models: Sequence[Model]) -> tuple[ModelReply, bool]:
    """The reply of the models; where the budget is too short, of a cheaper one, or an older reply.

    With it, whether it was there already.
    """
    run, state = call.run, call.run.state
    try:
        return await _asked(call, models)
    except BudgetRefused as refused:
        if state.meter.budget.by_default and refused.unit == "usd":
            state.notice(f"the default budget of ${state.meter.budget.usd:.2f} a run has bitten: {refused}")
        if refused.unit == "seconds":
            raise
        cheaper = _cheaper(call, models) if refused.unit == "usd" else []
        for at, model in enumerate(cheaper):
            run.decided("budget", model.name, f"a cheaper model of this team, since there is {refused}")
            try:
                return await _asked(call, cheaper[at:])
            except BudgetRefused as again:  # others were quicker: a cheaper one may fit still
                if again.unit == "seconds":
                    raise
        if (reply := await _earlier(call)) is None:
            raise
        why = f"{reply.model} answered the same before, and there is {refused}"
        run.decided("budget", "an earlier reply", why)
        return reply, True


async def _asked(call: Call, models: Sequence[Model]) -> tuple[ModelReply, bool]:
    """The reply of the first model that gives one, from the cache if it is there."""
    state = call.run.state
    asking = partial(guarded, models, partial(attempt, call), state.policy, state.breakers, call.tries)
    if state.replies is None:
        return await asking(), False
    return await state.replies.reply(models, call.question, state.cache, asking, call.tries)


async def _earlier(call: Call) -> ModelReply | None:
    """The newest reply of any model to the same request, where the cache is used."""
    state = call.run.state
    if state.replies is None or state.cache != "use":
        return None
    return await state.replies.any_reply(call.question)


def _cheaper(call: Call, models: Sequence[Model]) -> list[Model]:
    """The models of the team that the budget has room for, the dearest first."""
    state, request, names = call.run.state, call.request, {models[0].name}
    private = private_parts(call.run, request)
    fitting: list[tuple[float, Model]] = []
    for model in (*models, *state.team_models.values()):
        most = state.prices.amount(model, call.most_tokens, request.max_output)
        known = model.name in names or not state.prices.knows(model)
        if not known and state.meter.fits(most) and (is_private(model) or not private):
            names.add(model.name)
            fitting.append((most.usd, model))
    return [model for _, model in sorted(fitting, key=lambda pair: -pair[0])]


async def _reused(call: Call, reply: ModelReply) -> ModelReply:
    """The reply as one of this run, which cost nothing."""
    run, reply = call.run, reply.model_copy(update={"usage": None})
    await run.record(call.digest, kept_reply(reply, NOTHING, call.sample), wait=False)
    run.state.models.add(reply.model)
    run.state.reused += 1
    event = run.emit(
        ev.Replied, asked=0, cached=True, text=reply.text, model=reply.model, usage=None, spent=NOTHING
    )
    return reply.model_copy(update={"source": event})
