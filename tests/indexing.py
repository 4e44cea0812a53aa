"""Records with vectors, for tests of what looks among vectors."""

import functools
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from guildhall.memory import ledger
from guildhall.memory.dense import Near, VectorSearch
from guildhall.memory.index import Index
from guildhall.memory.question import Question
from guildhall.memory.records import Record
from guildhall.memory.store import vectors
from guildhall.memory.store.database import Database

SIZE, FEW, BATCH, MOST = 32, 50, 64, 5


class Words:
    """Texts that share words are near each other."""

    id, size, private = "test:words", SIZE, True

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def load(self) -> None:
        pass

    def embed(self, texts: Sequence[str]) -> Any:
        self.embedded += texts
        return np.array([_vector(text) for text in texts], np.float32).reshape(len(texts), SIZE)


@functools.cache
def _word(word: str) -> Any:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=SIZE)


def _vector(text: str) -> Any:
    summed = sum((_word(word) for word in text.lower().split()), np.zeros(SIZE))
    return summed / (np.linalg.norm(summed) or 1)


def text_of(number: int) -> str:
    return f"note{number} about topic{number % 100} in month{number % 12}"


def filled(database: Database, numbers: Sequence[int], *, scope: str = "shop") -> None:
    """Have a record with a vector for each of the numbers, every second hundred of them decisions."""
    db = database.connect()
    db.execute("BEGIN IMMEDIATE")
    for number in numbers:
        kind = "decision" if number // 100 % 2 else "fact"
        id_ = f"{zlib.crc32(scope.encode()):08x}{number:024x}"
        ledger.write(db, Record(id=id_, text=text_of(number), kind=kind, scope=scope, valid_from=1.0))  # type: ignore[arg-type]  # one of the kinds
    embedder = vectors.embedder_id(db, Words.id)
    missing = vectors.missing(db, embedder, 10**6)
    made = Words().embed([text for _, _, text in missing])
    vectors.add(
        db, embedder, [(seq, to, row.tobytes()) for (seq, to, _), row in zip(missing, made, strict=True)]
    )
    db.execute("COMMIT")
    db.close()


def until(met: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return once the condition is met; a test that waits for longer has failed."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


class Asked:
    """A search over a database, as recall asks it."""

    def __init__(self, database: Database, url: str, token: str = "", few: int = FEW) -> None:
        self.database = database
        index = Index(database, url=url, token=token, few=few, batch=BATCH, rest=0.0)
        self.index, self.embedder = index, Words()
        self.search = VectorSearch(self.embedder, index)
        self.db = database.connect()

    def near(self, query: str, scope: str = "shop", **filters: Any) -> Near:
        gate = Question(query=query, at=0.0, **filters).gate() if filters else None
        [number] = ledger.scope_ids(self.db, scope)
        return self.search.near(self.db, number, query, MOST, gate)

    def texts(self, near: Near) -> list[str]:
        sql = "SELECT text FROM records WHERE seq = ?"
        return [self.db.execute(sql, (seq,)).fetchone()[0] for seq in near.similar]

    def by_chroma(self) -> None:
        """Return once the index answers."""
        until(lambda: self.near("anything").served == "chroma")
