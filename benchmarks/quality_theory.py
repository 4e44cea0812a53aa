"""What theory says of teams whose members err at known rates: how often they are right, in how many calls.

All of it is exact, and nothing of it comes from the patterns. `p` is how often one member alone is right.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product
from math import comb, factorial, prod
from typing import NamedTuple

from quality_members import Mood, Tells

FORMULAS = {
    "alone": "p.",
    "majority": "Condorcet: the sum over k > n/2 of C(n,k) p^k (1-p)^(n-k), and half of k = n/2.",
    "common": "c p + (1-c) Condorcet: in a share c of all tasks, one cause decides for all n at once.",
    "weighted": "the chance of all ways to be right or wrong in which those who are right have more than "
    "half of the weight, and half of the chance of ties.",
    "plurality": "the multinomial chance of all counts in which the right answer leads, divided by the "
    "number of leaders; each wrong answer is as frequent as the others. Where members then vote by ballot, "
    "2n calls if none has more than half.",
    "borda": "the chance of all rankings of n members in which the right option leads by points, divided by "
    "the number of leaders.",
    "kinds": "the sum over the kinds of tasks of their share times Condorcet with p of that kind.",
    "first_valid": "p t (1-(1-a)^n) / a, with a = p t + (1-p)(1-s) for what the check accepts: s of wrong "
    "answers refused, t of right ones accepted. (1-a)^n end without an answer. Calls: n, and one for each "
    "check up to the first that accepts.",
    "quickest": "p of the quickest, since nothing is checked but that there is an answer.",
    "loop": "p t (1-(1-a)^R) / a + (1-a)^(R-1) p (1-t), with a as above: some version is accepted, or of R "
    "refused ones the first is right. Calls: 2 for each version. With s = 1 - t it is p.",
    "again": "p, whatever the critic says, where each version errs as the one before.",
    "best": "1 - (1-p)^R: all versions are refused, and the one with the highest score is right if any is.",
    "debate": "A + q (1 - A - B), where A and B are the shares of debates that end with only right or only "
    "wrong proposals: at first p^n and (1-p)^n, changed by what critiques change. n (2 rounds + 1) + 1 "
    "calls; where the gate holds, n + 1.",
    "herd": "Condorcet: all hold what most held at first, so that the judge has nothing left to decide.",
}
"""How often the team is right, by the name of the law."""


KEEPS = Tells(0.0, 1.0)
"""Of members whom critiques change in nothing."""


class Theory(NamedTuple):
    law: str
    """The key of its formula."""
    right: float
    calls: Mapping[int, float]
    """How often it takes how many."""


def binomial(n: int, p: float) -> list[float]:
    """The chance of each number of successes."""
    return [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def condorcet(n: int, p: float) -> float:
    """How often most of n independent members are right; a tie is right as often as not."""
    return sum(chance * (1.0 if 2 * k > n else 0.5 * (2 * k == n)) for k, chance in enumerate(binomial(n, p)))


def alone(p: float) -> Theory:
    return Theory("alone", p, {1: 1.0})


def majority(n: int, p: float, common: float = 0.0) -> Theory:
    right = common * p + (1 - common) * condorcet(n, p)
    return Theory("common" if common else "majority", right, {n: 1.0})


def kinds(n: int, moods: Sequence[Mood]) -> Theory:
    return Theory("kinds", sum(mood.share * condorcet(n, mood.skill) for mood in moods), {n: 1.0})


def weighted(voters: Sequence[Sequence[Mood]]) -> Theory:
    """Each mood's `sure` is the weight of the vote."""
    ways = [
        [
            (mood.share * p, mood.sure * side)
            for mood in moods
            for p, side in ((mood.skill, 1), (1 - mood.skill, -1))
        ]
        for moods in voters
    ]
    right = 0.0
    for votes in product(*ways):
        balance = round(sum(weight for _, weight in votes), 6)
        right += prod(chance for chance, _ in votes) * (1.0 if balance > 0 else 0.5 * (balance == 0))
    return Theory("weighted", right, {len(voters): 1.0})


def plurality(n: int, p: float, wrong: int, *, ballots: bool = False) -> Theory:
    """`wrong` is the number of wrong answers; with `ballots`, all vote where no answer has more than half."""
    right = decided = 0.0
    for counts in _counts(n, wrong + 1):
        ways = factorial(n) / prod(map(factorial, counts))
        chance = ways * p ** counts[0] * ((1 - p) / wrong) ** (n - counts[0])
        right += chance * (counts[0] == max(counts)) / counts.count(max(counts))
        decided += chance * (2 * max(counts) > n)
    return Theory("plurality", right, {n: decided, 2 * n: 1 - decided} if ballots else {n: 1.0})


