"""What a host asks for first is answered before the library is imported, and is what the library says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from gating import gated
from mcp_host import write_files
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from raw_host import FRONT, LIBRARY, greeting, raw_host

from guildhall.mcp_server.instant import KNOWN

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", [*HANDSHAKE_PROTOCOL_VERSIONS, "2199-01-01"])
def test_the_front_says_what_the_library_says(version: str, project: Path) -> None:
    """Where this fails, what is in instant.json is to be written anew from what the library says."""
    said = []
    for arguments in (FRONT, LIBRARY):
        with raw_host(arguments) as host:
            said.append([host.greet(version), host.ask("tools/list"), host.ask("ping")])
    assert said[0] == said[1]


def test_all_that_is_known_is_of_versions_that_begin_so() -> None:
    assert json.loads(KNOWN.read_bytes())["versions"] == [*HANDSHAKE_PROTOCOL_VERSIONS]


def test_what_comes_after_the_greeting_is_answered_by_the_library_once_each(project: Path) -> None:
    write_files(project)
    with raw_host(FRONT) as host:
        host.greet()
        assert len(host.ask("tools/list")["result"]["tools"]) == 6
        result = host.ask("tools/call", name="run_team", arguments={"task": "Look.", "team": "duo"})
        assert result["result"]["structuredContent"]["status"] == "done"
        assert len(host.ask("tools/list")["result"]["tools"]) == 6
        assert host.ask("nothing/such")["error"]["code"] == -32601


def test_a_newer_host_is_served_from_its_first_word(project: Path) -> None:
    with raw_host(FRONT) as host:
        assert "2026-07-28" in str(host.discover()["result"])


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
    with raw_host(FRONT) as host:
        host.send(line)
        host.send({"id": 77, "method": "initialize", "params": greeting()})
        while (answer := host.read()).get("id") != 77:
            assert "error" in answer
        assert answer["result"]["serverInfo"]["name"] == "guildhall"


@pytest.mark.parametrize("lacks", ["protocolVersion", "capabilities", "clientInfo"])
def test_a_greeting_that_lacks_something_is_refused_as_by_the_library(lacks: str, project: Path) -> None:
    said = []
    for arguments in (FRONT, LIBRARY):
        with raw_host(arguments) as host:
            half = {name: value for name, value in greeting().items() if name != lacks}
            said.append([host.ask("initialize", **half), host.greet()])
    assert said[0] == said[1]
    assert said[0][0]["error"]["code"] == -32602


def test_who_greets_twice_is_answered_twice_at_once_and_not_again(project: Path) -> None:
    with raw_host(FRONT) as host:
        for _ in range(2):
            host.send({"id": 1, "method": "initialize", "params": greeting()})
            host.send({"id": 2, "method": "tools/list"})
        assert [host.read()["id"] for _ in range(4)] == [1, 2, 1, 2]
        assert host.ask("nothing/such")["error"]["code"] == -32601


def test_a_host_that_leaves_at_once_leaves_nothing_behind(project: Path) -> None:
    with raw_host(FRONT):
        pass
    with raw_host(FRONT) as host:
        host.greet()


@pytest.mark.parametrize("wait", [["--wait", "0.1"], []])
def test_how_long_a_call_waits_can_be_said_to_the_front(
    wait: list[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not wait:
        monkeypatch.setenv("GUILDHALL_MCP_WAIT", "0.1")
    with gated() as gate:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{gate.server.url}/v1")
        with raw_host([*FRONT, *wait]) as host:
            host.greet()
            given = {"specialist": "critic", "task": "Look."}
            result = host.ask("tools/call", name="ask_specialist", arguments=given)["result"]
            assert result["structuredContent"]["status"] == "running"


def test_a_wait_that_is_none_is_refused_as_it_is_without_the_front(project: Path) -> None:
    for wait in ("soon", "0", "nan", "1e9"):
        ran = subprocess.run(
            [sys.executable, "-m", "guildhall", "mcp", "--wait", wait], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert ran.returncode == 2
        assert "--wait" in ran.stderr
        assert ran.stdout == ""
