"""What specialist and team files say, checked strictly."""

import unicodedata
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from guildhall.errors import FileError

from .frontmatter import FrontMatter, read
from .hidden import find_hidden
from .pattern_specs import PATTERNS
from .spec_types import FileSpec, SpecialistSpec, TeamSpec, Wrong, allowed, short

_S = TypeVar("_S", bound=FileSpec)


def read_specialist(source: Path | bytes) -> SpecialistSpec:
    """The specialist that a file describes. Raises FileError with the line and what is allowed."""
    return _build(SpecialistSpec, read(source), _path(source))


def read_team(source: Path | bytes) -> TeamSpec:
    """The team that a file describes, as the spec of its pattern; members are not looked up.

    Without the key `pattern`, a team with a `synthesizer` is parallel and any other is a pipeline.
    Raises FileError with the line and what is allowed.
    """
    front = read(source)
    default = "parallel" if "synthesizer" in front.values else "pipeline"
    given = front.values.get("pattern", default)
    if not isinstance(given, str) or given not in PATTERNS:
        problem = f"pattern: {short(given)} is not one; {allowed(str(given), PATTERNS)}"
        raise FileError("invalid", problem, path=_path(source), line=front.lines["pattern"])
    return _build(PATTERNS[given], front, _path(source))


def _build(kind: type[_S], front: FrontMatter, path: str) -> _S:
    keys = [key for key in kind.model_fields if key != kind.BODY]
    for key in front.values:
        if key not in keys:
            problem = f"{_unknown_key(kind, key)}; {allowed(key, keys)}"
            raise FileError("invalid", problem, path=path, line=front.lines[key])
    if found := find_hidden(front.body):
        line = front.body_line + front.body.count("\n", 0, found.position)
        problem = f"the hidden character {found.what} is not allowed; delete it"
        raise FileError("invalid", problem, path=path, line=line)
    body = unicodedata.normalize("NFC", front.body)
    try:
        return kind.model_validate({**front.values, kind.BODY: body})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _file_error(first, front, kind).at(path) from None


def _file_error(error: ErrorDetails, front: FrontMatter, kind: type[_S]) -> FileError:
    cause = error.get("ctx", {}).get("error")
    place = (cause.key,) if isinstance(cause, Wrong) else error["loc"]
    where, key = ".".join(map(str, place)), str(place[0]) if place else ""
    if key == kind.BODY:
        problem = f"the {key} are missing: write them below the front matter"
        return FileError("invalid", problem, line=front.body_line)
    if error["type"] == "missing":
        needed = [key for key, field in kind.model_fields.items() if field.is_required()]
        needed = [key for key in needed if key not in (kind.BODY, "pattern")]
        return FileError("invalid", f"the key {where} is missing; required are {', '.join(needed)}", line=1)
    if isinstance(cause, Wrong):
        return FileError("invalid", f"{where}: {cause}", line=front.lines.get(key, 1))
    said = str(cause) if cause else _PLAIN.get(error["type"], error["msg"][0].lower() + error["msg"][1:])
    problem = f"{where}: {said}; given is {short(error['input'])}"
    return FileError("invalid", problem, line=front.lines.get(key, 1))


_PLAIN = {
    "too_short": "it is empty; name one or more",
    "tuple_type": "write a list such as [one, two]",
    "string_type": "write text, in quotes if it looks like a number",
    "bool_type": "write true or false",
    "int_type": "write a whole number",
    "float_type": "write a number",
    "finite_number": "write a number that is not infinite",
    "dict_type": "write keys with their values, such as {one: two}",
}
"""What to write where a value is of the wrong kind."""


def _unknown_key(kind: type[_S], key: str) -> str:
    others = [name for name, other in PATTERNS.items() if key in other.model_fields and key != kind.BODY]
    if key == kind.BODY:
        return f"{key} is not a key: write it as the text below the front matter"
    if issubclass(kind, TeamSpec) and others:
        return f"{key} is no key of the pattern {_pattern_of(kind)}, but of {', '.join(others)}"
    return f"there is no key {key!r:.80}"


def _pattern_of(kind: type[TeamSpec]) -> str:
    return next(name for name, other in PATTERNS.items() if other is kind)


def _path(source: Path | bytes) -> str:
    return "" if isinstance(source, bytes) else str(source)
