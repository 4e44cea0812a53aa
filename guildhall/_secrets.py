"""Where secrets stand in a text.

It runs on every reply and event, so a text without any must cost little: what most secrets share, a
long run of the letters of base64, is looked for first, with calls that look at no character in Python.
All is done on bytes that are as long as the text: a character beyond ASCII is one `?` there.
"""

import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import starmap
from typing import NamedTuple

from . import _assigned, _requests
from ._known import KNOWN
from ._shapes import LONGEST_MARK, Shape, changes, has_digit, is_words, may_stand_in
from ._unseen import may_hide, seen

REDACTED = re.compile(r"\[redacted: [a-z ]{2,20}\]")
SHORTEST_RUN = 16
"""Letters in a row that every key which is known by its beginning has at least."""
MOST_LINES = 64
"""Lines that one key may be split over."""
LONGEST_SPLIT = 8_000
_JOINTS = b" \t\r\f\v\"'`+\\>"
"""What may stand around the parts of a key that is split over lines: indentation, quotes, `+`, `\\`, `>`."""
_UPPER, _LOWER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
_IN_RUNS = _UPPER + _LOWER + b"0123456789+/-_"
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n")
_RUNS = bytes(ord("a") if byte in _IN_RUNS else 0 if byte in _CONTROLS else ord(" ") for byte in range(256))
"""What is a letter of base64, what drives a terminal, and all else."""
_STANDARD = bytes.maketrans(b"-_", b"+/")
_ALIGNED_RUN = b"a" * SHORTEST_RUN
_MOST_SPLIT_URL = re.compile(rb"[\w.+-]*:\d*")
_ESCAPE = re.compile(
    rb"(?:\\[nrt]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|%[^%]{2}|\[[\d;]*[A-Za-z]|(?:\x1b|\\e)\(B)\Z"
)
"""What may stand before a key and is no part of a word, as `\\n`, `%20`, `\\x1b[31m`."""
_IN_A_RUN = re.compile(rb"[A-Za-z0-9+/_-]{24}\Z")
_TELEGRAM = re.compile(rb"(?<![\w:])\d{8,10}:AA[\w-]{33}(?![\w-])")
BEGIN_KEY = re.compile(
    rb"-----BEGIN[\s>\"'+\\A-Z0-9]{1,60}?PRIVATE[\s>\"'+\\]{1,40}KEY(?: BLOCK)?-----", re.ASCII
)
_END = re.compile(rb"-----END(?:[^-]{0,80}-----)?")
BODY_OF_KEY = re.compile(
    rb"(?:[ \t>\"'+]*+(?:(?:\\[nr]|\\?\r?\n)[ \t>\"'+]*+)++"
    rb"(?:[A-Za-z0-9+/=]++|[A-Z][\w-]++:[^\n\\]*+)(?=[ \t\"'+]*+(?:[\\\r\n]|\Z)))*+"
)
"""The lines of a private key that has no end."""
_IS_BODY = re.compile(rb"[A-Za-z0-9+/=]{16}|(?:\n|\\n)[ \t>\"'+]*+[A-Za-z0-9+/=]{3,}+[ \t\"'+\\\r]*+(?:\n|n)")
_BODY_LINE = re.compile(rb"[ \t>\"'+]*[A-Za-z0-9+/=]{2,}[ \t\"'+\\\r]*")
_BODY_AT_END = re.compile(rb"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{32,}+(?=[ \t\"'+\\\r]*\Z)")


class Span(NamedTuple):
    start: int
    end: int
    kind: str


def find(text: str, *, encoded: bool = True) -> list[Span]:
    """The secrets in the text, in no order; they may overlap. `encoded`: those in base64, too."""
    plain = text.encode("ascii", "replace")
    joined, lines = plain, None
    if b"\n" in plain:
        joined = b"".join([line.strip(_JOINTS) for line in plain.split(b"\n")])
        lines = _Lines(plain, joined)
    same = joined.translate(_RUNS)
    if drives := b"\0" in same:
        same = same.replace(b"\0", b" ")
    runs = _runs(joined, same)
    dense = b" ".join([joined[max(start - LONGEST_MARK, 0) : end] for start, end in runs])
    found: list[Span] = []
    if runs:
        found += _of_shapes(plain, dense, lines, glued=not encoded)
    if b"-----" in plain:
        found += _private_keys(plain)
    if b"@" in plain and b"://" in joined:
        found += starmap(Span, _requests.in_urls(plain))
        found += _split_urls(lines) if lines else ()
    if KNOWN.values:
        found += _known(text, dense, lines)
    if (has_sign := b"=" in plain) or b":" in plain:
        found += (Span(start, end, "password") for start, end in _assigned.find(plain))
    if b"earer" in plain or b"asic" in plain:
        found += (Span(*place, "bearer") for place in _requests.authorizations(plain))
    if has_sign:
        found += (Span(*place, "token") for place in _requests.parameters(plain))
    if runs and encoded:
        found += _encoded(joined, runs, lines)
    if encoded and (drives or ((b"\\" in plain or not text.isascii()) and may_hide(text))):
        found += _seen(text)
    return found


