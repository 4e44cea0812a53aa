"""Vectors from an API: OpenAI's, or that of any server that speaks like it."""

import os
import threading
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from guildhall.errors import ProviderError, UserError
from guildhall.memory.embedders import SETTING, Choice, chosen, readable, unit

from ..config import Config, embedder_setting
from . import clients
from .failures import failure
from .remote import RemoteModel

if TYPE_CHECKING:
    from guildhall.memory.embedders import Vectors

    from .catalog import Catalog

MOST_TEXTS, MOST_BYTES, MOST_TOGETHER = 256, 8_000, 240_000
"""Texts of a request, and bytes of a text and of a request: no text has more tokens than bytes, and OpenAI
takes 8,192 of a text and 300,000 of a request."""
MOST_OF_REPLY = 64 * 2**20
WAIT, WAIT_FOR_ONE = 60.0, 3.0
"""Seconds for a request, and for one of a single text: a recall may wait for that."""
PAUSE, LONGEST_PAUSE, TIMES = 5.0, 300.0, 10
"""Seconds after a failure in which nothing is asked, at least and at most, and so many times what it took."""


class EmbeddingAPI:
    """One model of a server. Each request is made once: who embeds in the background comes again anyway."""

    def __init__(
        self, name: str, service: clients.Service, *, dimensions: int | None = None, private: bool = False
    ) -> None:
        self._name, self._service, self._dimensions = name, service, dimensions
        self._model = name.partition(":")[2]
        self.private, self.size = private, dimensions or 0
        self._client: Any = None
        self._failed: ProviderError | None = None
        self._paused = 0.0

    @property
    def id(self) -> str:
        """The model, and how long its vectors are."""
        return f"{self._name}:{self.size}"

    def load(self) -> None:
        """Have the SDK imported, and the size known that the model gives by itself."""
        if self._client is None:
            self._client = clients.blocking_client(self._service)
        if not self.size:
            self.size = len(self._asked(["memory"])[0])

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """As of Embedder. Raises ProviderError."""
        import numpy as np

        self.load()
        rows = [row for part in _parts(texts) for row in self._asked(part)]
        if wrong := {len(row) for row in rows} - {self.size}:
            raise ProviderError(
                "bad_response", f"{self._name} gave a vector of {wrong.pop()} numbers in place of {self.size}"
            )
        return unit(np.array(rows, np.float32).reshape(len(texts), self.size))

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _asked(self, texts: Sequence[str]) -> list[Any]:
        if self._failed is not None and monotonic() < self._paused:
            raise self._failed.with_traceback(None)
        begun = monotonic()
        try:
            return self._within(WAIT_FOR_ONE if len(texts) == 1 else WAIT, texts)
        except Exception as error:
            failed = error if isinstance(error, ProviderError) else failure(error, self._service)
            if failed.kind not in ("invalid_request", "context", "refused"):  # not for what this text says
                self._failed = failed
                pause = max(PAUSE, failed.retry_after or 0.0, TIMES * (monotonic() - begun))
                self._paused = monotonic() + min(LONGEST_PAUSE, pause)
            raise failed from error

    def _within(self, seconds: float, texts: Sequence[str]) -> list[Any]:
        """What `_vectors` gives, in so many seconds: a server can send a byte at a time, and none is late."""
        ended: list[list[Any] | Exception] = []

        def work() -> None:
            try:
                ended.append(self._vectors(texts, seconds))
            except Exception as error:  # noqa: BLE001  it is raised where it is waited for
                ended.append(error)

        thread = threading.Thread(target=work, name="guildhall-embedding-api", daemon=True)
        thread.start()
        thread.join(seconds)
        if not ended:
            raise ProviderError("timeout", f"{self._name} gave no vectors within {seconds:g} s")
        if isinstance(ended[0], Exception):
            raise ended[0]
        return ended[0]

    def _vectors(self, texts: Sequence[str], seconds: float) -> list[Any]:
        """The vector of each text, as numbers."""
        wanted: dict[str, Any] = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        if self._dimensions:
            wanted["dimensions"] = self._dimensions
        body = bytearray()
        request = self._client.embeddings.with_streaming_response
        with request.create(
            **wanted, timeout=seconds, extra_headers={"Accept-Encoding": "identity"}
        ) as reply:
            for chunk in reply.iter_bytes():
                body += chunk
                if len(body) > MOST_OF_REPLY:
                    raise ProviderError("too_big", f"{self._name} sent more than {MOST_OF_REPLY:,} bytes")
        return _read(bytes(body), len(texts))


def embedder_of(config: Config, catalog: "Catalog") -> Choice:
    """The embedder of this environment, and why. Raises UserError where the environment names none."""
    setting = config.memory.embedder
    if given := os.environ.get(SETTING, "").strip():
        try:
            setting = embedder_setting(given)
        except ValueError as error:
            raise UserError(f"{SETTING}: {error}") from None

    def api(name: str) -> EmbeddingAPI:
        if problem := catalog.lacking(name):
            raise UserError(problem)
        model = catalog.model(name)
        assert isinstance(model, RemoteModel)
        dimensions = config.memory.dimensions
        return EmbeddingAPI(name, model.service, dimensions=dimensions, private=model.private)

    try:
        return chosen(setting, api)
    except UserError as error:
        return Choice("none", None, f"{error}; recall goes by words alone")


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts, cut to what the API takes, in requests that it takes."""
    part: list[str] = []
    size = 0
    for text in texts:
        cut = readable(text).encode()[:MOST_BYTES].decode(errors="ignore") or " "
        length = len(cut.encode())
        if part and (len(part) == MOST_TEXTS or size + length > MOST_TOGETHER):
            yield part
            part, size = [], 0
        part.append(cut)
        size += length
    if part:
        yield part


def _read(body: bytes, count: int) -> list[Any]:
    from pydantic_core import from_json

    data = from_json(body)["data"]
    rows = [row["embedding"] for row in sorted(data, key=lambda row: row["index"])]
    if len(rows) != count:
        raise ValueError(f"{len(rows)} vectors for {count} texts")
    return rows
