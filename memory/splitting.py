"""A long text in pieces: cut where its structure allows it, and nothing is lost."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

Weigh = Callable[[str], float]
"""What a text weighs; joined texts must not weigh more than apart."""
_Cuts = Sequence[tuple[re.Pattern[str], float]]
FULL = 0.75
"""A piece is filled at least so far, before it ends at a better place than the last possible one."""


class Above(NamedTuple):
    """A line that a piece stands under: a heading, or the row of a table that names its columns."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a text, with the number of its first line and what it stands under, the outermost first."""

    text: str
    first_line: int = 1
    above: tuple[Above, ...] = ()

    @property
    def last_line(self) -> int:
        return self.first_line + self.text.rstrip("\n").count("\n")


def split(text: str, room: float, *, weigh: Weigh, first_line: int = 1) -> list[Piece]:
    """The text in pieces that weigh so much at most; joined they are the text.

    A piece ends before a heading if it can, else between paragraphs, and not right behind a heading. What has
    no room in one piece, be it a paragraph, a table or a block of code, is cut between its lines; then
    between sentences, words, and at last characters.
    """
    if weigh(text) <= room:
        return [Piece(text, first_line)]
    parts = packed(units(text, room, weigh=weigh, first_line=first_line), room)
    return [piece(part) for part in parts]


def paragraphs(text: str) -> list[str]:
    """The headings, paragraphs, tables and blocks of code of the text, in order."""
    return [block.text.strip("\n").rstrip() for block in _blocks(text, 1) if block.text.strip()]


def units(text: str, room: float, *, weigh: Weigh, first_line: int = 1) -> list["Unit"]:
    """The text in order, in what is not cut any more; none weighs more than there is room for."""
    return [unit for block in _blocks(text, first_line) for unit in _fitting(block, room, weigh)]


def packed(units: Sequence["Unit"], room: float) -> Iterator[Sequence["Unit"]]:
    """Which units belong together, in order: as many as there is room for, up to the best place to end."""
    ranks = [unit.rank for unit in units]
    sums = [0.0, *accumulate(unit.weighs for unit in units)]
    start = 0
    for end in range(1, len(ranks)):
        while sums[end + 1] - sums[start] > room and start < end:
            enough = FULL * (sums[end] - sums[start])
            places = [at for at in range(end, start, -1) if sums[at] - sums[start] >= enough]
            place = min(places, key=lambda at: ranks[at])
            if ranks[place] == _NEVER:  # all behind one heading, which is better off with what follows
                place = next((at for at in range(end, start, -1) if ranks[at] != _NEVER), end)
            yield units[start:place]
            start = place
    yield units[start:]


def piece(units: Sequence["Unit"]) -> Piece:
    """The units as one."""
    return Piece("".join(unit.text for unit in units), units[0].line, units[0].above)


class Unit(NamedTuple):
    """What is not cut any more; the lower its rank, the better can a piece end before it."""

    text: str
    line: int
    rank: int
    above: tuple[Above, ...] = ()
    columns: Above | None = None
    """Of a table: the row above its other rows."""
    weighs: float = 0


