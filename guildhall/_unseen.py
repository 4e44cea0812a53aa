"""What a text holds beside what is seen of it: colours, characters without a width, escapes of Markdown."""

import re
from bisect import bisect_right
from typing import NamedTuple

_FREQUENT = "\x9b\xad\u200b\u200c\u200d\u200e\u200f\u2028\u202e\u2060\ufeff"
"""One of them is in nearly every text with unseen characters beyond ASCII."""
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e01ef\\](?!(?<=\r)\n|(?<=\\)(?![_-]))"
    r"(?:(?:(?<=\x1b)\[|(?<=\x9b))[0-?]*+[ -/]*+(?:[@-~]|\Z)"  # a colour, or where the cursor goes
    r"|(?<=\x1b)\][\d;]*+|(?<=\x1b)[ -/]++(?:[0-~]|\Z))?"  # the beginning of a link, a set of letters
)


class Seen(NamedTuple):
    """A text without what is not seen of it."""

    text: str
    starts: list[int]
    """Where the parts of it begin that stood apart."""
    origins: list[int]
    """Where these began."""

    def origin(self, at: int) -> int:
        """Where the character stood."""
        part = bisect_right(self.starts, at) - 1
        return self.origins[part] + at - self.starts[part]

    def end(self, at: int) -> int:
        """Where the text before this place ended."""
        return self.origin(at - 1) + 1 if at else 0


def may_hide(text: str) -> bool:
    """Whether the text holds what is usual and not seen, beside control characters."""
    if "\\" in text and (r"\_" in text or r"\-" in text):
        return True
    return not text.isascii() and any(map(text.__contains__, _FREQUENT))


def seen(text: str) -> Seen | None:
    """The text as it is seen; nothing if all of it is."""
    if not _UNSEEN.search(text):
        return None
    parts, starts, origins, size, end = [], [0], [0], 0, 0
    for found in _UNSEEN.finditer(text):
        if part := text[end : found.start()]:
            parts.append(part)
            size += len(part)
        if starts[-1] == size:
            origins[-1] = found.end()
        else:
            starts.append(size)
            origins.append(found.end())
        end = found.end()
    return Seen("".join([*parts, text[end:]]), starts, origins)
