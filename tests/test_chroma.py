"""The index as it is: a real Chroma server, shared by processes, stopped, killed and robbed."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from indexing import Words, filled, text_of, until

from guildhall.memory import chroma_server
from guildhall.memory.chroma_server import DATA, LOCK, NOTE, held
from guildhall.memory.dense import VectorSearch
from guildhall.memory.erase import Forgotten
from guildhall.memory.index import Index
from guildhall.memory.memory import Memory
from guildhall.memory.records import Found
from guildhall.memory.store import vectors
from guildhall.memory.store.database import Database

pytestmark = pytest.mark.slow
MANY = 5_000
FULL = bool(os.environ.get("GUILDHALL_TEST_FULL"))
ROUNDS = 30 if FULL else 1
TESTS = Path(__file__).parent


class Shop:
    """A database of many records, with what recalls from it."""

    def __init__(self, home: Path, url: str = "", many: int = MANY) -> None:
        self.home, self.database = home, Database(home / "guildhall.db")
        filled(self.database, range(many))
        self.db = self.database.connect()
        self.index = Index(self.database, url=url, rest=1)
        self.memory = Memory(self.database, scope="shop", dense=VectorSearch(Words(), self.index))

    def recall(self, query: str) -> Found:
        return asyncio.run(self.memory.search(query))

    def forget(self, query: str) -> Forgotten:
        """What became of the record that says it best."""
        return asyncio.run(self.memory.forget(self.recall(query).hits[0].record.id))

    def by_chroma(self) -> None:
        """Return once the index answers."""
        until(lambda: self.recall("anything").served == "chroma", 60)

    @property
    def note(self) -> dict[str, Any]:
        note: dict[str, Any] = json.loads((self.home / NOTE).read_text())
        return note

    def kill(self, how: int = signal.SIGKILL) -> None:
        os.kill(self.note["pid"], how)

    def ask_chroma(self, method: str, path: str, body: Any = None) -> Any:
        return ask_chroma(self.note["port"], self.note["database"], method, path, body)

    def remove(self, count: int) -> None:
        """Take vectors out of Chroma behind the ledger's back."""
        [collection] = self.ask_chroma("GET", "/collections")
        ids = [str(seq) for seq in range(100, 100 + count)]
        self.ask_chroma("POST", f"/collections/{collection['id']}/delete", {"ids": ids})
        assert self.ask_chroma("GET", f"/collections/{collection['id']}/count") == MANY - count

    def child(self, query: str, **environment: str) -> "subprocess.Popen[str]":
        command = [sys.executable, str(TESTS / "index_child.py"), str(self.database.path), query, "60"]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | environment, cwd=TESTS
        )

    def close(self) -> None:
        self.index.close()
        self.db.close()
        self.database.close()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            self.kill()
        until(self.is_free)

    def is_free(self) -> bool:
        with held(self.home / LOCK) as mine:
            return mine


