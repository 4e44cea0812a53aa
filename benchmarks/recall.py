"""What is found again: our recall against plain Chroma, FTS5 and simple hybrids.

    python benchmarks/recall.py [--set tuning|held_out] [--seed 1] [--parts] [--check]
    python benchmarks/recall.py --data FILE.json [--adapter module:Class]

The sets are made by recall_data.py. The weights of the recipe were found on other, public conversations;
the tuning set was used to look for mistakes, and the held-out one, with sentences of its own, only to see
whether what was mended holds there. MiniLM takes part where its file is, wordllama where it is installed.
`--parts` sets the weight of each part of the score to 0, one at a time. `--check` fails below the floors.

A file with other data is JSON:

    {"name": "mine",
     "items": [
       {"id": "1", "text": "We use MySQL.", "at": "2026-01-10T09:30:00Z",   or seconds since the epoch
        "scope": "shop", "session": "monday", "turn": 1, "speaker": "Ann",  these four may be left out
        "kind": "decision", "subject": "db.engine"}],                       so may these; episode, none
     "questions": [
       {"query": "Which database?", "category": "current decision",         any word will do
        "evidence": ["1"],                                                  none: it has no answer
        "filters": {"scope": "shop", "as_of": 1770000000}}]}                as_of may be left out

`--adapter` names a class without arguments that has `add(items)`, which is called once, with objects that
have the fields above, and `search(query, k, filters)`, which gives ids, or pairs of an id and a score, the
best first. It is measured beside the others.
"""

import argparse
import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from recall_adapters import Hybrid, Ours, PlainChroma, PlainFTS5
from recall_data import SETS, made
from recall_format import DECISIONS, DataSet, read
from recall_measures import HEAD, Adapter, Figures, Outcome, by_category, measured, outcome, table

from guildhall.memory.embedders import Embedder, chosen
from guildhall.memory.recall import MEASURED, Weights

EMBEDDERS = ("wordllama", "minilm")
CHECKED = 2
"""Projects that the check looks at."""
FLOORS = {"ours, words alone": (0.46, 0.60), "ours, wordllama": (0.50, 0.60)}
"""Of recall@10, and of hit@1 for decisions, in the check: well below what is measured."""


def memories(*, others: bool = True) -> dict[str, Callable[[], Adapter]]:
    """What is compared here, each with what makes it."""
    found: dict[str, Callable[[], Adapter]] = {"ours, words alone": Ours}
    embedders = {name: embedder for name in EMBEDDERS if (embedder := chosen(name).embedder) is not None}
    for name, embedder in embedders.items():
        embedder.load()
        found[f"ours, {name}"] = partial(Ours, embedder)
    if others:
        found["FTS5"] = lambda: PlainFTS5(told=False)
        found["FTS5, told more"] = lambda: PlainFTS5(told=True)
        for name, embedder in embedders.items():
            found |= _of_others(name, embedder)
    return found


def _of_others(name: str, embedder: Embedder) -> dict[str, Callable[[], Adapter]]:
    return {
        f"Chroma, {name}": lambda: PlainChroma(embedder, told=False),
        f"Chroma, {name}, told more": lambda: PlainChroma(embedder, told=True),
        f"hybrid by score, {name}": lambda: Hybrid(embedder, by="scores"),
        f"hybrid by rank, {name}": lambda: Hybrid(embedder, by="ranks"),
    }


def compared(data: DataSet, makers: Mapping[str, Callable[[], Adapter]]) -> list[Figures]:
    rows = []
    for name, make in makers.items():
        memory = make()
        rows.append(measured(name, memory, data))
        if isinstance(memory, Ours):
            memory.close()
    return rows


