"""What is forgotten leaves other records as well, wherever in them it stands, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.store.database import Database

SECRET = "The vault opens with 4711-zanzibar"


@asynccontextmanager
async def memory_in(home: Path) -> AsyncIterator[Memory]:
    db = await asyncio.to_thread(Database, home / "guildhall.db")
    try:
        yield Memory(db, scope="shop")
    finally:
        await asyncio.to_thread(db.close)


async def test_wherever_another_record_quotes_it_it_is_taken_out(home: Path) -> None:
    async with memory_in(home) as memory:
        first = await memory.remember(SECRET)
        other = await memory.remember(
            "Ann was told so.", subject=f"on: {SECRET}", tags=[SECRET, "vault"], source=f"mail: {SECRET}",
            session=SECRET, author=Author(agent="ann", team=SECRET),
        )  # fmt: skip
        await memory.remember("Bob agrees.", author=Author(agent="bob"))
        await memory.remember("Bob agrees.", author=Author(agent="cyd"), source=SECRET)
        assert (await memory.forget(first.id)).places >= 1
        record = await memory.get(other.id)
        assert record is not None
        assert (record.subject, record.tags, record.author.agent) == (
            "on: [forgotten]", ("[forgotten]", "vault"), "ann",
        )  # fmt: skip
        assert await memory.recall("zanzibar", min_trust=0) == []
        assert [hit.record.id for hit in await memory.recall("vault")] == [other.id]
    there = [path.name for path in home.rglob("*") if path.is_file() and b"zanzibar" in path.read_bytes()]
    assert there == []


@pytest.mark.parametrize(
    ("text", "other", "left"),
    [
        ("Düsseldorf", "The Düsseldorfer office is in Düsseldorf.", None),
        ("New York", "New Yorkers like New York.", "New Yorkers like [forgotten]."),
        ("東京の倉庫は九時に開く", "彼は東京の倉庫は九時に開くと言った", "彼は[forgotten]と言った"),
    ],
)
async def test_longer_words_keep_what_is_a_part_of_them(
    home: Path, text: str, other: str, left: str | None
) -> None:
    async with memory_in(home) as memory:
        first, second = await memory.remember(text), await memory.remember(other)
        await memory.forget(first.id)
        record = await memory.get(second.id)
        assert record is not None
        assert record.text == (left or other)
