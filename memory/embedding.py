"""Records without a vector of the embedder get one, in the background."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock, Timeout

from guildhall.errors import describe
from guildhall.redact import logger

from .embedders import Embedder
from .store import vectors
from .store.database import Database, reported

if TYPE_CHECKING:
    from .embedders import Vectors

BATCH = 64
"""Records at a time: what is written meanwhile comes next, and who closes waits for no more than these."""
SOON, LOOK, OTHERS = 0.05, 30.0, 0.5
"""Seconds from a write to its vector, between looks for what other processes wrote, and until the lock of
one that is at work is tried again."""
AGAIN, LONGEST_AGAIN = 15.0, 600.0
"""Seconds until a text that could not be embedded is tried again: four times as many each time."""
LOOK_THROUGH = 600.0
"""Seconds until all records are looked through once more: a vector can get lost."""
REST, LONGEST_REST = 1.0, 300.0
"""Seconds that an embedder which fails is left alone; twice as many each time."""
_PROBE = "memory"
"""What every embedder can embed that works at all."""

log = logger(__name__)
_Row = tuple[int, int, str]


class _Again(NamedTuple):
    """When a text is tried again, and how long that had to wait."""

    at: float
    wait: float


class Embedding:
    """The newest records come first. Of all processes that share a database, one embeds at a time.

    A text that cannot be embedded is passed over, noted and tried again later; words find it all the same.
    """

    def __init__(self, db: Database, embedder: Embedder) -> None:
        self._db, self._embedder = db, embedder
        self._lock = FileLock(db.path.parent / "embed.lock", mode=0o600, thread_local=False)
        self._some, self._stop = threading.Event(), threading.Event()
        self._done = 0
        """Records up to this number were seen to."""
        self._look_through = 0.0
        self._again: dict[int, _Again] = {}
        self.problem = ""
        """Why nothing is embedded now; empty where nothing is in the way."""

    @property
    def skipped(self) -> int:
        """How many texts could not be embedded so far."""
        return len(self._again)

    def wake(self) -> None:
        """Have what was written embedded soon."""
        self._some.set()

    def stop(self) -> None:
        """Have `run` return when it has done what it is at."""
        self._stop.set()
        self._some.set()

    def run(self) -> None:
        """Embed what has no vector, and what comes, until it is stopped. Blocks."""
        rest = REST
        while not self._stop.is_set():
            try:
                with reported(self._db.path), closing(self._db.connect()) as db:
                    while not self._stop.is_set():
                        if not self._pass(db):
                            self._stop.wait(OTHERS)
                            continue
                        rest, self.problem = REST, ""
                        if self._some.wait(LOOK):
                            self._stop.wait(SOON)
            except Exception as error:  # noqa: BLE001  whatever an embedder or a disk raises is tried again
                if self.problem != (problem := describe(error)):
                    log.warning("memories get no vectors now: %s", problem)
                self.problem = problem
                self._stop.wait(min(LONGEST_REST, max(rest, getattr(error, "retry_after", None) or 0.0)))
                rest = min(LONGEST_REST, 2 * rest)

    def _pass(self, db: sqlite3.Connection) -> bool:
        """Whether all were seen to; not while another process is at it."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        try:
            self._see_to_all(db)
        finally:
            self._lock.release()
        return True

    def _see_to_all(self, db: sqlite3.Connection) -> None:
        now = monotonic()
        if now >= self._look_through:
            self._done, self._look_through = 0, now + LOOK_THROUGH
        newest, due = self._done, {seq for seq, again in self._again.items() if again.at <= now}
        left = [(seq - 1, seq) for seq in due]
        """Ranges of numbers, above the first and up to the second; the last is seen to first."""
        while not self._stop.is_set():
            self._some.clear()
            if (last := _newest(db)) > newest:
                left.append((newest, last))
                newest = last
            if not left:
                self._done = newest
                return
            above, upto = left.pop()
            rows = self._missing(db, above, upto)
            if len(rows) == BATCH:
                left.append((above, rows[-1][0] - 1))
            self._keep(db, self._made([row for row in rows if row[0] not in self._again or row[0] in due]))

    def _missing(self, db: sqlite3.Connection, above: int, upto: int) -> list[_Row]:
        known, private = vectors.known_embedder(db, self._embedder.id), self._embedder.private
        return vectors.missing(db, known or 0, BATCH, after=above, upto=upto, private=private)

    def _keep(self, db: sqlite3.Connection, made: Sequence[tuple[int, int, bytes]]) -> None:
        if not made:
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            vectors.add(db, vectors.embedder_id(db, self._embedder.id), made)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        for seq, *_ in made:
            self._again.pop(seq, None)

    def _made(self, rows: Sequence[_Row]) -> list[tuple[int, int, bytes]]:
        """The vectors of those that can be embedded. Raises where the embedder fails, whatever the text."""
        if not rows:
            return []
        try:
            made = self._embedded([text for *_, text in rows])
        except Exception as error:
            if getattr(error, "retry_after", None):
                raise
            self._embedded([_PROBE])  # raises where no text is to blame
            if len(rows) > 1:
                half = len(rows) // 2
                return self._made(rows[:half]) + self._made(rows[half:])
            self._skip(rows[0][0], describe(error))
            return []
        kept = []
        for (seq, scope, _), vector in zip(rows, made, strict=True):
            if abs(float(vector @ vector) - 1) < 0.01:
                kept.append((seq, scope, vector.tobytes()))
            else:  # not a number, or nothing at all
                self._skip(seq, "its vector has no length")
        return kept

    def _embedded(self, texts: Sequence[str]) -> "Vectors":
        import numpy as np

        made = np.ascontiguousarray(self._embedder.embed(texts), np.float32)
        if made.shape != (wanted := (len(texts), self._embedder.size)):
            raise ValueError(f"{self._embedder.id} gave vectors of shape {made.shape}, not {wanted}")
        return made

    def _skip(self, seq: int, why: str) -> None:
        before = self._again.get(seq)
        if before is None:
            log.warning("the memory with number %d has no vector, and is found by words alone: %s", seq, why)
        wait = AGAIN if before is None else min(LONGEST_AGAIN, 4 * before.wait)
        self._again[seq] = _Again(monotonic() + wait, wait)


def _newest(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM records").fetchone()[0])
