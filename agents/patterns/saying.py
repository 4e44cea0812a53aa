"""How far two longer texts say the same: by their words, if nothing in them decides that they do not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..models import ranking
from ..models.words import COMMON, stem, synonyms
from .wording import is_number, is_symbol, tokens

NEARLY = 0.5
"""The share of words from which two texts speak of the same, so that they can contradict each other."""
MORE = 0.75
"""How far two texts are alike at most where one says something more: a word can be what matters."""
NEAR = 8
"""Words within which three in the reverse order make another sense; whole clauses may change places."""


class Said(NamedTuple):
    """A text as it is compared."""

    words: frozenset[str]
    """What it speaks of: stems, and what is denied as another word."""
    decisive: Counter[str]
    """Numbers, symbols and the small words that turn what is said."""
    order: tuple[str, ...]
    """All that can be turned around."""


def alike(one: str, other: str) -> float:
    """The share of words that both have, of 1; nothing where one says otherwise what the other says."""
    first, second = said(one), said(other)
    share = ranking.alike(first.words, second.words)
    if share >= NEARLY and _differ(first, second):
        return 0.0
    return min(share, MORE) if first.words != second.words else share


@lru_cache(maxsize=256)
def said(text: str) -> Said:
    words, decisive, order = set[str](), Counter[str](), list[str]()
    denied = alone = ""
    for token in _compared(text):
        order.append(token)
        if token == "only":  # noqa: S105  a word
            alone = "only "
        elif token == "not":  # noqa: S105  a word
            denied = "not "
        if is_number(token) or is_symbol(token) or token in _TURNING:
            decisive[token] += 1
        elif token not in _PLACING:
            words.add(denied + token)
            decisive.update([alone + token] if alone else [])
            denied = alone = ""
    return Said(frozenset(words), decisive, tuple(order))


def _compared(text: str) -> Iterator[str]:
    for token in tokens(text):
        word = _SAME.get(token, token)
        if word in _TURNING or word in _PLACING or is_number(word):
            yield word
        elif is_symbol(word):
            if word not in _PUNCTUATION:
                yield word
        elif word not in COMMON or len(word) == 1:  # an option or a name: `B`
            yield _root(word)


@lru_cache(maxsize=20_000)
def _root(word: str) -> str:
    """The same for forms of a word, and for words of everyday that mean much the same."""
    root = stem(word)
    return min((root, *synonyms(root)))


def _differ(one: Said, other: Said) -> bool:
    """Whether something decides that two texts which speak of the same do not say the same."""
    replaced = bool(one.words - other.words) and bool(other.words - one.words)
    return replaced or one.decisive != other.decisive or _turned(one.order, other.order)


def _turned(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether three words that are near each other stand the other way round: who, does what, to whom."""
    places = {word: at for at, word in enumerate(_numbered(one))}
    there = [places[word] for word in _numbered(other) if word in places]
    return any(
        first > middle > last and first - last <= NEAR
        for at, middle in enumerate(there)
        for first in there[max(0, at - NEAR) : at]
        for last in there[at + 1 : at + NEAR]
    )


def _numbered(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    seen = Counter[str]()
    for word in words:
        seen[word] += 1
        yield word, seen[word]


_SAME = {
    "no": "not", "never": "not", "without": "not", "neither": "not", "nor": "not", "none": "not",
    "each": "every", "can": "may", "shall": "must", "me": "i", "him": "he", "us": "we", "them": "they",
    "nicht": "not", "kein": "not", "keine": "not", "keinen": "not", "nie": "not", "ohne": "not",
    "pas": "not", "jamais": "not", "sans": "not", "nunca": "not",
}  # fmt: skip
_TURNING = frozenset(
    """only unless except if before after until all some any every or more less most least over under above
    below up down on off out must may should might could both either against few many same other first last
    not even hardly partly""".split()
)
"""Small words without which a text says something else."""
_PLACING = frozenset("from to than by i he she we you they".split())
"""Words of which only the place counts."""
_PUNCTUATION = frozenset("()[]{}\"'`,.;:!?*_#|~-…")
