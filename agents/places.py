"""Where a specialist or a team comes from, and which file counts where several have one name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from guildhall.errors import FileError

from .foreign.imported import HOSTS, Host, Imported

Kind = Literal["specialist", "team"]
Own = Literal["project", "user", "built-in"]
Origin = Own | Host
BUILT_IN = Path(__file__).parent / "library"


@dataclass(frozen=True)
class Place:
    """One file, or one agent of another assistant, and what it is used in place of."""

    kind: Kind
    name: str
    origin: Origin
    path: Path
    imported: Imported | None = None
    behind: "Place | None" = None
    """Whatever of this name comes next."""

    @property
    def shadows(self) -> Origin | None:
        return self.behind.origin if self.behind else None

    def shown(self, project: Path) -> str:
        """The file as a person would name it."""
        if self.origin == "built-in":
            return "the built-in one"
        if self.path.is_relative_to(project):
            return f"{self.path.relative_to(project).as_posix()} of this project"
        return str(self.path)

    def notice(self, project: Path) -> str:
        """That it is used in place of another, as a sentence."""
        return f"{self.kind} {self.name}: {self.shown(project)} is used in place of {self._the_other()}"

    def _the_other(self) -> str:
        assert self.behind is not None
        if imported := self.behind.imported:
            return f"the one of {HOSTS[imported.host]}"
        return _THE_ONE[self.behind.origin]


_THE_ONE: Mapping[Origin, str] = {
    "project": "the project's one",
    "user": "the one in your own folder",
    "built-in": "the built-in one",
}


def stacked(
    kind: Kind, name: str, files: Iterable[tuple[Own, Path]], imports: Iterable[Imported]
) -> list[Place]:
    """The places of one name, the one that counts first.

    The project's own file comes before the user's own; then come the project's files for other assistants,
    then the user's for them, and last what is built in.
    """
    own = [Place(kind, name, origin, path) for origin, path in files]
    foreign = [Place(kind, name, one.host, one.path, one) for one in imports]
    last = [place for place in own if place.origin == "built-in"]
    in_order = [*(place for place in own if place not in last), *foreign, *last]
    placed: list[Place] = []
    for place in reversed(in_order):
        behind = placed[-1] if placed else None
        placed.append(Place(kind, name, place.origin, place.path, place.imported, behind))
    return placed[::-1]


def exists(path: Path) -> bool:
    """Raises FileError where that cannot be seen."""
    try:
        return path.is_file()
    except OSError as error:
        raise _unreadable(path, error) from None


def markdown_files(folder: Path) -> list[Path]:
    """The Markdown files of the folder that are ours, by name. Raises FileError."""
    try:
        files = sorted(folder.glob("*.md")) if folder.is_dir() else []
        return [path for path in files if path.is_file() and _is_ours(path)]
    except OSError as error:
        raise _unreadable(folder, error) from None


def _is_ours(path: Path) -> bool:
    return not path.name.startswith(".") and path.stem != "README"


def _unreadable(path: Path, error: OSError) -> FileError:
    return FileError("unreadable", f"cannot be read: {error.strerror}", path=str(path))
