"""Sentences of Markdown and plain text, each as it stands there, with where it stands."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ..message import Paragraph, Quote

LONGEST = 600
"""Characters; whatever is longer is cut between words."""

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})(?:\s|$)")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-{2,})\s*$")
_RULE = re.compile(r"[\s|:*_=+-]*$")
_ITEM = re.compile(r"\s*(?:(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?|>\s?)+")
_CLAUSE = re.compile(r"\s*(?:§\s*)?\d+(?:\.\d+)+\.?\s")
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s)|[。！？]+[」』”’）]*")  # noqa: RUF001  full-width signs end sentences
_LAST_WORD = re.compile(r"[^\s(\"'“‘]*$")  # noqa: RUF001  typographic quotes
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st fig figs sec art cl approx ca cf vs e.g i.e z.b d.h u.a bzw vol pp ed eds "
    "jan feb mar apr jun jul aug sep sept oct nov dec gen col capt hon rev jr sr".split()
)
_BEFORE_NUMBERS = frozenset({"no", "nos", "nr", "p", "para", "ch", "app", "ver", "v", "est"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, a row of a table or a line of code; its whitespace is single spaces."""

    text: str
    label: str
    """What a citation of it says: `contract.md:12`."""
    headings: tuple[str, ...] = ()
    """The headings that it stands under, the outermost first."""
    columns: str = ""
    """Of a table's row: the row of headings above it."""
    block: int = 0
    """The same for sentences that stand in one paragraph or list item."""


def sentences(quote: Quote) -> list[Sentence]:
    """All sentences of what is quoted, in order; headings are context, not sentences."""
    return list(_Reader().read(quote.paragraphs()))


def split(text: str) -> Iterator[str]:
    """The sentences of running text, at its full stops but not at those of abbreviations."""
    text = " ".join(text.split())
    start = 0
    for end in _END.finditer(text):
        if _ends_sentence(text, start, end):
            yield from _pieces(text[start : end.end()].strip())
            start = end.end()
    yield from _pieces(text[start:].strip())


def _ends_sentence(text: str, start: int, end: re.Match[str]) -> bool:
    follows = text[end.end() : end.end() + 2].strip()[:1]
    if end[0][0] in "。！？":  # noqa: RUF001  full-width signs end sentences
        return True
    if follows.islower():
        return False
    if end[0] != ".":
        return True
    found = _LAST_WORD.search(text, max(start, end.start() - 24), end.start())
    word = found[0] if found else ""
    if len(word) == 1 and word.isupper():
        return False
    word = word.lower()
    return not (word in _ABBREVIATIONS or (word in _BEFORE_NUMBERS and follows.isdigit()))


def _pieces(sentence: str) -> Iterator[str]:
    start = 0
    while len(sentence) - start > LONGEST:
        cut = sentence.rfind(" ", start + LONGEST // 2, start + LONGEST)
        cut = cut if cut > 0 else start + LONGEST
        yield sentence[start:cut].strip()
        start = cut
    if rest := sentence[start:].strip():
        yield rest


def _lines(paragraphs: Iterable[Paragraph]) -> Iterator[tuple[str, str]]:
    """Each line with the label of its paragraph; an empty one where paragraphs stand apart."""
    follows = ""
    for label, text in paragraphs:
        name, _, number = label.rpartition(":")
        if label != follows:
            yield "", ""
        yield from ((label, line) for line in text.splitlines() if line.strip())
        follows = f"{name}:{int(number) + text.count(chr(10)) + 1}" if number.isdecimal() else ""


@dataclass(slots=True)
class _Reader:
    """Goes through a text line by line; `waiting` are the lines of the block it is in."""

    waiting: list[str] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)
    columns: str = ""
    fence: str = ""
    label: str = ""
    block: int = 0

    def read(self, paragraphs: Iterable[Paragraph]) -> Iterator[Sentence]:
        for (label, line), (_, following) in pairwise([*_lines(paragraphs), ("", "")]):
            if line:
                yield from self._line(label, line, following)
            else:
                yield from self._close()
                self.columns = ""
        yield from self._close()

    def _line(self, label: str, line: str, following: str) -> Iterator[Sentence]:
        if self._goes_on(line):
            self.waiting.append(line)
            return
        yield from self._close()
        self.label = label
        if self.fence or _FENCE.match(line):
            yield from self._code(line)
        elif heading := _HEADING.match(line):
            self._under(len(heading[1]), line[heading.end() :].strip(" \t#"))
        elif _UNDERLINE.match(following):
            self._under(1 if "=" in following else 2, line.strip())
        elif line.lstrip().startswith("|"):
            yield from self._row(line, following)
        elif not _RULE.match(line):
            self.waiting.append(line)

    def _goes_on(self, line: str) -> bool:
        """Whether the line belongs to the block that is waiting."""
        if not self.waiting or _FENCE.match(line) or _HEADING.match(line) or _RULE.match(line):
            return False
        if _ITEM.match(line) or _CLAUSE.match(line):
            # a number that was wrapped to the start of a line is no list item and no clause
            return line.lstrip()[0].isdigit() and self.waiting[-1].rstrip()[-1:] not in ".:;!?,"
        return not line.lstrip().startswith("|")

    def _code(self, line: str) -> Iterator[Sentence]:
        mark = line.strip()[:3]
        if not self.fence:
            self.fence = mark
        elif mark == self.fence:
            self.fence = ""
            self.block += 1
        else:
            yield from self._told(_pieces(" ".join(line.split())))

    def _row(self, line: str, following: str) -> Iterator[Sentence]:
        row = " ".join(line.split()).strip("| ")
        if following.lstrip().startswith("|") and _RULE.match(following):
            self.columns = row
        else:
            yield from self._told(_pieces(row))

    def _close(self) -> Iterator[Sentence]:
        if self.waiting:
            text = "\n".join(self.waiting)
            marker = _ITEM.match(text)
            self.waiting = []
            self.block += 1
            yield from self._told(split(text[marker.end() :] if marker else text))

    def _told(self, texts: Iterable[str]) -> Iterator[Sentence]:
        headings = tuple(heading for _, heading in self.headings)
        for text in texts:
            if not _RULE.match(text):
                yield Sentence(text, self.label, headings, self.columns, self.block)

    def _under(self, level: int, heading: str) -> None:
        above = [(depth, text) for depth, text in self.headings if depth < level]
        self.headings = [*above, (level, heading)]
        self.block += 1
