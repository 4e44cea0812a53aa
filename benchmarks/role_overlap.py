"""How often overlapping roles are found, and how often others are taken for such, on labelled pairs.

    python benchmarks/role_overlap.py

The threshold was first set on the tuning half; the other half has the same author. The blind pairs were
written by somebody else, who knew nothing of how roles are compared; their totals, and half of the pairs,
had been seen when the threshold was raised for the sake of fewer false alarms, so the figures are not blind.
"""

import json
import time
from pathlib import Path
from typing import Any

from guildhall.agents.fitness import Profile, known
from guildhall.agents.roles import OVERLAP, overlaps, similarity
from guildhall.agents.trades import trades

DATA = Path(__file__).parent / "data"
SETS = ("tuning", "held out", "blind")
LABELS = ("overlapping", "orthogonal")


def labelled(name: str, label: str) -> list[tuple[Profile, Profile]]:
    """The pairs of a set with that label."""
    file = DATA / f"roles_{name.replace(' ', '_')}.jsonl"
    rows = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    return [(_profile(row["one"]), _profile(row["other"])) for row in rows if row["label"] == label]


def _profile(role: dict[str, Any]) -> Profile:
    return Profile(role["name"], role["description"], tuple(role.get("capabilities", ())))


def found(name: str, label: str) -> float:
    """The share of these pairs that is said to overlap."""
    pairs = labelled(name, label)
    return sum(similarity(one, other) >= OVERLAP for one, other in pairs) / len(pairs)


def seconds_for_five() -> float:
    """How long a team of five takes that was never seen, the best of 20."""
    team = [pair[0] for pair in labelled("tuning", "orthogonal")[:5]]
    overlaps(team)  # once, so that the words themselves are known
    times = []
    for _ in range(20):
        known.cache_clear()
        trades.cache_clear()
        began = time.perf_counter()
        overlaps(team)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    print("| pairs | overlapping pairs | found | orthogonal pairs | false alarms |")
    print("| --- | --- | --- | --- | --- |")
    for name in SETS:
        counts = [len(labelled(name, label)) for label in LABELS]
        recall, alarms = (found(name, label) for label in LABELS)
        print(f"| {name} | {counts[0]} | {recall:.0%} | {counts[1]} | {alarms:.0%} |")
    print(f"\nA team of five takes {seconds_for_five() * 1000:.2f} ms.")


if __name__ == "__main__":
    main()
