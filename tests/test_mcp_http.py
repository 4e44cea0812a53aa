"""The server over HTTP: on this machine alone, for whoever has the token, whatever is sent."""

import asyncio
import json
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_host import data, write_files
from shell import guildhall

from guildhall.errors import UserError
from guildhall.mcp_server.over_http import TOKEN_FILE, Where, token_in

pytestmark = pytest.mark.slow
HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
    },
}  # fmt: skip
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


class Served(NamedTuple):
    url: str
    token: str
    said: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2].partition("/")[0])

    @property
    def headers(self) -> dict[str, str]:
        return {**JSON, "authorization": f"Bearer {self.token}"}


@pytest.fixture
def served(project: Path, home: Path) -> Iterator[Served]:
    write_files(project)
    program = [sys.executable, "-m", "guildhall", "mcp", "--http", "--port", "0", "--wait", "20"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, cwd=project) as server:
        assert server.stderr is not None
        try:
            said = server.stderr.readline() + server.stderr.readline()
            found = re.search(r"http://\S+/mcp", said)
            assert found, said
            yield Served(found[0], (home / TOKEN_FILE).read_text().strip(), said)
        finally:
            server.terminate()
            assert server.wait(20) in (0, -15)


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_several_hosts_at_once_run_teams(era: str, served: Served) -> None:
    async def called(task: str) -> dict[str, Any]:
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {served.token}"}) as http:
            transport = streamable_http_client(served.url, http_client=http)
            async with Client(transport, mode=era) as client:
                return data(await client.call_tool("run_team", {"task": task, "team": "duo"}))

    results = await asyncio.gather(*(called(f"Look {number}.") for number in range(3)))
    assert {result["status"] for result in results} == {"done"}
    assert len({result["run_id"] for result in results}) == 3


def test_the_token_is_the_users_alone_and_printed_once(served: Served, home: Path) -> None:
    path = home / TOKEN_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"Authorization: Bearer {served.token}" in served.said
    assert token_in(home) == (served.token, False)
    anew, is_new = token_in(home, anew=True)
    assert is_new
    assert anew != served.token


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": None}, 401), ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic {token}"}, 401), ({"authorization": "Bearer"}, 401),
        ({"host": "evil.example"}, 421), ({"host": "127.0.0.1.evil.example:{port}"}, 421),
        ({"origin": "https://evil.example"}, 403), ({"origin": "http://localhost.evil.example:{port}"}, 403),
        ({"origin": "null"}, 403), ({"origin": "http://localhost:{port}"}, 200), ({}, 200),
    ],
)  # fmt: skip
def test_who_may_come_in(served: Served, headers: dict[str, str | None], status: int) -> None:
    given = {
        name: value.format(token=served.token, port=served.port)
        for name, value in {**served.headers, **headers}.items()
        if value is not None
    }
    assert httpx2.post(served.url, headers=given, json=HELLO).status_code == status


def test_a_token_in_the_address_lets_nobody_in(served: Served) -> None:
    assert httpx2.post(f"{served.url}?token={served.token}", headers=JSON, json=HELLO).status_code == 401


def test_a_session_is_of_no_use_without_the_token(served: Served) -> None:
    began = httpx2.post(served.url, headers=served.headers, json=HELLO)
    session = {"mcp-session-id": began.headers["mcp-session-id"]}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    assert httpx2.post(served.url, headers={**JSON, **session}, json=ping).status_code == 401
    assert httpx2.post(served.url, headers={**served.headers, **session}, json=ping).status_code == 200


def test_what_is_too_large_is_refused_and_the_server_goes_on(served: Served) -> None:
    large = {**HELLO, "params": {**HELLO["params"], "more": "x" * 5_000_000}}  # type: ignore[dict-item]  # a dict
    assert httpx2.post(served.url, headers=served.headers, content=json.dumps(large)).status_code == 413
    assert httpx2.post(served.url, headers=served.headers, json=HELLO).status_code == 200


@pytest.mark.parametrize("sent", [b"not JSON", b"[]", b"[" * 100_000, b'{"jsonrpc": "2.0"}', b"\xff\xfe"])
def test_what_is_no_message_is_refused_and_the_server_goes_on(served: Served, sent: bytes) -> None:
    assert httpx2.post(served.url, headers=served.headers, content=sent).status_code == 400
    assert httpx2.post(served.url, headers=served.headers, json=HELLO).status_code == 200


def test_nobody_listens_where_others_could_reach_it() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.com"):
        with pytest.raises(UserError, match="behind-tls-proxy"):
            Where(host=host).check()
        Where(host=host, behind_tls=True).check()
    for host in ("127.0.0.1", "localhost", "::1"):
        Where(host=host).check()
    refused = guildhall("mcp", "--http", "--host", "0.0.0.0")
    assert refused.exit_code == 2
    assert "TLS" in refused.stderr


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = guildhall("mcp", "--http", "--port", str(taken.getsockname()[1]))
    assert refused.exit_code == 2
    assert "name another --port" in refused.stderr
