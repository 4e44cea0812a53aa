"""Text from models, files and memory, made safe to look at."""

import itertools
from collections.abc import Sequence
from typing import Any

from guildhall.clean import clean, one_line

__all__ = ["clean", "from_cache", "money", "one_line", "several", "tame"]
_LARGEST, _DEEPEST = 50_000, 12
"""Of one tame value: about so many characters, and lists within lists."""


def several(names: Sequence[str], *, most: int = 3) -> str:
    """The names on one line, and where there are more than `most`, how many others there are."""
    named, others = names[:most], len(names) - most
    line = ", ".join(one_line(name, 80) for name in named)
    return f"{line} and {others} other{'s' * (others > 1)}" if others > 0 else line


def tame(value: Any, *, longest: int = 4_000) -> Any:
    """The value as JSON that every viewer can take: its texts clean, and all of it of bounded size."""
    return _tame(value, longest, [_LARGEST], 0)


def _tame(value: Any, longest: int, left: list[int], depth: int) -> Any:
    left[0] -= 1
    if isinstance(value, dict | list | tuple) and depth == _DEEPEST:
        return "…"
    if isinstance(value, dict):
        pairs = itertools.takewhile(lambda _: left[0] > 0, value.items())
        return {_tame(str(name), 200, left, depth): _tame(v, longest, left, depth + 1) for name, v in pairs}
    if isinstance(value, list | tuple):
        parts = itertools.takewhile(lambda _: left[0] > 0, value)
        return [_tame(part, longest, left, depth + 1) for part in parts]
    if value is None or isinstance(value, int | float):
        return value if value is None or abs(value) < 2**63 else None  # nor is NaN less than that
    text = clean(str(value)[: longest + 1])
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    left[0] -= len(text)
    return text


def money(usd: float, unpriced: int = 0, *, digits: int = 4) -> str:
    """What calls cost, in words that do not claim more than is known."""
    if not usd:
        return "cost unknown" if unpriced else "$0"
    return ("over " if unpriced else "") + f"${usd:.{digits}f}"


def from_cache(replies: int) -> str:
    """How many replies were not asked for again, in words; empty if there is none."""
    return f"{replies} repl{'y' if replies == 1 else 'ies'} from the cache" if replies else ""
