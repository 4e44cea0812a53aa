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
WIPING = 10.0
"""Seconds to wait for others who read what was deleted."""
AFTER = "\U0010ffff"
"""What begins with a text lies from that text up to the text and this."""
_MAKING = threading.Lock()
READERS = 4
"""Threads that read; they are the store's own, so that no slow tool keeps it from reading."""


class Database:
    """Reads in threads, writes in one thread; the event loop never waits for the disk."""

    def __init__(self, path: Path) -> None:
        """Open the file, making or migrating it where needed. Blocks: call it in a thread.

        Where nothing can be written there, what is in it can be read all the same.
        """
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writer: Writer | None = None
        with reported(path):
            private_folder(path.parent)
            self.read_only = not _is_made(path)
            with contextlib.closing(self.connect()) as db:
                if not self.read_only:
                    _migrate(db, path)
                elif _version(db) != len(MIGRATIONS):
                    raise _is_read_only(path, "is of another version of Guildhall, and ")
            if not self.read_only:
                self._writer = Writer(self.connect)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="guildhall-reader")

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The value of the work, once it is committed."""
        if self._writer is None:
            raise _is_read_only(self.path)
        with reported(self.path):
            value: T = await self._writer.now(work)
            return value

    def write_later(self, work: Work) -> bool:
        """Have the work committed, in order, with the next write or within moments; never waits.

        False if it is not taken, because too much waits already for a disk that takes nothing.
        """
        return self._writer is not None and self._writer.later(work)

    def hurry(self) -> None:
        """Have what was handed in committed in a millisecond; never waits."""
        if self._writer is not None:
            self._writer.hurry()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The value of the work, over everything that is committed now."""
        loop = asyncio.get_running_loop()
        try:
            reading = loop.run_in_executor(self._readers, self._read, work)
        except RuntimeError:
            raise StoreError("store_closed", "the store is closed") from None
        return await reading

    def connect(self) -> sqlite3.Connection:
        """A connection of the caller's own, for a thread that works for long; who asks closes it. Blocks."""
        if self.read_only:
            return _reading(self.path)
        db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _use_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
        except BaseException:
            db.close()
            raise
        return db

    def wipe(self) -> bool:
        """Whether nothing that was deleted is in the files any more: somebody may read it still. Blocks.

        If so, it goes when the last process closes the database.
        """
        give_up = time.monotonic() + WIPING
        with reported(self.path), contextlib.closing(self.connect()) as db:
            while True:
                busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy or time.monotonic() > give_up:
                    return not busy
                time.sleep(0.05)

    def close(self) -> None:
        """Return when everything handed in is on disk. Blocks."""
        if self._writer is not None:
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
            db = db or self.connect()
            try:
                return work(db)
            finally:
                if self.read_only:  # others may begin to write
                    db.close()
                else:
                    with self._guard:
                        self._idle.append(db)


def _is_made(path: Path) -> bool:
    """Whether the file, which is there now, can be written.

    One that is there is left to SQLite: a process that closes a file loses all its locks on it, and the next
    one to leave then takes away a log that is in use, with what was acknowledged.
    """
    with _MAKING, contextlib.suppress(FileExistsError):  # nobody has a lock on it yet
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    ours = os.access in os.supports_effective_ids
    return all(os.access(each, os.W_OK, effective_ids=ours) for each in (path, path.parent))


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, not even beside the file."""
    in_use = path.with_name(f"{path.name}-wal").exists()  # if not, SQLite would want to make it
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{'' if in_use else '&immutable=1'}",
        uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False,
    )  # fmt: skip


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
            statement(db) if callable(statement) else db.execute(statement)
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
        return _is_read_only(path)
    if "full" in text or "no space" in text or "quota" in text:
        return StoreError("memory_full", f"no space left to write {path}: free some, then resume")
    if "malformed" in text or "not a database" in text:
        return StoreError(
            "memory_damaged",
            f"{path} is damaged ({error}): `guildhall memory rebuild` saves what can be read of it",
        )
    return StoreError("store", f"{path}: {error}")


def _is_read_only(path: Path, before: str = "") -> StoreError:
    return StoreError(
        "memory_read_only",
        f"{path} {before}is read-only: change its permissions, or set GUILDHALL_HOME to a folder of yours",
    )
