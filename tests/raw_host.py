"""A host that writes bytes to a server in a process of its own, and reads each line that comes back."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mcp_types import jsonrpc_message_adapter

Message = dict[str, Any]
FRONT, LIBRARY = ["mcp"], ["mcp", "--port", "8765"]
"""With an option it is the library that answers from the beginning."""
LONG = 60.0
"""Seconds after which something that has to come does not come any more."""


class RawHost:
    """What it is sent has to be JSON-RPC, whatever it sends itself."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process, self.number = process, 0
        self._about: Message = {}
        self._lines = queue.SimpleQueue[bytes]()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def send(self, *lines: bytes | str | Message) -> None:
        """Lines of text and messages get their end; bytes are sent as they are."""
        assert self.process.stdin is not None
        for line in lines:
            text = json.dumps({"jsonrpc": "2.0", **line}) if isinstance(line, dict) else line
            self.process.stdin.write(text if isinstance(text, bytes) else f"{text}\n".encode())
        self.process.stdin.flush()

    def read(self, seconds: float = LONG) -> Message:
        """The next message; none may be missing after so many seconds."""
        line = self._lines.get(timeout=seconds)
        assert line, "the server has closed its stdout"
        return _message(line)

    def request(self, id_: int | str, method: str, **params: Any) -> None:
        """Ask without waiting for the answer."""
        self.send({"id": id_, "method": method, "params": params | self._about})

    def ask(self, method: str, **params: Any) -> Message:
        self.number += 1
        self.request(self.number, method, **params)
        answer = self.read()
        assert answer["id"] == self.number
        return answer

    def greet(self, version: str = "2025-11-25", **capabilities: Any) -> Message:
        answer = self.ask("initialize", **greeting(version, **capabilities))
        self.send({"method": "notifications/initialized"})
        return answer

    def discover(self, **capabilities: Any) -> Message:
        """Begin as newer hosts do, which say who they are with each request."""
        about = {
            "protocolVersion": "2026-07-28", "clientInfo": {"name": "test", "version": "1"},
            "clientCapabilities": capabilities,
        }  # fmt: skip
        self._about = {"_meta": {f"io.modelcontextprotocol/{name}": one for name, one in about.items()}}
        return self.ask("server/discover")

    def leave(self) -> list[Message]:
        """What was still said once stdin was closed; the server ends as it should."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(LONG) == 0
        self._reading.join(LONG)
        rest = iter(self._lines.get, b"")
        return [_message(line) for line in rest]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")


def greeting(version: str = "2025-11-25", **capabilities: Any) -> Message:
    return {
        "protocolVersion": version, "capabilities": capabilities,
        "clientInfo": {"name": "test", "version": "1"},
    }  # fmt: skip


@contextmanager
def raw_host(arguments: list[str]) -> Iterator[RawHost]:
    """The host of a server that is started so; nothing may be left unread in the end."""
    pipe = subprocess.PIPE
    program = [sys.executable, "-m", "guildhall", *arguments]
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        try:
            host = RawHost(process)
            yield host
            assert host.leave() == []
        finally:
            process.kill()


def _message(line: bytes) -> Message:
    jsonrpc_message_adapter.validate_json(line)
    assert line.endswith(b"\n")
    message: Message = json.loads(line)
    assert message["jsonrpc"] == "2.0"
    return message
