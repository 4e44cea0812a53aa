"""Codex's agents: TOML with the instructions in one of its keys."""

import re
import tomllib
from typing import Any

from ..spec_types import SpecialistSpec
from . import models, tools
from .imported import Draft, Imported
from .text import Unusable, decoded, description, slug, tidy

_TEXTS = ("name", "description", "developer_instructions", "instructions", "model", "model_reasoning_effort")
_LOST = {
    "sandbox_mode": "it reads the project, and changes nothing",
    "approval_policy": "nothing here changes files or runs commands, so nothing has to be approved",
    "mcp_servers": "MCP servers of the host are not reached from here",
    "nickname_candidates": "it is for the host's screen",
    "skills": "each skill is a specialist of its own here",
    "web_search": "nothing here reaches the web",
    "tools": "nothing here stands for it",
}
_MOST_DOTS = 60
"""Reading a key of thousands of parts would take all the memory there is."""
_STARTS = re.compile(
    rf"^[ \t]*({'|'.join(_TEXTS)})[ \t]*=[ \t]*(\"\"\"|'''|\"|'|)", re.MULTILINE
)  # fmt: skip


def agent(data: bytes, called: str) -> Imported:
    """What the file came to, whatever it holds; `called` is its name without the ending."""
    draft = Draft("codex")
    try:
        text, notes = decoded(data)
    except Unusable as why:
        return draft.unusable(str(why))
    draft.notes += notes
    given = _values(draft, text)
    body = tidy(given.pop("developer_instructions", "")) or tidy(given.pop("instructions", ""))
    told, cut = description(tidy(given.pop("description", "")))
    if not body and not told:
        return draft.unusable("there are no developer_instructions in it, and no description")
    wish = tidy(given.pop("name", ""))
    name = slug(wish) or slug(called) or "agent"
    draft.maps("name", wish or called, name)
    if told:
        draft.maps("description", told, f"description{', ' * bool(cut)}{cut}")
    if body:
        draft.maps("developer_instructions", f"{len(body):,} characters", "instructions")
    values = {
        "name": name,
        "description": told or f"{name}, who was written for Codex",
        "instructions": body or told,
        "model": models.tier(draft, given.pop("model")) if "model" in given else None,
        "effort": models.effort(
            draft, given.pop("model_reasoning_effort", None), key="model_reasoning_effort"
        ),
        "tools": tools.everything(draft),
    }
    for key, value in given.items():
        draft.drops(key, value, _LOST.get(key, "nothing here stands for it"))
    return draft.made(SpecialistSpec, values)


def _values(draft: Draft, text: str) -> dict[str, Any]:
    try:
        if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
            raise ValueError(f"a line of it has more than {_MOST_DOTS} dots")
        return tomllib.loads(text)
    except RecursionError:
        why = " (it is nested too deeply)"
    except ValueError as error:
        why = f" ({str(error)[:120]})"
    draft.notes.append(f"it is not valid TOML{why}, so its texts were looked for")
    found: dict[str, Any] = {}
    at = 0
    while start := _STARTS.search(text, at):
        quote = start[2]
        end = text.find(quote or "\n", start.end())
        end = len(text) if end < 0 else end
        found.setdefault(start[1], text[start.end() : end].strip())
        at = max(end, start.end())
    return found
