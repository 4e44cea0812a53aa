"""Where the files of other assistants lie, and who is imported from them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from guildhall.errors import FileError, describe

from ..frontmatter import contents
from ..spec_types import TeamSpec
from . import codex, crewai, markdown
from .imported import Draft, Host, Imported, Whose
from .named import named

_DEEPEST, _MOST_FILES, _MOST_BYTES = 8, 2_000, 32_000_000
_NO_AGENTS = frozenset("agents changelog claude contributing index license readme".split())
"""Markdown files, in small letters and without their endings, that lie beside agents and are none."""
_LEADS_OUT = "it is a link that leads out of its folder, which is not followed"


class _Folder(NamedTuple):
    """A folder with a file for each agent, or, where `host` is skill, with a folder for each."""

    host: Host
    path: str
    endings: tuple[str, ...] = ()
    deep: bool = False


_OF_BOTH = (
    _Folder("claude", ".claude/agents", (".md",), deep=True),
    _Folder("codex", ".codex/agents", (".toml",)),
    _Folder("skill", ".claude/skills"),
)
_OF_PROJECT = (
    _OF_BOTH[0],
    _Folder("copilot", ".github/agents", (".agent.md", ".md")),
    _Folder("copilot", ".github/chatmodes", (".chatmode.md",)),
    *_OF_BOTH[1:],
    _Folder("skill", ".github/skills"),
)


def imports(project: Path) -> tuple[Imported, ...]:
    """What all files of other assistants came to, the project's first; nothing in them is run.

    A name is of one alone among the project's, and among the user's own.
    """
    looking = _Looking()
    of_project = [*looking.through(project, _OF_PROJECT, "project"), *looking.for_crews(project)]
    of_user: list[Imported] = []
    with suppress(RuntimeError):  # there is no home folder
        of_user += looking.through(Path.home(), _OF_BOTH, "user")
    return (*named(of_project), *named(of_user))


class _Found(NamedTuple):
    """A file, or why it or its folder cannot be used."""

    path: Path
    called: str = ""
    problem: str = ""


class _Looking:
    """One look through all places, each of which is read once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._files = self._bytes = 0

    def through(self, base: Path, folders: tuple[_Folder, ...], whose: Whose) -> Iterator[Imported]:
        """Who is imported from these folders below `base`, those that cannot be used too."""
        for folder in folders:
            root = base / folder.path
            if not os.path.isdir(root):  # noqa: PTH112  Path.is_dir() raises where nobody may look
                continue
            if (real := os.path.realpath(root)) in self._seen:
                continue
            self._seen.add(real)
            if whose == "project" and not _is_below(real, os.path.realpath(base)):
                found: Iterator[_Found] = iter((_Found(root, problem=_LEADS_OUT),))
            elif folder.host == "skill":
                found = _skills(root, real)
            else:
                found = _agents(root, real, folder, _DEEPEST if folder.deep else 0)
            for one in found:
                yield replace(self._imported(folder.host, one), path=one.path, whose=whose)

    def for_crews(self, project: Path) -> Iterator[Imported]:
        """The crews whose files lie where CrewAI has them in a project."""
        real = os.path.realpath(project)
        for folder in _crew_folders(project):
            files = [_yaml(folder, name) for name in ("agents", "tasks")]
            if (agents := files[0]) is None:
                continue
            called = (folder.parent if folder.name == "config" else folder).name
            read = [self._read(path, real) if path else b"" for path in files]
            for one in _crew(read[0], read[1] if files[1] else None, called):
                path = files[1] if one.kind == "team" and files[1] else agents
                yield replace(one, path=path, group=called)

    def _imported(self, host: Host, found: _Found) -> Imported:
        if found.problem:
            return Draft(host).unusable(found.problem)
        data = self._read(found.path, "")
        if isinstance(data, str):
            return Draft(host).unusable(data)
        one = _agent(host, data, found.called)
        return replace(one, notes=(*one.notes, *_beside(found.path))) if host == "skill" else one

    def _read(self, path: Path, within: str) -> bytes | str:
        """The bytes of the file, or why there are none."""
        if within and not _is_below(os.path.realpath(path), within):
            return _LEADS_OUT
        if self._files >= _MOST_FILES or self._bytes >= _MOST_BYTES:
            return f"more than {_MOST_FILES:,} files or {_MOST_BYTES:,} bytes were read before it"
        try:
            data = contents(path)
        except FileError as error:
            return error.problem
        self._files, self._bytes = self._files + 1, self._bytes + len(data)
        return data


