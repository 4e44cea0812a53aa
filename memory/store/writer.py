"""One thread that writes: what is waiting is committed together, in the order it was handed in."""

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

Work = Callable[[sqlite3.Connection], Any]
"""Done in the writer's thread, inside its transaction; done again if another of its batch fails."""

LATER = 0.03
"""Seconds that work which nobody waits for may lie until it is committed."""


class _Job(NamedTuple):
    work: Work
    done: "asyncio.Future[Any] | None" = None


class Writer:
    """What is on disk after a crash is always a beginning of what was handed in."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._jobs: deque[_Job] = deque()
        self._some, self._urgent, self._closed = threading.Event(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="guildhall-writer", daemon=True)
        self._thread.start()

    def now(self, work: Work) -> "asyncio.Future[Any]":
        """Have the work committed at once; the future gives its value when it is on disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._add(_Job(work, done))
        loop.call_soon(self._urgent.set)  # after this turn of the loop, with all it hands in
        return done

    def later(self, work: Work) -> None:
        """Have the work committed with the next that somebody waits for, or within moments."""
        self._add(_Job(work))

    def close(self) -> None:
        """Return when all is on disk."""
        self._closed = True
        self._urgent.set()
        self._some.set()
        self._thread.join()

    def _add(self, job: _Job) -> None:
        if self._closed:
            raise RuntimeError("the store is closed")
        self._jobs.append(job)
        if not self._some.is_set():
            self._some.set()

    def _run(self) -> None:
        with contextlib.closing(self._connect()) as db:
            while not self._closed or self._jobs:
                self._some.wait()
                self._urgent.wait(LATER)
                self._some.clear()
                self._urgent.clear()
                if batch := [self._jobs.popleft() for _ in range(len(self._jobs))]:
                    _tell(_commit(db, batch))


def _commit(db: sqlite3.Connection, batch: list[_Job]) -> list[tuple[_Job, Any]]:
    """Commit the batch as one; if that fails, each job alone, so that a bad one costs no other."""
    try:
        db.execute("BEGIN IMMEDIATE")
        values = [job.work(db) for job in batch]
        db.execute("COMMIT")
    except Exception as error:  # noqa: BLE001  whatever the work raises goes to the one who waits for it
        if db.in_transaction:
            db.execute("ROLLBACK")
        if len(batch) == 1:
            return [(batch[0], error)]
        return [told for job in batch for told in _commit(db, [job])]
    return list(zip(batch, values, strict=True))


def _tell(told: list[tuple[_Job, Any]]) -> None:
    waiting = [(job.done, value) for job, value in told if job.done is not None]
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
