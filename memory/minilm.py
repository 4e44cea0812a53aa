"""The embedder that Chroma uses by default: all-MiniLM-L6-v2, an ONNX file where Chroma keeps it."""

import contextlib
import functools
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guildhall.errors import ProviderError, StoreError, describe

from .embedders import installed, readable, unit

if TYPE_CHECKING:
    from .embedders import Vectors

URL = "https://chroma-onnx-models.s3.amazonaws.com/all-MiniLM-L6-v2/onnx.tar.gz"
SHA256 = "913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3"
"""Of what is at that address, as chromadb 1.5.9 states it."""
FILES = (
    "config.json", "model.onnx", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    "vocab.txt",
)  # fmt: skip
"""What is in the archive, and what Chroma looks for; two of them are used here."""
MOST_TOKENS = 256
"""Of a text; what comes after them does not count."""
AT_ONCE = 16
"""Texts of one pass through the model."""
_LARGEST = 2**30
_CHUNK = 2**16


class MiniLM:
    """Chroma's function pads each text to 256 tokens; here texts are padded to the longest beside them."""

    id, size, private = "minilm:all-MiniLM-L6-v2:384", 384, True

    @staticmethod
    def lacking() -> str:
        """What it lacks here; empty if it can be used."""
        if problem := installed("numpy", "onnxruntime", "tokenizers"):
            return f"{problem} (pip install chromadb)"
        folder = minilm_folder()
        if all((folder / name).is_file() for name in ("model.onnx", "tokenizer.json")):
            return ""
        return "its file is not here (`guildhall memory rebuild --fetch` fetches it, 80 MB)"

    def load(self) -> None:
        _parts(minilm_folder())

    def embed(self, texts: Sequence[str]) -> "Vectors":
        import numpy as np

        tokenizer, session = _parts(minilm_folder())
        tokens = [tokenizer.encode(readable(text)).ids for text in texts]
        rows = np.zeros((len(texts), self.size), np.float32)
        by_length = sorted(range(len(texts)), key=lambda at: len(tokens[at]))
        for start in range(0, len(texts), AT_ONCE):
            part = by_length[start : start + AT_ONCE]
            rows[part] = _mean(session, [tokens[at] for at in part])
        return unit(rows)


def minilm_folder() -> Path:
    """Where Chroma keeps the file, and looks for it."""
    return Path.home() / ".cache" / "chroma" / "onnx_models" / "all-MiniLM-L6-v2" / "onnx"


def fetch_minilm(
    *, url: str = URL, sha256: str = SHA256, told: Callable[[int, int], None] | None = None
) -> Path:
    """Where the file is, once it was fetched and is what it should be. Blocks.

    The only call that fetches anything; `told` is given the bytes that are here, and of how many (or 0).
    Raises ProviderError where it cannot be had, and StoreError where it cannot be kept.
    """
    folder = minilm_folder()
    if all((folder / name).is_file() for name in FILES):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as name:
            archive, unpacked = Path(name, "onnx.tar.gz"), Path(name, "onnx")
            if (found := _fetched(url, archive, told)) != sha256:
                raise ProviderError(
                    "bad_response",
                    f"what is at {url} is not the file that was expected (sha256 {found}, not {sha256}), and "
                    "was not kept: try again, and if it stays so, somebody may have put another file there",
                )
            _unpack(archive, unpacked)
            shutil.rmtree(folder, ignore_errors=True)  # what was not whole
            unpacked.replace(folder)
    except OSError as error:
        raise StoreError("not_kept", f"the file of MiniLM cannot be kept in {folder} ({error})") from error
    return folder


def _fetched(url: str, archive: Path, told: Callable[[int, int], None] | None) -> str:
    """The sha256 of what was fetched."""
    import httpx2

    digest, done = hashlib.sha256(), 0
    try:
        with httpx2.stream("GET", url, timeout=30.0) as answer, archive.open("wb") as file:
            answer.raise_for_status()
            size = int(answer.headers.get("content-length", 0))
            for chunk in answer.iter_raw(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if done > _LARGEST:
                    raise ProviderError("too_big", f"what is at {url} is larger than {_LARGEST:,} bytes")
                if told is not None:
                    told(done, size)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise ProviderError(
            "connection", f"the file of MiniLM could not be fetched from {url} ({describe(error)}): try again"
        ) from error
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    """Those files of the archive that are known by name, and nothing else that it may hold."""
    folder.mkdir()
    with tarfile.open(archive, "r:gz") as tar:
        for name in FILES:
            with contextlib.suppress(KeyError):
                if (file := tar.extractfile(f"onnx/{name}")) is not None:
                    with file, (folder / name).open("wb") as out:
                        shutil.copyfileobj(file, out)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ProviderError("bad_response", f"the archive of MiniLM has no {', '.join(missing)}")


@functools.cache
def _parts(folder: Path) -> tuple[Any, Any]:
    """The tokenizer and the model; once for a process."""
    import onnxruntime  # type: ignore[import-untyped]  # it has no types
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MOST_TOKENS)
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # with texts of many lengths it would only grow
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = str(folder / "model.onnx")
    return tokenizer, onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _mean(session: Any, tokens: Sequence[Sequence[int]]) -> Any:
    """The mean of what the model says of each token, for each text."""
    import numpy as np

    longest = max(1, *map(len, tokens))
    ids = np.zeros((len(tokens), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = one
        mask[row, : len(one)] = 1
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    (said, *_) = session.run(None, given)
    counted = mask[:, :, None].astype(np.float32)
    return (said * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
