"""Bytes become text, and text becomes names and lines, whatever they hold."""

import re
import unicodedata
from typing import Any

from ..frontmatter import MAX_BYTES
from ..hidden import without_hidden

LONGEST_DESCRIPTION = 1_000
_EXAMPLES = re.compile(
    r"<examples?\b|(?:^|(?<=[.!?:;)]) )[*_#\- ]{0,4}(?:for )?(?:usage |use )?"
    r"(?:examples?|cases|scenarios)\b[^:.<]{0,30}:",
    re.IGNORECASE,
)
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Unusable(ValueError):
    """Nothing can be made of the file; the message says why."""


def decoded(data: bytes) -> tuple[str, list[str]]:
    """The text, its lines ended by line feeds and without hidden characters, and what was done to it."""
    if len(data) > MAX_BYTES:
        raise Unusable(f"the file has more than {MAX_BYTES:,} bytes, the most that is read")
    text, notes = _text(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, hidden = without_hidden(text)
    if hidden:
        notes.append(f"{hidden} hidden character{'s were' if hidden > 1 else ' was'} taken out of the text")
    return text, notes


def _text(data: bytes) -> tuple[str, list[str]]:
    try:
        if data[:2] in _BOMS:
            return data.decode(_BOMS[data[:2]]), ["it is UTF-16, and was read as that"]
        if b"\0" in data:
            raise Unusable("it is no text: it holds zero bytes")
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        if data[:2] in _BOMS:
            raise Unusable("it begins as UTF-16, and is not") from None
        return data.decode("cp1252", errors="replace"), ["it is not UTF-8, and was read as Windows-1252"]


def tidy(value: Any) -> str:
    """The value as text without hidden characters; of a list, its parts with commas."""
    if isinstance(value, list | tuple):
        value = ", ".join(str(one) for one in value)
    return without_hidden("" if value is None or isinstance(value, dict) else str(value))[0].strip()


def line(text: str, longest: int) -> str:
    """The text on one line that ends with a sentence, if it can, where it is too long."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    end = max(cut.rfind(mark) for mark in (". ", "! ", "? "))
    return cut[: end + 1] if end > longest // 3 else cut.rpartition(" ")[0][: longest - 1] + "…"


def description(text: str) -> tuple[str, str]:
    """The description on one line, without examples of when a host is to call the agent, and what was cut."""
    whole = " ".join(text.replace("\\n", "\n").replace("\\t", " ").split())
    examples = _EXAMPLES.search(whole)
    told = whole[: examples.start()].rstrip(" :-,*_#") if examples else whole
    if not examples or not told:
        short = line(whole, LONGEST_DESCRIPTION)
        return short, "it was cut there" if short != whole else ""
    return line(told, LONGEST_DESCRIPTION), "without its examples of when to call it"


def slug(text: str) -> str:
    """A valid name for what is called so; empty, if nothing in it can stand in a name."""
    plain = unicodedata.normalize("NFKD", text[:500]).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[:60].rstrip("-_")
    return name if not name or name[0].isalpha() else f"agent-{name}"
