"""What is forgotten is gone from every file, and nothing else is."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from indexing import Words, filled, text_of

from guildhall.agents import Agent, Hall, ModelReply
from guildhall.agents.message import Attachment
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import UserError
from guildhall.memory.chroma_server import NOTE
from guildhall.memory.dense import VectorSearch
from guildhall.memory.index import Index
from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.store.cache import Cache
from guildhall.memory.store.database import Database

SECRET = 'The harpsichord of Ödön stands in the blue "pavilion".'
WORDS = ("harpsichord", "pavilion")


@asynccontextmanager
async def memory_in(home: Path) -> AsyncIterator[Memory]:
    db = Database(home / "guildhall.db")
    try:
        yield Memory(db, scope="shop")
    finally:
        await asyncio.to_thread(db.close)


def where(home: Path, *words: str) -> list[str]:
    """The files in which one of the words stands, as it is or as an index holds it."""
    found = []
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        data = path.read_bytes().lower()
        found += [path.name for word in words if word.lower().encode() in data]
    return found


async def test_no_byte_of_a_forgotten_text_is_left_in_any_file(home: Path) -> None:
    async with memory_in(home) as memory:
        for number in range(40):
            await memory.remember(f"Chair {number} is brown.", source="chairs.md")
        kept = await memory.remember(SECRET, subject="where it stands")
        assert where(home, *WORDS)
        forgotten = await memory.forget(kept.id[:10])
        assert (forgotten.records, forgotten.left) == (1, "")
        assert where(home, *WORDS) == []
        assert await memory.recall("harpsichord") == []
        assert len(await memory.recall("chair brown", limit=50)) == 40
    assert where(home, *WORDS) == []


async def test_what_was_derived_goes_too(home: Path) -> None:
    async with memory_in(home) as memory:
        first = await memory.remember(SECRET)
        second = await memory.remember("There is an old instrument.", derived_from=[first.id])
        third = await memory.remember("The house is musical.", derived_from=[second.id])
        other = await memory.remember("The house is old.")
        dry = await memory.forget(first.id, dry=True)
        assert (dry.records, dry.derived) == (3, 2)
        assert await memory.get(third.id) is not None
        await memory.forget(first.id)
        there = [await memory.get(kept.id) for kept in (first, second, third)]
        assert there == [None] * 3
        assert await memory.get(other.id) is not None


async def test_the_words_go_from_the_logs_of_the_runs_that_quoted_them(home: Path) -> None:
    model = ScriptedModel(f"I know it. {SECRET} It is old.", name="model")
    async with Hall.open() as hall:
        kept = await hall.remember(SECRET)
        result = await hall.run_team(Agent("ann", "Answer.", [model]), "Where does the harpsichord stand?")
        assert "harpsichord" in result.answer
        assert len(where(home, "pavilion")) >= 1
        forgotten = await hall.memory.forget(kept.id, scope=hall.scope)
        assert forgotten.places >= 3
        assert where(home, "pavilion") == []
        assert "[forgotten] It is old." in (await hall.result(result.run_id)).answer


async def test_the_words_go_from_whatever_a_run_has_written(home: Path) -> None:
    said = {"texts": [f"a, {SECRET} b"], "call": json.dumps({"query": SECRET, "n": 1.5}), "none": None}
    rows = {
        "events": ("r", 1, json.dumps({"kind": "x", "data": said})),
        "journal": ("r", "a/b", "digest", json.dumps(said, ensure_ascii=False)),
        "cache": ("key", "digest", "model", json.dumps(json.dumps(said)), 0.0),
        "files": ("digest", b"\xff" + SECRET.encode()),
        "questions": ("q", "r", "", "ann", f"? {SECRET}", json.dumps([SECRET, "no"]), 0.0, None, None, None),
        "notebook": ("r", 1, f"Look at: {SECRET}", "finding", "ann", f"{SECRET} So it is.", 0, 0.0, 0),
    }  # fmt: skip
    async with memory_in(home) as memory:
        kept = await memory.remember(SECRET)

        def write(db: sqlite3.Connection) -> None:
            for table, values in rows.items():
                db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)

        await memory._db.write(write)
        assert (await memory.forget(kept.id)).places == len(rows)
        assert where(home, *WORDS, "Ödön", "d\\u00f6n") == []
        [[event]] = await memory._db.read(lambda db: db.execute("SELECT body FROM events").fetchall())
    data = json.loads(event)["data"]
    assert (data["texts"], data["none"]) == (["a, [forgotten] b"], None)
    assert json.loads(data["call"]) == {"query": "[forgotten]", "n": 1.5}


async def test_a_record_that_quotes_it_keeps_the_rest_of_what_it_says(home: Path) -> None:
    async with memory_in(home) as memory:
        kept = await memory.remember("青い庭の秘密の言葉はチューリップです。")
        other = await memory.remember(
            "会議の記録。\n青い庭の秘密の言葉はチューリップです。\n午後に終わった。"
        )
        await memory.forget(kept.id)
        [left] = [hit.record for hit in await memory.recall("会議の記録", limit=5)]
        assert (left.id, "チューリップ" in left.text, "午後" in left.text) == (other.id, False, True)
        assert await memory.recall("チューリップ") == []


@pytest.mark.parametrize(
    "text", ["done", "ok", "answered", '{"kind": "fact"}', '", "kind": "', "run_started", "input_tokens"]
)
async def test_a_text_that_may_stand_in_any_other_breaks_no_log(project: Path, text: str) -> None:
    async with Hall.open() as hall:
        kept = await hall.remember(text)
        model = ScriptedModel("It is done, ok.", name="model")
        result = await hall.run_team(Agent("ann", "Answer.", [model]), "Is it answered?")
        before = await hall.events(result.run_id)
        forgotten = await hall.memory.forget(kept.id, scope=hall.scope)
        after = await hall.events(result.run_id)
        assert [event.kind for event in after] == [event.kind for event in before]
        assert (await hall.resume(result.run_id)).answer == "It is done, ok."
    assert text.startswith(("{", '"')) or "too common a word" in forgotten.left


async def test_a_password_goes_from_logs_and_from_what_quotes_it_though_it_is_one_word(home: Path) -> None:
    async with Hall.open() as hall:
        kept = await hall.remember("CorrectHorseBatteryStaple9")
        model = ScriptedModel("It must be CorrectHorseBatteryStaple9, then.", name="model")
        await hall.run_team(Agent("ann", "Answer.", [model]), "Was it CorrectHorseBatteryStaple9?")
        await hall.memory.forget(kept.id, scope=hall.scope)
    assert where(home, "CorrectHorseBatteryStaple9") == []


async def test_a_reply_that_quoted_it_is_not_kept_to_be_given_again(home: Path) -> None:
    async with memory_in(home) as memory:
        kept = await memory.remember(SECRET)
        cache = Cache(memory._db)
        cache.keep("one", "asked", "model", {"text": f"I know it. {SECRET}"})
        cache.keep("two", "asked as well", "model", {"text": "Chairs are brown."})
        assert (await memory.forget(kept.id)).places == 1
        assert await cache.find("one", youngest=0) is None
        assert await cache.find("two", youngest=0) is not None


async def test_what_a_forgotten_record_had_taken_the_place_of_holds_again(home: Path) -> None:
    async with memory_in(home) as memory:
        texts = ("We use MySQL.", "We use Mongo.", "We use Redis.", "We use Postgres.")
        first, second, third, last = [
            await memory.remember(text, subject="db", valid_from=1e9 + number)
            for number, text in enumerate(texts)
        ]
        await memory.forget(second.id, third.id)
        record = await memory.get(first.id)
        assert record is not None
        assert (record.superseded_by, record.valid_to) == (last.id, 1e9 + 3)
        await memory.forget(last.id)
        [hit] = await memory.recall("what do we use")
        assert (hit.record.id, hit.record.valid_to, hit.record.closed_at) == (first.id, None, None)


async def test_what_says_the_same_goes_too_but_in_no_other_project(home: Path) -> None:
    async with memory_in(home) as memory:
        mine = await memory.remember(SECRET, visibility="private", author=Author(agent="ann"))
        wide = await memory.promote(mine.id, "user")
        page = await memory.remember(SECRET, kind="document", source="house.md")
        other = await memory.remember(SECRET, scope="bank")
        dry = await memory.forget(wide.id, dry=True)
        assert dry.records == 2
        forgotten = await memory.forget(wide.id)
        assert (forgotten.records, forgotten.left) == (
            2, "documents, or records of other projects, that say the same and stay: 2",
        )  # fmt: skip
        there = [await memory.get(kept.id) is not None for kept in (mine, wide, page)]
        assert there == [False, False, True]
        assert await memory.get(other.id, scope="bank") is not None
        with pytest.raises(UserError, match="is of the project bank: forget it there"):
            await memory.forget(other.id)


async def test_what_was_said_anew_stays_where_the_old_is_forgotten(home: Path) -> None:
    async with memory_in(home) as memory:
        old = await memory.remember("We use Postgres here.", subject="db")
        await memory.remember("We use MySQL here.", subject="db")
        then = time.time()
        new = await memory.remember("We use Postgres here.", subject="db")
        assert new.id != old.id
        assert (await memory.forget(before=then)).records == 2
        [hit] = await memory.recall("what do we use")
        assert (hit.record.id, hit.record.text) == (new.id, "We use Postgres here.")


async def test_a_run_at_work_is_not_forgotten_and_what_it_may_write_again_is_told(project: Path) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    class Waiting(ScriptedModel):
        async def complete(self, *given: Any) -> ModelReply:
            reached.set()
            await go_on.wait()
            return await super().complete(*given)

    agent = Agent("ann", "Answer.", [Waiting("It is old.", name="model")])
    async with Hall.open() as hall:
        kept = await hall.remember(SECRET)
        work = asyncio.create_task(hall.run_team(agent, "Where does the harpsichord stand?"))
        await reached.wait()
        run = (await hall.find()).id
        with pytest.raises(UserError, match="is at work: `guildhall cancel"):
            await hall.memory.forget(run=run, scope=hall.scope)
        forgotten = await hall.memory.forget(kept.id, scope=hall.scope)
        assert f"run {run[:12]} is at work and may write of it again" in forgotten.left
        go_on.set()
        assert (await work).answer == "It is old."
        await hall.memory.forget(run=run, scope=hall.scope)
        assert await hall.runs() == []


async def test_a_run_goes_with_all_that_it_left(home: Path) -> None:
    model = ScriptedModel("The bassoon is in the attic.", name="model")
    async with Hall.open() as hall:
        await hall.remember("The attic is dry.")
        page = Attachment(name="house.md", media_type="text/plain", data=b"The trombone is in the cellar.")
        agent = Agent("ann", "Answer.", [model])
        result = await hall.run_team(agent, "Where is the bassoon?", files=[page], cache="use")
        assert where(home, "bassoon")
        assert where(home, "trombone")
        await hall.memory.forget(run=result.run_id, scope=hall.scope)
        assert where(home, "bassoon", "trombone") == []
        assert await hall.runs() == []
        assert len(await hall.recall("attic")) == 1


async def test_a_forgotten_id_is_not_written_again(home: Path) -> None:
    async with memory_in(home) as memory:
        kept = await memory.remember(SECRET, id="a" * 32)
        await memory.forget(kept.id)
        assert (await memory.remember(SECRET, id="a" * 32)).merged
        assert await memory.get(kept.id) is None


async def test_a_tombstone_has_no_content(home: Path) -> None:
    async with memory_in(home) as memory:
        kept = await memory.remember(SECRET)
        await memory.forget(kept.id)
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        assert [row[0] for row in db.execute("SELECT * FROM tombstones")] == [kept.id]


async def test_the_words_of_a_whole_folder_go_from_the_logs(home: Path) -> None:
    async with memory_in(home) as memory:
        for number in range(300):
            text = f"Chair {number} is brown. It stood in {number} rooms."
            await memory.remember(text, kind="document", source=f"house/{number}.md")
        await memory.remember("Chairs are for sitting.", kind="document", source="houses.md")
        said = "Of what you ask: It stood in 123 rooms. Chairs are for sitting."
        sql = "INSERT INTO events VALUES ('r', 1, ?), ('r', 2, ?)"
        rows = (json.dumps({"text": said}), json.dumps({"text": "It stood in 1234 rooms."}))
        await memory._db.write(lambda db: db.execute(sql, rows))
        forgotten = await memory.forget(source="house")
        assert (forgotten.records, forgotten.places) == (300, 1)
        left = await memory._db.read(lambda db: db.execute("SELECT body FROM events").fetchall())
        assert [json.loads(body)["text"] for (body,) in left] == [
            "Of what you ask: [forgotten] Chairs are for sitting.", "It stood in 1234 rooms.",
        ]  # fmt: skip
        assert [hit.record.source for hit in await memory.recall("chairs sitting")] == ["houses.md"]


async def test_what_is_old_goes_but_for_what_is_pinned(home: Path) -> None:
    async with memory_in(home) as memory:
        await memory.remember("The first.")
        pinned = await memory.remember("The pinned.", pinned=True)
        [first] = [hit.record for hit in await memory.recall("first")]
        assert (await memory.forget(before=first.recorded_at + 1e6)).records == 1
        assert await memory.get(pinned.id) is not None


async def test_another_project_is_not_touched(home: Path) -> None:
    async with memory_in(home) as memory:
        mine = await memory.remember("Mine.", source="notes/a.md", author=Author(run="r"))
        other = await memory.remember("Theirs.", source="notes/a.md", author=Author(run="r"), scope="bank")
        assert (await memory.forget(source="notes")).records == 1
        assert await memory.get(mine.id) is None
        assert await memory.get(other.id, scope="bank") is not None


async def test_nothing_named_is_refused(home: Path) -> None:
    async with memory_in(home) as memory:
        with pytest.raises(UserError, match="say what is to be forgotten"):
            await memory.forget()
        with pytest.raises(UserError, match="there is no memory 'ffff'"):
            await memory.forget("ffff")


@pytest.mark.slow
@pytest.mark.deadline(120)
async def test_nothing_is_left_where_chroma_serves_other_processes_too(home: Path) -> None:
    db = await asyncio.to_thread(Database, home / "guildhall.db")
    index = Index(db, few=100, rest=1)
    memory = Memory(db, scope="shop", dense=VectorSearch(Words(), index))
    reading, stop = subprocess.Popen([*READER, str(home)]), home / "stop"
    try:
        await memory.remember(SECRET)
        filled(db, range(400))
        [secret] = await memory.recall("harpsichord", limit=1)
        vector = await db.read(
            lambda raw: raw.execute(
                "SELECT vector FROM vectors v JOIN records r ON r.seq = v.record WHERE r.id = ?",
                (secret.record.id,),
            ).fetchone()[0]
        )
        while (await memory.search("anything")).served != "chroma":
            await asyncio.sleep(0.02)
        assert any("chroma" in path for path in holding(home, vector))
        for left in 0, 1:  # the second one finds an index that was built anew
            forgotten = await memory.forget(secret.record.id if not left else (await other(memory)))
            assert (forgotten.records, forgotten.left) == (1, "")
            assert holding(home, vector, *map(str.encode, WORDS)) == []
            assert (await memory.search(text_of(7))).hits[0].record.text == text_of(7)
            while (await memory.search("anything")).served != "chroma":
                await asyncio.sleep(0.02)
            assert holding(home, vector, *map(str.encode, WORDS)) == []
    finally:
        stop.touch()
        looked = await asyncio.to_thread(reading.wait, 30)
        await asyncio.to_thread(index.close)
        await asyncio.to_thread(db.close)
        (home / NOTE).unlink(missing_ok=True)
    assert looked == 0


async def other(memory: Memory) -> str:
    [hit] = await memory.recall(text_of(8), limit=1)
    return hit.record.id


def holding(home: Path, *wanted: bytes) -> list[str]:
    """The files in which one of these stands; looked at by another process, since who closes a file of a
    database that it has open itself loses its locks."""
    command = [sys.executable, "-c", SEARCH, str(home), *(one.hex() for one in wanted)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


SEARCH = """
import sys
from pathlib import Path
wanted = [bytes.fromhex(one) for one in sys.argv[2:]]
for path in Path(sys.argv[1]).rglob("*"):
    data = path.read_bytes().lower() if path.is_file() else b""
    if any(one.lower() in data for one in wanted):
        print(path)
"""
READER = [
    sys.executable,
    "-c",
    """
import asyncio, sys
from pathlib import Path
from guildhall.memory.chroma_server import NOTE
from guildhall.memory.dense import VectorSearch
from guildhall.memory.index import Index
from guildhall.memory.memory import Memory
from guildhall.memory.store.database import Database
async def main(home):
    db = Database(home / "guildhall.db")
    while not (home / "stop").exists():
        for query in ("harpsichord pavilion", "about topic7"):
            await Memory(db).recall(query, scope="shop")
    db.close()
asyncio.run(main(Path(sys.argv[1])))
""",
]
