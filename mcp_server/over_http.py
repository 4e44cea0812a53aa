"""The server over HTTP, for the user's own programs: on this machine alone, and to whoever has the token."""

import asyncio
import hmac
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guildhall.errors import UserError
from guildhall.home import data_folder
from guildhall.names import WAIT

from .server import build

TOKEN_FILE = "mcp.token"  # noqa: S105  a name
LARGEST = 4_000_000
"""Bytes of a request."""
SLOWEST = 30.0
"""Seconds that a request may take to be read."""
MOST = 100
"""Requests and sessions at a time."""
IDLE = 1800.0
"""Seconds after which a session that nobody uses is closed."""
_REFUSED = (b'{"error":"unauthorized","error_description":"send the token in the file mcp.token of the data '
            b'folder as: Authorization: Bearer TOKEN"}')  # fmt: skip
_NO_SESSION = b'{"error":"not_found","error_description":"this token has no such session; begin another one"}'


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the server listens, and under which names it is called."""

    host: str = "127.0.0.1"
    port: int = 8765
    names: Sequence[str] = ()
    """Further names that it is called by, such as that of a proxy."""
    behind_tls: bool = False
    """Whether somebody vouches that a proxy in front of it speaks TLS."""

    def check(self) -> None:
        """Raise UserError for an address that others can reach without TLS."""
        if self.host != "localhost" and not _is_loopback(self.host) and not self.behind_tls:
            raise UserError(
                f"{self.host} can be reached from other machines, and the token would go there unencrypted: "
                "leave --host out, or put a proxy that speaks TLS in front and say --behind-tls-proxy"
            )


def serve_http(where: Where, *, patience: float = WAIT, new_token: bool = False) -> None:
    """Serve until the process is told to end. The token is printed when it is made."""
    where.check()
    token, is_new = token_in(data_folder(), anew=new_token)
    try:
        listening = socket.create_server((where.host, where.port), backlog=MOST)
    except OSError as error:
        raise UserError(
            f"{where.host}:{where.port} cannot be listened on ({error.strerror}): name another --port"
        ) from None
    port = listening.getsockname()[1]
    shown = f"[{where.host}]" if ":" in where.host else where.host
    _say(f"Guildhall serves http://{shown}:{port}/mcp; the token is in {data_folder() / TOKEN_FILE}")
    if is_new:
        _say(f"Authorization: Bearer {token}")
    serve_app(Guarded(application(where, port=port, patience=patience), token), listening)


def serve_app(app: ASGIApp, listening: socket.socket) -> None:
    """Serve the application at that socket until the process is told to end."""
    config = uvicorn.Config(
        app,
        http="h11",  # what comes with chromadb leaves white space at the end of headers
        ws="none", lifespan="on", log_level="warning", access_log=False, server_header=False,
        limit_concurrency=MOST, timeout_keep_alive=30, timeout_graceful_shutdown=2,
    )  # fmt: skip
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


def application(where: Where, *, port: int, patience: float = WAIT) -> ASGIApp:
    """The server as ASGI has it; it heeds the names by which it is called, and is not guarded yet."""
    names = [where.host, "127.0.0.1", "localhost", "[::1]", *where.names]
    called = [*(f"{name}:{port}" for name in names), *where.names]
    return build(patience=patience).streamable_http_app(
        host=where.host,
        max_request_body_size=LARGEST,
        session_idle_timeout=IDLE,
        max_sessions=MOST,
        transport_security=TransportSecuritySettings(
            allowed_hosts=called,
            allowed_origins=[f"{scheme}://{name}" for name in called for scheme in ("http", "https")],
        ),
    )


class Guarded:
    """Lets through what has the token; what is not read in time ends."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif hmac.compare_digest(token := _token_of(scope["headers"]), self._token):
            await self._app(scope, _in_time(receive), send)
        elif token and any(name == b"mcp-session-id" for name, _ in scope["headers"]):
            await _answer(send, 404, _NO_SESSION, [])  # be it there or not; begun anew, it gets a 401
        else:
            await _answer(send, 401, _REFUSED, [(b"www-authenticate", b"Bearer")])


def _token_of(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The bearer token; empty where there is none, or it is not clear which."""
    given = [value for name, value in headers if name == b"authorization"]
    kind, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    return token.strip() if kind.lower() == b"bearer" else b""


def token_in(folder: Path, *, anew: bool = False) -> tuple[str, bool]:
    """The token in the folder, which only its owner may read, and whether it was made just now."""
    path = folder / TOKEN_FILE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not anew and path.is_file() and len(known := path.read_text("utf-8").strip()) >= 32:
        return known, False
    token, draft = secrets.token_urlsafe(32), path.with_name(f"{TOKEN_FILE}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(token + "\n")
    draft.replace(path)
    return token, True


def _in_time(receive: Receive) -> Receive:
    """The same, but the body has to come within some seconds; afterwards there is nothing to wait for."""
    deadline = asyncio.get_running_loop().time() + SLOWEST
    read = False

    async def received() -> Message:
        nonlocal read
        if read:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        read = not message.get("more_body")
        return message

    return received


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    about: list[Any] = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*about, *headers]})
    await send({"type": "http.response.body", "body": body})


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr, flush=True)  # noqa: T201  a program that was started in a shell
