"""An MCP server and notebook kernels that share one memory, each driven by a thread, and killed at will."""

import asyncio
import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from memory_cell import AT_ONCE, LIMIT, Look, Note, acknowledge, acknowledged, looked, project_of

DEADLINE = 60.0
"""Seconds for one cell, or one call, or one start."""
TESTS = Path(__file__).parent


class Died(Exception):
    """The process was killed; what it had acknowledged holds."""


class Worker(Protocol):
    """A process that writes and recalls. Its methods block, and raise Died."""

    name: str
    projects: tuple[str, ...]
    """Those that it writes to."""

    def start(self) -> None: ...
    def kill(self) -> bool:
        """Whether there was a process to kill."""
        ...

    def work(self, notes: Sequence[Note], looks: int) -> list[Look]: ...
    def verify(self, notes: Sequence[Note]) -> list[Look]: ...
    def stop(self) -> None: ...


class Kernel:
    """A real kernel, which works on both projects."""

    projects: tuple[str, ...] = ("shop", "bank")

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self.name, self._folder = name, folder
        self._environment = environment | {"IPYTHONDIR": str(folder / "ipython")}
        self._manager: Any = None
        self._client: Any = None

    def start(self) -> None:
        self._leave()
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(self._folder), env=self._environment)
        self._client = manager.client()
        self._client.start_channels()
        self._manager = manager
        try:
            self._client.wait_for_ready(timeout=DEADLINE)
        except RuntimeError as error:
            raise Died(self.name) from error

    def kill(self) -> bool:
        manager = self._manager
        if manager is None or (pid := getattr(manager.provisioner, "pid", None)) is None:
            return False
        return _killed(pid)

    def work(self, notes: Sequence[Note], looks: int) -> list[Look]:
        return self._run("work", [*map(list, notes)], looks)

    def verify(self, notes: Sequence[Note]) -> list[Look]:
        return self._run("verify", [*map(list, notes)])

    def stop(self) -> None:
        self.kill()
        self._leave()

    def _run(self, what: str, *given: Any) -> list[Look]:
        told = self._folder / f"{self.name}.json"
        told.unlink(missing_ok=True)
        arguments = json.dumps([str(self._folder), self.name, *given])
        code = f"import json, memory_cell; await memory_cell.{what}(*json.loads({arguments!r}))"
        asked, give_up = self._client.execute(code), time.monotonic() + DEADLINE
        while True:
            try:
                reply = self._client.get_shell_msg(timeout=0.2)
            except queue.Empty:
                if not self._manager.is_alive():
                    raise Died(self.name) from None
                assert time.monotonic() < give_up, f"{self.name} does not answer"
                continue
            if reply["parent_header"].get("msg_id") == asked:
                break
        said = reply["content"]
        assert said["status"] == "ok", "\n".join(said.get("traceback", ()))
        return [Look._make(row) for row in json.loads(told.read_text())]

    def _leave(self) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            self._client.stop_channels()
            manager.shutdown_kernel(now=True)


class Server:
    """`guildhall mcp` of the shop, spoken to by the official client in an event loop of its own."""

    projects: tuple[str, ...] = ("shop",)

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self.name, self._folder, self._environment = name, folder, environment
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name)
        self._thread.start()
        self._leaving: asyncio.Event | None = None
        self._serving: Any = None
        self._client: Any = None

    def start(self) -> None:
        self._leave()
        self._pid_file.unlink(missing_ok=True)
        ready: queue.Queue[BaseException | None] = queue.Queue()
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(ready), self._loop)
        if (error := ready.get(timeout=DEADLINE)) is not None:
            raise Died(self.name) from error

    def kill(self) -> bool:
        try:
            return _killed(int(self._pid_file.read_text()))
        except (OSError, ValueError):
            return False

    def work(self, notes: Sequence[Note], looks: int) -> list[Look]:
        return self._within(self._work(list(notes), looks))

    def verify(self, notes: Sequence[Note]) -> list[Look]:
        async def all_of_them() -> list[Look]:
            return [await self._look(note, time.time()) for note in notes]

        return self._within(all_of_them())

    def stop(self) -> None:
        self._leave()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def _pid_file(self) -> Path:
        return self._folder / f"{self.name}.pid"

    async def _serve(self, ready: "queue.Queue[BaseException | None]") -> None:
        """Hold the client open until it is to leave; a server that dies ends it as well."""
        program = (
            f"import os, sys; open({str(self._pid_file)!r}, 'w').write(str(os.getpid())); "
            "os.execv(sys.executable, [sys.executable, '-m', 'guildhall', 'mcp'])"
        )
        command = StdioServerParameters(
            command=sys.executable, args=["-c", program], env=self._environment, cwd=self._folder / "shop"
        )
        self._leaving = leaving = asyncio.Event()
        try:
            async with Client(command) as self._client:
                ready.put(None)
                await leaving.wait()
        except Exception as error:  # noqa: BLE001  whatever a client says of a server that was killed
            ready.put(error)

    def _leave(self) -> None:
        if self._serving is not None:
            self.kill()
            assert self._leaving is not None
            self._loop.call_soon_threadsafe(self._leaving.set)
            self._serving.result(DEADLINE)
            self._serving = None

    def _within(self, work: Any) -> list[Look]:
        found: list[Look] = asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)
        return found

    async def _work(self, todo: list[Note], looks: int) -> list[Look]:
        async def write() -> None:
            while todo:
                note = todo.pop()
                await self._call("remember", {"text": note.text})
                acknowledge(self._folder, self.name, note)

        writing = [asyncio.create_task(write()) for _ in range(AT_ONCE)]
        try:
            found = []
            for number in range(looks):
                newest = acknowledged(self._folder, newest=True)
                others = [one for one in newest if one[0] != self.name and one[1].project == "shop"]
                if others:
                    _, note, at = others[-1 - number * 7 % len(others)]
                    found.append(await self._look(note, at))
            await asyncio.gather(*writing)
        finally:
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)
        return found

    async def _look(self, note: Note, at: float) -> Look:
        begun = time.perf_counter()
        said = await self._call("recall", {"query": note.query, "limit": LIMIT})
        texts = [one["text"] for one in said["hits"]]
        return looked(note, [(text, project_of(text)) for text in texts], at, begun)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> Any:
        try:
            async with asyncio.timeout(DEADLINE):
                result = await self._client.call_tool(tool, arguments)
        except Exception as error:
            raise Died(self.name) from error
        assert not result.is_error, result.content
        return result.structured_content


