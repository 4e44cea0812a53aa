"""Arithmetic of a rate: pure functions of times, costs and an allowance."""

from dataclasses import dataclass

LONGEST = 600.0
"""Seconds that tat may be ahead; further ahead, it is of a clock that was wrong, and counts for nothing."""
ROUNDING = 1e-6
"""Seconds that are no reason to wait."""


@dataclass(frozen=True)
class Rate:
    """So many units a minute, by the generic cell rate algorithm (virtual scheduling, ITU-T I.371).

    The state is one time, `tat` (the theoretical arrival time), at which all that was taken is refilled.
    With T = 60 s / allowance for a unit, what costs `cost` units is admitted if

        max(now, tat) - now + cost * T <= burst * T

    and moves tat to max(now, tat) + cost * T: in any w seconds, w / T + burst units at most. The burst is
    a tenth of the allowance, at least 1; what costs more than that is admitted once tat <= now.
    """

    allowance: float

    @property
    def unit(self) -> float:
        return 60.0 / self.allowance

    def wait(self, tat: float, now: float, cost: float, *, ahead: float = 0.0) -> float:
        """Seconds until it is admitted, 0 or less for now; `ahead` units are left for others."""
        room = max(self.allowance / 10, 1.0, cost)
        return self._refilled(tat, now) - now + (ahead + cost - room) * self.unit - ROUNDING

    def taken(self, tat: float, now: float, cost: float) -> float:
        """The new tat."""
        return min(self._refilled(tat, now) + cost * self.unit, now + self._longest)

    def corrected(self, tat: float, now: float, unused: float, refilled: float) -> float:
        """The new tat where less or more was used than had been taken, which moved tat to `refilled`.

        What time has refilled by now is not given back a second time.
        """
        if unused < 0:
            return self.taken(tat, now, -unused)
        return tat - min(unused * self.unit, max(0.0, refilled - now))

    @property
    def _longest(self) -> float:
        return max(LONGEST, self.unit)

    def _refilled(self, tat: float, now: float) -> float:
        return now if tat > now + self._longest else max(now, tat)
