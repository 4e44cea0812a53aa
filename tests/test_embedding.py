"""Records get their vectors in the background, and nothing that goes wrong there is in the way of recall."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from embedding import Toy, tiny_minilm
from filelock import FileLock
from limiting import until

from guildhall.errors import ProviderError
from guildhall.memory import embedding, meaning
from guildhall.memory.embedders import Choice, Embedder
from guildhall.memory.meaning import Meaning
from guildhall.memory.memory import Memory
from guildhall.memory.minilm import minilm_folder
from guildhall.memory.records import Found
from guildhall.memory.store.database import Database

CAT, ROWS, DUE = "The office feline is called Ada.", "We chose postgres.", "It is all due."
QUERY = "which database?"
"""It shares no telling word with any of them, and means the second."""
COUNT = "SELECT count(*) FROM vectors v JOIN embedders e ON e.id = v.embedder WHERE e.name = ?"


class Store:
    """A memory with an embedder, over a database that others may share."""

    def __init__(self, db: Database, embedder: Embedder, patience: float) -> None:
        self.db, self.id = db, embedder.id
        choice = Choice("toy", embedder, "the test wants it")
        self.meaning = Meaning(db, lambda: choice, patience=patience)
        self.memory = Memory(db, scope="shop", dense=self.meaning)

    async def add(self, *texts: str) -> None:
        for text in texts:
            await self.memory.remember(text, kind="episode")

    async def found(self, query: str = QUERY) -> Found:
        return await self.memory.search(query)

    async def best(self, query: str = QUERY) -> str:
        return (await self.found(query)).hits[0].record.text

    async def vectors(self) -> int:
        return await self.db.read(lambda db: int(db.execute(COUNT, (self.id,)).fetchone()[0]))

    async def embedded(self, count: int) -> None:
        """Return when there are so many vectors of this embedder."""
        while await self.vectors() < count:
            await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(home: Path, embedder: Embedder, *, patience: float = 20.0) -> AsyncIterator[Store]:
    store = Store(await asyncio.to_thread(Database, home / "guildhall.db"), embedder, patience)
    try:
        yield store
    finally:
        await asyncio.to_thread(store.meaning.close)
        await asyncio.to_thread(store.db.close)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again in seconds or minutes is tried again at once."""
    for module, name in ((embedding, "REST"), (meaning, "REST"), (embedding, "OTHERS"), (embedding, "SOON")):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(meaning, "UNHURRIED", 0.01)


async def test_what_was_written_is_found_by_what_it_means_moments_later(home: Path) -> None:
    async with opened(home, Toy()) as store:
        await store.add(CAT, ROWS, DUE)
        await store.embedded(3)
        found = await store.found()
        assert (found.served, found.hits[0].record.text) == ("exact", ROWS)
        assert await store.best("which kitten?") == CAT
        await store.add("The rows are many.")
        await store.embedded(4)
        assert {hit.record.text for hit in (await store.found()).hits[:2]} == {ROWS, "The rows are many."}


async def test_the_first_recall_answers_by_words_and_says_that_the_embedder_is_being_loaded(
    home: Path,
) -> None:
    toy = Toy()
    toy.loading.clear()
    async with opened(home, toy, patience=0.0) as store:
        await store.add(CAT, ROWS)
        found = await store.found("what did we say of postgres")
        assert [hit.record.text for hit in found.hits] == [ROWS]
        assert (found.served, found.why) == ("words", "the embedder is being loaded")
        assert store.meaning.problem == found.why
        toy.loading.set()
        await store.embedded(2)
        assert (await store.found()).served == "exact"
        assert store.meaning.problem == ""


async def test_nothing_is_loaded_before_memory_is_used(home: Path) -> None:
    made: list[str] = []

    def choose() -> Choice:
        made.append("chosen")
        return Choice("none", None, "there is none")

    db = await asyncio.to_thread(Database, home / "guildhall.db")
    dense = Meaning(db, choose, patience=20)
    memory = Memory(db, scope="shop", dense=dense)
    await memory.timeline("db.engine")
    assert made == []
    assert (await memory.search("anything")).hits == ()  # nothing was ever kept in this scope
    await memory.remember(ROWS)
    assert (await memory.search("postgres")).why == "there is none"
    assert made == ["chosen"]
    await asyncio.to_thread(dense.close)
    await asyncio.to_thread(db.close)


