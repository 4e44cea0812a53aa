"""One thread that writes: what is waiting is committed together, in the order it was handed in."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from guildhall.errors import StoreError
from guildhall.redact import logger

Work = Callable[[sqlite3.Connection], Any]
"""Done in the writer's thread, inside its transaction; done again if that had to be rolled back."""

LATER = 0.03
"""Seconds that work which nobody waits for may lie until it is committed."""
SOON = 0.001
"""The same for work that is worth money; what takes less than this has a write of its own behind it."""
AGAIN = 1.0
"""Seconds until work that the database did not take, and nobody waits for, is tried again."""
MOST = 20_000
"""Jobs that are kept for a database that does not take them."""
_OF_THE_DATABASE = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
    }
)  # fmt: skip

log = logger(__name__)


class _Job(NamedTuple):
    work: Work
    done: "asyncio.Future[Any] | None" = None
    """None: nobody waits for it, so it must not be lost."""


class Writer:
    """What is on disk after a crash is always a beginning of what was handed in.

    Where the database takes nothing (locked for long, no space), who waits is told; the rest is
    kept, in order, for when it does.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Blocks, and raises what `connect` raises."""
        self._db = connect()
        self._guard = threading.Lock()
        self._jobs: list[_Job] = []
        self._batch: list[_Job] = []  # taken from the jobs, and not on disk
        self._failing = False
        self._refusal: tuple[str, str] | None = None
        self._soon: tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle] | None = None
        self._some, self._urgent = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="guildhall-writer", daemon=True)
        self._thread.start()

    def now(self, work: Work) -> "asyncio.Future[Any]":
        """Have the work committed at once; the future gives its value when it is on disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._add(_Job(work, done))
        if self._soon is not None:  # all goes along with this
            self._soon[1].cancel()
            self._soon = None
        loop.call_soon(self._urgent.set)  # after this turn of the loop, with all it hands in
        return done

    def later(self, work: Work) -> bool:
        """Have the work committed with the next that somebody waits for, or within moments.

        False if it is not taken, because too much waits already for a database that takes nothing.
        """
        if self._failing and len(self._batch) + len(self._jobs) >= MOST:
            return False
        self._add(_Job(work))
        return True

    def hurry(self) -> None:
        """Have all that was handed in committed almost at once, though nobody waits for it."""
        loop = asyncio.get_running_loop()
        if self._soon is None or self._soon[0] is not loop:  # one that has ended calls nobody
            self._soon = loop, loop.call_later(SOON, self._hurried)

    def close(self) -> None:
        """Return when all is on disk, or the database has once more not taken it."""
        self._refuse("store_closed", "the store is closed")
        self._urgent.set()
        self._some.set()
        self._thread.join()

    def _hurried(self) -> None:
        self._soon = None
        self._urgent.set()

    def _add(self, job: _Job) -> None:
        with self._guard:
            if self._refusal is not None:
                raise StoreError(*self._refusal)
            self._jobs.append(job)
        if not self._some.is_set():
            self._some.set()

    def _refuse(self, code: str, why: str) -> None:
        with self._guard:
            self._refusal = self._refusal or (code, why)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with contextlib.closing(self._db):
                while self._refusal is None:
                    self._some.wait(AGAIN if self._failing else None)
                    self._urgent.wait(LATER)
                    self._some.clear()
                    self._urgent.clear()
                    self._write()
                self._write()  # what was handed in until the store was closed
        except BaseException as fatal:  # noqa: BLE001  all who wait are told below
            error = fatal
        self._leave(error)

    def _write(self) -> None:
        """Commit all that waits, or tell those who wait that the database did not take it."""
        with self._guard:
            self._batch, self._jobs = self._batch + self._jobs, []
        if not self._batch:
            return
        try:
            values = _commit(self._db, self._batch)
        except sqlite3.Error as error:
            if not _is_of_the_database(error):
                raise
            values = [error] * len(self._batch)
            kept = [job for job in self._batch if job.done is None]
        else:
            kept = []
        batch, self._batch, self._failing = self._batch, kept, bool(kept)
        _tell(batch, values)

    def _leave(self, error: BaseException | None) -> None:
        """Nothing is written any more: tell it to all who wait, and to all who come."""
        why = f"the store can no longer be written ({error}): start the program again"
        self._refuse("store_failed", why)
        left = self._batch + self._jobs
        _tell(left, [StoreError("store_failed", why)] * len(left))
        lost = sum(job.done is None for job in left)
        if lost or error is not None:
            log.error("the store was left with %s entries of run logs unwritten", lost, exc_info=error)


def _commit(db: sqlite3.Connection, batch: Sequence[_Job]) -> list[Any]:
    """What each job gave, or the error that it alone failed with; all in one transaction.

    Raises sqlite3.Error where the database took nothing.
    """
    try:
        return _in_one(db, batch, lambda job: job.work(db))
    except Exception as error:
        if _is_of_the_database(error):
            raise
        return _in_one(db, batch, lambda job: _apart(db, job))  # slower


def _in_one(db: sqlite3.Connection, batch: Sequence[_Job], do: Callable[[_Job], Any]) -> list[Any]:
    db.execute("BEGIN IMMEDIATE")
    try:
        values = [do(job) for job in batch]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return values


def _apart(db: sqlite3.Connection, job: _Job) -> Any:
    """What the job gives; where it fails by itself, its error, and nothing of it is kept."""
    db.execute("SAVEPOINT job")
    try:
        value = job.work(db)
    except Exception as error:
        if _is_of_the_database(error):
            raise
        if job.done is None:
            log.exception("an entry of the log of a run could not be written")
        db.execute("ROLLBACK TO job")
        value = error
    db.execute("RELEASE job")
    return value


def _is_of_the_database(error: Exception) -> bool:
    """Whether no job can be written now, whatever it does."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DATABASE


def _tell(batch: Sequence[_Job], values: Sequence[Any]) -> None:
    waiting = [(job.done, value) for job, value in zip(batch, values, strict=True) if job.done is not None]
    for loop in {done.get_loop() for done, _ in waiting}:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(
                _settle, [(done, value) for done, value in waiting if done.get_loop() is loop]
            )


def _settle(told: "list[tuple[asyncio.Future[Any], Any]]") -> None:
    for done, value in told:
        if done.done():
            continue
        if isinstance(value, Exception):
            done.set_exception(value)
        else:
            done.set_result(value)
