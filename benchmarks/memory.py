"""How fast the memory is, and how that grows: writing, recalling, the first recall of a process, its size.

    python benchmarks/memory.py [--sizes 1000,10000,50000,200000] [--rounds 200] [--embedder wordllama]

The records are those of recall_data.py, over and over with a number of their own; the queries are its
questions. Chroma serves what has outgrown the exact scan, by a server that is started for it; where it does
not within `--patience` seconds, its columns stay empty. Times are of one process that does nothing else, on
a database that is in the disk's cache.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median, quantiles

from recall_adapters import embed_all
from recall_data import made
from recall_measures import table

from guildhall.memory import ledger
from guildhall.memory.dense import VectorSearch
from guildhall.memory.embedders import Embedder, chosen
from guildhall.memory.index import Index
from guildhall.memory.memory import Memory
from guildhall.memory.records import Author, Record
from guildhall.memory.store.database import Database

SIZES = (1_000, 10_000, 50_000, 200_000)
PROJECTS = (10, 1)
SCANNED = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
"""Vectors in one project, at which Chroma is compared with the exact scan."""
ALL = 2**31
BATCH = 1_000
CHILDREN = 5
"""Processes of each kind; the median counts."""
CHILD = """
import sys, time
begun = time.perf_counter()
import asyncio, json, resource
from pathlib import Path
from guildhall.memory.embedders import chosen
from guildhall.memory.meaning import Meaning
from guildhall.memory.memory import Memory
from guildhall.memory.store.database import Database

what, path, name, scope, *queries = sys.argv[1:]

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6

async def main():
    told = {}
    if what == "embedder":
        embedder = chosen(name).embedder
        embedder.load()
        embedder.embed(queries)
    if what in ("words", "meaning"):
        db = Database(Path(path))
        meaning = Meaning(db, lambda: chosen(name)) if what == "meaning" else None
        memory = Memory(db, scope=scope, dense=meaning)
        imported = time.perf_counter()
        found = await memory.search(queries[0])
        told["first"] = time.perf_counter() - imported
        told["wall"] = time.perf_counter() - begun
        for query in queries:
            found = await memory.search(query)
        told["served"] = found.served
    told["rss"] = rss()
    if what == "meaning":
        await asyncio.to_thread(meaning.close)
    print(json.dumps(told))

