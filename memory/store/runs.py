"""Runs on disk: who works on them, what happened, and the journal that makes them resumable."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from guildhall.errors import NameUnknown, RunRefused
from guildhall.redact import logger, redact, redact_json

from .database import AFTER, Database
from .liveness import Liveness
from .writer import Work

log = logger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run. `status` is running, interrupted, done, failed, cancelled or needs_input."""

    id: str
    kind: str
    """`team`, or `ask` for a single specialist."""
    team: str
    pattern: str
    task: str
    spec: str
    """JSON of all that is needed to run it again."""
    fingerprint: str
    """Stands for the files of the team, so that a change is noticed."""
    scope: str
    status: str = "running"
    holder: str = ""
    started: float = field(default_factory=time.time)
    ended: float | None = None
    answer: str = ""


_COLUMNS = ", ".join(column.name for column in fields(RunRow))


class Entry(NamedTuple):
    """What was found out at one path: `value` answers the question whose digest is the same."""

    digest: str
    value: Any


class RunLog:
    """What a run writes, and what it had written when it was last cut short."""

    def __init__(self, db: Database, run: str, journal: Mapping[str, Entry]) -> None:
        self._db, self._run = db, run
        self._journal = dict(journal)
        self._ended = self._left = False

    def known(self, path: str) -> Entry | None:
        return self._journal.get(path)

    def samples(self, digest: str) -> list[int]:
        """The numbers of the replies of the last time to requests of that digest."""
        found = (entry.value for entry in self._journal.values() if entry.digest == digest)
        return [value["sample"] for value in found if isinstance(value, dict) and "sample" in value]

    def drop(self, path: str) -> None:
        """Do without the entry of the last time at this path."""
        self._journal.pop(path, None)

    def forget(self, useless: Callable[[str, Entry], bool]) -> None:
        """Do without the entries of the last time for which `useless` holds, given their path."""
        self._journal = {path: e for path, e in self._journal.items() if not useless(path, e)}

    def event(self, number: int, body: Callable[[], str]) -> None:
        """Have the event written, in order, within moments, without the secrets in it.

        `body` gives its JSON, in the writer's thread. The log of a run ends where the disk has taken
        nothing for too long: what is there is always a beginning.
        """
        sql, run = "INSERT OR REPLACE INTO events VALUES (?, ?, ?)", self._run
        if not self._ended and not self._db.write_later(
            lambda db: db.execute(sql, (run, number, _told(run, number, body)))
        ):
            self._ended = True
            log.error("the disk takes nothing: the log of run %s ends before event %s", run, number)

    def hurry(self) -> None:
        """Have the events so far written in a millisecond: one of them says what is about to be paid."""
        self._db.hurry()

    async def record(self, path: str, digest: str, value: Any) -> None:
        """Return when the journal's entry, and all events before it, are on disk."""
        await self._db.write(self._entry(path, digest, value))

    def record_soon(self, path: str, digest: str, value: Any) -> None:
        """Have the entry written before the next one: enough for what costs nothing to find anew."""
        self._db.write_later(self._entry(path, digest, value))

    def leave(self) -> None:
        """Write nothing more: the run is left as one whose process died, for another to go on with."""
        self._left = self._ended = True

    async def end(self, status: str, answer: str) -> None:
        """Return when all of the run is on disk, with how it ended."""
        if self._left:
            return
        sql = "UPDATE runs SET status = ?, answer = ?, ended = ?, cancel = 0 WHERE id = ?"
        values = (status, answer, time.time(), self._run)
        await self._db.write(lambda db: db.execute(sql, values))

    def _entry(self, path: str, digest: str, value: Any) -> Work:
        sql, run = "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", self._run
        return lambda db: db.execute(sql, (run, path, digest, json.dumps(value)))