def ask_chroma(port: int, database: str, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    root = f"/api/v2/tenants/default_tenant/databases/{database}"
    connection.request(method, root + path, json.dumps(body), {"Content-Type": "application/json"})
    reply = json.loads(connection.getresponse().read() or b"null")
    connection.close()
    return reply


def said_by(child: "subprocess.Popen[str]") -> dict[str, Any]:
    out, _ = child.communicate(timeout=90)
    said: dict[str, Any] = json.loads(out)
    return said


@pytest.fixture
def shop(home: Path) -> Iterator[Shop]:
    one = Shop(home)
    yield one
    one.close()


def test_a_project_of_5000_records_is_served_by_chroma_from_two_processes(shop: Shop) -> None:
    shop.by_chroma()
    found = shop.recall(text_of(4321))
    assert (found.served, found.hits[0].record.text) == ("chroma", text_of(4321))
    said = said_by(shop.child(text_of(1234)))
    assert said == {
        "served": "chroma", "first": text_of(1234), "reasons": [], "epoch": 0, "fed": MANY,
    }  # fmt: skip
    assert oct((shop.home / NOTE).stat().st_mode & 0o777) == "0o600"
    assert not any(
        b"about topic" in path.read_bytes() for path in (shop.home / DATA).rglob("*") if path.is_file()
    )


def test_the_next_process_notices_that_vectors_were_removed_and_has_them_back(shop: Shop) -> None:
    shop.by_chroma()
    shop.remove(1_000)
    said = said_by(shop.child(text_of(500)))
    assert (said["served"], said["first"], said["epoch"], said["fed"]) == ("chroma", text_of(500), 1, MANY)
    assert any("1,000 of 5,000 vectors of the index are missing" in why for why in said["reasons"])
    [collection] = shop.ask_chroma("GET", "/collections")
    assert shop.ask_chroma("GET", f"/collections/{collection['id']}/count") == MANY


def test_after_a_lost_connection_removed_vectors_are_noticed_and_given_back(shop: Shop) -> None:
    shop.by_chroma()
    shop.remove(1_000)
    shop.kill()
    lost = shop.recall(text_of(500))
    assert (lost.served, lost.hits[0].record.text) == ("exact", text_of(500))
    shop.by_chroma()
    assert vectors.states(shop.db)[0].epoch == 1
    assert shop.recall(text_of(500)).hits[0].record.text == text_of(500)


def test_a_server_that_stands_still_is_not_waited_for(shop: Shop) -> None:
    shop.by_chroma()
    shop.kill(signal.SIGSTOP)
    try:
        found = shop.recall(text_of(77))
        assert (found.served, found.hits[0].record.text) == ("exact", text_of(77))
        assert "in time" in found.why
    finally:
        shop.kill(signal.SIGCONT)
    shop.by_chroma()


def test_where_no_server_can_start_recall_goes_on_and_says_why(shop: Shop) -> None:
    broken = shop.home / "elsewhere"
    broken.mkdir()
    (broken / "chromadb_rust_bindings.py").write_text("raise OSError('broken on purpose')")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", f"{broken}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        until(lambda: "does not start" in shop.recall("anything").why)
        found = shop.recall(text_of(77))
        assert (found.served, found.hits[0].record.text) == ("exact", text_of(77))
    assert "broken on purpose" in (shop.home / "chroma.log").read_text()


def test_eight_processes_at_once_share_one_server(shop: Shop) -> None:
    for _ in range(ROUNDS):
        children = [shop.child(text_of(number)) for number in range(8)]
        said = [said_by(child) for child in children]
        assert {each["served"] for each in said} == {"chroma"}
        assert [each["first"] for each in said] == [text_of(number) for number in range(8)]
        until(lambda: _servers(shop.home) == [shop.note["pid"]])  # who came second is leaving
        shop.kill()


@pytest.mark.deadline(240)
async def test_a_server_killed_20_times_under_load_loses_nothing_and_fails_nobody(home: Path) -> None:
    shop = await asyncio.to_thread(Shop, home)
    written, ways, stop = list[str](), set[str](), asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            text = f"written{len(written)} while others die"
            await shop.memory.remember(text)
            filled(shop.database, [])
            written.append(text)
            await asyncio.sleep(0)

    async def read() -> None:
        while not stop.is_set():
            query = written[-1] if written else text_of(1)
            found = await shop.memory.search(query)
            assert query in [hit.record.text for hit in found.hits]
            ways.add(found.served)

    async def kill() -> None:
        for _ in range(20):
            while (await shop.memory.search("anything")).served != "chroma":
                await asyncio.sleep(0.02)
            shop.kill()
        stop.set()

    try:
        await asyncio.gather(write(), read(), kill())
        while (await shop.memory.search("anything")).served != "chroma":
            await asyncio.sleep(0.02)
        assert ways == {"chroma", "exact"}
        for text in written[:: 1 if FULL else max(1, len(written) // 50)]:
            assert (await shop.memory.search(text)).hits[0].record.text == text
    finally:
        await asyncio.to_thread(shop.close)


def test_another_chroma_server_can_be_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = chroma_server._free_port()
    monkeypatch.setenv("GUILDHALL_CHROMA_URL", f"http://127.0.0.1:{port}")
    with _elsewhere(tmp_path / "shared", port):
        shop = Shop(home, url=f"http://127.0.0.1:{port}", many=3_000)
        shop.by_chroma()
        assert shop.recall(text_of(77)).hits[0].record.text == text_of(77)
        [collection] = ask_chroma(port, "default_database", "GET", "/collections")
        assert collection["name"].startswith("guildhall-")
        assert not (home / NOTE).exists()
        said = said_by(shop.child(text_of(78)))
        assert (said["served"], said["first"]) == ("chroma", text_of(78))
        assert shop.forget(text_of(77)).left == ""
        assert ask_chroma(port, "default_database", "GET", "/collections") == []
        shop.by_chroma()
    assert shop.recall(text_of(78)).served == "exact"
    assert "is not running" in shop.forget(text_of(78)).left
    with _elsewhere(tmp_path / "shared", port):
        [before] = ask_chroma(port, "default_database", "GET", "/collections")
        shop.by_chroma()
        [after] = ask_chroma(port, "default_database", "GET", "/collections")
        assert before["name"] != after["name"]
    shop.close()


def test_what_was_indexed_here_is_forgotten_where_another_server_is_named_now(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.by_chroma()
    monkeypatch.setenv("GUILDHALL_CHROMA_URL", f"http://127.0.0.1:{chroma_server._free_port()}")
    assert shop.forget(text_of(77)).left == ""
    assert not (shop.home / DATA).exists()


def test_erasing_removes_the_files_of_the_index_and_it_is_built_anew(shop: Shop) -> None:
    shop.by_chroma()
    before = [shop.note["database"]]
    assert [path.name for path in (shop.home / DATA).iterdir()] == before
    assert shop.forget(text_of(77)).left == ""
    assert not (shop.home / DATA).exists()
    shop.by_chroma()
    assert shop.note["database"] not in before
    assert [path.name for path in (shop.home / DATA).iterdir()] == [shop.note["database"]]


@pytest.mark.parametrize("way", ["by_bindings", "by_command"])
def test_a_server_that_nobody_uses_leaves(home: Path, way: str) -> None:
    home.mkdir()
    program = (
        "import sys\nfrom pathlib import Path\nfrom guildhall.memory import chroma_server as server\n"
        f"server.WAYS = (server.{way},)\nserver.serve(Path(sys.argv[1]), 'guildhall-test', 2)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.DEVNULL)
    until((home / NOTE).exists, 60)
    note = json.loads((home / NOTE).read_text())
    assert ask_chroma(note["port"], "guildhall-test", "GET", "")["name"] == "guildhall-test"
    assert child.wait(30) == 0
    assert not (home / NOTE).exists()


def test_a_second_server_of_a_folder_leaves_at_once(home: Path) -> None:
    home.mkdir()
    with held(home / LOCK) as mine:
        assert mine
        command = [sys.executable, chroma_server.__file__, str(home), "guildhall-test"]
        assert subprocess.run(command, check=False, timeout=30).returncode == 0
    assert not (home / DATA).exists()


def _servers(home: Path) -> list[int]:
    """The processes that serve this folder."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().decode().split("\0")
            if any(part.endswith("chroma_server.py") for part in command) and str(home) in command:
                found.append(int(process.name))
    return found


@contextlib.contextmanager
def _elsewhere(folder: Path, port: int) -> Iterator[None]:
    """A Chroma server that is not ours."""
    folder.mkdir(exist_ok=True)
    options = chroma_server._configuration(folder, folder / "data", port)
    program = f"import chromadb_rust_bindings as b; b.cli(['chroma', 'run', {str(options)!r}])"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(ask_chroma(port, "default_database", "GET", "")["name"])
        return False

    try:
        until(answers)
        yield
    finally:
        child.kill()
        child.wait()