asyncio.run(main())
"""


@contextmanager
def filled(records: int, projects: int, embedder: Embedder | None) -> Iterator[Database]:
    """A database with so many records, spread over the projects, with their vectors."""
    with tempfile.TemporaryDirectory(prefix="guildhall-memory-") as folder:
        db = Database(Path(folder) / "guildhall.db")
        try:
            asyncio.run(_fill(db, records, projects))
            if embedder is not None:
                embed_all(db, embedder)
            yield db
        finally:
            db.close()


async def _fill(db: Database, records: int, projects: int) -> None:
    texts, now = [item.text for item in made("tuning").items], time.time()
    written = (
        Record(
            id=f"{number:032x}", text=f"{text} ({number})", kind="episode", scope=f"p{number % projects}",
            author=Author(agent=f"agent {number % 7}"), session=f"s{number // (20 * projects)}",
            turn=number // projects % 20 + 1, valid_from=now - number, recorded_at=now,
        )
        for number, text in zip(range(records), itertools.cycle(texts), strict=False)
    )  # fmt: skip
    while part := list(itertools.islice(written, BATCH)):
        await db.write(lambda own, part=part: [ledger.write(own, record) for record in part])  # type: ignore[misc]  # it is bound


def grows(size: int, projects: int, embedder: Embedder | None, given: argparse.Namespace) -> list[str]:
    """A line of what things take in a database of that size."""
    with filled(size, projects, embedder) as db:
        queries = some_queries(given.rounds)
        memory = Memory(db, scope="p0")
        by_words = asyncio.run(recalls(memory, queries))
        scanned = served = None
        if embedder is not None:
            with closing(VectorSearch(embedder, Index(db, few=ALL))) as exact:
                memory = Memory(db, scope="p0", dense=exact)
                scanned = asyncio.run(recalls(memory, queries))
            with closing(VectorSearch(embedder, Index(db))) as search:
                memory = Memory(db, scope="p0", dense=search)
                if asyncio.run(is_served(memory, queries[0], given.patience)):
                    served = asyncio.run(recalls(memory, queries))
        episodes = asyncio.run(remembers(Memory(db, scope="p0"), "episode", given.rounds))
        facts = asyncio.run(remembers(Memory(db, scope="p0"), "fact", given.rounds))
        parts = (p50(by_words), p95(by_words), p50(scanned), p95(scanned), p50(served), p95(served))
        megabytes = db.path.stat().st_size / 1e6
        return [f"{size:,}", str(projects), *parts, p50(episodes), p50(facts), f"{megabytes:.0f}"]


async def recalls(memory: Memory, queries: Sequence[str]) -> list[float]:
    """Seconds of each."""
    await memory.search(queries[-1])
    seconds = []
    for query in queries:
        start = time.perf_counter()
        await memory.search(query)
        seconds.append(time.perf_counter() - start)
    return seconds


async def remembers(memory: Memory, kind: str, rounds: int) -> list[float]:
    """Seconds until each is on disk, and its near ones are looked for where it is a fact."""
    texts = random.Random(1).choices([item.text for item in made("held_out").items], k=rounds)
    seconds = []
    for number, text in enumerate(texts):
        start = time.perf_counter()
        await memory.remember(f"{text} ({kind} {number})", kind=kind)  # type: ignore[arg-type]  # it is one
        seconds.append(time.perf_counter() - start)
    return seconds


async def is_served(memory: Memory, query: str, patience: float) -> bool:
    """Whether Chroma comes to answer in time; it is asked about more than the exact scan takes."""
    give_up = time.monotonic() + patience
    while (found := await memory.search(query)).served != "chroma":
        if time.monotonic() > give_up or "few" in found.why:
            return False
        await asyncio.sleep(0.2)
    return True


def overtakes(embedder: Embedder, given: argparse.Namespace) -> list[list[str]]:
    """The exact scan and Chroma alone, without the words, by how many vectors there are."""
    lines = [["vectors in a project", "exact p50 ms", "Chroma p50 ms"]]
    for size in [size for size in SCANNED if size <= max(given.sizes)]:
        with filled(size, 1, embedder) as db, closing(db.connect()) as own:
            [scope] = ledger.scope_ids(own, "p0")
            queries = some_queries(given.rounds)

            def seconds(search: VectorSearch) -> list[float]:
                def one(query: str) -> None:
                    search.near(own, scope, query, 200, None)  # noqa: B023  # called at once

                return [timed(one, query) for query in queries]  # noqa: B023  # as above

            with closing(VectorSearch(embedder, Index(db, few=ALL))) as exact:
                scanned = seconds(exact)
            with closing(VectorSearch(embedder, Index(db, few=1))) as search:
                ready = asyncio.run(
                    is_served(Memory(db, scope="p0", dense=search), queries[0], given.patience)
                )
                served = seconds(search) if ready else None
            lines.append([f"{size:,}", p50(scanned), p50(served)])
    return lines


def processes(embedder_name: str, size: int, given: argparse.Namespace) -> list[list[str]]:
    """What the first recall of a process takes, and how large the process becomes."""
    embedder = chosen(embedder_name).embedder
    lines = [["a process", "first recall ms", "from its start ms", "MB", "MB beyond one without memory"]]
    with filled(size, 10, embedder) as db, tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "GUILDHALL_HOME": home}

        def child(what: str) -> dict[str, float]:
            command = [sys.executable, "-c", CHILD, what, str(db.path), embedder_name, "p0"]
            told = [
                json.loads(subprocess.check_output([*command, *some_queries(100)], env=env))
                for _ in range(CHILDREN)
            ]
            return {key: median(one[key] for one in told) for key in told[0] if key != "served"}

        bare, words = child("bare"), child("words")
        lines.append(_process("by words", words, bare))
        if embedder is not None:
            lines.append(_process(f"with {embedder_name}", child("meaning"), child("embedder")))
    return lines


def _process(name: str, told: dict[str, float], without: dict[str, float]) -> list[str]:
    beyond = f"{told['rss'] - without['rss']:.0f}"
    return [name, f"{1000 * told['first']:.0f}", f"{1000 * told['wall']:.0f}", f"{told['rss']:.0f}", beyond]


def some_queries(count: int) -> list[str]:
    queries = sorted({one.query for one in made("tuning").questions})
    return random.Random(1).choices(queries, k=count)


def timed(work: Callable[[str], None], query: str) -> float:
    start = time.perf_counter()
    work(query)
    return time.perf_counter() - start


def p50(seconds: Sequence[float] | None) -> str:
    return "" if seconds is None else f"{1000 * median(seconds):.1f}"


def p95(seconds: Sequence[float] | None) -> str:
    return "" if seconds is None else f"{1000 * quantiles(seconds, n=20)[-1]:.1f}"


def main(given: argparse.Namespace) -> None:
    choice = chosen(given.embedder)
    if choice.embedder is None:
        print(f"without vectors: {choice.why}\n")
    else:
        choice.embedder.load()
    head = ["records", "projects", "words p50", "p95", "exact p50", "p95", "Chroma p50", "p95"]
    lines = [[*head, "remember p50: episode", "fact", "MB"]]
    for size in given.sizes:
        lines += [grows(size, projects, choice.embedder, given) for projects in PROJECTS]
    print("milliseconds of a recall and of what is remembered\n\n" + table(lines) + "\n", flush=True)
    if choice.embedder is not None:
        print(table(overtakes(choice.embedder, given)) + "\n", flush=True)
    print(table(processes(choice.name, min(50_000, max(given.sizes)), given)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--sizes", type=lambda text: [int(one) for one in text.split(",")], default=list(SIZES)
    )
    parser.add_argument("--rounds", type=int, default=200, help="calls of each kind")
    parser.add_argument("--embedder", default="wordllama", help="wordllama, minilm or none")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait for Chroma")
    main(parser.parse_args())
