"""What Guildhall costs beside the model calls: against a stub model, and against the bare openai SDK.

python benchmarks/overhead.py [rounds]

All of it is measured in one run on one machine, in rounds that take turns; a ratio is the median of
the ratios within the rounds. The SDK's work and ours ask the same local server for texts of the same
length, each text once, so that none is answered from the cache.
"""

import asyncio
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guildhall.agents import Agent, Hall, Member, Message, ModelReply, ModelRequest, Parallel, Pipeline, Run
from guildhall.agents.config import CacheMode
from guildhall.agents.models.base import OnText
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.models.slots import Slots
from guildhall.agents.state import RunState
from guildhall.memory.store.database import Database
from guildhall.memory.store.limits import Limit, Limits
from guildhall.memory.store.liveness import Liveness
from guildhall.redact import redact

TASK = "Weigh the three offers for the new database and say which one to take. " * 8
SERVER = Path(__file__).parent.parent / "tests" / "fake_models.py"
Work = Callable[[], Awaitable[object]]
REPEATS = {"3 in a row": 10, "20 at once + 1": 2, "500 pairs": 1}
CALLS = {"3 in a row": 30, "20 at once + 1": 42, "500 pairs": 1000}
LIMITS = """
[model."openai-compatible:fake"]
rpm = 10_000_000
tpm = 1_000_000_000
in_flight = 10_000
"""
"""So wide that no call waits: what they cost is asking."""
NUMBERS = itertools.count(1_000_000)


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


@dataclass(frozen=True)
class Numbered:
    """A member whose task begins with its number, so that no two of a team ask the same."""

    number: int
    member: Member

    @property
    def name(self) -> str:
        return f"{self.member.name}-{self.number}"

    async def run(self, message: Message, run: Run) -> Message:
        return await self.member.run(
            message.model_copy(update={"text": f"{self.number} {message.text}"}), run
        )


def new_task() -> str:
    """A task that nobody was given before."""
    return f"{next(NUMBERS)} {TASK}"


async def unkept(team: Member) -> object:
    """A run that leaves nothing on disk."""
    return await Run(RunState("r" * 32)).give(team, Message(text=new_task()))


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
    row("one agent call, stub model", "CPU us", "wall us", "CPU aimed at")
    for name, times in taken.items():
        cells = (statistics.median(column) / Calls.count * 1e6 for column in zip(*times, strict=True))
        row(name, *cells, 50 if name.startswith("no") else 300)


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
        task, said = new_task(), ""
        for number in range(count):
            said = await bare(api, f"You are member {number}.", f"{task}\n{said}")
        return said

    async def fan() -> str:
        task = new_task()
        said = await asyncio.gather(*(bare(api, f"You are member {i}.", task) for i in range(20)))
        return await bare(api, "You write the synthesis.", task + "\n".join(said))

    return {
        "3 in a row": lambda: line(3),
        "20 at once + 1": fan,
        "500 pairs": lambda: asyncio.gather(*(line(2) for _ in range(500))),
    }


def our_teams(url: str) -> dict[str, Member]:
    model = OpenAICompatibleModel("fake", base_url=f"{url}/v1", api_key="none")
    members = [Agent(f"member{i}", f"You are member {i}.", [model]) for i in range(20)]
    chair = Agent("chair", "You write the synthesis.", [model])
    pairs = [Numbered(i, Pipeline("pair", members[:2])) for i in range(500)]
    return {
        "3 in a row": Pipeline("line", members[:3]),
        "20 at once + 1": Parallel("fan", members, chair, need=20),
        "500 pairs": Parallel("pairs", pairs, need=500),
    }


def our_works(url: str, hall: Hall | None, cache: CacheMode = "off") -> dict[str, Work]:
    """Each with a new task, in runs that are kept by the hall if there is one."""

    def work(team: Member) -> Work:
        if hall is None:
            return lambda: unkept(team)
        return lambda: hall.run_team(team, new_task(), cache=cache)

    return {name: work(team) for name, team in our_teams(url).items()}


