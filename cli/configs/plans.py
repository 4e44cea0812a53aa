"""What is to be done to the file of one host, and doing it."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guildhall import hosts
from guildhall.hosts import Entry, Host
from guildhall.redact import redact

from . import edits, files
from .files import Content, Steps
from .unfit import Unfit

DONE = {"add": "added", "update": "updated", "remove": "removed"}
"""What is to be done, and how it is called once it is."""
_SHOWN = 3
"""Lines around what changes that are shown."""
_WIDEST = 160


@dataclass(frozen=True)
class Wanted:
    command: tuple[str, ...]
    variables: dict[str, str]
    remove: bool = False
    shared: bool = False
    """The file is a project's, which others read, too."""
    asks: bool = True
    """A host that can is to ask the user for the keys of providers, whether they are set here or not."""


@dataclass
class Plan:
    host: Host
    path: Path
    status: str = "unchanged"
    """One of DONE, or unchanged, refused, declined."""
    why: str = ""
    content: Content | None = None
    new: bytes | None = None
    made: tuple[str, ...] = ()
    diff: list[str] = field(default_factory=list)
    backup: str = ""
    missing: list[str] = field(default_factory=list)
    """Variables that the user has to put there."""
    asked: bool = False
    """Whether the host asks the user for keys."""

    @property
    def then(self) -> str:
        """What the user has to do before the host reads the file anew."""
        return self.host.then + "; it asks for the keys and keeps them" * self.asked


def planned(host: Host, path: Path, wanted: Wanted, steps: Steps) -> Plan:
    """What is to be done to this file; refused, with the reason, where it cannot be."""
    plan = Plan(host, path)
    try:
        plan.content = content = files.load(path)
        text = content.text
        said = edits.read(host, text)
        if wanted.remove:
            _remove(plan, content, said, steps)
        else:
            _add(plan, content, said, wanted)
        if plan.status in DONE:
            plan.diff = list(_diff(path, text, files.Content(path, plan.new).text))
    except Unfit as why:
        plan.status, plan.why = "refused", str(why)
    return plan


def carry_out(plan: Plan, steps: Steps) -> None:
    """Do it, and note how it is taken back; refused where the file cannot be written."""
    assert plan.content is not None, "there is something to be done"
    folders = [name for step in steps.of(plan.path) for name in step.folders]
    try:
        backup = steps.keep(plan.content)
        made = files.replace(plan.content, plan.new)
    except Unfit as why:
        plan.status, plan.why = "refused", str(why)
        return
    plan.backup = str(steps.folder / backup) if backup else ""
    if plan.status == "remove":
        steps.forget(plan.path)
        if plan.new is None:
            files.remove_empty(folders)
    else:
        before, after = files.digest(plan.content.raw), files.digest(plan.new)
        steps.note(files.Step(str(plan.path), before, after, backup, plan.made, tuple(made)))
    plan.status = DONE[plan.status]


def _add(plan: Plan, content: Content, said: Any, wanted: Wanted) -> None:
    host = plan.host
    asked = dict.fromkeys(hosts.ASKED, "") if host.asks and wanted.asks else {}
    entry = hosts.entry(host, wanted.command, {**asked, **wanted.variables}, shared=wanted.shared)
    plan.asked = bool(entry.inputs)
    changes = edits.to_add(host, said, entry)
    plan.missing = _to_put_there(host, said, entry, wanted.variables)
    if changes:
        plan.status = "update" if hosts.SERVER in said.get(host.key, {}) else "add"
        plan.made = tuple(key for key in (host.key, "inputs") if key not in said)
        plan.new = content.with_text(edits.edited(host, content.text, changes))


def _remove(plan: Plan, content: Content, said: Any, steps: Steps) -> None:
    before = steps.of(plan.path)
    made = dict.fromkeys(key for step in before for key in step.made)
    if not (changes := edits.to_remove(plan.host, said, [*made])):
        return
    plan.status = "remove"
    exactly, plan.new = steps.undone(content)
    if exactly:
        return
    text = edits.edited(plan.host, content.text, changes)
    ours = any(step.before is None for step in before)
    plan.new = None if ours and text.strip() in ("", "{}") else content.with_text(text)


def _to_put_there(host: Host, said: Any, entry: Entry, variables: Mapping[str, str]) -> list[str]:
    """The variables that neither the file refers to nor the user has put there."""
    there = said.get(host.key, {}).get(hosts.SERVER, {})
    env = there.get("env", {}) if isinstance(there, dict) else {}
    set_there = {*(env if isinstance(env, dict) else ()), *entry.fields.get("env", ())}
    return [name for name in hosts.left_out(host, variables) if name not in set_there]


def _diff(path: Path, before: str, after: str) -> Iterator[str]:
    """The lines that change, and some around them, without secrets."""
    old, new = before.splitlines(), after.splitlines()
    start = max(0, _alike(old, new) - _SHOWN)
    end = max(0, _alike(old[start:][::-1], new[start:][::-1]) - _SHOWN)
    old, new = _without_secrets(old[start : len(old) - end]), _without_secrets(new[start : len(new) - end])
    if len(old) == len(new) == 1:
        old, new = _around(old[0], new[0])
    yield f"--- {path}"
    for line in list(difflib.unified_diff(old, new, lineterm="", n=_SHOWN))[2:]:
        if line.startswith("@@"):
            continue
        yield f"{line[0]} {line[1:]}"


def _without_secrets(lines: list[str]) -> list[str]:
    return redact("\n".join(lines), lines=True).split("\n") if lines else []


def _around(old: str, new: str) -> tuple[list[str], list[str]]:
    """Two lines, cut to where they differ if they are long: a file may be all in one."""
    if max(len(old), len(new)) <= _WIDEST:
        return [old], [new]
    start = _alike(old, new)
    end = max(0, _alike(old[start:][::-1], new[start:][::-1]) - _WIDEST // 4)
    first = max(0, start - _WIDEST // 4)
    cut = ["…" * (first > 0) + line[first : len(line) - end] + "…" * (end > 0) for line in (old, new)]
    return cut[:1], cut[1:]


def _alike(one: str | list[str], other: str | list[str]) -> int:
    """How many characters or lines both begin with."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)
