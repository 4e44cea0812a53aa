"""What is wrong with what is remembered, and what could be done about it; nothing is done here."""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pydantic import Field

from guildhall.redact import redact

from . import ledger, words
from .holding import coexisting
from .question import Question
from .records import Frozen, Record
from .settling import NEAR_KINDS, SHARED
from .store import vectors

STALE = 365 * 86_400.0
"""Seconds after which what was said to hold for now is worth a look."""
_FOR_NOW = frozenset({"currently", "temporarily", "today", "tomorrow", "tonight", "yesterday"})
_SIGNS = ".,;:!?\"'()[]…。、！？"  # noqa: RUF001  full-width
_LEAST = 2
"""Telling words that a text needs to say anything."""

_COMMON = 20
"""A word that so many records hold says nothing of which of them are near each other."""

Flaw = Literal["duplicate", "conflict", "stale", "expired", "secret", "junk", "orphan", "quarantined"]


class Finding(Frozen):
    """Records with a flaw, the words that show it, and what would mend it."""

    flaw: Flaw
    ids: tuple[str, ...]
    says: str
    would: str


class Stats(Frozen):
    """What there is in a scope."""

    records: int = 0
    hold: int = 0
    """Those that hold now."""
    kinds: dict[str, int] = Field(default_factory=dict)
    status: dict[str, int] = Field(default_factory=dict)
    visibility: dict[str, int] = Field(default_factory=dict)
    subjects: int = 0
    documents: int = 0
    """Files that were read."""
    vectors: dict[str, int] = Field(default_factory=dict)
    """By embedder."""
    oldest: float | None = None
    newest: float | None = None
    forgotten: int = 0
    """In all scopes."""


def audited(db: sqlite3.Connection, scope: str, now: float | None = None) -> list[Finding]:
    """The flaws of the records of the scope, the gravest kinds first."""
    at = time.time() if now is None else now
    records = ledger.every(db, ledger.scope_ids(db, scope))
    live = [one for one in records if one.status != "retracted" and _holds(one, at)]
    active = [one for one in live if one.status == "active"]
    conflicts = [one for one in (*_conflicts(active), *_near(active)) if not _is_settled(db, one)]
    return [
        *_secrets(records), *conflicts, *_duplicates(live), *_stale(live, at), *_expired(records, at),
        *_junk(live), *_orphans(live, {one.id for one in records}), *_quarantined(live),
    ]  # fmt: skip


def counted(db: sqlite3.Connection, scope: str) -> Stats:
    """How much of what there is in the scope."""
    known = ledger.scope_ids(db, scope)
    forgotten = int(db.execute("SELECT count(*) FROM tombstones").fetchone()[0])
    if not known:
        return Stats(forgotten=forgotten)

    def by(column: str) -> dict[str, int]:
        sql = f"SELECT {column}, count(*) FROM records WHERE scope = ? GROUP BY 1 ORDER BY 2 DESC"
        return dict(db.execute(sql, known))

    holds, values = Question(query="", at=time.time()).holds
    sums = "count(*), count(DISTINCT lower(subject)), min(recorded_at), max(recorded_at)"
    records, subjects, oldest, newest = db.execute(
        f"SELECT {sums} FROM records WHERE scope = ?", known
    ).fetchone()
    hold = f"SELECT count(*) FROM records r WHERE r.scope = ? AND r.status = 'active' AND {holds}"
    files = "SELECT count(*) FROM documents WHERE scope = ? AND problem = ''"
    return Stats(
        records=records,
        hold=db.execute(hold, (*known, *values)).fetchone()[0],
        kinds=by("kind"),
        status=by("status"),
        visibility=by("visibility"),
        subjects=subjects,
        documents=db.execute(files, known).fetchone()[0],
        vectors={one.embedder: one.vectors for one in vectors.states(db) if one.scope == scope},
        oldest=oldest,
        newest=newest,
        forgotten=forgotten,
    )


def _holds(record: Record, at: float) -> bool:
    ends = (record.valid_to, record.expires_at)
    return all(end is None or end > at for end in ends)


def _secrets(records: Sequence[Record]) -> Iterator[Finding]:
    for one in records:
        said = "\n".join([one.text, one.subject or "", one.source, *one.tags])
        if redact(said) != said:
            yield Finding(flaw="secret", ids=(one.id,), says=_told(one), would=f"forget {one.id[:8]}")


def _conflicts(records: Sequence[Record]) -> Iterator[Finding]:
    """Several that hold for one subject, to the same readers."""
    for same in _groups(records, lambda one: one.subject and (one.subject.lower(), ledger.readers(one))):
        said = "; ".join(map(_told, same))
        best = max(reversed(same), key=lambda one: one.trust)
        why = "the newest" if best is same[-1] else "the most trusted"
        others = (one.id[:8] for one in same if one is not best)
        would = f"have {best.id[:8]}, {why}, supersede {', '.join(others)}: guildhall memory settle"
        yield Finding(flaw="conflict", ids=_ids(same), says=f"{same[0].subject}: {said}", would=would)


