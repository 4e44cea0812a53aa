"""Runs on disk: who works on them, what happened, and the journal that makes them resumable."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from guildhall.errors import NameUnknown, RunRefused

from .database import Database
from .liveness import Liveness


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

    def known(self, path: str) -> Entry | None:
        return self._journal.get(path)

    def forget(self, useless: Callable[[Entry], bool]) -> None:
        """Do without the entries of the last time for which `useless` holds."""
        self._journal = {path: e for path, e in self._journal.items() if not useless(e)}

    def event(self, number: int, body: Callable[[], str]) -> None:
        """Have the event written, in order, within moments; `body` is called in the writer's thread."""
        sql, run = "INSERT OR REPLACE INTO events VALUES (?, ?, ?)", self._run
        self._db.write_later(lambda db: db.execute(sql, (run, number, body())))

    async def record(self, path: str, digest: str, value: Any) -> None:
        """Return when the journal's entry, and all events before it, are on disk."""
        sql, run = "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", self._run
        await self._db.write(lambda db: db.execute(sql, (run, path, digest, json.dumps(value))))

    async def end(self, status: str, answer: str) -> None:
        """Return when all of the run is on disk, with how it ended."""
        sql = "UPDATE runs SET status = ?, answer = ?, ended = ?, cancel = 0 WHERE id = ?"
        values = (status, answer, time.time(), self._run)
        await self._db.write(lambda db: db.execute(sql, values))


class Runs:
    """All runs of the user, of this process and of others."""

    def __init__(self, db: Database, liveness: Liveness) -> None:
        self._db, self._liveness = db, liveness

    async def begin(self, row: RunRow) -> RunLog:
        """A run that this process works on."""
        row = replace(row, holder=self._liveness.holder)
        marks = ", ".join("?" * len(fields(RunRow)))
        values = tuple(getattr(row, column.name) for column in fields(RunRow))
        sql = f"INSERT INTO runs ({_COLUMNS}) VALUES ({marks})"
        try:
            await self._db.write(lambda db: db.execute(sql, values))
        except Exception as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise RunRefused(f"there is a run {row.id!r} already; resume it instead") from None
            raise
        return RunLog(self._db, row.id, {})

    async def claim(self, run: str) -> tuple[RunRow, RunLog]:
        """Take over a run that nobody works on: its row as it was, and its log."""
        row = await self.find(run)
        if row.status == "running":
            raise RunRefused(
                f"run {row.id} is at work in a living process; "
                f"`guildhall watch {row.id}` shows it, `guildhall cancel {row.id}` ends it"
            )
        was = "running" if row.status == "interrupted" else row.status
        sql = (
            "UPDATE runs SET holder = ?, status = 'running', ended = NULL, cancel = 0 "
            "WHERE id = ? AND holder = ? AND status = ?"
        )
        values = (self._liveness.holder, row.id, row.holder, was)
        if await self._db.write(lambda db: db.execute(sql, values).rowcount) != 1:
            raise RunRefused(f"another process has just taken over run {row.id}; watch it there")
        return row, RunLog(self._db, row.id, await self._db.read(lambda db: _journal(db, row.id)))

    async def find(self, run: str) -> RunRow:
        """The run of that id, of the only id that begins so, or, for nothing, the newest."""
        sql = f"SELECT {_COLUMNS} FROM runs WHERE substr(id, 1, ?) = ? ORDER BY started DESC LIMIT 2"
        rows = await self._db.read(lambda db: db.execute(sql, (len(run), run)).fetchall())
        if not rows:
            raise NameUnknown("run", run, (), hint="`guildhall runs` lists them")
        exact = [row for row in rows if row[0] == run]
        if len(rows) > 1 and run and not exact:
            raise RunRefused(f"several runs begin with {run!r}; give more of the id")
        return self._seen(_row(exact[0] if exact else rows[0]), {})

    async def recent(self, limit: int) -> list[RunRow]:
        """The newest runs, the newest first."""
        sql = f"SELECT {_COLUMNS} FROM runs ORDER BY started DESC LIMIT ?"
        rows = await self._db.read(lambda db: db.execute(sql, (limit,)).fetchall())
        living: dict[str, bool] = {}
        return [self._seen(_row(row), living) for row in rows]

    async def events(self, run: str, after: int = 0) -> list[str]:
        """The bodies of the run's events, in order."""
        sql = "SELECT body FROM events WHERE run = ? AND id > ? ORDER BY id"
        rows = await self._db.read(lambda db: db.execute(sql, (run, after)).fetchall())
        return [body for (body,) in rows]

    async def request_cancel(self, run: str) -> None:
        """Ask the process that works on the run to end it."""
        sql = "UPDATE runs SET cancel = 1 WHERE id = ? AND status = 'running'"
        await self._db.write(lambda db: db.execute(sql, (run,)))

    async def mark_cancelled(self, row: RunRow) -> None:
        """End an interrupted run, on which no process works, without running it again."""
        sql = (
            "UPDATE runs SET status = 'cancelled', ended = ? "
            "WHERE id = ? AND holder = ? AND status = 'running'"
        )
        values = (time.time(), row.id, row.holder)
        await self._db.write(lambda db: db.execute(sql, values))

    async def cancel_requests(self) -> set[str]:
        """The runs of this process that somebody wants ended."""
        sql = "SELECT id FROM runs WHERE cancel = 1 AND status = 'running' AND holder = ?"
        values = (self._liveness.holder,)
        rows = await self._db.read(lambda db: db.execute(sql, values).fetchall())
        return {run for (run,) in rows}

    async def keep_file(self, data: bytes) -> str:
        """The digest under which the file's content is kept."""
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        sql = "INSERT OR IGNORE INTO files VALUES (?, ?)"
        await self._db.write(lambda db: db.execute(sql, (digest, data)))
        return digest

    async def file(self, digest: str) -> bytes:
        sql = "SELECT data FROM files WHERE digest = ?"
        row = await self._db.read(lambda db: db.execute(sql, (digest,)).fetchone())
        if row is None:
            raise RunRefused("a file of this run is no longer kept; run it anew with the file")
        return bytes(row[0])

    def _seen(self, row: RunRow, living: dict[str, bool]) -> RunRow:
        """The row as it is now: a run whose process died is interrupted, whatever it had written."""
        if row.status != "running":
            return row
        if row.holder not in living:
            living[row.holder] = self._liveness.alive(row.holder)
        return row if living[row.holder] else replace(row, status="interrupted")


def _row(values: tuple[Any, ...]) -> RunRow:
    return RunRow(**dict(zip((column.name for column in fields(RunRow)), values, strict=True)))


def _journal(db: sqlite3.Connection, run: str) -> dict[str, Entry]:
    rows = db.execute("SELECT path, digest, value FROM journal WHERE run = ?", (run,))
    return {path: Entry(digest, json.loads(value)) for path, digest, value in rows}
