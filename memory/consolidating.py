"""Which episodes are about the same, so that facts can be made of them."""

import math
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from . import ledger, words
from .question import Question, both
from .records import Record

CONSOLIDATED, OPEN = "consolidated", "open question"
"""The tags of facts that were made of episodes, and of what is open after a run."""
LOOKED_AT = 500
"""The newest episodes."""
LEAST, MOST, CHARACTERS = 3, 12, 24_000
"""Episodes of one group, and characters of all its texts."""
OTHERS = 20
"""So many episodes more are taken to have none of the words, or among few no word would be rare."""
ALIKE = 0.12
"""The cosine, by words that are rarer than others, from which an episode belongs to a group."""


def waiting(db: sqlite3.Connection, scope: str) -> list[list[Record]]:
    """The episodes of the scope that hold, and of which no facts were made yet, in groups."""
    if not (known := ledger.scope_ids(db, scope)):
        return []
    gate, values = both(*_asked())
    tagged = "EXISTS (SELECT 1 FROM json_each({0}.tags) t WHERE t.value = ?)"
    done = (
        "SELECT f.value FROM records c JOIN json_each(c.derived_from) f "
        f"WHERE c.scope = {known[0]} AND c.derived_from <> '[]' AND {tagged.format('c')}"
    )
    condition = f"{gate} AND NOT {tagged.format('r')} AND r.id NOT IN ({done})"
    found = ledger.newest(db, known, (condition, (*values, OPEN, CONSOLIDATED)), LOOKED_AT)
    return grouped(found[::-1])


def grouped(records: Sequence[Record]) -> list[list[Record]]:
    """Those together that are about the same, for the same readers; those that stand alone are left out."""
    apart: defaultdict[tuple[str, bool], list[Record]] = defaultdict(list)
    for one in records:
        apart[ledger.readers(one), one.private].append(one)
    groups = [group for some in apart.values() for group in _alike(some)]
    return [part for group in groups for part in _parts(group) if len(part) >= LEAST]


def _asked() -> tuple[tuple[str, tuple[object, ...]], tuple[str, tuple[object, ...]]]:
    question = Question(query="", at=time.time(), kinds=("episode",), min_trust=0.5)
    return question.gate(), question.holds


def _alike(records: Sequence[Record]) -> list[list[Record]]:
    texts = [set(words.telling(one.text)) for one in records]
    often = Counter(word for text in texts for word in text)
    others = len(records) + OTHERS
    rare = {word: math.log(others / count) for word, count in often.items()}
    groups: list[_Group] = []
    for one, text in zip(records, texts, strict=True):
        weights = {word: rare[word] for word in text}
        best = max(groups, key=lambda group: group.likeness(weights), default=None)
        if best is None or best.likeness(weights) < ALIKE:
            groups.append(best := _Group())
        best.add(one, weights)
    return [group.records for group in groups]


class _Group:
    """Episodes, and the sum of what their words weigh."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._sum: defaultdict[str, float] = defaultdict(float)
        self._length = 0.0

    def add(self, record: Record, weights: Mapping[str, float]) -> None:
        self.records.append(record)
        for word, weight in weights.items():
            self._sum[word] += weight
        self._length = math.hypot(*self._sum.values())

    def likeness(self, weights: Mapping[str, float]) -> float:
        """The cosine of the two."""
        own = math.hypot(*weights.values())
        shared = sum(weight * self._sum[word] for word, weight in weights.items() if word in self._sum)
        return shared / (own * self._length) if own and self._length else 0.0


def _parts(group: Sequence[Record]) -> list[list[Record]]:
    """The group in parts that a model can be shown at once."""
    parts: list[list[Record]] = [[]]
    size = 0
    for one in group:
        if parts[-1] and (len(parts[-1]) == MOST or size + len(one.text) > CHARACTERS):
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += len(one.text)
    return parts
