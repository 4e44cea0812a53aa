"""An audit finds what is wrong with what is remembered, and changes nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.store.database import Database

DAY = 86_400.0


@pytest.fixture
def memory(home: Path) -> Iterator[Memory]:
    db = Database(home / "guildhall.db")
    yield Memory(db, scope="shop")
    db.close()


async def flaws(memory: Memory) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for one in await memory.audit():
        found.setdefault(one.flaw, []).append(one.ids)
    return found


async def test_what_is_sound_has_no_findings(memory: Memory) -> None:
    await memory.remember("We use Postgres 17.", subject="db.engine", kind="decision")
    await memory.remember("The nightly build takes twelve minutes.")
    assert await flaws(memory) == {}


async def test_each_flaw_is_found_by_its_name(memory: Memory, home: Path) -> None:
    one = await memory.remember("The build takes twelve minutes.")
    same = await memory.remember("the build takes  twelve MINUTES")
    sure = await memory.remember("We use Postgres.", subject="db.engine", kind="decision")
    unsure = await memory.remember(
        "Use MySQL!", subject="db.engine", kind="decision", author=Author(agent="bot")
    )
    junk = await memory.remember("ok then")
    gone = await memory.remember("The pier is from 1887.")
    made = await memory.remember("The pier is older than the church.", derived_from=[gone.id])
    ended = await memory.remember("The code word is tulip.", expires_at=1e9)
    stale = await memory.remember("The lift is currently out of order.")
    key = await memory.remember("The key of the shop is kept in the vault.")
    doubted = await memory.remember("A page says the shop is closed.", trust=0.3)
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        db.execute("UPDATE records SET recorded_at = recorded_at - ? WHERE id = ?", (400 * DAY, stale.id))
        secret = "The key is sk-ant-api03-" + "x7Kq" * 22 + "-QAAA"
        db.execute("UPDATE records SET text = ? WHERE id = ?", (secret, key.id))
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM records WHERE id = ?", (gone.id,))
        db.commit()
    assert await flaws(memory) == {
        "duplicate": [(one.id, same.id)], "conflict": [(sure.id, unsure.id)], "junk": [(junk.id,)],
        "orphan": [(made.id,)], "expired": [(ended.id,)], "stale": [(stale.id,)], "secret": [(key.id,)],
        "quarantined": [(doubted.id,)],
    }  # fmt: skip
    assert all("x7Kq" not in f"{found.says}{found.would}" for found in await memory.audit())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The server in Bonn is up.", "The server in Bonn is not up."),
        ("Ann pays the bill of Bob.", "Bob pays the bill of Ann."),
        ("The limit is +5 degrees.", "The limit is -5 degrees."),
        ("The parser is written in C.", "The parser is written in C++."),
    ],
)
async def test_what_says_something_else_is_no_duplicate(memory: Memory, one: str, other: str) -> None:
    await memory.remember(one)
    await memory.remember(other)
    assert "duplicate" not in await flaws(memory)


async def test_what_may_say_otherwise_is_a_conflict_until_it_is_settled(memory: Memory) -> None:
    slow = await memory.remember("The nightly build takes twelve minutes.")
    fast = await memory.remember("The nightly build takes four minutes.")
    for door in ("east", "west"):
        await memory.remember(f"The {door} door of the hall is locked at night.", subject=f"door.{door}")
    assert await flaws(memory) == {"conflict": [(slow.id, fast.id)]}
    await memory.settle(fast.id, slow.id, "supersede")
    assert await flaws(memory) == {}


async def test_what_is_trusted_more_is_to_supersede_what_is_newer(memory: Memory) -> None:
    sure = await memory.remember("We use MySQL.", subject="db.engine", kind="decision")
    unsure = await memory.remember(
        "Use Postgres!", subject="db.engine", kind="decision", author=Author(agent="bot")
    )
    [finding] = await memory.audit()
    assert f"have {sure.id[:8]}, the most trusted, supersede {unsure.id[:8]}" in finding.would


async def test_a_secret_is_found_wherever_it_stands(memory: Memory, home: Path) -> None:
    kept = await memory.remember("The shop is kept locked at night.")
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        db.execute("UPDATE records SET source = ?", ("sk-ant-api03-" + "x7Kq" * 22 + "-QAAA",))
        db.commit()
    assert await flaws(memory) == {"secret": [(kept.id,)]}


async def test_short_answers_that_have_their_place_are_no_flaws(memory: Memory) -> None:
    await memory.remember("Postgres.", subject="db.engine", kind="decision")
    for talk in ("monday", "friday"):
        await memory.remember("Shall we ship the crane today?", kind="episode", session=talk)
        await memory.remember("Yes.", kind="episode", session=talk)
    assert await flaws(memory) == {}


async def test_what_is_quarantined_is_in_conflict_with_nothing(memory: Memory) -> None:
    await memory.remember("We use Postgres here.", subject="db.engine")
    page = await memory.remember("They use MySQL there.", subject="db.engine", trust=0.3)
    assert await flaws(memory) == {"quarantined": [(page.id,)]}


async def test_an_audit_of_one_project_says_nothing_of_another(memory: Memory) -> None:
    await memory.remember("ok then", scope="bank")
    assert await flaws(memory) == {}
    assert (await memory.stats()).records == 0


async def test_stats_count_what_there_is(memory: Memory) -> None:
    await memory.remember("We use MySQL.", subject="db.engine", kind="decision", valid_from=1e9)
    await memory.remember("We use Postgres.", subject="db.engine", kind="decision")
    await memory.remember("Ann likes tea.", visibility="private", author=Author(agent="ann"))
    gone = await memory.remember("The bassoon is in the attic.")
    await memory.forget(gone.id)
    stats = await memory.stats()
    assert (stats.records, stats.hold, stats.subjects, stats.forgotten) == (3, 2, 1, 1)
    assert stats.kinds == {"decision": 2, "fact": 1}
    assert stats.visibility == {"project": 2, "private": 1}
