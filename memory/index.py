"""The records whose vectors are nearest: over Chroma where that is quicker and proven sound, else exactly.

Whatever becomes of Chroma, each answer is of all that is committed: what its index has not seen yet is looked
at one by one, and any doubt means that all is.
"""

import heapq
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from .chroma_client import Chroma, ChromaError, Refused
from .chroma_places import Remote
from .chroma_server import IDLE
from .dense import Near
from .question import Condition
from .store import vectors
from .store.database import Database
from .store.vectors import Space
from .tending import BATCH, LOST, OFF, REST, Tending

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW = 2_000
"""Vectors that are looked at one by one; Chroma is asked about more."""
_MORE_BY_GATE, _MORE = 4, 1.5
"""Candidates for each that is wanted: with a condition, at least; and without, as some may be deleted."""
_WORTH = 10
"""Vectors that are looked at in the time that one candidate takes."""


class _Unsure(ChromaError):
    """It is not the index that should answer now; nothing is wrong with it."""


class _Wish(NamedTuple):
    """The records that are wanted: so many of a space as are nearest to a vector, and meet a condition."""

    space: Space
    vector: "NDArray[np.float32]"
    most: int
    gate: Condition | None


class Index:
    """The vectors of one database. Safe to use from several threads and processes at once."""

    def __init__(
        self,
        database: Database,
        *,
        url: str = "",
        token: str = "",
        few: int = FEW,
        batch: int = BATCH,
        idle: float = IDLE,
        rest: float = REST,
    ) -> None:
        """Over the Chroma server at the address, or else the one of the database's folder.

        An address that is none is that of a server which never answers. Nothing is opened or started before
        there are more than `few` vectors. A server of ours leaves after `idle` seconds without use; what
        failed is left alone `rest` times as long as it took.
        """
        remote = Remote(url, token) if url else None
        self._few = few
        self._tending = Tending(database, remote, batch=batch, idle=idle, rest=rest)

    @classmethod
    def configured(cls, database: Database) -> "Index":
        """As GUILDHALL_CHROMA_URL and GUILDHALL_CHROMA_TOKEN say."""
        named = os.environ.get
        return cls(database, url=named("GUILDHALL_CHROMA_URL", ""), token=named("GUILDHALL_CHROMA_TOKEN", ""))

    def nearest(
        self,
        db: sqlite3.Connection,
        space: Space,
        vector: "NDArray[np.float32]",
        most: int,
        gate: Condition | None = None,
    ) -> Near:
        """The records nearest to a vector of unit length that meet the condition, the best first. Blocks."""
        wish = _Wish(space, vector, most, gate)
        there = vectors.count(db, space, self._few + 1)
        if not there:
            return Near({}, why="no record here has a vector yet")
        try:
            if there <= self._few:
                raise _Unsure(f"there are {there:,} vectors, few enough to look at each")
            return Near(self._indexed(db, wish), "chroma")
        except ChromaError as why:
            return Near(_scan(db, wish), "exact", str(why))

    def clear(self, db: sqlite3.Connection) -> list[str]:
        """Have what was indexed before the index was to begin anew gone, wherever it is. Blocks.

        In a line each, what could not be removed; that is done as soon as it can be.
        """
        return self._tending.clear(db)

    def tidy(self, db: sqlite3.Connection) -> None:
        """Have the same done in the background, where there is anything to do; never waits."""
        self._tending.tidy(db)

    def describe(self, db: sqlite3.Connection) -> list[str]:
        """In a line each, which way the vectors of each scope are served, and how the server is. Blocks.

        No server is started to say so.
        """
        lines = []
        for scope, embedder, there, fed, _ in vectors.states(db):
            way = "looked at one by one" if there <= self._few else f"{fed:,} of them in the index"
            lines.append(f"{scope}: {there:,} vectors of {embedder}, {way}")
        lines += [
            f"{place} holds an earlier index, which is to be removed" for place in self._tending.abandoned(db)
        ]
        place = self._tending.place(db)
        with closing(Chroma(place, timeout=place.connecting)) as chroma:
            try:
                chroma.ask()
            except ChromaError as error:
                return [*lines, str(error)]
        return [*lines, f"{place} answers"]

    def close(self) -> None:
        """End what is done in the background. Blocks for a moment."""
        self._tending.close()

    def _indexed(self, db: sqlite3.Connection, wish: _Wish) -> dict[int, float]:
        """Raises ChromaError where it should not, or cannot, answer."""
        wanted = _candidates(db, wish)
        mark = vectors.mark(db, wish.space)
        trusted = self._tending.trusted(db, wish.space, mark)
        if trusted is None:
            raise _Unsure(self._tending.why(wish.space))
        reader = trusted.reader
        wanted = min(wanted, reader.server.most)
        try:
            [found] = reader.query(trusted.collection, wish.vector[None], wanted, on=trusted.connection)
            hits = _checked(db, wish, found)
        except ChromaError as error:
            self._tending.doubt(wish.space, mark.epoch, error)
            raise
        if len(hits) < wish.most:
            if wish.gate is None:  # many of those that it holds are gone from the ledger
                self._tending.doubt(wish.space, mark.epoch)
            raise _Unsure(f"of {len(found)} candidates of the index only {len(hits)} may answer")
        return _best(hits | _scan(db, wish, after=mark.watermark), wish.most)


def _candidates(db: sqlite3.Connection, wish: _Wish) -> int:
    """How many leave enough. Raises where it is quicker to look at each vector."""
    wanted = int(wish.most * _MORE)
    if wish.gate is not None:
        part = max(vectors.share(db, wish.space, wish.gate), 1e-6)
        wanted = max(wish.most * _MORE_BY_GATE, int(wanted / part))
        if vectors.count(db, wish.space, wanted * _WORTH) < wanted * _WORTH:
            raise _Unsure("few records may answer, so it is quicker to look at each")
    return wanted


def _checked(db: sqlite3.Connection, wish: _Wish, found: Mapping[int, float]) -> dict[int, float]:
    """Those candidates that the ledger knows and lets through, as similar as their own vectors say."""
    known = vectors.checked(db, wish.space, list(found), wish.gate)
    if not known:
        return {}
    similar = (_matrix([each.vector for each in known]) @ wish.vector).tolist()
    off = sum(not abs(found[each.seq] - own) <= OFF for each, own in zip(known, similar, strict=True))
    if off > len(known) * LOST:
        raise Refused(f"{off} of {len(known)} similarities of the index are wrong")
    return {each.record: own for each, own in zip(known, similar, strict=True)}


def _scan(db: sqlite3.Connection, wish: _Wish, *, after: int = 0) -> dict[int, float]:
    """The nearest of all above `after`, by looking at each."""
    import numpy as np

    records: list[int] = []
    parts = []
    for rows in vectors.read(db, wish.space, wish.gate, after=after):
        records += [record for record, _ in rows]
        parts.append(_matrix([vector for _, vector in rows]) @ wish.vector)
    if not records:
        return {}
    similar = np.concatenate(parts)
    best = np.argpartition(-similar, min(wish.most, len(records)) - 1)[: wish.most]
    return _best({records[at]: float(similar[at]) for at in best}, wish.most)


def _matrix(rows: Sequence[bytes]) -> "NDArray[np.float32]":
    import numpy as np

    return np.frombuffer(b"".join(rows), np.float32).reshape(len(rows), -1)


def _best(similar: Mapping[int, float], most: int) -> dict[int, float]:
    return dict(heapq.nlargest(most, similar.items(), key=lambda each: each[1]))
