"""What all runs remember together."""

import asyncio
import contextlib
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, get_args

from guildhall.errors import UserError
from guildhall.redact import redact

from . import consolidating, given, ledger, words
from .dense import Dense, Near
from .importance import estimated, stays
from .keeping import Keeping
from .question import Filters, Question, asked_for, both
from .recall import POOL, Pool, recalled
from .records import (
    NOBODY,
    TRUST,
    Author,
    Found,
    Hit,
    Kind,
    Origin,
    Record,
    Remembered,
    Visibility,
)
from .settling import NEAR_KINDS, Settlement, near, promoted, settled
from .store.database import Database

if TYPE_CHECKING:
    from .ingest.sync import Ingested, OnProgress

MOST = 200
"""Records of one answer."""


class Memory(Keeping):
    """Records of one database; each project is a scope of its own."""

    def __init__(self, db: Database, *, scope: str = "default", dense: Dense | None = None) -> None:
        super().__init__(db, given.scope(scope))
        self._dense = dense
        self._project: Path | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, project: Path | None = None, *, embedder: str = "") -> "AsyncIterator[Memory]":
        """The memory of the user, from the project in the working folder or in this one.

        The `embedder` is one of this machine (auto, minilm, wordllama, none): the one that the environment or
        config.toml names if not given.
        """
        from guildhall.home import data_folder, project_folder, scope_of

        from .embedders import chosen, setting_in
        from .meaning import A_SCRIPTS_PATIENCE, Meaning

        home = data_folder()
        db = await asyncio.to_thread(Database, home / "guildhall.db")
        dense = Meaning(db, lambda: chosen(embedder or setting_in(home)), patience=A_SCRIPTS_PATIENCE)
        try:
            memory = cls(db, scope=scope_of(folder := project_folder(project)), dense=dense)
            memory._project = folder
            yield memory
        finally:
            await asyncio.to_thread(dense.close)
            await asyncio.to_thread(db.close)

    async def remember(
        self,
        text: str,
        *,
        scope: str = "",
        kind: Kind = "fact",
        subject: str | None = None,
        visibility: Visibility = "project",
        author: Author = NOBODY,
        source: str = "",
        place: str = "",
        source_hash: str = "",
        session: str = "",
        turn: int = 0,
        derived_from: Sequence[str] = (),
        tags: Sequence[str] = (),
        trust: float | None = None,
        importance: float | None = None,
        valid_from: float | None = None,
        expires_at: float | None = None,
        pinned: bool = False,
        private: bool = False,
        id: str | None = None,  # noqa: A002  the name of the field
    ) -> Remembered:
        """What became of the text, once it is on disk; secrets in it are taken out first.

        A `subject` names what the record is about: it holds from then on in place of the older ones of the
        same subject, but for those that are trusted more: it stands beside them. An exact duplicate is
        merged. `trust` is that of the author if not given, and never more than that of what it is derived
        from; `importance` follows from the kind and the words. What is marked `private` is shown only to
        models that are. With an `id` that is there already, or was forgotten, nothing is done.
        """
        now, text = time.time(), given.text(text)
        kind, subject = given.one_of("kind", kind, get_args(Kind)), given.subject(subject)
        trust = TRUST["agent" if author.agent else "user"] if trust is None else trust
        importance = estimated(kind, text, subject) if importance is None else importance
        visibility = given.one_of("visibility", visibility, get_args(Visibility))
        if visibility == "team" and not author.team:
            raise UserError("what is for a team needs the team's name: give an author with a team")
        record = Record(
            id=id or secrets.token_hex(16),
            text=text,
            kind=kind,
            subject=subject,
            scope=ledger.EVERYWHERE if visibility == "user" else self._scope(scope),
            visibility=visibility,
            author=Author(**{name: redact(value) for name, value in author}),
            source=given.line("source", source),
            place=given.line("place", place),
            source_hash=source_hash,
            session=given.line("session", session),
            turn=turn and given.count("turn", turn, 2**53 - 1),
            derived_from=tuple(derived_from),
            tags=given.tags(tags),
            trust=given.fraction("trust", trust),
            importance=given.fraction("importance", importance),
            valid_from=now if valid_from is None else given.moment("valid_from", valid_from),
            recorded_at=now,
            expires_at=None if expires_at is None else given.moment("expires_at", expires_at),
            pinned=pinned,
            private=private,
        )
        kept = await self._db.write(lambda db: ledger.write(db, record))
        if self._dense is not None:
            self._dense.written()
        if kept.merged or kind not in NEAR_KINDS:
            return kept
        others = await self._db.read(lambda db: near(db, record, self._dense))
        return kept.model_copy(update={"conflicts": tuple(dict.fromkeys([*kept.conflicts, *others]))})

    async def ingest(
        self,
        path: str | Path,
        *,
        scope: str = "",
        project: Path | None = None,
        author: Author = NOBODY,
        private: bool | None = None,
        again: bool = False,
        on_progress: "OnProgress | None" = None,
    ) -> "Ingested":
        """What became of the documents at the path; those that were kept before are kept as they are now.

        They are called by their paths in the project, which is that of the memory if not given. `private`
        holds for all of them, and is as it was if not given; with `again`, unchanged files are read too.
        """
        from guildhall.home import project_folder

        from .ingest.sync import ingest

        return await ingest(
            self._db,
            Path(path),
            scope=self._scope(scope),
            project=project_folder(project or self._project),
            author=author,
            private=private,
            again=again,
            on_progress=on_progress,
            written=self._dense.written if self._dense is not None else None,
        )

    async def recall(
        self, query: str, *, scope: str = "", limit: int = 10, **filters: Unpack[Filters]
    ) -> list[Hit]:
        """The records of the scope that say most about the query, the best first; more as of `search`."""
        return list((await self.search(query, scope=scope, limit=limit, **filters)).hits)

    async def search(
        self,
        query: str,
        *,
        scope: str = "",
        limit: int = 10,
        sort: Literal["best", "recent"] = "best",
        per_source: int | None = None,
        tokens: int | None = None,
        count: Callable[[str], int] = lambda text: len(text.encode()) // 3 + 1,
        wanted: Callable[[Hit], bool] = lambda hit: True,  # noqa: ARG005  all are
        **filters: Unpack[Filters],
    ) -> Found:
        """What the scope knows of the query, and how it was found.

        At most `limit` records, `per_source` of them from one source, in `tokens` together as `count` counts
        them; those that are not `wanted`, which is asked in a thread, take nobody's place. `sort="recent"`
        gives the newest that share words with the query; with an empty one, the newest there are.
        """
        given.count("limit", limit, MOST)
        given.one_of("sort", sort, ("best", "recent"))
        for name, most in (("per_source", per_source), ("tokens", tokens)):
            if most is not None:
                given.count(name, most, 10**9)
        question = asked_for(query, filters)
        scope = self._scope(scope)

        def read(db: sqlite3.Connection) -> Found:
            scopes = ledger.scope_ids(db, scope, ledger.EVERYWHERE)
            if not scopes:
                return Found()
            if not words.terms(query):
                if sort == "best":
                    return Found()
                condition = both(question.gate(), question.holds)
                newest = ledger.newest(db, scopes, condition, MOST)
                hits: Iterable[Hit] = (Hit(record=record, score=0.0) for record in newest)
                return Found(hits=tuple(_packed(filter(wanted, hits), limit, per_source, tokens, count)))
            pool, how = self._newest(db, scopes, question) if sort == "recent" else (Pool({}, {}), Near({}))
            if not pool.said:
                pool, how = self._pool(db, scopes, question)
            hits = recalled(db, question, pool)
            if sort == "recent":
                hits = iter(sorted(hits, key=lambda hit: -hit.record.valid_from))
            packed = _packed(filter(wanted, hits), limit, per_source, tokens, count)
            return Found(hits=tuple(packed), served=how.served, why=how.why)

        return await self._db.read(read)

    async def get(self, id: str, *, scope: str = "") -> Record | None:  # noqa: A002  the name of the field
        """The record of that id, or of the only id that begins so."""
        scope = self._scope(scope)
        return await self._db.read(lambda db: ledger.seen(db, scope, id))

    async def origins(self, id: str) -> list[Origin]:  # noqa: A002  the name of the field
        """Who else has said what the record says, and where."""
        return await self._db.read(lambda db: ledger.origins(db, id))

    async def owners(self, *, scope: str = "") -> frozenset[str]:
        """The agents that remember something for themselves alone."""
        scope = self._scope(scope)
        return await self._db.read(lambda db: ledger.owners(db, scope))

    async def episodes(self, *, scope: str = "") -> list[list[Record]]:
        """The newest episodes of which no facts were made yet, those together that are about the same."""
        scope = self._scope(scope)
        return await self._db.read(lambda db: consolidating.waiting(db, scope))

    async def timeline(
        self, subject: str, *, scope: str = "", viewer: str = "", team: str = ""
    ) -> list[Record]:
        """All that was ever recorded of the subject, the oldest first."""
        condition = Question(query="", at=0.0, viewer=viewer, team=team, ever=True).gate()
        scope = self._scope(scope)
        return await self._db.read(lambda db: ledger.history(db, scope, subject, condition))

    async def settle(
        self,
        id: str,  # noqa: A002  the name of the field
        other: str,
        how: Settlement,
        *,
        scope: str = "",
        trust: float = 1.0,
    ) -> Record:
        """The record that `id` names, as it is after its conflict with `other` was settled.

        It can `supersede` the other, `coexist` with it, be a `duplicate` of it, or have the other retracted:
        what that had taken the place of holds again. One that had given way to the other holds again, too.
        With a `trust`, what is trusted more than that is not taken away: a UserError, as for what holds no
        more.
        """
        given.one_of("how", how, get_args(Settlement))
        scope, trust = self._scope(scope), given.fraction("trust", trust)
        return await self._db.write(lambda db: settled(db, scope, id, other, how, trust=trust))

    async def promote(self, id: str, to: Visibility, *, team: str = "", scope: str = "") -> Remembered:  # noqa: A002
        """What became of the record, which more may recall from now on; who calls this has it approved."""
        given.one_of("to", to, get_args(Visibility))
        scope = self._scope(scope)
        return await self._db.write(lambda db: promoted(db, scope, id, to, team))

    @staticmethod
    def _newest(db: sqlite3.Connection, scopes: Sequence[int], question: Question) -> tuple[Pool, Near]:
        """The newest records that share words with the query."""
        telling, condition = words.telling(question.query), both(question.gate(), question.holds)
        said = dict[int, float]()
        for scope in scopes:
            said |= words.sharing(db, scope, telling, POOL, condition, newest=True)
        return Pool(said, {}), Near({})

    def _pool(self, db: sqlite3.Connection, scopes: Sequence[int], question: Question) -> tuple[Pool, Near]:
        telling, condition = words.telling(question.query), question.gate()
        said, meant, unknown, how = dict[int, float](), dict[int, float](), set[int](), Near({})
        for scope in scopes:
            said |= words.sharing(db, scope, telling, POOL, condition)
            if self._dense is not None:
                narrow = condition if question.narrow else None
                found = self._dense.near(
                    db, scope, question.query, POOL, narrow, private=question.private, among=said
                )
                meant |= found.similar
                unknown |= found.unknown
                how = found if scope == scopes[0] else how
        return Pool(said, meant, unknown), how


def _packed(
    hits: Iterable[Hit],
    limit: int,
    per_source: int | None,
    tokens: int | None,
    count: Callable[[str], int],
) -> list[Hit]:
    """The first of the hits for which there is room; a shorter one may fit where a longer one did not.

    Where there is little room, what matters most is taken before what is found first.
    """
    wanted: list[Hit] = []
    most = limit if tokens is None else min(MOST, 4 * limit)
    sources: dict[str, int] = {}
    for hit in hits:
        if len(wanted) == most:
            break
        source = hit.record.source
        if per_source is not None and source and sources.get(source, 0) >= per_source:
            continue
        sources[source] = sources.get(source, 0) + 1
        wanted.append(hit)
    if tokens is None:
        return wanted
    fitting, left = set[str](), tokens
    for hit in sorted(wanted, key=lambda hit: not stays(hit.record)):
        if len(fitting) < limit and (size := count(hit.record.text)) <= left:
            left -= size
            fitting.add(hit.record.id)
    return [hit for hit in wanted if hit.record.id in fitting]