def parts(data: DataSet, memory: Ours, name: str) -> list[Figures]:
    """What becomes of the answers without each part of the score."""
    variants = {"all parts": MEASURED}
    variants |= {f"without {one.name}": replace(MEASURED, **{one.name: 0.0}) for one in fields(Weights)}
    rows = []
    for variant, weights in variants.items():

        def search(query: str, k: int, filters: Mapping[str, Any], weights: Weights = weights) -> Any:
            return memory.weighed(query, k, filters, weights)

        rows.append(Figures(f"{name}, {variant}", [outcome(search, one) for one in data.questions]))
    return rows


def lost(rows: Sequence[Figures]) -> list[list[str]]:
    """How many points of recall@10 each part is worth, by category: those that are lost without it."""
    whole = rows[0].by_category()
    lines = [["points of recall@10", "all", *whole, "hit@1 decisions"]]
    for row in rows[1:]:
        each = row.by_category()
        differences = [rows[0].recall - row.recall, *(whole[name] - each[name] for name in whole)]
        differences.append(rows[0].mean(_hit, DECISIONS) - row.mean(_hit, DECISIONS))
        lines.append([row.name, *("" if math.isnan(one) else f"{100 * one:+.1f}" for one in differences)])
    return lines


def verdict(rows: Sequence[Figures]) -> str:
    """How far the best of ours is above the best of the others, in a line."""
    best, other = _best(rows)
    if best is None or other is None:
        return ""
    points = 100 * (best.recall - other.recall)
    return f"{best.name}: {points:+.1f} points of recall@10 against the best of the others ({other.name})"


def broken(rows: Sequence[Figures]) -> list[str]:
    """What is below its floor, or not better than the others."""
    problems = []
    for row in rows:
        figures = zip(("recall@10", "hit@1 decisions"), (row.recall, row.mean(_hit, DECISIONS)), strict=True)
        for (what, value), floor in zip(figures, FLOORS.get(row.name, (0.0, 0.0)), strict=True):
            if value < floor:
                problems.append(f"{row.name}: {what} is {value:.3f}, and must be {floor} or more")
    best, other = _best(rows)
    if best is not None and other is not None and best.recall <= other.recall:
        problems.append(verdict(rows))
    return problems


def main(data: DataSet, adapter: str, *, weigh: bool, check: bool) -> int:
    print(f"{data.name}: {len(data.items):,} records, {len(data.questions):,} questions\n")
    makers = memories()
    if adapter:
        makers[adapter] = _named(adapter)
    rows = compared(data, makers)
    print(table([HEAD, *(row.row() for row in rows)]), end="\n\n")
    print(table(by_category(rows)), verdict(rows), sep="\n\n")
    if weigh:
        for name, make in makers.items():
            memory = make() if name.startswith("ours") else None
            if isinstance(memory, Ours):
                memory.add(data.items)
                print("\n" + table(lost(parts(data, memory, name))))
                memory.close()
    problems = broken(rows) if check else []
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _named(adapter: str) -> Callable[[], Adapter]:
    module, _, name = adapter.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    make: Callable[[], Adapter] = getattr(importlib.import_module(module), name)
    return make


def _best(rows: Sequence[Figures]) -> tuple[Figures | None, Figures | None]:
    """The best of ours, and the best of the others."""
    ours = [row for row in rows if row.name.startswith("ours")]
    others = [row for row in rows if not row.name.startswith("ours")]
    best, other = (max(each, key=lambda row: row.recall, default=None) for each in (ours, others))
    return best, other


def _hit(one: Outcome) -> float:
    return one.hit


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--set", choices=SETS, default="tuning", help="which of the made sets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="a file with other data, in place of a made set")
    parser.add_argument("--adapter", default="", metavar="MODULE:CLASS", help="another memory to measure")
    parser.add_argument("--parts", action="store_true", help="say what each part of the score is worth")
    parser.add_argument("--check", action="store_true", help="on a part of the data; fail below the floors")
    given = parser.parse_args()
    chosen_set = read(given.data) if given.data else made(given.set, given.seed)
    if given.check:
        chosen_set = chosen_set.part(CHECKED)
    sys.exit(main(chosen_set, given.adapter, weigh=given.parts, check=given.check))
