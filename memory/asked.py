"""What a face was asked for, as Memory.search takes it: all faces read times alike."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from guildhall.errors import UserError

_TIMES = ("since", "until", "as_of", "known_at")
_TO_THE_END = ("until", "as_of", "known_at")


def asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, by its name, without what is empty; times are read. Raises UserError."""
    named = {name: value for name, value in given.items() if value or value == 0}
    return {name: moment(name, value) if name in _TIMES else value for name, value in named.items()}


def moment(what: str, given: str) -> float:
    """The time in seconds since the epoch; where it says no zone, that of this machine.

    A date alone is the end of that day where something is asked until then, or as of then, and else its
    beginning. Raises UserError.
    """
    given = given.strip()
    try:
        at = datetime.fromisoformat(given)
        if what in _TO_THE_END and _is_date(given):
            at = datetime.combine(at, time.max)
        return at.astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{what} is {given!r:.60}; write a date or a time such as 2026-03-01 or 2026-03-01T12:00"
        ) from None


def _is_date(given: str) -> bool:
    try:
        date.fromisoformat(given)
    except ValueError:
        return False
    return True
