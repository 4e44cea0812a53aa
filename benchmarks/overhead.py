"""What Guildhall costs beside the model calls: against a stub model, and against the bare openai SDK.

python benchmarks/overhead.py [rounds]

All of it is measured in one run on one machine, in rounds that take turns; a ratio is the median of
the ratios within the rounds. The SDK's work and ours ask the same local server for the same texts.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from guildhall.agents import Agent, Hall, Member, Message, ModelReply, ModelRequest, Parallel, Pipeline, Run
from guildhall.agents.models.base import OnText
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.run import RunState

TASK = "Weigh the three offers for the new database and say which one to take. " * 8
SERVER = Path(__file__).parent.parent / "tests" / "fake_models.py"
Work = Callable[[], Awaitable[object]]
REPEATS = {"3 in a row": 10, "20 at once + 1": 2, "500 pairs": 1}
CALLS = {"3 in a row": 30, "20 at once + 1": 42, "500 pairs": 1000}


class Stub:
    """A model that answers at once, or after `seconds`."""

    name, price = "stub", (1.0, 1.0)

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return ModelReply(text="Take the second one.", model="stub")


class Calls:
    """A member that gives one agent the same message 1,000 times, one after the other or all at once."""

    name = "calls"
    count = 1000

    def __init__(self, *, together: bool) -> None:
        self._together = together
        self._agent = Agent("agent", "You are a careful buyer.", [Stub()])

    async def run(self, message: Message, run: Run) -> Message:
        if self._together:
            return (await asyncio.gather(*(run.give(self._agent, message) for _ in range(self.count))))[0]
        for _ in range(self.count):
            answer = await run.give(self._agent, message)
        return answer


async def unkept(team: Member) -> object:
    """A run that leaves nothing on disk."""
    return await Run(RunState("r" * 32)).give(team, Message(text=TASK))


async def stub_calls(hall: Hall, rounds: int) -> None:
    one, many = Calls(together=False), Calls(together=True)
    cases: dict[str, Work] = {
        "no journal, one after the other": lambda: unkept(one),
        "no journal, 1,000 at once": lambda: unkept(many),
        "journal, one after the other": lambda: hall.run_team(one, TASK),
        "journal, 1,000 at once": lambda: hall.run_team(many, TASK),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, work in cases.items():
            cpu, wall = time.process_time(), time.perf_counter()
            await work()
            taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    row("one agent call, stub model", "CPU us", "wall us")
    for name, times in taken.items():
        row(name, *(statistics.median(column) / Calls.count * 1e6 for column in zip(*times, strict=True)))


async def bare(api: Any, system: str, user: str) -> str:
    stream = await api.chat.completions.create(
        model="fake",
        messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
        max_completion_tokens=8192,
        stream=True,
        stream_options={"include_usage": True},
    )
    async with stream as chunks:
        parts = [choice.delta.content or "" async for chunk in chunks for choice in chunk.choices]
    return "".join(parts)


def bare_works(api: Any) -> dict[str, Work]:
    async def line(count: int) -> str:
        said = ""
        for number in range(count):
            said = await bare(api, f"You are member {number}.", f"{TASK}\n{said}")
        return said

    async def fan() -> str:
        said = await asyncio.gather(*(bare(api, f"You are member {i}.", TASK) for i in range(20)))
        return await bare(api, "You write the synthesis.", TASK + "\n".join(said))

    return {
        "3 in a row": lambda: line(3),
        "20 at once + 1": fan,
        "500 pairs": lambda: asyncio.gather(*(line(2) for _ in range(500))),
    }


def our_teams(url: str) -> dict[str, Member]:
    model = OpenAICompatibleModel("fake", base_url=f"{url}/v1", api_key="none")
    members = [Agent(f"member{i}", f"You are member {i}.", [model]) for i in range(20)]
    chair = Agent("chair", "You write the synthesis.", [model])
    pairs = [Pipeline(f"pair{i}", members[:2]) for i in range(500)]
    return {
        "3 in a row": Pipeline("line", members[:3]),
        "20 at once + 1": Parallel("fan", members, chair, need=20),
        "500 pairs": Parallel("pairs", pairs, need=500),
    }


async def against_the_sdk(url: str, hall: Hall, rounds: int) -> None:
    teams = our_teams(url)
    async with sdk(url) as api, sdk(url, aiohttp=True) as quick:
        ways: dict[str, dict[str, Work]] = {
            "bare openai SDK, as it comes": bare_works(api),
            "bare openai SDK, aiohttp": bare_works(quick),
            "Guildhall, no journal": {name: partial(unkept, team) for name, team in teams.items()},
            "Guildhall, journal": {n: partial(hall.run_team, team, TASK) for n, team in teams.items()},
        }
        taken: dict[tuple[str, str], list[float]] = {}
        for turn in range(rounds + 1):
            for work, repeats in REPEATS.items():
                for way, works in ways.items():
                    cpu = time.process_time()
                    for _ in range(repeats):
                        await works[work]()
                    if turn:  # the first round warms up
                        taken.setdefault((way, work), []).append(time.process_time() - cpu)
    row("CPU us per call (times the bare SDK as it comes)", *REPEATS)
    base = "bare openai SDK, as it comes"
    for way in ways:
        cells = []
        for work, calls in CALLS.items():
            pairs = zip(taken[way, work], taken[base, work], strict=True)
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            cells.append(f"{statistics.median(taken[way, work]) / calls * 1e6:.0f} ({ratio:.2f}x)")
        row(way, *cells)


async def fan_out(slow_url: str, hall: Hall, rounds: int) -> None:
    stub = [Agent(f"m{i}", "Answer.", [Stub(0.2)]) for i in range(20)]
    stub_team = Parallel("fan", stub, Agent("chair", "Sum up.", [Stub(0.2)]))
    async with sdk(slow_url, aiohttp=True) as api:
        ways: dict[str, Work] = {
            "stub model, journal": lambda: hall.run_team(stub_team, TASK),
            "bare openai SDK, aiohttp": bare_works(api)["20 at once + 1"],
            "Guildhall over HTTP, journal": lambda: hall.run_team(
                our_teams(slow_url)["20 at once + 1"], TASK
            ),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds + 1):
            for way, work in ways.items():
                began = time.perf_counter()
                await work()
                if turn:
                    taken[way].append((time.perf_counter() - began) * 1e3)
    row("20 x 200 ms and a synthesis of 200 ms, wall", "median ms", "best ms")
    for way, times in taken.items():
        row(way, statistics.median(times), min(times))


def imports() -> None:
    code = "import time; b = time.process_time(); import guildhall.agents; print(time.process_time() - b)"
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
    row("import guildhall.agents", "CPU s")
    row("median of 5", f"{statistics.median(times):.2f}")


@asynccontextmanager
async def sdk(url: str, *, aiohttp: bool = False) -> AsyncIterator[Any]:
    import openai

    http = openai.DefaultAioHttpClient() if aiohttp else None
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, http_client=http)
    async with client:
        yield client


@contextmanager
def server(*options: str) -> Iterator[str]:
    command = [sys.executable, str(SERVER), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def row(*cells: object) -> None:
    texts = (f"{cell:.0f}" if isinstance(cell, float) else str(cell) for cell in cells)
    print("| " + " | ".join(texts) + " |", flush=True)


async def main(rounds: int) -> None:
    imports()
    with tempfile.TemporaryDirectory() as home, server() as url, server("--latency", "0.2") as slow_url:
        async with Hall.open(home=Path(home), project=Path(home), environ={}) as hall:
            await stub_calls(hall, rounds)
            await against_the_sdk(url, hall, rounds)
            await fan_out(slow_url, hall, 3 * rounds)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
