"""Whether a text says what was known already: what came out of memory is not stored again."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import takewhile

from guildhall.memory.words import STOP, divided

from .models.sentences import split

SAME = 0.9
"""A sentence is known where all of its words stand in the other one, be it in another form, and so many of
them in that order."""
_WORD = re.compile(r"[^\W_]+(?:[.,:'-][^\W_]+)*")
_CITATION, _LIST = re.compile(r"\[[^\[\]\n]{1,200}\]"), re.compile(r"\s*(?:[-*+•>]|\d{1,3}[.)])\s+")
_CITES_MEMORY = re.compile(r"\[memory:[0-9a-f]{8,32}\]")
_DENIALS = frozenset({"no", "not", "never", "none", "nobody", "nothing", "without", "cannot"})
_LIMITS = frozenset({"only", "except", "unless", "until", "if", "when"})


def echoed(text: str, known: Iterable[str]) -> bool:
    """Whether each sentence of the text is one of the known texts', or nearly; not so with other names or
    figures, or where one of the two is a denial or has a condition."""
    said = _sentences(text)
    there = dict.fromkeys(one for other in known for one in _sentences(other)) if said else {}
    return bool(said) and all(one in there or any(_is_nearly(one, other) for other in there) for one in said)


def own(text: str, known: Iterable[str]) -> str:
    """The lines of the text that rest on no memory by their citations, and say what no known text says."""
    known = list(known)
    lines = (
        line
        for line in text.splitlines()
        if not _CITES_MEMORY.search(line) and not (known and echoed(line, known))
    )
    return "\n".join(lines).strip()


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[tuple[str, ...], ...]:
    lines = (_CITATION.sub(" ", _LIST.sub("", line, count=1)) for line in text.splitlines())
    found = (tuple(_words(one)) for line in lines for one in split(line))
    return tuple(dict.fromkeys(words for words in found if words))


def _words(sentence: str) -> Iterable[str]:
    for word in _WORD.findall(divided(sentence) or sentence):
        small = word.lower()
        if small in _DENIALS | _LIMITS or small not in STOP:
            yield small


def _is_nearly(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    words = set(other)
    if len(one) < 4 or not all(word in words or any(_is_form(word, same) for same in other) for word in one):
        return False
    if _denies(one) != _denies(other) or _LIMITS & {*one} != _LIMITS & words:
        return False
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= SAME * len(one)


def _is_form(word: str, other: str) -> bool:
    """Whether they are forms of one word, such as `repairs` and `repaired`: no other name or number."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, other, strict=False)))
    return same >= max(4, len(word) - 3, len(other) - 3) and word.isalpha() and other.isalpha()


def _denies(words: tuple[str, ...]) -> bool:
    return any(word in _DENIALS or word.endswith("n't") for word in words)
