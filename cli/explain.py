"""`--explain`: what the files of other assistants came to, and why something of them is left out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .frame import emit, wants_json

if TYPE_CHECKING:
    from guildhall.agents.discovery import Library
    from guildhall.agents.foreign.imported import Imported

Entry = dict[str, Any]


def explained(library: "Library", kind: str) -> list[Entry]:
    """An entry for each agent that was found, those that cannot be used last."""
    library = library.steady()
    listed = library.specialists() if kind == "specialist" else library.teams()
    used = {found.name: found.path for found in listed}
    found = (one for one in library.imports() if one.kind == kind)
    return sorted((_entry(one, used.get(one.name)) for one in found), key=lambda entry: not entry["name"])


def _entry(one: "Imported", used: Path | None) -> Entry:
    return {
        "name": one.name,
        "origin": one.host,
        "path": str(one.path),
        "problem": one.problem or None,
        "used_instead": str(used) if used and used != one.path else None,
        "mapped": [{"key": key, "given": given, "became": became} for key, given, became in one.mapped],
        "dropped": [{"key": key, "given": given, "why": why} for key, given, why in one.dropped],
        "notes": list(one.notes),
    }


def print_explained(what: str, entries: list[Entry], project: Path) -> None:
    """Every agent with what became of it, line by line."""
    from guildhall.redact import redact
    from guildhall.view.clean import one_line

    from .show import heading

    if wants_json():
        emit({"imports": entries})
        return
    for entry in entries:
        place = _shown(Path(entry["path"]), project)
        click.echo(f"{heading(entry['name'] or 'cannot be used')}  {entry['origin']} · {one_line(place)}")
        for line in _lines(entry):
            click.echo(f"  {redact(one_line(line))}")
    if not entries:
        click.echo(f"No {what} of other assistants were found in this project or in your home folder.")


def _lines(entry: Entry) -> Iterator[str]:
    if entry["problem"]:
        yield entry["problem"]
        return
    for fate in entry["mapped"]:
        same = fate["given"] == fate["became"] or fate["became"] == fate["key"]
        yield f"{fate['key']}: {fate['given']}" + ("" if same else f" -> {fate['became']}")
    for fate in entry["dropped"]:
        yield f"left out: {fate['key']} {fate['given']}: {fate['why']}"
    yield from (f"note: {note}" for note in entry["notes"])
    if entry["used_instead"]:
        yield f"not used: {entry['used_instead']} has its name and comes first"


def _shown(path: Path, project: Path) -> str:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises where there is none
    for folder, before in ((project, ""), (home, "~/")):
        if path.is_relative_to(folder):
            return before + path.relative_to(folder).as_posix()
    return str(path)
