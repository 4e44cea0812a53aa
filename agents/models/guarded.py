"""When a model call is tried again, on which model, and when it is given up."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from guildhall.errors import ProviderError, ProviderErrorKind

from .base import account_of
from .breaker import Breakers

T = TypeVar("T")
M = TypeVar("M")

_OF_THE_PROVIDER: frozenset[ProviderErrorKind] = frozenset({"auth", "quota", "connection"})
"""Failures that all models of one provider share."""
_OF_THE_REPLY: frozenset[ProviderErrorKind] = frozenset({"max_tokens", "bad_tool_call"})
"""Replies that were paid for and can be mended in the next turn: the caller decides."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How long to insist; times are in seconds."""

    attempts: int = 4
    """On each model."""
    deadline: float = 300.0
    """Of all calls and the pauses between them; waiting for a slot does not count."""
    first_wait: float = 0.3
    longest_wait: float = 8.0
    longest_retry_after: float = 60.0
    """A provider that wants a longer pause is left for the next model."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; it must be 1 or more")

    def pause(self, error: ProviderError, attempt: int) -> float | None:
        """Seconds until the next attempt on the same model; None to leave it.

        Pauses are spread at random, or members that were turned away together would come back together.
        """
        if not error.retryable or attempt >= self.attempts:
            return None
        if error.retry_after is None:
            usual = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
            return usual * random.uniform(0.5, 1.5)  # noqa: S311  no secret depends on it
        if error.retry_after > self.longest_retry_after:
            return None
        return error.retry_after * random.uniform(1.0, 1.1)  # noqa: S311  no secret depends on it


@dataclass(slots=True)
class Tries:
    """How far a guarded call has come. Whoever makes the attempts adds the `seconds` they took."""

    number: int = 0
    """Of the current attempt, from 1, over all models."""
    seconds: float = 0.0
    streamed: int = 0
    """Bytes of text that the current attempt has streamed."""
    answered: bool = False
    """Whether a reply came, so that it is in the journal or on its way there."""
    patience: float = math.inf
    """Seconds without a sign of the reply after which the current attempt is given up."""


async def guarded(
    models: Sequence[M],
    call: Callable[[M, Tries], Awaitable[T]],
    policy: Policy,
    breakers: Breakers | None = None,
    tries: Tries | None = None,
) -> T:
    """The first value that `call` gives, asking each model in turn. Raises the last ProviderError.

    An error that may pass is tried again on the same model; any other leads to the next one, as a timeout
    does where there is one, past the others of a provider that cannot be used at all. A model that rests
    is passed over; the last one is waited for, if its rest is short. `tries` goes on from what was tried
    for the same request before.
    """
    if not models:
        raise ValueError("there is no model to ask: give at least one")
    tries, breakers = tries or Tries(), breakers or Breakers()
    if tries.seconds >= policy.deadline:
        raise ProviderError("timeout", f"nobody answered this request within {policy.deadline:g} s")
    failure: ProviderError | None = None
    left = list(models)
    while left:
        model = left.pop(0)
        for attempt in range(1, policy.attempts + 1):
            try:
                await _wait_for(model, breakers, tries, policy, last=not left)
                time = policy.deadline - tries.seconds
                tries.patience = time / 2 if left else time  # a model that hangs leaves time for the next
                return await _one(model, call, tries, breakers)
            except ProviderError as error:
                last = error
            if failure is None or last.kind != "circuit_open":  # what can be mended is worth more
                failure = last
            pause = policy.pause(last, attempt) if last.kind != "timeout" or not left else None
            if pause is None or tries.seconds + pause >= policy.deadline:
                break
            tries.seconds += pause
            await asyncio.sleep(pause)
        if last.kind in _OF_THE_REPLY or tries.seconds >= policy.deadline:
            break
        if last.kind in _OF_THE_PROVIDER and (gone := _place(model)):
            left = [model for model in left if _place(model) != gone]
    assert failure is not None
    raise failure


async def _one(model: M, call: Callable[[M, Tries], Awaitable[T]], tries: Tries, breakers: Breakers) -> T:
    tries.number, tries.streamed = tries.number + 1, 0
    account = account_of(model)
    try:
        value = await call(model, tries)
    except ProviderError as error:
        if error.sent:  # else the model has nothing to do with it
            breakers.ended(account, error.kind)
        raise
    except BaseException:
        breakers.abandoned(account)
        raise
    breakers.ended(account, None)
    return value


async def _wait_for(model: object, breakers: Breakers, tries: Tries, policy: Policy, *, last: bool) -> None:
    """Return when the model may be asked. Raises ProviderError if it rests, and there is another one."""
    account, name = account_of(model), getattr(model, "name", model)
    while rest := breakers.rest(account):
        if not last or rest > policy.longest_wait or tries.seconds + rest >= policy.deadline:
            raise ProviderError(
                "circuit_open",
                f"{name} has failed several times in a row and is left alone for {rest:.0f} s: try again "
                "then, or name another model",
            )
        rest = min(rest, 0.5)  # a trial may end sooner
        tries.seconds += rest
        await asyncio.sleep(rest)


def _place(model: object) -> str:
    """The provider and its address; empty for a model that does not say them."""
    identity = str(getattr(model, "identity", ""))
    return identity and identity.partition(":")[0] + identity[identity.rfind("@") :]
