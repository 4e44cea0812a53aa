"""How long a user waits for each pattern: the longest chain of model calls, and what comes on top of it.

    python benchmarks/critical_path.py [--check] [--record] [--seconds 0.5] [--rounds 3] [--repeat 5]

The chain is how many times as long as one call a run takes, by a clock that leaps from one call's end to the
next: it is the same on any machine, and has to be the ideal of the pattern. The overhead is the wall time of
a warm run above that of the calls in its chain, which take so many `--seconds`; with `--rounds 0` it is not
measured. Where other programs are at work, it is right only if they give way: `chrt --fifo 50 python ...`.

What a run costs besides is measured against bare calls of the same model in the same process. Work is what
functions are called, which is the same each time; CPU is time, which differs by a third on a busy machine,
though each run is held against the bare calls just before and after it. `--record` writes both ratios as the
baseline. `--check` fails where a chain is not the ideal, work is more than 20 % or CPU more than twice the
baseline, or an overhead that was measured is above 15 ms.
"""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from critical_path_cases import CASES, Case
from critical_path_measures import (
    Counted,
    Waited,
    Work,
    cpu,
    empty_hall,
    load_embedder,
    overhead,
    waited,
    work,
)

BASELINE = Path(__file__).parent / "data" / "critical_path.json"
MORE_WORK, MORE_CPU = 1.2, 2.0
"""A ratio that is larger than the baseline by this factor fails the check."""
HEAD = ("pattern", "calls", "chain", "ideal", "overhead ms", "CPU / bare", "work / bare", "baseline")
OVERHEAD = 0.015
"""Seconds that a run may take above the model's time."""
TRIES = 3
"""Measurements of CPU or overhead before it counts as too much."""


class Cost(NamedTuple):
    """Multiples of what a bare call takes."""

    work: float
    cpu: float


class Given(NamedTuple):
    seconds: float
    """What a call takes where the overhead is measured."""
    rounds: int
    """Runs for the overhead; without any, it is not measured."""
    repeat: int
    """Runs for work and CPU."""


class Row(NamedTuple):
    case: Case
    waited: Waited
    calls: int
    """Of a run in a hall; they have to be those of the chain."""
    over: float | None
    """None where it was not measured."""
    cost: Cost
    known: Cost | None
    """The baseline."""

    @property
    def cells(self) -> Sequence[str]:
        over = "" if self.over is None else f"{self.over * 1000:.1f}"
        known = "" if self.known is None else f"{self.known.work:.1f}"
        chain = (f"{self.waited.calls}", f"{self.waited.chain:g}", f"{self.case.ideal}")
        return (self.case.name, *chain, over, f"{self.cost.cpu:.0f}", f"{self.cost.work:.1f}", known)

    def problems(self) -> list[str]:
        problems, (calls, chain), (used, time) = [], self.waited, self.cost
        if chain != self.case.ideal:
            problems.append(f"the chain of its {calls} calls is {chain:g}, and {self.case.ideal} is ideal")
        if calls != self.calls:
            problems.append(f"it takes {self.calls} calls in a hall, and {calls} without one")
        if self.known is None:
            problems.append("there is no baseline for it; --record makes one")
        elif used > self.known.work * MORE_WORK:
            problems.append(f"{used:.1f} times the work of bare calls; the baseline is {self.known.work}")
        elif time > self.known.cpu * MORE_CPU:
            problems.append(f"{time:.0f} times the CPU of bare calls; the baseline is {self.known.cpu}")
        if self.over is not None and self.over > OVERHEAD:
            problems.append(
                f"{self.over * 1000:.1f} ms above the model's time; {OVERHEAD * 1000:g} are allowed"
            )
        return [f"{self.case.name}: {problem}" for problem in problems]


def recorded() -> dict[str, Cost]:
    """The baseline, by the name of the case."""
    costs = json.loads(BASELINE.read_text("utf-8")) if BASELINE.exists() else {}
    return {name: Cost(**cost) for name, cost in costs.items()}


async def works(cases: Sequence[Case], counted: Counted, repeat: int) -> list[Work]:
    """Of each case, in a hall of its own. Threads that are there before are not counted."""
    found = []
    for case in cases:
        async with empty_hall() as hall:
            found.append(await work(case, hall, counted, repeat))
    return found


async def timed(case: Case, chain: float, known: Cost | None, given: Given) -> tuple[float | None, float]:
    """The overhead and the CPU, in a hall of its own; the least where it seems to be too much."""
    most, over = known.cpu * MORE_CPU if known else math.inf, math.inf
    async with empty_hall() as hall:
        for _ in range(TRIES if given.rounds else 0):
            if over > OVERHEAD:
                again = overhead(case, hall, chain, seconds=given.seconds, rounds=given.rounds)
                over = min(over, await again)
        used = await cpu(case, hall, given.repeat)
        for _ in range(TRIES - 1):
            if used > most:
                used = min(used, await cpu(case, hall, given.repeat))
    return (over if given.rounds else None), used


def rows(cases: Sequence[Case], given: Given) -> Iterator[Row]:
    baseline, chains = recorded(), [waited(case) for case in cases]
    load_embedder()
    with Counted() as counted:
        worked = asyncio.run(works(cases, counted, given.repeat))
    for case, chain, done in zip(cases, chains, worked, strict=True):
        known = baseline.get(case.name)
        over, used = asyncio.run(timed(case, chain.chain, known, given))
        yield Row(case, chain, done.calls, over, Cost(round(done.ratio, 1), round(used, 1)), known)


def line(cells: Sequence[str]) -> str:
    return cells[0].ljust(42) + "".join(cell.rjust(12) for cell in cells[1:])


def main(given: Given, *, check: bool, record: bool, only: str) -> int:
    print(line(HEAD))
    found = []
    for row in rows([case for case in CASES if only in case.name], given):
        found.append(row)
        print(line(row.cells), flush=True)
    if record:
        kept = {name: cost for name, cost in recorded().items() if only}
        costs = kept | {row.case.name: row.cost for row in found}
        BASELINE.write_text(json.dumps({n: c._asdict() for n, c in costs.items()}, indent=2) + "\n", "utf-8")
        found = [row._replace(known=row.cost) for row in found]
    problems = [problem for row in found for problem in row.problems()]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems and (check or record) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail where it is not as it should be")
    parser.add_argument("--record", action="store_true", help="write the ratios as the baseline")
    parser.add_argument("--seconds", type=float, default=0.5, help="what each call takes, for the overhead")
    parser.add_argument("--rounds", type=int, default=3, help="runs for the overhead; 0 leaves it out")
    parser.add_argument("--repeat", type=int, default=5, help="runs for work and CPU")
    parser.add_argument("--only", default="", help="the patterns that have this in their name")
    told = parser.parse_args()
    if told.repeat < 1 or told.rounds < 0 or not any(told.only in case.name for case in CASES):
        parser.error("--repeat is 1 or more, --rounds 0 or more, and --only a part of a pattern's name")
    given = Given(told.seconds, told.rounds, told.repeat)
    sys.exit(main(given, check=told.check, record=told.record, only=told.only))
