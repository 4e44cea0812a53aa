"""What tests of limits share: a clock that stands still until it is moved, and processes of one store."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from limits_child import MODEL, TOKENS

from guildhall.agents.models.slots import Slot, Slots
from guildhall.memory.store.database import Database
from guildhall.memory.store.limits import Claim, Limit, Limits, Refusal
from guildhall.memory.store.liveness import Liveness

CHILD = Path(__file__).with_name("limits_child.py")
ONE = Limit(in_flight=1)


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Counted(Limits):
    """Knows how often it was asked for an admission, and of the last time for how many tokens."""

    asked = 0
    tokens = 0

    async def admit(self, claim: Claim) -> float | Refusal:
        self.asked, self.tokens = self.asked + 1, claim.tokens
        return await super().admit(claim)


@dataclass
class Process:
    """What one process has: its own connection, its own lock, its own line of calls that wait."""

    db: Database
    liveness: Liveness
    clock: Clock
    limit: Limit = ONE
    order: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limits = Counted(self.db, self.liveness, clock=self.clock)
        self.slots = Slots(self.limits, lambda model: self.limit)

    async def take(self, tokens: int = TOKENS, **more: float) -> Slot:
        return await self.slots.take(
            MODEL,
            tokens=tokens,
            on_wait=self.reasons.append,
            **more,  # type: ignore[arg-type]  # priority is an int
        )

    async def waiting(self, name: str, tokens: int = TOKENS, *, priority: int = 0) -> "asyncio.Task[Slot]":
        """A call that waits, and notes its name when its turn has come."""
        before = len(self.reasons)

        async def take() -> Slot:
            slot = await self.take(tokens, priority=priority)
            self.order.append(name)
            return slot

        task = asyncio.create_task(take())
        await until(lambda: len(self.reasons) > before)
        return task

    async def rows(self, table: str) -> int:
        """Rows of the table when all that was handed in is written."""
        sql = f"SELECT count(*) FROM {table}"
        return int(await self.db.write(lambda db: db.execute(sql).fetchone()[0]))


async def until(holds: Callable[[], bool]) -> None:
    """Return when it holds; the test's deadline ends a wait for what never does."""
    while not holds():
        await asyncio.sleep(0.005)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def processes(home: Path, clock: Clock) -> Iterator[Process]:
    process = Process(Database(home / "guildhall.db"), Liveness(home / "locks"), clock)
    yield process
    process.db.close()
    process.liveness.close()


@pytest.fixture
def here(home: Path, clock: Clock) -> Iterator[Process]:
    yield from processes(home, clock)


@pytest.fixture
def other(home: Path, clock: Clock, here: Process) -> Iterator[Process]:
    for process in processes(home, clock):
        process.order = here.order
        yield process
