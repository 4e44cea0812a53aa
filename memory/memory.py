"""What all runs remember together."""

import hashlib
import json
import math
import re
import secrets
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, get_args

from guildhall.errors import StoreError, UserError
from guildhall.redact import redact

from .recall import Question, find, matching, rivals
from .records import (
    LONGEST_TEXT,
    NOBODY,
    QUARANTINE,
    TRUST,
    Author,
    Hit,
    Kind,
    Record,
    Remembered,
    Visibility,
)
from .store.database import Database
from .store.schema import full_text

_SCOPE = re.compile(r"[\w][\w .-]{0,99}")


class Memory:
    """Records of one database; each project is a scope of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def remember(
        self,
        text: str,
        *,
        scope: str,
        kind: Kind = "fact",
        subject: str | None = None,
        visibility: Visibility = "project",
        author: Author = NOBODY,
        source: str = "",
        source_hash: str = "",
        derived_from: Sequence[str] = (),
        tags: Sequence[str] = (),
        trust: float | None = None,
        importance: float = 0.5,
        valid_from: float | None = None,
        expires_at: float | None = None,
        pinned: bool = False,
        private: bool = False,
        id: str | None = None,  # noqa: A002  the name of the field
    ) -> Remembered:
        """What became of the text, once it is on disk; secrets in it are taken out first.

        A `subject` names what the record is about: a newer record supersedes the older ones of the
        same subject, but for those that are trusted more: it stands beside them. An exact duplicate
        is merged. `trust` is that of the author if not given. What has the visibility `private` is
        recalled by the user and by its author alone; what is marked `private` is shown only to models
        that are. With an `id` that is there already, nothing is done.
        """
        now = time.time()
        record = Record(
            id=id or secrets.token_hex(16),
            text=_checked_text(text),
            kind=_one_of("kind", kind, get_args(Kind)),
            subject=_checked_subject(subject),
            scope=_checked_scope(scope),
            visibility=_one_of("visibility", visibility, get_args(Visibility)),
            author=Author(**{name: redact(text) for name, text in author}),
            source=redact(source),
            source_hash=source_hash,
            derived_from=tuple(derived_from),
            tags=tuple(map(redact, tags)),
            trust=_fraction("trust", TRUST["agent" if author.agent else "user"] if trust is None else trust),
            importance=_fraction("importance", importance),
            valid_from=now if valid_from is None else _moment("valid_from", valid_from),
            recorded_at=now,
            expires_at=None if expires_at is None else _moment("expires_at", expires_at),
            pinned=pinned,
            private=private,
        )  # fmt: skip
        if record.trust < QUARANTINE:
            record = record.model_copy(update={"status": "quarantined"})
        return await self._db.write(lambda db: _write(db, record))

    async def recall(
        self,
        query: str,
        *,
        scope: str,
        limit: int = 10,
        kinds: Sequence[Kind] = (),
        agent: str = "",
        run: str = "",
        tags: Sequence[str] = (),
        since: float | None = None,
        until: float | None = None,
        as_of: float | None = None,
        min_trust: float = QUARANTINE,
        viewer: str = "",
    ) -> list[Hit]:
        """The records of the scope that say most about the query, the best first.

        `as_of` (seconds since the epoch) answers from what held then instead of now. Records that
        are trusted less than `min_trust` are left out; for a `viewer`, the name of an agent, so are
        the private records of all others. Without one, the user asks, who sees all.
        """
        if not 1 <= limit <= 200:
            raise UserError(f"limit is {limit}; it can be from 1 to 200")
        for name, moment in (("since", since), ("until", until), ("as_of", as_of)):
            if moment is not None:
                _moment(name, moment)
        question = Question(
            query=query,
            at=time.time() if as_of is None else as_of,
            viewer=viewer,
            kinds=tuple(_one_of("kind", kind, get_args(Kind)) for kind in kinds),
            agent=agent,
            run=run,
            tags=tuple(tags),
            since=since,
            until=until,
            min_trust=min_trust,
        )
        scope = _checked_scope(scope)
        return await self._db.read(lambda db: matching(db, scope, question, limit))

    async def get(self, id: str) -> Record | None:  # noqa: A002  the name of the field
        """The record of that id, or of the only id that begins so."""
        return await self._db.read(lambda db: find(db, id))


def _write(db: sqlite3.Connection, record: Record) -> Remembered:
    if db.execute("SELECT 1 FROM records WHERE id = ?", (record.id,)).fetchone():
        return Remembered(id=record.id, merged=True)
    scope = _scope_id(db, record.scope)
    digest = hashlib.blake2b(" ".join(record.text.split()).encode(), digest_size=16).hexdigest()
    same = _same(db, scope, digest, record)
    if same is None:
        _insert(db, scope, digest, record)
    else:
        record = record.model_copy(update={"id": same.id, "trust": max(same.trust, record.trust)})
        db.execute(  # the later end: max() of SQLite is NULL, which is never, where one is
            "UPDATE records SET trust = ?, valid_from = min(valid_from, ?), expires_at = max(expires_at, ?) "
            "WHERE id = ?",
            (record.trust, record.valid_from, record.expires_at, same.id),
        )
    superseded, conflicts = _supersede(db, record)
    merged = same is not None
    return Remembered(id=record.id, merged=merged, superseded=superseded, conflicts=conflicts)


def _same(db: sqlite3.Connection, scope: int, digest: str, record: Record) -> Record | None:
    """The record that says the same to the same readers and holds still."""
    row = db.execute(
        "SELECT id FROM records WHERE scope = ? AND hash = ? AND kind = ? AND subject IS ? AND status = ? "
        "AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > ?) "
        "AND private = ? AND (visibility = 'private') = ? AND (visibility <> 'private' OR agent = ?)",
        (
            scope, digest, record.kind, record.subject, record.status, record.recorded_at,
            record.private, record.visibility == "private", record.author.agent,
        ),
    ).fetchone()  # fmt: skip
    return find(db, row[0]) if row else None


def _insert(db: sqlite3.Connection, scope: int, digest: str, record: Record) -> None:
    values: dict[str, Any] = {
        **record.model_dump(exclude={"author", "scope", "derived_from", "tags"}),
        **record.author.model_dump(),
        "scope": scope,
        "hash": digest,
        "derived_from": json.dumps(record.derived_from),
        "tags": json.dumps(record.tags),
    }
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    db.execute(f"INSERT INTO records ({names}) VALUES ({marks})", values)


def _supersede(db: sqlite3.Connection, record: Record) -> tuple[str | None, tuple[str, ...]]:
    """Close what held for this subject until now; the newest id of that, and the ids trusted more.

    A quarantined text closes nothing.
    """
    if record.subject is None or record.status != "active":
        return None, ()
    others = [
        rival
        for rival in rivals(db, record, max(record.valid_from, record.recorded_at))
        if rival.id != record.id
    ]
    closed = [rival for rival in others if rival.trust <= record.trust]
    db.executemany(
        "UPDATE records SET superseded_by = ?, valid_to = ? WHERE id = ?",
        [(record.id, record.valid_from, rival.id) for rival in closed],
    )
    newest = max(closed, key=lambda rival: rival.recorded_at, default=None)
    conflicts = tuple(rival.id for rival in others if rival.trust > record.trust)
    return newest.id if newest else None, conflicts


def _scope_id(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT id FROM scopes WHERE name = ?", (name,)).fetchone()
    if row is not None:
        return int(row[0])
    scope = int(db.execute("INSERT INTO scopes (name) VALUES (?) RETURNING id", (name,)).fetchone()[0])
    for statement in full_text(scope):
        db.execute(statement)
    return scope


def _checked_text(text: str) -> str:
    text = redact(text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")).strip()
    if not text:
        raise UserError("there is nothing to remember: the text is empty")
    if len(text) > LONGEST_TEXT:
        raise StoreError(
            "too_large",
            f"the text has {len(text):,} characters and one memory holds {LONGEST_TEXT:,}: "
            "remember its parts, or what matters in it",
        )
    return text


def _checked_subject(subject: str | None) -> str | None:
    if subject is None:
        return None
    if not subject.strip() or len(subject) > 200 or not subject.isprintable():
        raise UserError(f"the subject {subject[:40]!r} must be one line of 1 to 200 characters")
    return redact(subject).strip()


def _checked_scope(scope: str) -> str:
    if not _SCOPE.fullmatch(scope):
        raise UserError(f"the scope {scope[:40]!r} must be letters, digits, spaces, '.', '_' or '-'")
    return scope


def _one_of(what: str, given: Any, allowed: Sequence[str]) -> Any:
    if given not in allowed:
        raise UserError(f"{what} is {given!r}; it can be {', '.join(allowed)}")
    return given


def _fraction(what: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise UserError(f"{what} is {value!r}; it can be from 0 to 1")
    return float(value)


def _moment(what: str, value: float) -> float:
    if not math.isfinite(value):
        raise UserError(f"{what} is {value!r}; it is a time in seconds since 1970")
    return float(value)
