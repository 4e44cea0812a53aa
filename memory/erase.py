"""What is forgotten is gone: the record, what was derived from it, its vectors, and its words wherever they
stand in the database. Only its id stays, so that no import brings it back."""

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from guildhall.errors import UserError

from . import holding, ledger, words
from .holding import in_parts
from .importance import KEPT
from .question import Condition, every
from .quoted import Quoted
from .records import Author
from .store import vectors
from .traces import erase_run

AT_ONCE = 500
"""Records that are erased in one transaction, so that nobody waits for long."""
_OF_THE_NEXT_TURN = (
    "DELETE FROM vectors WHERE record IN (SELECT next.seq FROM records said JOIN records next "
    "ON next.scope = said.scope AND next.session = said.session AND next.turn = said.turn + 1 "
    "WHERE said.seq = ? AND said.session <> '')"
)


_UNKNOWN_DOCUMENTS = (  # they are read again when they are asked for
    "DELETE FROM documents WHERE scope = (SELECT id FROM scopes WHERE name = :scope) AND problem = '' "
    "AND path NOT IN (SELECT r.source FROM records r WHERE r.scope = documents.scope AND r.kind = 'document')"
)


_AUTHOR = tuple(Author.model_fields)
_SAYING = ("text", "subject", "tags", "head", "source", "place", "session", "readers", *_AUTHOR)
"""Where words stand in a record."""
_ORIGIN = ("source", *_AUTHOR)


class Wanted(NamedTuple):
    """Which records are to be forgotten: all that meet every part that is given."""

    ids: tuple[str, ...] = ()
    run: str = ""
    source: str = ""
    before: float | None = None
    """Recorded before that time."""

    def condition(self) -> Condition:
        """The same on a record `r`. Raises UserError where nothing is given, which would be all.

        What somebody else has said too stays, unless it is named by its id.
        """
        parts = self._said("r", "recorded_at")
        if self.ids:
            return every([(f"r.id IN ({', '.join('?' * len(self.ids))})", self.ids), *parts])
        if not parts:
            raise UserError("say what is to be forgotten: ids, a run, a source, or a time before which")
        said, values = self.said()
        parts.append(
            (f"NOT EXISTS (SELECT 1 FROM origins o WHERE o.record = r.seq AND NOT ({said}))", values)
        )
        if self.before is not None:
            parts.append(("NOT r.pinned AND r.importance <= ?", (KEPT,)))
        return every(parts)

    def said(self) -> Condition:
        """The same on somebody's saying `o`, but for ids."""
        return every(self._said("o", "at"))

    def _said(self, one: str, at: str) -> list[Condition]:
        parts: list[Condition] = []
        if self.run:
            parts.append((f"{one}.run = ?", (self.run,)))
        if self.source:
            folder = self.source.rstrip("/") + "/"
            within = f"({one}.source = ? OR substr({one}.source, 1, ?) = ?)"
            parts.append((within, (self.source, len(folder), folder)))
        if self.before is not None:
            parts.append((f"{one}.{at} < ?", (self.before,)))
        return parts


