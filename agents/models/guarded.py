"""When a model call is tried again, on which model, and when it is given up."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from guildhall.errors import ProviderError

T = TypeVar("T")
M = TypeVar("M")


@dataclass(frozen=True)
class Policy:
    """How long and how often a call is tried; times are in seconds."""

    attempts: int = 4
    """On each model."""
    deadline: float = 120.0
    """Of all calls together; waiting between them does not count."""
    first_wait: float = 0.3
    longest_wait: float = 8.0
    longest_retry_after: float = 60.0
    """A provider that wants a longer pause is left for the next model."""

    def wait(self, error: ProviderError, attempt: int) -> float | None:
        """Seconds until the next attempt on the same model, or None to give it up."""
        if not error.retryable or attempt >= self.attempts:
            return None
        if error.retry_after is None:
            return min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1)) * (0.5 + random.random())  # noqa: S311  jitter
        if error.retry_after > self.longest_retry_after:
            return None
        return error.retry_after * (1 + 0.1 * random.random())  # noqa: S311  jitter


@dataclass(slots=True)
class Tries:
    """How far a guarded call has come."""

    number: int = 0
    """Of the attempt, over all models."""
    seconds: float = 0.0
    """Spent in calls."""
    streamed: int = 0
    """Characters that the current attempt has streamed."""


async def guarded(models: Sequence[M], call: Callable[[M, Tries], Awaitable[T]], policy: Policy) -> T:
    """The first value that `call` gives, trying each model in turn; raises the last ProviderError."""
    tries = Tries()
    for model in models:
        for attempt in range(1, policy.attempts + 1):
            tries.number, tries.streamed = tries.number + 1, 0
            try:
                return await call(model, tries)
            except ProviderError as error:
                failure = error
                pause = policy.wait(error, attempt)
            if pause is None or tries.seconds + pause > policy.deadline:
                break
            await asyncio.sleep(pause)
        if tries.seconds >= policy.deadline:
            break
    raise failure
