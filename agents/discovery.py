"""Where specialists and teams come from: the project, the user's folder, the built-in library."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar

from guildhall.errors import FileError, NameUnknown

from .frontmatter import contents, read
from .spec_types import NAME, SpecialistSpec, TeamSpec, no_planner
from .specs import read_specialist, read_team

Origin = Literal["project", "user", "built-in"]
Kind = Literal["specialist", "team"]
BUILT_IN = Path(__file__).parent / "library"
MAX_DEPTH = 64
"""Teams within teams."""

S = TypeVar("S", SpecialistSpec, TeamSpec)


@dataclass(frozen=True)
class Listed(Generic[S]):
    """A file as it was found: `spec` is None where `error` says why it cannot be used."""

    name: str
    origin: Origin
    path: Path
    shadows: Origin | None
    """Where the file of this name is that is not used because of this one."""
    spec: S | None = None
    error: FileError | None = None


class Library:
    """Specialists and teams by name; of files with one name the project's comes first, then the user's.

    Files are read when they are asked for, and anew each time.
    """

    def __init__(self, project: Path, home: Path) -> None:
        self.project = project
        self._folders: dict[Path, Origin] = {BUILT_IN: "built-in", home: "user"}
        self._folders[project / ".guildhall"] = "project"  # even where it is the user's folder too

    def specialist(self, name: str) -> SpecialistSpec:
        """Raises NameUnknown, or FileError if its file cannot be used."""
        return _load(_specialist, self._place("specialist", name).path)

    def team(self, name: str) -> TeamSpec:
        """Raises NameUnknown, or FileError if its file cannot be used; members are not looked up."""
        return _load(_team, self._place("team", name).path)

    def paths_of(self, name: str) -> tuple[Path, Path | None]:
        """Where the paths in that specialist's file begin, and the folder that they must not leave, if any.

        A project may be anybody's; only what is in the user's own folder may name what lies elsewhere.
        """
        place = self._place("specialist", name)
        return (self.project, self.project) if place.origin == "project" else (place.path.parent.parent, None)

    def specialists(self) -> tuple[Listed[SpecialistSpec], ...]:
        """All specialists by name, those with a broken file too."""
        return tuple(_listed(places[0], _specialist) for places in self._scan("specialist"))

    def teams(self) -> tuple[Listed[TeamSpec], ...]:
        """All teams by name, those with a broken file too; members are not looked up."""
        return tuple(_listed(places[0], _team) for places in self._scan("team"))

    def specialist_names(self) -> list[str]:
        """The names of all specialists, without a look into their files."""
        return self._names("specialist")

    def team_names(self) -> list[str]:
        """The names of all teams, without a look into their files."""
        return self._names("team")

    def resolve(self, team: str) -> dict[str, SpecialistSpec | TeamSpec]:
        """All who take part in the team by name, those of the teams within it too.

        Raises NameUnknown for the team, and FileError for a member that is unknown, is both a specialist
        and a team, cannot be read, or contains the team it belongs to.
        """
        found: dict[str, SpecialistSpec | TeamSpec] = {}
        self._resolve(self.team(team), (team,), found)
        return found

    def notices_for(self, name: str, *, kind: Kind = "team") -> tuple[str, ...]:
        """A sentence for each file behind the name that is used in place of another one."""
        return tuple(
            f"{place.kind} {place.name}: {self._shown(place)} is used in place of {_THE_ONE[place.shadows]}"
            for place in self._all_of(kind, name)
            if place.shadows
        )

    def fingerprint(self, name: str, *, kind: Kind = "team") -> str:
        """A hash of every file behind the name: the same until one of them is changed or replaced."""
        digest = hashlib.blake2b(digest_size=16)
        for place in self._all_of(kind, name):
            data = contents(place.path)
            digest.update(f"{place.kind} {place.name} {len(data)}\n".encode() + data)
        return digest.hexdigest()

    def _resolve(
        self, team: TeamSpec, chain: tuple[str, ...], found: dict[str, SpecialistSpec | TeamSpec]
    ) -> None:
        for name in team.everyone:
            if name in chain:
                loop = " -> ".join([*chain[chain.index(name) :], name])
                raise self._wrong_member(team, name, f"the teams contain each other: {loop}")
            if name not in found:
                if len(chain) >= MAX_DEPTH:
                    problem = f"teams are nested more than {MAX_DEPTH} deep, the most allowed"
                    raise self._wrong_member(team, name, problem)
                member = found[name] = self._member(team, name)
                if isinstance(member, TeamSpec):
                    self._resolve(member, (*chain, name), found)
            if name == team.roles.get("manager") and getattr(found[name], "human", False):
                raise self._wrong(team, "manager", f"manager: {no_planner(name)}")
            if name == team.scribe and getattr(found[name], "human", False):
                problem = f"scribe: {name!r} is a human, and a model writes the minutes; name a specialist"
                raise self._wrong(team, "scribe", problem)
            if name in team.models:
                self._check_model(team, name, found[name])

    def _check_model(self, team: TeamSpec, name: str, spec: SpecialistSpec | TeamSpec) -> None:
        problem = ""
        if isinstance(spec, TeamSpec):
            problem = f"models: {name!r} is a team; name the models of its members in its own file"
        elif spec.human:
            problem = f"models: {name!r} is a human, who has no model; delete it there"
        if problem:
            raise self._wrong(team, "models", problem)

    def _member(self, team: TeamSpec, name: str) -> SpecialistSpec | TeamSpec:
        places = [*self._places("specialist", name)[:1], *self._places("team", name)[:1]]
        if not places:
            known = {*self._names("specialist"), *self._names("team")} - {team.name}
            raise self._wrong_member(team, name, str(NameUnknown("specialist or team", name, known)))
        if len(places) > 1:
            files = " and ".join(self._shown(place) for place in places)
            problem = f"{name!r} is a specialist and a team ({files}); rename one of them"
            raise self._wrong_member(team, name, problem)
        if places[0].kind == "specialist":
            return self.specialist(name)
        return self.team(name)

    def _wrong_member(self, team: TeamSpec, name: str, problem: str) -> FileError:
        roles = (key for key, value in team.roles.items() if value == name)
        other = "conflicts" if team.conflicts and name in team.conflicts.names else "checks"
        key = "members" if name in team.members else next(roles, other)
        return self._wrong(team, key, f"{key}: {problem}")

    def _wrong(self, team: TeamSpec, key: str, problem: str) -> FileError:
        path = self._place("team", team.name).path
        return FileError("invalid", problem, path=str(path), line=read(path).lines.get(key, 1))

    def _all_of(self, kind: Kind, name: str) -> Iterator["_Place"]:
        """The places of the file and, for a team, of all who take part in it, in an order that stays."""
        yield self._place(kind, name)
        if kind == "team":
            for member, spec in sorted(self.resolve(name).items()):
                yield self._place("team" if isinstance(spec, TeamSpec) else "specialist", member)

    def _place(self, kind: Kind, name: str) -> "_Place":
        if places := self._places(kind, name):
            return places[0]
        other: Kind = "team" if kind == "specialist" else "specialist"
        hint = f"`guildhall {kind}s` lists them"
        if self._places(other, name):
            hint = f"{name!r} is a {other}; {hint}"
        raise NameUnknown(kind, name, self._names(kind), hint=hint)

    def _places(self, kind: Kind, name: str) -> list["_Place"]:
        """The files of that name, the one that is used first."""
        if not NAME.fullmatch(name):
            return []
        paths = [(origin, folder / f"{kind}s" / f"{name}.md") for folder, origin in self._in_order()]
        return _stacked(kind, name, [(origin, path) for origin, path in paths if _exists(path)])

    def _scan(self, kind: Kind) -> list[list["_Place"]]:
        """The places of every file there is, by name."""
        there: dict[str, list[tuple[Origin, Path]]] = {}
        for folder, origin in self._in_order():
            for path in _markdown_files(folder / f"{kind}s"):
                there.setdefault(path.stem, []).append((origin, path))
        return [_stacked(kind, name, there[name]) for name in sorted(there)]

    def _names(self, kind: Kind) -> list[str]:
        return [places[0].name for places in self._scan(kind)]

    def _in_order(self) -> list[tuple[Path, Origin]]:
        return list(reversed(self._folders.items()))

    def _shown(self, place: "_Place") -> str:
        """The file as a person would name it."""
        if place.origin == "project":
            return f"{place.path.relative_to(self.project).as_posix()} of this project"
        if place.origin == "user":
            return str(place.path)
        return "the built-in one"


class _Place(NamedTuple):
    kind: Kind
    name: str
    origin: Origin
    path: Path
    shadows: Origin | None


_THE_ONE: dict[Origin, str] = {
    "project": "the project's one",
    "user": "the one in your own folder",
    "built-in": "the built-in one",
}


def _stacked(kind: Kind, name: str, files: list[tuple[Origin, Path]]) -> list[_Place]:
    """Files of one name, the one that is used first, each with what it shadows."""
    behind: list[Origin | None] = [origin for origin, _ in files[1:]]
    return [
        _Place(kind, name, origin, path, shadowed)
        for (origin, path), shadowed in zip(files, [*behind, None], strict=False)
    ]


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise _unreadable(path, error) from None


def _markdown_files(folder: Path) -> list[Path]:
    try:
        files = sorted(folder.glob("*.md")) if folder.is_dir() else []
        return [path for path in files if path.is_file() and _is_ours(path)]
    except OSError as error:
        raise _unreadable(folder, error) from None


def _is_ours(path: Path) -> bool:
    return not path.name.startswith(".") and path.stem != "README"


def _unreadable(path: Path, error: OSError) -> FileError:
    return FileError("unreadable", f"cannot be read: {error.strerror}", path=str(path))


def _listed(place: _Place, parse: Callable[[bytes], S]) -> Listed[S]:
    found: Listed[S] = Listed(place.name, place.origin, place.path, place.shadows)
    try:
        return replace(found, spec=_load(parse, place.path))
    except FileError as error:
        return replace(found, error=error)


def _load(parse: Callable[[bytes], S], path: Path) -> S:
    try:
        data = contents(path)
        spec = parse(data)
    except FileError as error:
        raise error.at(str(path)) from None
    if spec.name != path.stem:
        problem = f"name: the file {path.name} must hold the name {path.stem}, not {spec.name}; rename one"
        raise FileError("invalid", problem, path=str(path), line=read(data).lines["name"])
    return spec


@lru_cache(maxsize=256)
def _specialist(data: bytes) -> SpecialistSpec:
    return read_specialist(data)


@lru_cache(maxsize=256)
def _team(data: bytes) -> TeamSpec:
    return read_team(data)