def _near(records: Sequence[Record]) -> Iterator[Finding]:
    """Pairs that share most of their telling words, and may say otherwise."""
    said = {one.id: set(words.telling(one.text)) for one in records if one.kind in NEAR_KINDS}
    saying: defaultdict[str, list[Record]] = defaultdict(list)
    for one in records:
        met: dict[str, Record] = {}
        for word in said.get(one.id, ()):
            if len(saying[word]) < _COMMON:
                met |= {other.id: other for other in saying[word]}
                saying[word].append(one)
        for other in met.values():
            shared, least = len(said[one.id] & said[other.id]), min(len(said[one.id]), len(said[other.id]))
            if shared >= SHARED * least and _may_differ(one, other):
                would = "look whether both hold: guildhall memory settle"
                yield Finding(
                    flaw="conflict", ids=(other.id, one.id), says=f"{_told(other)}; {_told(one)}", would=would
                )


def _is_settled(db: sqlite3.Connection, conflict: Finding) -> bool:
    """Whether somebody has said that all of these hold."""
    return all({*conflict.ids} <= {id_, *coexisting(db, id_)} for id_ in conflict.ids)


def _may_differ(one: Record, other: Record) -> bool:
    """Whether the two can be in conflict: not where they are about two subjects, or are duplicates."""
    if (one.subject and other.subject) or ledger.readers(one) != ledger.readers(other):
        return False
    return _plain(one.text) != _plain(other.text)


def _duplicates(records: Sequence[Record]) -> Iterator[Finding]:
    """Those that differ in case and signs alone; the same turn of two talks is said twice indeed."""
    texts = [one for one in records if one.kind != "document" and not one.session]
    key = {one.id: _plain(one.text) for one in texts}
    for same in _groups(texts, lambda one: key[one.id] and (key[one.id], one.kind, ledger.readers(one))):
        oldest = f"{same[0].id[:8]}, the oldest"
        would = f"keep {oldest}, and have the others be duplicates of it: guildhall memory settle"
        yield Finding(flaw="duplicate", ids=_ids(same), says=_told(same[0]), would=would)


def _stale(records: Sequence[Record], at: float) -> Iterator[Finding]:
    for one in records:
        if one.recorded_at < at - STALE and _FOR_NOW.intersection(words.terms(one.text)):
            would = f"ask whether it holds still, or forget {one.id[:8]}"
            yield Finding(flaw="stale", ids=(one.id,), says=_told(one), would=would)


def _expired(records: Sequence[Record], at: float) -> Iterator[Finding]:
    for one in records:
        if one.expires_at is not None and one.expires_at <= at and not one.pinned:
            yield Finding(flaw="expired", ids=(one.id,), says=_told(one), would=f"forget {one.id[:8]}")


def _junk(records: Sequence[Record]) -> Iterator[Finding]:
    """Those that say next to nothing; one with a subject says what it is, and a turn answers another."""
    for one in records:
        if one.kind == "document" or one.subject or one.session:
            continue
        if len(set(words.telling(one.text)) - words.STOP) < _LEAST:
            yield Finding(flaw="junk", ids=(one.id,), says=_told(one), would=f"forget {one.id[:8]}")


def _orphans(records: Sequence[Record], known: set[str]) -> Iterator[Finding]:
    """Those made of what is there no more."""
    for one in records:
        if gone := [id_ for id_ in one.derived_from if id_ not in known]:
            says = f"{_told(one)} (made of {', '.join(id_[:8] for id_ in gone)})"
            yield Finding(flaw="orphan", ids=(one.id,), says=says, would=f"look whether {one.id[:8]} holds")


def _quarantined(records: Sequence[Record]) -> Iterator[Finding]:
    held = [one for one in records if one.status == "quarantined"]
    if held:
        are = "record is" if len(held) == 1 else "records are"
        says = f"{len(held):,} {are} trusted too little to be recalled unasked"
        would = "look at them: guildhall recall --min-trust 0"
        yield Finding(flaw="quarantined", ids=_ids(held), says=says, would=would)


def _groups(records: Sequence[Record], key: Callable[[Record], object]) -> Iterator[list[Record]]:
    found: defaultdict[object, list[Record]] = defaultdict(list)
    for one in records:
        if of := key(one):
            found[of].append(one)
    yield from (same for same in found.values() if len(same) > 1)


def _plain(text: str) -> str:
    stripped = (word.strip(_SIGNS) for word in text.casefold().split())
    return " ".join(filter(None, stripped))


def _ids(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(one.id for one in records)


def _told(record: Record) -> str:
    text = redact(" ".join(record.text.split()))
    return text if len(text) <= 100 else f"{text[:100].rstrip()}..."
