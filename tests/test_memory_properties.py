"""What always holds of memory, whatever was written in whatever order."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.memory.memory import Memory
from guildhall.memory.records import QUARANTINE, Author, Record, Visibility
from guildhall.memory.store.database import Database

DAY = 86_400.0
SCOPES, AGENTS = ("shop", "bank"), ("ann", "bob")
VISIBILITIES: tuple[Visibility, ...] = ("private", "team", "project", "user")


class Said(NamedTuple):
    """Something that is remembered."""

    scope: str
    subject: str
    day: int
    """From when it holds."""
    trust: float
    agent: str
    team: str
    visibility: Visibility


SAID = st.builds(
    Said,
    scope=st.sampled_from(SCOPES),
    subject=st.sampled_from(["db.engine", "office"]),
    day=st.integers(1, 9),
    trust=st.sampled_from([0.4, 0.7, 1.0]),
    agent=st.sampled_from(AGENTS),
    team=st.sampled_from(["red", "blue"]),
    visibility=st.sampled_from(VISIBILITIES),
)
quickly = settings(max_examples=60, deadline=None)


async def write(memory: Memory, said: Sequence[Said]) -> None:
    for number, one in enumerate(said):
        await memory.remember(
            f"The choice is number {number} of {one.scope}.", scope=one.scope, subject=one.subject,
            trust=one.trust, author=Author(agent=one.agent, team=one.team), visibility=one.visibility,
            valid_from=one.day * DAY, kind="decision", id=f"{number:032}",
        )  # fmt: skip


def with_memory(work: object) -> None:
    async def worked() -> None:
        with TemporaryDirectory() as folder:
            db = Database(Path(folder) / "guildhall.db")
            try:
                await work(Memory(db))  # type: ignore[operator]  # an async function of each test
            finally:
                db.close()

    asyncio.run(worked())


async def recalled(memory: Memory, scope: str, **how: object) -> list[Record]:
    hits = await memory.recall("choice number", scope=scope, limit=200, **how)  # type: ignore[arg-type]  # filters
    return [hit.record for hit in hits]


@quickly
@given(said=st.lists(SAID, max_size=12), scope=st.sampled_from(SCOPES), agent=st.sampled_from(AGENTS))
@pytest.mark.slow
def test_nothing_is_shown_to_whom_it_is_not_for(said: list[Said], scope: str, agent: str) -> None:
    async def work(memory: Memory) -> None:
        await write(memory, said)
        for record in await recalled(memory, scope, viewer=agent, team="red", min_trust=0.0):
            assert record.visibility == "user" or record.scope == scope
            assert record.visibility != "private" or record.author.agent == agent
            assert record.visibility != "team" or record.author.team == "red"

    with_memory(work)


@quickly
@given(said=st.lists(SAID, max_size=12), scope=st.sampled_from(SCOPES))
@pytest.mark.slow
def test_what_is_not_trusted_is_shown_on_request_alone(said: list[Said], scope: str) -> None:
    async def work(memory: Memory) -> None:
        await write(memory, said)
        assert all(record.trust >= QUARANTINE for record in await recalled(memory, scope))
        on_request = await recalled(memory, scope, min_trust=0.0)
        assert {one.id for one in on_request if one.trust < QUARANTINE} == {
            f"{number:032}" for number, one in enumerate(said)
            if one.trust < QUARANTINE and (one.scope == scope or one.visibility == "user")
        }  # fmt: skip

    with_memory(work)


@quickly
@given(said=st.lists(SAID.filter(lambda one: one.trust == 1.0), max_size=12), day=st.integers(0, 10))
@pytest.mark.slow
def test_what_held_at_a_time_is_what_as_of_that_time_returns(said: list[Said], day: int) -> None:
    """Of a subject and its readers that is what began last before that time, in whatever order it came."""
    held: dict[tuple[str, ...], tuple[int, int]] = {}
    for number, one in enumerate(said):
        if one.day > day:
            continue
        readers = {"private": f"agent {one.agent}", "team": f"team {one.team}"}.get(one.visibility, "")
        key = ("" if one.visibility == "user" else one.scope, readers, one.subject)
        held[key] = max(held.get(key, (0, 0)), (one.day, number))

    async def work(memory: Memory) -> None:
        await write(memory, said)
        found = {
            record.id for scope in SCOPES for record in await recalled(memory, scope, as_of=day * DAY + 1)
        }
        assert found == {f"{number:032}" for _, number in held.values()}

    with_memory(work)


@quickly
@given(said=st.lists(SAID, min_size=1, max_size=12))
@pytest.mark.slow
def test_nothing_derived_is_trusted_more_than_what_it_is_derived_from(said: list[Said]) -> None:
    async def work(memory: Memory) -> None:
        await write(memory, said)
        sources = [f"{number:032}" for number in range(len(said))]
        kept = await memory.remember("In sum, it was chosen.", scope="shop", derived_from=sources)
        record = await memory.get(kept.id, scope="shop")
        assert record is not None
        assert record.trust == min(one.trust for one in said)

    with_memory(work)


@quickly
@given(days=st.lists(st.integers(0, 10), min_size=2, max_size=8), day=st.integers(0, 12))
@pytest.mark.slow
def test_what_was_known_at_a_time_is_never_changed_by_what_comes_later(days: list[int], day: int) -> None:
    async def work(memory: Memory) -> None:
        known: list[tuple[float, list[str]]] = []
        for number, begins in enumerate(days):
            text = f"choice number {number}"
            await memory.remember(text, scope="shop", subject="s", valid_from=begins * DAY)
            found = await recalled(memory, "shop", as_of=day * DAY + 1)
            known.append((time.time(), [one.id for one in found]))
        for then, ids in known:
            found = await recalled(memory, "shop", as_of=day * DAY + 1, known_at=then)
            assert [one.id for one in found] == ids

    with_memory(work)