class Doomed(NamedTuple):
    """The records that are to go, by their ids, each with its number and its text."""

    named: Mapping[str, tuple[int, str]]
    derived: Mapping[str, tuple[int, str]]
    """What was made of those."""
    shared: tuple[int, ...] = ()
    """The numbers of those that stay, since others have said the same."""

    @property
    def every(self) -> dict[str, tuple[int, str]]:
        return {**self.named, **self.derived}

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.every.values()]


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten, or would be."""

    records: int = 0
    derived: int = 0
    """Of these, such as were derived from the others."""
    places: int = 0
    """Rows of the logs of runs, and other records, in which their words stood."""
    left: str = ""
    """What could not be done, and when it will be."""


def doomed(db: sqlite3.Connection, scope: str, wanted: Wanted) -> Doomed:
    """The records that are wanted in the scope, and what was made of them.

    What is recalled everywhere is named by its id. Records that say the same as a named one go with it, but
    for documents. Raises UserError for an id that is not there, or of another project.
    """
    wanted = wanted._replace(ids=tuple(_whole(db, id_, scope) for id_ in wanted.ids))
    condition, values = wanted.condition()
    within = ledger.scope_ids(db, scope, *((ledger.EVERYWHERE,) if wanted.ids else ()))
    scopes = ", ".join(map(str, within))
    sql = f"SELECT r.id, r.seq, r.text, r.hash FROM records r WHERE r.scope IN ({scopes}) AND "
    rows = db.execute(sql + condition, values).fetchall()
    if wanted.ids:
        same = sql + "r.kind <> 'document' AND r.hash IN ({})"
        rows += in_parts(db, same, {hash_ for *_, hash_ in rows})
    named = {id_: (seq, text) for id_, seq, text, _ in rows}
    shared = () if wanted.ids else tuple(_shared(db, scopes, wanted, {seq for seq, _ in named.values()}))
    return Doomed(named, _derived(db, named), shared)


def erase_records(db: sqlite3.Connection, gone: Mapping[str, tuple[int, str]]) -> set[int]:
    """The scopes of the records, which are gone but for their ids; in a transaction of the caller's.

    What they had taken the place of holds again, as if they had never been said.
    """
    seqs, now = [(seq,) for seq, _ in gone.values()], time.time()
    of_records = "SELECT DISTINCT scope FROM records WHERE seq IN ({})"
    touched = {number for (number,) in in_parts(db, of_records, [seq for (seq,) in seqs])}
    db.executemany("INSERT OR IGNORE INTO tombstones (id, at) VALUES (?, ?)", [(id_, now) for id_ in gone])
    db.executemany(_OF_THE_NEXT_TURN, seqs)  # what was embedded of it had some words of this one
    holding.remove(db, {seq: id_ for id_, (seq, _) in gone.items()}, now=now)
    vectors.begin_anew(db)  # an index holds theirs still
    return touched


def erase(db: sqlite3.Connection, scope: str, wanted: Wanted) -> tuple[Doomed, int]:
    """What was erased in the scope, and how many other records quoted it; in a transaction of the caller's.

    The run that is named goes with all that is known of it.
    """
    gone = doomed(db, scope, wanted)
    scopes = erase_records(db, gone.every) | set(ledger.scope_ids(db, scope, ledger.EVERYWHERE))
    _take_back(db, wanted, gone.shared)
    if not wanted.ids:
        db.execute(_UNKNOWN_DOCUMENTS, {"scope": scope})
    if wanted.run:
        erase_run(db, wanted.run)
    if wanted.source:
        _erase_documents(db, scope, wanted.source)
    quoting = _erase_quotes(db, scopes, Quoted(gone.texts, in_logs=False)) if wanted.ids else 0
    for number in scopes:
        table = f"words_{number}"
        db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # until then it keeps the words
    return gone, quoting


def elsewhere(db: sqlite3.Connection, texts: Iterable[str]) -> int:
    """How many records say the same still: those of other projects, and documents."""
    sql = "SELECT seq FROM records WHERE hash IN ({})"
    return len(in_parts(db, sql, {ledger.digest(text) for text in texts}))


def _whole(db: sqlite3.Connection, id_: str, scope: str) -> str:
    if (record := ledger.find(db, id_.removeprefix("memory:"))) is None:
        raise UserError(
            f"there is no memory {id_!r}, or several begin so; `guildhall recall` shows their ids"
        )
    if record.scope not in (scope, ledger.EVERYWHERE):
        raise UserError(f"{record.label} is of the project {record.scope}: forget it there")
    return record.id


def _derived(db: sqlite3.Connection, named: Iterable[str]) -> dict[str, tuple[int, str]]:
    """The records that were made of those, and of what was made of them."""
    found: dict[str, tuple[int, str]] = {}
    rest = set(named)
    while rest:
        sql = (
            "SELECT r.id, r.seq, r.text FROM records r JOIN json_each(r.derived_from) f WHERE f.value IN ({})"
        )
        new = {id_: (seq, text) for id_, seq, text in in_parts(db, sql, rest)}
        rest = new.keys() - found.keys() - set(named)
        found |= {one: new[one] for one in rest}
    return found


def _shared(db: sqlite3.Connection, scopes: str, wanted: Wanted, gone: Collection[int]) -> Iterator[int]:
    """The numbers of the records of the scopes that others have said, too."""
    said, values = wanted.said()
    sql = "SELECT DISTINCT o.record FROM origins o JOIN records r ON r.seq = o.record "
    rows = db.execute(f"{sql} WHERE r.scope IN ({scopes}) AND {said}", values)
    return (seq for (seq,) in rows.fetchall() if seq not in gone)


def _take_back(db: sqlite3.Connection, wanted: Wanted, shared: Sequence[int]) -> None:
    """Have what others have said too rest on those others alone."""
    if wanted.before is not None:
        return  # it is as old for them
    said, values = wanted.said()
    author = ", ".join(f"{name} = o.{name}" for name in Author.model_fields)
    for seq in shared:
        first = "SELECT rowid FROM origins WHERE record = ? ORDER BY rowid LIMIT 1"
        was = db.execute(first, (seq,)).fetchone()
        db.execute(f"DELETE FROM origins AS o WHERE o.record = ? AND {said}", (seq, *values))
        most = "(SELECT max(trust) FROM origins WHERE record = seq)"
        db.execute(f"UPDATE records SET trust = {most} WHERE seq = ?", (seq,))
        if (now := db.execute(first, (seq,)).fetchone()) != was:
            db.execute(
                f"UPDATE records SET {author}, source = o.source, place = '', source_hash = '', "
                "derived_from = '[]' FROM origins AS o WHERE o.rowid = ? AND records.seq = ?",
                (*now, seq),
            )
    holding.refresh(db, shared, now=time.time())  # it may be trusted less


def _erase_documents(db: sqlite3.Connection, scope: str, source: str) -> None:
    folder = source.rstrip("/") + "/"
    db.execute(
        "DELETE FROM documents WHERE scope = (SELECT id FROM scopes WHERE name = ?) "
        "AND (path = ? OR substr(path, 1, ?) = ?)",
        (scope, source, len(folder), folder),
    )


def _erase_quotes(db: sqlite3.Connection, scopes: Iterable[int], quoted: Quoted) -> int:
    """How many other records of the scopes had one of the texts in theirs; only documents have any more."""
    within, columns = ", ".join(map(str, scopes)), ", ".join(_SAYING)
    sql = f"SELECT seq, {columns} FROM records WHERE scope IN ({within}) AND kind <> 'document'"
    rows = [(seq, told) for seq, *told in db.execute(sql) if any(map(quoted.within, told))]
    for seq, told in rows:
        changes = {
            name: value and (quoted.without_in_json if name == "tags" else quoted.without)(value)
            for name, value in zip(_SAYING, told, strict=True)
        }
        left = str(changes["text"])
        changes |= {"hash": ledger.digest(left), "words": len(words.terms(left))}
        changes |= {"divided": words.divided(left)}
        db.execute("DELETE FROM vectors WHERE record = ?", (seq,))
        db.executemany(_OF_THE_NEXT_TURN, [(seq,)])
        sets = ", ".join(f"{name} = :{name}" for name in changes)
        db.execute(f"UPDATE records SET {sets} WHERE seq = :seq", {**changes, "seq": seq})
    of_others = f"SELECT rowid, {', '.join(_ORIGIN)} FROM origins"
    for row, *told in db.execute(of_others).fetchall() if rows or not quoted.empty else ():
        if any(map(quoted.within, told)):
            sets = ", ".join(f"{name} = ?" for name in _ORIGIN)
            db.execute(f"UPDATE origins SET {sets} WHERE rowid = ?", (*map(quoted.without, told), row))
    return len(rows)
