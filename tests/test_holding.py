"""What holds follows from what is there, in whatever order it was said, settled, retracted and forgotten."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.errors import UserError
from guildhall.memory import holding
from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.settling import Settlement
from guildhall.memory.store.database import Database
from guildhall.memory.store.schema import MIGRATIONS

MOMENTS = [1005 + 10 * number for number in range(5)]


class Step(NamedTuple):
    """Something that is done to the records of one subject."""

    do: str
    one: int
    other: int
    trust: float
    start: int
    how: Settlement
    private: bool


STEP = st.builds(
    Step,
    do=st.sampled_from(["say", "say", "say", "again", "settle", "settle", "forget", "promote"]),
    one=st.integers(0, 9),
    other=st.integers(0, 9),
    trust=st.sampled_from([0.4, 0.7, 1.0, 1.0]),
    start=st.sampled_from([1000, 1010, 1020, 1030]),
    how=st.sampled_from(["supersede", "coexist", "duplicate", "retract"]),
    private=st.booleans(),
)


class Row(NamedTuple):
    seq: int
    id: str
    readers: str
    trust: float
    private: bool
    status: str
    valid_from: float
    valid_to: float | None
    superseded_by: str | None


async def done(memory: Memory, steps: Sequence[Step]) -> None:
    """Do these, as far as they are not refused; what was forgotten is asked for no more."""
    ids: list[str] = []
    for number, step in enumerate(steps):
        try:
            match step.do:
                case "say" | "again":
                    again = step.do == "again" and bool(ids)
                    record = await memory.get(ids[step.one % len(ids)]) if again else None
                    kept = await memory.remember(
                        record.text if record else f"thing number {number} is so", subject="thing",
                        trust=step.trust, valid_from=step.start, private=step.private,
                        author=Author(agent="ann"), visibility="private" if step.other < 3 else "project",
                    )  # fmt: skip
                    ids += [kept.id] * (kept.id not in ids)
                case "settle" if ids:
                    pair = ids[step.one % len(ids)], ids[step.other % len(ids)]
                    await memory.settle(*pair, step.how)
                case "promote" if ids:
                    ids.append((await memory.promote(ids[step.one % len(ids)], "project")).id)
                case "forget" if ids:
                    await memory.forget(ids[step.one % len(ids)])
                    ids = [id_ for id_ in ids if await memory.get(id_) is not None]
        except UserError:
            pass


def rows(home: Path) -> tuple[list[Row], set[tuple[int, int]]]:
    columns = ", ".join(Row._fields)
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        found = [Row._make(row) for row in db.execute(f"SELECT {columns} FROM records")]
        return found, set(db.execute("SELECT one, other FROM coexisting"))


def ends(home: Path) -> dict[int, tuple[Any, ...]]:
    return {row.seq: (row.valid_to, row.superseded_by) for row in rows(home)[0]}


def with_memory(work: Any) -> None:
    async def worked() -> None:
        with TemporaryDirectory() as folder:
            db = Database(Path(folder) / "guildhall.db")
            try:
                await work(Memory(db, scope="shop"), Path(folder))
            finally:
                db.close()

    asyncio.run(worked())


async def asked(memory: Memory, known_at: float | None = None) -> list[list[str]]:
    """What is answered of the subject at several times."""
    answers = []
    for moment in (None, *MOMENTS):
        hits = await memory.recall("thing", limit=50, min_trust=0.0, as_of=moment, known_at=known_at)
        answers.append(sorted(hit.record.text for hit in hits))
    return answers


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, min_size=3, max_size=14))
def test_what_was_worked_out_step_by_step_is_what_is_worked_out_of_all(steps: list[Step]) -> None:
    async def work(memory: Memory, home: Path) -> None:
        await done(memory, steps)
        before = ends(home)

        def all_anew(db: sqlite3.Connection) -> None:
            holding.refresh(db, before, now=2e9)

        await memory._db.write(all_anew)
        assert ends(home) == before

    with_memory(work)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, min_size=3, max_size=14))
def test_of_equals_one_holds_and_there_is_always_one(steps: list[Step]) -> None:
    async def work(memory: Memory, home: Path) -> None:
        await done(memory, steps)
        found, coexisting = rows(home)
        active = [row for row in found if row.status == "active"]
        for moment in MOMENTS:
            hold = [
                row
                for row in active
                if row.valid_from <= moment and (row.valid_to is None or row.valid_to > moment)
            ]
            for one, other in combinations(hold, 2):
                if one.readers == other.readers and (one.seq, other.seq) not in coexisting:
                    assert (one.trust, one.private) != (other.trust, other.private)
            for row in active:
                if row.valid_from <= moment:
                    assert any(other.readers in ("", row.readers) for other in hold)
        there = {row.id for row in found}
        assert {row.superseded_by for row in found} - {None} <= there

    with_memory(work)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, min_size=3, max_size=12))
def test_an_export_answers_as_the_ledger_does_that_it_is_of(steps: list[Step]) -> None:
    async def work(memory: Memory, home: Path) -> None:
        await done(memory, steps)
        answers, now = await asked(memory), 2e9
        assert await asked(memory, known_at=now) == answers
        await memory.export(home / "all.jsonl")
        other = Database(home / "other" / "guildhall.db")
        (home / "other" / "export.key").write_bytes((home / "export.key").read_bytes())
        try:
            copy = Memory(other, scope="shop")
            await copy.load(home / "all.jsonl")
            assert await asked(copy) == answers
        finally:
            other.close()

    with_memory(work)


# -- what was found wrong once


async def said(memory: Memory, text: str, start: float, **more: Any) -> str:
    kept = await memory.remember(text, subject="hat", valid_from=start, **more)
    return kept.id


async def holding_now(memory: Memory, **how: Any) -> list[str]:
    return sorted(hit.record.text for hit in await memory.recall("hat", **how))


async def test_what_holds_may_be_said_again_of_an_earlier_time(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory = Memory(db, scope="shop")
    await said(memory, "hat of wool", 1010)
    await said(memory, "hat of felt", 1020)
    await said(memory, "hat of felt", 1005)
    assert await holding_now(memory) == ["hat of felt"]
    told = [await holding_now(memory, as_of=moment) for moment in (1007, 1015, 1025)]
    assert told == [["hat of felt"], ["hat of wool"], ["hat of felt"]]
    db.close()


async def test_of_two_of_one_moment_the_first_holds_again_when_the_second_is_gone(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory = Memory(db, scope="shop")
    one = await said(memory, "hat of wool", 1010)
    two = await said(memory, "hat of felt", 1010)
    assert await holding_now(memory) == ["hat of felt"]
    await memory.settle(one, two, "retract")
    assert await holding_now(memory) == ["hat of wool"]
    three = await said(memory, "hat of silk", 1010)
    await memory.forget(three)
    assert await holding_now(memory) == ["hat of wool"]
    db.close()


async def test_what_was_retracted_takes_nobodys_place(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory = Memory(db, scope="shop")
    one = await said(memory, "hat of wool", 1010)
    two = await said(memory, "hat of felt", 1020)
    await memory.settle(two, one, "retract")
    for how in ("supersede", "coexist", "duplicate", "retract"):
        with pytest.raises(UserError, match=f"memory:{one[:8]} holds no more"):
            await memory.settle(two, one, how)
        with pytest.raises(UserError, match=f"memory:{one[:8]} holds no more"):
            await memory.settle(one, two, how)
    assert await holding_now(memory) == ["hat of felt"]
    assert [one.status for one in await memory.timeline("hat")] == ["retracted", "active"]
    db.close()


async def test_nothing_is_settled_in_a_circle_be_it_later_on(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory, later = Memory(db, scope="shop"), time.time() + 3_000
    one = await said(memory, "hat of wool", 1010)
    two = await said(memory, "hat of felt", later)
    three = await said(memory, "hat of silk", later + 1_000)
    await memory.settle(two, one, "supersede")
    await memory.settle(three, two, "supersede")
    with pytest.raises(UserError, match="holds no more"):
        await memory.settle(one, three, "supersede")
    assert await holding_now(memory, as_of=later + 2_000) == ["hat of silk"]
    db.close()


async def test_what_is_for_few_models_ends_nothing_that_all_may_see(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory = Memory(db, scope="shop")
    await said(memory, "hat of wool", 1010)
    await said(memory, "hat of felt", 1020, private=True)
    assert await holding_now(memory) == ["hat of felt", "hat of wool"]
    assert await holding_now(memory, public=True) == ["hat of wool"]
    await said(memory, "hat of silk", 1030)
    assert await holding_now(memory) == ["hat of silk"]
    db.close()


async def test_what_is_promoted_stands_once_at_any_time(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory, ann = Memory(db, scope="shop"), Author(agent="ann")
    await said(memory, "hat of wool", 1010, visibility="private", author=ann)
    mine = await said(memory, "hat of felt", 1020, visibility="private", author=ann)
    wide = await memory.promote(mine, "project")
    assert await holding_now(memory) == ["hat of felt"]
    assert await holding_now(memory, as_of=1025) == ["hat of felt"]
    assert await holding_now(memory, as_of=1015) == ["hat of wool"]
    await memory.settle(wide.id, await said(memory, "hat of silk", 1020), "retract")
    assert await holding_now(memory) == ["hat of felt"]
    db.close()


async def test_who_said_it_too_is_found_by_name_run_and_tag(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory = Memory(db, scope="shop")
    await memory.remember("The hat is red.", author=Author(agent="ann", run="r1"), tags=["a"])
    await memory.remember("The hat is red.", author=Author(agent="bob", run="r2"), tags=["b"])
    for narrowed in ({"agent": "bob"}, {"run": "r2"}, {"tags": ["b"]}, {"agent": "ann"}, {"tags": ["a"]}):
        assert await holding_now(memory, **narrowed) == ["The hat is red."], narrowed
    assert await holding_now(memory, agent="cyd") == []
    db.close()


async def test_what_is_made_of_something_private_is_private(home: Path) -> None:
    db = Database(home / "guildhall.db")
    memory = Memory(db, scope="shop")
    secret = await memory.remember("The hat costs 90.", private=True)
    made = await memory.remember("The hat is dear.", derived_from=[secret.id])
    record = await memory.get(made.id)
    assert record is not None
    assert record.private
    db.close()


def earlier_database(home: Path) -> Path:
    """As a version wrote it in which whatever was said last ended what came before."""
    home.mkdir(parents=True)
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        for step in MIGRATIONS[:-1]:
            for statement in step:
                if isinstance(statement, str):
                    db.execute(statement)
                else:
                    statement(db)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) - 1}")
        db.execute("INSERT INTO scopes (id, name) VALUES (1, 'shop')")
        blank = dict.fromkeys(("agent", "model", "run", "host", "source", "source_hash", "hash"), "")
        about = {"scope": 1, "kind": "fact", "subject": "hat", "visibility": "project", "derived_from": "[]"}
        about |= {"tags": "[]", "trust": 1.0, "importance": 0.5, "status": "active", "pinned": 0}
        for id_, start, end, by in (("a", 1010, 1020, "b"), ("b", 1020, 1005, "c"), ("c", 1005, None, None)):
            row = {**blank, **about, "id": id_ * 32, "text": f"hat of {id_}", "valid_from": start}
            row |= {"valid_to": end, "superseded_by": by and by * 32, "recorded_at": start}
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            db.execute(f"INSERT INTO records ({names}) VALUES ({marks})", row)
        db.commit()
    return home


async def test_what_an_earlier_version_left_is_worked_out_anew(home: Path) -> None:
    db = Database(earlier_database(home) / "guildhall.db")
    memory = Memory(db, scope="shop")
    assert [await holding_now(memory, as_of=moment) for moment in (1007, 1015, 1025, None)] == [
        ["hat of c"], ["hat of a"], ["hat of b"], ["hat of b"],
    ]  # fmt: skip
    db.close()
