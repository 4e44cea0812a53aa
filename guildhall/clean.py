"""Text from models, files and memory, made safe to show."""

import re

SHOWN = "\N{REPLACEMENT CHARACTER}"
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


def quoted(text: str) -> str:
    """The clean text to stand behind a label: further lines are marked, and pass for no other entry."""
    return "\n> ".join(clean(text).splitlines())
