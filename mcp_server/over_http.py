"""The server over HTTP, for the user's own programs: on this machine alone, and to whoever has the token."""

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from guildhall.errors import UserError
from guildhall.home import data_folder
from guildhall.names import WAIT

from .guard import AT_ONCE, LARGEST, SESSIONS, STRANGERS, Guarded, Patient
from .server import build

TOKEN_FILE = "mcp.token"  # noqa: S105  a name
IDLE = 1800.0
"""Seconds after which a session that nobody uses is closed."""


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
        listening = socket.create_server((where.host, where.port), backlog=STRANGERS)
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
        http=Patient,  # of h11: what comes with chromadb leaves white space at the end of headers
        ws="none", lifespan="on", log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=30, timeout_graceful_shutdown=2,
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
        max_sessions=SESSIONS + AT_ONCE,  # the guard sees to it that there are fewer
        transport_security=TransportSecuritySettings(
            allowed_hosts=called,
            allowed_origins=[f"{scheme}://{name}" for name in called for scheme in ("http", "https")],
        ),
    )


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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr, flush=True)  # noqa: T201  a program that was started in a shell
