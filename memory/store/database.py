"""One SQLite file that any number of processes share."""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from guildhall.errors import StoreError, UserError
from guildhall.home import private_folder

from .schema import MIGRATIONS
from .writer import Work, Writer

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds to wait for another process that writes."""
AFTER = "\U0010ffff"
"""What begins with a text lies from that text up to the text and this."""
_MAKING = threading.Lock()
READERS = 4
"""Threads that read; they are the store's own, so that no slow tool keeps it from reading."""


class Database:
    """Reads in threads, writes in one thread; the event loop never waits for the disk."""

    def __init__(self, path: Path) -> None:
        """Open the file, making or migrating it where needed. Blocks: call it in a thread."""
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        with reported(path):
            private_folder(path.parent)
            _make(path)
            with contextlib.closing(self._connect()) as db:
                _migrate(db, path)
            self._writer = Writer(self._connect)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="guildhall-reader")

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The value of the work, once it is committed."""
        with reported(self.path):
            value: T = await self._writer.now(work)
            return value

    def write_later(self, work: Work) -> bool:
        """Have the work committed, in order, with the next write or within moments; never waits.

        False if it is not taken, because too much waits already for a disk that takes nothing.
        """
        return self._writer.later(work)

    def hurry(self) -> None:
        """Have what was handed in committed in a millisecond; never waits."""
        self._writer.hurry()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The value of the work, over everything that is committed now."""
        loop = asyncio.get_running_loop()
        try:
            reading = loop.run_in_executor(self._readers, self._read, work)
        except RuntimeError:
            raise StoreError("store_closed", "the store is closed") from None
        return await reading

    def close(self) -> None:
        """Return when everything handed in is on disk. Blocks."""
        self._writer.close()
        self._readers.shutdown()
        with self._guard:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with reported(self.path):
            with self._guard:
                db = self._idle.pop() if self._idle else None
            db = db or self._connect()
            try:
                return work(db)
            finally:
                with self._guard:
                    self._idle.append(db)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _use_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            db.close()
            raise
        return db


def _make(path: Path) -> None:
    """Have the file there, readable by its owner alone.

    One that is there is left to SQLite: a process that closes a file loses all its locks on it, and the next
    one to leave then takes away a log that is in use, with what was acknowledged.
    """
    with _MAKING, contextlib.suppress(FileExistsError):  # nobody has a lock on it yet
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if not os.access(path, os.W_OK):
        raise PermissionError(path)


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite does not wait by itself where several processes do this at once."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    if _version(db) == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    if (version := _version(db)) > len(MIGRATIONS):
        raise StoreError(
            "store_too_new",
            f"{path} was written by a newer Guildhall (format {version}, this one reads up to "
            f"{len(MIGRATIONS)}): upgrade with `pip install -U guildhall`",
        )
    for step in MIGRATIONS[version:]:
        for statement in step:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute("COMMIT")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Errors of the disk at `path` in words that say what to do."""
    try:
        yield
    except PermissionError:
        raise StoreError(
            "memory_read_only",
            f"{path.parent} cannot be written: change its owner, or set GUILDHALL_HOME to a folder of yours",
        ) from None
    except (FileExistsError, NotADirectoryError):
        raise StoreError(
            "not_a_folder",
            f"{path.parent} must be a folder, and there is a file: move it away, or set GUILDHALL_HOME to "
            "another folder",
        ) from None
    except UnicodeEncodeError:
        raise UserError("a text with half a character (a lone surrogate) cannot be stored") from None
    except (sqlite3.Error, OSError) as error:
        raise _named(path, error) from error


def _named(path: Path, error: Exception) -> StoreError:
    text = str(error).lower()
    if "readonly" in text or "read-only" in text:
        return StoreError(
            "memory_read_only",
            f"{path} is read-only: change its permissions, or set GUILDHALL_HOME to a folder of yours",
        )
    if "full" in text or "no space" in text or "quota" in text:
        return StoreError("memory_full", f"no space left to write {path}: free some, then resume")
    if "malformed" in text or "not a database" in text:
        return StoreError("memory_damaged", f"{path} is damaged ({error}): move it away to start anew")
    return StoreError("store", f"{path}: {error}")
