"""The store keeps what it was given, in order, or says that it could not."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guildhall.agents.event import EVENT, Decided
from guildhall.errors import FileError, NameUnknown, RunRefused, StoreError, UserError
from guildhall.home import private_folder, read_toml
from guildhall.memory.memory import Memory
from guildhall.memory.store import database, writer
from guildhall.memory.store.database import Database
from guildhall.memory.store.liveness import Liveness
from guildhall.memory.store.runs import RunLog, RunRow, Runs
from guildhall.memory.store.writer import Writer
from guildhall.redact import redact_json

KEY = "sk-ant-api03-" + "abcdEFGH1234_-abcdEFGH1234"


@pytest.fixture
def db(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    opened = Database(home / "guildhall.db")
    yield opened
    opened.close()


@pytest.fixture
def liveness(home: Path) -> Iterator[Liveness]:
    living = Liveness(home / "locks")
    yield living
    living.close()


@pytest.fixture
def runs(db: Database, liveness: Liveness) -> Runs:
    return Runs(db, liveness)


@pytest.fixture
def lock(db: Database) -> Iterator[sqlite3.Connection]:
    """Another process that writes until it is told to roll back."""
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def row(run: str, **more: Any) -> RunRow:
    return RunRow(
        id=run, kind="team", team="t", pattern="", task="q", spec="{}", fingerprint="", scope="s", **more
    )


def numbered(number: int) -> str:
    return json.dumps({"id": number})


async def ids(db: Database) -> list[int]:
    return await db.read(lambda raw: [n for (n,) in raw.execute("SELECT id FROM events ORDER BY id")])


async def waited_for(db: Database, wanted: list[int]) -> None:
    """Return when these events are on disk; the test's deadline ends it otherwise."""
    while await ids(db) != wanted:
        await asyncio.sleep(0.01)


async def test_events_outlive_a_lock_and_what_is_on_disk_stays_a_beginning(
    db: Database, lock: sqlite3.Connection
) -> None:
    log = RunLog(db, "r", {})
    log.event(1, lambda: numbered(1))
    with pytest.raises(StoreError, match="locked"):
        await log.record("ask", "d", 1)
    log.event(2, lambda: numbered(2))
    lock.execute("ROLLBACK")
    log.event(3, lambda: numbered(3))
    await log.record("ask", "d", 1)
    assert await ids(db) == [1, 2, 3]


async def test_kept_events_are_written_by_themselves_once_the_database_takes_them(
    db: Database, lock: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "AGAIN", 0.01)
    log = RunLog(db, "r", {})
    log.event(1, lambda: numbered(1))
    with pytest.raises(StoreError, match="locked"):
        await log.record("ask", "d", 1)
    lock.execute("ROLLBACK")
    await waited_for(db, [1])


async def test_closing_writes_what_a_lock_had_held_back(db: Database, lock: sqlite3.Connection) -> None:
    log = RunLog(db, "r", {})
    log.event(1, lambda: numbered(1))
    with pytest.raises(StoreError, match="locked"):
        await log.record("ask", "d", 1)
    lock.execute("ROLLBACK")
    await asyncio.to_thread(db.close)
    again = Database(db.path)
    assert await ids(again) == [1]
    again.close()


async def test_who_opens_it_twice_keeps_what_another_process_would_take_away(db: Database) -> None:
    memory, again = Memory(db), Database(db.path)  # a notebook and its magics
    await memory.remember("The first.", scope="shop")
    program = f"import pathlib\nfrom {Database.__module__} import Database\n"
    program += f"Database(pathlib.Path({str(db.path)!r})).close()"
    subprocess.run([sys.executable, "-c", program], check=True)
    await memory.remember("The second.", scope="shop")
    with closing(sqlite3.connect(db.path)) as other:
        assert other.execute("SELECT text FROM records").fetchall() == [("The first.",), ("The second.",)]
    again.close()


