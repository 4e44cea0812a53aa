"""One memory that an MCP server and notebook kernels share, while one of them after the other is killed.

With GUILDHALL_TEST_FULL=1: 10,000 notes, the embedder of this machine, and figures on stdout.
"""

import os
import random
import sqlite3
import statistics
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from jupyter_core.utils import ensure_event_loop
from memory_cell import Look, Note, acknowledged
from memory_crew import Crew, Kernel, Server, Worker

from guildhall.home import scope_of
from guildhall.memory import repair

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")]
FULL = bool(os.environ.get("GUILDHALL_TEST_FULL"))
NOTES = 10_000 if FULL else 600
"""Of all workers together."""
BATCH, LOOKS = (200, 10) if FULL else (50, 10)
EVERY, AFTER, DEATHS = (1, 1, 10_000) if FULL else (0.05, 20, 6)
LOOKED_AT = NOTES if FULL else 100
"""Notes that each process looks for at the end."""
WORKERS = ("mcp", "kernel-1", "kernel-2", "kernel-3")


@pytest.fixture
def crew(home: Path, tmp_path: Path) -> Iterator[Crew]:
    for name in ("acks", "shop/.guildhall", "bank/.guildhall"):
        (tmp_path / name).mkdir(parents=True)
    others = {"PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    environment = {**os.environ, **others, "GUILDHALL_HOME": str(home)}
    if FULL:
        del environment["GUILDHALL_EMBEDDER"]
    workers: list[Worker] = [Server(tmp_path, "mcp", environment)]
    workers += [Kernel(tmp_path, name, environment) for name in WORKERS[1:]]
    crew = Crew(tmp_path, workers)
    try:
        yield crew
    finally:
        crew.stop()
        ensure_event_loop().close()  # as jupyter_client leaves it


def test_what_killed_processes_acknowledged_is_found_once_by_all_and_in_its_project_alone(
    crew: Crew, home: Path, tmp_path: Path
) -> None:
    each = NOTES // len(WORKERS)
    notes = {
        name: [Note(f"{name[0]}{at}n{number:05}", _project(name, number)) for number in range(each)]
        for at, name in enumerate(WORKERS)
    }
    crew.write(notes, batch=BATCH, looks=LOOKS, every=EVERY, after=AFTER, deaths=DEATHS)
    every = [note for of_one in notes.values() for note in of_one]
    assert {note for _, note, _ in acknowledged(tmp_path)} == set(every)
    assert crew.deaths >= 3
    assert crew.looks
    assert _wrong(crew.looks) == []

    def wanted(worker: Worker) -> list[Note]:
        return random.Random(worker.name).sample(
            those := [note for note in every if note.project in worker.projects], min(LOOKED_AT, len(those))
        )

    looks = crew.verify(wanted)
    assert set(looks) == set(WORKERS)
    assert {name: _wrong(of_one) for name, of_one in looks.items()} == {name: [] for name in WORKERS}
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        rows = db.execute("SELECT s.name, r.text FROM records r JOIN scopes s ON s.id = r.scope").fetchall()
        assert [*repair.checked(db), *repair.unindexed(db)] == []
    scopes = {project: scope_of(tmp_path / project) for project in ("shop", "bank")}
    assert Counter(rows) == Counter((scopes[note.project], note.text) for note in every)
    if FULL:
        _tell(crew, looks)


def _project(name: str, number: int) -> str:
    return "bank" if name != "mcp" and number % 4 == 0 else "shop"


def _wrong(looks: list[Look]) -> list[Look]:
    return [look for look in looks if look.times != 1 or look.foreign]


def _tell(crew: Crew, looks: dict[str, list[Look]]) -> None:
    print(f"\n{NOTES:,} notes, {crew.deaths} processes killed while they wrote")
    ages = sorted(look.age for look in crew.looks)
    fresh = [age for age in ages if age < 1]
    print(f"{len(ages):,} looks while others wrote, {len(fresh):,} of them within 1 s of the acknowledgement")
    for name, of_one in {"while writing": crew.looks, **looks}.items():
        took = sorted(look.milliseconds for look in of_one)
        p95 = took[int(len(took) * 0.95)]
        print(f"{name}: {len(took):,} found once, p50 {statistics.median(took):.1f} ms, p95 {p95:.1f} ms")
