"""What specialist and team files say, checked strictly."""

import re
import reprlib
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from guildhall.errors import FileError

from .budget import Budget
from .config import TIERS, Preference
from .frontmatter import FrontMatter, read
from .hidden import find_hidden
from .message import Effort

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_MODEL = re.compile(r"[a-z][a-z0-9-]{0,39}:[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")


def read_specialist(source: Path | bytes) -> "SpecialistSpec":
    """The specialist that a file describes. Raises FileError with the line and what is allowed."""
    return _build(SpecialistSpec, read(source), _path(source))


def read_team(source: Path | bytes) -> "TeamSpec":
    """The team that a file describes, as the spec of its pattern; members are not looked up.

    Without the key `pattern`, a team with a `synthesizer` is parallel and any other is a pipeline.
    Raises FileError with the line and what is allowed.
    """
    front = read(source)
    default = "parallel" if "synthesizer" in front.values else "pipeline"
    given = front.values.get("pattern", default)
    if not isinstance(given, str) or given not in PATTERNS:
        problem = f"pattern: {_short(given)} is not one; {_allowed(str(given), PATTERNS)}"
        raise FileError("invalid", problem, path=_path(source), line=front.lines["pattern"])
    return _build(PATTERNS[given], front, _path(source))


class _Wrong(ValueError):
    """A problem of one key that shows only beside the others."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("a name has 1 to 64 of the characters a-z, 0-9, - and _, and begins with a letter")
    return text


def _model(text: str) -> str:
    if text not in (*TIERS, "extractive") and not _MODEL.fullmatch(text):
        raise ValueError(f"a model is {', '.join(TIERS)}, extractive, or provider:name")
    return text


def _visible(text: str) -> str:
    if found := find_hidden(text):
        raise ValueError(f"the hidden character {found.what} is not allowed; delete it")
    if not (text := unicodedata.normalize("NFC", text).strip()):
        raise ValueError("it is empty; write at least a word")
    return text


Name = Annotated[str, AfterValidator(_name)]
ModelName = Annotated[str, AfterValidator(_model)]
Line = Annotated[str, Field(max_length=2_000), AfterValidator(_visible)]
Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=100)]
Lines = Annotated[tuple[Line, ...], Field(strict=False, max_length=100)]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """Refuses an unknown key in our words, however deep it stands."""
        if isinstance(data, Mapping):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(f"there is no key {key!r:.80}; {_allowed(key, cls.model_fields)}")
        return data


class _FileSpec(_Spec):
    BODY: ClassVar[str]
    """The field that holds the text below the front matter."""

    name: Name
    description: Line


class SpecialistSpec(_FileSpec):
    """One specialist; the text below the front matter is its instructions."""

    BODY: ClassVar[str] = "instructions"

    capabilities: Lines = ()
    """Words and phrases by which work is matched to it."""
    model: ModelName | None = None
    preference: Preference | None = None
    """What counts most where its model is chosen."""
    tools: Names = ()
    knowledge: Lines = ()
    """Files and folders that it recalls from."""
    effort: Effort | None = None
    max_turns: Annotated[int, Field(ge=1, le=100)] | None = None
    memory: bool = True
    """Whether it is shown what memory knows of its task."""
    instructions: Annotated[str, AfterValidator(_visible)]


class BudgetSpec(_Spec):
    """Limits of one run, as a file states them."""

    usd: Annotated[float, Field(gt=0, le=100_000)] | None = None
    tokens: Annotated[int, Field(gt=0, le=10**10)] | None = None
    calls: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=30 * 86_400)] | None = None

    def to_budget(self) -> Budget:
        return Budget(**self.model_dump())


class TeamSpec(_FileSpec):
    """What every team has; each pattern adds its own keys. The text below the front matter is the brief."""

    BODY: ClassVar[str] = "brief"

    pattern: str
    members: Annotated[Names, Field(min_length=1)]
    """Specialists or teams, by name."""
    models: dict[Name, ModelName] = Field(default={}, max_length=100)
    """The model that a member uses, whatever its own file says."""
    preference: Preference | None = None
    """What counts most where its members' models are chosen; a member's own file wins."""
    budget: BudgetSpec = BudgetSpec()
    brief: str = ""

    @property
    def everyone(self) -> tuple[str, ...]:
        """The names of all who take part, each once: the members and those with a role of their own."""
        return self.members

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for member in self.members:
            if self.members.count(member) > 1:
                raise _Wrong("members", f"{member!r} stands here twice; name each member once")
        if self.name in self.everyone:
            raise _Wrong("members", f"{self.name!r} is the team itself; name specialists or other teams")
        for member in self.models:
            if member not in self.everyone:
                raise _Wrong("models", f"{member!r} is no member; {_allowed(member, self.everyone)}")
        return self


class PipelineSpec(TeamSpec):
    """Each member works on what the one before it answered."""

    pattern: Literal["pipeline"] = "pipeline"


class ParallelSpec(TeamSpec):
    """All members work at once; the synthesizer, if there is one, makes one answer of theirs."""

    pattern: Literal["parallel"] = "parallel"
    synthesizer: Name | None = None
    need: Annotated[int, Field(ge=1)] = 1
    """Fewer answers than this fail the team."""

    @property
    def everyone(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.members, *filter(None, [self.synthesizer])]))

    @model_validator(mode="after")
    def _need_can_be_met(self) -> Self:
        if self.need > len(self.members):
            raise _Wrong(
                "need", f"{self.need} answers of {len(self.members)} members; at most {len(self.members)}"
            )
        return self


PATTERNS: dict[str, type[TeamSpec]] = {"parallel": ParallelSpec, "pipeline": PipelineSpec}
"""The spec of each pattern; a new pattern is a subclass with its keys, and a line here."""

_S = TypeVar("_S", bound=_FileSpec)


def _build(kind: type[_S], front: FrontMatter, path: str) -> _S:
    keys = [key for key in kind.model_fields if key != kind.BODY]
    for key in front.values:
        if key not in keys:
            problem = f"{_unknown_key(kind, key)}; {_allowed(key, keys)}"
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
    place = (cause.key,) if isinstance(cause, _Wrong) else error["loc"]
    where, key = ".".join(map(str, place)), str(place[0]) if place else ""
    if key == kind.BODY:
        problem = f"the {key} are missing: write them below the front matter"
        return FileError("invalid", problem, line=front.body_line)
    if error["type"] == "missing":
        needed = [key for key, field in kind.model_fields.items() if field.is_required()]
        needed = [key for key in needed if key not in (kind.BODY, "pattern")]
        return FileError("invalid", f"the key {where} is missing; required are {', '.join(needed)}", line=1)
    if isinstance(cause, _Wrong):
        return FileError("invalid", f"{where}: {cause}", line=front.lines.get(key, 1))
    said = str(cause) if cause else _PLAIN.get(error["type"], error["msg"][0].lower() + error["msg"][1:])
    problem = f"{where}: {said}; given is {_short(error['input'])}"
    return FileError("invalid", problem, line=front.lines.get(key, 1))


_PLAIN = {
    "tuple_type": "write a list such as [one, two]",
    "string_type": "write text, in quotes if it looks like a number",
    "bool_type": "write true or false",
    "int_type": "write a whole number",
    "float_type": "write a number",
    "finite_number": "write a number that is not infinite",
    "dict_type": "write keys with their values, such as {one: two}",
    "model_type": "write keys with their values, such as {one: two}",
}
"""What to write where a value is of the wrong kind."""


def _unknown_key(kind: type[_S], key: str) -> str:
    others = [name for name, other in PATTERNS.items() if key in other.model_fields and key != kind.BODY]
    if key == kind.BODY:
        return f"{key} is not a key: write it as the text below the front matter"
    if issubclass(kind, TeamSpec) and others:
        return f"{key} is a key of the pattern {' and '.join(others)}, not of {_pattern_of(kind)}"
    return f"there is no key {key!r:.80}"


def _pattern_of(kind: type[TeamSpec]) -> str:
    return next(name for name, other in PATTERNS.items() if other is kind)


def _allowed(given: Any, names: Iterable[str]) -> str:
    """What to write instead, as the end of a sentence."""
    names = list(names)
    near = get_close_matches(str(given), names, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed are {', '.join(names)}"


def _short(value: Any) -> str:
    return reprlib.repr(value)


def _path(source: Path | bytes) -> str:
    return "" if isinstance(source, bytes) else str(source)
