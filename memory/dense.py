"""The dense side of recall: which records mean what the query means, as far as an embedder can tell."""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from guildhall.errors import describe

from .embedders import Embedder
from .question import Condition
from .store import vectors
from .store.vectors import Space

if TYPE_CHECKING:
    from .embedders import Vectors
    from .index import Index

_QUERIES = 64
"""Queries whose vectors are kept."""


class Near(NamedTuple):
    """Records by number, with how similar each is to the query; and how they were found."""

    similar: dict[int, float]
    served: Literal["words", "exact", "chroma"] = "words"
    why: str = ""
    unknown: frozenset[int] = frozenset()
    """Those that were asked about and have no vector yet."""


class Dense(Protocol):
    """Finds records that are similar to a query. It never raises: where it cannot, it says why."""

    def near(
        self,
        db: sqlite3.Connection,
        scope: int,
        query: str,
        most: int,
        gate: Condition | None,
        *,
        private: bool = False,
        among: Collection[int] = (),
    ) -> Near:
        """The most similar that meet the condition, if there is one, and who of `among` is unknown. Blocks.

        A `private` query is shown to no embedder that may not see what is private.
        """
        ...

    def written(self) -> None:
        """Have what was written embedded soon; never waits."""
        ...


class VectorSearch:
    """Compares the vector of the query with those of the records, through an index. Safe in threads."""

    def __init__(self, embedder: Embedder, index: "Index") -> None:
        self._embedder, self._index = embedder, index
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, Vectors] = OrderedDict()

    def near(
        self,
        db: sqlite3.Connection,
        scope: int,
        query: str,
        most: int,
        gate: Condition | None,
        *,
        private: bool = False,
        among: Collection[int] = (),
    ) -> Near:
        """As of Dense."""
        name = self._embedder.id
        if private and not self._embedder.private:
            return Near({}, why=f"what is private is not shown to {name}")
        try:
            self._index.tidy(db)
            known = vectors.known_embedder(db, name)
            if known is None or not vectors.count(db, space := Space(scope, known), 1):
                return Near({}, why=f"no record here has a vector of {name} yet")
            vector = self._vector(query)
            if not abs(float(vector @ vector) - 1) < 0.01:  # nothing, or not a number
                return Near({}, why=f"the query says nothing to {name}")
            near = self._index.nearest(db, space, vector, most, gate)
            rest = [seq for seq in among if seq not in near.similar]
            return near._replace(unknown=vectors.lacking(db, known, rest))
        except Exception as error:  # noqa: BLE001  of an embedder, a package, a disk; words find it all the same
            return Near({}, why=f"similar records cannot be looked for now: {describe(error)}")

    def written(self) -> None:
        """As of Dense; who embeds is told by others."""

    def close(self) -> None:
        """End what the index does in the background. Blocks for a moment."""
        self._index.close()

    def _vector(self, query: str) -> "Vectors":
        import numpy as np

        with self._guard:
            if (kept := self._kept.get(query)) is not None:
                self._kept.move_to_end(query)
                return kept
        vector = np.ascontiguousarray(self._embedder.embed([query])[0], np.float32)
        with self._guard:
            self._kept[query] = vector
            if len(self._kept) > _QUERIES:
                self._kept.popitem(last=False)
        return vector