class Runs:
    """All runs of the user, of this process and of others."""

    def __init__(self, db: Database, liveness: Liveness) -> None:
        self._db, self._liveness = db, liveness

    async def begin(self, row: RunRow, files: Sequence[bytes] = ()) -> RunLog:
        """A run that this process works on; its files are kept with it, each under its `digest_of`."""
        row = replace(row, holder=self._liveness.holder)
        marks = ", ".join("?" * len(fields(RunRow)))
        values = tuple(getattr(row, column.name) for column in fields(RunRow))
        kept = [(digest_of(data), data) for data in files]

        def write(db: sqlite3.Connection) -> None:  # in one, so that no file is there without its run
            db.execute(f"INSERT INTO runs ({_COLUMNS}) VALUES ({marks})", values)
            db.executemany("INSERT OR IGNORE INTO files VALUES (?, ?)", kept)

        try:
            await self._db.write(write)
        except Exception as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise RunRefused(f"there is a run {row.id!r} already; resume it instead") from None
            raise
        return RunLog(self._db, row.id, {})

    async def claim(self, row: RunRow, *, spec: str) -> RunLog:
        """Take over a run that nobody works on, if it still is as it was seen; `spec` is its new one."""
        if row.status == "running":
            raise RunRefused(
                f"run {row.id} is at work in a living process; "
                f"`guildhall watch {row.id}` shows it, `guildhall cancel {row.id}` ends it"
            )
        was = "running" if row.status == "interrupted" else row.status
        sql = (
            "UPDATE runs SET holder = ?, spec = ?, status = 'running', ended = NULL, cancel = 0 "
            "WHERE id = ? AND holder = ? AND status = ?"
        )
        values = (self._liveness.holder, spec, row.id, row.holder, was)
        if await self._db.write(lambda db: db.execute(sql, values).rowcount) != 1:
            await self.find(row.id)  # says so if it was removed meanwhile
            raise RunRefused(f"another process has just taken over run {row.id}; watch it there")
        return RunLog(self._db, row.id, await self._db.read(lambda db: _journal(db, row.id)))

    async def find(self, run: str) -> RunRow:
        """The run of that id, of the only id that begins so, or, for nothing, the newest."""
        rows = await self._db.read(lambda db: self._seen(_found(db, run)))
        if not rows and not run:
            raise RunRefused("there is no run yet; `guildhall run TEAM TASK` makes one")
        if not rows:
            raise NameUnknown("run", run, (), hint="`guildhall runs` lists them")
        if len(rows) > 1:
            raise RunRefused(f"several runs begin with {run!r}; give more of the id")
        return rows[0]

    async def recent(self, limit: int, *, scope: str | None = None) -> list[RunRow]:
        """The newest runs, the newest first; where a scope is named, only those of it."""
        sql = f"SELECT {_COLUMNS} FROM runs WHERE scope = coalesce(?, scope) ORDER BY started DESC LIMIT ?"
        return await self._db.read(lambda db: self._seen(db.execute(sql, (scope, limit)).fetchall()))

    async def events(self, run: str, after: int = 0) -> list[str]:
        """The bodies of the run's events, in order."""
        sql = "SELECT body FROM events WHERE run = ? AND id > ? ORDER BY id"
        rows = await self._db.read(lambda db: db.execute(sql, (run, after)).fetchall())
        return [body for (body,) in rows]

    async def request_cancel(self, run: str) -> None:
        """Ask the process that works on the run to end it."""
        sql = "UPDATE runs SET cancel = 1 WHERE id = ? AND status = 'running'"
        await self._db.write(lambda db: db.execute(sql, (run,)))

    async def mark_cancelled(self, row: RunRow, number: int, body: str) -> None:
        """End a run on which no process works, interrupted or waiting for the user, without running it.

        `body` is the event of that, as JSON, with this number.
        """
        was = "running" if row.status == "interrupted" else row.status
        sql = "UPDATE runs SET status = 'cancelled', ended = ? WHERE id = ? AND holder = ? AND status = ?"
        values = (time.time(), row.id, row.holder, was)

        def end(db: sqlite3.Connection) -> None:
            if db.execute(sql, values).rowcount:  # else somebody has gone on with it
                db.execute("INSERT INTO events VALUES (?, ?, ?)", (row.id, number, body))

        await self._db.write(end)

    async def cancel_requests(self) -> set[str]:
        """The runs of this process that somebody wants ended."""
        sql = "SELECT id FROM runs WHERE cancel = 1 AND status = 'running' AND holder = ?"
        values = (self._liveness.holder,)
        rows = await self._db.read(lambda db: db.execute(sql, values).fetchall())
        return {run for (run,) in rows}

    async def file(self, digest: str) -> bytes:
        sql = "SELECT data FROM files WHERE digest = ?"
        row = await self._db.read(lambda db: db.execute(sql, (digest,)).fetchone())
        if row is None:
            raise RunRefused("a file of this run is no longer kept; run it anew with the file")
        return bytes(row[0])

    def _seen(self, rows: list[tuple[Any, ...]]) -> list[RunRow]:
        """The rows as they are now: a run whose process died is interrupted, whatever it had written."""
        seen = [_row(row) for row in rows]
        holders = {row.holder for row in seen if row.status == "running"}
        dead = {holder for holder in holders if not self._liveness.alive(holder)}
        return [
            replace(row, status="interrupted") if row.status == "running" and row.holder in dead else row
            for row in seen
        ]


def digest_of(data: bytes) -> str:
    """What the content of a file is kept under."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _found(db: sqlite3.Connection, run: str) -> list[tuple[Any, ...]]:
    """The row of that id, or up to two whose id begins so; for nothing, the newest."""
    select = f"SELECT {_COLUMNS} FROM runs"
    if not run:
        return db.execute(f"{select} ORDER BY started DESC, rowid DESC LIMIT 1").fetchall()
    exact = db.execute(f"{select} WHERE id = ?", (run,)).fetchall()
    begins = f"{select} WHERE id >= ? AND id < ? ORDER BY id LIMIT 2"
    return exact or db.execute(begins, (run, run + AFTER)).fetchall()


def _row(values: tuple[Any, ...]) -> RunRow:
    return RunRow(**dict(zip((column.name for column in fields(RunRow)), values, strict=True)))


def _told(run: str, number: int, body: Callable[[], str]) -> str:
    """The JSON of an event without its secrets; where there is none, of one that says why."""
    try:
        text = redact_json(body())
        text.encode()
    except Exception as error:  # noqa: BLE001  any object may stand in an event
        why = f"event {number} could not be written: {type(error).__name__}: {error}"[:500]
        said = {"what": "journal", "choice": "event left out", "reason": redact(why)}
        about = {"id": number, "run": run, "path": "", "who": "", "at": time.time()}
        return json.dumps({"kind": "decided", **about, **said}, ensure_ascii=True)
    return text


def _journal(db: sqlite3.Connection, run: str) -> dict[str, Entry]:
    rows = db.execute("SELECT path, digest, value FROM journal WHERE run = ?", (run,))
    return {path: Entry(digest, json.loads(value)) for path, digest, value in rows}
