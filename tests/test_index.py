"""What is nearest is found whatever becomes of the index, and the answer says which way it came."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_chroma import FakeChroma, running
from indexing import BATCH, FEW, MOST, Asked, Words, filled, text_of, until
from shell import data

from guildhall.memory import ledger
from guildhall.memory.chroma_places import Remote
from guildhall.memory.dense import VectorSearch
from guildhall.memory.index import Index
from guildhall.memory.memory import Memory
from guildhall.memory.store import vectors
from guildhall.memory.store.database import Database
from guildhall.memory.store.vectors import Space

MANY = 400


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    database = Database(home / "guildhall.db")
    yield database
    database.close()


@pytest.fixture
def chroma() -> Iterator[FakeChroma]:
    with running() as server:
        yield server


@pytest.fixture
def ask(db: Database) -> Iterator[Callable[..., Asked]]:
    made: list[Asked] = []

    def asked(*given: Any, **options: Any) -> Asked:
        made.append(Asked(db, *given, **options))
        return made[-1]

    yield asked
    for each in made:
        each.search.close()
        each.db.close()


@pytest.fixture
def asked(db: Database, chroma: FakeChroma, ask: Callable[..., Asked]) -> Asked:
    """One whose index answers."""
    filled(db, range(MANY))
    one = ask(chroma.url)
    one.by_chroma()
    return one


def test_few_vectors_are_looked_at_one_by_one_and_no_server_is_asked(
    db: Database, chroma: FakeChroma, ask: Callable[..., Asked]
) -> None:
    filled(db, range(FEW))
    one = ask(chroma.url)
    near = one.near(text_of(7))
    assert near.served == "exact"
    assert "few" in near.why
    assert one.texts(near)[0] == text_of(7)
    assert list(near.similar.values()) == sorted(near.similar.values(), reverse=True)
    assert not chroma.open


def test_many_are_found_by_the_index_just_as_one_by_one(
    asked: Asked, chroma: FakeChroma, ask: Callable[..., Asked]
) -> None:
    exactly = ask(chroma.url, few=MANY)
    for number in range(0, MANY, 40):
        found, each = asked.near(text_of(number)), exactly.near(text_of(number))
        assert (found.served, each.served) == ("chroma", "exact")
        assert found.similar == pytest.approx(each.similar, abs=1e-5)


def test_a_record_is_found_at_once_though_the_index_has_not_seen_it(
    db: Database, asked: Asked, chroma: FakeChroma
) -> None:
    filled(db, [10_000])
    near = asked.near(text_of(10_000))
    assert near.served == "chroma"
    assert asked.texts(near)[0] == text_of(10_000)
    assert [len(rows) for rows in chroma.collections.values()] == [MANY]


def test_as_many_new_ones_as_a_batch_are_given_to_the_index(
    db: Database, asked: Asked, chroma: FakeChroma
) -> None:
    filled(db, range(MANY, MANY + BATCH))
    asked.near("anything")
    until(lambda: [len(rows) for rows in chroma.collections.values()] == [MANY + BATCH])


def test_a_condition_is_held_by_every_candidate(db: Database, asked: Asked) -> None:
    filled(db, range(MANY, 2 * MANY))
    near = asked.near(text_of(8), kinds=("decision",))
    assert near.served == "chroma"
    assert len(near.similar) == MOST
    kinds = {
        asked.db.execute("SELECT kind FROM records WHERE seq = ?", (s,)).fetchone()[0] for s in near.similar
    }
    assert kinds == {"decision"}


def test_where_a_condition_leaves_few_all_are_looked_at(
    db: Database, asked: Asked, chroma: FakeChroma
) -> None:
    filled(db, range(MANY, 2 * MANY))
    before = chroma.queries
    near = asked.near(text_of(8), since=0.0, run="none")
    assert (near.served, near.similar) == ("exact", {})
    assert chroma.queries == before


def test_another_scope_is_never_seen(db: Database, asked: Asked) -> None:
    filled(db, [7, *range(1000, 1000 + MANY)], scope="bank")
    until(lambda: asked.near("anything", scope="bank").served == "chroma")
    near = asked.near(text_of(7))
    scopes = {
        asked.db.execute("SELECT scope FROM records WHERE seq = ?", (s,)).fetchone()[0] for s in near.similar
    }
    assert scopes == set(ledger.scope_ids(asked.db, "shop"))


def test_a_deleted_record_is_not_found_though_the_index_holds_it(asked: Asked) -> None:
    asked.db.execute("DELETE FROM records WHERE text = ?", (text_of(7),))
    near = asked.near(text_of(7))
    assert near.served == "chroma"
    assert text_of(7) not in asked.texts(near)


@pytest.mark.parametrize("fault", ["hangs", "503", "500", "404", "garbage", "liar"])
def test_whatever_is_wrong_with_chroma_the_answer_is_exact_and_says_why(
    db: Database,
    chroma: FakeChroma,
    ask: Callable[..., Asked],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr(Remote, "patience", 0.1)
    filled(db, range(MANY))
    asked = ask(chroma.url)
    asked.by_chroma()
    right = asked.near(text_of(7)).similar
    chroma.fault = fault
    near = asked.near(text_of(7))
    assert near.served == "exact"
    assert near.why
    assert near.similar == pytest.approx(right, abs=1e-5)


@pytest.mark.parametrize("fault", ["404", "liar"])
def test_an_index_that_was_wrong_is_built_anew(asked: Asked, chroma: FakeChroma, fault: str) -> None:
    before = set(chroma.collections)
    chroma.fault = fault
    asked.near("anything")
    chroma.fault = ""
    asked.by_chroma()
    assert len(chroma.collections) == 1
    assert set(chroma.collections) != before
    assert vectors.states(asked.db)[0].epoch == 1


def test_a_server_that_was_away_is_trusted_again_once_it_is_proven(asked: Asked, chroma: FakeChroma) -> None:
    chroma.fault = "503"
    assert asked.near("anything").served == "exact"
    chroma.fault = ""
    asked.by_chroma()
    assert vectors.states(asked.db)[0].epoch == 0


def test_after_a_lost_connection_lost_vectors_are_noticed_and_mended(
    asked: Asked, chroma: FakeChroma
) -> None:
    [(name, rows)] = chroma.collections.items()
    for key in list(rows)[:3]:
        del rows[key]
    chroma.cut()
    lost = asked.near(text_of(7))
    assert lost.served == "exact"
    assert "connection" in lost.why
    asked.by_chroma()
    assert [len(rows) for rows in chroma.collections.values()] == [MANY]
    assert name not in chroma.collections


def test_the_next_one_to_come_notices_vectors_that_do_not_find_themselves(
    asked: Asked, chroma: FakeChroma, ask: Callable[..., Asked]
) -> None:
    [rows] = chroma.collections.values()
    [far] = Words().embed(["anything"])
    for key in list(rows)[:80]:
        rows[key] = -far
    other = ask(chroma.url)
    other.by_chroma()
    assert vectors.states(other.db)[0].epoch == 1
    assert other.texts(other.near(text_of(7)))[0] == text_of(7)


def test_an_index_that_another_process_gave_up_is_not_asked(asked: Asked) -> None:
    vectors.give_up(asked.db, Space(1, 1), 0)
    assert asked.near("anything").served == "exact"
    asked.by_chroma()


def test_an_index_of_mostly_deleted_records_is_built_anew(asked: Asked, chroma: FakeChroma) -> None:
    asked.db.execute("DELETE FROM records WHERE seq % 4 <> 0")
    for number in range(0, MANY, 20):
        assert asked.texts(asked.near(text_of(number)))
    until(lambda: asked.near("anything").served == "chroma")
    until(lambda: [len(rows) for rows in chroma.collections.values()] == [MANY // 4])


def forget(asked: Asked, *texts: str) -> str:
    """What of the records with these texts could not be erased."""

    async def forgotten() -> str:
        memory = Memory(asked.database, scope="shop", dense=asked.search)
        ids = [(await memory.recall(text, limit=1))[0].record.id for text in texts]
        return (await memory.forget(*ids)).left

    return asyncio.run(forgotten())


def test_what_is_erased_is_in_no_index_and_it_is_built_anew(
    asked: Asked, chroma: FakeChroma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_CHROMA_URL", chroma.url)
    before = set(chroma.collections)
    forget(asked, text_of(7))
    assert not chroma.collections
    assert asked.near("anything").served == "exact"
    asked.by_chroma()
    assert set(chroma.collections).isdisjoint(before)


def test_what_a_server_did_not_let_go_of_is_removed_once_it_does(
    asked: Asked, chroma: FakeChroma, ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_CHROMA_URL", chroma.url)
    chroma.token = "another"
    chroma.cut()
    left = forget(asked, text_of(7))
    assert f"the Chroma server at 127.0.0.1:{chroma.server_port} is not running: it does not accept" in left
    assert any("an earlier index, which is to be removed" in line for line in asked.index.describe(asked.db))
    before = set(chroma.collections)
    chroma.token = ""
    few = ask(chroma.url, few=MANY)  # no index is needed any more
    assert few.near("anything").served == "exact"
    until(lambda: before.isdisjoint(chroma.collections))
    until(lambda: len(few.index.describe(few.db)) == 2)


def test_what_another_process_indexed_elsewhere_is_named_and_removed_by_who_knows_it(
    asked: Asked, chroma: FakeChroma
) -> None:
    left = forget(asked, text_of(7))  # in a shell that has no GUILDHALL_CHROMA_URL
    where = f"the Chroma server at 127.0.0.1:{chroma.server_port}"
    assert f"GUILDHALL_CHROMA_URL does not name {where} here" in left
    before = set(chroma.collections)
    asked.by_chroma()
    assert before.isdisjoint(chroma.collections)
    assert len(chroma.collections) == 1


def test_what_was_indexed_here_before_is_removed_where_another_server_is_named_now(
    asked: Asked, chroma: FakeChroma, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_CHROMA_URL", chroma.url)
    name = vectors.ledger_name(asked.db, home / "guildhall.db")
    vectors.placed(asked.db, name, "")
    (home / "chroma" / name).mkdir(parents=True)
    assert forget(asked, text_of(7)) == ""
    assert not (home / "chroma").exists()


def test_a_memory_that_is_built_anew_leaves_no_index_behind(
    asked: Asked, chroma: FakeChroma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_CHROMA_URL", chroma.url)
    asyncio.run(Memory(asked.database, scope="shop").rebuild())
    assert not chroma.collections
    asked.by_chroma()
    assert len(chroma.collections) == 1


def test_a_token_is_shown_and_a_wrong_one_is_told(
    db: Database, chroma: FakeChroma, ask: Callable[..., Asked]
) -> None:
    chroma.token = "tulip"
    filled(db, range(MANY))
    ask(chroma.url, "tulip").by_chroma()
    other = ask(chroma.url, "rose")
    until(lambda: "GUILDHALL_CHROMA_TOKEN" in other.near("anything").why)


def test_it_says_which_way_each_scope_is_served(db: Database, asked: Asked, chroma: FakeChroma) -> None:
    filled(db, range(FEW), scope="bank")
    shop, bank, server = asked.index.describe(asked.db)
    assert shop == f"shop: {MANY} vectors of test:words, {MANY} of them in the index"
    assert bank == f"bank: {FEW} vectors of test:words, looked at one by one"
    assert server == f"the Chroma server at 127.0.0.1:{chroma.server_port} answers"
    assert Index(db).describe(asked.db)[-1] == "the local Chroma server is not running"


def test_a_query_is_embedded_once(asked: Asked) -> None:
    asked.embedder.embedded.clear()
    asked.near("the same")
    asked.near("the same")
    assert asked.embedder.embedded == ["the same"]


def test_an_embedder_that_fails_leaves_the_words(db: Database, ask: Callable[..., Asked]) -> None:
    class Broken(Words):
        def embed(self, texts: Any) -> Any:
            raise OSError("no such model")

    filled(db, range(5))
    one = ask("")
    near = VectorSearch(Broken(), one.index).near(one.db, 1, "anything", MOST, None)
    assert (near.served, near.similar) == ("words", {})
    assert "no such model" in near.why


def test_without_vectors_it_says_so(db: Database, ask: Callable[..., Asked]) -> None:
    filled(db, [])
    db_ = db.connect()
    ledger.scope_id(db_, "shop")
    db_.close()
    near = ask("").near("anything")
    assert (near.served, near.similar) == ("words", {})
    assert "no record here has a vector" in near.why


@pytest.mark.parametrize(
    "url", ["chroma.example", "ftp://there", "http://", "http://a:b@there", "http://there:x"]
)
def test_an_address_that_is_none_is_told_and_the_answer_is_exact(
    db: Database, ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    filled(db, range(FEW + 1))
    one = ask(url)
    until(lambda: "GUILDHALL_CHROMA_URL must be" in one.near("anything").why)
    near = one.near(text_of(7))
    assert near.served == "exact"
    assert one.texts(near)[0] == text_of(7)
    monkeypatch.setenv("GUILDHALL_CHROMA_URL", url)
    report = data("doctor")
    assert report["models"]
    assert "GUILDHALL_CHROMA_URL must be" in report["index"][-1]
    assert forget(one, text_of(7)) == ""


def test_recall_says_which_way_served(asked: Asked, db: Database) -> None:
    found = asyncio.run(Memory(db, scope="shop", dense=asked.search).search("note7 topic7"))
    assert found.hits[0].record.text == text_of(7)
    assert (found.served, found.why) == ("chroma", "")


def test_a_copied_database_has_an_index_of_its_own(
    asked: Asked, chroma: FakeChroma, home: Path, ask: Callable[..., Asked]
) -> None:
    copied = home / "copy" / "guildhall.db"
    copied.parent.mkdir()
    with closing(sqlite3.connect(copied)) as copy:
        asked.db.backup(copy)
    database = Database(copied)
    other = Asked(database, chroma.url)
    other.by_chroma()
    assert [len(rows) for rows in chroma.collections.values()] == [MANY, MANY]
    other.search.close()
    other.db.close()
    database.close()
