"""One attempt at a model call: it is counted, kept on disk, and closed, whatever becomes of it."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from guildhall.errors import BudgetRefused, Failure, ProviderError, StoreError, describe
from guildhall.redact import Redactor, redact, redact_json

from . import event as ev
from .budget import Amount
from .message import ModelReply, ModelRequest, ToolCall
from .models.base import Model, account_of
from .models.guarded import Tries

if TYPE_CHECKING:
    from .models.slots import Slot
    from .run import Run

AMOUNT = TypeAdapter(Amount)


@dataclass(frozen=True)
class Call:
    """A request, and where it is made."""

    run: "Run"
    """The span of the call."""
    request: ModelRequest
    digest: str = ""
    """Of the request; empty where nothing is kept."""
    sample: int = 0
    """Tells apart those who ask the same in one run: who asks one thing again wants another answer."""
    priority: int = 0
    tries: Tries = field(default_factory=Tries)
    """How far it has come, over all models that are asked."""

    @property
    def question(self) -> str:
        """What a reply in the cache must be an answer to."""
        return self.digest and f"{self.digest}#{self.sample}"

    @cached_property
    def most_tokens(self) -> int:
        """More than its input has."""
        return self.request.input_bound()


async def attempt(call: Call, model: Model, tries: Tries) -> ModelReply:
    """Reserve the most that the call can cost, wait for a slot, call, put the reply on disk, settle.

    The reply is on disk before anybody sees it. Its event comes after that, or at once if the run is
    cancelled meanwhile; a process that dies between the two leaves a journal that still knows the cost.
    """
    run, request, prices = call.run, call.request, call.run.state.prices
    if ready := getattr(model, "ready", None):  # what is cancelled while it starts has cost nothing
        await ready()
    most = prices.amount(model, call.most_tokens, request.max_output)

    def waits_for_budget(why: str) -> None:
        run.decided("budget", "waits", why)
        if run.state.replies is not None:
            run.state.replies.give_way(tries)

    with await run.state.meter.reserve(most, model.name, on_wait=waits_for_budget) as reservation:
        slot = await _slot(call, model)
        spent, used, before = most, None, tries.seconds
        try:
            asked = run.emit(ev.Asked, model=model.name, attempt=tries.number, reserved=most)
            if run.state.log is not None:
                run.state.log.hurry()
            try:
                reply = await _replied(run, request, model, tries)
            except BaseException as error:
                spent = _lost(call, model, error)
                used = spent.tokens
                reservation.settle(spent)
                kind = error.kind if isinstance(error, Failure) else "cancelled"
                run.emit(ev.Lost, asked=asked, error=kind, text=describe(error), spent=spent)
                if isinstance(error, ProviderError) and (error.retryable or error.partial):
                    _count(run, model, tries.seconds - before, spent, lost=error.retryable)
                raise
            if reply.usage is not None:
                spent = prices.of(model, reply.usage)
                used = min(spent.tokens, most.tokens)
            _count(run, model, tries.seconds - before, spent)
        finally:
            slot.free(tokens=used)
        tries.answered = True
        run.state.models.add(model.name)
        try:
            if run.state.replies is not None and run.state.cache != "off":
                run.state.replies.keep(model, call.question, reply)
            await run.record(call.digest, kept_reply(reply, spent, call.sample))
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
            raise ProviderError(kind, text, partial=known.get("partial", ""))
        raise BudgetRefused(text) if kind == "budget" else Failure(text, kind=kind)
    return ModelReply.model_validate({**known["reply"], "source": source})


def kept_failure(failure: Failure) -> dict[str, Any]:
    """A call's final failure as the journal keeps it."""
    kept: dict[str, Any] = {"failed": failure.kind, "text": str(failure)}
    if isinstance(failure, ProviderError):
        kept["provider"] = True
        if failure.partial:
            kept["partial"] = failure.partial
    return kept


def kept_reply(reply: ModelReply, spent: Amount, sample: int) -> dict[str, Any]:
    """A reply as the journal keeps it."""
    return {
        "reply": reply.model_dump(exclude_defaults=True, mode="json", exclude={"source"}),
        "spent": AMOUNT.dump_python(spent),
        "sample": sample,
    }


