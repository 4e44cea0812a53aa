"""A provider of language models for tests: real HTTP, no model. Standard library only, with
fake_replies.py beside it.

    with fake_models() as server:              # or as a program: python fake_models.py --port 0 --latency .05
        client = AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none")

It speaks Anthropic's Messages, OpenAI's Responses and chat completions, streamed or not. What it says:

    [[tool NAME {...}]]   in the last user text: a call of that tool, or of several; text after their results
    [[words N]]           N words
    a JSON schema         the smallest JSON that fits it
    anything else         echo, a hash of the last user text, and its first 60 characters

or whatever a function `reply(body, api)` returns: a text, `Says` or `Fault`. A model called NAME/FAULT,FAULT
fails: each request with the same body takes the next fault, and the last one from then on.

    429, 503:2            that status, with `Retry-After: 2`
    cut, stall, noend     within the stream: the connection breaks, silence, an end without the final event
    error, garbage        within the stream: an error event, an event that is not JSON
    hang, plain, ok       no answer at all, JSON where a stream was wanted, no fault

GET /stats counts requests and clients that hung up; GET /log tells of each request.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fake_replies import APIS, Call, Event, Json, Says, default_reply, dumped

__all__ = ["Call", "FakeModels", "Fault", "Reply", "Request", "Says", "default_reply", "fake_models"]

ERRORS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
          413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    kind: str
    """A status, or a word of the list at the top."""
    retry_after: str | None = None
    message: str = "as the test wants it"
    code: str | None = None


@dataclass
class Request:
    api: str
    body: Json
    headers: dict[str, str]
    sha: str
    begin: float = field(default_factory=time.time)
    end: float | None = None
    hung_up: bool = False

    def row(self) -> Json:
        key = "x-api-key" in self.headers or "authorization" in self.headers
        return {"api": self.api, "model": self.body.get("model"), "sha": self.sha, "key": key,
                "begin": self.begin, "end": self.end, "hung_up": self.hung_up}  # fmt: skip


Reply = Callable[[Json, str], str | Says | Fault]


class FakeModels:
    """The server; `requests` are in the order in which they came."""

    def __init__(
        self, reply: Reply | None = None, *, latency: float = 0, jitter: float = 0, pace: float = 0
    ) -> None:
        self.reply, self.latency, self.jitter, self.pace = reply or default_reply, latency, jitter, pace
        self.url = ""
        self.requests: list[Request] = []
        self.in_flight = self.peak_in_flight = self.disconnected = 0
        self._seen: Counter[str] = Counter()
        self._changed = threading.Condition()

    def wait_for(self, condition: Callable[["FakeModels"], bool], timeout: float = 10) -> None:
        """Block until the condition holds; in async code, through `asyncio.to_thread`."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError(f"not within {timeout:g} s; {self.stats()}")

    def stats(self) -> Json:
        return {"requests": len(self.requests), "in_flight": self.in_flight,
                "peak_in_flight": self.peak_in_flight, "disconnected": self.disconnected}  # fmt: skip

    async def run(self, port: int, started: Callable[[], None], stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started()
        await stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ahead = b""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (ahead + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = asyncio.create_task(self._answer(writer, head[0].split()[1], headers, raw))
                ahead = await _until_hung_up(reader, answer)
        writer.close()

    async def _answer(
        self, writer: asyncio.StreamWriter, path: str, headers: dict[str, str], raw: bytes
    ) -> None:
        api = next((api for api in APIS if f"/{api}" in path), "")
        if not api:
            row = {"id": "fake", "object": "model", "type": "model"}
            known = {"/stats": self.stats(), "/log": [request.row() for request in self.requests]}
            _whole(writer, 200, known.get(path, {"object": "list", "data": [row]}))
            return
        body = json.loads(raw)
        request = Request(api, body, headers, hashlib.sha256(raw).hexdigest()[:16])
        self.requests.append(request)
        self._count(1)
        try:
            part = int(request.sha[:8], 16) / 2**31 - 1
            await asyncio.sleep(self.latency * (1 + self.jitter * part))
            await self._say(writer, request, self._chosen(request))
            await writer.drain()
        except (asyncio.CancelledError, ConnectionError):
            request.hung_up, self.disconnected = True, self.disconnected + 1
        finally:
            request.end = time.time()
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._changed:
            self.in_flight += change
            self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
            self._changed.notify_all()

    def _chosen(self, request: Request) -> Says | Fault:
        """What becomes of the request: the fault that its model's name asks for, else the reply."""
        _, slash, faults = str(request.body.get("model")).partition("/")
        script = faults.split(",") if slash else ["ok"]
        kind, _, value = script[min(self._seen[request.sha], len(script) - 1)].partition(":")
        self._seen[request.sha] += 1
        if kind != "ok":
            return Fault(kind, value or None)
        says = self.reply(request.body, request.api)
        return Says(says) if isinstance(says, str) else says

    async def _say(self, writer: asyncio.StreamWriter, request: Request, says: Says | Fault) -> None:
        fault = says if isinstance(says, Fault) else None
        if fault and fault.kind.isdigit():
            error = {"type": ERRORS.get(int(fault.kind), "api_error"), "message": fault.message}
            error |= {"code": fault.code} if fault.code else {}
            more = {"retry-after": fault.retry_after} if fault.retry_after else {}
            _whole(writer, int(fault.kind), {"type": "error", "error": error}, more)
            return
        if fault and fault.kind == "hang":
            await asyncio.Event().wait()
        shape, events = APIS[request.api]
        whole = shape(request.body, says if isinstance(says, Says) else Says("one two three four five six"))
        if request.body.get("stream") and not (fault and fault.kind == "plain"):
            await self._stream(writer, events(whole), fault.kind if fault else "")
        else:
            _whole(writer, 200, whole)

    async def _stream(self, writer: asyncio.StreamWriter, events: list[Event], fault: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        half = len(events) // 2
        for name, data in events[:half] if fault else events:
            text = (f"event: {name}\n" if name else "") + f"data: {dumped(data)}\n\n"
            _chunk(writer, text.encode())
            if self.pace:
                await asyncio.sleep(self.pace)
        if fault == "stall":
            await writer.drain()
            await asyncio.Event().wait()
        if fault == "error":
            error = {"type": "overloaded_error", "message": "Overloaded", "code": "overloaded"}
            _chunk(writer, f"event: error\ndata: {dumped({'type': 'error', 'error': error})}\n\n".encode())
        if fault == "garbage":
            _chunk(writer, b'data: {"type": oops\n\n')
        if fault == "cut":
            await writer.drain()
            writer.transport.abort()
        else:
            writer.write(b"0\r\n\r\n")


async def _until_hung_up(reader: asyncio.StreamReader, answer: asyncio.Task[None]) -> bytes:
    """Wait for the answer, cancelled if the client goes away; gives what the client sent meanwhile."""
    more = asyncio.create_task(reader.read(1))
    await asyncio.wait({answer, more}, return_when=asyncio.FIRST_COMPLETED)
    if not more.done():
        more.cancel()
        await asyncio.wait({more})
    ahead = b"" if more.cancelled() or more.exception() else more.result()
    if not ahead and not more.cancelled():
        answer.cancel()
    await answer
    return ahead


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


def _whole(writer: asyncio.StreamWriter, status: int, body: Any, more: dict[str, str] | None = None) -> None:
    data = json.dumps(body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(data)), **(more or {})}
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + data)


@contextlib.contextmanager
def fake_models(
    reply: Reply | None = None, *, latency: float = 0, jitter: float = 0, pace: float = 0
) -> Iterator[FakeModels]:
    """A server in a thread of its own. `latency` and `pace` (between events) are in seconds; `jitter` is a
    part of the latency, 1 for between none and twice of it, and the same each time for the same request."""
    server = FakeModels(reply, latency=latency, jitter=jitter, pace=pace)
    started, stopping = threading.Event(), []

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        stopping.append(lambda: loop.call_soon_threadsafe(stop.set))
        await server.run(0, started.set, stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="fake-models", daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield server
    finally:
        stopping[0]()
        thread.join(10)


def main() -> None:
    parser = argparse.ArgumentParser(description="A provider of language models for tests; prints its URL.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    for name, what in {
        "latency": "seconds before an answer begins",
        "jitter": "part of the latency, 0 to 1",
        "pace": "seconds between the events of a stream",
    }.items():
        parser.add_argument(f"--{name}", type=float, default=0.0, help=what)
    given = parser.parse_args()
    server = FakeModels(latency=given.latency, jitter=given.jitter, pace=given.pace)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.run(given.port, lambda: print(server.url, flush=True), asyncio.Event()))


if __name__ == "__main__":
    main()