async def against_the_sdk(url: str, hall: Hall, limited: Hall, rounds: int) -> None:
    async with sdk(url) as api, sdk(url, aiohttp=True) as quick:
        ways: dict[str, dict[str, Work]] = {
            "bare openai SDK, as it comes": bare_works(api),
            "bare openai SDK, aiohttp": bare_works(quick),
            "Guildhall, no journal": our_works(url, None),
            "Guildhall, journal": our_works(url, hall),
            "Guildhall, journal and cache": our_works(url, hall, "use"),
            "Guildhall, journal, cache and limits": our_works(url, limited, "use"),
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
    row("CPU us per call (times the bare SDK as it comes)", *REPEATS, "aimed at")
    base = "bare openai SDK, as it comes"
    for way in ways:
        cells = []
        for work, calls in CALLS.items():
            pairs = zip(taken[way, work], taken[base, work], strict=True)
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            cells.append(f"{statistics.median(taken[way, work]) / calls * 1e6:.0f} ({ratio:.2f}x)")
        row(way, *cells, "" if "bare" in way else ".5x" if "no journal" in way else ".6x")


async def above_its_calls(hall: Hall, rounds: int) -> None:
    """How much longer a run takes than the calls that it makes one after the other."""
    model = Stub(0.5)
    team = Pipeline("line", [Agent(f"m{i}", "Answer.", [model]) for i in range(3)])
    taken = []
    for turn in range(rounds + 1):
        began = time.perf_counter()
        await hall.run_team(team, new_task())
        if turn:
            taken.append((time.perf_counter() - began - 1.5) * 1e3)
    row("a run of 3 calls of 500 ms, wall above them", "median ms", "best ms", "aimed at")
    row("stub model, journal", statistics.median(taken), min(taken), 15)


async def fan_out(slow_url: str, hall: Hall, limited: Hall, rounds: int) -> None:
    stub = [Agent(f"m{i}", "Answer.", [Stub(0.2)]) for i in range(20)]
    stub_team = Parallel("fan", stub, Agent("chair", "Sum up.", [Stub(0.2)]))
    async with sdk(slow_url, aiohttp=True) as api:
        ways: dict[str, Work] = {
            "stub model, journal": lambda: hall.run_team(stub_team, TASK),
            "bare openai SDK, aiohttp": bare_works(api)["20 at once + 1"],
            "Guildhall over HTTP, journal and cache": our_works(slow_url, hall, "use")["20 at once + 1"],
            "Guildhall over HTTP, with limits too": our_works(slow_url, limited, "use")["20 at once + 1"],
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds + 1):
            for way, work in ways.items():
                began = time.perf_counter()
                await work()
                if turn:
                    taken[way].append((time.perf_counter() - began) * 1e3)
    row("20 x 200 ms and a synthesis of 200 ms, wall", "median ms", "best ms", "aimed at")
    for way, times in taken.items():
        row(way, statistics.median(times), min(times), "" if "bare" in way else 440)


async def slots(home: Path, rounds: int) -> None:
    """One slot taken and freed, with nothing between."""
    kinds = {
        "no limits": Limit(),
        "calls in flight": Limit(in_flight=10_000),
        "requests, tokens and calls in flight": Limit(10_000_000, 1_000_000_000, 10_000),
    }
    liveness, db, count = Liveness(home / "locks"), Database(home / "guildhall.db"), 500
    each = Slots(Limits(db, liveness), kinds.__getitem__)

    async def one(kind: str) -> None:
        (await each.take(kind, tokens=1000, on_wait=print)).free(tokens=500)

    row("a slot taken and freed", "CPU us", "wall us", "CPU us, 500 at once", "wall us, 500 at once")
    for kind in kinds:
        taken: list[tuple[float, ...]] = []
        for _ in range(rounds):
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(count):
                await one(kind)
            cpu2, wall2 = time.process_time(), time.perf_counter()
            await asyncio.gather(*(one(kind) for _ in range(count)))
            cpu3, wall3 = time.process_time(), time.perf_counter()
            taken.append((cpu2 - cpu, wall2 - wall, cpu3 - cpu2, wall3 - wall2))
        row(kind, *(statistics.median(column) / count * 1e6 for column in zip(*taken, strict=True)))
    await asyncio.to_thread(db.close)
    liveness.close()


def redaction(rounds: int) -> None:
    """What it costs to look for secrets in prose that has none, and in as much JSON."""
    prose = "".join(
        f"In week {n} the supplier delivered {n * 7} parts, see contract.md:{n}. " for n in range(400)
    )
    code = "".join(
        f'{{"id": "run-{n:05}", "path": "a/b/ask.{n}", "at": {n}.25, "v": 1}}, ' for n in range(400)
    )
    row("redaction, CPU us", "1 KB", "20 KB")
    for name, text in {"prose": prose, "JSON": code}.items():
        cells = []
        for size, repeats in ((1_000, 200), (20_000, 20)):
            taken = []
            for number in range(rounds):
                parts = [f"{number} {i} {text}"[:size] for i in range(repeats)]
                began = time.process_time()
                for part in parts:
                    redact(part)
                taken.append((time.process_time() - began) / repeats * 1e6)
            cells.append(statistics.median(taken))
        row(name, *cells)


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


def home_with(folder: str, name: str, config: str = "") -> Path:
    home = Path(folder) / name
    home.mkdir()
    (home / "config.toml").write_text(config, "utf-8")
    return home


async def main(rounds: int) -> None:
    imports()
    redaction(rounds)
    with tempfile.TemporaryDirectory() as folder, server() as url, server("--latency", "0.2") as slow_url:
        free, limited = home_with(folder, "free"), home_with(folder, "limited", LIMITS)
        await slots(home_with(folder, "slots"), rounds)
        async with (
            Hall.open(home=free, project=free, environ={}) as hall,
            Hall.open(home=limited, project=limited, environ={}) as with_limits,
        ):
            await stub_calls(hall, rounds)
            await above_its_calls(hall, rounds)
            await against_the_sdk(url, hall, with_limits, rounds)
            await fan_out(slow_url, hall, with_limits, 3 * rounds)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
