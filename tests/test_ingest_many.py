"""A large folder is read in bounded memory, and a process that is killed is gone on from."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from papers import bomb, docx, encrypted_pdf, mixed, pdf, prose, xlsx

from guildhall.memory.ingest.sync import Ingested
from guildhall.memory.ingest.watch import watched
from guildhall.memory.memory import Memory

CHILD = Path(__file__).parent / "ingest_child.py"
MEGABYTES = 100
"""Of the process that reads, without an embedder; those that convert for it have a limit of their own."""
pytestmark = pytest.mark.slow


@pytest.mark.deadline(400)
async def test_two_thousand_files_are_read_whoever_is_killed_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "papers"
    mixed(folder, 2_000)
    hostile = {
        "bomb.docx": bomb(150), "cut.pdf": pdf([prose(1)])[:300], "locked.pdf": encrypted_pdf("x"),
        "far.xlsx": xlsx([("A1", ["crane"]), ("XFD1048576", ["x"])]), "cut.docx": docx([("", "x")])[:200],
    }  # fmt: skip
    for name, data in hostile.items():
        (folder / name).write_bytes(data)
    kills = 0
    for until in (100, 250, 500, 300):
        with subprocess.Popen(
            [sys.executable, CHILD, folder, "none"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            while int((await asyncio.to_thread(process.stdout.readline)).split()[0]) < until:
                pass
            process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    ended = await asyncio.to_thread(_run, folder)
    told = json.loads(ended.splitlines()[-1])
    again = json.loads((await asyncio.to_thread(_run, folder)).splitlines()[-1])

    assert kills == 4
    assert told["added"] < 1_000
    assert {one["source"] for one in told["problems"]} == hostile.keys()
    assert (again["same"], again["added"], again["changed"], again["chunks"]) == (2_000, 0, 0, 0)
    here = _chunks(Path(os.environ["GUILDHALL_HOME"]))
    monkeypatch.setenv("GUILDHALL_HOME", str(tmp_path / "other"))
    undisturbed = json.loads((await asyncio.to_thread(_run, folder)).splitlines()[-1])
    assert undisturbed["added"] == 2_000
    assert _chunks(tmp_path / "other") == here
    assert undisturbed["megabytes"] is None or undisturbed["megabytes"] < MEGABYTES


async def test_a_folder_that_is_watched_is_kept_as_it_is(project: Path) -> None:
    docs = project / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("The first crane.")
    async with Memory.open() as memory:
        changes = watched(docs, lambda: memory.ingest(docs))
        assert (await anext(changes)).added == 1
        (docs / "b.md").write_text("The second crane.")
        assert (await anext(changes)).added == 1
        (docs / "a.md").unlink()
        assert (await anext(changes)).removed == 1
        assert [hit.record.text for hit in await memory.recall("crane")] == ["The second crane."]
        await changes.aclose()


async def test_a_watched_folder_that_was_removed_is_read_again_once_it_is_back(project: Path) -> None:
    docs = project / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("The first crane.")
    async with Memory.open() as memory, asyncio.timeout(60):
        changes = watched(docs, lambda: memory.ingest(docs))
        assert (await anext(changes)).added == 1
        shutil.rmtree(docs)
        assert (await anext(changes)).removed == 1
        docs.mkdir()
        (docs / "b.md").write_text("The second crane.")
        assert (await anext(changes)).added == 1
        (docs / "c.md").write_text("The third crane.")
        assert (await anext(changes)).added == 1
        await changes.aclose()


async def test_a_watched_file_may_be_gone_for_a_while(project: Path) -> None:
    notes = project / "notes.md"
    notes.write_text("The first crane.")
    asked = asyncio.Queue[None]()

    async def ingest() -> Ingested:
        try:
            return await memory.ingest(notes)
        finally:
            asked.put_nowait(None)

    async with Memory.open() as memory, asyncio.timeout(60):
        changes = watched(notes, ingest)
        assert (await anext(changes)).added == 1
        notes.unlink()
        assert (await anext(changes)).removed == 1
        then = asyncio.ensure_future(anext(changes))
        (project / "other.md").write_text("The crane beside it.")
        for _ in range(3):
            await asked.get()
        notes.write_text("The second crane.")
        assert (await then).added == 1
        await changes.aclose()


async def test_no_process_is_left_when_the_one_that_reads_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "big").mkdir(parents=True)
    (folder / "a.txt").write_text("The crane.")
    for number in range(20):
        (folder / "big" / f"{number}.csv").write_text(f"crane {number},1\n" * 200_000)
    with subprocess.Popen(
        [sys.executable, CHILD, folder, "none"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while (await asyncio.to_thread(process.stdout.readline)).split()[0] != "1":
            pass
        readers = {pid for pid, parent in _processes().items() if parent == process.pid}
        process.kill()
    assert readers
    async with asyncio.timeout(20):
        while readers & _processes().keys():
            await asyncio.sleep(0.05)


def _run(folder: Path) -> str:
    done = subprocess.run([sys.executable, CHILD, folder, "none"], capture_output=True, text=True, check=True)
    return done.stdout


def _chunks(home: Path) -> tuple[int, str]:
    """How many records there are, and a digest of all of them."""
    db = sqlite3.connect(home / "guildhall.db")
    rows = db.execute("SELECT source, turn, place, text FROM records ORDER BY source, turn").fetchall()
    db.close()
    return len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()


def _processes() -> dict[int, int]:
    """The processes that live, with their parents."""
    done = subprocess.run(["ps", "-axo", "pid,ppid,stat"], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}
