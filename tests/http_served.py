"""The server over HTTP in a process of its own, and its hosts."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from guildhall.mcp_server.over_http import TOKEN_FILE

JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@dataclass
class Served:
    process: "subprocess.Popen[str]"
    url: str
    token: str
    said: str
    """What it printed when it was started."""
    rest: str = ""
    """What it said on stderr from then on, once it has ended."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2].partition("/")[0])

    @property
    def headers(self) -> dict[str, str]:
        return {**JSON, "authorization": f"Bearer {self.token}"}

    @asynccontextmanager
    async def host(self, era: str, **options: Any) -> AsyncIterator[Client]:
        """The official client, with the token."""
        about = {"authorization": f"Bearer {self.token}"}
        async with httpx2.AsyncClient(headers=about, timeout=60) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=era, **options) as client:
                yield client


def smaller(limits: dict[str, float]) -> str:
    """A program that is the server, but with other limits."""
    setting = "; ".join(f"guard.{name} = {value}" for name, value in limits.items())
    return f"from guildhall.mcp_server import guard; {setting}; from guildhall.__main__ import main; main()"


@contextmanager
def served_http(home: Path, limits: dict[str, float] | None = None) -> Iterator[Served]:
    """The server of the working folder; whatever was sent to it, it has written nothing to stdout."""
    begin = ["-c", smaller(limits)] if limits else ["-m", "guildhall"]
    program = [sys.executable, *begin, "mcp", "--http", "--port", "0", "--wait", "20"]
    pipe, known = subprocess.PIPE, (home / TOKEN_FILE).exists()
    with subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            said = "".join(process.stderr.readline() for _ in range(1 if known else 2))
            found = re.search(r"http://\S+/mcp", said)
            assert found, said
            served = Served(process, found[0], (home / TOKEN_FILE).read_text().strip(), said)
            yield served
            process.terminate()
            served.rest = process.stderr.read()
        finally:
            process.terminate()
            assert process.wait(20) in (0, -9, -15)
            assert process.stdout.read() == ""