def _seen(text: str) -> Iterator[Span]:
    """The secrets in what is seen of the text."""
    if bare := seen(text):
        for start, end, kind in find(bare.text):
            yield Span(bare.origin(start), bare.end(end), kind)


class _Lines:
    """A text of several lines, and the same with the lines joined."""

    def __init__(self, plain: bytes, joined: bytes) -> None:
        self.plain, self.joined = plain, joined

    @cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        starts, origins = [], []
        at = origin = 0
        for line in self.plain.split(b"\n"):
            if part := line.strip(_JOINTS):
                starts.append(at)
                origins.append(origin + len(line) - len(line.lstrip(_JOINTS)))
                at += len(part)
            origin += len(line) + 1
        return starts, origins

    @property
    def starts(self) -> list[int]:
        """Where the lines begin in the joined text; empty ones are left out."""
        return self._places[0]

    def line(self, at: int) -> int:
        """The number of the line on which this place of the joined text is."""
        return bisect_right(self.starts, at) - 1

    def start(self, line: int) -> int:
        """Where the line begins in the joined text; for one too many, its end."""
        return self.starts[line] if line < len(self.starts) else len(self.joined)

    def span(self, start: int, end: int, kind: str) -> Span:
        """What is between two places of the joined text, as it stands in the text itself."""
        starts, origins = self._places
        first, last = self.line(start), self.line(end - 1)
        return Span(origins[first] + start - starts[first], origins[last] + end - starts[last], kind)

    def continues(self, line: int) -> bool:
        """Whether the whole line may be the next part of a key that could be over."""
        part = self.joined[self.start(line) : self.start(line + 1)]
        return (
            len(part) >= 4 and re.fullmatch(rb"[\w-]+", part) is not None and changes(part) > part.istitle()
        )


def _runs(joined: bytes, same: bytes) -> list[tuple[int, int]]:
    """Where the long runs of letters are, but for words and hexadecimal numbers."""
    runs, end = [], 0
    while (start := same.find(_ALIGNED_RUN, end)) >= 0:
        end = same.find(b" ", start)
        end = len(same) if end < 0 else end
        if not is_words(joined[start:end]):
            runs.append((start, end))
    return runs


def _of_shapes(plain: bytes, dense: bytes, lines: _Lines | None, *, glued: bool) -> Iterator[Span]:
    """The keys that are known by how they begin. `dense`: the long runs of the text, where they all are."""
    for shape in may_stand_in(dense):
        yield from _of_shape(shape, plain, glued=glued)
        if lines:
            yield from _of_split_shape(shape, lines)
    if b"AA" in dense:
        yield from (Span(*match.span(), "telegram") for match in _TELEGRAM.finditer(plain))


def _of_shape(shape: Shape, plain: bytes, *, glued: bool) -> Iterator[Span]:
    """The keys of this kind. `glued`: a strong mark counts after a letter, too, for that may be noise."""
    at, end = 0, -1
    while (at := plain.find(shape.mark, at)) >= 0:
        match = shape.pattern.match(plain, at)
        if match and not (at == end or begins_word(plain, at, shape.before)):
            match = match if not shape.before and (glued or _is_glued(plain, at, match[0])) else None
        if match and (shape.check is None or shape.check(match[0])):
            yield Span(*match.span(), shape.kind)
            end = match.end()
        at = match.end() if match else at + 1


def _is_glued(plain: bytes, at: int, key: bytes) -> bool:
    """Whether it is a key although a word or a number goes on into it: neither a name nor in base64."""
    is_random = key.isupper() or changes(key[:200]) >= len(key[:200]) / 5
    return is_random and has_digit(key) and _IN_A_RUN.search(plain, max(at - 24, 0), at) is None


def _of_split_shape(shape: Shape, lines: _Lines) -> Iterator[Span]:
    """The keys of this kind that go over the end of a line."""
    joined, at = lines.joined, 0
    while (at := joined.find(shape.mark, at)) >= 0:
        end = 0
        if lines.start(lines.line(at)) == at or begins_word(joined, at, shape.before):
            end = _end_of_split(shape, lines, at)
            key = joined[at:end]
            # a weak mark needs more to be no list of words
            telling = end > 0 and (has_digit(key) and changes(key) >= 3 if shape.before else changes(key) > 0)
            if telling and (shape.check is None or shape.check(key)):
                yield lines.span(at, end, shape.kind)
        at = end or at + 1


