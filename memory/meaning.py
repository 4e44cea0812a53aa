"""The dense side of recall as Memory holds it: nothing before it is needed, and never in the way of words."""

import sqlite3
import threading
from collections.abc import Callable, Collection
from time import monotonic

from guildhall.errors import describe
from guildhall.redact import logger

from .dense import Near, VectorSearch
from .embedders import Choice, Embedder
from .embedding import LONGEST_REST, REST, Embedding
from .question import Condition
from .store.database import Database

PATIENCE = 0.03
"""Seconds that the first recall waits for the embedder, which others of the process may have loaded."""
A_SCRIPTS_PATIENCE = 1.0
"""The same where a program asks that may end with the answer: nobody has loaded it for that."""
UNHURRIED = 0.5
"""Seconds from the first write of a process to the loading of the embedder: many end before that."""
CLOSING = 2.0
"""Seconds that closing waits for what the thread is at."""

log = logger(__name__)


class Meaning:
    """Answers once its embedder is loaded, which the first recall begins; until then it says why not."""

    def __init__(self, db: Database, choose: Callable[[], Choice], *, patience: float = PATIENCE) -> None:
        self._db, self._choose, self._patience = db, choose, patience
        self._why = "the embedder is being loaded"
        self._wanted, self._tried, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._guard, self._until = threading.Lock(), 0.0
        self._thread: threading.Thread | None = None
        self._ready: VectorSearch | None = None
        self._embedder: Embedder | None = None
        self._embedding: Embedding | None = None

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
        """What is nearest, or why nobody looks for that now. As of Dense."""
        self._begin(wanted=True)
        if self._ready is None:
            self._tried.wait(max(0.0, self._until - monotonic()))
        if self._ready is None:
            return Near({}, why=self._why)
        return self._ready.near(db, scope, query, most, gate, private=private, among=among)

    def written(self) -> None:
        """As of Dense."""
        self._begin(wanted=False)
        if self._embedding is not None:
            self._embedding.wake()
        if self._ready is not None:
            self._ready.written()

    def close(self) -> None:
        """End what goes on in the background; what is not embedded yet will be, by whoever comes. Blocks."""
        self._stop.set()
        self._wanted.set()
        if self._embedding is not None:
            self._embedding.stop()
        with self._guard:
            thread = self._thread
        if thread is not None:
            thread.join(CLOSING)
        if self._ready is not None:
            self._ready.close()
        if (close := getattr(self._embedder, "close", None)) is not None:  # one that holds connections
            close()

    @property
    def problem(self) -> str:
        """Why recall goes by words alone, or why nothing is embedded, now; empty where all is well."""
        if self._ready is None or self._embedding is None:
            return self._why
        return self._embedding.problem

    def _begin(self, *, wanted: bool) -> None:
        with self._guard:
            if wanted and not self._wanted.is_set():
                self._until = monotonic() + self._patience
                self._wanted.set()
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="guildhall-embedding", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        self._wanted.wait(UNHURRIED)
        rest, choice = REST, None
        while not self._stop.is_set():
            try:
                choice = choice or self._choose()
                if choice.embedder is not None:
                    embedding = self._loaded(choice.embedder)
                    break
                self._why = choice.why
                self._tried.set()
                return
            except Exception as error:  # noqa: BLE001  of a file, a package, a provider; recall goes by words
                problem = f"the embedder cannot be used now: {describe(error)}"
                if problem != self._why:
                    log.warning("recall goes by words alone: %s", problem)
                self._why = problem
            self._tried.set()
            self._stop.wait(rest)
            rest = min(LONGEST_REST, 2 * rest)
        if not self._stop.is_set() and not self._db.read_only:
            embedding.run()

    def _loaded(self, embedder: Embedder) -> Embedding:
        from .index import Index

        self._embedder = embedder
        embedder.load()
        self._embedding = Embedding(self._db, embedder)
        self._ready = VectorSearch(embedder, Index.configured(self._db))
        self._tried.set()
        return self._embedding