async def test_the_newest_come_first_and_what_is_written_meanwhile_before_all_that_is_older(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH", 2)
    toy = Toy()
    toy.working.clear()
    async with opened(home, toy) as store:
        await Memory(store.db, scope="shop").remember("number 0", kind="episode")
        for number in range(1, 6):
            await Memory(store.db, scope="shop").remember(f"number {number}", kind="episode")
        store.meaning.written()
        await until(lambda: toy.waiting > 0)
        await store.add("urgent")
        toy.working.set()
        await store.embedded(7)
    assert toy.asked == ["number 5", "number 4", "urgent", "number 3", "number 2", "number 1", "number 0"]


async def test_a_record_is_embedded_with_its_subject_its_speaker_and_the_turn_before(home: Path) -> None:
    from guildhall.memory.records import Author

    toy = Toy()
    async with opened(home, toy) as store:
        talk = {"session": "monday", "author": Author(agent="ann"), "kind": "episode"}
        await store.memory.remember("Which one?", turn=1, **talk)  # type: ignore[arg-type]  # as named
        await store.memory.remember("The blue one.", turn=2, **talk)  # type: ignore[arg-type]  # as named
        await store.memory.remember(ROWS, subject="db.engine", kind="decision")
        await store.embedded(3)
    assert {"ann: Which one?", "ann: The blue one. (after: Which one?)"} < set(toy.asked)
    assert f"[decision | db.engine] {ROWS}" in toy.asked


async def test_the_turn_after_a_forgotten_one_is_embedded_anew_without_its_words(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "LOOK_THROUGH", 0.0)
    toy = Toy()
    async with opened(home, toy) as store:
        one = await store.memory.remember("Which one?", session="monday", turn=1, kind="episode")
        await store.memory.remember("The blue one.", session="monday", turn=2, kind="episode")
        await store.embedded(2)
        await store.memory.forget(one.id)
        await store.add(ROWS)
        await store.embedded(2)
    assert set(toy.asked[-2:]) == {"The blue one.", ROWS}


async def test_a_text_that_cannot_be_embedded_hides_nothing_and_is_tried_again_later(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedding, "AGAIN", 0.02)
    monkeypatch.setattr(embedding, "LOOK", 0.02)
    toy = Toy()
    toy.fails = lambda texts: any("cursed" in text for text in texts)
    toy.odd = {"endless": float("nan"), "empty": 0.0}
    async with opened(home, toy) as store:
        await store.add("a cursed word", CAT, "endless talk", "an empty phrase", ROWS)
        await store.embedded(2)
        assert await store.best() == ROWS
        for words in ("cursed", "endless", "phrase"):
            assert words in await store.best(f"what of {words}")
        await until(lambda: len(noted(caplog)) == 3)
        toy.fails, toy.odd = lambda texts: False, {}
        await store.embedded(5)
    assert len(noted(caplog)) == 3  # each once, however often it was tried
    assert all("is found by words alone" in line for line in noted(caplog))


def noted(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "has no vector" in record.getMessage()]


async def test_what_has_no_vector_gives_way_to_nothing_that_says_less(home: Path) -> None:
    toy = Toy()
    toy.fails = lambda texts: any("takes long" in text for text in texts)
    async with opened(home, toy) as store:
        for number in range(12):
            text = f"The vault code of door {number} is kept by Mira, as far as anybody knows."
            await store.memory.remember(text, subject=f"vault.{number}")
        await store.memory.remember("The nightly build takes long.")
        await store.embedded(12)
        found = await store.found("nightly build")
    assert found.served == "exact"
    assert found.hits[0].record.text == "The nightly build takes long."


async def test_an_embedder_that_fails_whatever_the_text_is_left_alone_and_said(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    toy = Toy()
    toy.fails = lambda texts: True
    async with opened(home, toy) as store:
        await store.add(CAT, ROWS)
        await store.found()
        await until(lambda: "the toy is broken" in store.meaning.problem)
        assert await store.best("postgres") == ROWS
        assert noted(caplog) == []  # no text is to blame
        toy.fails = lambda texts: False
        await store.embedded(2)
        assert await store.best() == ROWS
    assert sum("memories get no vectors now" in record.getMessage() for record in caplog.records) == 1


async def test_vectors_of_another_size_are_not_kept(home: Path) -> None:
    toy = Toy()
    async with opened(home, toy) as store:
        toy.size += 1
        toy.odd = {"a": 1.0}
        monkey = toy.embed
        toy.embed = lambda texts: monkey(texts)[:, :-1]  # type: ignore[method-assign]  # what a server might do
        await store.add(CAT)
        await store.found()
        await until(lambda: "gave vectors of shape" in store.meaning.problem)
        assert await store.vectors() == 0
        assert await store.best("Ada") == CAT


async def test_a_server_that_says_when_to_come_back_is_asked_no_sooner(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, asked = Toy(), list[float]()

    def busy(texts: object) -> bool:
        asked.append(monotonic())
        if len(asked) < 2:
            raise ProviderError("rate_limit", "later", retry_after=0.1)
        return False

    toy.fails = busy
    async with opened(home, toy) as store:
        await store.add(CAT)
        await store.embedded(1)
    assert asked[1] - asked[0] >= 0.1


async def test_another_embedder_embeds_all_anew_while_recall_goes_on(home: Path) -> None:
    async with opened(home, Toy("old")) as store:
        await store.add(CAT, ROWS, DUE)
        await store.embedded(3)
    toy = Toy("new")
    toy.working.clear()
    async with opened(home, toy) as store:
        found = await store.found("what did we say of postgres")
        assert found.hits[0].record.text == ROWS
        assert found.why == "no record here has a vector of new yet"
        toy.working.set()
        await store.embedded(3)
        assert await store.best() == ROWS
    assert sorted(text for text in toy.asked if text in (CAT, ROWS, DUE)) == sorted((CAT, ROWS, DUE))


async def test_one_process_embeds_at_a_time_and_each_sees_to_what_others_left(home: Path) -> None:
    toy = Toy()
    async with opened(home, toy) as store:
        with FileLock(home / "embed.lock"):
            await store.add(CAT, ROWS)
            assert (await store.found()).served == "words"
            await store.add(DUE)
            assert toy.asked == []
        await store.embedded(3)
    assert sorted(toy.asked) == sorted((CAT, ROWS, DUE, QUERY)[:3])


async def test_two_processes_share_the_work_and_do_none_of_it_twice(home: Path) -> None:
    one, other = Toy(), Toy()
    async with opened(home, one) as first, opened(home, other) as second:
        for number in range(20):
            await (first if number % 2 else second).add(f"note {number} on feline matters")
        await first.embedded(20)
        assert (await second.found("kitten")).served == "exact"
    notes = [text for text in one.asked + other.asked if text.startswith("note")]
    assert sorted(notes) == sorted(set(notes))


async def test_closing_does_not_wait_for_an_embedder_that_hangs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "CLOSING", 0.01)
    toy = Toy()
    toy.working.clear()
    async with opened(home, toy) as store:
        await store.add(CAT)
        await until(lambda: toy.waiting > 0)
    toy.working.set()


async def test_an_embedder_that_cannot_be_loaded_is_tried_again_and_recall_goes_by_words(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    toy, tried = Toy(), list[int]()

    def load() -> None:
        tried.append(1)
        if len(tried) < 4:
            raise OSError("the file is torn")

    toy.load = load  # type: ignore[method-assign]  # as a file might be
    caplog.set_level(logging.WARNING)
    async with opened(home, toy) as store:
        await store.add(CAT, ROWS)
        first = await store.found("postgres")
        assert first.hits[0].record.text == ROWS
        assert first.served == "words"
        await store.embedded(2)
        assert (await store.found()).served == "exact"
    said = [record.getMessage() for record in caplog.records if "recall goes by words" in record.getMessage()]
    assert said == ["recall goes by words alone: the embedder cannot be used now: OSError: the file is torn"]


async def test_memory_opened_by_itself_takes_the_embedder_that_is_named(
    home: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    tiny_minilm(minilm_folder())
    monkeypatch.delenv("GUILDHALL_EMBEDDER")
    home.mkdir()
    (home / "config.toml").write_text('[memory]\nembedder = "none"\n')
    async with Memory.open() as memory:
        await memory.remember("the cat", kind="episode")
        assert (await memory.search("a cat")).why == "no embedder is wanted, so recall goes by words alone"
    async with Memory.open(embedder="minilm") as memory:
        while (await memory.search("a cat")).served == "words":
            await asyncio.sleep(0.005)
    monkeypatch.setenv("GUILDHALL_EMBEDDER", "minilm")
    async with Memory.open() as memory:
        while (await memory.search("a cat")).served == "words":
            await asyncio.sleep(0.005)


HOLDING = """
import asyncio, sys, threading
from pathlib import Path
from embedding import Toy, tiny_minilm
from guildhall.memory.embedders import Choice
from guildhall.memory.meaning import Meaning
from guildhall.memory.memory import Memory
from guildhall.memory.minilm import minilm_folder
from guildhall.memory.store.database import Database

class Stuck(Toy):
    def embed(self, texts):
        print("holding", flush=True)
        threading.Event().wait()

async def main():
    db, toy = Database(Path(sys.argv[1]) / "guildhall.db"), Stuck()
    memory = Memory(db, scope="shop", dense=Meaning(db, lambda: Choice("toy", toy, "")))
    for number in range(5):
        await memory.remember(f"feline {number}", kind="episode")
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_what_a_killed_process_was_embedding_is_embedded_by_the_next(home: Path) -> None:
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", HOLDING, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=here) as child:
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == "holding\n"
        async with opened(home, Toy()) as store:
            await store.add("the kitten")
            await store.found()
            await store.found("feline 1")
            assert await store.vectors() == 0  # the child holds the lock
            child.kill()
            await asyncio.to_thread(child.wait)
            await store.embedded(6)
