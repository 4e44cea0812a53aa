"""A Chroma server in memory, for what a real one does only when it is ill."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any

import numpy as np

Rows = dict[str, np.ndarray[Any, Any]]
ROOT = "/api/v2/tenants/default_tenant/databases/default_database"


class FakeChroma(ThreadingHTTPServer):
    """Collections by name; `fault` is what is wrong with the answers to queries."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.collections: dict[str, Rows] = {}
        self.fault = ""  # hangs, status, garbage, liar, short
        self.token = ""
        self.queries = 0
        self.done = threading.Event()
        self.open: list[socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def cut(self) -> None:
        """Hang up on everybody."""
        for each in self.open:
            try:
                each.shutdown(SHUT_RDWR)
            except OSError:
                continue
        self.open.clear()


class _Handler(BaseHTTPRequestHandler):
    server: FakeChroma
    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1

    def setup(self) -> None:
        super().setup()
        self.server.open.append(self.connection)

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        if self.server.token and self.headers.get("X-Chroma-Token") != self.server.token:
            return self._say(401, {})
        path = self.path.removeprefix(ROOT).split("?")[0].strip("/").split("/")
        try:
            self._say(*self._done(path, body))
        except KeyError as missing:
            self._say(404, {"error": f"no {missing}"})

    def _done(self, path: list[str], body: Any) -> tuple[int, object]:  # noqa: PLR0911  one for each address
        held = self.server.collections
        match (self.command, *path):
            case ("GET", ""):
                return 200, {"name": "default_database"}
            case ("GET", "collections"):
                return 200, [{"name": name, "id": name} for name in held]
            case ("POST", "collections"):
                held.setdefault(body["name"], {})
                return 200, {"id": body["name"]}
            case ("DELETE", "collections", name):
                del held[name]
                return 200, {}
            case ("GET", "collections", name):
                return 200, {"id": name, "rows": len(held[name])}
            case ("GET", "collections", name, "count"):
                return 200, len(held[name])
            case ("POST", "collections", name, "upsert"):
                decoded = [np.frombuffer(base64.b64decode(each), np.float32) for each in body["embeddings"]]
                held[name].update(zip(body["ids"], decoded, strict=True))
                return 200, {}
            case ("POST", "collections", name, "query"):
                return self._found(held[name], body)
        raise KeyError(self.path)

    def _found(self, rows: Rows, body: Any) -> tuple[int, object]:
        self.server.queries += 1
        fault = self.server.fault
        if fault == "hangs":
            self.server.done.wait(20)
        if fault.isdigit():
            return int(fault), {"error": "as it was told"}
        if fault == "garbage":
            return 200, {"ids": "what?"}
        ids = np.array(list(rows))
        matrix = np.stack([*rows.values()])
        reply: dict[str, list[list[Any]]] = {"ids": [], "distances": []}
        for vector in body["query_embeddings"]:
            distances = 1 - matrix @ np.array(vector, np.float32)
            if fault == "liar":
                distances = -distances
            best = np.argsort(distances)[: body["n_results"]]
            reply["ids"].append(ids[best].tolist())
            reply["distances"].append(distances[best].tolist())
        return 200, reply

    def _say(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def running() -> Iterator[FakeChroma]:
    """One that answers until the end of the block."""
    with FakeChroma() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.done.set()
            server.shutdown()
            server.cut()
            thread.join()
