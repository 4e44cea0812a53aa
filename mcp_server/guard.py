"""Who gets in over HTTP: whoever has the token, however many others connect, send slowly or never leave."""

import asyncio
import hmac
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

LARGEST = 4_000_000
"""Bytes of a request."""
SLOWEST = 30.0
"""Seconds that the body of a request may take to come."""
HEAD = 10.0
"""Seconds until a connection has sent the whole head of a request."""
STRANGERS = 100
"""Connections without a token at a time; the oldest makes room."""
AT_ONCE = 300
"""Requests with the token at a time: each session may hold one open."""
SESSIONS = 100
"""Sessions at a time; the one that was not used for longest makes room."""
_SESSION = b"mcp-session-id"
_KNOWN = "guildhall.known"
_CLOSE = (b"connection", b"close")
_REFUSED = (b'{"error":"unauthorized","error_description":"send the token in the file mcp.token of the data '
            b'folder as: Authorization: Bearer TOKEN"}')  # fmt: skip
_NO_SESSION = b'{"error":"not_found","error_description":"this token has no such session; begin another one"}'
_TOO_SLOW = b'{"error":"request_timeout","error_description":"the body of the request did not come in time"}'
_TOO_MANY = b'{"error":"unavailable","error_description":"too many requests at a time; try again later"}'


class Guarded:
    """Lets through what has the token; what is not read in time ends."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()
        self._sessions = _Sessions(app)
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif hmac.compare_digest(token := _token_of(scope["headers"]), self._token):
            scope.setdefault("state", {})[_KNOWN] = True
            await self._let_in(scope, receive, send)
        elif token and _session_of(scope["headers"]):
            await _answer(send, 404, _NO_SESSION)  # be it there or not; begun anew, it gets a 401
        else:
            await _answer(send, 401, _REFUSED, (b"www-authenticate", b"Bearer"))

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._at_work >= AT_ONCE:
            return await _answer(send, 503, _TOO_MANY, _CLOSE)
        self._at_work += 1
        try:
            async with asyncio.timeout(SLOWEST) as in_time:
                request = await _read(scope, receive)
        except TimeoutError:
            if not in_time.expired():
                raise
            await _answer(send, 408, _TOO_SLOW, _CLOSE)
        else:
            if request is not None:
                await self._sessions(scope, request, receive, send)
        finally:
            self._at_work -= 1


class _Sessions:
    """Keeps count of the sessions, so that there is room for one more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._in_use: dict[bytes, int] = {}
        """Requests at work of each session; the one that was used last comes last."""

    async def __call__(self, scope: Scope, request: Message, receive: Receive, send: Send) -> None:
        session = _session_of(scope["headers"])
        if not session and b'"initialize"' in request["body"]:
            while len(self._in_use) >= SESSIONS:
                await self._make_room(scope)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                if scope["method"] == "DELETE":
                    self._in_use.pop(session, None)
                elif not session and (begun := _session_of(message["headers"])):
                    self._in_use[begun] = 0
            await send(message)

        if session in self._in_use:
            self._in_use[session] = self._in_use.pop(session) + 1
        try:
            await self._app(scope, _first(request, receive), sent)
        finally:
            if session in self._in_use:
                self._in_use[session] -= 1

    async def _make_room(self, scope: Scope) -> None:
        """End the session that was not used for longest, as its own client would."""
        oldest = min(self._in_use, key=lambda session: self._in_use[session] > 0)
        del self._in_use[oldest]
        headers = [(name, value) for name, value in scope["headers"] if name in (b"host", b"origin")]
        ends = {**scope, "method": "DELETE", "headers": [*headers, (_SESSION, oldest)]}
        await self._app(ends, _first(_whole(b""), _nothing_more), _unheard)


class Patient(H11Protocol):
    """A connection that is closed unless it has the token or is about to show it."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.began = self.loop.time()
        super().connection_made(transport)
        self._wait()
        strangers = [one for one in self.connections if isinstance(one, Patient) and not one.is_known]
        if len(strangers) > STRANGERS:
            min(strangers, key=lambda one: one.began).transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.is_at_work:
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    @property
    def is_known(self) -> bool:
        """Whether its last request had the token."""
        return self.scope is not None and _KNOWN in self.scope.get("state", {})

    @property
    def is_at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.is_at_work:
            self.transport.abort()


async def _read(scope: Scope, receive: Receive) -> Message | None:
    """The request with its whole body, or with what is too much already; None if its client has gone."""
    body, more = bytearray(), True
    if any(name == b"content-length" and int(value) > LARGEST for name, value in scope["headers"]):
        return _whole(b"", more=True)  # it is refused for what it says
    while more and len(body) <= LARGEST:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return _whole(bytes(body), more=more)


def _whole(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def _first(request: Message, receive: Receive) -> Receive:
    """What gives this message, and then whatever comes."""
    left = [request]

    async def received() -> Message:
        return left.pop() if left else await receive()

    return received


async def _nothing_more() -> Message:
    return {"type": "http.disconnect"}


async def _unheard(_message: Message) -> None:
    pass


def _session_of(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return next((value for name, value in headers if name.lower() == _SESSION), b"")


def _token_of(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The bearer token; empty where there is none, or it is not clear which."""
    given = [value for name, value in headers if name == b"authorization"]
    kind, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    return token.strip() if kind.lower() == b"bearer" else b""


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    about: list[Any] = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*about, *headers]})
    await send({"type": "http.response.body", "body": body})