def _counts(n: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to divide n votes among so many answers."""
    if parts == 1:
        yield (n,)
        return
    for first in range(n + 1):
        for rest in _counts(n - first, parts - 1):
            yield (first, *rest)


def borda(n: int, places: Sequence[float]) -> Theory:
    """`places` is how often a member ranks the right option first, second and so on."""
    many, right = len(places), 0.0
    rankings = [
        (places[order.index(0)] / factorial(many - 1), [many - 1 - order.index(one) for one in range(many)])
        for order in permutations(range(many))
    ]
    for votes in product(rankings, repeat=n):
        points = [sum(column) for column in zip(*(points for _, points in votes), strict=True)]
        if points[0] == max(points):
            right += prod(chance for chance, _ in votes) / points.count(points[0])
    return Theory("borda", right, {n: 1.0})


def first_valid(n: int, p: float, check: Tells) -> Theory:
    accepted = _accepted(p, check)
    none = (1 - accepted) ** n
    checks = {n + k: (1 - accepted) ** (k - 1) * accepted for k in range(1, n)}
    return Theory(
        "first_valid",
        p * check.specificity * (1 - none) / accepted,
        checks | {2 * n: (1 - accepted) ** (n - 1)},
    )


def quickest(n: int, p: float) -> Theory:
    return Theory("quickest", p, {n: 1.0})


def loop(p: float, critic: Tells, rounds: int) -> Theory:
    accepted = _accepted(p, critic)
    refused = (1 - accepted) ** rounds
    right = p * critic.specificity * (1 - refused) / accepted
    right += (1 - accepted) ** (rounds - 1) * p * (1 - critic.specificity)
    return Theory("loop", right, _rounds(accepted, rounds))


def again(p: float, critic: Tells, rounds: int) -> Theory:
    """Of a generator whose versions all err in the same way, or none does."""
    right, wrong = _rounds(critic.specificity, rounds), _rounds(1 - critic.sensitivity, rounds)
    return Theory("again", p, {calls: p * right[calls] + (1 - p) * wrong[calls] for calls in right})


def best(p: float, rounds: int) -> Theory:
    return Theory("best", 1 - (1 - p) ** rounds, {2 * rounds: 1.0})


def _rounds(accepted: float, rounds: int) -> dict[int, float]:
    """How often a loop takes how many calls."""
    ends = {2 * k: (1 - accepted) ** (k - 1) * accepted for k in range(1, rounds)}
    return ends | {2 * rounds: (1 - accepted) ** (rounds - 1)}


def _accepted(p: float, check: Tells) -> float:
    """The share of all answers that pass."""
    return p * check.specificity + (1 - p) * (1 - check.sensitivity)


def debate(
    n: int,
    p: float,
    judge: float,
    *,
    common: float = 0.0,
    challenge: Tells | None = None,
    critiques: Tells = KEEPS,
) -> Theory:
    """Of one round; where the shared answer is refuted, all think anew and by themselves."""
    first = [(1 - common) * chance for chance in binomial(n, p)]
    first[n] += common * p
    first[0] += common * (1 - p)
    split = sum(first[k] * _judged(_changed(n, k, critiques), judge) for k in range(1, n))
    whole = 3 * n + 1
    if challenge is None:
        return Theory("debate", split + first[n], {whole: 1.0})
    refuted = first[n] * (1 - challenge.specificity) + first[0] * challenge.sensitivity
    right = split + first[n] * challenge.specificity + refuted * _judged(binomial(n, p), judge)
    ended = first[n] + first[0] - refuted
    return Theory("debate", right, {n + 1: ended, whole: sum(first[1:n]), whole + 1: refuted})


def _changed(n: int, k: int, critiques: Tells) -> list[float]:
    """How many are right after critiques, where k were."""
    kept, gained = binomial(k, critiques.specificity), binomial(n - k, critiques.sensitivity)
    after = [0.0] * (n + 1)
    for one, other in product(range(k + 1), range(n - k + 1)):
        after[one + other] += kept[one] * gained[other]
    return after


def _judged(after: Sequence[float], judge: float) -> float:
    return after[-1] + judge * sum(after[1:-1])


def herd(n: int, p: float) -> Theory:
    return Theory("herd", condorcet(n, p), {3 * n + 1: 1.0})
