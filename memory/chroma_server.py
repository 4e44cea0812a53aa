"""One Chroma server for a data folder, as a program of its own that leaves when nobody uses it.

    python chroma_server.py FOLDER DATABASE [IDLE_SECONDS]

It holds `chroma.lock` for its life, so a second one leaves at once, and says in `chroma.json` where it
listens. Clients touch that file while they use it; one who removes it has the server leave.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from filelock import FileLock, Timeout

LOCK, NOTE, DATA = "chroma.lock", "chroma.json", "chroma"
IDLE = 300.0
"""Seconds without a client until it leaves."""
_READY, _LEAVE = 60.0, 10.0
_LOOK = 1.0


def serve(folder: Path, database: str, idle: float = IDLE) -> None:
    """Return when the server has ended, or at once where another one is at work."""
    with held(folder / LOCK) as mine:
        if not mine:
            return
        note, data, port = folder / NOTE, folder / DATA / database, _free_port()
        note.unlink(missing_ok=True)
        _remove_others(data)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        threading.Thread(target=_watch_or_end, args=(note, data, port, idle), daemon=True).start()
        try:
            _run(_configuration(folder, data, port))
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException:  # a panic of the Rust side: it cannot read its files. They are only an index.
            shutil.rmtree(data, ignore_errors=True)
            raise
        finally:
            _withdraw(note)


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether this process has got the lock; nobody waits for it, and death releases it."""
    lock = FileLock(path, timeout=0, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _run(configuration: Path) -> None:
    """Chroma, until it is told to end."""
    for way in WAYS:
        with contextlib.suppress(ImportError):
            way()(["chroma", "run", str(configuration)])
            return
    raise ImportError("there is no chromadb here that can be run; `pip install chromadb`")


def by_bindings() -> Callable[[list[str]], object]:
    """Its Rust server without its Python: .1 s and 50 MB in place of 5 s and 110."""
    from chromadb_rust_bindings import cli  # type: ignore[import-untyped]  # it has no stubs

    run: Callable[[list[str]], object] = cli
    return run


def by_command() -> Callable[[list[str]], object]:
    """What the command `chroma` does, within this process, which holds the lock."""
    found = metadata.entry_points(group="console_scripts", name="chroma")
    command = next(iter(found), None)
    if command is None:
        raise ImportError("no command `chroma`")
    main = command.load()

    def run(arguments: list[str]) -> object:
        sys.argv = arguments
        return main()

    return run


WAYS = (by_bindings, by_command)


def _configuration(folder: Path, data: Path, port: int) -> Path:
    """A file: with options on its command line the server logs 2.5 KB for each query.

    It names no limit of open indexes: one that is closed loses its newest vectors.
    """
    path = folder / "chroma.yaml"
    options = {
        "listen_address": "127.0.0.1",
        "port": port,
        "persist_path": str(data),
        "sqlite_filename": "chroma.sqlite3",
        "segment_manager": {"persist_path": str(data)},
    }
    _write_private(path, options)
    return path


def _watch_or_end(note: Path, data: Path, port: int, idle: float) -> None:
    """A server that cannot say where it is must not keep the lock."""
    try:
        _announce_and_watch(note, data, port, idle)
    except BaseException:  # noqa: BLE001  whatever it is
        traceback.print_exc()
        os._exit(1)


def _announce_and_watch(note: Path, data: Path, port: int, idle: float) -> None:
    deadline = time.monotonic() + _READY
    while not _make_database(port, data.name):
        if time.monotonic() > deadline:
            os._exit(1)
        time.sleep(0.01)
    _write_private(note, {"port": port, "pid": os.getpid(), "database": data.name, "version": _version()})
    with contextlib.suppress(OSError):
        while data.exists() and _is_mine(note) and time.time() - note.stat().st_mtime < idle:
            time.sleep(min(_LOOK, idle / 8))
    _withdraw(note)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LEAVE)
    os._exit(0)


def _version() -> str:
    try:
        return metadata.version("chromadb")
    except metadata.PackageNotFoundError:
        return ""


def _is_mine(note: Path) -> bool:
    """Not so where the folder was removed and made again: the lock went with it."""
    try:
        return bool(json.loads(note.read_text("utf-8"))["pid"] == os.getpid())
    except (FileNotFoundError, ValueError):
        return False


def _withdraw(note: Path) -> None:
    with contextlib.suppress(OSError):
        if _is_mine(note):
            note.unlink(missing_ok=True)


def _make_database(port: int, name: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        body, kind = json.dumps({"name": name}), {"Content-Type": "application/json"}
        connection.request("POST", "/api/v2/tenants/default_tenant/databases", body, kind)
        return connection.getresponse().status in (200, 409)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _remove_others(data: Path) -> None:
    """Remove what was indexed under other names: nobody will ask for it again, and it may be forgotten."""
    with contextlib.suppress(FileNotFoundError):
        for other in data.parent.iterdir():
            if other.name != data.name:
                shutil.rmtree(other, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _write_private(path: Path, value: object) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
    draft.replace(path)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else IDLE)