HEADING, PARAGRAPH, LINE, _SENTENCE, _WORD, _NEVER = 6, 7, 8, 9, 10, 99
"""Ranks: that of a heading is its level, from 1 to 6; of what follows a heading, `_NEVER`."""
_MARKED = re.compile(r" {0,3}(#{1,6})(?:\s|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CLOSING = re.compile(r"\s*(`{3,}|~{3,})\s*$")
_ROW = re.compile(r"\s*\|")
_DASHES = re.compile(r"[\s|:-]+$")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_CUTS = (
    (re.compile(r"(?:[^\n]*\n){1,30}|[^\n]+"), 1 / 16),
    (_LINES, 1),
    (re.compile(r".+?(?:(?<![.!?…])[.!?…]++[\"”’»)\]*_]*+\s+|[。！？]+|\Z)", re.DOTALL), 1),  # noqa: RUF001  they end sentences
    (re.compile(r"(?:\s*\S+\s*){1,50}|\s+"), 1 / 16),
    (re.compile(r"\s*\S+\s*|\s+"), 1),
)
"""Lines, sentences, words: none leaves anything out. With each, how much of the room its parts may take not
to be cut finer; where several are taken at once, that is so little that it does not matter where they end."""


def _blocks(text: str, first_line: int) -> Iterator[Unit]:
    """Headings, paragraphs, tables and fences, each with the empty lines behind it."""
    lines = _LINES.findall(text)
    closed = _closed(lines) if "```" in text or "~~~" in text else {}
    at, under, heads = 0, list[tuple[int, Above]](), False
    while at < len(lines):
        end, level = (closed[at] + 1, 0) if at in closed else _end(lines, at)
        while end < len(lines) and not lines[end].strip():
            end += 1
        if level:
            under = [(other, line) for other, line in under if other < level]
        above = tuple(line for _, line in under)
        columns = None
        if end - at > 2 and _ROW.match(lines[at]) and _DASHES.match(lines[at + 1]):
            columns = Above(first_line + at, lines[at].strip())
        rank = _NEVER if heads else level or PARAGRAPH
        yield Unit("".join(lines[at:end]), first_line + at, rank, above, columns)
        if heads := level > 0:
            under.append((level, Above(first_line + at, lines[at].strip())))
        at = end


def _end(lines: Sequence[str], at: int) -> tuple[int, int]:
    """Where the block ends that begins there, and the level of the heading that it is, or 0."""
    line = lines[at]
    if marked := _MARKED.match(line):
        return at + 1, len(marked[1])
    end = at + 1
    if line.strip() and end < len(lines) and (under := _UNDERLINE.match(lines[end])) and "|" not in line:
        return end + 1, 1 if "=" in under[1] else 2
    is_row = _ROW.match(line) is not None
    while end < len(lines) and lines[end].strip() and (_ROW.match(lines[end]) is not None) == is_row:
        if not is_row and (_MARKED.match(lines[end]) or _FENCE.match(lines[end])):
            break
        end += 1
    return end, 0


def _closed(lines: Sequence[str]) -> Mapping[int, int]:
    """Of each line that can open a fence, the line that would close it: the next of as many signs or more."""
    closed = dict[int, int]()
    behind: dict[str, list[tuple[int, int]]] = {"`": [], "~": []}
    """Those that close fences, by their sign: how long, in which line; the nearest and shortest last."""
    for at in range(len(lines) - 1, -1, -1):
        if fence := _FENCE.match(lines[at]):
            there = behind[fence[1][0]]
            if found := bisect_right(there, -len(fence[1]), key=lambda one: -one[0]):
                closed[at] = there[found - 1][1]
        if fence := _CLOSING.match(lines[at]):
            there = behind[fence[1][0]]
            while there and there[-1][0] <= len(fence[1]):
                there.pop()
            there.append((len(fence[1]), at))
    return closed


def _fitting(block: Unit, room: float, weigh: Weigh) -> Iterator[Unit]:
    """The block, or what it is cut into where it has no room."""
    line, rank, above = block.line, block.rank, block.above
    for text, weighs in _cut(block.text, room, weigh, _CUTS):
        yield Unit(text, line, rank, above, weighs=weighs)
        line, rank = line + text.count("\n"), _rank_behind(text)
        if block.columns:
            above = (*block.above, block.columns)


def _rank_behind(text: str) -> int:
    if text.endswith("\n"):
        return LINE
    return _SENTENCE if text.rstrip().endswith((".", "!", "?", "…", "。")) else _WORD


def _cut(
    text: str, room: float, weigh: Weigh, finer: _Cuts, enough: float = 1
) -> Iterator[tuple[str, float]]:
    """The text in what has room, cut no finer than it must be; each with its weight."""
    if (weighs := weigh(text)) <= room * enough or len(text) == 1:
        yield text, weighs
    elif finer:
        pattern, enough = finer[0]
        for part in pattern.findall(text):
            yield from _cut(part, room, weigh, finer[1:], enough)
    else:
        half = len(text) // 2
        yield from _cut(text[:half], room, weigh, ())
        yield from _cut(text[half:], room, weigh, ())
