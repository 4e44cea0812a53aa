"""Which team suits a task, by rule, where none is named."""

from collections.abc import Iterator
from typing import NamedTuple

from .discovery import Library
from .fitness import Profile, fitness
from .models.words import stems
from .ways import Way, way_of

ANY = "auto"
"""Stands for the team that suits the task."""
UNSURE = "research"
"""The team for a task that none of them clearly suits."""
CLEAR, LEAD = 0.8, 0.1
"""The least score of a team that is chosen by its description, and by how much it leads."""
_FOR: dict[Way, str] = {"debate": "decision", "hierarchy": "project"}
"""The teams for tasks of which the rule is sure how they are worked on."""
_LOOKED_AT = 4_000


class Suiting(NamedTuple):
    """A team, and why it was chosen."""

    name: str
    reason: str


def suiting(library: Library, task: str) -> Suiting:
    """The team that the task names, or clearly asks for; else the one for any question."""
    known = {one.name: one.spec.description for one in library.teams() if one.spec is not None}
    found = (one for one in _suiting(known, task[:_LOOKED_AT]) if one.name in known)
    return next(found, Suiting(UNSURE, "no other team clearly suits the task"))


def _suiting(known: dict[str, str], task: str) -> Iterator[Suiting]:
    best, *others = fitness(task, [Profile(name, description) for name, description in known.items()])
    lead = best.score - (others[0].score if others else 0.0)
    if best.work and best.score >= CLEAR and lead >= LEAD:
        yield Suiting(best.name, best.reason)
    words = set(stems(task))
    named = {name: len(own) for name in known if (own := {*stems(name)}) and own <= words}
    if named:
        name = max(named, key=lambda one: named[one])
        yield Suiting(name, "the task names it")
    way = way_of(task)
    if way.way in _FOR and way.sure:
        yield Suiting(_FOR[way.way], way.reason)
