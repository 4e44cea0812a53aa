"""TOML, edited in place, as far as servers in configuration files need it: tables of their own.

Lines are looked at without reading all of TOML; whoever edits compares what the text said before and after.
"""

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from .unfit import Unfit

_HEADER = re.compile(r"[ \t]*\[\[?[^\r\n]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def parse(text: str) -> Any:
    """What the text says. Raises Unfit."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unfit(f"it cannot be read: {error}") from None


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The text in which the value stands at this path; a mapping is a table of its own unless it was none."""
    lines = text.splitlines(keepends=True)
    *above, key = path
    tables = [span for span in _tables(lines, above) if span[2] == len(above)]
    if len(tables) == 1:
        start, end, _ = tables[0]
        line = f"{_dotted([key])} = {_written(value)}{_line_end(text)}"
        for at in range(start + 1, end):
            if (length := _assignment(lines[at:end], key)) is not None:
                return "".join([*lines[:at], line, *lines[at + length :]])
    if isinstance(value, dict):
        return _with_table(drop(text, path) if _tables(lines, path) else text, path, value)
    if len(tables) != 1:
        raise Unfit(f"[{_dotted(above)}] is no table of its own: edit it yourself")
    if not lines[start].endswith("\n"):
        lines[start] += _line_end(text)
    return "".join([*lines[: start + 1], line, *lines[start + 1 :]])


def drop(text: str, path: Sequence[str]) -> str:
    """The text without the table at this path and those below it. Raises Unfit."""
    lines = text.splitlines(keepends=True)
    tables = _tables(lines, path)
    if not tables:
        raise Unfit(f"[{_dotted(path)}] is no table of its own: take it out yourself")
    for start, end, _ in reversed(tables):
        blank = start > 0 and not lines[start - 1].strip()
        del lines[start - blank : end]
    return "".join(lines)


def _tables(lines: Sequence[str], path: Sequence[str]) -> list[tuple[int, int, int]]:
    """The tables at this path and below it: the first line, the one after the last, and the path's length."""
    heads = [(at, names) for at, line in enumerate(lines) if _HEADER.match(line) and (names := _path(line))]
    found: list[tuple[int, int, int]] = []
    for (at, names), (following, _) in zip(heads, [*heads[1:], (len(lines), [])], strict=False):
        if names[: len(path)] == [*path]:
            end = following
            while end > at + 1 and lines[end - 1].strip()[:1] in ("", "#"):
                end -= 1  # what stands above a table is about that table
            found.append((at, end, len(names)))
    return found


def _path(header: str) -> list[str]:
    """The names of a table's header; none if the line is no header of a table."""
    try:
        value = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return []
    names: list[str] = []
    while isinstance(value, dict) and value:
        ((name, value),) = value.items()
        names.append(name)
    return names


def _assignment(lines: Sequence[str], key: str) -> int | None:
    """How many lines the value of this key takes, if the first one begins it."""
    if not re.match(rf"[ \t]*(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')[ \t]*=", lines[0]):
        return None
    for length in range(1, len(lines) + 1):
        try:
            said = tomllib.loads("".join(lines[:length]))
        except tomllib.TOMLDecodeError:
            continue
        return length if [*said] == [key] else None
    return None


def _with_table(text: str, path: Sequence[str], value: dict[str, Any]) -> str:
    line_end = _line_end(text)
    missing = 2 - text.endswith("\n") - text.endswith(line_end * 2)  # an empty line above it
    gap = line_end * missing if text.strip() else ""
    lines = [f"[{_dotted(path)}]", *(f"{_dotted([name])} = {_written(one)}" for name, one in value.items())]
    return text + gap + line_end.join(lines) + line_end


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_dotted([name])} = {_written(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _dotted(path: Sequence[str]) -> str:
    return ".".join(name if _BARE.fullmatch(name) else json.dumps(name) for name in path)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
