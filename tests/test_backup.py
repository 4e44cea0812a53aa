"""Copies of memory are whole, private and honest about whose they are; what is damaged is made whole."""

import asyncio
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from guildhall.errors import FileError, StoreError, UserError
from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.repair import rescued
from guildhall.memory.store import vectors
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


@pytest.mark.slow
async def test_a_backup_is_made_while_others_write(home: Path, tmp_path: Path) -> None:
    async with memory_in(home) as memory, memory_in(home) as other:
        blob = "INSERT INTO files VALUES (hex(randomblob(8)), zeroblob(60000000))"
        await memory._db.write(lambda db: db.execute(blob))
        begun, stop, written = asyncio.Event(), asyncio.Event(), 0

        async def write() -> None:
            nonlocal written
            while not stop.is_set():
                await other.remember(f"Note {written} of many.", kind="episode", session="s")
                written += 1
                begun.set()

        writing = asyncio.create_task(write())
        await begun.wait()
        path = await memory.backup(tmp_path / "copy.db")
        stop.set()
        await writing
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert 0 < db.execute("SELECT count(*) FROM records").fetchone()[0] <= written


async def test_a_backup_that_is_put_in_place_has_no_part_in_the_index_of_what_was_there(
    home: Path, tmp_path: Path
) -> None:
    async with memory_in(home) as memory:
        await filled(memory)
        before = await memory._db.read(lambda db: vectors.ledger_name(db, home / "guildhall.db"))
        path = await memory.backup(tmp_path / "copy.db")
    shutil.copyfile(path, home / "guildhall.db")  # the same file, as far as the disk is concerned
    async with memory_in(home) as memory:
        assert await memory._db.read(lambda db: vectors.ledger_name(db, home / "guildhall.db")) != before


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


async def test_what_was_promoted_and_superseded_comes_back_as_that(home: Path, tmp_path: Path) -> None:
    async with memory_in(home) as memory:
        own = await memory.remember("Ann likes tea.", visibility="private", author=Author(agent="ann"))
        wide = await memory.promote(own.id, "user")
        ids = [own.id, wide.id]
        await filled(memory)
        before = [await memory.get(id_) for id_ in ids]
        await memory.export(tmp_path / "all.jsonl")
    (home / "guildhall.db").unlink()
    async with memory_in(home, "bank") as memory:
        await memory.load(tmp_path / "all.jsonl")
        after = [await memory.get(id_) for id_ in ids]
        assert before[0] is not None
        assert after == [before[0].model_copy(update={"scope": "bank"}), before[1]]
        assert [hit.record.id for hit in await memory.recall("tea", scope="shop")] == [wide.id]


async def test_what_was_settled_and_known_earlier_comes_back_as_that(home: Path, tmp_path: Path) -> None:
    async with memory_in(home) as memory:
        one = await memory.remember("The lamp is red.", subject="lamp", valid_from=1e9)
        two = await memory.remember("The lamp is blue.", subject="lamp", valid_from=1.1e9, trust=0.7)
        await memory.settle(one.id, two.id, "coexist")
        mast = await memory.remember("The mast is of ash.")
        pine = await memory.remember("The mast is of pine.")
        await memory.settle(pine.id, mast.id, "supersede")
        then = time.time()
        await memory.settle(mast.id, pine.id, "supersede")
        known = [hit.record.id for hit in await memory.recall("mast", known_at=then)]
        await memory.export(tmp_path / "all.jsonl")
    (home / "guildhall.db").unlink()
    async with memory_in(home) as memory:
        await memory.load(tmp_path / "all.jsonl")
        assert known == [pine.id]
        assert [hit.record.id for hit in await memory.recall("mast", known_at=then)] == known
        assert [hit.record.id for hit in await memory.recall("mast")] == [mast.id]
        assert [hit.doubted_by for hit in await memory.recall("lamp")] == ["", ""]
        assert [one for one in await memory.audit() if one.flaw == "conflict"] == []


async def test_an_old_export_changes_nothing_of_what_holds_now(home: Path, tmp_path: Path) -> None:
    async with memory_in(tmp_path / "laptop") as memory:
        await memory.remember("We use MySQL.", subject="db.engine", valid_from=1e9)
        await memory.export(tmp_path / "old.jsonl")
    shutil.copyfile(tmp_path / "laptop" / "export.key", home.parent / "export.key")
    async with memory_in(home) as memory:
        await memory.remember("We use Postgres.", subject="db.engine", valid_from=1.1e9)
        shutil.move(home.parent / "export.key", home / "export.key")
        assert (await memory.load(tmp_path / "old.jsonl")).new == 1
        assert [hit.record.text for hit in await memory.recall("what do we use")] == ["We use Postgres."]
        [then] = await memory.recall("what do we use", as_of=1.05e9)
        assert then.record.text == "We use MySQL."
        assert await memory.audit() == []


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
    await theirs(tmp_path)
    async with memory_in(home) as memory:
        with pytest.raises(FileError, match="exported by somebody else"):
            await memory.load(tmp_path / "all.jsonl")
        imported = await memory.load(tmp_path / "all.jsonl", foreign=True)
        assert (imported.new, imported.quarantined) == (3, 3)
        assert await memory.recall("tea") == []
        assert [hit.record.trust for hit in await memory.recall("tea", min_trust=0)] == [0.4]
        [origin] = await memory.origins((await memory.recall("tea", min_trust=0))[0].record.id)
        assert origin.trust == 0.4


