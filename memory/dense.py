"""The dense side of recall: which records mean what the query means, as far as an embedder can tell."""

import sqlite3
from typing import Literal, NamedTuple, Protocol

from .question import Condition


class Near(NamedTuple):
    """Records by number, with how similar each is to the query; and how they were found."""

    similar: dict[int, float]
    served: Literal["words", "exact", "chroma"] = "words"
    why: str = ""


class Dense(Protocol):
    """Finds records that are similar to a query. It never raises: where it cannot, it says why."""

    def near(self, db: sqlite3.Connection, scope: int, query: str, most: int, gate: Condition | None) -> Near:
        """The most similar that meet the condition, if there is one. Blocks."""
        ...

    def written(self) -> None:
        """Have what was written embedded soon; never waits."""
        ...