@lru_cache(maxsize=_MOST_FILES)
def _agent(host: Host, data: bytes, called: str) -> Imported:
    try:
        return codex.agent(data, called) if host == "codex" else markdown.agent(host, data, called)
    except Exception as error:  # noqa: BLE001  a file, whatever it holds, must not hide the others
        return Draft(host).unusable(f"it cannot be read: {describe(error)}")


@lru_cache(maxsize=64)
def _crew(agents: bytes | str, tasks: bytes | str | None, called: str) -> tuple[Imported, ...]:
    if isinstance(agents, str):
        return (Draft("crewai").unusable(agents),)
    if isinstance(tasks, str):
        return (*_crew(agents, None, called), Draft("crewai").unusable(tasks, kind=TeamSpec))
    try:
        return crewai.crew(agents, tasks, called)
    except Exception as error:  # noqa: BLE001  a file, whatever it holds, must not hide the others
        return (Draft("crewai").unusable(f"it cannot be read: {describe(error)}"),)


def _agents(root: Path, real: str, folder: _Folder, deeper: int) -> Iterator[_Found]:
    """The files of a folder that are agents, and those of the folders in it; links stay below `real`."""
    for path, kind in _entries(root):
        ending = next((end for end in folder.endings if path.name.lower().endswith(end)), "")
        called = path.name[: -len(ending)] if ending else ""
        if kind == "unreadable":
            yield _Found(path, problem="its folder cannot be read")
        elif kind == "folder" and deeper and not path.name.startswith("."):
            yield from _agents(path, real, folder, deeper - 1)
        elif not called or called.startswith(".") or called.lower() in _NO_AGENTS:
            continue
        elif kind == "file":
            yield _Found(path, called)
        elif kind == "link":
            leads_out = not _is_below(os.path.realpath(path), real)
            yield _Found(path, called, _LEADS_OUT if leads_out else "")


def _skills(root: Path, real: str) -> Iterator[_Found]:
    """The skills of a folder, each in a folder of its name."""
    for path, kind in _entries(root):
        file = path / "SKILL.md"
        if kind == "unreadable":
            yield _Found(path, problem="its folder cannot be read")
        elif kind in ("folder", "link") and _is_file(file):
            leads_out = not _is_below(os.path.realpath(file), real)
            yield _Found(file, path.name, _LEADS_OUT if leads_out else "")


def _entries(folder: Path) -> list[tuple[Path, str]]:
    """What is in the folder, by name, each with what it is: file, folder, link or other."""
    try:
        with os.scandir(folder) as entries:
            return sorted((Path(entry.path), _kind(entry)) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        return [(folder, "unreadable")]


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def _crew_folders(project: Path) -> list[Path]:
    """Where agents.yaml can lie in a project."""
    packages = _folders(project / "src")
    crews = [crew for package in packages for crew in _folders(package / "crews")]
    return [project / "config", *(folder / "config" for folder in (*packages, *crews)), project]


def _folders(folder: Path) -> list[Path]:
    return [path for path, kind in _entries(folder) if kind == "folder"][:_MOST_FILES]


def _yaml(folder: Path, name: str) -> Path | None:
    return next((path for end in ("yaml", "yml") if _is_file(path := folder / f"{name}.{end}")), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _beside(skill: Path) -> list[str]:
    """What is said of the other files in the folder of a skill."""
    others = [path.name for path, _ in _entries(skill.parent) if path.name != skill.name]
    if not others:
        return []
    return [f"beside it lie {', '.join(others[:5])}{'…' * (len(others) > 5)}: nothing there is read or run"]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