SECRET = "sk-ant-api03-" + "x7Kq" * 22 + "-QAAA"
ODD = {
    "trust": "NaN", "importance": "7", "valid_from": "Infinity", "recorded_at": "NaN", "text": '""',
    "subject": '"two\\nlines"', "id": '"../../x"', "kind": '"joke"', "origins": "3", "scope": "null",
    "valid_to": "1e300", "turn": "1" + "0" * 30, "settled": "7",
    "superseded_by": f'"{SECRET}"', "derived_from": f'["{SECRET}"]',
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
async def test_what_somebody_else_may_have_written_is_looked_at(
    home: Path, tmp_path: Path, name: str
) -> None:
    path = await theirs(tmp_path)
    about, record, *rest = path.read_text().splitlines(keepends=True)
    odd = json.dumps(json.loads(record) | {name: "ODD"}).replace('"ODD"', ODD[name])
    path.write_text("".join([about, odd + "\n", *rest]))
    async with memory_in(home) as memory:
        with pytest.raises(FileError, match=r"all\.jsonl:2: cannot be used: "):
            await memory.load(path, foreign=True)
        assert (await memory.stats()).records == 0


@pytest.mark.parametrize("line", ["[1]", '"x"', "7", "null", "[" * 100_000, "{", "\\udcff"])
async def test_a_line_that_is_no_record_is_named(home: Path, tmp_path: Path, line: str) -> None:
    path = await theirs(tmp_path)
    about, _, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([about, line + "\n", *rest]))
    async with memory_in(home) as memory:
        with pytest.raises(FileError, match=r"all\.jsonl:2: cannot be used: it is no record"):
            await memory.load(path, foreign=True)


async def test_secrets_of_others_are_not_taken_in(home: Path, tmp_path: Path) -> None:
    path = await theirs(tmp_path)
    path.write_text(path.read_text().replace("Ann likes tea.", f"The key is {SECRET}."))
    async with memory_in(home) as memory:
        assert (await memory.load(path, foreign=True)).quarantined == 3
        [hit] = await memory.recall("key", min_trust=0)
        assert SECRET not in hit.record.text


async def theirs(folder: Path) -> Path:
    """An export of somebody else's."""
    async with memory_in(folder / "theirs") as memory:
        await filled(memory)
        await memory.export(folder / "all.jsonl")
    return folder / "all.jsonl"


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


async def test_a_file_that_another_process_has_open_is_not_replaced(home: Path) -> None:
    async with memory_in(home) as memory:
        await filled(memory)
    path = home / "guildhall.db"
    before = path.read_bytes()
    program = f"import pathlib, sys\nfrom {Database.__module__} import Database\n"
    program += f"db = Database(pathlib.Path({str(path)!r})); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with other:
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == b"open\n"
        with pytest.raises(StoreError, match="is open in another process: end notebooks"):
            await asyncio.to_thread(rescued, path)
        other.kill()
    assert path.read_bytes() == before
    assert (await asyncio.to_thread(rescued, path)).rows > 3
    async with memory_in(home) as memory:
        assert len(await memory.recall("tea")) == 1


async def test_what_is_saved_of_a_file_without_its_projects_stays_private(home: Path) -> None:
    async with memory_in(home) as memory:
        await memory.remember("Ann likes tea.", visibility="private", author=Author(agent="ann"))
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        db.execute("UPDATE records SET readers = ''")  # as a version before had it
        db.execute("DELETE FROM scopes")
        db.commit()
    await asyncio.to_thread(rescued, home / "guildhall.db")
    async with memory_in(home, "rescued 1") as memory:
        assert len(await memory.recall("tea")) == 1
        assert await memory.recall("tea", viewer="bob") == []


async def test_a_forgotten_text_is_told_to_be_in_the_damaged_file_that_was_kept(home: Path) -> None:
    async with memory_in(home) as memory:
        await filled(memory)
    repaired = await asyncio.to_thread(rescued, home / "guildhall.db")
    async with memory_in(home) as memory:
        [tea] = await memory.recall("tea")
        assert f"{repaired.moved} is a copy that has it still" in (await memory.forget(tea.record.id)).left


@pytest.mark.slow
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
