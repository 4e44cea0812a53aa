"""Which processes are alive: each holds a lock while it lives, however it ends."""

import contextlib
import secrets
import time
from pathlib import Path

from filelock import FileLock, Timeout

from guildhall.home import private_folder

from .database import reported

STALE = 86_400.0
"""Seconds after which the lock file of a dead process is removed."""


class Liveness:
    """A name for this process, and whether the process of another name still lives."""

    def __init__(self, folder: Path, *, needed: bool = True) -> None:
        """Raises StoreError where the folder cannot be used. Blocks.

        Where it is not `needed`, as this process can write nothing, nobody else is told of it.
        """
        self._folder, self.holder = folder, secrets.token_hex(8)
        self._lock = self._of(self.holder)
        if not needed:
            return
        with reported(self._path(self.holder)):
            private_folder(folder)
            self._sweep()
            self._lock.acquire()

    def alive(self, holder: str) -> bool:
        """Whether the process still holds its lock. Blocks for up to 50 ms."""
        if holder == self.holder:
            return True
        if not self._path(holder).exists():
            return False
        probe = self._of(holder)
        for patience in (0.0, 0.05):  # another probe may hold it for a moment
            with contextlib.suppress(Timeout):
                probe.acquire(timeout=patience, poll_interval=0.005)
                probe.release()
                return False
        return True

    def close(self) -> None:
        if self._lock.is_locked:
            self._lock.release()
            self._path(self.holder).unlink(missing_ok=True)

    def _path(self, holder: str) -> Path:
        return self._folder / f"{holder}.lock"

    def _of(self, holder: str) -> FileLock:
        return FileLock(self._path(holder), mode=0o600, thread_local=False)

    def _sweep(self) -> None:
        for path in self._folder.glob("*.lock"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE and not self.alive(path.stem):
                    path.unlink(missing_ok=True)
