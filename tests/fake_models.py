"""A provider of language models for tests: real HTTP, no model. Standard library only, with
fake_faults.py, fake_replies.py and fake_wire.py beside it.

    with fake_models() as server:              # or as a program, which prints its URL:
        client = AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none")

    python fake_models.py --port 0 --latency .05 --jitter .5 --pace .01
    python fake_models.py --rates 429=0.06,cut=0.04 --seed 7      # faults at random, the same each time
    python fake_models.py --rpm 600 --max-in-flight 8             # more is answered 429, and counted
    python fake_models.py --list                                  # all faults

It speaks Anthropic's Messages, OpenAI's Responses and chat completions, streamed or not, and embeds. What it
says:

    [[tool NAME {...}]]   in the last user text: a call of that tool, or of several; text after their results
    [[words N]]           N words
    a JSON schema         the smallest JSON that fits it
    anything else         echo, a hash of the last user text, and its first 60 characters

or whatever a function `reply(body, api)` returns: a text, `Says` or `Fault`. A model called NAME/FAULT,FAULT
fails: each request with the same body takes the next fault, and the last one from then on; `ok` is none,
`429:2` and `cut:3` have values. Without such a name the rates decide: the chance depends on the seed, the
body, and how often that came.

GET /stats tells the requests, those in_flight, peak_in_flight, disconnected (clients that hung up), good
(answers without a fault that were sent whole), distinct_good (of different bodies), answered_twice (bodies
that got more than one good answer), limit_broken_rpm, limit_broken_in_flight, and faults by name.
GET /good gives the number of good answers by the sha of their bodies; GET /log tells of each request.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_faults import FAULTS, NAMES, Fault
from fake_replies import APIS, Call, Json, Says, default_reply
from fake_wire import Task, Wire, carry_out

__all__ = ["Call", "FakeModels", "Fault", "Reply", "Request", "Says", "default_reply", "fake_models"]


@dataclass
class Request:
    api: str
    body: Json
    headers: dict[str, str]
    sha: str
    begin: float = field(default_factory=time.time)
    end: float | None = None
    hung_up: bool = False
    fault: str = ""

    def row(self) -> Json:
        key = "x-api-key" in self.headers or "authorization" in self.headers
        return {"api": self.api, "model": self.body.get("model"), "sha": self.sha, "key": key,
                "fault": self.fault, "begin": self.begin, "end": self.end,
                "hung_up": self.hung_up}  # fmt: skip


Reply = Callable[[Json, str], str | Says | Fault]


class FakeModels:
    """The server; `requests` are in the order in which they came."""

    def __init__(
        self,
        reply: Reply | None = None,
        *,
        latency: float = 0,
        jitter: float = 0,
        pace: float = 0,
        rates: Mapping[str, float] | None = None,
        seed: int = 1,
        rpm: float = 0,
        max_in_flight: int = 0,
    ) -> None:
        self.reply, self.latency, self.jitter, self.pace = reply or default_reply, latency, jitter, pace
        self.rates, self.seed, self.max_in_flight = dict(rates or {}), seed, max_in_flight
        self.url = ""
        self.requests: list[Request] = []
        self.in_flight = self.peak_in_flight = self.disconnected = self.connections = 0
        self.good: Counter[str] = Counter()
        """Answers without a fault that were sent whole, by the sha of what was asked."""
        self.counts: Counter[str] = Counter(limit_broken_rpm=0, limit_broken_in_flight=0)
        self.faults: Counter[str] = Counter()
        self._rate = _Rate(rpm) if rpm else None
        self._seen: Counter[str] = Counter()
        self._changed = threading.Condition()

    def wait_for(self, condition: Callable[["FakeModels"], bool], timeout: float = 10) -> None:
        """Block until the condition holds; in async code, through `asyncio.to_thread`."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError(f"not within {timeout:g} s; {self.stats()}")

    def stats(self) -> Json:
        return {"requests": len(self.requests), "in_flight": self.in_flight,
                "peak_in_flight": self.peak_in_flight, "disconnected": self.disconnected,
                "good": self.good.total(), "distinct_good": len(self.good),
                "answered_twice": sum(count > 1 for count in self.good.values()),
                **self.counts, "faults": dict(self.faults)}  # fmt: skip

    async def run(self, port: int, started: Callable[[], None], stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started()
        await stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ahead = b""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (ahead + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = asyncio.create_task(self._answer(Wire(writer), head[0].split()[1], headers, raw))
                ahead = await _until_hung_up(reader, answer)
        writer.close()

    async def _answer(self, wire: Wire, path: str, headers: dict[str, str], raw: bytes) -> None:
        api = next((api for api in APIS if f"/{api}" in path), "")
        if not api:
            row = {"id": "fake", "object": "model", "type": "model"}
            log = [request.row() for request in self.requests]
            known = {"/stats": self.stats(), "/good": dict(self.good), "/log": log}
            wire.whole(200, known.get(path, {"object": "list", "data": [row]}))
            return
        request = Request(api, json.loads(raw), headers, hashlib.sha256(raw).hexdigest()[:16])
        self.requests.append(request)
        self._count(1)
        try:
            await self._say(wire, request)
            await wire.writer.drain()
            if not request.fault:
                self.good[request.sha] += 1
        except (asyncio.CancelledError, ConnectionError):
            if not wire.closed:
                request.hung_up, self.disconnected = True, self.disconnected + 1
        finally:
            request.end = time.time()
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._changed:
            self.in_flight += change
            self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
            self._changed.notify_all()

    async def _say(self, wire: Wire, request: Request) -> None:
        fault, says = self._chosen(request)
        if fault:
            request.fault = fault.kind
            self.faults[fault.kind] += 1
        part = int(request.sha[:8], 16) / 2**31 - 1
        await asyncio.sleep(self.latency * (1 + self.jitter * part))
        if says.after is not None:
            await asyncio.to_thread(says.after.wait, 30)
        await carry_out(wire, fault or Fault("ok"), Task(request.api, request.body, says, self.pace))

    def _chosen(self, request: Request) -> tuple[Fault | None, Says]:
        """The fault that the request meets, by a limit, its model's name or the rates, and the reply."""
        if over := self._over_limit():
            return over, Says()
        _, slash, faults = str(request.body.get("model")).partition("/")
        number = self._seen[request.sha]
        self._seen[request.sha] += 1
        script = faults.split(",") if slash else [self._at_random(request.sha, number)]
        kind, _, value = script[min(number, len(script) - 1)].partition(":")
        says = self.reply(request.body, request.api)
        if isinstance(says, Fault):
            return says, Says("one two three four five six")
        says = Says(says) if isinstance(says, str) else says
        return None if kind == "ok" else Fault(kind, value or None), says

    def _over_limit(self) -> Fault | None:
        if self.max_in_flight and self.in_flight > self.max_in_flight:
            self.counts["limit_broken_in_flight"] += 1
            return Fault("429", "1", "too many requests at once")
        if self._rate and (wait := self._rate.wait()):
            self.counts["limit_broken_rpm"] += 1
            return Fault("429", f"{wait:.3f}", "too many requests a minute")
        return None

    def _at_random(self, sha: str, number: int) -> str:
        drawn = random.Random(f"{self.seed} {sha} {number}").random()
        for fault, chance in self.rates.items():
            if drawn < chance:
                return fault
            drawn -= chance
        return "ok"


class _Rate:
    """So many requests a minute, of which a second's worth may come at once."""

    def __init__(self, rpm: float) -> None:
        self.each, self.burst = 60 / rpm, max(60 / rpm, 1.0)
        self.due = 0.0

    def wait(self) -> float:
        """Take a place; seconds until there is one if there is none."""
        now = time.monotonic()
        due = max(self.due, now) + self.each
        if due - now > self.burst + 1e-9:
            return due - now - self.burst
        self.due = due
        return 0.0


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


@contextlib.contextmanager
def fake_models(reply: Reply | None = None, **options: Any) -> Iterator[FakeModels]:
    """A server in a thread of its own, with the options of FakeModels. `latency` and `pace` (between events)
    are in seconds; `jitter` is a part of the latency, 1 for between none and twice of it, and the same each
    time for the same request."""
    server = FakeModels(reply, **options)
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
        "rpm": "requests a minute; more are answered 429",
    }.items():
        parser.add_argument(f"--{name}", type=float, default=0.0, help=what)
    parser.add_argument(
        "--max-in-flight", type=int, default=0, help="requests at once; more are answered 429"
    )
    parser.add_argument("--rates", type=_rates, default={}, help="chances of faults: 429=0.06,cut:3=0.04")
    parser.add_argument("--seed", type=int, default=1, help="of the faults at random")
    parser.add_argument("--list", action="store_true", help="show the faults")
    given = vars(parser.parse_args())
    if given.pop("list"):
        print("\n".join(f"{name:20} {what}" for name, what in FAULTS.items()))
        return
    port, server = given.pop("port"), FakeModels(**given)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.run(port, lambda: print(server.url, flush=True), asyncio.Event()))


def _rates(text: str) -> dict[str, float]:
    rates = {fault: float(chance) for fault, _, chance in (part.rpartition("=") for part in text.split(","))}
    if unknown := [fault for fault in rates if fault.partition(":")[0] not in NAMES]:
        raise argparse.ArgumentTypeError(f"no such faults: {', '.join(unknown)}; --list shows all")
    return rates


if __name__ == "__main__":
    main()
