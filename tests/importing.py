"""What tests of imported agents share: files of other assistants, put where those assistants have them."""

import shutil
from pathlib import Path

from guildhall.agents.discovery import Library
from guildhall.agents.foreign.imported import Imported
from guildhall.agents.spec_types import SpecialistSpec

CORPUS = Path(__file__).parent / "data" / "agents"


def settle(project: Path) -> None:
    """The whole corpus, in a project."""
    shutil.copytree(CORPUS / "claude", project / ".claude" / "agents")
    shutil.copytree(CORPUS / "skills", project / ".claude" / "skills")
    shutil.copytree(CORPUS / "codex", project / ".codex" / "agents")
    for file in (CORPUS / "copilot").iterdir():
        folder = project / ".github" / ("chatmodes" if "chatmode" in file.name else "agents")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder)
    for crew in (CORPUS / "crews").iterdir():
        shutil.copytree(crew, project / "src" / crew.name / "config")


def put(folder: Path, path: str, text: str | bytes) -> Path:
    """A file with that text, below the folder."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def agent(name: str, body: str = "Be good.", **keys: str) -> str:
    """A file as Claude Code has it."""
    head = "".join(f"{key}: {value}\n" for key, value in {"description": f"Role {name}", **keys}.items())
    return f"---\nname: {name}\n{head}---\n{body}\n"


def by_name(library: Library) -> dict[str, Imported]:
    return {one.name: one for one in library.imports() if one.name}


def specialist(one: Imported) -> SpecialistSpec:
    assert isinstance(one.spec, SpecialistSpec), one
    return one.spec


def dropped(one: Imported) -> dict[str, str]:
    """Why each thing was left out, by what was given."""
    return {fate.given: fate.said for fate in one.dropped}
