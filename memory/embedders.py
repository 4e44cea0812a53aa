"""What turns texts into vectors, so that recall finds what was meant: which there are, and which is used."""

import functools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from guildhall.errors import UserError
from guildhall.home import read_toml

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

SETTING = "GUILDHALL_EMBEDDER"
"""The variable that goes before what config.toml says."""
NAMES = ("auto", "minilm", "wordllama", "none")
"""What can be chosen, beside the embedder of an API as `provider:model`."""


class Embedder(Protocol):
    """Says the same of the same text in every process, so that vectors of one id can be compared."""

    @property
    def id(self) -> str:
        """What its vectors are kept under; right once it is loaded."""
        ...

    @property
    def size(self) -> int:
        """Numbers of a vector; right once it is loaded."""
        ...

    @property
    def private(self) -> bool:
        """Whether it may be shown what is private."""
        ...

    def load(self) -> None:
        """Have it ready. Blocks, and raises where it cannot be used now."""
        ...

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """A row of unit length for each text, or of zeros for one that says nothing. Blocks."""
        ...


@dataclass(frozen=True)
class Choice:
    """The embedder that is used, if there is one, and why it is this one or none."""

    name: str
    embedder: Embedder | None
    why: str


def chosen(setting: str, api: Callable[[str], Embedder] | None = None) -> Choice:
    """The embedder that the setting comes to here; looking for it loads nothing.

    `auto` takes the best of those that work on this machine: what is remembered leaves it only where the
    setting names the model of an API (`provider:model`), which `api` makes an embedder of.
    """
    if setting not in NAMES and ":" not in setting:
        raise UserError(f"there is no embedder {setting!r}; it can be {', '.join(NAMES)}")
    if setting == "none":
        return Choice("none", None, "no embedder is wanted, so recall goes by words alone")
    if ":" in setting:
        if api is None:
            return Choice("none", None, f"{setting} is asked over an API, which is not to be had here")
        return Choice(setting, api(setting), "it was asked for")
    from .minilm import MiniLM

    makers: dict[str, type[MiniLM | WordLlama]] = {"minilm": MiniLM, "wordllama": WordLlama}
    wanted = list(makers) if setting == "auto" else [setting]
    lacking = {name: makers[name].lacking() for name in wanted}
    found = next((name for name in wanted if not lacking[name]), None)
    missing = "; ".join(f"{name}: {why}" for name, why in lacking.items() if why)
    if found is None:
        return Choice("none", None, f"no embedder can be used, so recall goes by words alone ({missing})")
    if setting != "auto":
        why = "it was asked for"
    else:
        why = "the best that is here" + (f"; better, but not here: {missing}" if found != wanted[0] else "")
    return Choice(found, makers[found](), why)


def setting_in(home: Path) -> str:
    """What the environment says, or else config.toml in the folder; `auto` where neither does."""
    if named := os.environ.get(SETTING, "").strip():
        return named
    given = read_toml(home / "config.toml").get("memory")
    return str(given.get("embedder", "auto")) if isinstance(given, dict) else "auto"


def installed(*packages: str) -> str:
    """Those of the packages that are not installed, in words; empty if all are."""
    missing = [name for name in packages if find_spec(name) is None]
    return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed" if missing else ""


def readable(text: str) -> str:
    """The text without the halves of characters that no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


def unit(rows: "NDArray[Any]") -> "Vectors":
    """The rows at length 1; those without any stay as they are."""
    import numpy as np

    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Vectors = (rows / np.where(length > 0, length, 1)).astype(np.float32)
    return scaled


class WordLlama:
    """The mean of the vectors of a text's tokens, from the file that comes with the package `wordllama`.

    The file is read here: the package itself would take half a second and three times the memory, and set
    the logging of the whole process.
    """

    id, size, private = "wordllama:l2_supercat:256", 256, True

    @staticmethod
    def lacking() -> str:
        """What it lacks here; empty if it can be used."""
        if problem := installed("numpy", "tokenizers", "wordllama"):
            return f'{problem} (pip install "guildhall[local]")'
        missing = [path.name for path in _wordllama_files() if not path.is_file()]
        return f"this version of wordllama has no {' and no '.join(missing)}" if missing else ""

    def load(self) -> None:
        _wordllama(*self._files)

    def embed(self, texts: Sequence[str]) -> "Vectors":
        import numpy as np

        tokenizer, table = _wordllama(*self._files)
        rows = np.zeros((len(texts), self.size), np.float32)
        for row, text in zip(rows, texts, strict=True):
            tokens = tokenizer.encode(readable(text), add_special_tokens=False).ids
            if tokens:
                row[:] = table[tokens].mean(axis=0, dtype=np.float32)
        return unit(rows)

    @functools.cached_property
    def _files(self) -> tuple[Path, Path]:
        return _wordllama_files()


def _wordllama_files() -> tuple[Path, Path]:
    """Its tokenizer and its vectors."""
    spec = find_spec("wordllama")  # finds the package without importing it
    (folder, *_) = (spec and spec.submodule_search_locations) or ["wordllama"]
    name = "l2_supercat"
    return (
        Path(folder, "tokenizers", f"{name}_tokenizer_config.json"),
        Path(folder, "weights", f"{name}_{WordLlama.size}.safetensors"),
    )


@functools.cache
def _wordllama(words: Path, weights: Path) -> "tuple[Any, NDArray[np.float16]]":
    """Its tokenizer, and the vector of each token; once for a process."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(words))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, _table(weights)


def _table(path: Path) -> "NDArray[np.float16]":
    """The one table of a safetensors file: the length of a header, the header, the numbers.

    What is not looked at is not read from the disk.
    """
    import numpy as np

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(length))["embedding.weight"]
    if about["dtype"] != "F16" or about["shape"][1] != WordLlama.size:
        raise ValueError(
            f"{path.name} holds {about['dtype']} of {about['shape']}, not F16 of {WordLlama.size}"
        )
    start = 8 + length + about["data_offsets"][0]
    return np.memmap(path, np.float16, "r", start, tuple(about["shape"])).view(np.ndarray)
