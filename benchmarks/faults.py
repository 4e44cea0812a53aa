"""What holds when the providers fail and a process dies: teams at work against a server with faults.

    python benchmarks/faults.py [--runs 200]

Two processes work on half of the runs each, all at once, on models of three APIs whose limits they share.
When half of its runs are done, one of them is killed; a third process resumes what it had begun. The server
answers a text with its hash, so that a run's answer is right only if its synthesizer was asked with the texts
of all three members, and each of them with the run's own task. Ends with code 1 if a promise is broken.
"""

import argparse
import asyncio
import hashlib
import json
import math
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guildhall.agents import Agent, Budget, Hall, Member, Message, Parallel, Quote, Run, Turn
from guildhall.agents.event import Asked, Event, Lost, Replied, RunFinished
from guildhall.agents.models.anthropic_api import AnthropicModel
from guildhall.agents.models.base import Model
from guildhall.agents.models.openai_api import OpenAIModel
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.models.slots import Slot, Slots
from guildhall.agents.state import RunState
from guildhall.memory.store.database import Database
from guildhall.memory.store.limits import Limit, Limits
from guildhall.memory.store.liveness import Liveness

SERVER = Path(__file__).parent.parent / "tests" / "fake_models.py"
RATES = {
    "429:0.2": 0.06, "500": 0.03, "503": 0.03, "529": 0.03, "reset": 0.02, "eof": 0.02, "html200": 0.02,
    "trunc": 0.01, "cut": 0.03, "cleanend": 0.02, "sseerror": 0.02, "badsse": 0.01,
}  # fmt: skip
"""What part of the requests meets which fault: 30% in sum."""
PROVIDERS = {"messages": "anthropic", "responses": "openai", "chat": "openai-compatible"}
MEMBERS = ("ann", "bob", "cem")
CALLS = len(MEMBERS) + 1
IN_FLIGHT, RPM = 12, 900
BURST = RPM // 10 + RPM // 30
"""Requests that may come at once: a tenth of those of a minute, and two seconds' worth for delays."""
TWICE = 0.01
"""The part of the good answers that may be paid twice; of few answers, two."""


@dataclass(frozen=True)
class Named:
    """An agent whose task begins with its name, so that no two members answer the same."""

    agent: Agent

    @property
    def name(self) -> str:
        return self.agent.name

    @property
    def models(self) -> tuple[Model, ...]:
        return tuple(self.agent.models)

    async def run(self, message: Message, run: Run) -> Message:
        return await self.agent.run(
            message.model_copy(update={"text": said_to(self.name, message.text)}), run
        )


def said_to(name: str, task: str) -> str:
    return f"{name}: {task}"


def task_of(number: int) -> str:
    return f"Run {number}: weigh the offers {3 * number}, {3 * number + 1} and {3 * number + 2}."


def run_id(number: int) -> str:
    return f"{number:032x}"


def models_of(url: str) -> tuple[AnthropicModel, OpenAIModel, OpenAICompatibleModel]:
    """One of each API, all of the one server."""
    return (
        AnthropicModel("fake", api_key="none", base_url=url),
        OpenAIModel("fake", api_key="none", base_url=f"{url}/v1"),
        OpenAICompatibleModel("fake", api_key="none", base_url=f"{url}/v1"),
    )


def team(url: str, number: int) -> Member:
    """Three members, each with a model of its own API first and the others behind it, and a synthesizer."""
    models: list[Model] = [*models_of(url)]

    def agent(name: str, first: int) -> Agent:
        ranked = [*models[first:], *models[:first]]
        return Agent(name, f"You are {name}.", ranked, memory=False, max_output=1024)

    members = [Named(agent(name, first)) for first, name in enumerate(MEMBERS)]
    return Parallel("panel", members, agent("chair", number % len(models)), need=len(members))


def echo(text: str) -> str:
    """What the server answers."""
    return f"echo {hashlib.sha256(text.encode()).hexdigest()[:8]} {text[:60]}"


def right_answer(number: int) -> str:
    task = task_of(number)
    quotes = (Quote(label=name, kind="answer", text=echo(said_to(name, task))) for name in MEMBERS)
    mark = Run(RunState(run_id(number)), "panel/chair").mark
    return echo(Turn(role="user", text=task, quotes=tuple(quotes), mark=mark).prompt())


