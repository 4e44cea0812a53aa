"""Agents in Markdown: Claude Code's, GitHub Copilot's, and skills."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec_types import SpecialistSpec
from . import loose, models, tools
from .imported import HOSTS, Draft, Host, Imported
from .text import Unusable, decoded, description, line, slug, tidy

_NOT_SHOWN = "it is for the host's screen"
_NO_COMMANDS = "commands are never run"
_NO_SERVERS = "MCP servers of the host are not reached from here"
_CALLED_BY_NAME = "specialists are called by name, and teams name their members"
_LOST: Mapping[str, str] = {
    "color": _NOT_SHOWN, "colour": _NOT_SHOWN, "emoji": _NOT_SHOWN, "icon": _NOT_SHOWN,
    "argumenthint": _NOT_SHOWN, "displayname": _NOT_SHOWN,
    "hooks": _NO_COMMANDS,
    "mcpservers": _NO_SERVERS,
    "permissionmode": "nothing here changes files or runs commands, so nothing has to be permitted",
    "skills": "each skill is a specialist of its own here",
    "memory": "memory is that of the project, and every specialist is shown what bears on its task",
    "handoffs": "who goes on is said by a team",
    "agents": "a specialist starts no others; let them be the members of a team",
    "background": "all members of a team work beside each other",
    "isolation": "nothing here changes files, so nothing has to be kept apart",
    "userinvocable": _CALLED_BY_NAME, "disablemodelinvocation": _CALLED_BY_NAME, "infer": _CALLED_BY_NAME,
    "target": "it says for which host the file is", "mode": "it says how the host works",
    "license": "it says nothing to do", "metadata": "it says nothing to do",
    "version": "it says nothing to do", "author": "it says nothing to do",
    "compatibility": "it says what the host needs",
}  # fmt: skip
"""Why there is nothing here for a key, by the key in small letters and without `-` and `_`."""
_TAKEN = {
    "name": "name", "description": "description", "whentouse": "when", "tools": "tools",
    "allowedtools": "tools", "disallowedtools": "without", "model": "model", "effort": "effort",
    "reasoningeffort": "effort", "maxturns": "turns", "capabilities": "capabilities",
    "keywords": "capabilities", "tags": "capabilities", "disabled": "disabled",
}  # fmt: skip
KNOWN = frozenset(
    """
    name description tools model color allowed-tools allowedTools disallowedTools disallowed-tools
    permissionMode hooks mcpServers mcp-servers skills memory handoffs agents background isolation
    maxTurns effort argument-hint user-invocable disable-model-invocation infer target license
    metadata version author tags keywords capabilities compatibility when_to_use category priority
    """.split()
)  # fmt: skip
PROSE = frozenset(("description", "when_to_use"))


@dataclass
class _Said:
    """What the front matter says, by the names of `_TAKEN`, and the key under which it stood."""

    given: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def agent(host: Host, data: bytes, called: str) -> Imported:
    """What the file came to, whatever it holds; `called` is its name without the ending."""
    draft = Draft(host)
    try:
        text, odd = decoded(data)
    except Unusable as why:
        return draft.unusable(str(why))
    head, body, more = loose.parts(text)
    draft.notes += [*odd, *more]
    said = _said(draft, head)
    if tidy(said.given.get("disabled")).lower() == "true":
        return draft.unusable("its file says that it is disabled")
    named = _name(draft, said.given.get("name"), called)
    told = _description(draft, said.given)
    if head is None:
        draft.notes.append("it has no front matter: its name is that of the file")
    if not body and not told:
        return draft.unusable("there are no instructions in it, and no description")
    values = {
        "name": named,
        "description": told or _first_words(draft, body, named),
        "instructions": body or told,
        "capabilities": _capabilities(draft, said),
        "model": models.tier(draft, said.given["model"]) if "model" in said.given else None,
        "effort": models.effort(draft, said.given.get("effort")),
        "max_turns": models.turns(draft, said.given.get("turns"), key=said.keys.get("turns", "")),
        "tools": _tools(draft, said),
    }
    if body:
        draft.maps("the text", f"{len(body):,} characters", "instructions")
    else:
        draft.notes.append("there is no text below its keys, so its description is its instructions")
    return draft.made(SpecialistSpec, values)


def _said(draft: Draft, head: str | None) -> _Said:
    said = _Said()
    found, odd = loose.values(head, KNOWN, PROSE) if head is not None else ({}, [])
    draft.notes += odd
    for key, value in found.items():
        plain = key.lower().replace("-", "").replace("_", "").replace(" ", "")
        taken = _TAKEN.get(plain)
        if taken and taken not in said.given:
            said.given[taken], said.keys[taken] = value, key
        elif taken:
            draft.drops(key, value, f"{said.keys[taken]} says the same")
        else:
            draft.drops(key, value, _LOST.get(plain, "nothing here stands for it"))
    return said


def _name(draft: Draft, given: Any, called: str) -> str:
    wish = tidy(given)
    if name := slug(wish):
        draft.maps("name", wish, name)
        return name
    if wish:
        draft.drops("name", wish, "nothing in it can stand in a name; the file's is taken")
    name = slug(called) or "agent"
    draft.maps("the file's name", called, name)
    return name


def _description(draft: Draft, given: Mapping[str, Any]) -> str:
    said = filter(None, (tidy(given.get("description")).removesuffix("."), tidy(given.get("when"))))
    told, cut = description(". ".join(said))
    if told:
        draft.maps("description", told, f"description{', ' * bool(cut)}{cut}")
    return told


def _first_words(draft: Draft, body: str, named: str) -> str:
    """What stands for a description that is missing: the first line that says something."""
    draft.notes.append("it has no description; the first words of its text stand for one")
    for words in body.split("\n", 50)[:50]:
        if text := words.strip("#*->=_ \t`"):
            return line(text, 200)
    return f"{named}, who was written for {HOSTS[draft.host]}"


def _capabilities(draft: Draft, said: _Said) -> tuple[str, ...]:
    given = said.given.get("capabilities")
    parts = given if isinstance(given, list) else tidy(given).split(",")
    words = tuple(filter(None, (line(tidy(part), 100) for part in parts[:30])))
    if words:
        draft.maps(said.keys["capabilities"], list(words), "capabilities")
    elif given:
        draft.drops(said.keys["capabilities"], given, "there are no words in it")
    return words


def _tools(draft: Draft, said: _Said) -> tuple[str, ...]:
    without = said.given.get("without", ())
    if (given := said.given.get("tools")) is None:
        return tools.everything(draft, without)
    return tools.mapped(draft, given, without=without, key=said.keys["tools"])
