"""Copies of memory are whole, private and honest about whose they are; what is damaged is made whole."""

import asyncio
import json
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from guildhall.errors import FileError, StoreError, UserError
from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.repair import rescued
from guildhall.memory.store.database import Database


@asynccontextmanager
async def memory_in(home: Path, scope: str = "shop") -> AsyncIterator[Memory]:
    db = await asyncio.to_thread(Database, home / "guildhall.db")
    try:
        yield Memory(db, scope=scope)
    finally:
        await asyncio.to_thread(db.close)


async def filled(memory: Memory) -> None:
    await memory.remember("We use MySQL.", subject="db.engine", kind="decision", valid_from=1e9)
    await memory.remember("We use Postgres.", subject="db.engine", kind="decision", valid_from=1.1e9)
    await memory.remember("Ann likes tea.", author=Author(agent="bob"), tags=["taste"])
    await memory.remember("Ann likes tea.", author=Author(agent="cyd"), tags=["taste"])


async def test_a_backup_is_a_whole_database_of_its_own(home: Path, tmp_path: Path) -> None:
    async with memory_in(home) as memory:
        await filled(memory)
        path = await memory.backup(tmp_path / "copy.db")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "new").mkdir()
    path.rename(tmp_path / "new" / "guildhall.db")
    async with memory_in(tmp_path / "new") as memory:
        [hit] = await memory.recall("what do we use now")
        assert hit.record.text == "We use Postgres."


async def test_a_backup_never_takes_the_place_of_a_file(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.db").write_text("mine")
    async with memory_in(home) as memory:
        with pytest.raises(UserError, match="is there already"):
            await memory.backup(tmp_path / "mine.db")
        with pytest.raises(UserError, match="cannot be written"):
            await memory.backup(tmp_path / "nowhere" / "copy.db")
    assert (tmp_path / "mine.db").read_text() == "mine"


async def test_an_export_comes_back_as_it_was(home: Path, tmp_path: Path) -> None:
    async with memory_in(home) as memory:
        await filled(memory)
        assert await memory.export(tmp_path / "all.jsonl") == 3
        before = await memory.timeline("db.engine")
        [tea] = await memory.recall("tea")
        imported = await memory.load(tmp_path / "all.jsonl", scope="bank")
        assert (imported.new, imported.known) == (0, 3)
        await memory.export(tmp_path / "again.jsonl")
    (home / "guildhall.db").unlink()
    async with memory_in(home) as memory:
        imported = await memory.load(tmp_path / "all.jsonl")
        assert (imported.new, imported.known, imported.quarantined) == (3, 0, 0)
        assert await memory.timeline("db.engine") == before
        assert [one.author.agent for one in await memory.origins(tea.record.id)] == ["cyd"]
        [then] = await memory.recall("do we use MySQL", as_of=1.05e9)
        assert then.record.text == "We use MySQL."


async def test_what_was_forgotten_does_not_come_back(home: Path, tmp_path: Path) -> None:
    async with memory_in(home) as memory:
        await filled(memory)
        await memory.export(tmp_path / "all.jsonl")
        [tea] = await memory.recall("tea")
        await memory.forget(tea.record.id)
        assert (await memory.load(tmp_path / "all.jsonl")).new == 0
        assert await memory.recall("tea") == []


def changed(path: Path) -> None:
    path.write_text(path.read_text().replace("tea", "gin"))


def cut(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:-2], lines[-1]]))


def of_another_version(path: Path) -> None:
    about, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([json.dumps(json.loads(about) | {"format": 99}) + "\n", *rest]))


def nothing(path: Path) -> None:
    path.write_text("")


def something_else(path: Path) -> None:
    path.write_text('{"a": 1}\n{"b": 2}\n')


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (changed, "changed"), (cut, "changed"), (of_another_version, "newer"), (nothing, "no_export"),
        (something_else, "no_export"),
    ],
)  # fmt: skip
async def test_an_export_that_is_not_as_it_was_is_refused(
    home: Path, tmp_path: Path, change: Callable[[Path], None], code: str
) -> None:
    path = tmp_path / "all.jsonl"
    async with memory_in(home) as memory:
        await filled(memory)
        await memory.export(path)
        await asyncio.to_thread(change, path)
        with pytest.raises(FileError) as refused:
            await memory.load(path, scope="bank", foreign=True)
        assert refused.value.code == code


async def test_what_somebody_else_exported_comes_into_quarantine(home: Path, tmp_path: Path) -> None:
    async with memory_in(tmp_path / "theirs") as memory:
        await filled(memory)
        await memory.export(tmp_path / "all.jsonl")
    async with memory_in(home) as memory:
        with pytest.raises(FileError, match="exported by somebody else"):
            await memory.load(tmp_path / "all.jsonl")
        imported = await memory.load(tmp_path / "all.jsonl", foreign=True)
        assert (imported.new, imported.quarantined) == (3, 3)
        assert await memory.recall("tea") == []
        assert [hit.record.trust for hit in await memory.recall("tea", min_trust=0)] == [0.4]


async def test_an_index_that_lost_words_is_noticed_and_built_anew(home: Path) -> None:
    async with memory_in(home) as memory:
        await filled(memory)
        assert await memory.check() == []
        with closing(sqlite3.connect(home / "guildhall.db")) as db:
            db.execute("INSERT INTO words_1 (words_1) VALUES ('delete-all')")
            db.commit()
        assert await memory.recall("tea") == []
        repaired = await memory.rebuild()
        assert "words of shop" in " ".join(repaired.problems)
        assert len(await memory.recall("tea")) == 1
        assert await memory.check() == []


async def test_a_damaged_file_is_replaced_by_what_can_be_read_of_it(home: Path) -> None:
    async with memory_in(home) as memory:
        for number in range(400):
            await memory.remember(f"Chair number {number} is brown and stands in room {number % 7}.")
    path = home / "guildhall.db"
    data = bytearray(path.read_bytes())
    middle = len(data) * 3 // 4 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    repaired = await asyncio.to_thread(rescued, path)
    assert repaired.problems
    assert Path(repaired.moved).read_bytes() == bytes(data)
    async with memory_in(home) as memory:
        found = await memory.recall("brown chair", limit=200)
        assert len(found) > 100
        assert await memory.check() == []


async def test_a_file_of_which_nothing_can_be_read_stays_where_it_is(home: Path) -> None:
    async with memory_in(home):
        pass
    path = home / "guildhall.db"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError):
        await asyncio.to_thread(rescued, path)
    assert path.read_bytes().startswith(b"no database")
    assert [one.name for one in home.glob("guildhall.db.*")] == []
