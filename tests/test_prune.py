"""Old runs are removed by age and size, once by however many processes, and none from under its process."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.store import retention
from guildhall.memory.store.database import Database
from guildhall.memory.store.liveness import Liveness
from guildhall.memory.store.retention import Pruned, Retention
from guildhall.memory.store.runs import RunRow, Runs, digest_of

DAY = 86_400.0
TABLES = ("runs", "events", "journal", "questions", "notebook", "files")


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database(home / "guildhall.db")
    yield opened
    opened.close()


@pytest.fixture
def liveness(home: Path) -> Iterator[Liveness]:
    living = Liveness(home / "locks")
    yield living
    living.close()


@pytest.fixture
def store(db: Database, liveness: Liveness) -> Retention:
    return Retention(db, liveness)


def days_ago(days: float) -> float:
    return time.time() - days * DAY


async def made(
    db: Database,
    run: str,
    *,
    days: float = 1,
    status: str = "done",
    holder: str = "gone",
    size: int = 0,
    files: dict[str, int] | None = None,
) -> None:
    """A run that ended, or if it is running was started, so many days ago; files by digest, with sizes."""
    spec = json.dumps({"files": [{"name": name, "digest": name} for name in files or ()]})
    row = RunRow(
        id=run, kind="team", team="t", pattern="", task="q", spec=spec, fingerprint="", scope="s",
        status=status, holder=holder, started=days_ago(days),
        ended=None if status == "running" else days_ago(days),
    )  # fmt: skip

    def write(raw: sqlite3.Connection) -> None:
        values = vars(row)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        raw.execute(f"INSERT INTO runs ({names}) VALUES ({marks})", values)
        raw.execute("INSERT INTO events VALUES (?, 1, ?)", (run, "e" * (size // 2)))
        raw.execute(
            "INSERT INTO journal VALUES (?, 'ask', 'd', ?)", (run, json.dumps("j" * (size - size // 2)))
        )
        question = (f"q-{run}", run, "t/human", "human", "Go?", "[]", 1.0, None, None, None)
        raw.execute(f"INSERT INTO questions VALUES ({', '.join('?' * 10)})", question)
        note = (run, 1, "q", "finding", "ann", "It is so.", 0, 1.0, 0)
        raw.execute(f"INSERT INTO notebook VALUES ({', '.join('?' * len(note))})", note)
        for name, length in (files or {}).items():
            raw.execute("INSERT OR IGNORE INTO files VALUES (?, ?)", (name, bytes(length)))

    await db.write(write)


async def left(db: Database) -> dict[str, list[str]]:
    """What of runs is in each table, sorted."""
    columns = dict(zip(TABLES, ("id", *["run"] * 4, "digest"), strict=True))
    return await db.read(
        lambda raw: {
            table: sorted(value for (value,) in raw.execute(f"SELECT {column} FROM {table}"))
            for table, column in columns.items()
        }
    )


async def test_a_run_that_ended_before_is_removed_with_all_it_wrote(db: Database, store: Retention) -> None:
    await made(db, "new", days=1, size=100, files={"f1": 10})
    await made(db, "old", days=3, size=100, files={"f2": 1000})
    pruned = await store.prune(before=days_ago(2))
    assert (pruned.runs, pruned.kept) == (1, 1)
    assert 1100 <= pruned.bytes < 1200
    assert await left(db) == {table: ["new"] for table in TABLES[:-1]} | {"files": ["f1"]}


async def test_what_was_asked_and_noted_in_a_run_counts_to_its_size(db: Database, store: Retention) -> None:
    await made(db, "run", days=3, size=100)
    lean = await store.prune(before=days_ago(2), dry=True)
    await db.write(lambda raw: raw.execute("UPDATE questions SET answer = ?", ("y" * 5_000,)))
    await db.write(lambda raw: raw.execute("UPDATE notebook SET text = ?", ("n" * 7_000,)))
    grown = (await store.prune(before=days_ago(2))).bytes - lean.bytes
    assert 11_900 < grown <= 12_000


async def test_every_table_that_names_runs_is_pruned_or_outlives_them(db: Database) -> None:
    def naming_runs(raw: sqlite3.Connection) -> set[str]:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {t for t in tables if any(row[1] == "run" for row in raw.execute(f"PRAGMA table_info({t})"))}

    assert await db.read(naming_runs) == {*retention.OF_A_RUN, "records", "origins"}  # memory stays


async def test_without_a_limit_nothing_is_removed(db: Database, store: Retention) -> None:
    await made(db, "old", days=3000)
    assert await store.prune() == Pruned(runs=0, bytes=0, kept=1)


async def test_what_memory_has_of_a_run_outlives_it(db: Database, store: Retention) -> None:
    await made(db, "old", days=3)
    memory = Memory(db)
    await memory.remember("The storm closed it.", scope="shop", author=Author(agent="reader", run="old"))
    assert (await store.prune(before=days_ago(2))).runs == 1
    [hit] = await memory.recall("storm", scope="shop")
    assert hit.record.author.run == "old"


async def test_a_dry_run_says_the_same_and_removes_nothing(db: Database, store: Retention) -> None:
    for number in range(4):
        await made(db, f"r{number}", days=number + 1, size=100_000, files={f"f{number}": 1000})
    before, there = days_ago(3.5), await left(db)
    dry = await store.prune(before=before, most_bytes=250_000, dry=True)
    assert (dry.runs, dry.kept) == (2, 2)
    assert await left(db) == there
    assert await store.prune(before=before, most_bytes=250_000) == dry
    assert (await left(db))["runs"] == ["r0", "r1"]


async def test_the_oldest_go_until_the_rest_fits(db: Database, store: Retention) -> None:
    for name, days in (("c", 3), ("a", 1), ("d", 4), ("b", 2)):
        await made(db, name, days=days, size=100_000)
    assert (await store.prune(most_bytes=450_000)).runs == 0
    assert (await store.prune(most_bytes=350_000)).runs == 1
    assert (await left(db))["runs"] == ["a", "b", "c"]
    assert (await store.prune(most_bytes=150_000)).runs == 2
    assert (await left(db))["runs"] == ["a"]
    assert (await store.prune(most_bytes=0)).kept == 0


async def test_a_file_counts_once_however_many_runs_use_it(db: Database, store: Retention) -> None:
    for number in range(4):
        await made(db, f"r{number}", days=number + 1, size=1000, files={"shared": 200_000})
    await made(db, "r4", days=9, size=1000, files={"own": 200_000})
    pruned = await store.prune(most_bytes=250_000)
    assert pruned.runs == 1
    assert 201_000 <= pruned.bytes < 201_500
    assert (await left(db))["files"] == ["shared"]


async def test_a_file_that_two_runs_share_outlives_the_first(db: Database, store: Retention) -> None:
    await made(db, "new", days=1, files={"shared": 10})
    await made(db, "old", days=3, files={"shared": 10, "own": 20})
    await store.prune(before=days_ago(2))
    assert (await left(db))["files"] == ["shared"]
    await store.prune(before=days_ago(0))
    assert (await left(db))["files"] == []


async def test_a_run_at_work_stays_and_one_whose_process_died_goes_by_its_start(
    db: Database, store: Retention, home: Path, liveness: Liveness
) -> None:
    other = Liveness(home / "locks")
    await made(db, "here", days=9, status="running", holder=liveness.holder, size=100_000, files={"f": 1})
    await made(db, "there", days=9, status="running", holder=other.holder, size=100_000)
    await made(db, "dead-old", days=9, status="running", holder="gone", size=100_000)
    await made(db, "dead-new", days=1, status="running", holder="gone", size=100_000)
    assert (await store.prune(before=days_ago(2))).runs == 1
    assert (await left(db))["runs"] == ["dead-new", "here", "there"]
    assert (await store.prune(before=days_ago(2), most_bytes=0)).kept == 2
    assert (await left(db))["runs"] == ["here", "there"]
    assert (await left(db))["files"] == ["f"]
    other.close()
    assert (await store.prune(before=days_ago(2))).runs == 1
    assert (await left(db))["runs"] == ["here"]


async def test_a_run_that_waits_for_the_user_goes_by_its_age_alone(db: Database, store: Retention) -> None:
    await made(db, "asks", days=5, status="needs_input", size=100_000)
    await made(db, "done", days=1, size=100_000)
    assert (await store.prune(before=days_ago(9), most_bytes=150_000)).runs == 1
    assert (await left(db))["runs"] == ["asks"]
    assert (await store.prune(before=days_ago(2))).runs == 1


class Resumed(Liveness):
    """While the runs are looked at, another process goes on with them."""

    def __init__(self, home: Path, runs: tuple[str, ...]) -> None:
        super().__init__(home / "locks")
        self._home, self._runs, self.other = home, runs, Liveness(home / "locks")

    def alive(self, holder: str) -> bool:
        if self._runs:
            asyncio.run(self._resume())
        return super().alive(holder)

    async def _resume(self) -> None:
        runs, self._runs = self._runs, ()
        db = Database(self._home / "guildhall.db")
        resuming = Runs(db, self.other)
        for run in runs:
            log = await resuming.claim(row := await resuming.find(run), spec=row.spec)
            await log.record("ask", "d", "more")
            if run == "ended-again":
                await log.end("failed", "")
        db.close()


async def test_a_run_that_is_resumed_meanwhile_stays_whole(db: Database, home: Path) -> None:
    living = Resumed(home, ("cut", "off", "ended-again"))
    statuses = {"cut": "running", "off": "cancelled", "ended-again": "failed", "idle": "done"}
    for name, status in statuses.items():
        holder = living.other.holder if name == "ended-again" else "gone"
        await made(db, name, days=9, status=status, holder=holder, files={name: 10})
    pruned = await Retention(db, living).prune(before=days_ago(2), most_bytes=0)
    assert (pruned.runs, pruned.kept) == (1, 3)
    assert await left(db) == {table: ["cut", "ended-again", "off"] for table in TABLES}
    living.other.close()
    living.close()


class Begun(Liveness):
    """While the runs are looked at, another process begins one with the same file."""

    def __init__(self, db: Database, home: Path) -> None:
        super().__init__(home / "locks")
        self._db, self.other = db, Liveness(home / "locks")

    def alive(self, holder: str) -> bool:
        asyncio.run(self._begin())
        return super().alive(holder)

    async def _begin(self) -> None:
        other = Database(self._db.path)
        spec = json.dumps({"files": [{"digest": digest_of(b"notes")}]})
        row = RunRow(
            id="new", kind="team", team="t", pattern="", task="q", spec=spec, fingerprint="", scope="s"
        )
        await Runs(other, self.other).begin(row, [b"notes"])
        other.close()


async def test_a_run_that_begins_meanwhile_keeps_its_file(db: Database, home: Path) -> None:
    await made(db, "old", days=9, status="running", files={digest_of(b"notes"): 5})
    living = Begun(db, home)
    assert (await Retention(db, living).prune(before=days_ago(2))).runs == 1
    assert (await left(db))["runs"] == ["new"]
    assert await Runs(db, living).file(digest_of(b"notes"))
    living.other.close()
    living.close()


async def test_two_that_prune_at_once_remove_each_run_once(
    db: Database, home: Path, store: Retention
) -> None:
    for number in range(90):
        await made(
            db, f"r{number}", days=number / 10, size=1000, files={f"f{number}": 10, f"g{number // 2}": 10}
        )
    other, living = Database(db.path), Liveness(home / "locks")
    both = await asyncio.gather(
        store.prune(before=days_ago(0.95)), Retention(other, living).prune(before=days_ago(0.95))
    )
    living.close()
    await asyncio.to_thread(other.close)
    assert sum(pruned.runs for pruned in both) == 80
    assert sum(pruned.bytes for pruned in both) >= 80 * 1010 + 40 * 10
    there = await left(db)
    assert len(there["runs"]) == len(there["events"]) == len(there["journal"]) == 10
    assert there["files"] == sorted([*(f"f{n}" for n in range(10)), *(f"g{n}" for n in range(5))])


async def test_others_write_while_many_runs_are_removed(db: Database, store: Retention) -> None:
    for number in range(100):
        await made(db, f"r{number}", days=9, size=1000)
    other = Database(db.path)
    pruning = asyncio.create_task(store.prune(before=days_ago(2)))
    seen = []
    while not pruning.done():
        await other.write(lambda raw: raw.execute("INSERT OR REPLACE INTO chores VALUES ('x', 1.0)"))
        seen.append(len((await left(db))["runs"]))
        await asyncio.sleep(0)
    await asyncio.to_thread(other.close)
    assert (await pruning).runs == 100
    assert any(0 < count < 100 for count in seen)


async def test_a_chore_is_due_for_one_process_once_in_its_time(db: Database, store: Retention) -> None:
    other = Database(db.path)
    both = (store, Retention(other, store._liveness))
    for _ in range(2):
        claims = await asyncio.gather(*(one.due("tidy", 3600) for one in both * 10))
        assert claims.count(True) == 1
        await db.write(lambda raw: raw.execute("UPDATE chores SET at = at - 3600"))
    assert await store.due("another", 3600)
    await asyncio.to_thread(other.close)


async def test_a_clock_that_was_set_back_keeps_no_chore_from_being_due(
    db: Database, store: Retention
) -> None:
    assert await store.due("tidy", 3600)
    await db.write(lambda raw: raw.execute("UPDATE chores SET at = at + 1e9"))
    assert await store.due("tidy", 3600)
    assert not await store.due("tidy", 3600)


async def test_what_was_freed_is_given_back_unless_somebody_writes(db: Database, store: Retention) -> None:
    await made(db, "old", days=9, files={"f": 12_000_000})
    await made(db, "new", days=1, files={"g": 1_000_000})
    assert await store.compact() == 0  # nothing is free
    await store.prune(before=days_ago(2))
    with closing(sqlite3.connect(db.path, isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        assert await store.compact() == 0
    assert await store.compact() >= 11_000_000
    assert db.path.stat().st_size < 2_000_000
    assert (await left(db))["files"] == ["g"]
    await made(db, "newer")  # by a connection that was open all the time


async def test_compacting_that_takes_too_long_is_left(
    db: Database, store: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(db, "old", days=9, files={"f": 12_000_000})
    for number in range(20):
        await made(db, f"new{number}", size=50_000)
    rows = [(f"k{number}", "d", "m", "1", 1.0) for number in range(20_000)]
    await db.write(lambda raw: raw.executemany("INSERT INTO cache VALUES (?, ?, ?, ?, ?)", rows))
    await store.prune(before=days_ago(2))
    monkeypatch.setattr(retention, "LONGEST_COMPACTING", -1.0)
    assert await store.compact() == 0
    monkeypatch.undo()
    assert await store.compact() >= 11_000_000
