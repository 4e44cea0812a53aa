"""The server over HTTP: on this machine alone, for whoever has the token, whatever is sent."""

import asyncio
import json
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from http_served import Served, served_http
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
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
FILE = Path(__file__).parent / "data" / "bad_messages.json"
CASES = [case for case in json.loads(FILE.read_text("utf-8")) if case["kind"] == "http"]


@pytest.fixture
def served(project: Path, home: Path) -> Iterator[Served]:
    write_files(project)
    with served_http(home) as server:
        yield server


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_several_hosts_at_once_run_teams(era: str, served: Served) -> None:
    async def called(task: str) -> dict[str, Any]:
        async with served.host(era) as client:
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


def test_who_may_come_in_and_with_what(served: Served, tmp_path: Path) -> None:
    began = httpx2.post(served.url, headers=served.headers, json=HELLO)
    session = began.headers["mcp-session-id"]
    made = {
        "token": served.token, "port": str(served.port), "session": session,
        "other_token": token_in(tmp_path / "another")[0],
    }  # fmt: skip
    answers = {case["id"]: _status(served, case, made) for case in CASES}
    assert answers == {case["id"]: case["status"] for case in CASES}
    known = {**served.headers, "mcp-session-id": session}
    assert '"id":2,"result":{}' in httpx2.post(served.url, headers=known, json=PING).text


def test_what_is_too_large_is_refused_however_it_comes_and_the_server_goes_on(served: Served) -> None:
    large = json.dumps({**HELLO, "more": "x" * 5_000_000}).encode()
    assert httpx2.post(served.url, headers=served.headers, content=large).status_code == 413
    pieces = (large[begin : begin + 65_536] for begin in range(0, len(large), 65_536))
    assert httpx2.post(served.url, headers=served.headers, content=pieces).status_code == 413
    assert httpx2.post(served.url, headers=served.headers, json=HELLO).status_code == 200


def test_what_is_no_message_is_refused_and_the_server_goes_on(served: Served) -> None:
    for sent in (b"not JSON", b"[]", b"[" * 100_000, b'{"jsonrpc": "2.0"}', b"\xff\xfe", b""):
        assert httpx2.post(served.url, headers=served.headers, content=sent).status_code == 400
        assert httpx2.post(served.url, headers=served.headers, json=HELLO).status_code == 200


def test_a_connection_that_sends_no_whole_head_in_time_is_closed(project: Path, home: Path) -> None:
    with served_http(home, {"HEAD": 0.3}) as served:
        refused = _head(served, 9, token="")
        for sent in (b"", b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1", refused):
            with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
                connection.sendall(sent)
                if sent == refused:
                    assert connection.recv(65_536)[9:12] == b"401"
                    connection.sendall(b"{")  # of its body, of which nobody reads more
                assert _all(connection) == b"" or sent == refused


def test_connections_without_a_token_do_not_shut_out_who_has_it(served: Served) -> None:
    with ExitStack() as open_ones:
        for number in range(120):
            one = socket.create_connection(("127.0.0.1", served.port), timeout=20)
            open_ones.enter_context(one).sendall(b"POST /mcp HTTP/1.1\r\n" if number % 2 else b"")
        assert httpx2.post(served.url, headers=served.headers, json=HELLO).status_code == 200


def test_a_body_that_does_not_come_in_time_is_refused_in_words(project: Path, home: Path) -> None:
    with served_http(home, {"SLOWEST": 0.3}) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
            connection.sendall(_head(served, 9) + b"{")
            said = _all(connection)
        assert httpx2.post(served.url, headers=served.headers, json=HELLO).status_code == 200
    assert said[9:12] == b"408"
    assert b"mcp-session-id" not in said
    assert served.rest == ""


def test_who_has_the_token_gets_in_however_many_never_said_goodbye(project: Path, home: Path) -> None:
    with served_http(home, {"SESSIONS": 3}) as served:

        def ping(session: str) -> int:
            known = {**served.headers, "mcp-session-id": session}
            return httpx2.post(served.url, headers=known, json=PING).status_code

        sessions: list[str] = []
        for _ in range(5):
            began = httpx2.post(served.url, headers=served.headers, json=HELLO)
            assert began.status_code == 200
            sessions.append(began.headers["mcp-session-id"])
            assert ping(sessions[0]) == 200  # who comes back stays
        assert [ping(session) for session in sessions] == [200, 404, 404, 200, 200]


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


def _status(served: Served, case: dict[str, Any], made: dict[str, str]) -> int:
    """What is said to the bytes of the case: a client would put some of its headers right."""
    body = json.dumps(PING if "mcp-session-id" in case["headers"] else HELLO).encode()
    about = {"host": f"127.0.0.1:{served.port}", "content-length": str(len(body))}
    headers = {**about, **served.headers, **case["headers"]}
    lines = [f"{name}: {value.format(**made)}\r\n" for name, value in headers.items() if value is not None]
    path = case.get("path", "/mcp").format(**made)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body)
        return int(connection.recv(64).split()[1])


def _head(served: Served, length: int, *, token: str | None = None) -> bytes:
    about = {
        **served.headers, "host": f"127.0.0.1:{served.port}", "content-length": str(length),
        "authorization": f"Bearer {served.token if token is None else token}",
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in about.items())
    return f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode()


def _all(connection: socket.socket) -> bytes:
    """What is said until the server closes the connection."""
    said = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            said += part
    return said
