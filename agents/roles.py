"""What is odd about who is in a team: roles that overlap, and members whom nobody can reach."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import sqrt
from typing import Any, NamedTuple

from .fitness import Profile, known, profile

OVERLAP = 0.55
"""The similarity from which roles are said to overlap: few false alarms, but roles that are described in
other words altogether are not seen; benchmarks/role_overlap.py has the figures."""
WORDS, WORK = 0.6, 0.4
"""What common words and the same kinds of work count in a similarity."""


class Overlap(NamedTuple):
    """Two members who seem to be there for the same."""

    one: str
    other: str
    similarity: float

    def __str__(self) -> str:
        return (
            f"{self.one} and {self.other} have roles that overlap ({self.similarity:.2f}): leave out one, or "
            "let their descriptions say what each is there for"
        )


def role_notices(team: Any, members: Sequence[Any]) -> list[str]:
    """What a reader should know of the roles in a team; both can be specs or made."""
    notices = [str(one) for one in overlaps([profile(member) for member in members])]
    if names := unreachable(team, members):
        notices.append(f"nobody in {team.name} can reach {', '.join(names)}; {_how_to_reach(team)}")
    return notices


def overlaps(profiles: Sequence[Profile], *, least: float = OVERLAP) -> list[Overlap]:
    """The pairs whose roles are similar, the most similar first; who has no description is in none."""
    told = [one for one in profiles if not one.bare]
    pairs = (Overlap(one.name, other.name, similarity(one, other)) for one, other in combinations(told, 2))
    return sorted((pair for pair in pairs if pair.similarity >= least), key=lambda pair: -pair.similarity)


def similarity(one: Profile, other: Profile) -> float:
    """How much of what two say of themselves is the same, from 0 to 1."""
    first, second = known(one), known(other)
    return WORDS * _cosine(first.words, second.words) + WORK * _cosine(first.work, second.work)


def unreachable(team: Any, members: Sequence[Any] = ()) -> list[str]:
    """The members of the team, or of its spec, to whom no work can come.

    A pattern of whose members some may not be reached names them itself, as `unreachable`.
    """
    said: Sequence[str] | None = getattr(team, "unreachable", None)
    if said is not None:
        return [*said]
    names = [getattr(member, "name", member) for member in team.members]
    if (steps := getattr(team, "steps", None)) is not None:
        named = {step.member for step in steps}
        return [name for name in names if name not in named]
    if getattr(team, "by_fitness", False):
        return [one.name for one in map(profile, members or team.members) if one.bare]
    return []


def _how_to_reach(team: Any) -> str:
    if hasattr(team, "steps"):
        return "name them in a step, or leave them out"
    return "give them a description and capabilities, or leave them out"


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    lengths = sum(amount**2 for amount in one.values()) * sum(amount**2 for amount in other.values())
    common = sum(amount * other.get(key, 0.0) for key, amount in one.items())
    return common / sqrt(lengths) if lengths else 0.0
