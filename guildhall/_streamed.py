"""Which end of a text that goes on may be the beginning of a secret."""

import re

from ._known import KNOWN, LONGEST_BEGINNING
from ._secrets import BEGIN_KEY, BODY_OF_KEY, begins_word
from ._shapes import MARKS, changes
from ._unseen import seen

_WORD = "".join(map(chr, range(33, 127)))
_JOINTS = " \t\r\n\"'`+\\>"
_MARK = re.compile("|".join(re.escape(mark.decode()) for mark in (*MARKS, b"://")))
_BEGINNINGS = frozenset(mark[:size].decode() for mark in MARKS for size in range(1, len(mark)))
_BEGIN = re.compile("-----BEGIN")
MOST_HELD = 20_000
"""Characters before the last word; a private key has fewer."""
_WINDOW = 200
"""Characters before a value in which its name is looked for."""
_NAMES = ("pass", "pwd", "secret", "token", "key", "credential", "earer", "orization", "asic", "api")
_OPEN = re.compile(
    r"\w{0,24}[\"'`\])\\]{0,5}[ \t]{0,20}(?:=>|:=|=|:)?[\s>\\]{0,40}"
    r"(?:\S{1,200}[ \t]*(?:[+\\][ \t]*)?(?:\n[\s>+]*|\Z)){0,8}"
)
"""What may stand between the name of a secret and its value, or the next part of the value."""


def held_from(text: str) -> int:
    """Where what may be part of a secret begins; the last word always may."""
    bare = seen(text)
    return bare.end(_held_from(bare.text)) if bare else _held_from(text)


def _held_from(text: str) -> int:
    end = _word_before(text, len(text))
    if skipped := max(end - MOST_HELD, 0):
        return skipped + _held_from(text[skipped:])
    while (start := _earlier(text, end)) < end:
        end = start
    if "-----BEGIN" in text:
        begins = (found.start() for found in _BEGIN.finditer(text))
        end = min([end, *(begin for begin in begins if _key_end(text, begin) > end)])
    for value in KNOWN.values:
        if value.words:
            end = min(end, _known_from(text, value.text, end))
    return end


def _earlier(text: str, end: int) -> int:
    """The beginning of what could go on at `end`; `end` itself if nothing could."""
    footer = text.rfind("-----END", max(end - 100, 0), end)
    if footer >= 0 and text.find("-----", footer + 8, end) < 0:
        return footer
    before = text[:end].rstrip(_JOINTS)
    if "\n" in text[len(before) : end] or not text[end:].strip(_JOINTS):
        start = _word_before(before, len(before))
        if start < len(before) and _may_go_on(before[start:]):
            return start
    if (line := text.rfind("\n", 0, end)) >= 0:  # what stands alone on a line may belong to the one before
        before = text[:line].rstrip(_JOINTS)
        start = _word_before(before, len(before))
        if start < len(before) and _is_begun(before[start:]):
            return start
    first = max(end - _WINDOW, 0)
    window = text[first:end].lower()
    if len(window) != end - first:  # a letter that is two in lower case
        window = text[first:end]
    for name in _NAMES:
        at = window.rfind(name)
        if at >= 0 and _OPEN.fullmatch(window, at):
            return _word_before(text, first + at)
    return end


def _word_before(text: str, end: int) -> int:
    return len(text[:end].rstrip(_WORD))


def _may_go_on(word: str) -> bool:
    """Whether the next line may hold the rest of a secret that this word begins."""
    if _is_begun(word):
        return True
    ends = [word[-size:] for size in range(1, min(len(word), LONGEST_BEGINNING) + 1)]
    if not KNOWN.beginnings.isdisjoint(ends):
        return True
    plain = word.encode("ascii", "replace")
    return any(end in _BEGINNINGS and begins_word(plain, len(plain) - len(end), b"") for end in ends)


def _is_begun(word: str) -> bool:
    """Whether the word may be a good part of a key: what follows on its own line goes with it."""
    if _MARK.search(word):
        return True
    is_word = len(word) < 6 or (word.islower() and word.isalpha())
    return not is_word and changes(word.encode("ascii", "replace")) >= 2


def _key_end(text: str, begin: int) -> int:
    """Where the private key ends that may begin here; beyond the text, if that is not known."""
    plain, open_ended = text[begin : begin + MOST_HELD].encode("ascii", "replace"), len(text) + 1
    header = BEGIN_KEY.match(plain)
    if header is None:
        return open_ended if len(plain) < 120 else begin
    footer = plain.find(b"-----END", header.end())
    if footer >= 0:
        end = plain.find(b"-----", footer + len(b"-----END"))
        return begin + end + 5 if end >= 0 else open_ended
    body = BODY_OF_KEY.match(plain, header.end())
    end = body.end() if body else header.end()
    return begin + end if b"\n" in plain[end:].lstrip() else open_ended


def _known_from(text: str, value: str, end: int) -> int:
    """Where the value begins that goes over `end`, or that the end of the text may be the beginning of."""
    at = text.find(value, max(end - len(value) + 1, 0), end + len(value) - 1)
    if at >= 0:
        return at
    sizes = range(min(len(value) - 1, len(text)), 0, -1)
    return next((len(text) - size for size in sizes if text.endswith(value[:size])), len(text))
