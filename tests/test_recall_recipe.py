"""What stands around a turn, and how a name is written, decides what is found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from guildhall.memory.memory import Memory
from guildhall.memory.records import Author, Hit
from guildhall.memory.store.database import Database


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    database = Database(home / "guildhall.db")
    yield database
    database.close()


async def _say(memory: Memory, session: str, *texts: str) -> None:
    for text in texts:
        await memory.remember(text, kind="episode", session=session, author=Author(agent="ann"))


async def test_an_answer_is_found_by_a_question_that_was_asked_before(db: Database) -> None:
    memory = Memory(db, scope="shop")
    await _say(memory, "monday", "What broke the invoice printer?", "A mouse.")
    await _say(memory, "tuesday", "Lunch?", "Gladly.", "Where?", "Upstairs.")

    found = [hit.record.text for hit in await memory.recall("invoice printer")]
    assert "A mouse." in found
    assert "Upstairs." not in found


async def test_the_same_words_in_two_conversations_are_two_records_in_their_places(db: Database) -> None:
    memory = Memory(db, scope="shop")
    await _say(memory, "monday", "How long does the printer wait?", "Ten seconds.")
    await _say(memory, "tuesday", "How long does the scanner wait?", "Ten seconds.")

    best = await memory.recall("scanner", limit=2)
    assert [(hit.record.session, hit.record.turn) for hit in best] == [("tuesday", 1), ("tuesday", 2)]


@pytest.mark.parametrize(("query", "found"), [("what came with 2.3", "2.3"), ("what came with 3.2", "3.2")])
async def test_a_number_with_a_dot_is_one_word(db: Database, query: str, found: str) -> None:
    memory = Memory(db, scope="shop")
    await memory.remember("Shipped 2.3 with dark mode.", kind="episode")
    await memory.remember("Shipped 3.2 with light mode.", kind="episode")

    assert found in (await memory.recall(query))[0].record.text


async def test_what_is_not_wanted_takes_nobodys_place_and_counts_for_no_source(db: Database) -> None:
    memory = Memory(db, scope="shop")
    for day in ("monday", "tuesday", "friday"):
        await memory.remember(f"The printer broke on {day}.", source="log.md", tags=[day])

    def is_late(hit: Hit) -> bool:
        return "monday" not in hit.record.tags

    ways: tuple[tuple[Literal["best", "recent"], str], ...]
    ways = ("best", "printer monday"), ("recent", "printer"), ("recent", "")
    for sort, query in ways:
        found = await memory.search(query, limit=2, per_source=2, sort=sort, wanted=is_late)
        assert {hit.record.tags for hit in found.hits} == {("tuesday",), ("friday",)}
