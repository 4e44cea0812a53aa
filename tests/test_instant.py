"""What a host asks for first is answered before the library is imported, and is what the library says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp_host import write_files
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from guildhall.mcp_server.instant import KNOWN

pytestmark = pytest.mark.slow
FRONT, LIBRARY = ["mcp"], ["mcp", "--wait", "45"]
"""With an option it is the library that answers from the beginning."""


class Server:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.number = process, 0

    def send(self, *lines: str | dict[str, Any]) -> None:
        assert self.process.stdin is not None
        for line in lines:
            text = line if isinstance(line, str) else json.dumps({"jsonrpc": "2.0", **line})
            self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        answer = self.read()
        assert answer["id"] == self.number
        return answer

    def greet(self, version: str) -> dict[str, Any]:
        who = {"name": "test", "version": "1"}
        answer = self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo=who)
        self.send({"method": "notifications/initialized"})
        return answer


@contextmanager
def started(arguments: list[str]) -> Iterator[Server]:
    program = [sys.executable, "-m", "guildhall", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


@pytest.mark.parametrize("version", [*HANDSHAKE_PROTOCOL_VERSIONS, "2199-01-01"])
def test_the_front_says_what_the_library_says(version: str, project: Path) -> None:
    """Where this fails, what is in instant.json is to be written anew from what the library says."""
    said = []
    for arguments in (FRONT, LIBRARY):
        with started(arguments) as server:
            said.append([server.greet(version), server.ask("tools/list"), server.ask("ping")])
    assert said[0] == said[1]


def test_all_that_is_known_is_of_versions_that_begin_so() -> None:
    assert json.loads(KNOWN.read_bytes())["versions"] == [*HANDSHAKE_PROTOCOL_VERSIONS]


def test_what_comes_after_the_greeting_is_answered_by_the_library_once_each(project: Path) -> None:
    write_files(project)
    with started(FRONT) as server:
        server.greet("2025-11-25")
        assert len(server.ask("tools/list")["result"]["tools"]) == 6
        result = server.ask("tools/call", name="run_team", arguments={"task": "Look.", "team": "duo"})
        assert result["result"]["structuredContent"]["status"] == "done"
        assert len(server.ask("tools/list")["result"]["tools"]) == 6
        assert server.ask("nothing/such")["error"]["code"] == -32601


def test_a_newer_host_is_served_from_its_first_word(project: Path) -> None:
    about = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    with started(FRONT) as server:
        assert "2026-07-28" in str(server.ask("server/discover", _meta=about)["result"])


@pytest.mark.parametrize(
    "line",
    [
        "this is not JSON", "", "[]", "null", '{"jsonrpc": "2.0"}', '{"id": 1}', "[" * 50_000,
        '{"jsonrpc": "2.0", "id": 9, "method": "initialize", "params": []}',
        '{"jsonrpc": "2.0", "id": true, "method": "tools/list"}',
        '{"jsonrpc": "2.0", "id": {"a": 1}, "method": "initialize", "params": {"protocolVersion": ["x"]}}',
    ],
)  # fmt: skip
def test_garbage_before_the_greeting_is_outlived(line: str, project: Path) -> None:
    with started(FRONT) as server:
        server.send(line)
        who = {"name": "test", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": who}
        server.send({"id": 77, "method": "initialize", "params": hello})
        while (answer := server.read()).get("id") != 77:
            assert "error" in answer
        assert answer["result"]["serverInfo"]["name"] == "guildhall"


def test_a_host_that_leaves_at_once_leaves_nothing_behind(project: Path) -> None:
    with started(FRONT):
        pass
    with started(FRONT) as server:
        server.greet("2025-11-25")
