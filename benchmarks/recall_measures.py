"""How well what was found answers what was asked."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median
from typing import Any, Protocol

from recall_format import DECISIONS, DataSet, Item, Question

DEPTH = 20


class Adapter(Protocol):
    """A memory that can be measured."""

    def add(self, items: Sequence[Item]) -> None:
        """Remember these, which come in the order of their times."""
        ...

    def search(self, query: str, k: int, filters: Mapping[str, Any]) -> Sequence[str | tuple[str, float]]:
        """The ids of at most `k` items, the best first; with their scores, if there are any."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of one question."""

    question: Question
    found: Sequence[str]
    score: float
    """Of the first; 0 where nothing was found."""
    seconds: float

    def recall(self, k: int) -> float:
        evidence = set(self.question.evidence)
        return len(evidence & set(self.found[:k])) / len(evidence)

    @property
    def ndcg(self) -> float:
        """nDCG@10, where all evidence counts the same."""
        evidence = set(self.question.evidence)
        gain = sum(1 / math.log2(at + 2) for at, id_ in enumerate(self.found[:10]) if id_ in evidence)
        return gain / sum(1 / math.log2(at + 2) for at in range(min(10, len(evidence))))

    @property
    def reciprocal_rank(self) -> float:
        evidence = set(self.question.evidence)
        return next((1 / at for at, id_ in enumerate(self.found, 1) if id_ in evidence), 0.0)

    @property
    def hit(self) -> float:
        return float(self.found[:1] != [] and self.found[0] in self.question.evidence)


@dataclass(frozen=True)
class Figures:
    """All outcomes of one memory."""

    name: str
    outcomes: Sequence[Outcome]
    ms_insert: float = 0.0

    def mean(self, measure: Callable[[Outcome], float], categories: Iterable[str] = ()) -> float:
        """Over the questions that have an answer, in these categories or in all."""
        wanted = set(categories)
        values = [
            measure(one)
            for one in self.outcomes
            if one.question.evidence and (not wanted or one.question.category in wanted)
        ]
        return fmean(values) if values else math.nan

    @property
    def recall(self) -> float:
        return self.mean(lambda one: one.recall(10))

    def by_category(self, k: int = 10) -> dict[str, float]:
        categories = dict.fromkeys(one.question.category for one in self.outcomes if one.question.evidence)
        return {category: self.mean(lambda one: one.recall(k), [category]) for category in categories}

    @property
    def told_apart(self) -> float:
        """How often the best score for a question with an answer beats one for a question without."""
        answered = [one.score for one in self.outcomes if one.question.evidence]
        absent = [one.score for one in self.outcomes if not one.question.evidence]
        if not answered or not absent:
            return math.nan
        return fmean((one > other) + 0.5 * (one == other) for one in answered for other in absent)

    def row(self) -> list[str]:
        shares = [
            *(self.mean(partial(Outcome.recall, k=k)) for k in (5, 10, 20)),
            self.mean(lambda one: one.ndcg),
            self.mean(lambda one: one.reciprocal_rank),
            self.mean(lambda one: one.hit, DECISIONS),
            self.told_apart,
        ]
        times = [1000 * median(one.seconds for one in self.outcomes), self.ms_insert]
        return [self.name, *(_share(share) for share in shares), *(f"{each:.2f}" for each in times)]


HEAD = (
    "memory", "recall@5", "recall@10", "recall@20", "nDCG@10", "MRR", "hit@1 decisions", "absent told apart",
    "ms a query", "ms an insert",
)  # fmt: skip


def measured(name: str, memory: Adapter, data: DataSet) -> Figures:
    """What the memory makes of the data set."""
    start = time.perf_counter()
    memory.add(data.items)
    insert = 1000 * (time.perf_counter() - start) / len(data.items)
    return Figures(name, [outcome(memory.search, one) for one in data.questions], insert)


def outcome(
    search: Callable[[str, int, Mapping[str, Any]], Sequence[str | tuple[str, float]]], question: Question
) -> Outcome:
    start = time.perf_counter()
    found = search(question.query, DEPTH, question.filters)
    seconds = time.perf_counter() - start
    pairs = [(one, 0.0) if isinstance(one, str) else one for one in found]
    return Outcome(question, [id_ for id_, _ in pairs], pairs[0][1] if pairs else 0.0, seconds)


def by_category(rows: Sequence[Figures]) -> list[list[str]]:
    """The recall@10 of each memory in each category, with the number of questions above."""
    categories = list(dict.fromkeys(name for row in rows for name in row.by_category()))
    counts: defaultdict[str, int] = defaultdict(int)
    for one in rows[0].outcomes:
        counts[one.question.category] += 1
    head = ["recall@10 by category", *(f"{name} ({counts[name]})" for name in categories)]
    return [head, *([row.name, *(_share(row.by_category()[name]) for name in categories)] for row in rows)]


def table(lines: Sequence[Sequence[str]]) -> str:
    """The lines as Markdown that reads well as it stands."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    marks = [f"{'-' * (width - (at > 0))}{':' * (at > 0)}" for at, width in enumerate(widths)]
    told = (
        [
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in (lines[0], marks, *lines[1:])
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in told)


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
