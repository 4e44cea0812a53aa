"""Where specialists and teams come from: the project, the user's folder, the built-in library.

Between the user's own and the built-in ones stand the agents that were written for other assistants.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from guildhall.errors import FileError, NameUnknown

from .foreign.found import imports
from .foreign.imported import Imported
from .frontmatter import contents, read
from .places import BUILT_IN, Kind, Origin, Own, Place, exists, markdown_files, stacked
from .spec_types import NAME, SpecialistSpec, TeamSpec, no_planner
from .specs import read_specialist, read_team

__all__ = ["BUILT_IN", "Kind", "Library", "Listed", "Origin"]
MAX_DEPTH = 64
"""Teams within teams."""

_KINDS: tuple[Kind, Kind] = ("specialist", "team")
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

    def __init__(self, project: Path, home: Path, *, steady: bool = False) -> None:
        """`steady` for one request: where somebody's file lies is looked for once at most."""
        self.project = project
        self._home, self._steady = home, steady
        folders: dict[Path, Own] = {BUILT_IN: "built-in", home: "user"}
        folders[project / ".guildhall"] = "project"  # even where it is the user's folder too
        self._in_order = {
            kind: [(origin, folder / f"{kind}s") for folder, origin in reversed(folders.items())]
            for kind in _KINDS
        }
        self._imports: tuple[Imported, ...] | None = None
        self._known: dict[tuple[Kind, str], list[Place]] = {}
        self._resolved: dict[str, dict[str, SpecialistSpec | TeamSpec]] = {}

    def steady(self) -> "Library":
        """The same for one request."""
        return self if self._steady else Library(self.project, self._home, steady=True)

    def imports(self) -> tuple[Imported, ...]:
        """What the files for other assistants came to, with what was mapped, what dropped, and why."""
        if self._imports is not None:
            return self._imports
        found = imports(self.project)
        if self._steady:
            self._imports = found
        return found

    def specialist(self, name: str) -> SpecialistSpec:
        """Raises NameUnknown, or FileError if its file cannot be used."""
        return _spec(self._place("specialist", name), _specialist)

    def team(self, name: str) -> TeamSpec:
        """Raises NameUnknown, or FileError if its file cannot be used; members are not looked up."""
        return _spec(self._place("team", name), _team)

    def paths_of(self, name: str) -> tuple[Path, Path | None]:
        """Where the paths in that specialist's file begin, and the folder that they must not leave, if any.

        A project may be anybody's; only what is in the user's own folder may name what lies elsewhere.
        """
        place = self._place("specialist", name)
        if place.origin == "project" or place.imported:
            return self.project, self.project
        return place.path.parent.parent, None

    def specialists(self) -> tuple[Listed[SpecialistSpec], ...]:
        """All specialists by name, those with a broken file too."""
        return tuple(_listed(places[0], _specialist) for places in self._scan("specialist", self.imports()))

    def teams(self) -> tuple[Listed[TeamSpec], ...]:
        """All teams by name, those with a broken file too; members are not looked up."""
        return tuple(_listed(places[0], _team) for places in self._scan("team", self.imports()))

    def specialist_names(self) -> list[str]:
        """The names of all specialists, those with a broken file too."""
        return self._names("specialist", self.imports())

    def team_names(self) -> list[str]:
        """The names of all teams, those with a broken file too."""
        return self._names("team", self.imports())

    def resolve(self, team: str) -> dict[str, SpecialistSpec | TeamSpec]:
        """All who take part in the team by name, those of the teams within it too.

        Raises NameUnknown for the team, and FileError for a member that is unknown, is both a specialist
        and a team, cannot be read, or contains the team it belongs to.
        """
        if not self._steady:
            return self.steady().resolve(team)
        if team not in self._resolved:
            found: dict[str, SpecialistSpec | TeamSpec] = {}
            self._resolve(self.team(team), (team,), found)
            self._resolved[team] = found
        return dict(self._resolved[team])

    def notices_for(self, name: str, *, kind: Kind = "team") -> tuple[str, ...]:
        """A sentence for each file behind the name that is used in place of another one."""
        if not self._steady:
            return self.steady().notices_for(name, kind=kind)
        places = self._all_of(kind, name)
        return tuple(place.notice(self.project) for place in places if place.behind)

    def fingerprint(self, name: str, *, kind: Kind = "team") -> str:
        """A hash of every file behind the name: the same until one of them is changed or replaced."""
        if not self._steady:
            return self.steady().fingerprint(name, kind=kind)
        digest = hashlib.blake2b(digest_size=16)
        for place in self._all_of(kind, name):
            data = _data(place)
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
        imported = self.imports()
        specialists, teams = (self._places(kind, name, imported) for kind in _KINDS)
        places = [*specialists[:1], *teams[:1]]
        if not places:
            known = {known for kind in _KINDS for known in self._names(kind, imported)} - {team.name}
            raise self._wrong_member(team, name, str(NameUnknown("specialist or team", name, known)))
        if len(places) > 1:  # our files mean ours, as they did before, and a crew means its own
            foreign = self._place("team", team.name).imported is not None
            places = [place for place in places if bool(place.imported) is foreign] or places
        if len(places) > 1:
            files = " and ".join(place.shown(self.project) for place in places)
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
        place = self._place("team", team.name)
        line = 0 if place.imported else read(place.path).lines.get(key, 1)
        return FileError("invalid", problem, path=str(place.path), line=line)

    def _all_of(self, kind: Kind, name: str) -> Iterator[Place]:
        """The places of the file and, for a team, of all who take part in it, in an order that stays."""
        yield self._place(kind, name)
        if kind == "team":
            for member, spec in sorted(self.resolve(name).items()):
                yield self._place("team" if isinstance(spec, TeamSpec) else "specialist", member)

    def _place(self, kind: Kind, name: str) -> Place:
        imported = self.imports()
        if places := self._places(kind, name, imported):
            return places[0]
        other: Kind = "team" if kind == "specialist" else "specialist"
        hint = f"`guildhall {kind}s` lists them"
        if self._places(other, name, imported):
            hint = f"{name!r} is a {other}; {hint}"
        raise NameUnknown(kind, name, self._names(kind, imported), hint=hint)

    def _places(self, kind: Kind, name: str, imported: tuple[Imported, ...]) -> list[Place]:
        """Where there is something of that name, the one that is used first."""
        if (known := self._known.get((kind, name))) is not None:
            return known
        if not NAME.fullmatch(name):
            return []
        paths = [(origin, folder / f"{name}.md") for origin, folder in self._in_order[kind]]
        foreign = [one for one in imported if (one.kind, one.name) == (kind, name)]
        places = stacked(kind, name, [(origin, path) for origin, path in paths if exists(path)], foreign)
        if self._steady:
            self._known[kind, name] = places
        return places

    def _scan(self, kind: Kind, imported: tuple[Imported, ...]) -> list[list[Place]]:
        """The places of all there is, by name."""
        files: dict[str, list[tuple[Own, Path]]] = {}
        for origin, folder in self._in_order[kind]:
            for path in markdown_files(folder):
                files.setdefault(path.stem, []).append((origin, path))
        foreign: dict[str, list[Imported]] = {}
        for one in imported:
            if one.kind == kind and one.spec:
                foreign.setdefault(one.name, []).append(one)
        names = sorted(files.keys() | foreign.keys())
        return [stacked(kind, name, files.get(name, ()), foreign.get(name, ())) for name in names]

    def _names(self, kind: Kind, imported: tuple[Imported, ...]) -> list[str]:
        return [places[0].name for places in self._scan(kind, imported)]


def _listed(place: Place, parse: Callable[[bytes], S]) -> Listed[S]:
    found: Listed[S] = Listed(place.name, place.origin, place.path, place.shadows)
    try:
        return replace(found, spec=_spec(place, parse))
    except FileError as error:
        return replace(found, error=error)


def _spec(place: Place, parse: Callable[[bytes], S]) -> S:
    """What is said there. Raises FileError."""
    if place.imported:
        spec: Any = place.imported.spec
        return spec  # type: ignore[no-any-return]  # it is of the place's kind
    return _load(parse, place.path)


def _data(place: Place) -> bytes:
    """What tells whether it is still the same."""
    if place.imported and place.imported.spec:
        return place.imported.spec.model_dump_json().encode()
    return contents(place.path)


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
