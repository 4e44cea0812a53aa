"""One attempt at a model call: it is counted, kept on disk, and closed, whatever becomes of it."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from guildhall.errors import BudgetRefused, Failure, ProviderError, describe

from . import event as ev
from .budget import Amount
from .message import ModelReply, ModelRequest
from .models.base import Model
from .models.guarded import Tries

if TYPE_CHECKING:
    from .run import Run

AMOUNT = TypeAdapter(Amount)


async def attempt(run: "Run", request: ModelRequest, digest: str, model: Model, tries: Tries) -> ModelReply:
    """Reserve the most that the call can cost, call, put the reply on disk, settle.

    The reply is on disk before anybody sees it. Its event comes after that, or at once if the run is
    cancelled meanwhile; a process that dies between the two leaves a journal that still knows the cost.
    """
    prices = run.state.prices
    if ready := getattr(model, "ready", None):  # what is cancelled while it starts has cost nothing
        await ready()
    most = prices.amount(model, request.input_bound(), request.max_output)
    with await run.state.meter.reserve(most, model.name) as reservation:
        asked = run.emit(ev.Asked, model=model.name, attempt=tries.number, reserved=most)
        try:
            reply = await _call(run, request, model, tries)
        except BaseException as error:
            spent = _lost(run, request, model, tries, error)
            reservation.settle(spent)
            kind = error.kind if isinstance(error, Failure) else "cancelled"
            run.emit(ev.Lost, asked=asked, error=kind, text=describe(error), spent=spent)
            raise
        run.state.models.add(model.name)
        spent = prices.of(model, reply.usage) if reply.usage is not None else most
        try:
            await run.record(digest, {"reply": _kept(reply), "spent": AMOUNT.dump_python(spent)})
        finally:
            reservation.settle(spent)
            event = run.emit(
                ev.Replied, asked=asked, text=reply.text, model=model.name, usage=reply.usage, spent=spent
            )
    return reply.model_copy(update={"source": event})


def replayed(known: dict[str, Any], source: int) -> ModelReply:
    """The reply that the journal knows, or the failure that it was, raised as it was then."""
    if "failed" in known:
        kind, text = known["failed"], known["text"]
        if known.get("provider"):
            raise ProviderError(kind, text)
        raise BudgetRefused(text) if kind == "budget" else Failure(text, kind=kind)
    return ModelReply.model_validate({**known["reply"], "source": source})


def kept_failure(failure: Failure) -> dict[str, Any]:
    """A call's final failure as the journal keeps it."""
    provider = {"provider": True} if isinstance(failure, ProviderError) else {}
    return {"failed": failure.kind, "text": str(failure), **provider}


def _kept(reply: ModelReply) -> dict[str, Any]:
    return reply.model_dump(exclude_defaults=True, mode="json")


async def _call(run: "Run", request: ModelRequest, model: Model, tries: Tries) -> ModelReply:
    def on_text(text: str) -> None:
        tries.streamed += len(text)
        run.stream(tries.number, text)

    deadline, left = run.state.policy.deadline - tries.seconds, run.state.meter.seconds_left
    began = time.monotonic()
    try:
        async with asyncio.timeout(min(deadline, left)) as limit:
            return await model.complete(request, on_text)
    except TimeoutError as error:
        if not limit.expired():
            raise ProviderError("timeout", f"{model.name} took too long: {error}") from error
        if left < deadline:
            raise BudgetRefused(
                "the run's seconds are over; resume it with a larger budget of seconds"
            ) from error
        raise ProviderError(
            "timeout", f"{model.name} gave no whole reply within {run.state.policy.deadline:g} s"
        ) from error
    finally:
        tries.seconds += time.monotonic() - began


def _lost(run: "Run", request: ModelRequest, model: Model, tries: Tries, error: BaseException) -> Amount:
    """What a call without a reply may have cost: nothing if turned away, else its input and what had come.

    Both at three bytes a token, which is more than prose takes.
    """
    if isinstance(error, ProviderError) and not error.billed:
        return Amount(calls=1)
    if isinstance(error, Exception) and not isinstance(error, ProviderError | BudgetRefused):
        return Amount(calls=1)
    return run.state.prices.amount(model, request.input_bound() // 3, tries.streamed // 3)