async def test_a_full_disk_is_told_and_costs_no_event(db: Database) -> None:
    log = RunLog(db, "r", {})
    pages = await db.write(lambda raw: raw.execute("PRAGMA page_count").fetchone()[0])
    await db.write(lambda raw: raw.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    log.event(1, lambda: json.dumps("x" * 100_000))
    with pytest.raises(StoreError, match="no space left") as told:
        await log.record("ask", "d", 1)
    assert told.value.code == "memory_full"
    assert await ids(db) == []
    assert db._writer is not None
    db._writer._db.execute("PRAGMA max_page_count = 100000").fetchone()
    await log.record("ask", "d", 1)
    assert await ids(db) == [1]


async def test_a_log_that_grows_too_long_for_a_failing_disk_ends_as_a_beginning(
    db: Database,
    lock: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(writer, "MOST", 3)
    log = RunLog(db, "r", {})
    log.event(1, lambda: numbered(1))
    with pytest.raises(StoreError, match="locked"):
        await log.record("ask", "d", 1)
    for number in range(2, 9):
        log.event(number, lambda number=number: numbered(number))  # type: ignore[misc]  # bound now
    assert [r.message for r in caplog.records] == [
        "the disk takes nothing: the log of run r ends before event 4"
    ]
    lock.execute("ROLLBACK")
    await log.record("ask", "d", 1)
    log.event(9, lambda: numbered(9))
    RunLog(db, "later", {}).event(10, lambda: numbered(10))
    await waited_for(db, [1, 2, 3, 10])


async def test_a_job_that_fails_by_itself_costs_no_other(db: Database) -> None:
    log = RunLog(db, "r", {})

    def fail(raw: sqlite3.Connection) -> None:
        raw.execute("INSERT INTO files VALUES ('half', x'00')")
        raise ZeroDivisionError

    log.event(1, lambda: numbered(1))
    failing, kept = db.write(fail), db.write(lambda raw: 7)
    results = await asyncio.gather(failing, kept, return_exceptions=True)
    assert isinstance(results[0], ZeroDivisionError)
    assert results[1] == 7
    assert await ids(db) == [1]
    assert await db.read(lambda raw: raw.execute("SELECT * FROM files").fetchall()) == []


async def test_a_writer_that_cannot_connect_says_so_at_once() -> None:
    def connect() -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        Writer(connect)
    assert "guildhall-writer" not in [thread.name for thread in threading.enumerate()]


class Broken(sqlite3.Connection):
    """A connection that fails where it must not."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "ROLLBACK":
            raise sqlite3.OperationalError("no rollback")
        return super().execute(sql, *values)


async def test_a_writer_that_dies_fails_all_who_wait_and_all_who_come(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    private_folder(home)
    broken = Writer(
        lambda: sqlite3.connect(home / "x.db", factory=Broken, isolation_level=None, check_same_thread=False)
    )
    waiting = [broken.now(lambda raw: 1 / 0), broken.now(lambda raw: 1)]
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in told] == [StoreError, StoreError]
    assert "start the program again" in str(told[1])
    with pytest.raises(StoreError, match="can no longer be written"):
        broken.later(lambda raw: 1)
    with pytest.raises(StoreError, match="can no longer be written"):
        broken.now(lambda raw: 1)
    broken.close()
    assert "the store was left" in caplog.text


async def test_a_closed_store_refuses_reads_and_writes(home: Path) -> None:
    db = Database(home / "guildhall.db")
    db.close()
    with pytest.raises(StoreError, match="the store is closed"):
        await db.write(lambda raw: None)
    with pytest.raises(StoreError, match="the store is closed"):
        await db.read(lambda raw: None)
    with pytest.raises(StoreError, match="the store is closed"):
        db.write_later(lambda raw: None)


async def test_slow_tools_do_not_keep_the_store_from_reading(db: Database) -> None:
    let_go = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    slow = asyncio.create_task(asyncio.to_thread(let_go.wait))
    await asyncio.sleep(0)
    try:
        assert await db.read(lambda raw: raw.execute("SELECT 1").fetchone()) == (1,)
        assert not slow.done()
    finally:
        let_go.set()
        await slow


async def test_an_event_that_cannot_be_written_leaves_one_that_says_why(db: Database) -> None:
    log = RunLog(db, "r", {})

    def fail() -> str:
        raise TypeError(f"cannot write {KEY}")

    log.event(1, fail)
    log.event(2, lambda: '"caf\udce9"')
    await log.record("ask", "d", 1)
    bodies = await db.read(lambda raw: [b for (b,) in raw.execute("SELECT body FROM events ORDER BY id")])
    first, second = map(EVENT.validate_json, bodies)
    assert isinstance(first, Decided)
    assert isinstance(second, Decided)
    assert (first.id, first.run, second.id) == (1, "r", 2)
    assert first.reason == "event 1 could not be written: TypeError: cannot write [redacted: anthropic]"


async def test_secrets_are_taken_out_of_events(db: Database) -> None:
    log = RunLog(db, "r", {})
    log.event(1, lambda: json.dumps({"text": f"KEY=1\n{KEY}", "n": 1}))
    await log.record("ask", "d", 1)
    (body,) = await db.read(lambda raw: raw.execute("SELECT body FROM events").fetchone())
    assert json.loads(body) == {"text": "KEY=1\n[redacted: anthropic]", "n": 1}


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (f'say "{KEY}" to\\ {KEY}', 'say "[redacted: anthropic]" to\\ [redacted: anthropic]'),
        ("AKIA" + "A1" * 8 + "\nbye", "[redacted: aws]\nbye"),
        ("\x1bghp_" + "a1" * 18 + "\x1b", "\x1b[redacted: github]\x1b"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "[redacted: private key]"),
        ("postgres://u:hunter22@db/x", "postgres://[redacted: password]@db/x"),
        ("see https://a.example and mail x:yyy@z", "see https://a.example and mail x:yyy@z"),
        ("nothing at risk-free, \ud800 \u2028", "nothing at risk-free, \ud800 \u2028"),
    ],
)
def test_secrets_in_strings_of_json_are_replaced_and_the_document_stays_valid(value: str, clean: str) -> None:
    nested = redact_json(json.dumps({"a": [value, 1e300], value: None}))
    assert json.loads(nested) == {"a": [clean, 1e300], clean: None}
    assert json.loads(redact_json(json.dumps(value, ensure_ascii=False))) == clean


def test_a_password_in_an_address_does_not_reach_across_strings() -> None:
    text = '{"a":"https://x","b":"u:pass@host","c":1e999}'
    assert redact_json(text) == text


async def test_a_run_is_found_by_its_id_though_longer_ids_begin_so(runs: Runs) -> None:
    for number, run in enumerate(("ab", "a", "ac", "b1")):
        await runs.begin(row(run, started=float(number)))
    assert (await runs.find("a")).id == "a"
    assert (await runs.find("b")).id == "b1"
    assert (await runs.find("")).id == "b1"
    with pytest.raises(NameUnknown, match="no run 'abc'"):
        await runs.find("abc")
    await runs.begin(row("b2"))
    with pytest.raises(RunRefused, match="several runs begin with 'b'"):
        await runs.find("b")


async def test_a_run_is_found_without_reading_all_runs(db: Database, runs: Runs) -> None:
    await runs.begin(row("abc"))
    statements: list[str] = []

    def traced(raw: sqlite3.Connection) -> None:
        raw.set_trace_callback(statements.append)

    await db.read(traced)
    await runs.find("ab")
    plans = await db.read(
        lambda raw: [raw.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in tuple(statements)]
    )
    assert plans
    assert all("SEARCH" in plan[0][3] for plan in plans)


class Noting(Liveness):
    """Knows the threads in which it was asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.threads: set[int] = set()

    def alive(self, holder: str) -> bool:
        self.threads.add(threading.get_ident())
        return super().alive(holder)


async def test_looking_for_living_processes_does_not_hold_up_the_loop(db: Database, home: Path) -> None:
    here, other = Noting(home / "locks"), Liveness(home / "locks")
    runs = Runs(db, here)
    await Runs(db, other).begin(row("a"))
    assert (await runs.find("a")).status == "running"
    other.close()
    assert [run.status for run in await runs.recent(5)] == ["interrupted"]
    here.close()
    assert here.threads
    assert threading.get_ident() not in here.threads


def test_locks_that_are_a_file_are_named(home: Path) -> None:
    home.mkdir()
    (home / "locks").write_text("")
    with pytest.raises(StoreError, match=r"locks must be a folder, and there is a file: move it away"):
        Liveness(home / "locks")


def test_a_data_folder_that_is_a_file_is_named(home: Path) -> None:
    home.write_text("")
    with pytest.raises(StoreError, match="must be a folder"):
        Database(home / "guildhall.db")


def test_a_folder_that_others_may_read_is_made_private(home: Path, tmp_path: Path) -> None:
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    assert private_folder(home).stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    assert private_folder(shared).stat().st_mode & 0o7777 == 0o1777


def test_a_configuration_that_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read") as told:
        read_toml(tmp_path)
    assert told.value.code == "unreadable"


async def test_a_text_that_is_no_text_is_refused(db: Database) -> None:
    with pytest.raises(UserError, match="lone surrogate"):
        await Memory(db).remember("x", scope="shop", source="caf\udce9", expires_at=time.time() + 9)
