"""A model that fails again and again is left alone for a while."""

import time
from dataclasses import dataclass

from guildhall.errors import ProviderErrorKind

FAILURES = 5
"""In a row."""
FIRST_REST, LONGEST_REST = 2.0, 60.0
"""Seconds; each rest is twice as long as the one before, until a call succeeds."""
TRIAL = 10.0
"""Seconds that others wait for the one call that tries the model again."""
_COUNTED: frozenset[ProviderErrorKind] = frozenset({"overloaded", "server", "timeout", "connection"})
"""Failures that the next call is likely to share."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    rest: float = FIRST_REST
    until: float = 0.0


class Breakers:
    """A circuit breaker for each model: open after failures in a row, then tried by one call."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def rest(self, model: str) -> float:
        """Seconds for which the model is to be left alone; 0 lets the caller try it."""
        state = self._states.get(model)
        if state is None or state.failures < FAILURES:
            return 0.0
        now = time.monotonic()
        if now < state.until:
            return state.until - now
        state.until = now + TRIAL  # whoever asks next waits for how this trial ends
        return 0.0

    def ended(self, model: str, failure: ProviderErrorKind | None) -> None:
        """Note how a call of the model ended; None for a reply."""
        if failure not in _COUNTED:
            self._states.pop(model, None)
            return
        state = self._states.setdefault(model, _State())
        state.failures += 1
        if state.failures >= FAILURES:
            state.until = time.monotonic() + state.rest
            state.rest = min(LONGEST_REST, 2 * state.rest)

    def abandoned(self, model: str) -> None:
        """Note that a call was cancelled: it says nothing, and another may try."""
        if (state := self._states.get(model)) is not None and state.failures >= FAILURES:
            state.until = min(state.until, time.monotonic())
