"""What choosing the model by the task saves, and what it costs: 1,000 inquiries of known difficulty.

python benchmarks/routing_cost.py [seed]

The inquiries are drawn from the labelled tasks in `benchmarks/data`; `complexity_held_out.jsonl` was never
looked at while the estimate was tuned. Whether a model answers rightly is drawn from the stated
probabilities below, the same draw for every way of choosing. Prices are those of the table of models.
"""

import json
import random
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from guildhall.agents.config import TIERS, Config, Preference, Tier
from guildhall.agents.models.base import Model
from guildhall.agents.models.catalog import Catalog
from guildhall.agents.models.complexity import complexity

DATA = Path(__file__).parent / "data"
LABELS = ("simple", "medium", "complex")
SETS = {"tuning": "complexity_tuning.jsonl", "held out": "complexity_held_out.jsonl"}
INQUIRIES = 1_000
RIGHT: dict[Tier, tuple[float, float, float]] = {
    "fast": (0.97, 0.80, 0.45),
    "balanced": (0.985, 0.93, 0.72),
    "strong": (0.99, 0.96, 0.88),
}
"""How probable a right answer is, by the tier of the model and the difficulty; assumed, not measured."""
TOKENS = ((800, 150), (3_000, 900), (6_000, 2_500))
"""In and out, by the difficulty."""
FIRST_TOKEN = 0.8
"""Seconds."""
KEYS = {"ANTHROPIC_API_KEY": "none is asked", "OPENAI_API_KEY": "none is asked"}


@dataclass(frozen=True)
class Inquiry:
    task: str
    difficulty: int
    luck: float
    """It is answered rightly where a right answer is more probable than this."""


Choose = Callable[[int, Inquiry], Model]


def labelled(name: str) -> list[tuple[str, int]]:
    """The tasks of a set, with their labels as 0 to 2."""
    lines = (DATA / SETS[name]).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return [(row["task"], LABELS.index(row["label"])) for row in rows]


def estimated(task: str) -> int:
    """The class that the estimate puts the task in, by the default cuts."""
    level, cuts = complexity(task), Config().router
    return (level >= cuts.simple) + (level > cuts.complex)


def accuracy() -> None:
    row("set", "tasks", "right", *(f"right of {label}" for label in LABELS), "off by two")
    row(*["---"] * 7)
    for name in SETS:
        pairs = [(label, estimated(task)) for task, label in labelled(name)]
        parts = [[pair for pair in pairs if pair[0] == label] for label in range(3)]
        shares = [share(part) for part in (pairs, *parts)]
        row(name, len(pairs), *shares, sum(abs(label - guess) == 2 for label, guess in pairs))


def inquiries(seed: int) -> list[Inquiry]:
    """Half of them, on the whole, from each set."""
    draw, sets = random.Random(seed), [labelled(name) for name in SETS]
    return [Inquiry(*draw.choice(draw.choice(sets)), draw.random()) for _ in range(INQUIRIES)]


def costs(seed: int) -> None:
    catalog, asked = Catalog(KEYS, Config()), inquiries(seed)
    row("way of choosing", "right answers", "USD", "USD per right answer", "mean seconds", *TIERS)
    row(*["---"] * 8)
    for tier in reversed(TIERS):
        compare(catalog, f"always {tier}", asked, always(catalog, tier))
    for preference in (None, "cost_sensitive", "speed_priority", "quality_priority"):
        name = f"routed, {preference}" if preference else "routed"
        compare(catalog, name, asked, routed(catalog, preference))
    tiers = {tier: always(catalog, tier) for tier in TIERS}
    compare(catalog, "by the labels", asked, lambda seat, one: tiers[TIERS[one.difficulty]](seat, one))


def always(catalog: Catalog, tier: Tier) -> Choose:
    seats = [catalog.models_for(tier, default="balanced", seat=seat) for seat in range(2)]
    return lambda seat, inquiry: seats[seat % 2][0]


def routed(catalog: Catalog, preference: Preference | None) -> Choose:
    seats = [
        catalog.models_for(None, default="balanced", seat=seat, preference=preference) for seat in range(2)
    ]
    return lambda seat, inquiry: seats[seat % 2].ranked(inquiry.task).models[0]


def compare(catalog: Catalog, name: str, asked: Iterable[Inquiry], choose: Choose) -> None:
    right, usd, used = 0, 0.0, dict.fromkeys(TIERS, 0)
    seconds = []
    for seat, inquiry in enumerate(asked):
        model = choose(seat, inquiry)
        known = catalog.table.row(model.name)
        assert known is not None
        assert known.tier is not None
        assert known.speed is not None
        tokens = TOKENS[inquiry.difficulty]
        right += inquiry.luck < RIGHT[known.tier][inquiry.difficulty]
        usd += catalog.prices.amount(model, *tokens).usd
        seconds.append(FIRST_TOKEN + tokens[1] / known.speed)
        used[known.tier] += 1
    row(name, right, f"{usd:.2f}", f"{usd / right:.4f}", f"{statistics.mean(seconds):.1f}", *used.values())


def share(pairs: list[tuple[int, int]]) -> str:
    return f"{sum(label == guess for label, guess in pairs) / len(pairs):.0%}"


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    accuracy()
    print()
    costs(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