def _count(run: "Run", model: Model, seconds: float, spent: Amount, *, lost: int = 0) -> None:
    """Note how the call ended, for later choices; among models that are part of a program, nobody chooses."""
    if getattr(model, "identity", ""):
        run.state.count(model.name, seconds, spent, lost=lost)


class _NoSlot:
    """What stands for a slot where nobody limits the calls."""

    def free(self, *, tokens: int | None = None) -> None: ...


async def _slot(call: Call, model: Model) -> "Slot | _NoSlot":
    """A slot of the model, once there is one; waiting is told, and is no time of the call."""
    run, request = call.run, call.request
    if run.state.slots is None or not getattr(model, "identity", ""):
        return _NoSlot()

    def waits(why: str) -> None:
        run.decided("limit", "waits", f"{model.name}: {why}")

    try:
        return await run.state.slots.take(
            model.name,
            account=account_of(model),
            tokens=call.most_tokens // 3 + request.max_output,
            priority=call.priority,
            longest=run.state.policy.longest_retry_after,
            on_wait=waits,
        )
    except StoreError as error:  # a disk that fails stops no call
        run.state.notice(f"limits of calls could not be kept: {error}")
        return _NoSlot()


async def _replied(run: "Run", request: ModelRequest, model: Model, tries: Tries) -> ModelReply:
    shown = Redactor() if run.state.on_delta is not None else None

    def on_text(text: str) -> None:
        if (until := min(end, now() + tries.patience)) != limit.when():
            limit.reschedule(until)
        tries.streamed += len(text.encode(errors="surrogatepass"))
        if text and shown is not None and (text := shown.feed(text)):
            run.stream(tries.number, text)

    deadline, left = run.state.policy.deadline - tries.seconds, run.state.meter.seconds_left
    began, now = time.monotonic(), asyncio.get_running_loop().time
    end = now() + min(deadline, left)
    try:
        async with asyncio.timeout_at(min(end, now() + tries.patience)) as limit:
            reply = _redacted(await model.complete(request, on_text))
    except TimeoutError as error:
        if not limit.expired():
            raise ProviderError("timeout", f"{model.name} took too long: {error}") from error
        if left < min(deadline, tries.patience):
            raise run.state.meter.out_of_time() from error
        waited = f"within {run.state.policy.deadline:g} s" if now() >= end else f"for {tries.patience:.3g} s"
        raise ProviderError(
            "timeout",
            f"{model.name} gave no whole reply {waited}: try again later, or use another model",
        ) from error
    except ProviderError as error:
        error.partial = redact(error.partial)
        if error.retry_after and run.state.slots is not None:
            run.state.slots.pause(account_of(model), error.retry_after)
        raise
    finally:
        tries.seconds += time.monotonic() - began
    if shown is not None and (rest := shown.close()):
        run.stream(tries.number, rest)
    return reply


def _redacted(reply: ModelReply) -> ModelReply:
    """The reply without secrets. What a provider wants back as it came is then not given back."""
    text = redact(reply.text)
    calls = tuple(_redacted_call(call) for call in reply.calls)
    native = reply.native
    if native is not None:
        as_json = native.model_dump_json()
        native = native if redact_json(as_json) == as_json else None
    if text == reply.text and calls == reply.calls and native is reply.native:
        return reply
    return reply.model_copy(update={"text": text, "calls": calls, "native": native})


def _redacted_call(call: ToolCall) -> ToolCall:
    if not call.arguments:
        return call
    as_json = call.model_dump_json()
    clean = redact_json(as_json)
    return call if clean == as_json else ToolCall.model_validate_json(clean)


def _lost(call: Call, model: Model, error: BaseException) -> Amount:
    """What a call without a reply has cost: what the provider counted, where it did.

    Else nothing if it was turned away, and otherwise its input and what had come, both at three bytes a
    token, which is more than prose takes.
    """
    prices, streamed = call.run.state.prices, call.tries.streamed
    if isinstance(error, ProviderError) and error.usage is not None:
        return prices.of(model, error.usage)
    if isinstance(error, ProviderError) and not (error.billed or streamed):
        return Amount(calls=1)
    if isinstance(error, Exception) and not (isinstance(error, ProviderError | BudgetRefused) or streamed):
        return Amount(calls=1)
    return prices.amount(model, call.most_tokens // 3, streamed // 3)