async def work(home: Path, url: str, numbers: range) -> None:
    """Start these runs, or resume those that were begun; a line for each that ends."""
    async with Hall.open(home=home, project=home, environ={}) as hall:
        begun = {row.id for row in await hall.runs(limit=10_000)}
        budget = Budget(usd=5.0, calls=100)

        async def one(number: int) -> None:
            member = team(url, number)
            if run_id(number) in begun:
                result = await hall.resume(run_id(number), team=member)
            else:
                result = await hall.run_team(member, task_of(number), budget=budget, run_id=run_id(number))
            print(json.dumps({"run": number, "status": result.status, "error": result.error}), flush=True)

        await asyncio.gather(*(one(number) for number in numbers))


def start(home: Path, url: str, numbers: range) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, "--work", str(home), url, str(numbers.start), str(numbers.stop)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_after(process: "subprocess.Popen[str]", runs: int) -> int:
    """How many runs had ended when the process was killed: `runs` of them, or a few more."""
    assert process.stdout is not None
    for _ in range(runs):
        if not process.stdout.readline():
            raise SystemExit(f"a worker ended by itself, with code {process.wait()}")
    process.kill()
    return runs + len(process.communicate()[0].splitlines())


@dataclass
class Row:
    what: str
    measured: object
    promised: str = ""
    kept: bool = True


async def of_the_runs(home: Path, runs: int) -> tuple[list[Row], int]:
    """What the database says of the runs, and how many calls were answered."""
    failures: Counter[str] = Counter()
    right = open_calls = unequal = answered = cached = 0
    async with Hall.open(home=home, project=home, environ={}) as hall:
        for number in range(runs):
            result = await hall.result(run_id(number))
            events = await hall.events(run_id(number))
            if result.status == "done" and result.answer == right_answer(number):
                right += 1
            else:
                print(f"run {number} is {result.status}: {result.error or result.answer}", file=sys.stderr)
            open_calls += not closed_once(events)
            unequal += not sums_agree(events)
            replies = [event for event in events if isinstance(event, Replied)]
            cached += sum(event.cached for event in replies)
            answered += len(replies)
            failures.update(event.error for event in events if isinstance(event, Lost))
    interrupted = failures.pop("interrupted", 0)
    told = ", ".join(f"{kind} {count}" for kind, count in failures.most_common())
    return [
        Row("right answers, by content", f"{right} of {runs}", "all", right == runs),
        Row("runs with a call not closed exactly once", open_calls, "0", not open_calls),
        Row("runs whose calls do not add up to what was settled", unequal, "0", not unequal),
        Row("calls in flight in the process that was killed", interrupted),
        Row("calls answered from the cache", cached),
        Row("failures, by kind", told),
    ], answered


def closed_once(events: list[Event]) -> bool:
    asked = Counter(event.id for event in events if isinstance(event, Asked))
    closed = Counter(event.asked for event in events if isinstance(event, Replied | Lost) and event.asked)
    return asked == closed


def sums_agree(events: list[Event]) -> bool:
    """Whether nothing was left reserved: what the calls cost is what the run says it has spent."""
    spent = [event.spent for event in events if isinstance(event, Replied | Lost)]
    total = next(event.spent for event in reversed(events) if isinstance(event, RunFinished))
    return (
        sum(one.calls for one in spent) == total.calls
        and sum(one.tokens for one in spent) == total.tokens
        and math.isclose(sum(one.usd for one in spent), total.usd, abs_tol=1e-9)
    )


async def of_the_limits(home: Path, url: str) -> list[Row]:
    """Whether all places in flight can be had again, also those of the process that was killed."""
    liveness, db = Liveness(home / "locks"), Database(home / "guildhall.db")
    slots = Slots(Limits(db, liveness), lambda _: Limit(in_flight=IN_FLIGHT))
    taken: list[Slot] = []
    waits: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            for model in models_of(url):
                for _ in range(IN_FLIGHT):
                    place = slots.take(model.name, account=model.account, tokens=0, on_wait=waits.append)
                    taken.append(await place)
    for slot in taken:
        slot.free()
    await asyncio.to_thread(db.close)
    liveness.close()
    with closing(sqlite3.connect(home / "guildhall.db")) as disk:
        left = disk.execute("SELECT count(*) FROM leases").fetchone()[0]
    places = len(PROVIDERS) * IN_FLIGHT
    free = f"{len(taken)} of {places}"
    return [
        Row("places in flight that are free at the end", free, "all", len(taken) == places),
        Row("leases left in the database", left, "0", not left),
    ]