def _end_of_split(shape: Shape, lines: _Lines, at: int) -> int:
    """Where the key ends that begins here and goes on in the next line; 0 if there is none."""
    first = lines.line(at)
    limit = min(lines.start(first + MOST_LINES), at + LONGEST_SPLIT)
    if (second := lines.start(first + 1)) >= limit:
        return 0
    longest = shape.pattern.match(lines.joined, at, limit)
    end = 0
    for line in range(first + 1, first + (MOST_LINES if longest else 9)):
        # a key of a fixed length may end where its line does, whatever the next one begins with
        stop = min(lines.start(line), limit)
        if match := shape.pattern.match(lines.joined, at, stop):
            end = match.end()
            if end < stop or stop == limit or not lines.continues(line):
                break
    return end if end > second else 0


def begins_word(plain: bytes, at: int, before: bytes) -> bool:
    """Whether a key may begin here: what an escape ends with is no part of a word."""
    last = plain[at - 1 : at] if at else b""
    if not last or not (last.isalnum() or last in before):
        return True
    return _ESCAPE.search(plain, max(at - 16, 0), at) is not None


def _private_keys(plain: bytes) -> Iterator[Span]:
    ends = {end.start(): end for end in _END.finditer(plain)}
    places = list(ends)
    for begin in BEGIN_KEY.finditer(plain):
        place = next(iter(places[bisect_right(places, begin.end() - 1) :][:1]), -1)
        if place >= 0 and plain.find(b"-----BEGIN", begin.end(), place) < 0:
            end = ends.pop(place).end()
            if _IS_BODY.search(plain, begin.end(), place):
                yield Span(begin.start(), end, "private key")
        elif (stop := BODY_OF_KEY.match(plain, begin.end())) and stop.end() > begin.end():
            yield Span(begin.start(), stop.end(), "private key")
    for place, footer in ends.items():  # those whose beginning was cut off
        if b"PRIVATE KEY" in footer[0] and (start := _body_before(plain, place)) < place:
            yield Span(start, footer.end(), "private key")


def _body_before(plain: bytes, end: int) -> int:
    """Where the lines of a key begin that end here."""
    start = end
    while plain[start - 1 : start] == b"\n":
        line = plain.rfind(b"\n", 0, start - 1) + 1
        if not _BODY_LINE.fullmatch(plain, line, start - 1):
            first = _BODY_AT_END.search(plain, max(line, start - 200), start - 1)
            return first.start() if first else start
        start = line
    return start


def _split_urls(lines: _Lines) -> Iterator[Span]:
    for start, end, kind in _requests.in_urls(lines.joined):
        first = lines.line(start)
        stop = lines.start(first + 1)
        # the address of a port is no password: the next line begins with something else
        if start < stop < end and not _MOST_SPLIT_URL.fullmatch(lines.joined, start, stop):
            yield lines.span(start, end, kind)


def _known(text: str, dense: bytes, lines: _Lines | None) -> Iterator[Span]:
    for value in KNOWN.values:
        if value.run and value.run not in dense:
            continue
        at = -1
        while (at := text.find(value.text, at + 1)) >= 0:
            yield Span(at, at + len(value.text), "known value")
        at = -1
        while lines is not None and (at := lines.joined.find(value.plain, at + 1)) >= 0:
            yield lines.span(at, at + len(value.plain), "known value")


def _encoded(joined: bytes, runs: Iterable[tuple[int, int]], lines: _Lines | None) -> Iterator[Span]:
    """The runs in which base64 of a secret begins, at whatever letter."""
    for start, end in runs:
        run = joined[start:end]
        if min(len(run) - len(run.translate(None, letters)) for letters in (_UPPER, _LOWER)) < 3:
            continue  # hex, a word, an identifier
        run = run.translate(_STANDARD)
        for skipped in range(4):
            for secret in _decoded(run[skipped:]):
                first = start + skipped + secret.start * 4 // 3
                last = min(start + skipped - (-secret.end * 4 // 3), end)
                yield _whole(first, last, (start, end), joined, lines)


def _decoded(run: bytes) -> Sequence[Span]:
    run = run[:-1] if len(run) % 4 == 1 else run
    text = binascii.a2b_base64(run + b"=" * (-len(run) % 4)).decode("latin-1")
    return find(text, encoded=False)


def _whole(first: int, last: int, run: tuple[int, int], joined: bytes, lines: _Lines | None) -> Span:
    """The run, or its lines that hold the secret."""
    start, end = run
    if lines:
        start = max(start, lines.start(lines.line(first)))
        end = min(end, lines.start(lines.line(last - 1) + 1))
    end += len(joined[end : end + 2]) - len(joined[end : end + 2].lstrip(b"="))
    return lines.span(start, end, "encoded") if lines else Span(start, end, "encoded")
