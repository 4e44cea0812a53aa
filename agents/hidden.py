"""Characters that nobody sees, or that show a text in another order than a model reads it."""

import re
import unicodedata
from typing import NamedTuple

_NEVER = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls; tab and line feed are text
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # direction, and line breaks that look like none
    r"\u034f\u115f\u1160\u180b-\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    r"\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e007f\U000f0000-\U0010ffff"
)
_SELECTORS = r"\ufe00-\ufe0f\U000e0100-\U000e01ef"
_HIDDEN = re.compile(
    rf"[{_NEVER}]"
    rf"|[{_SELECTORS}]{{2}}"  # one chooses a glyph, a row of them carries a message
    # joiners hold emoji and letters of many scripts together, but never stand in ASCII or in a row
    r"|(?<![^\x00-\x7f\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f\u200c\u200d])"
)
_SUSPECT = re.compile(rf"[{_NEVER}{_SELECTORS}\u200c\u200d]")
"""Whatever can be hidden; a text without any is seen to be so ten times as quickly."""
_KINDS = {"Cc": "a control character", "Co": "a private-use character", "Cs": "half a character"}


class Hidden(NamedTuple):
    position: int
    what: str
    """`U+202E RIGHT-TO-LEFT OVERRIDE`"""


def find_hidden(text: str) -> Hidden | None:
    """The first hidden character of the text."""
    if not _SUSPECT.search(text) or not (found := _HIDDEN.search(text)):
        return None
    character = found[0][0]
    kind = _KINDS.get(unicodedata.category(character), "an invisible character")
    name = unicodedata.name(character, kind)
    return Hidden(found.start(), f"U+{ord(character):04X} {name}")


def without_hidden(text: str) -> tuple[str, int]:
    """The text without its hidden characters, and how many those were."""
    clean = text
    for _ in range(4):  # what stands beside a character that goes may be hidden from then on
        if not find_hidden(clean):
            return clean, len(text) - len(clean)
        clean = _HIDDEN.sub("", clean)
    clean = _SUSPECT.sub("", clean)
    return clean, len(text) - len(clean)
