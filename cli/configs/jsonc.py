"""JSON with comments and trailing commas, edited in place: what is not edited stays byte for byte."""

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, NoReturn

from .unfit import Unfit

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<comment>//[^\r\n]*|/\*.*?\*/)|(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")"""
    r"""|(?P<mark>[{}\[\],:])|(?P<word>[^\s{}\[\],:"/]+)""",
    re.DOTALL,
)
_BREAK = re.compile(r"\r\n|\n|\r")
_NO_LINE_END = re.compile(r"[^\r\n]")
_LINE_END = re.compile(r"[ \t]*(?:[\r\n]|$)")
_INDENT = re.compile(r"[ \t]*")


class Token(NamedTuple):
    kind: str
    """A mark itself, or string, word, comment."""
    start: int
    end: int


class Item(NamedTuple):
    """A member of an object or an element of an array, by the places of its tokens."""

    key: str
    first: int
    value: int
    last: int
    comma: int | None
    """The comma after it."""


class Box(NamedTuple):
    """An object or an array."""

    open: int
    close: int
    items: list[Item]


def parse(text: str) -> Any:
    """What the text says; an empty one is an empty object. Raises Unfit."""
    return Document(text).value


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The text in which the value stands at this path; objects on the way are made."""
    return Document(text).put(path, value)


def add(text: str, path: Sequence[str], value: Any) -> str:
    """The text in which the value is one more element of the array at this path, which is made."""
    return Document(text).add(path, value)


def drop(text: str, path: Sequence[str | int]) -> str:
    """The text without the member, or the element, at this path, which is there."""
    return Document(text).drop(path)


@dataclass(frozen=True)
class Document:
    text: str

    @cached_property
    def value(self) -> Any:
        if not self._first:
            return {}
        try:
            return json.loads(self._plain(), parse_constant=_no_constant, parse_float=str, parse_int=str)
        except json.JSONDecodeError as error:
            raise Unfit(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise Unfit(f"it cannot be read: {error}") from None

    def put(self, path: Sequence[str], value: Any) -> str:
        box = self._root()
        if box is None:
            return self._begun(_nested(path, value))
        for depth, key in enumerate(path):
            item = self._member(box, key, path[:depth])
            if item is None:
                return self._inserted(box, key, _nested(path[depth + 1 :], value))
            if depth == len(path) - 1:
                return self._replaced(item, value)
            box = self._box(item.value, "{", path[: depth + 1])
        raise AssertionError("a path has a key")

    def add(self, path: Sequence[str], value: Any) -> str:
        item = self._find(path)
        if item is None:
            return self.put(path, [value])
        return self._inserted(self._box(item.value, "[", path), "", value)

    def drop(self, path: Sequence[str | int]) -> str:
        *above, last = path
        names = [str(key) for key in above]
        if isinstance(last, int):
            item = self._find(names)
            assert item is not None, "it is there"
            return self._cut(self._box(item.value, "[", names), last)
        box = self._root()
        assert box is not None, "it is there"
        for depth, key in enumerate(names):
            item = self._member(box, key, names[:depth])
            assert item is not None, "it is there"
            box = self._box(item.value, "{", names[: depth + 1])
        item = self._member(box, last, names)
        assert item is not None, "it is there"
        return self._cut(box, box.items.index(item))

    @cached_property
    def _tokens(self) -> list[Token]:
        found: list[Token] = []
        at = 0
        while at < len(self.text):
            if (match := _TOKEN.match(self.text, at)) is None:
                line = self.text.count("\n", 0, at) + 1
                raise Unfit(f"line {line}: {self.text[at : at + 20]!r} is not JSON")
            kind = match.lastgroup or ""
            if kind != "space":
                found.append(Token(match[0] if kind == "mark" else kind, at, match.end()))
            at = match.end()
        return found

    @cached_property
    def _first(self) -> list[int]:
        """The places of the tokens that are no comments."""
        return [place for place, token in enumerate(self._tokens) if token.kind != "comment"]

    def _plain(self) -> str:
        """The text as plain JSON, where every line and column is what it was."""
        parts: list[str] = []
        at = 0
        marks = [self._tokens[place] for place in self._first]
        blanks = [token for token in self._tokens if token.kind == "comment"]
        for before, token, after in zip(marks, marks[1:], marks[2:], strict=False):
            if token.kind == "," and after.kind in "}]" and before.kind not in ("{", "[", ",", ":"):
                blanks.append(token)
        for token in sorted(blanks, key=lambda blank: blank.start):
            parts += self.text[at : token.start], _NO_LINE_END.sub(" ", self.text[token.start : token.end])
            at = token.end
        return "".join([*parts, self.text[at:]])

    def _root(self) -> Box | None:
        """The object that the text is; None if the text is empty."""
        _ = self.value
        return self._box(self._first[0], "{", ()) if self._first else None

    def _find(self, path: Sequence[str]) -> Item | None:
        box, item = self._root(), None
        for depth, key in enumerate(path):
            if box is None or (item := self._member(box, key, path[:depth])) is None:
                return None
            box = self._box(item.value, "{", path[: depth + 1]) if depth < len(path) - 1 else None
        return item

    def _member(self, box: Box, key: str, above: Sequence[str]) -> Item | None:
        found = [item for item in box.items if item.key == key]
        if len(found) > 1:
            raise Unfit(f"{_spelled([*above, key])} is there {len(found)} times: keep one of them")
        return found[0] if found else None

    def _box(self, place: int, kind: Literal["{", "["], path: Sequence[str]) -> Box:
        """The object or array that begins with this token. Raises Unfit where it is something else."""
        tokens = self._tokens
        if tokens[place].kind != kind:
            wanted, other = ("an object", "an array") if kind == "{" else ("an array", "an object")
            is_other = tokens[place].kind in "{["
            raise Unfit(f"{_spelled(path)} is {other if is_other else 'a value'}, and has to be {wanted}")
        items: list[Item] = []
        at = bisect_right(self._first, place)
        while tokens[self._first[at]].kind not in "}]":
            start = at
            if kind == "{":
                at += 2
            value, at = at, self._past(at)
            comma = self._first[at] if tokens[self._first[at]].kind == "," else None
            key = json.loads(self._said(self._first[start])) if kind == "{" else ""
            items.append(Item(key, self._first[start], self._first[value], self._first[at - 1], comma))
            at += comma is not None
        return Box(place, self._first[at], items)

    def _past(self, at: int) -> int:
        """What follows the value that begins there."""
        depth = 0
        while True:
            kind = self._tokens[self._first[at]].kind
            depth += (kind in "{[") - (kind in "}]")
            at += 1
            if not depth:
                return at

    def _said(self, place: int) -> str:
        token = self._tokens[place]
        return self.text[token.start : token.end]

    def _begun(self, value: Any) -> str:
        """The text, which says nothing yet, with a value."""
        line_end = self._line_end
        gap = "" if not self.text or self.text.endswith(("\n", "\r")) else line_end
        return f"{self.text}{gap}{_written(value, '', self._unit, line_end)}{line_end}"

    def _inserted(self, box: Box, key: str, value: Any) -> str:
        text, tokens, line_end = self.text, self._tokens, self._line_end
        start, close = tokens[box.open].end, tokens[box.close].start
        label = f"{json.dumps(key, ensure_ascii=False)}: " if tokens[box.open].kind == "{" else ""
        if not box.items:
            after = tokens[box.close - 1].end  # a comment may stand inside
            outer = self._indent(tokens[box.open].start)
            inner = outer + self._unit
            written = f"{line_end}{inner}{label}{_written(value, inner, self._unit, line_end)}"
            rest = text[after:close]
            return text[:after] + written + (rest if _BREAK.search(rest) else line_end + outer) + text[close:]
        last = box.items[-1]
        end, final = tokens[last.last].end, last.last if last.comma is None else last.comma
        after = tokens[final].end
        if not _BREAK.search(text, start, tokens[last.first].start):  # all in one line
            written = f" {label}{json.dumps(value, ensure_ascii=False)}"
        else:
            for token in tokens[final + 1 : box.close]:
                if _BREAK.search(text, after, token.start):
                    break
                after = token.end  # a comment on the same line is about what is before it
            inner = self._indent(tokens[last.first].start)
            written = f"{line_end}{inner}{label}{_written(value, inner, self._unit, line_end)}"
        if last.comma is not None:
            return text[:after] + written + "," + text[after:]
        return text[:end] + "," + text[end:after] + written + text[after:]

    def _replaced(self, item: Item, value: Any) -> str:
        start, end = self._tokens[item.value].start, self._tokens[item.last].end
        before = self.text[: self._tokens[item.first].start]
        if before.rstrip(" \t").endswith(("\n", "\r")):
            written = _written(value, self._indent(len(before)), self._unit, self._line_end)
        else:
            written = json.dumps(value, ensure_ascii=False)
        return self.text[:start] + written + self.text[end:]

    def _cut(self, box: Box, index: int) -> str:
        text, tokens = self.text, self._tokens
        item, is_last = box.items[index], index == len(box.items) - 1
        final = item.last if item.comma is None else item.comma
        if box.open == item.first - 1 and box.close == final + 1:  # nothing else is inside
            return text[: tokens[box.open].end] + text[tokens[box.close].start :]
        before, start, end = tokens[item.first - 1], tokens[item.first].start, tokens[final].end
        if _LINE_END.match(text, end) or (is_last and not text.startswith("//", before.start)):
            start = before.end
        elif not is_last and (gap := _INDENT.match(text, end)):
            end = gap.end()
        head = text[:start]
        if item.comma is None and index and (comma := box.items[index - 1].comma) is not None:
            head = text[: tokens[comma].start] + text[tokens[comma].end : start]
        return head + text[end:]

    def _indent(self, at: int) -> str:
        """What the line of this place begins with."""
        start = max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1
        found = _INDENT.match(self.text, start)
        return found[0] if found else ""

    @cached_property
    def _unit(self) -> str:
        """One level of indentation, as the text has it."""
        root = self._root() if self._first else None
        for item in root.items if root else ():
            if indent := self._indent(self._tokens[item.first].start):
                return indent
        return "  "

    @property
    def _line_end(self) -> str:
        found = _BREAK.search(self.text)
        return found[0] if found else "\n"


def _nested(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _written(value: Any, indent: str, unit: str, line_end: str) -> str:
    """The value as it stands behind its key: objects, and lists of them, over several lines."""
    nested = isinstance(value, list) and any(isinstance(one, dict) for one in value)
    if not value or not (nested or isinstance(value, dict)):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + unit
    items = value if nested else value.items()
    parts: list[str] = []
    for item in items:
        label, one = ("", item) if nested else (f"{json.dumps(item[0], ensure_ascii=False)}: ", item[1])
        parts.append(label + _written(one, inner, unit, line_end))
    begin, end = "[]" if nested else "{}"
    return f"{begin}{line_end}{inner}" + f",{line_end}{inner}".join(parts) + f"{line_end}{indent}{end}"


def _spelled(path: Sequence[str]) -> str:
    return ".".join(path) or "the file"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
