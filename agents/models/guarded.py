"""When a model call is tried again, on which model, and when it is given up."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from guildhall.errors import ProviderError

T = TypeVar("T")
M = TypeVar("M")


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
    """Characters that the current attempt has streamed."""


async def guarded(models: Sequence[M], call: Callable[[M, Tries], Awaitable[T]], policy: Policy) -> T:
    """The first value that `call` gives, asking each model in turn. Raises the last ProviderError.

    An error that may pass is tried again on the same model; any other leads to the next model.
    """
    if not models:
        raise ValueError("there is no model to ask: give at least one")
    tries, failure = Tries(), None
    for model in models:
        for attempt in range(1, policy.attempts + 1):
            tries.number, tries.streamed = tries.number + 1, 0
            try:
                return await call(model, tries)
            except ProviderError as error:
                failure, pause = error, policy.pause(error, attempt)
            if pause is None or tries.seconds + pause >= policy.deadline:
                break
            tries.seconds += pause
            await asyncio.sleep(pause)
        if tries.seconds >= policy.deadline:
            break
    assert failure is not None
    raise failure
