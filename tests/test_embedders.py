"""Which embedder is used and why, what each makes of a text, and how the file of MiniLM is fetched."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from embedding import MEANINGS, tiny_minilm, tiny_wordllama
from shell import data, done, guildhall

from guildhall.errors import ProviderError, UserError
from guildhall.memory.embedders import Embedder, WordLlama, chosen
from guildhall.memory.minilm import FILES, MiniLM, fetch_minilm, minilm_folder


@pytest.fixture(autouse=True)
def users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without any file of a model."""
    folder = tmp_path / "user"
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """What is at the address of MiniLM, of a few bytes; with a file that nobody asked for."""
    tiny_minilm(tmp_path / "made")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in FILES:
            tar.add(tmp_path / "made" / name, f"onnx/{name}")
        tar.add(tmp_path / "made" / "vocab.txt", "onnx/../../evil.txt")
    return packed.getvalue()


@pytest.fixture
def served(tmp_path: Path, archive: bytes) -> Iterator[str]:
    """The address of the archive."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "onnx.tar.gz").write_bytes(archive)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/onnx.tar.gz"
    server.shutdown()
    server.server_close()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """It prints nothing."""


def likeness(embedder: Embedder, one: str, other: str) -> float:
    first, second = embedder.embed([one, other])
    return float(first @ second)


# -- which one


def test_auto_takes_the_best_that_is_here_and_says_what_would_be_better() -> None:
    choice = chosen("auto")
    assert "minilm: its file is not here (`guildhall memory rebuild --fetch` fetches it" in choice.why
    if WordLlama.lacking():  # it is not to be had for every platform
        assert choice.embedder is None
        assert 'wordllama is not installed (pip install "guildhall[local]")' in choice.why
    else:
        assert choice.name == "wordllama"
    tiny_minilm(minilm_folder())
    assert (chosen("auto").name, chosen("auto").why) == ("minilm", "the best that is here")
    assert chosen("wordllama").name != "minilm"


def test_what_cannot_be_used_is_none_and_says_what_it_lacks() -> None:
    choice = chosen("minilm")
    assert choice.embedder is None
    assert "`guildhall memory rebuild --fetch`" in choice.why
    assert chosen("none").why == "no embedder is wanted, so recall goes by words alone"
    assert chosen("openai:text-embedding-3-small").embedder is None
    with pytest.raises(UserError, match="there is no embedder 'bert'; it can be auto, minilm"):
        chosen("bert")


def test_the_model_of_an_api_is_made_by_whoever_can_and_never_taken_by_auto() -> None:
    made = MiniLM()
    assert chosen("openai:small", lambda name: made).embedder is made
    assert chosen("auto", lambda name: made).embedder is not made


def test_the_doctor_says_which_embedder_is_used_and_why(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data("doctor")["embedder"]["reason"] == "no embedder is wanted, so recall goes by words alone"
    monkeypatch.delenv("GUILDHALL_EMBEDDER")
    tiny_minilm(minilm_folder())
    assert "embedder: minilm (the best that is here)" in done("doctor")
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text('[memory]\nembedder = "openai:text-embedding-3-small"\n')
    embedder = data("doctor")["embedder"]
    assert embedder["name"] == "none"
    assert (
        "openai:text-embedding-3-small cannot be asked: set OPENAI_API_KEY to your key" in embedder["reason"]
    )
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert data("doctor")["embedder"] == {
        "name": "openai:text-embedding-3-small", "reason": "it was asked for"
    }  # fmt: skip
    monkeypatch.setenv("GUILDHALL_LOCAL_ONLY", "1")
    assert "GUILDHALL_LOCAL_ONLY is set" in data("doctor")["embedder"]["reason"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (
            'embedder = "bert"',
            "memory.embedder: there is no embedder 'bert'; it can be auto, minilm, wordllama",
        ),
        ('embedder = "anthropic:x"', "memory.embedder: there is no embedder 'anthropic:x'; it can be auto"),
        ('embedder = "openai:"', "memory.embedder: it names no model; write provider:name"),
        ("embedder = 5", "memory.embedder is 5; it must be a string"),
        ("dimensions = 0", "memory.dimensions is 0; it must be greater than 0"),
        ('embeder = "auto"', "there is no key memory.embeder; allowed are embedder, dimensions"),
    ],
    ids=lambda value: value[:24],
)
def test_a_setting_that_cannot_be_used_is_refused_by_key_and_value(toml: str, said: str, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(f"[memory]\n{toml}\n")
    refused = guildhall("doctor")
    assert refused.exit_code == 1
    assert said in refused.stdout


def test_the_environment_goes_before_the_configuration_and_is_checked_as_strictly(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv("GUILDHALL_EMBEDDER", "bert")
    refused = guildhall("doctor")
    assert refused.exit_code == 1
    assert "GUILDHALL_EMBEDDER: there is no embedder 'bert'; it can be auto, minilm" in refused.stdout


# -- wordllama


def test_wordllama_finds_texts_that_mean_the_same_nearer_and_none_to_fail_on() -> None:
    embedder = WordLlama()
    if why := embedder.lacking():  # it is not built for every platform
        assert "wordllama is not installed" in why
        return
    near = likeness(embedder, "which relational database do we use", "we store our rows in PostgreSQL")
    assert near > likeness(embedder, "which relational database do we use", "the parrot next door is loud")
    rows = embedder.embed(["a", "\ud800 half a character", "漢字 🙂", "word " * 5_000, ""])
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1, 1, 0], abs=1e-5)


def test_wordllama_is_read_without_its_package_which_would_set_up_logging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_wordllama(tmp_path / "wordllama")  # raises where it is imported
    monkeypatch.syspath_prepend(tmp_path)
    rows = WordLlama().embed(["cat", "cat feline", "feline", ""])
    assert rows[:, :2] == pytest.approx(np.array([[1, 0], [0.5**0.5, 0.5**0.5], [0, 1], [0, 0]]), abs=1e-6)
    assert rows.dtype == np.float32


def test_a_wordllama_with_other_files_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wordllama").mkdir()
    (tmp_path / "wordllama" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert "this version of wordllama has no l2_supercat_tokenizer_config.json" in chosen("wordllama").why
    assert chosen("wordllama").embedder is None


def test_a_wordllama_whose_numbers_are_of_another_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_wordllama(tmp_path / "wordllama", kind="BF16")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"l2_supercat_256.safetensors holds BF16"):
        WordLlama().load()


# -- MiniLM


def test_minilm_is_the_mean_over_the_tokens_of_each_text_and_of_no_padding() -> None:
    table = tiny_minilm(minilm_folder())
    words = ["[PAD]", "[UNK]", "filler", *sorted(set().union(*MEANINGS))]
    embedder = MiniLM()
    texts = ["cat", "cat database filler filler", "filler " * 300, ""]
    rows = embedder.embed(texts * 20)  # in several passes, each with texts of other lengths
    cat, two = table[words.index("cat")], table[[words.index(w) for w in texts[1].split()]].mean(axis=0)
    assert rows[0] == pytest.approx(cat / np.linalg.norm(cat), abs=1e-5)
    assert rows[1] == pytest.approx(two / np.linalg.norm(two), abs=1e-5)
    assert not rows[3].any()
    assert np.array_equal(rows[:4], rows[4:8])
    assert rows[0] == pytest.approx(embedder.embed(["cat"])[0], abs=1e-6)


def test_minilm_pads_a_text_to_the_longest_beside_it_and_no_further() -> None:
    tiny_minilm(minilm_folder(), longest=3)
    assert MiniLM().embed(["cat filler due", "cat", "rows"]).shape == (3, 384)
    with pytest.raises(Exception, match="invalid dimensions"):
        MiniLM().embed(["cat filler due friday"])


def test_minilm_is_fetched_only_when_asked_for_and_once(served: str, archive: bytes) -> None:
    assert chosen("auto").name != "minilm"
    assert not minilm_folder().exists()
    seen: list[tuple[int, int]] = []
    digest = hashlib.sha256(archive).hexdigest()
    folder = fetch_minilm(url=served, sha256=digest, told=lambda done, of: seen.append((done, of)))
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert seen[-1] == (len(archive), len(archive))
    assert [path.name for path in folder.parent.iterdir()] == ["onnx"]
    assert chosen("auto").name == "minilm"
    assert fetch_minilm(url="http://127.0.0.1:9/gone", sha256=digest) == folder


def test_a_file_that_is_not_what_it_should_be_is_not_kept(served: str) -> None:
    with pytest.raises(ProviderError, match="is not the file that was expected") as refused:
        fetch_minilm(url=served)
    assert refused.value.kind == "bad_response"
    assert list(minilm_folder().parent.iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/onnx.tar.gz", "nowhere", "{served}-gone"])
def test_a_file_that_cannot_be_fetched_is_said_with_its_address(url: str, served: str) -> None:
    with pytest.raises(ProviderError, match="could not be fetched from"):
        fetch_minilm(url=url.format(served=served))
    assert not minilm_folder().exists()


def test_an_archive_without_the_files_or_with_links_in_their_place_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "odd.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        link = tarfile.TarInfo("onnx/model.onnx")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(tmp_path)))
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with pytest.raises(ProviderError, match="the archive of MiniLM"):
            fetch_minilm(
                url=f"http://127.0.0.1:{server.server_port}/odd.tar.gz",
                sha256=hashlib.sha256(made.read_bytes()).hexdigest(),
            )
    finally:
        server.shutdown()
        server.server_close()
    assert not minilm_folder().exists()