def of_the_server(url: str, answered: int) -> list[Row]:
    stats, log = told(url, "/stats"), told(url, "/log")
    rows = []
    for api, provider in PROVIDERS.items():
        requests = [request for request in log if request["api"] == api]
        most, level = most_at_once(requests), fullest([request["begin"] for request in requests])
        rows += [
            Row(f"most calls in flight at {provider}:fake", most, f"{IN_FLIGHT} at most", most <= IN_FLIGHT),
            Row(
                f"requests to {provider}:fake ahead of its rate",
                f"{level:.0f}",
                f"{BURST} at most",
                level <= BURST,
            ),
        ]
    broken, good = stats["limit_broken_in_flight"], stats["good"]
    twice, allowed = max(0, good - answered), max(2, int(TWICE * good))
    return [
        *rows,
        Row("limits broken, by the server's count", broken, "0", not broken),
        Row("requests, and those that met a fault", f"{len(log)}, {sum(stats['faults'].values())}"),
        Row("good answers, of which the runs needed", f"{good}, {answered}"),
        Row("paid twice", f"{twice} ({twice / good:.1%})", f"{allowed} at most", twice <= allowed),
    ]


def told(url: str, path: str) -> Any:
    with urllib.request.urlopen(url + path, timeout=30) as answer:
        return json.load(answer)


def most_at_once(requests: list[dict[str, Any]]) -> int:
    """The most that were at the server at once."""
    steps = [(request["begin"], 1) for request in requests] + [(request["end"], -1) for request in requests]
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def fullest(times: list[float]) -> float:
    """The highest level of a bucket that each request fills by one, and that leaks RPM a minute."""
    highest = level = last = 0.0
    for at in sorted(times):
        level = max(0.0, level - (at - last) * RPM / 60) + 1
        highest, last = max(highest, level), at
    return highest


@contextmanager
def server() -> Iterator[str]:
    rates = ",".join(f"{fault}={part}" for fault, part in RATES.items())
    most = str(len(PROVIDERS) * IN_FLIGHT)
    options = ["--latency", "0.4", "--jitter", "1", "--rates", rates, "--seed", "7", "--max-in-flight", most]
    command = [sys.executable, str(SERVER), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def configure(home: Path) -> None:
    tables = (
        f'[model."{provider}:fake"]\nrpm = {RPM}\nin_flight = {IN_FLIGHT}\n'
        "price = { input = 1.0, output = 4.0 }\n"
        for provider in PROVIDERS.values()
    )
    home.mkdir(parents=True)
    (home / "config.toml").write_text("\n".join(tables), "utf-8")


def main(runs: int) -> int:
    began = time.monotonic()
    half = runs // 2
    with tempfile.TemporaryDirectory() as folder, server() as url:
        home = Path(folder) / "home"
        configure(home)
        staying, dying = start(home, url, range(half)), start(home, url, range(half, runs))
        ended = kill_after(dying, (runs - half) // 2)
        resuming = start(home, url, range(half, runs))
        for process in (staying, resuming):
            said, _ = process.communicate()
            if process.returncode:
                raise SystemExit(f"a worker ended with code {process.returncode}:\n{said}")
        seconds = time.monotonic() - began
        rows, answered = asyncio.run(of_the_runs(home, runs))
        rows += of_the_server(url, answered) + asyncio.run(of_the_limits(home, url))
    rows += [
        Row("runs that had ended when a process was killed", f"{ended} of its {runs - half}"),
        Row("seconds", f"{seconds:.0f}"),
    ]
    print(f"{runs} runs of {CALLS} calls, {sum(RATES.values()):.0%} faults\n")
    print("| what | measured | promised |\n|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.measured} | {row.promised}{'' if row.kept else ', BROKEN'} |")
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="4 or more")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        home, url, first, last = given.work
        asyncio.run(work(Path(home), url, range(int(first), int(last))))
    else:
        sys.exit(main(given.runs))
