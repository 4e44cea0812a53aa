"""A Chroma server over REST, with vectors and their numbers only; nothing here imports chromadb."""

import base64
import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .chroma_places import Server

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EF_SEARCH = 400
"""How far Chroma looks around: with its default of 100, a seventh of the 200 nearest is missed at 50,000."""
_AGAIN = 0.25
"""Seconds until a server is started again: one that is leaving may still hold the lock."""
_LOST = (404, 500)
"""Answers of a server that has lost a collection, or cannot read it; all others may pass."""


class ChromaError(Exception):
    """Answer without it.

    ChromaError
    ├── Away       nobody is there, or a stranger, or no answer in time
    └── Refused    an answer that shows that what it holds is not to be trusted
    """


class Away(ChromaError):
    pass


class Refused(ChromaError):
    pass


class Chroma:
    """One kept connection; calls take turns. Raises ChromaError alone."""

    def __init__(self, server: Server, *, timeout: float) -> None:
        self.server, self.timeout = server, timeout
        self.connections = 0
        """How often it connected: another number, and the server may be another one too."""
        self._turn, self._path, self._closed = threading.Lock(), "", False
        self._connection: http.client.HTTPConnection | None = None
        self._ids: dict[str, str] = {}
        self._headers = {"Content-Type": "application/json"}
        if server.token:
            self._headers["X-Chroma-Token"] = server.token

    def query(
        self, collection: str, vectors: "NDArray[np.float32]", most: int, *, on: int | None = None
    ) -> list[dict[int, float]]:
        """For each vector the nearest: their numbers, with how similar they are.

        With `on`, only over the connection of that number: over another one there may be another server.
        """
        body = {"query_embeddings": vectors.tolist(), "n_results": most, "include": ["distances"]}
        reply = self._call("POST", f"/collections/{self._id(collection, on=on)}/query", body, on=on)
        with _understood(reply):
            return [
                {int(seq): 1.0 - float(distance) for seq, distance in zip(ids, distances, strict=True)}
                for ids, distances in zip(reply["ids"], reply["distances"], strict=True)
            ]

    def upsert(self, collection: str, rows: Sequence[tuple[int, bytes]]) -> None:
        """Have it hold these vectors by their numbers; the collection is made if it is new."""
        body = {
            "ids": [str(seq) for seq, _ in rows],
            "embeddings": [base64.b64encode(vector).decode() for _, vector in rows],
        }
        self._call("POST", f"/collections/{self._id(collection, create=True)}/upsert", body)

    def count(self, collection: str) -> int:
        reply = self._call("GET", f"/collections/{self._id(collection)}/count")
        with _understood(reply):
            return int(reply)

    def collections(self, prefix: str) -> list[str]:
        """The names of all collections that begin so."""
        found: list[str] = []
        while True:
            reply = self._call("GET", f"/collections?limit=100&offset={len(found)}")
            with _understood(reply):
                names = [str(each["name"]) for each in reply]
            found += names
            if len(names) < 100:
                return [name for name in found if name.startswith(prefix)]

    def drop(self, collection: str) -> None:
        """Have the collection gone."""
        with self._turn:
            self._ids.pop(collection, None)
        self._call("DELETE", f"/collections/{quote(collection)}")

    def ask(self) -> None:
        """Raise ChromaError unless it answers."""
        self._call("GET", "")

    def reach(self, wait: float, stop: threading.Event) -> int:
        """The number of a connection over which the server answers; if none does, ours is started."""
        deadline, again = time.monotonic() + wait, 0.0
        child: subprocess.Popen[bytes] | None = None
        while True:
            try:
                self.ask()
            except Away:
                if time.monotonic() > deadline or stop.is_set() or not self.server.ours:
                    raise
            else:
                return self.connections
            ended = child.poll() if child else 0
            if ended is not None and time.monotonic() >= again:
                if ended:
                    raise Away(f"{self.server} does not start ({ended}); its chroma.log says why")
                child, again = self._started(), time.monotonic() + _AGAIN
            stop.wait(0.02)

    def close(self) -> None:
        """Hang up; who waits for an answer gets none."""
        self._closed = True
        if (connection := self._connection) is not None and (sock := connection.sock) is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        with self._turn:
            self._close()

    def _started(self) -> "subprocess.Popen[bytes] | None":
        try:
            return self.server.start()
        except OSError as error:
            raise Away(f"{self.server} does not start: {error}") from error

    def _id(self, collection: str, *, create: bool = False, on: int | None = None) -> str:
        with self._turn:
            known = self._ids.get(collection)
        if known:
            return known
        if create:
            space = {"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}}
            new = {"name": collection, "get_or_create": True, "configuration": space}
            reply = self._call("POST", "/collections", new)
        else:
            reply = self._call("GET", f"/collections/{quote(collection)}", on=on)
        with _understood(reply):
            found = str(reply["id"])
        with self._turn:
            self._ids[collection] = found
        return found

    def _call(self, method: str, path: str, body: object = None, *, on: int | None = None) -> Any:
        if not self._turn.acquire(timeout=self.timeout):
            raise Away(f"{self.server} is busy")
        try:
            status, data = self._answered(method, path, body, on)
            if status >= 400:
                self._ids.clear()
                kind = Refused if status in _LOST else Away
                raise kind(f"{self.server} answers with {status}: {data[:200].decode(errors='replace')}")
        finally:
            self._turn.release()
        self.server.used()
        try:
            return json.loads(data or b"null")
        except ValueError as error:
            raise Refused(f"{self.server} answers with what is no JSON") from error

    def _answered(self, method: str, path: str, body: object, on: int | None) -> tuple[int, bytes]:
        """Status and body; a kept connection may have grown old, so that is tried once more."""
        while True:
            kept = self._connection is not None
            if self._closed:
                raise Away("the index was closed")
            if on is not None and (on != self.connections or not kept):
                raise Away(f"the connection to {self.server} was lost")
            try:
                return self._send(self._connection or self._connect(), method, path, body)
            except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
                self._close()
                if isinstance(error, TimeoutError):
                    raise Away(f"{self.server} does not answer in time") from error
                if not kept:
                    why = f": {error}" if isinstance(error, ValueError) else ""
                    raise Away(f"{self.server} is not running{why}") from error

    def _connect(self) -> http.client.HTTPConnection:
        address = self.server.address()
        kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
        connection = kind(address.host, address.port, timeout=self.server.connecting)
        self._path = address.path
        try:
            connection.connect()
            connection.auto_open = 0  # a lost connection is to be noticed
            connection.timeout = self.timeout
            connection.sock.settimeout(self.timeout)
            status, data = self._send(connection, "GET", "", None)
            if status in (401, 403):
                raise ValueError("it does not accept GUILDHALL_CHROMA_TOKEN")
            if status != 200 or json.loads(data)["name"] != address.database:
                raise ValueError(f"on port {address.port} there is no database {address.database} ({status})")
        except BaseException:
            connection.close()
            raise
        self.connections += 1
        self._connection = connection
        return connection

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object
    ) -> tuple[int, bytes]:
        deadline = time.monotonic() + self.timeout
        sent = None if body is None else json.dumps(body)
        connection.request(method, self._path + path, sent, self._headers)
        reply = connection.getresponse()
        parts = []
        while part := reply.read1(1 << 16):
            if time.monotonic() > deadline:
                raise TimeoutError("the answer comes too slowly")
            parts.append(part)
        reply.close()
        return reply.status, b"".join(parts)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._ids.clear()


@contextlib.contextmanager
def _understood(reply: object) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Refused(f"Chroma answers with what was not asked for: {str(reply)[:100]}") from error
