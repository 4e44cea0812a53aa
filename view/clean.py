"""Text from models, files and memory, made safe to look at."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

SHOWN = "\N{REPLACEMENT CHARACTER}"
_LARGEST, _DEEPEST = 50_000, 12
"""Of one tame value: about so many characters, and lists within lists."""
_RANGES = (
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F),  # control and escape characters, all but tab and newline
    (0x061C, 0x061C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069),  # direction
    (0x180E, 0x180E), (0x200B, 0x200B), (0x2060, 0x2065), (0x206A, 0x206F),  # invisible
    (0xFFF9, 0xFFFB), (0xE0000, 0xE007F),  # annotations and tags, which hide text
    (0xD800, 0xDFFF),  # halves of pairs, which no encoding takes
)  # fmt: skip
_HIDDEN: dict[int, str | None] = {
    **{code: SHOWN for first, last in _RANGES for code in range(first, last + 1)},
    0x0D: None,
    0xFEFF: None,
    0x2028: "\n",
    0x2029: "\n",
}
_ANY = re.compile("[" + "".join(f"\\U{code:08x}" for code in _HIDDEN) + "]")


def clean(text: str) -> str:
    """The text without characters that would make it look other than it is or drive a terminal.

    Works on each character alone, so that pieces of a text can be cleaned as they come.
    """
    return text.translate(_HIDDEN) if _ANY.search(text) else text


def one_line(text: str, most: int = 300) -> str:
    """The clean text on one line of at most `most` characters."""
    line = " ".join(clean(text[: 4 * most]).split())
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 1] + "…"


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
