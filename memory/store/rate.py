"""Arithmetic of a rate: pure functions of times, costs and an allowance."""

from dataclasses import dataclass

LONGEST_TAKEN = 600.0
"""Seconds of refilling that a call takes in advance at most; what it really used counts when it is known."""
LONGEST_OWED = 86_400.0
"""Seconds of refilling that one call costs at most: what a server says was used may be nonsense."""
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

    That holds for what costs more than the whole allowance too. A provider's bucket of one minute refuses
    it or never fills up for it, but costs are estimates far above what most calls use: so it waits until
    all is refilled, and then goes into debt, by `LONGEST_TAKEN` until it is known what it used.
    """

    allowance: float

    @property
    def unit(self) -> float:
        return 60.0 / self.allowance

    def wait(self, tat: float, now: float, cost: float, *, ahead: float = 0.0) -> float:
        """Seconds until it is admitted, 0 or less for now; `ahead` units are left for others."""
        room = max(self.allowance / 10, 1.0, cost)
        return max(now, tat) - now + (ahead + cost - room) * self.unit - ROUNDING

    def taken(self, tat: float, now: float, cost: float) -> float:
        """The new tat."""
        return max(now, tat) + self._seconds(cost)

    def corrected(self, tat: float, now: float, cost: float, *, used: float, refilled: float) -> float:
        """The new tat where `used` were used by what took `cost`, which moved tat to `refilled`.

        No more is given back than was taken, and what time has refilled by now is not given back again.
        """
        unused = self._seconds(cost) - max(0.0, used) * self.unit
        if unused < 0:
            return max(now, tat) + min(-unused, LONGEST_OWED)
        return tat - min(unused, max(0.0, refilled - now))

    def _seconds(self, cost: float) -> float:
        """The seconds of refilling that it takes in advance."""
        return min(cost * self.unit, max(LONGEST_TAKEN, self.unit))
