"""What tests of the embedders share: an embedder of few words, and a MiniLM of a few bytes."""

import hashlib
import json
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from guildhall.memory.embedders import Vectors

MEANINGS = ({"cat", "feline", "kitten"}, {"database", "postgres", "rows"}, {"deadline", "due", "friday"})
"""Words that mean the same to the toy."""


class Toy:
    """Knows three things, so that texts without a shared word can mean the same.

    It does as told: `fails` raises for a batch, `odd` gives something else than a vector for a text.
    """

    def __init__(self, name: str = "toy", *, private: bool = True) -> None:
        self.id, self.size, self.private = name, len(MEANINGS) + 5, private
        self.asked: list[str] = []
        """Every text, in the order in which they came."""
        self.fails: Callable[[Sequence[str]], bool] = lambda texts: False
        self.odd: dict[str, float] = {}
        self.loading, self.working = threading.Event(), threading.Event()
        self.waiting = 0
        """How often it was asked, whether or not it has answered."""
        self.loading.set()
        self.working.set()

    def load(self) -> None:
        self.loading.wait(20)

    def embed(self, texts: Sequence[str]) -> "Vectors":
        self.waiting += 1
        self.working.wait(20)
        self.asked += texts
        if self.fails(texts):
            raise RuntimeError("the toy is broken")
        return np.array([self._vector(text) for text in texts], np.float32)

    def _vector(self, text: str) -> Any:
        for word, value in self.odd.items():
            if word in text:
                return np.full(self.size, value)
        found = np.zeros(self.size)
        for word in re.findall(r"\w+", text.lower()):
            known = [at for at, words in enumerate(MEANINGS) if word in words]
            at = known[0] if known else len(MEANINGS) + hashlib.sha256(word.encode()).digest()[0] % 5
            found[at] += 3.0 if known else 0.1
        return found / np.linalg.norm(found)


def tiny_minilm(folder: Path, *, longest: int | None = None) -> "Vectors":
    """Write a model of the shape of MiniLM that looks a vector up for each token; gives those vectors.

    Its words are those of MEANINGS and `filler`. With `longest` it takes texts of that many tokens alone.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "filler", *sorted(set().union(*MEANINGS))]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(7).standard_normal((len(words), 384)).astype(np.float32)
    (folder / "model.onnx").write_bytes(_model(table, longest))
    for name in ("config.json", "special_tokens_map.json", "tokenizer_config.json"):
        (folder / name).write_text(json.dumps({}))
    (folder / "vocab.txt").write_text("\n".join(words))
    return table


def _model(table: "Vectors", longest: int | None) -> bytes:
    """An ONNX file that says Gather(table, input_ids)."""
    node = _text(1, "table") + _text(1, "input_ids") + _text(2, "last_hidden_state") + _text(4, "Gather")
    sizes = b"".join(_number(1, size) for size in table.shape)
    tensor = sizes + _number(2, 1) + _text(8, "table") + _bytes(9, table.tobytes())
    inputs = (_value(name, 7, longest) for name in ("input_ids", "attention_mask", "token_type_ids"))
    graph = [_bytes(1, node), _text(2, "tiny"), _bytes(5, tensor), *(_bytes(11, one) for one in inputs)]
    graph.append(_bytes(12, _value("last_hidden_state", 1, longest, table.shape[1])))
    return _number(1, 8) + _bytes(8, _text(1, "") + _number(2, 13)) + _bytes(7, b"".join(graph))


def _value(name: str, kind: int, longest: int | None, *more: int) -> bytes:
    sizes = [_text(2, "batch"), _number(1, longest) if longest else _text(2, "length")]
    sizes += [_number(1, size) for size in more]
    shape = b"".join(_bytes(1, size) for size in sizes)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, data: bytes) -> bytes:
    return bytes(_varint(field << 3 | 2)) + bytes(_varint(len(data))) + data


def _number(field: int, number: int) -> bytes:
    return bytes(_varint(field << 3)) + bytes(_varint(number))


def _varint(number: int) -> Iterator[int]:
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number


def tiny_wordllama(folder: Path, *, kind: str = "F16") -> None:
    """Write a package that has the files of `wordllama` at their places, and raises where it is imported."""
    words = {"<unk>": 0, "cat": 1, "feline": 2}
    model = {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}
    none = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder"))
    rest = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model}
    (folder / "tokenizers").mkdir(parents=True)
    (folder / "weights").mkdir()
    (folder / "__init__.py").write_text("raise ImportError('it is not to be imported')")
    (folder / "tokenizers" / "l2_supercat_tokenizer_config.json").write_text(json.dumps(none | rest))
    table = np.zeros((3, 256), np.float16)
    table[1, 0] = table[2, 1] = 1.0
    header = json.dumps(
        {"embedding.weight": {"dtype": kind, "shape": [3, 256], "data_offsets": [0, table.nbytes]}}
    ).encode()
    (folder / "weights" / "l2_supercat_256.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + table.tobytes()
    )
