"""An answer at once: what a host asks for first is the same each time, and is known before the protocol's
library, which takes half a second, is imported."""

import contextlib
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from guildhall.names import LEAST_WAIT, MOST_WAIT, WAIT

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

KNOWN = Path(__file__).parent / "instant.json"
"""The results of `initialize` and `tools/list`, the same for all versions of the protocol that have these."""


def serve_at_once(arguments: Sequence[str]) -> bool:
    """Serve the host over stdio until it closes stdin, if that is what the command says, and no more.

    False where it says anything else, or the library is not there for it.
    """
    patience = _patience(arguments, os.environ.get("GUILDHALL_MCP_WAIT") or str(WAIT))
    if patience is None or find_spec("mcp") is None:
        return False
    front = _Front(*_wire(), patience)
    if not front.greet():
        os._exit(0)  # the host has gone; what is being imported need not be waited for
    front.hand_over()
    return True


class _Front:
    """Answers what it knows, until the host asks for something else; then it has the library go on."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO, patience: float) -> None:
        self._reading, self._writing, self._patience = reading, writing, patience
        self._read: list[bytes] = []
        self._answered = Counter[str]()
        self._server: list[MCPServer[Any] | BaseException] = []
        self._built, self._initialized = threading.Event(), False
        self._importing = threading.Thread(target=self._import, daemon=True)

    def greet(self) -> bool:
        """Return when there is something to be done; False if the host has gone."""
        known: dict[str, Any] = {}
        while line := self._reading.readline():
            message = _message(line)
            if not message:
                continue  # the library does not answer it either
            self._read.append(line)
            match message.get("method"):
                case "initialize":
                    known = _known(message.get("params"))
                    self._begin()
                case "notifications/initialized":
                    self._initialized = True
                    continue
            if not known or not self._answer(message, known):
                return True
        return False

    def hand_over(self) -> None:
        """Have the library serve the rest; it is told what was said so far, and its answers to that are kept
        back."""
        self._begin()
        self._built.wait()
        import anyio
        from mcp.server.stdio import stdio_server

        server = self._server[0]
        if isinstance(server, BaseException):
            raise server

        async def served() -> None:
            streams: Any = (_Lines(self._read, self._reading), _Answers(self._answered, self._writing))
            serving = server._lowlevel_server  # noqa: SLF001  the library serves other streams only so
            async with stdio_server(*streams) as (reading, writing):
                await serving.run(reading, writing, serving.create_initialization_options())

        anyio.run(served)

    def _answer(self, message: dict[str, Any], known: dict[str, Any]) -> bool:
        """Whether it was answered: a request of which the result is known, before the library is there."""
        id_, params = message.get("id"), message.get("params", {})
        result = known.get(str(message.get("method")))
        if message.get("jsonrpc") != "2.0" or isinstance(id_, bool) or not isinstance(id_, int | str):
            return False
        if result is None or self._server or not isinstance(params, dict) or params.get("cursor") is not None:
            return False
        told = {"jsonrpc": "2.0", "id": id_, "result": result}
        self._writing.write(json.dumps(told, separators=(",", ":")).encode() + b"\n")
        self._writing.flush()
        self._answered[json.dumps(id_)] += 1
        return True

    def _begin(self) -> None:
        if not self._importing.ident:
            self._importing.start()

    def _import(self) -> None:
        try:
            from .server import build, log_to_stderr

            log_to_stderr()
            self._server.append(build(patience=self._patience))
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            self._server.append(error)
        finally:
            self._built.set()
        if self._initialized:
            from .lazy import warm_up

            warm_up()


def _patience(arguments: Sequence[str], usual: str) -> float | None:
    """Seconds that a call waits; None if the arguments say more than that, or what is no such number."""
    match [*arguments]:
        case ["mcp"]:
            said = usual
        case ["mcp", "--wait", said]:
            pass
        case _:
            return None
    try:
        seconds = float(said)
    except ValueError:
        return None
    return seconds if LEAST_WAIT <= seconds <= MOST_WAIT else None


class _Lines:
    """What was read, and then what comes, as the library reads it."""

    def __init__(self, read: list[bytes], reading: BinaryIO) -> None:
        self._read, self._reading = [*read], reading

    def __aiter__(self) -> "_Lines":
        return self

    async def __anext__(self) -> str:
        from anyio import to_thread

        line = self._read.pop(0) if self._read else await to_thread.run_sync(self._reading.readline)
        if not line:
            raise StopAsyncIteration
        return line.decode("utf-8", "replace")


class _Answers:
    """Writes what the library says, but for answers that the host has already."""

    def __init__(self, answered: Counter[str], writing: BinaryIO) -> None:
        self._answered, self._writing = answered, writing

    async def write(self, text: str) -> None:
        from anyio import to_thread

        if self._answered.total() and not self._is_new(text):
            return
        await to_thread.run_sync(self._write, text.encode())

    async def flush(self) -> None:
        """All is flushed as it is written."""

    def _write(self, data: bytes) -> None:
        self._writing.write(data)
        self._writing.flush()

    def _is_new(self, text: str) -> bool:
        message = json.loads(text)
        if "method" in message or not self._answered[id_ := json.dumps(message.get("id"))]:
            return True
        self._answered[id_] -= 1
        return False


def _known(greeting: Any) -> dict[str, Any]:
    """The results for the version of the protocol that the host wants; none for one that has others."""
    match greeting:
        case {"protocolVersion": str(version), "capabilities": dict(),
              "clientInfo": {"name": str(), "version": str()}}:  # fmt: skip
            pass
        case _:
            return {}
    try:
        known: dict[str, Any] = json.loads(KNOWN.read_bytes())
    except (OSError, ValueError):
        return {}
    if version not in known.pop("versions"):
        return {}
    return known | {"initialize": {"protocolVersion": version, **known["initialize"]}, "ping": {}}


def _message(line: bytes) -> dict[str, Any]:
    """What is in the line; nothing where that is no message."""
    try:
        message = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _wire() -> tuple[BinaryIO, BinaryIO]:
    """Where the host writes and reads. What else is printed in this process goes to stderr from now on."""
    with contextlib.suppress(OSError):
        reading, writing = os.dup(0), os.dup(1)
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123  a descriptor is wanted
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
    return sys.stdin.buffer, sys.stdout.buffer
