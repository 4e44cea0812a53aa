"""What is measured of a run: its chain of calls, its time above that, and its work against bare calls."""

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NamedTuple, Self

from critical_path_cases import TASK, TEXT, Case, Reply
from critical_path_clock import LeapingLoop

from guildhall.agents import Hall, Message, ModelReply, ModelRequest, Run, Usage
from guildhall.agents.message import Turn
from guildhall.agents.models.base import OnText
from guildhall.agents.state import RunState
from guildhall.memory.embedders import chosen

SHORT = 0.0005
"""Seconds that a call takes where work is measured."""
BARE = 300
"""Bare calls that are measured at a time."""


@dataclass
class Clocked:
    """A model that takes the same time for each call."""

    reply: Reply
    seconds: float
    name: str = "clocked"
    price: tuple[float, float] = (1.0, 1.0)
    calls: int = 0
    took: list[float] = field(default_factory=list)
    """Seconds of each call that came to its end: an event loop wakes up a little late."""

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.calls += 1
        if self.seconds:
            began = time.perf_counter()
            await asyncio.sleep(self.seconds)
            self.took.append(time.perf_counter() - began)
        text = self.reply(request)
        on_text(text)
        return ModelReply(text=text, usage=Usage(input=100, output=50), model=self.name)


class Waited(NamedTuple):
    calls: int
    chain: float
    """What it takes, in times of one call."""


def waited(case: Case) -> Waited:
    """What a run takes where nothing but calls takes time. It has an event loop of its own."""
    model = Clocked(case.reply, 1.0)

    async def taken() -> float:
        clock = asyncio.get_running_loop().time
        began = clock()
        await Run(RunState("r" * 32)).give(case.team(model), Message(text=case.task))
        return clock() - began

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        chain = runner.run(taken())
    return Waited(model.calls, round(chain, 3))


async def overhead(case: Case, hall: Hall, chain: float, *, seconds: float, rounds: int) -> float:
    """Seconds of wall time above that of the calls in the chain, the median of warm runs."""
    over = []
    for number in range(rounds + 1):
        began = time.perf_counter()
        took = (await _run(case, hall, seconds, number)).took
        over.append(time.perf_counter() - began - chain * statistics.median(took))
    return statistics.median(over[1:])  # the first one warms up


async def cpu(case: Case, hall: Hall, repeat: int) -> float:
    """CPU time of a call in a run, as a multiple of that of bare calls just before and after the run."""
    ratios, before = [], await _cpu_of_bare()
    for number in range(repeat + 1):
        began = time.process_time()
        calls = (await _run(case, hall, SHORT, number)).calls
        used, after = (time.process_time() - began) / calls, await _cpu_of_bare()
        ratios.append(2 * used / (before + after))
        before = after
    return statistics.median(ratios[1:])


class Work(NamedTuple):
    calls: int
    """Of one run."""
    ratio: float
    """Functions that are called for one of them, as a multiple of those for a bare call."""


async def work(case: Case, hall: Hall, counted: "Counted", repeat: int) -> Work:
    """What a run takes in functions that are called.

    It is the same however busy the machine is, and on any machine with the same libraries.
    """
    with counted.here():
        began = counted.calls
        await _bare()
        bare = (counted.calls - began) / BARE
    calls, ratios = 0, []
    for number in range(repeat + 1):
        with counted.here():
            began = counted.calls
            calls = (await _run(case, hall, SHORT, number)).calls
            ratios.append((counted.calls - began) / calls / bare)
    return Work(calls, statistics.median(ratios[1:]))


class Counted:
    """Counts the functions that are called, of Python and of C, in threads that begin within it."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Self:
        threading.setprofile(self._count)
        return self

    def __exit__(self, *error: object) -> None:
        threading.setprofile(None)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Count in this thread, too."""
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, arg: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1


def load_embedder() -> None:
    """Once for a process, in the background of whatever is measured at that moment: so before all of it."""
    embedder = chosen("auto").embedder
    if embedder is not None:
        embedder.load()


@asynccontextmanager
async def empty_hall() -> AsyncIterator[Hall]:
    with tempfile.TemporaryDirectory() as folder:
        async with Hall.open(home=Path(folder) / "home", project=Path(folder), environ={}) as hall:
            yield hall


async def _run(case: Case, hall: Hall, seconds: float, number: int) -> Clocked:
    """The model after one run."""
    model = Clocked(case.reply, seconds)
    result = await hall.run_team(case.team(model), f"{case.task} ({number})", cache="off")
    if result.status != "done":
        raise SystemExit(f"{case.name}: {result.status}: {result.error}")
    return model


async def _cpu_of_bare() -> float:
    began = time.thread_time()
    await _bare()
    return (time.thread_time() - began) / BARE


async def _bare() -> None:
    """The calls of a program that does nothing else: a request, and a task that asks the model."""
    model = Clocked(lambda _: TEXT, 0.0)

    async def call() -> ModelReply:
        turns = Turn(role="system", text="You are ann."), Turn(role="user", text=TASK)
        return await model.complete(ModelRequest(turns=turns), lambda _: None)

    for _ in range(BARE // 5):
        await asyncio.gather(*(call() for _ in range(5)))
