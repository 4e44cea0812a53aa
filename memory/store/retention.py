"""Room on the disk: old runs are removed, and what they took is given back."""

import asyncio
import contextlib
import functools
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from guildhall.redact import logger

from .database import Database, reported
from .liveness import Liveness

T = TypeVar("T")
BATCH, BATCH_BYTES = 20, 16_000_000
"""What is removed in one transaction: at most so many runs or files, and few that are large."""
LONGEST_PAUSE = 0.1
"""Seconds; no process that waits to write looks less often."""
FREE_SHARE, FREE_BYTES = 0.25, 8_000_000
"""The database is compacted where so much of it is free."""
LONGEST_COMPACTING = 10.0
"""Seconds; meanwhile nobody else can write."""

OF_A_RUN = ("events", "journal", "questions", "notebook")
"""The tables whose rows go with their run."""

log = logger(__name__)


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be: runs, and bytes with the files that only these used."""

    runs: int
    bytes: int
    kept: int
    """Runs that are left."""


class _Seen(NamedTuple):
    """A run as it was when it was looked at."""

    id: str
    status: str
    holder: str
    ended: float | None
    at: float
    files: frozenset[str]
    """Digests."""


class _Plan(NamedTuple):
    """What is to be removed; sizes are in bytes."""

    runs: Mapping[_Seen, int]
    files: Mapping[str, int]
    kept: int


class Retention:
    """Keeps the database within its limits; any number of processes may do so at the same time."""

    def __init__(self, db: Database, liveness: Liveness) -> None:
        self._db, self._liveness = db, liveness

    async def prune(
        self, *, before: float | None = None, most_bytes: float | None = None, dry: bool = False
    ) -> Pruned:
        """What was removed: runs that ended before `before`, then the oldest until the rest fits.

        The rest fits where runs, and the files they use, take no more than `most_bytes`. A run at work
        in a living process stays; one whose process died counts by when it was started. One that waits
        for the user goes by its age alone. What memory has from a run stays. With `dry`, nothing is
        removed.
        """
        plan = await self._db.read(lambda db: self._plan(db, before, most_bytes))
        if dry:
            return Pruned(len(plan.runs), sum(plan.runs.values()) + sum(plan.files.values()), plan.kept)
        gone: list[_Seen] = []
        for runs in _batches(plan.runs):
            gone += await self._gently(functools.partial(_remove_runs, runs=runs))
        unused: list[str] = []
        for files in _batches(plan.files):
            unused += await self._gently(functools.partial(_remove_files, digests=files))
        freed = sum(plan.runs[run] for run in gone) + sum(plan.files[digest] for digest in unused)
        return Pruned(len(gone), freed, plan.kept + len(plan.runs) - len(gone))

    async def due(self, name: str, every: float) -> bool:
        """Whether the chore is to be done now: True for one process, once in `every` seconds."""
        if not await self._db.read(lambda db: _is_due(db, name, every)):
            return False
        return await self._db.write(lambda db: _claim(db, name, every))

    async def compact(self) -> int:
        """The bytes that were given back, if much of the database is free and nobody else writes now.

        Where somebody does, or it takes too long, it is left for the next time.
        """
        stop = threading.Event()
        try:
            return await asyncio.to_thread(_compact, self._db.path, stop)
        finally:
            stop.set()

    async def _gently(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The value of the work; others have as long to write before the next."""
        began = time.monotonic()
        value = await self._db.write(work)
        await asyncio.sleep(min(time.monotonic() - began, LONGEST_PAUSE))
        return value

    def _plan(self, db: sqlite3.Connection, before: float | None, most_bytes: float | None) -> _Plan:
        files = dict(db.execute("SELECT digest, length(data) FROM files"))
        runs = _newest_first(db)
        size = functools.cache(functools.partial(_bytes, db))
        at_work = self._at_work(runs)
        old = {run for run in runs if run not in at_work and before is not None and run.at < before}
        if most_bytes is not None and _used_bytes(db) > most_bytes:
            left = [run for run in runs if run not in old]
            firm = {run for run in left if run in at_work or run.status == "needs_input"}
            old |= _too_many(left, firm, lambda run: size(run.id), files, most_bytes)
        used = {digest for run in runs if run not in old for digest in run.files}
        return _Plan(
            {run: size(run.id) for run in reversed(runs) if run in old},
            {digest: length for digest, length in files.items() if digest not in used},
            len(runs) - len(old),
        )

    def _at_work(self, runs: Sequence[_Seen]) -> set[_Seen]:
        running = [run for run in runs if run.status == "running"]
        living = {holder for holder in {run.holder for run in running} if self._liveness.alive(holder)}
        return {run for run in running if run.holder in living}


