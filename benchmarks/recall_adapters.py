"""The memories that are compared: ours, and what others build on the same index, words or vectors.

All are given the same items and filters. Who knows no `as_of` leaves out what was said later. The better
forms of the others index what ours does: date, speaker and subject for words, speaker and the turn before for
vectors, a table for each project.
"""

import asyncio
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from recall_format import Item

from guildhall.memory.dense import VectorSearch
from guildhall.memory.embedders import Embedder
from guildhall.memory.index import Index
from guildhall.memory.ledger import EVERYWHERE, scope_ids
from guildhall.memory.memory import Memory
from guildhall.memory.question import Question
from guildhall.memory.recall import MEASURED, POOL, Pool, Weights, recalled
from guildhall.memory.records import Author, Kind, Record
from guildhall.memory.store import vectors
from guildhall.memory.store.database import Database
from guildhall.memory.words import header, sharing, telling

Scored = list[tuple[str, float]]
AT_ONCE = 200
"""Items that are handed to our memory together, as several writers would."""


class Ours:
    """The memory of this repository, by words alone or with an embedder, through its own face."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="guildhall-recall-")
        self._db, self._embedder = Database(Path(self._folder.name) / "guildhall.db"), embedder
        self._dense = None if embedder is None else VectorSearch(embedder, Index(self._db))
        self._memory = Memory(self._db, dense=self._dense)
        self._loop = asyncio.Runner()
        self._pools: dict[tuple[str, Question], Pool] = {}

    def add(self, items: Sequence[Item]) -> None:
        self._loop.run(self._remember(items))
        if self._embedder is not None:
            embed_all(self._db, self._embedder)

    def search(self, query: str, k: int, filters: Mapping[str, Any]) -> Scored:
        hits = self._loop.run(self._memory.recall(query, limit=k, **filters))
        return [(hit.record.id, hit.score) for hit in hits]

    def weighed(self, query: str, k: int, filters: Mapping[str, Any], weights: Weights = MEASURED) -> Scored:
        """What `search` gives, if the parts of the score had these weights."""
        with closing(self._db.connect()) as db:
            given = dict(filters)
            scope, at = given.pop("scope", "default"), given.pop("as_of", 1e11)
            question = Question(query=query, at=at, min_trust=0.5, **given)
            if (scope, question) not in self._pools:
                self._pools[scope, question] = self._pool(db, scope, question)
            pool = self._pools[scope, question]
            found: Scored = []
            for hit in recalled(db, question, pool, weights=weights):
                found.append((hit.record.id, hit.score))
                if len(found) == k:
                    break
            return found

    def close(self) -> None:
        if self._dense is not None:
            self._dense.close()
        self._loop.close()
        self._db.close()
        self._folder.cleanup()

    def _pool(self, db: sqlite3.Connection, scope: str, question: Question) -> Pool:
        said, meant = dict[int, float](), dict[int, float]()
        for number in scope_ids(db, scope, EVERYWHERE):
            said |= sharing(db, number, telling(question.query), POOL, question.gate())
            if self._dense is not None:
                meant |= self._dense.near(db, number, question.query, POOL, None).similar
        return Pool(said, meant)

    async def _remember(self, items: Sequence[Item]) -> None:
        for start in range(0, len(items), AT_ONCE):
            await asyncio.gather(*map(self._one, items[start : start + AT_ONCE]))

    async def _one(self, item: Item) -> None:
        await self._memory.remember(
            item.text,
            id=item.id,
            scope=item.scope,
            kind=cast("Kind", item.kind),
            subject=item.subject,
            session=item.session,
            turn=item.turn,
            author=Author(agent=item.speaker),
            trust=1.0,
            valid_from=item.at,
        )


def embed_all(db: Database, embedder: Embedder) -> None:
    """Give every record its vector now, as the background does in time."""
    with closing(db.connect()) as own:
        number = vectors.embedder_id(own, embedder.id)
        while rows := vectors.missing(own, number, 256):
            made = embedder.embed([text for *_, text in rows])
            own.execute("BEGIN IMMEDIATE")
            vectors.add(
                own,
                number,
                [(seq, scope, row.tobytes()) for (seq, scope, _), row in zip(rows, made, strict=True)],
            )
            own.execute("COMMIT")


class PlainChroma:
    """A Chroma collection for each project; `told` embeds the speaker and the turn before, too."""

    def __init__(self, embedder: Embedder, *, told: bool) -> None:
        import chromadb
        from chromadb.config import Settings

        self._embedder, self._told = embedder, told
        self._client = chromadb.EphemeralClient(Settings(anonymized_telemetry=False, allow_reset=True))
        self._client.reset()
        self._scopes: dict[str, Any] = {}

    def add(self, items: Sequence[Item]) -> None:
        texts = with_context(items) if self._told else [item.text for item in items]
        grouped: defaultdict[str, list[int]] = defaultdict(list)
        for at, item in enumerate(items):
            grouped[item.scope].append(at)
        for number, (scope, places) in enumerate(grouped.items()):
            collection = self._client.create_collection(
                f"scope-{number}", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
            self._scopes[scope] = collection
            for start in range(0, len(places), 1000):
                part = places[start : start + 1000]
                collection.add(
                    ids=[items[at].id for at in part],
                    embeddings=self._embedder.embed([texts[at] for at in part]),
                    metadatas=[{"at": items[at].at} for at in part],
                )

    def search(self, query: str, k: int, filters: Mapping[str, Any]) -> Scored:
        collection = self._scopes[filters.get("scope", "default")]
        where = {"at": {"$lte": filters["as_of"]}} if "as_of" in filters else None
        vector = self._embedder.embed([query])
        found = collection.query(
            query_embeddings=vector, n_results=min(k, collection.count()), where=where, include=["distances"]
        )
        return [
            (id_, 1 - distance)
            for id_, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        ]  # fmt: skip


class PlainFTS5:
    """A full-text table for each project; `told` is with stems, date and speaker, and without stop words."""

    def __init__(self, *, told: bool) -> None:
        self._told, self._db = told, sqlite3.connect(":memory:")
        self._scopes: dict[str, int] = {}

    def add(self, items: Sequence[Item]) -> None:
        tokenize = "porter unicode61 remove_diacritics 2" if self._told else "unicode61"
        for item in items:
            if item.scope not in self._scopes:
                number = self._scopes[item.scope] = len(self._scopes)
                self._db.execute(
                    f"CREATE VIRTUAL TABLE words_{number} USING fts5 "
                    f"(text, id UNINDEXED, at UNINDEXED, tokenize='{tokenize}')"
                )
            text = with_header(item) if self._told else item.text
            table = f"words_{self._scopes[item.scope]}"
            self._db.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", (text, item.id, item.at))

    def search(self, query: str, k: int, filters: Mapping[str, Any]) -> Scored:
        words = telling(query) if self._told else query.replace('"', " ").split()
        if not words:
            return []
        table = f"words_{self._scopes[filters.get('scope', 'default')]}"
        wanted = " OR ".join(f'"{word}"' for word in words)
        return self._db.execute(
            f"SELECT id, -bm25({table}) AS score FROM {table} WHERE {table} MATCH ? AND at <= ? "
            "ORDER BY score DESC LIMIT ?",
            (wanted, filters.get("as_of", 1e11), k),
        ).fetchall()


class Hybrid:
    """Words and vectors together, the better forms of both: by their scores, or by their ranks (RRF)."""

    def __init__(self, embedder: Embedder, *, by: str) -> None:
        self._by, self._pool = by, POOL
        self._words, self._vectors = PlainFTS5(told=True), PlainChroma(embedder, told=True)

    def add(self, items: Sequence[Item]) -> None:
        self._words.add(items)
        self._vectors.add(items)

    def search(self, query: str, k: int, filters: Mapping[str, Any]) -> Scored:
        said = self._words.search(query, self._pool, filters)
        meant = self._vectors.search(query, self._pool, filters)
        fused = self._by_rank(said, meant) if self._by == "ranks" else self._by_score(said, meant)
        return sorted(fused.items(), key=lambda pair: -pair[1])[:k]

    def _by_rank(self, *lists: Scored) -> dict[str, float]:
        fused: defaultdict[str, float] = defaultdict(float)
        for found in lists:
            for at, (id_, _) in enumerate(found, 1):
                fused[id_] += 1 / (60 + at)
        return fused

    def _by_score(self, said: Scored, meant: Scored) -> dict[str, float]:
        fused: defaultdict[str, float] = defaultdict(float)
        most = max((score for _, score in said), default=1.0) or 1.0
        least = min((score for _, score in meant), default=0.0)
        span = max((score for _, score in meant), default=1.0) - least or 1.0
        for id_, score in said:
            fused[id_] += 0.55 * score / most
        for id_, score in meant:
            fused[id_] += 0.45 * (score - least) / span
        return fused


def with_header(item: Item) -> str:
    """The words that our memory indexes of it."""
    record = Record(
        id=item.id, text=item.text, kind=cast("Kind", item.kind), subject=item.subject, scope=item.scope,
        author=Author(agent=item.speaker), valid_from=item.at,
    )  # fmt: skip
    return header(record) + item.text


def with_context(items: Sequence[Item]) -> list[str]:
    """What our memory embeds of each."""
    at = {(item.scope, item.session, item.turn): item for item in items if item.session}
    told = []
    for item in items:
        before = at.get((item.scope, item.session, item.turn - 1)) if item.session else None
        about = f"[{item.kind} | {item.subject}] " if item.subject else ""
        speaker = f"{item.speaker}: " if item.speaker else ""
        told.append(f"{about}{speaker}{item.text}" + (f" (after: {before.text})" if before else ""))
    return told
