"""Processes that convert files, from outside: each can be killed, and another one takes its place."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from guildhall.errors import StoreError

from .unreadable import LARGEST

_KEPT = (
    "PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
)  # fmt: skip
"""Of the environment: a process that reads what strangers wrote has no keys."""
_STARTING = 60.0
"""Seconds in which a process starts on any machine."""
_LONGEST_ANSWER = 250_000_000
"""Bytes, of which no file has more as JSON; a process that a hostile file took over might."""


@dataclass(frozen=True)
class Limits:
    """What the conversion of one file may take."""

    seconds: float = 30.0
    memory: int = 1_000_000_000
    """Bytes of the process, where the system can limit them."""
    size: int = LARGEST
    """Bytes of the file."""
    processes: int = 2


class Pool:
    """So many processes, each started when it is needed first; leaving the block ends them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.processes, thread_name_prefix="guildhall-ingest")
        self._idle = [_Worker(limits) for _ in range(limits.processes)]
        self._all = tuple(self._idle)

    async def convert(self, job: dict[str, Any]) -> dict[str, Any]:
        """The answer of a process to the job; a `problem` where it came to none."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._convert, job)

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for worker in self._all:
            worker.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _convert(self, job: dict[str, Any]) -> dict[str, Any]:
        worker = self._idle.pop()
        try:
            return worker.convert(job)
        finally:
            self._idle.append(worker)


@contextmanager
def pool(limits: Limits) -> Iterator[Pool]:
    """A pool that is closed with the block."""
    workers = Pool(limits)
    try:
        yield workers
    finally:
        workers.close()


class _Worker:
    """One process at a time, used by one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._used = False
        self._closed = False
        self._guard = threading.Lock()

    def convert(self, job: dict[str, Any]) -> dict[str, Any]:
        """Blocks. What is too much for a process that has done others before is tried once more, alone."""
        fresh = self._process is None
        answer = self._asked(job)
        if "problem" not in answer and ("died" in answer or "memory" in answer):
            self._end()
            if not fresh:
                return self.convert(job)
            reason = f"it needs more than {self._limits.memory:,} bytes of memory, or breaks its reader"
            return {"problem": reason}
        return answer

    def close(self) -> None:
        self._closed = True
        self._end()

    def _asked(self, job: dict[str, Any]) -> dict[str, Any]:
        process = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._limits.seconds + _STARTING * (not self._used), end)
        timer.daemon = True
        timer.start()
        answer: dict[str, Any] | None = None
        try:
            with suppress(OSError, ValueError):  # it has died, is closed by now, or says what is no answer
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps(job).encode() + b"\n")
                process.stdin.flush()
                answer = json.loads(process.stdout.readline(_LONGEST_ANSWER))
        finally:
            timer.cancel()
        if answer is not None:
            self._used = True
            return answer
        self._end()
        if late.is_set():
            return {"problem": f"it takes longer than {self._limits.seconds:g} seconds to read"}
        return {"died": True}

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._guard:
            if self._closed:
                raise StoreError("ingest_closed", "the reading of documents was ended")
            if self._process is None:
                self._process, self._used = _start(self._limits.memory), False
            return self._process

    def _end(self) -> None:
        with self._guard:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError, ValueError):
                    assert pipe is not None
                    pipe.close()


def _start(memory: int) -> "subprocess.Popen[bytes]":
    """A process that no Ctrl-C reaches and that imports nothing from the working folder."""
    command = [sys.executable, "-P", "-B", "-m", "guildhall.memory.ingest.child", str(memory)]
    try:
        return subprocess.Popen(  # noqa: S603  our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name.upper() in _KEPT},
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise StoreError("no_process", f"no process could be started to read documents: {error}") from None
