"""Teams whose quality is known beforehand: each pattern where it helps, and where it does not."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import quality_theory as theory
from quality_members import (
    COLOURS,
    Critic,
    Hears,
    Judge,
    Mood,
    Ranker,
    Tells,
    Worker,
    World,
    gives_in,
    weighs,
)
from quality_theory import KEEPS, Theory

from guildhall.agents import Member
from guildhall.agents.patterns import Debate, FirstValid, Loop, Vote
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.patterns.counting import Rule


@dataclass(frozen=True)
class Row:
    """A team, what theory says of it, and how often the best of its members is right alone."""

    team: str
    made: Callable[[World], Member]
    theory: Theory
    alone: float
    options: int = 2
    common: float = 0.0
    standing: Sequence[float] = ()
    """How often each member was right before, where that counts."""

    @property
    def gain(self) -> float:
        return self.theory.right - self.alone


def one(p: float) -> Row:
    return Row(f"one member of {p:.2f} alone", lambda world: _worker(world, p), theory.alone(p), p)


def vote(n: int, p: float, common: float = 0.0) -> Row:
    cause = f", common cause {common:.0%}" if common else ""
    return Row(
        f"vote of {n} of {p:.2f}{cause}",
        lambda world: Vote("vote", _workers(world, n, p), world.options),
        theory.majority(n, p, common), p, common=common,
    )  # fmt: skip


def open_vote(n: int, p: float, wrong: int) -> Row:
    return Row(
        f"vote of {n} of {p:.2f} by what they answer, {wrong} ways to be wrong",
        lambda world: Vote("vote", _workers(world, n, p)),
        theory.plurality(n, p, wrong, ballots=True), p, options=wrong + 1,
    )  # fmt: skip


def ranked(n: int, places: Sequence[float], rule: Rule) -> Row:
    many = len(places)
    told = "/".join(f"{place:.2f}" for place in places)
    return Row(
        f"vote of {n} by {rule}, right one ranked {told}",
        lambda world: Vote("vote", [Ranker(world, f"m{at}", places) for at in range(n)], world.options, rule),
        theory.borda(n, places) if rule == "borda" else theory.plurality(n, places[0], many - 1),
        places[0], options=many,
    )  # fmt: skip


def by_standing(skills: Sequence[float], *, weighed: bool) -> Row:
    """Members of different skill; their records say how good they are."""
    told = f"one of {skills[0]:.2f} and {len(skills) - 1} of {skills[1]:.2f}"
    moods = [[Mood(1.0, p, _log_odds(p) if weighed else 1.0)] for p in skills]

    def made(world: World) -> Member:
        members = [_worker(world, p, f"m{at}") for at, p in enumerate(skills)]
        rule: Rule = "weighted" if weighed else "majority"
        return Vote("vote", members, world.options, rule, "standing")

    how = "weighted by record" if weighed else "by majority"
    return Row(f"vote of {told}, {how}", made, theory.weighted(moods), max(skills), standing=skills)


def by_confidence(n: int, moods: Sequence[Mood], told: str) -> Row:
    def made(world: World) -> Member:
        members = [Worker(world, f"m{at}", moods) for at in range(n)]
        return Vote("vote", members, world.options, "weighted")

    weights = [mood._replace(sure=_log_odds(mood.sure)) for mood in moods]
    return Row(
        f"vote of {n}, weighted by confidence: {told}", made, theory.weighted([weights] * n), _mean(moods)
    )


def samples(n: int, p: float, wrong: int = 1) -> Row:
    ways = f", {wrong} ways to be wrong" if wrong > 1 else ""
    return Row(
        f"{n} samples of one of {p:.2f}{ways}",
        lambda world: Vote("vote", _workers(world, 1, p), samples=n),
        theory.plurality(n, p, wrong), p, options=wrong + 1,
    )  # fmt: skip


def samples_by_task(n: int, moods: Sequence[Mood]) -> Row:
    told = " and ".join(f"{mood.skill:.2f} on {mood.share:.0%}" for mood in moods)
    return Row(
        f"{n} samples of one of {told} of tasks",
        lambda world: Vote("vote", [Worker(world, "m", moods, by_task=True)], samples=n),
        theory.kinds(n, moods), _mean(moods),
    )  # fmt: skip


def first_valid(n: int, p: float, tells: Tells) -> Row:
    def made(world: World) -> Member:
        check = Acceptance(Critic(world, tells), "it is right")
        return FirstValid("first", _workers(world, n, p, queued=True), check)

    return Row(
        f"first valid of {n} of {p:.2f}, check {tells}", made,
        theory.first_valid(n, p, tells), p,
    )  # fmt: skip


def unchecked(quick: float, slow: float) -> Row:
    def made(world: World) -> Member:
        members = [_worker(world, quick, "quick"), _worker(world, slow, "slow", place=1)]
        return FirstValid("first", members)

    told = f"first valid of a quick one of {quick:.2f} and a slow one of {slow:.2f}, no check"
    return Row(told, made, theory.quickest(2, quick), slow)


def loop(p: float, tells: Tells, rounds: int = 3, *, again: bool = False) -> Row:
    """`again`: each version errs as the one before."""
    said = theory.again(p, tells, rounds) if again else theory.loop(p, tells, rounds)
    errs = " that errs in the same way again" * again
    return Row(
        f"loop of one of {p:.2f}{errs}, {rounds} rounds, critic {tells}",
        lambda world: _loop(world, p, Critic(world, tells), rounds), said, p, common=float(again),
    )  # fmt: skip


def strict_loop(p: float, rounds: int = 3) -> Row:
    return Row(
        f"loop of one of {p:.2f}, {rounds} rounds, critic who accepts nothing and scores rightly",
        lambda world: _loop(world, p, Critic(world, Tells(1.0, 0.0), fine=True), rounds),
        theory.best(p, rounds), p,
    )  # fmt: skip


def _loop(world: World, p: float, critic: Critic, rounds: int) -> Loop:
    return Loop("loop", _workers(world, 1, p), critic, rounds=rounds)


def debate(
    p: float, judge: float, *, n: int = 3, common: float = 0.0, challenge: Tells | None = None,
    critiques: Tells = KEEPS,
) -> Row:  # fmt: skip
    told = [f"debate of {n} of {p:.2f}, judge {judge:.2f}"]
    told += [f"common cause {common:.0%}"] if common else []
    told += [f"critiques {critiques}"] if critiques != KEEPS else []
    told += [f"challenge {challenge}"] if challenge else []
    return Row(
        ", ".join(told),
        lambda world: _debate(_workers(world, n, p), Judge(world, judge), weighs(critiques), challenge),
        theory.debate(n, p, judge, common=common, challenge=challenge, critiques=critiques), p, common=common,
    )  # fmt: skip


def herd(p: float, judge: float, n: int = 3) -> Row:
    return Row(
        f"debate of {n} of {p:.2f} who give in to the majority, judge {judge:.2f}",
        lambda world: _debate(_workers(world, n, p), Judge(world, judge), gives_in), theory.herd(n, p), p,
    )  # fmt: skip


def _debate(members: Sequence[Worker], judge: Judge, hears: Hears, challenge: Tells | None = None) -> Debate:
    for member in members:
        member.hears, member.refutes = hears, challenge
    return Debate("debate", members, judge, challenge=challenge is not None)


def _workers(world: World, n: int, p: float, *, queued: bool = False) -> list[Worker]:
    return [_worker(world, p, f"m{at}", place=at if queued else 0) for at in range(n)]


def _worker(world: World, p: float, name: str = "m", *, place: int = 0) -> Worker:
    return Worker(world, name, [Mood(1.0, p, p)], place=place)


def _log_odds(share: float) -> float:
    """What a vote weighs; next to nothing where it is a guess."""
    return math.log(share / (1 - share)) if share > 0.5 else 0.05


def _mean(moods: Sequence[Mood]) -> float:
    return sum(mood.share * mood.skill for mood in moods)


KNOWS = [Mood(0.5, 0.9, 0.9), Mood(0.5, 0.5, 0.5)]
"""Says how sure it can be."""
BOASTS = [Mood(0.5, 0.9, 0.5), Mood(0.5, 0.5, 0.9)]
"""Is surest where it guesses."""
EASY_OR_NOT = [Mood(0.6, 0.9), Mood(0.4, 0.2)]

ROWS: Sequence[Row] = (
    one(0.6), one(0.7),
    vote(3, 0.6), vote(5, 0.6), vote(11, 0.6), vote(3, 0.7), vote(4, 0.7), vote(5, 0.7),
    vote(5, 0.5), vote(5, 0.4), vote(11, 0.4),
    vote(5, 0.7, 0.5), vote(11, 0.7, 0.5), vote(5, 0.7, 1.0),
    open_vote(3, 0.6, 4),
    by_standing((0.9, 0.6, 0.6), weighed=False), by_standing((0.9, 0.6, 0.6), weighed=True),
    by_standing((0.8, 0.7, 0.7, 0.7, 0.7), weighed=True),
    by_confidence(5, [Mood(1.0, 0.7, 0.7)], "all equally sure"),
    by_confidence(5, KNOWS, "those of .50 say so"), by_confidence(5, BOASTS, "those of .50 are surest"),
    ranked(5, (0.4, 0.5, 0.1), "majority"), ranked(5, (0.4, 0.5, 0.1), "borda"),
    ranked(5, (0.6, 0.0, 0.4), "majority"), ranked(5, (0.6, 0.0, 0.4), "borda"),
    samples(5, 0.6), samples(9, 0.4, len(COLOURS) - 1), samples_by_task(5, EASY_OR_NOT),
    first_valid(3, 0.6, Tells(0.9, 0.9)), first_valid(3, 0.6, Tells(0.5, 0.5)), unchecked(0.5, 0.9),
    loop(0.6, Tells(0.9, 0.9)), loop(0.6, Tells(0.7, 0.7)), loop(0.6, Tells(0.5, 0.5)),
    loop(0.6, Tells(0.3, 0.5)), loop(0.6, Tells(0.9, 0.9), again=True), strict_loop(0.6),
    debate(0.7, 0.9), debate(0.7, 0.7), debate(0.7, 0.5), debate(0.5, 0.9), debate(0.4, 0.6),
    debate(0.7, 0.9, critiques=Tells(0.6, 0.9)), debate(0.7, 0.5, critiques=Tells(0.6, 0.9)), herd(0.7, 0.9),
    debate(0.7, 0.9, challenge=Tells(0.6, 0.9)), debate(0.7, 0.9, challenge=Tells(0.0, 1.0)),
    debate(0.7, 0.5, challenge=Tells(0.1, 0.5)),
    debate(0.7, 0.9, common=0.5), debate(0.7, 0.9, common=0.5, challenge=Tells(0.0, 1.0)),
    debate(0.7, 0.9, common=0.5, challenge=Tells(0.6, 0.9)),
)  # fmt: skip
