"""Front matter and YAML as people and models write it: what is not valid is read for what it means.

What is valid YAML is read as such, without anchors, tags and the like. Elsewhere each key is read by itself:
keys stand at the beginning of a line, and what is no value of YAML is text.
"""

import re
import textwrap
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from guildhall.errors import FileError

from ..frontmatter import mapping

MAX_KEYS = 500
_FENCE = re.compile(r"-{3,}[ \t]*")
_END = re.compile(r"(?:-{3,}|\.{3})[ \t]*")
_CODE = re.compile(r"(`{3,}|~{3,})[ \t]*[a-z]*[ \t]*")
_KEY = re.compile(
    r"(?P<quote>[\"']?)(?P<key>[A-Za-z_][\w.-]{0,60})(?P=quote)[ \t]*:(?:[ \t]+(?P<value>.*)|$)"
)
_NAME = re.compile(
    r"(?P<quote>[\"']?)(?P<key>[^\s#\"':-][^\"':]{0,80}?)(?P=quote)[ \t]*:(?:[ \t]+(?P<value>.*)|$)"
)
_BLOCK = re.compile(r"[|>][-+0-9]{0,2}(?:[ \t]+#.*)?")
_SIGNS = re.compile(r"[&!]{1,2}[a-z][\w/.:-]*(?:[ \t]+|$)|\*\w[\w-]*$")
"""Anchors, tags and aliases."""
_SPEAKERS = frozenset(
    "assistant commentary context example examples human note response scenario system task user".split()
)
"""Words that begin a line of a conversation in a description, and look like keys."""


class Parts(NamedTuple):
    """`head` is None where there is no front matter."""

    head: str | None
    body: str
    notes: list[str]


def parts(text: str) -> Parts:
    """The front matter and what stands below it."""
    notes: list[str] = []
    lines = text.strip().split("\n")
    if len(lines) > 1 and (code := _CODE.fullmatch(lines[0])) and _FENCE.fullmatch(lines[1]):
        last = max((number for number, line in enumerate(lines) if line.rstrip() == code[1]), default=0)
        lines = lines[1 : last or len(lines)] + lines[last + 1 :] * bool(last)
        notes.append("all of it stands in a block of code, which was opened")
    start = _start(lines)
    if start is None:
        return Parts(None, "\n".join(lines).strip(), notes)
    if start:
        notes.append("what stands above the front matter was left out")
    elif not _FENCE.fullmatch(lines[0]):
        start, notes = -1, [*notes, "the front matter has no line --- above it"]
    for number in range(start + 1, len(lines)):
        if _END.fullmatch(lines[number]):
            head, below = lines[start + 1 : number], lines[number + 1 :]
            return Parts("\n".join(head), "\n".join(below).strip(), notes)
    blank = next((n for n in range(start + 1, len(lines)) if not lines[n].strip()), len(lines))
    notes.append("the front matter is never closed; it was taken to end at the first empty line")
    return Parts("\n".join(lines[start + 1 : blank]), "\n".join(lines[blank:]).strip(), notes)


def _start(lines: list[str]) -> int | None:
    """The line above the front matter; 0, too, where it begins without one."""
    if not lines:
        return None
    if _FENCE.fullmatch(lines[0]) or _begins_front_matter(lines):
        return 0
    for number, line in enumerate(lines[:12]):
        if _FENCE.fullmatch(line):
            return number if number + 1 < len(lines) and _KEY.match(lines[number + 1]) else None
        if line.strip() and not line.lstrip().startswith(("#", "<!--")):
            return None
    return None


def _begins_front_matter(lines: list[str]) -> bool:
    """Whether the text begins with keys, and they end somewhere."""
    found = _KEY.match(lines[0])
    if not found or found["key"] not in ("name", "description"):
        return False
    return any(_END.fullmatch(line) for line in lines[1:60])


def values(text: str, known: AbstractSet[str], prose: AbstractSet[str]) -> tuple[dict[str, Any], list[str]]:
    """The values by key, and what was odd; in one of `prose`, only a key that is known ends the text."""
    try:
        return mapping(text), []
    except FileError as error:
        if not text.strip("\n# \t"):
            return {}, []
        odd = _odd(error)
    found, notes = _apart(textwrap.dedent(text.replace("\t", "  ")), known, prose, _KEY)
    return {key: _value(block, key in prose) for key, block in found.items()}, [odd, *notes]


def sections(text: str, known: AbstractSet[str], prose: AbstractSet[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of each top-level key, which has keys of its own."""
    try:
        return mapping(text), []
    except FileError as error:
        odd = _odd(error)
    found, notes = _apart(text.replace("\t", "  "), frozenset(), frozenset(), _NAME)
    read: dict[str, Any] = {}
    for key, (first, rest) in found.items():
        inside, _ = values("\n".join(rest), known, prose)
        read[key] = inside or first
    return read, [odd, *notes]


def _odd(error: FileError) -> str:
    why = error.problem.removeprefix("the front matter is not valid YAML: ")
    if why.endswith(")"):
        why = why.rpartition(" (")[0]
    return f"it cannot be read as YAML, so each key was read by itself ({why[:160]})"


class _Block(NamedTuple):
    """What stands behind a key, and on the lines below it."""

    first: str
    rest: list[str]


def _apart(
    text: str, known: AbstractSet[str], prose: AbstractSet[str], pattern: re.Pattern[str]
) -> tuple[dict[str, _Block], list[str]]:
    """The keys at the beginning of lines; where one stands twice, what is said first."""
    found: dict[str, _Block] = {}
    notes: list[str] = []
    block, current, capitals = _Block("", []), "", False
    for line in text.split("\n"):
        if line.startswith("#") or (not line.strip() and not current):
            continue
        key = _key_of(line, known, current in prose and not capitals, pattern)
        if key is None or (capitals and key[0].lower() in _SPEAKERS):
            block.rest.append(line)
            continue
        capitals = capitals or (not current and line[0].isupper())
        current, value = key
        block = _Block(value, [])
        if current in found:
            notes.append(f"the key {current!r} stands there twice; the first is taken")
        elif len(found) < MAX_KEYS:
            found[current] = block
        else:
            notes.append(f"it has more than {MAX_KEYS} keys; the others are left out")
            break
    return found, notes


def _key_of(
    line: str, known: AbstractSet[str], in_prose: bool, pattern: re.Pattern[str]
) -> tuple[str, str] | None:
    if line[:1] in (" ", "-") or not (found := pattern.match(line)):
        return None
    key: str = found["key"].strip()
    if key not in known:
        lower = key.lower()
        if lower in known and not in_prose:
            key = lower
        elif in_prose and (key[0].isupper() or lower in _SPEAKERS):
            return None
    return key, (found["value"] or "").strip()


def _value(block: _Block, prose: bool) -> Any:
    first, rest = block
    first = _SIGNS.sub("", first)
    below = textwrap.dedent("\n".join(rest)).strip()
    if not below and not first.startswith(('"', "'", "[", "{")):
        return first if prose else re.sub(r"[ \t]#.*", "", first).strip() or None
    if not (prose and below and not first.startswith(("|", ">", '"', "'")) and first):
        try:
            return mapping("value: " + "\n".join([first, *rest]))["value"]
        except FileError:
            pass
    if not first and below.startswith("- "):
        items = [item.strip().removeprefix("-") for item in below.split("\n") if item.strip()]
        return [item.strip().strip("\"'") for item in items]
    text = below if _BLOCK.fullmatch(first) else f"{first}\n{below}".strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
