"""The process that converts files: one line of JSON in for each, one out. It holds nothing worth taking.

Whatever a hostile file does to it, the parent ends it and starts another one.
"""

import contextlib
import hashlib
import json
import logging
import os
import queue
import stat
import sys
import threading
from typing import Any, BinaryIO

from .convert import converted
from .unreadable import LARGEST

_WRONG = "no reader of this version can take it"


def main() -> None:
    """Convert what stdin asks for until it ends; then, and if the parent dies, end at once."""
    memory = int(sys.argv[1])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    logging.disable(logging.CRITICAL)
    _limit(memory)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    while True:
        answer = json.dumps(_answered(json.loads(asked.get())))
        answers.write(answer.encode() + b"\n")
        answers.flush()


def _listen(stdin: BinaryIO, asked: "queue.SimpleQueue[bytes]") -> None:
    for line in stdin:
        asked.put(line)
    os._exit(0)


def _limit(memory: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answered(job: dict[str, Any]) -> dict[str, Any]:
    """What became of the file: `same` as its hash says, or its `chunks`, and what is the `problem`."""
    try:
        data, about = _read(job["path"])
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        read = {"hash": digest, "size": about.st_size, "changed": about.st_mtime}
        if digest == job["hash"]:
            return {"same": True, **read}
        done = converted(job["name"], data)
        return {"chunks": done.chunks, "problem": done.problem, **read}
    except MemoryError:
        return {"memory": True}
    except OSError as error:
        return {"unread": f"it cannot be read: {error.strerror or error}"}
    except Exception as error:  # noqa: BLE001  a reader may raise whatever it likes
        return {"failed": f"{_WRONG} ({type(error).__name__})"}


def _read(path: str) -> tuple[bytes, os.stat_result]:
    """The file's bytes, unless a link leads to it by now. Raises OSError."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or os.path.realpath(path) != path:
            raise OSError("it is no regular file any more")
        return file.read(LARGEST + 1), about


if __name__ == "__main__":
    main()
