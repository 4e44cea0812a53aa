"""How the fake provider answers on a connection: whole, as a stream, or as a fault wants it."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, replace
from typing import Any

from fake_faults import BODIES, JSON_TYPE, NAMES, Fault, changed, refused
from fake_replies import APIS, Event, Json, Says, dumped


@dataclass(frozen=True)
class Task:
    """What is to be answered, and with what."""

    api: str
    body: Json
    says: Says
    pace: float = 0
    """Seconds between the events of a stream."""

    def streamed(self) -> bool:
        return bool(self.body.get("stream")) if self.says.sent is None else isinstance(self.says.sent, list)

    def whole(self) -> Json:
        return APIS[self.api][0](self.body, self.says) if self.says.sent is None else self.says.sent

    def events(self) -> list[Event]:
        if isinstance(self.says.sent, list):
            return [(event.get("type", ""), event) for event in self.says.sent]
        return APIS[self.api][1](self.whole())


class Wire:
    """A connection, and whether the server has closed it itself."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer, self.closed = writer, False

    def head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())

    def whole(
        self, status: int, body: Any, more: dict[str, str] | None = None, *, kind: str | None = JSON_TYPE
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        label = {"content-type": kind} if kind else {}
        self.head(status, {**label, "content-length": str(len(data)), **(more or {})})
        self.writer.write(data)

    def chunk(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def slowly(self, data: bytes, seconds: float) -> None:
        for byte in data:
            self.writer.write(bytes([byte]))
            await asyncio.sleep(seconds / len(data))

    async def close(self, *, reset: bool = False) -> None:
        await self.writer.drain()
        self.closed = True
        if reset:
            raw = self.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()


async def carry_out(wire: Wire, fault: Fault, task: Task) -> None:
    """Answer with the fault, or well if it is `ok`."""
    name = fault.name
    if name not in NAMES:
        wire.whole(400, {"error": {"message": f"the fake provider knows no fault {name!r}; see its --list"}})
    elif name in ("reset", "eof"):
        await wire.close(reset=name == "reset")
    elif name == "hang":
        await asyncio.Event().wait()
    elif name == "longerror":
        wire.head(500, {"content-type": JSON_TYPE, "transfer-encoding": "chunked"})
        while True:  # until the client hangs up
            wire.chunk(b"x" * 50_000)
            await wire.writer.drain()
    elif name == "slowhead":
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-slow: " + b"z" * 80
        await wire.slowly(head, fault.number(30))
        await wire.close()
    elif away := refused(fault):
        status, headers, error = away
        wire.whole(status, error, headers, kind="text/html" if isinstance(error, bytes) else JSON_TYPE)
    else:
        await _answered(wire, fault, replace(task, says=changed(fault, task.body, task.says)))


async def _answered(wire: Wire, fault: Fault, task: Task) -> None:
    whole, name = task.whole(), fault.name
    if name in BODIES:
        data, headers, kind = BODIES[name](whole, fault)
        wire.whole(200, data, headers, kind=kind)
    elif name == "slowbody":
        data = json.dumps(whole).encode()
        wire.head(200, {"content-type": JSON_TYPE, "content-length": str(len(data))})
        await wire.slowly(data, fault.number(30))
    elif name == "trunc":
        data = json.dumps(whole).encode()
        wire.head(200, {"content-type": JSON_TYPE, "content-length": str(len(data) + 50)})
        wire.writer.write(data[:-20])
        await wire.close()
    elif (task.streamed() and name != "jsonstream") or name == "sseplain":
        await _stream(wire, fault, task)
    else:
        wire.whole(200, whole)


async def _stream(wire: Wire, fault: Fault, task: Task) -> None:
    events = task.events()
    name, at = fault.name, int(fault.number(len(events) // 2))
    wire.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
    if name == "bom":
        wire.chunk(b"\xef\xbb\xbf")
    if name == "pings":
        await _pings(wire, task.api, fault.number(30))
    for index, event in enumerate(_rearranged(events, name, at)):
        if index == at and name in ("cut", "fin", "stall", "sseerror", "badsse"):
            await _break(wire, name)
            return
        data = _line(event, name)
        if name == "nolastend" and index == len(events) - 1:
            data = data.rstrip(b"\n")
        for piece in [data[i : i + 1] for i in range(len(data))] if name == "bytes" else [data]:
            wire.chunk(piece)
        if task.pace:
            await asyncio.sleep(task.pace)
    wire.writer.write(b"0\r\n\r\n")


async def _break(wire: Wire, name: str) -> None:
    if name in ("cut", "fin"):
        await wire.close(reset=name == "cut")
        return
    if name == "stall":
        await wire.writer.drain()
        await asyncio.Event().wait()
    error = {"type": "overloaded_error", "message": "Overloaded", "code": "overloaded"}
    text = json.dumps({"type": "error", "error": error}) if name == "sseerror" else '{"type": oops'
    wire.chunk(f"event: error\ndata: {text}\n\n".encode())
    wire.writer.write(b"0\r\n\r\n")


async def _pings(wire: Wire, api: str, seconds: float) -> None:
    ping = b'event: ping\ndata: {"type": "ping"}\n\n' if api == "messages" else b": keep-alive\n\n"
    for _ in range(int(seconds / 0.05)):
        wire.chunk(ping)
        await asyncio.sleep(0.05)


def _rearranged(events: list[Event], name: str, at: int) -> list[Event]:
    match name:
        case "cleanend":
            return events[:at]
        case "order":
            text = 2 if events[0][0] else 1  # chat completions have one event less before it
            return [events[text], *events[:text], *events[text + 1 :]]
        case "dupend":
            return [*events, events[-1]]
        case "unknownevent":
            odd = {"type": "hologram.delta", "index": 0, "delta": {"type": "hologram", "x": 1}}
            return [*events[:2], ("hologram.delta", odd), *events[2:]]
    return events


_LINE_ENDS = {"crlf": "\r\n", "cr": "\r"}


def _line(event: Event, fault: str) -> bytes:
    name, data = event
    end, text = _LINE_ENDS.get(fault, "\n"), dumped(data)
    if fault == "datalines" and not isinstance(data, str):
        text = json.dumps(data, indent=0).replace("\n", f"{end}data: ")
    return ((f"event: {name}{end}" if name else "") + f"data: {text}{end}{end}").encode()
