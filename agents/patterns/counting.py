"""How ballots are counted."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Rule = Literal["majority", "borda", "weighted"]
"""What counts: each first choice, whole rankings, or what the voter of each first choice weighs."""


class Count(NamedTuple):
    """What the votes come to."""

    points: dict[str, float]
    """Of every option."""
    leaders: tuple[str, ...]
    """The options with most points, several in a tie; none where nobody voted."""
    abstained: tuple[str, ...]

    @property
    def total(self) -> float:
        return round(sum(self.points.values()), 6)

    @property
    def has_majority(self) -> bool:
        """Whether one option has more than half of all points."""
        return len(self.leaders) == 1 and self.points[self.leaders[0]] > self.total / 2


def counted(
    rule: Rule,
    options: Sequence[str],
    rankings: Mapping[str, Sequence[str]],
    weights: Mapping[str, float] | None = None,
) -> Count:
    """The count of the voters' rankings, the best first; an empty one is an abstention.

    By Borda, the last of n options has 0 points and the first n - 1; those that a voter has not ranked
    share what is left, so that nobody gains by leaving some out.
    """
    points = dict.fromkeys(options, 0.0)
    cast = {voter: list(dict.fromkeys(ranking)) for voter, ranking in rankings.items() if ranking}
    for voter, ranking in cast.items():
        if rule == "borda":
            left = [option for option in options if option not in ranking]
            for place, option in enumerate(ranking):
                points[option] += len(options) - 1 - place
            for option in left:
                points[option] += (len(left) - 1) / 2
        else:
            points[ranking[0]] += (weights or {}).get(voter, 1.0) if rule == "weighted" else 1.0
    points = {option: round(number, 6) for option, number in points.items()}
    chosen = {option for ranking in cast.values() for option in ranking}
    most = max((points[option] for option in chosen), default=0.0)
    leaders = tuple(option for option in options if option in chosen and points[option] == most)
    abstained = tuple(voter for voter, ranking in rankings.items() if not ranking)
    return Count(points, leaders, abstained)