class Crew:
    """Workers that write their notes at once; one of them after the other is killed and started again."""

    def __init__(self, folder: Path, workers: Sequence[Worker]) -> None:
        self._folder, self.workers = folder, workers
        self.looks: list[Look] = []
        self.deaths, self._errors = 0, list[BaseException]()
        self._since: dict[str, int] = {}
        """Of those that are up: how much they had acknowledged when they were started."""

    def write(
        self, notes: dict[str, list[Note]], *, batch: int, looks: int, every: float, after: int, deaths: int
    ) -> None:
        """Return when all that each worker was given is acknowledged.

        Meanwhile, `every` so many seconds one of those is killed that have acknowledged `after` notes since
        they were started; at most so many `deaths`.
        """
        threads = [
            threading.Thread(target=self._drive, args=(worker, notes[worker.name], batch, looks))
            for worker in self.workers
        ]
        done = threading.Event()
        killing = threading.Thread(target=self._kill, args=(done, every, after, deaths))
        for thread in (*threads, killing):
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        killing.join()
        if self._errors:
            raise self._errors[0]

    def verify(self, notes: "Callable[[Worker], list[Note]]") -> dict[str, list[Look]]:
        """What each of them finds now of the notes it should find; all look at once."""
        found: dict[str, list[Look]] = {}

        def look(worker: Worker) -> None:
            with self._reported():
                wanted, looks = notes(worker), list[Look]()
                while part := wanted[len(looks) :][:200]:
                    try:
                        looks += worker.verify(part)
                    except Died:  # it was killed with its last note
                        worker.start()
                found[worker.name] = looks

        threads = [threading.Thread(target=look, args=(worker,)) for worker in self.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
        return found

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()

    def _drive(self, worker: Worker, notes: list[Note], batch: int, looks: int) -> None:
        with self._reported():
            left, running = list(notes), False
            while left and not self._errors:
                try:
                    if not running:
                        worker.start()
                        running = True
                        self._since[worker.name] = self._acks(worker)
                    self.looks += worker.work(left[:batch], looks)
                except Died:
                    running = False
                    self._since.pop(worker.name, None)
                mine = {note for name, note, _ in acknowledged(self._folder) if name == worker.name}
                left = [note for note in left if note not in mine]
            self._since.pop(worker.name, None)
            if not running:
                worker.start()

    def _kill(self, done: threading.Event, every: float, after: int, deaths: int) -> None:
        turn = 0
        while self.deaths < deaths and not done.wait(every):
            for _ in self.workers:
                worker = self.workers[turn % len(self.workers)]
                turn += 1
                since = self._since.get(worker.name)
                if since is not None and self._acks(worker) >= since + after and worker.kill():
                    self._since.pop(worker.name, None)
                    self.deaths += 1
                    break

    def _acks(self, worker: Worker) -> int:
        path = self._folder / "acks" / worker.name
        return path.read_bytes().count(b"\n") if path.exists() else 0

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # noqa: BLE001  it is raised where somebody waits for the thread
            self._errors.append(error)
        finally:
            ensure_event_loop().close()  # jupyter_client leaves one open in each thread


def _killed(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