def _newest_first(db: sqlite3.Connection) -> list[_Seen]:
    files = "SELECT json_group_array(json_extract(value, '$.digest')) FROM json_each(spec, '$.files')"
    rows = db.execute(
        f"SELECT id, status, holder, ended, coalesce(ended, started) AS at, ({files}) FROM runs "
        "ORDER BY at DESC, rowid DESC"
    )
    return [_Seen._make([*row[:-1], frozenset(json.loads(row[-1]))]) for row in rows]


def _bytes(db: sqlite3.Connection, run: str) -> int:
    """What the run takes, without its files."""
    parts = (
        "SELECT sum(length(CAST(task || spec || answer AS BLOB))) FROM runs WHERE id = ?1",
        "SELECT sum(length(CAST(body AS BLOB))) FROM events WHERE run = ?1",
        "SELECT sum(length(CAST(value AS BLOB))) FROM journal WHERE run = ?1",
        "SELECT sum(length(CAST(text || ifnull(answer, '') AS BLOB))) FROM questions WHERE run = ?1",
        "SELECT sum(length(CAST(task || text AS BLOB))) FROM notebook WHERE run = ?1",
    )
    return sum(db.execute(sql, (run,)).fetchone()[0] or 0 for sql in parts)


def _used_bytes(db: sqlite3.Connection) -> int:
    """What the database takes; no less than all runs together, and quickly known."""
    pages, free, size = (
        db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _too_many(
    runs: Sequence[_Seen],
    firm: set[_Seen],
    size: Callable[[_Seen], int],
    files: Mapping[str, int],
    most_bytes: float,
) -> set[_Seen]:
    """The oldest runs, without which the rest fits; what is firm stays. A file counts once.

    The runs come in the order in which they are to be kept.
    """
    taken, counted = 0, set[str]()
    for number, run in enumerate(order := sorted(runs, key=lambda run: run not in firm)):
        taken += size(run) + sum(files.get(digest, 0) for digest in run.files - counted)
        counted |= run.files
        if taken > most_bytes:
            return set(order[number:]) - firm
    return set()


def _batches(sizes: Mapping[T, int]) -> Iterator[list[T]]:
    batch: list[T] = []
    weight = 0
    for one, size in sizes.items():
        batch.append(one)
        weight += size
        if len(batch) == BATCH or weight > BATCH_BYTES:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _remove_runs(db: sqlite3.Connection, runs: Sequence[_Seen]) -> list[_Seen]:
    """Those that were removed: the runs which nobody has resumed or removed since they were seen."""
    sql = "DELETE FROM runs WHERE id = ? AND status = ? AND holder = ? AND ended IS ?"
    gone = [run for run in runs if db.execute(sql, run[:4]).rowcount]
    for table in OF_A_RUN:
        db.executemany(f"DELETE FROM {table} WHERE run = ?", [(run.id,) for run in gone])
    return gone


def _remove_files(db: sqlite3.Connection, digests: Sequence[str]) -> list[str]:
    """Those that were removed: the files which no run uses, also none that has begun meanwhile."""
    used = "SELECT json_extract(file.value, '$.digest') FROM runs, json_each(runs.spec, '$.files') AS file"
    marks = ", ".join("?" * len(digests))
    rows = db.execute(
        f"DELETE FROM files WHERE digest IN ({marks}) AND digest NOT IN ({used}) RETURNING digest", digests
    )
    return [digest for (digest,) in rows]


def _is_due(db: sqlite3.Connection, name: str, every: float) -> bool:
    row = db.execute("SELECT at FROM chores WHERE name = ?", (name,)).fetchone()
    return row is None or abs(time.time() - row[0]) >= every  # far ahead: the clock was set back


def _claim(db: sqlite3.Connection, name: str, every: float) -> bool:
    if not _is_due(db, name, every):
        return False
    db.execute("INSERT OR REPLACE INTO chores VALUES (?, ?)", (name, time.time()))
    return True


def _compact(path: Path, stop: threading.Event) -> int:
    give_up = time.monotonic() + LONGEST_COMPACTING
    with (
        reported(path),
        contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db,
    ):
        db.set_progress_handler(lambda: stop.is_set() or time.monotonic() > give_up, 10_000)
        try:
            return _vacuum(db)
        except sqlite3.OperationalError as error:  # locked, stopped, or no room for the copy
            log.debug("the database was not compacted: %s", error)
            return 0


def _vacuum(db: sqlite3.Connection) -> int:
    (pages,), (free,), (size,) = (
        db.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "freelist_count", "page_size")
    )
    if free < pages * FREE_SHARE or free * size < FREE_BYTES:
        return 0
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # only now the file becomes smaller
    return int((pages - db.execute("PRAGMA page_count").fetchone()[0]) * size)
