"""How often teams are right whose members err at known rates, and in how many calls, against theory.

    python benchmarks/quality.py [--check] [--markdown] [--trials 2000] [--processes 2]

Simulated members answer, vote, criticise and judge in the real patterns. `--check` fails where a value is not
in its interval around that of theory. All intervals together are so wide that a right implementation would
leave one of them less often than once in a thousand, if seeds were drawn; they are not, so it never does
without a change. Pairs such as 0.60/0.90 say how much of what is wrong is refused, and of what is right kept.
"""

import argparse
import asyncio
import math
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random

from quality_members import COLOURS, World, answered
from quality_rows import ROWS, Row
from quality_theory import FORMULAS

from guildhall.agents import Message, Run
from guildhall.agents.state import RunState
from guildhall.errors import TooFew
from guildhall.memory.store.standing import Standing

SEED = 1
TRIALS = 2_000
FALSE_ALARM = 0.001
"""The chance that a right implementation fails the check, over all rows, if seeds were drawn at random."""
RECORD = 900
"""Matters by which a member's record was made."""


@dataclass(frozen=True)
class Simulated:
    """What came of a row: in how many trials the team was right, and how many took how many calls."""

    trials: int
    right: int
    calls: Counter[int]

    @property
    def share(self) -> float:
        return self.right / self.trials

    @property
    def mean_calls(self) -> float:
        return sum(calls * often for calls, often in self.calls.items()) / self.trials


def simulated(row: Row, trials: int) -> Simulated:
    """The same for the same row and number of trials, wherever it runs."""
    return asyncio.run(_simulated(row, Random(f"{SEED} {row.team}"), trials))


async def _simulated(row: Row, chance: Random, trials: int) -> Simulated:
    right, calls = 0, Counter[int]()
    for _ in range(trials):
        world = World(chance, COLOURS[: row.options], row.common)
        state = RunState("r" * 32)
        held = (round(RECORD * share) for share in row.standing)
        state.standing = {f"m{at}": Standing(RECORD, often) for at, often in enumerate(held)}
        try:
            answer = await Run(state).give(row.made(world), Message(text="Which colour is it?"))
            right += answered(answer) == world.right
        except TooFew:  # no answer is not a right one
            pass
        calls[world.calls] += 1
    return Simulated(trials, right, calls)


def interval(trials: int, share: float, outside: float) -> tuple[int, int]:
    """The least and the most successes, beyond which there are less often than `outside`, by the binomial."""
    if not 0 < share < 1:
        return round(trials * share), round(trials * share)
    chances = [
        math.exp(
            math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            + k * math.log(share) + (trials - k) * math.log1p(-share)
        )
        for k in range(trials + 1)
    ]  # fmt: skip
    return _first(chances, outside / 2), trials - _first(chances[::-1], outside / 2)


def _first(chances: Sequence[float], outside: float) -> int:
    """The first place up to which all together are more than that."""
    total = 0.0
    for at, chance in enumerate(chances):
        total += chance
        if total > outside:
            return at
    return len(chances) - 1


def outside(rows: Sequence[Row]) -> float:
    """How often each single value may leave its interval, so that all together do as seldom as is said."""
    return FALSE_ALARM / sum(1 + len(row.theory.calls) for row in rows)


def wrong_with(row: Row, found: Simulated, alpha: float) -> list[str]:
    """What in the simulation is not as theory says, if anything is."""
    problems, trials = [], found.trials
    low, high = interval(trials, row.theory.right, alpha)
    if not low <= found.right <= high:
        told = f"{found.share:.3f}, and {low / trials:.3f} to {high / trials:.3f} by theory"
        problems.append(f"{row.team}: right in {told}")
    for calls in sorted({*found.calls, *row.theory.calls}):
        low, high = interval(trials, row.theory.calls.get(calls, 0.0), alpha)
        if not low <= found.calls[calls] <= high:
            told = f"{found.calls[calls]} of {trials} runs, and {low} to {high} by theory"
            problems.append(f"{row.team}: {calls} calls in {told}")
    return problems


HEAD = (
    "team",
    "right by theory",
    "simulated",
    "interval",
    "calls by theory",
    "simulated",
    "against one alone",
)


def cells(row: Row, found: Simulated, alpha: float) -> Sequence[str]:
    low, high = interval(found.trials, row.theory.right, alpha)
    calls = sum(calls * share for calls, share in row.theory.calls.items())
    gain = "" if row.theory.law == "alone" else f"{row.gain:+.3f}".replace("-0.000", "+0.000")
    return (
        row.team, f"{row.theory.right:.3f}", f"{found.share:.3f}",
        f"{low / found.trials:.3f}-{high / found.trials:.3f}", f"{calls:.2f}", f"{found.mean_calls:.2f}",
        gain,
    )  # fmt: skip


def table(rows: Sequence[Row], results: Sequence[Simulated], *, markdown: bool) -> str:
    alpha = outside(rows)
    lines = [HEAD, *(cells(row, found, alpha) for row, found in zip(rows, results, strict=True))]
    if markdown:
        marks = ("---", *["---:"] * (len(HEAD) - 1))
        return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], marks, *lines[1:]))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
        )
        for line in lines
    )


def main(trials: int, processes: int, *, check: bool, markdown: bool) -> int:
    work = partial(_of_row, trials=trials)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            results = list(pool.map(work, range(len(ROWS))))
    else:
        results = list(map(work, range(len(ROWS))))
    print(table(ROWS, results, markdown=markdown))
    alpha = outside(ROWS)
    wrong = [line for row, found in zip(ROWS, results, strict=True) for line in wrong_with(row, found, alpha)]
    laws = dict.fromkeys(row.theory.law for row in ROWS)
    print(f"\n{trials} trials a row; what theory says:\n")
    print("\n".join(f"- {law}: {FORMULAS[law]}" for law in laws))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong and check else 0


def _of_row(at: int, trials: int) -> Simulated:
    return simulated(ROWS[at], trials)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail where a value is outside its interval")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--trials", type=int, default=TRIALS, help="runs of each team")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    sys.exit(main(given.trials, given.processes, check=given.check, markdown=given.markdown))
