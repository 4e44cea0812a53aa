"""What was read of a file in pieces that are recalled and cited for themselves, each with its place."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from guildhall.redact import redact

from ..splitting import HEADING, LINE, PARAGRAPH, Above, Piece, Unit, packed, piece, units

MOST = 1_600
"""Characters of a chunk."""
LEAST = 400
"""So many have to be in a chunk, before the next heading or definition begins another."""
LONGEST_PLACE = 200
Form = Literal["prose", "code", "python"]


class Part(NamedTuple):
    """Some text of a file, as its reader gives it; prose has the headings, tables and fences of Markdown."""

    text: str
    place: str | None = None
    """Where it stands, whatever it is cut into. None: its lines are those of the file; empty: its headings
    say where it is."""
    form: Form = "prose"


class Chunk(NamedTuple):
    """What becomes a record: `place` is `p. 4`, `lines 10-24, Install`, `cell 7`, a path of headings."""

    text: str
    place: str


def chunks(parts: Iterable[Part]) -> Iterator[Chunk]:
    """The parts in chunks, in order, without secrets and without the empty lines around them."""
    for part in parts:
        text = redact(part.text.encode("utf-8", "replace").decode().replace("\0", "\ufffd"), lines=True)
        for each in _pieces(text, part.form):
            first = len(each.text) - len(each.text.lstrip("\n"))
            kept = each.text.strip("\n").rstrip()
            if kept.strip():
                line = each.first_line + first
                yield Chunk(kept, _place(part, kept, line, each.above))


def _pieces(text: str, form: Form) -> Iterator[Piece]:
    cut = units(text, MOST, weigh=len) if form == "prose" else _lines(text, _ranks(text, form))
    for group in _groups(cut):
        yield from map(piece, packed(group, MOST))


def _groups(cut: Sequence[Unit]) -> Iterator[list[Unit]]:
    """The units in groups, each of which begins at a heading or definition, and is no trifle."""
    group, size = list[Unit](), 0
    for unit in cut:
        if size >= LEAST and unit.rank <= HEADING:
            yield group
            group, size = [], 0
        group.append(unit)
        size += len(unit.text)
    if group:
        yield group


def _place(part: Part, text: str, line: int, above: Sequence[Above]) -> str:
    if part.place:
        return part.place
    under = [_bare(each.text) for each in above if not each.text.startswith("|")]
    own = _own_headings(text) if part.form == "prose" else []
    if text.startswith("#"):
        under += own[:1]
    path = " > ".join(under)
    if part.place is not None:
        until = f" … {own[-1]}" if own and own[-1] not in under else ""
        return (path + until)[:LONGEST_PLACE]
    last = line + text.count("\n")
    lines = f"lines {line}-{last}" if last > line else f"line {line}"
    columns = [each.text for each in above if each.text.startswith("|")]
    return ", ".join(filter(None, [lines, path, *columns]))[:LONGEST_PLACE]


def _own_headings(text: str) -> list[str]:
    return [_bare(found) for found in _HEADINGS.findall(_FENCED.sub("", text))]


def _bare(heading: str) -> str:
    return " ".join(heading.strip().strip("#").split())


_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_HEADINGS = re.compile(r"^#{1,6} .*$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class _Ranks(NamedTuple):
    """What is known of lines of code: how good it is to begin there, and in what they stand."""

    of_line: dict[int, int]
    within: dict[int, tuple[Above, ...]]


def _lines(text: str, ranks: _Ranks) -> list[Unit]:
    """The lines of code; one that is too long is cut."""
    found = list[Unit]()
    empty = True
    for number, line in enumerate(_LINES.findall(text), 1):
        rank = ranks.of_line.get(number)
        if rank is None:
            top = line[:1].strip() not in ("", "}", ")", "]")
            rank = LINE if not empty else PARAGRAPH - top
        above = ranks.within.get(number, ())
        if len(line) <= MOST:
            found.append(Unit(line, number, rank, above, weighs=len(line)))
        else:
            cut = units(line, MOST, weigh=len)
            found += (each._replace(line=number, rank=LINE, above=above) for each in cut)
        empty = not line.strip()
    return found


def _ranks(text: str, form: Form) -> _Ranks:
    """Where definitions begin, as far as the language is known."""
    ranks = _Ranks({}, {})
    if form != "python":
        return ranks
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ranks
    _note(tree.body, (), 1, ranks)
    return ranks


def _note(body: Sequence[ast.stmt], within: tuple[Above, ...], depth: int, ranks: _Ranks) -> None:
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        ranks.of_line[first] = depth
        inner = (*within, Above(first, node.name))
        ranks.within.update(dict.fromkeys(range(first + 1, (node.end_lineno or first) + 1), inner))
        if isinstance(node, ast.ClassDef) and depth < HEADING:
            _note(node.body, inner, depth + 1, ranks)
