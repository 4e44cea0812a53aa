"""The recipe of recall: who shares words or meaning with the query, what stands around it, what holds.

H = .45 minmax(similarity) + .55 bm25 / max        without vectors: H = bm25 / max
S = H + .30 H(turn before) + .20 H(turn after) + 1.0 mean of the 3 best H of its session
  + .30 for the one author that the query names + .80 min(1, ln(1 + words) / ln 60) - .10 for a question
  + .15 for a subject + .50 where the query names all that it says + .30 (trust - 1)

A record with a subject counts as one of 10 words.
"""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import ledger, words
from .question import Question, both
from .records import Hit

POOL = 200
"""Candidates by words, and as many by meaning."""
AROUND = 40
"""Of so many of the best, the turns around them are candidates too."""
_ABOUT = (
    "seq", "scope", "session", "turn", "agent", "subject", "trust", "words", "asks", "readers", "status",
)  # fmt: skip
_SUBJECT_LENGTH, _LONG = 0.48, math.log(60)
_AT_ONCE = 500


@dataclass(frozen=True)
class Weights:
    """What each part counts. What each is worth in recall@10 is in docs/memory.md."""

    meaning: float = 0.45
    before: float = 0.30
    after: float = 0.20
    session: float = 1.0
    author: float = 0.30
    length: float = 0.80
    question: float = 0.10
    subject: float = 0.15
    named: float = 0.50
    trust: float = 0.30


MEASURED = Weights()


class _Row(NamedTuple):
    """What the score needs to know of a record."""

    seq: int
    scope: int
    session: str
    turn: int
    agent: str
    subject: str | None
    trust: float
    words: int
    asks: bool
    readers: str
    status: str

    @property
    def group(self) -> tuple[int | str, ...]:
        """The same for records of one subject and the same readers, of which one leads."""
        if self.status != "active":
            return (self.seq,)
        return self.scope, (self.subject or "").casefold(), self.readers


class _Parts(NamedTuple):
    """What a score is made of."""

    query: float
    before: float
    after: float
    session: float
    author: float
    length: float
    question: float
    subject: float
    named: float
    trust: float


class Pool:
    """The candidates for an answer, with what the words and the vectors say of each."""

    def __init__(
        self, said: Mapping[int, float], meant: Mapping[int, float], unknown: Collection[int] = ()
    ) -> None:
        """Those that are unknown have no vector: their words alone count for them."""
        self.said, self.meant, self._unknown = said, meant, unknown

    def shares(self, weight: float) -> dict[int, float]:
        """H of each."""
        most = max(self.said.values(), default=0.0) or 1.0
        least, span = 0.0, 1.0
        if self.meant:
            least = min(self.meant.values())
            span = (max(self.meant.values()) - least) or 1.0
        else:
            weight = 0.0
        return {
            seq: weight * (self.meant.get(seq, least) - least) / span
            + (1 - weight * (seq not in self._unknown)) * max(0.0, self.said.get(seq, 0.0)) / most
            for seq in {**self.said, **self.meant}
        }


def recalled(
    db: sqlite3.Connection,
    question: Question,
    pool: Pool,
    *,
    weights: Weights = MEASURED,
) -> Iterator[Hit]:
    """The records that answer, the best first.

    One that does not hold gives way to the one that holds for its subject, and that comes first where both
    do. What is trusted less and says something else of the subject follows right behind.
    """
    given = question.gate()
    shares = pool.shares(weights.meaning)
    rows = {row.seq: row for row in _rows(db, shares)}
    for row in _around(db, rows, shares):
        rows.setdefault(row.seq, row)
        shares.setdefault(row.seq, 0.0)
    scores = _Scores(rows, shares, question.query, weights)
    parts = {seq: scores.parts(row) for seq, row in rows.items()}
    totals = {seq: sum(each) for seq, each in parts.items()}
    condition, given_out = both(given, question.holds), set[int]()
    known: dict[tuple[int | str, ...], list[tuple[int, str]]] = {}
    for seq in sorted(rows, key=lambda seq: (-totals[seq], -seq)):
        group = rows[seq].group
        if rows[seq].subject and group not in known:
            known[group] = ledger.leading(db, seq, question)
        leading = known.get(group, [])
        for candidate in (*(number for number, _ in leading), seq):
            if candidate in given_out:
                continue
            given_out.add(candidate)
            if (record := ledger.at(db, candidate, condition)) is not None:
                told = {name: part for name, part in zip(_Parts._fields, parts[seq], strict=True) if part}
                first, second = [id_ for _, id_ in leading] if len(leading) > 1 else ("", "")
                yield Hit(
                    record=record,
                    score=totals[seq],
                    parts=told,
                    doubted_by=second if record.id == first else "",
                    outweighed_by=first if record.id == second else "",
                )


