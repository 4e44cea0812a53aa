"""What callers give, checked: each mistake is a UserError that says what is allowed."""

import re
from collections.abc import Sequence
from typing import Any

from guildhall.errors import StoreError, UserError
from guildhall.redact import redact

from .records import LONGEST_TEXT

_YEAR_1, _YEAR_9999 = -62_135_000_000, 253_400_000_000
_SCOPE = re.compile(r"[\w][\w .-]{0,99}")


def text(given: str) -> str:
    """The text without secrets, and with nothing that no disk can hold."""
    if not isinstance(given, str):
        raise UserError(f"the text is {given!r:.80}; it must be a str")
    given = redact(given.encode("utf-8", "replace").decode().replace("\0", "\ufffd")).strip()
    if not given:
        raise UserError("there is nothing to remember: the text is empty")
    if len(given) > LONGEST_TEXT:
        raise StoreError(
            "too_large",
            f"the text has {len(given):,} characters and one memory holds {LONGEST_TEXT:,}: "
            "remember its parts, or what matters in it",
        )
    return given


def subject(given: str | None) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not given.strip() or len(given) > 200 or not given.isprintable():
        raise UserError(f"the subject {redact(repr(given)):.40} must be one line of 1 to 200 characters")
    return redact(given).strip()


def line(what: str, given: str) -> str:
    """The text without secrets."""
    if not isinstance(given, str):
        raise UserError(f"{what} is {given!r:.80}; it must be a str")
    return redact(given)


def scope(given: str) -> str:
    if not _SCOPE.fullmatch(given):
        raise UserError(f"the scope {given[:40]!r} must be letters, digits, spaces, '.', '_' or '-'")
    return given


def one_of(what: str, given: Any, allowed: Sequence[str]) -> Any:
    if given not in allowed:
        raise UserError(f"{what} is {given!r}; it can be {', '.join(allowed)}")
    return given


def each_of(what: str, given: Sequence[Any], allowed: Sequence[str]) -> tuple[Any, ...]:
    if isinstance(given, str):
        raise UserError(f"{what} are {given!r:.80}; give a list: [{given!r:.80}]")
    return tuple(one_of(f"one of the {what}", one, allowed) for one in given)


def count(what: str, given: int, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise UserError(f"{what} is {given!r:.80}; it can be from 1 to {most}")
    return given


def fraction(what: str, given: float) -> float:
    if not _is_number(given) or not 0 <= given <= 1:
        raise UserError(f"{what} is {given!r:.80}; it can be from 0 to 1")
    return float(given)


def moment(what: str, given: float) -> float:
    if not _is_number(given) or not _YEAR_1 <= given <= _YEAR_9999:
        raise UserError(f"{what} is {given!r:.80}; it is a time in seconds since 1970")
    return float(given)


def tags(given: Sequence[str]) -> tuple[str, ...]:
    are_texts = not isinstance(given, str) and all(isinstance(tag, str) for tag in given)
    clean = tuple(map(redact, given)) if are_texts else ()
    if not are_texts or not all(0 < len(tag) <= 200 for tag in clean):
        raise UserError(f"tags are {redact(repr(given)):.80}; give a list of words of 1 to 200 characters")
    return clean


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
