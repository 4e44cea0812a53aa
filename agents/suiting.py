"""Which team suits a task, by rule, where none is named."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from .discovery import Library
from .fitness import Fit, Profile, fitness, known
from .models.complexity import signs
from .models.words import stem
from .spec_types import TeamSpec
from .ways import Way, way_of

ANY = "auto"
"""Stands for the team that suits the task."""
UNSURE = "research"
"""The team for a task that none of them clearly suits."""
CLEAR, LEAD = 0.7, 0.2
"""What a description has to have in common with the task, and how much more than any other."""
FACT = 1.9
"""The first where it is only asked how something is: that speaks of a subject, not of what is to be done."""
MOST, WORDS = 0.6, 3
"""What share of a team's kinds of work has to be asked for, or else how many words are to be in common."""
_FOR: dict[Way, str] = {"debate": "decision", "hierarchy": "project"}
"""The teams for tasks of which the rule is sure how they are worked on."""
_LOOKED_AT, _OPENING, _CLOSING = 4_000, 600, 200
"""The most characters of a task, and of a first and a last paragraph that say what is to be done."""
_PARAGRAPHS = re.compile(r"\n\s*\n|:[ \t]*\n|```")
_FACT = re.compile(
    r"\A\W*(?:why|who|whose|when|how(?! can| could| might)|explain"
    r"|(?:what|which|where)\b[^.!?\n]*?[ '](?:is|s|was|were|do|does|did|has|have|had)"
    r"|warum|wieso|wer|wann|was (?:ist|war|hat)|pourquoi|comment|qui|quand)\b"
    r"(?!.*\b(?:i|we|you|me|us|my|our|your|this|these|attached|ich|wir|mein|uns|nous|ces?)\b)"
    r"[^.!?\n]*[.!?]?\s*\Z",
    re.IGNORECASE,
)
"""A single question about the world, and not about what somebody has at hand."""


class Suiting(NamedTuple):
    """A team, and why it was chosen."""

    name: str
    reason: str


def suiting(library: Library, task: str) -> Suiting:
    """The team that the task names, or clearly asks for; else the one for any question."""
    teams = {one.name: one.spec for one in library.teams() if one.spec is not None}
    found = (one for one in _suiting(teams, task[:_LOOKED_AT]) if one.name in teams)
    return next(found, Suiting(UNSURE, "no other team clearly suits the task"))


def _suiting(teams: Mapping[str, TeamSpec], task: str) -> Iterator[Suiting]:
    """What each rule finds, the surest first."""
    if named := [name for name in teams if _is_named(name, task.casefold())]:
        yield Suiting(max(named, key=len), "the task names it")
    asked, material = _asked(task)
    way = way_of(asked)
    fits = fitness(asked, [Profile(name, team.description) for name, team in teams.items()], context=material)
    able = [fit for fit in fits if _does(teams[fit.name], fit, way.way)]
    common = [round(sum((*fit.work.values(), *fit.words.values())), 3) for fit in able]
    least = [FACT if _FACT.match(asked) else CLEAR, *(amount + LEAD for amount in common[1:2])]
    if able and common[0] >= max(least):
        yield Suiting(able[0].name, _reason(able[0], asked))
    if way.way in _FOR and way.sure:
        yield Suiting(_FOR[way.way], way.reason)


def _reason(fit: Fit, asked: str) -> str:
    """The words in common are given as they stand in the task, where they do."""
    whole = {stem(word): word for word in re.findall(r"[^\W_]+", asked.casefold())}
    return replace(fit, words={whole.get(word, word): amount for word, amount in fit.words.items()}).reason


def _does(team: TeamSpec, fit: Fit, way: Way) -> bool:
    """Whether most of what the team does is asked for; where one alone does the task, one thing is enough."""
    work = known(Profile(team.name, team.description)).work
    if team.pattern == "router":
        return way == "one" and bool(fit.work)
    asked = sum(work[kind] ** 2 for kind in fit.work)
    return asked >= MOST or len(fit.words) >= (WORDS if work else WORDS - 1)


def _is_named(name: str, task: str) -> bool:
    """Whether the task speaks of the team, and not only of what it is called after."""
    its, own = "(?:the |our |my )?", re.sub(r"[-_]", "[-_ ]", name)
    told = rf"(?:\A|\b(?:ask|let|use) ){its}(?:team {own}|{own} team)\b|\b(?:ask|let) {its}{own}\b"
    return bool(re.search(told, task)) or ("-" in name and name in task)


def _asked(task: str) -> tuple[str, str]:
    """What is to be done, and the text or code between, which it is to be done with."""
    parts = [part for part in _PARAGRAPHS.split(task) if part.strip()] or [""]
    first, last = len(parts[0]) <= _OPENING, len(parts) > 1 and len(parts[-1]) <= _CLOSING
    asked = parts[:1] * first + parts[-1:] * last
    code = " (code)" if "code" in signs(task) else ""
    return "\n".join(asked or parts[:1]) + code, "\n".join(parts[first : len(parts) - last])
