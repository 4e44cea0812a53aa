"""How often tasks come to the right specialist, to the right way of working, and to the right team by rule.

    python benchmarks/routing.py

Words and weights were tuned on the tuning sets. The held-out sets have the same author, who was told only
their totals; the blind ones were written by somebody else, who knew no more of the specialists and teams
than their descriptions, and nothing is tuned on them. Where the rule is unsure, a router and the pattern auto
ask a model; a team that nobody named is then `research`.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from guildhall.agents.discovery import Library
from guildhall.agents.fitness import Profile, fitness, profile
from guildhall.agents.patterns.router import Router
from guildhall.agents.suiting import UNSURE, suiting
from guildhall.agents.ways import WAYS, way_of

DATA = Path(__file__).parent / "data"
SETS = ("tuning", "held out", "blind")
SEED = 1

Pair = tuple[str, str]
"""A task and its label."""


def there(what: str) -> list[str]:
    """The sets that are written."""
    return [name for name in SETS if path(what, name).exists()]


def path(what: str, name: str) -> Path:
    return DATA / f"{what}_{name.replace(' ', '_')}.jsonl"


def labelled(what: str, name: str) -> list[Pair]:
    """The tasks of a set, each with what is right for it; `what` is routing, auto or teams."""
    lines = path(what, name).read_text("utf-8").splitlines()
    return [(row["task"], row["label"]) for row in map(json.loads, lines)]


def built_in() -> Library:
    return Library(Path("nowhere"), Path("nowhere")).steady()


def specialists() -> list[Profile]:
    """Those who can be chosen, by name, from the built-in ones."""
    library = built_in()
    names = sorted({label for _, label in labelled("routing", "tuning")})
    return [profile(library.specialist(name)) for name in names]


def accuracy(tasks: Sequence[Pair], guess: Callable[[str], str]) -> float:
    return sum(guess(task) == label for task, label in tasks) / max(len(tasks), 1)


def by_rule(candidates: Sequence[Profile]) -> Callable[[str], str]:
    return lambda task: fitness(task, candidates)[0].name


def is_sure(task: str, candidates: Sequence[Profile]) -> bool:
    """Whether a router with the default settings would ask nobody else."""
    best, second, *_ = fitness(task, candidates)
    return best.score >= Router.sure and best.score - second.score >= Router.margin


def at_random(names: Sequence[str]) -> Callable[[str], str]:
    draw = random.Random(SEED)
    return lambda task: draw.choice(names)


def routes() -> None:
    candidates = specialists()
    names = [one.name for one in candidates]
    row("tasks", "how many", "by rule", "always the first", "at random", "sure", "right where sure")
    row(*["---"] * 7)
    for name in SETS:
        tasks = labelled("routing", name)
        guesses = (by_rule(candidates), lambda task: names[0], at_random(names))
        sure = [pair for pair in tasks if is_sure(pair[0], candidates)]
        figures = [accuracy(tasks, guess) for guess in guesses]
        figures += [len(sure) / len(tasks), accuracy(sure, by_rule(candidates))]
        row(name, len(tasks), *(f"{figure:.0%}" for figure in figures))
    print()
    confusion(labelled("routing", "tuning"), by_rule(candidates), names)


def ways() -> None:
    row("tasks", "how many", "by rule", "always one alone", "at random", "sure", "right where sure")
    row(*["---"] * 7)
    for name in SETS:
        tasks = labelled("auto", name)
        guesses = (lambda task: way_of(task).way, lambda task: WAYS[0], at_random(WAYS))
        sure = [pair for pair in tasks if way_of(pair[0]).sure]
        figures = [accuracy(tasks, guess) for guess in guesses]
        figures += [len(sure) / len(tasks), accuracy(sure, guesses[0])]
        row(name, len(tasks), *(f"{figure:.0%}" for figure in figures))
    print()
    confusion(labelled("auto", "tuning"), lambda task: way_of(task).way, WAYS)


def teams() -> None:
    library = built_in()
    names = library.team_names()
    row("tasks", "how many", "by rule", f"always {UNSURE}", "at random", f"leaves {UNSURE}", "right there")
    row(*["---"] * 7)
    for name in there("teams"):
        tasks = labelled("teams", name)
        guesses = (by_suiting(library), lambda task: UNSURE, at_random(names))
        left = [pair for pair in tasks if guesses[0](pair[0]) != UNSURE]
        figures = [accuracy(tasks, guess) for guess in guesses]
        figures += [len(left) / len(tasks), accuracy(left, guesses[0])]
        row(name, len(tasks), *(f"{figure:.0%}" for figure in figures))
    print()
    confusion(labelled("teams", "tuning"), by_suiting(library), names)


def by_suiting(library: Library) -> Callable[[str], str]:
    return lambda task: suiting(library, task).name


def confusion(tasks: Sequence[Pair], guess: Callable[[str], str], names: Sequence[str]) -> None:
    """What became of the tasks of each, in one set."""
    row("should take it", "right", "taken by others")
    row(*["---"] * 3)
    for name in names:
        guesses = Counter(guess(task) for task, label in tasks if label == name)
        others = ", ".join(f"{other} {count}" for other, count in guesses.most_common() if other != name)
        row(name, f"{guesses[name]} of {guesses.total()}", others)


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    routes()
    print()
    ways()
    print()
    teams()