class _Scores:
    """What the score of each candidate is made of."""

    def __init__(
        self, rows: Mapping[int, _Row], shares: Mapping[int, float], query: str, weights: Weights
    ) -> None:
        self._rows, self._shares, self._weights = rows, shares, weights
        self._near: defaultdict[tuple[int, str], dict[int, float]] = defaultdict(dict)
        """H of the turns of each session."""
        of_session: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
        for row in rows.values():
            if row.session:
                self._near[row.scope, row.session][row.turn] = shares[row.seq]
                of_session[row.scope, row.session].append(shares[row.seq])
        self._sessions = {key: sum(sorted(each)[-3:]) / 3 for key, each in of_session.items()}
        asked = words.terms(query)
        self._asked = set(asked)
        authors = {row.agent for row in rows.values() if row.agent}
        named = [agent for agent in authors if set(words.terms(agent)) <= self._asked]
        self._author = named[0] if len(named) == 1 else None

    def parts(self, row: _Row) -> "_Parts":
        own, weigh = self._shares[row.seq], self._weights
        before = after = 0.0
        session = own / 3
        if row.session:
            near, session = self._near[row.scope, row.session], self._sessions[row.scope, row.session]
            if len(near) > 1:
                before, after = near.get(row.turn - 1, 0.0), near.get(row.turn + 1, 0.0)
        length = _SUBJECT_LENGTH if row.subject else min(1.0, math.log1p(row.words) / _LONG)
        return _Parts(
            query=own,
            before=weigh.before * before,
            after=weigh.after * after,
            session=weigh.session * session,
            author=weigh.author * (row.agent != "" and row.agent == self._author),
            length=weigh.length * length,
            question=-weigh.question * row.asks,
            subject=weigh.subject * (row.subject is not None),
            named=weigh.named * self._names(row.subject),
            trust=weigh.trust * (row.trust - 1),
        )

    def _names(self, subject: str | None) -> bool:
        """Whether the query names all that the subject says: `current db engine?` asks for `db.engine`."""
        about = set(words.terms(subject.replace("_", " "))) if subject else set()
        return bool(about) and about <= self._asked


def _rows(db: sqlite3.Connection, seqs: Mapping[int, Any]) -> Iterator[_Row]:
    wanted = list(seqs)
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        yield from map(
            _Row._make, db.execute(f"SELECT {', '.join(_ABOUT)} FROM records WHERE seq IN ({marks})", part)
        )


def _around(db: sqlite3.Connection, rows: Mapping[int, _Row], shares: Mapping[int, float]) -> Iterator[_Row]:
    """The turns that the best count for, where they are no candidates yet."""
    there = {(row.scope, row.session, row.turn) for row in rows.values()}
    best = sorted((row for row in rows.values() if row.session), key=lambda row: -shares[row.seq])[:AROUND]
    wanted = {(row.scope, row.session, row.turn + step) for row in best for step in (-1, 1)}
    places = [value for place in sorted(wanted - there) for value in place]
    if not places:
        return
    marks = ", ".join(["(?, ?, ?)"] * (len(places) // 3))
    sql = (  # the index is of records with a session, and is used only where that is said
        f"WITH place (scope, session, turn) AS (VALUES {marks}) "
        f"SELECT {', '.join(f'r.{name}' for name in _ABOUT)} FROM place CROSS JOIN records r "
        "ON r.scope = place.scope AND r.session = place.session AND r.session <> '' AND r.turn = place.turn"
    )
    yield from map(_Row._make, db.execute(sql, places))
