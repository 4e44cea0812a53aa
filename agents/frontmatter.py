"""Markdown with YAML front matter, read strictly: the form of specialist and team files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from guildhall.errors import FileError

MAX_BYTES = 256_000
MAX_VALUES = 10_000
MAX_DEPTH = 20
MAX_DIGITS = 40
FENCE = "---"


@dataclass(frozen=True)
class FrontMatter:
    """`lines` has the line of each top-level key; all lines are those of the file, counted from 1."""

    values: dict[str, Any]
    lines: dict[str, int]
    body: str
    body_line: int


def read(source: Path | bytes) -> FrontMatter:
    """The front matter of the file and the text below it.

    Raises FileError with the file and the line, whatever the file holds.
    """
    if isinstance(source, bytes):
        return _parse(source)
    try:
        return _parse(contents(source))
    except FileError as error:
        raise error.at(str(source)) from None


def mapping(text: str) -> dict[str, Any]:
    """The YAML mapping as plain values, read as strictly, and quickly where there are many. FileError."""
    return _Yaml(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)).mapping()[0]


def contents(path: Path) -> bytes:
    """The bytes of a regular file, one more than MAX_BYTES at most. Raises FileError."""
    try:
        if not path.is_file():
            raise FileError("not_a_file", "this is not a regular file", path=str(path))
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError("unreadable", f"cannot be read: {error.strerror}", path=str(path)) from None


def _parse(data: bytes) -> FrontMatter:
    head, body, body_line = _split(_decode(data))
    values, lines = _Yaml(head).mapping()
    text = body.strip()
    before = body[: body.index(text)].count("\n")  # blank lines above the text
    return FrontMatter(values, lines, text, body_line + before)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise FileError("too_large", f"the file has more than {MAX_BYTES:,} bytes, the most allowed")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte {error.start + 1} of the file is not UTF-8; save the file as UTF-8"
        raise FileError("not_utf8", problem, line=line) from None


def _split(text: str) -> tuple[str, str, int]:
    """What stands between the two fences, what stands below them, and the line where that begins."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if line.rstrip() == FENCE][:2]
    if not fences or fences[0] != 0:
        raise FileError(
            "no_front_matter",
            f"the first line must be {FENCE}, then come lines such as `name: ...`, then {FENCE} again "
            "and the text below it",
            line=1,
        )
    if len(fences) == 1:
        problem = f"the front matter is never closed; put a line {FENCE} below its last key"
        raise FileError("no_front_matter", problem, line=len(lines))
    below = fences[1] + 1
    return "\n".join(lines[1 : below - 1]), "\n".join(lines[below:]), below + 1


class _Yaml:
    """One YAML mapping as plain values, built from the parser's events so that nothing can run or grow."""

    def __init__(self, text: str, loader: Any = yaml.SafeLoader) -> None:
        self._text = text
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=loader))
        self._count = 0
        self._lines: dict[str, int] = {}

    def mapping(self) -> tuple[dict[str, Any], dict[str, int]]:
        """The values, and the line of each top-level key."""
        if found := re.search("[\r\x85\u2028\u2029]", self._text):  # or keys hide behind them
            line = self._text.count("\n", 0, found.start()) + 2
            raise FileError("bad_yaml", f"{found[0]!r} is not allowed; end lines with a line feed", line=line)
        try:
            return self._document(), self._lines
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = " ".join(filter(None, [error.context, error.problem]))
            raise _bad_yaml(problem, line=mark.line + 2 if mark else 1) from None
        except yaml.reader.ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 2
            raise _bad_yaml(f"{chr(int(error.character))!r} is not allowed", line=line) from None
        except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
            raise _bad_yaml(str(error)[:100], line=1) from None

    def _document(self) -> dict[str, Any]:
        next(self._events)  # the stream begins
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise _not_a_mapping("is empty", line=1)
        root = next(self._events)
        value = self._value(root, 1)
        if not isinstance(value, dict):
            raise _not_a_mapping(f"is {value!r:.40}", line=_line(root))
        next(self._events)  # the document ends
        if not isinstance(event := next(self._events), yaml.StreamEndEvent):
            raise _bad_yaml("a second document begins here; only one is allowed", line=_line(event))
        return value

    def _value(self, event: Any, depth: int) -> Any:
        self._check(event, depth)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        values: dict[str, Any] = {}
        for item in self._until(yaml.MappingEndEvent):
            key = self._key(item, depth + 1)
            if key in values:
                raise FileError(
                    "duplicate_key", f"the key {key!r} stands here twice; keep one", line=_line(item)
                )
            if depth == 1:
                self._lines[key] = _line(item)
            values[key] = self._value(next(self._events), depth + 1)
        return values

    def _key(self, event: Any, depth: int) -> str:
        self._check(event, depth)
        if not isinstance(event, yaml.ScalarEvent):
            raise FileError("bad_key", "a key is a word, not a list or a mapping", line=_line(event))
        key = _scalar(event)
        if key == "<<" and not event.style:
            raise FileError(
                "yaml_alias", "merges (<<) are not allowed; write the keys out", line=_line(event)
            )
        if not isinstance(key, str):
            problem = f"the key {event.value!r} is not text; quote it if it is meant to be"
            raise FileError("bad_key", problem, line=_line(event))
        return key

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _check(self, event: Any, depth: int) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            problem = f"the front matter has more than {MAX_VALUES:,} values, the most allowed"
            raise FileError("too_large", problem, line=_line(event))
        if depth > MAX_DEPTH:
            problem = f"values are nested more than {MAX_DEPTH} deep, the most allowed"
            raise FileError("too_deep", problem, line=_line(event))
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            problem = f"anchors and aliases ({sign}{event.anchor:.40}) are not allowed; write the value out"
            raise FileError("yaml_alias", problem, line=_line(event))
        if event.tag is not None:
            problem = f"the tag {event.tag!r:.60} is not allowed; quote text that begins with `!`"
            raise FileError("bad_yaml", problem, line=_line(event))


_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def _scalar(event: Any) -> str | int | float | bool | None:
    """The value by the core schema of YAML 1.2: `no`, `on` and dates are text."""
    text: str = event.value
    if not event.implicit[0] or event.style:
        return text
    for pattern, value in ((_NULL, None), (_TRUE, True), (_FALSE, False)):
        if pattern.fullmatch(text):
            return value
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if not (number := _INT.fullmatch(text) or _BASED.fullmatch(text) or _FLOAT.fullmatch(text)):
        return text
    if len(text) > MAX_DIGITS:
        raise _bad_yaml(
            f"a number has at most {MAX_DIGITS} digits; quote it if it is text", line=_line(event)
        )
    if number.re is _FLOAT:
        return float(text)
    return int(text, 0 if number.re is _BASED else 10)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 2  # the mark counts from 0, below the fence


def _bad_yaml(problem: str, *, line: int) -> FileError:
    hint = "quote text that holds `: ` or ` #` or begins with a sign"
    return FileError("bad_yaml", f"the front matter is not valid YAML: {problem} ({hint})", line=line)


def _not_a_mapping(found: str, *, line: int) -> FileError:
    problem = f"the front matter {found}; it must be lines such as `name: ...`"
    return FileError("not_a_mapping", problem, line=line)
