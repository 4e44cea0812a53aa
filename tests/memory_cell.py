"""What a notebook cell does with the memory: it writes notes, and looks for what others have just written.

Who writes says so in `acks/NAME` once a note is on disk, which outlives whoever is killed.
"""

import asyncio
import json
import os
import time
import zlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from guildhall.agents import Hall

LIMIT = 20
AT_ONCE = 8
"""Notes that one process has under way."""
_TAIL = 2_000
"""Bytes at the end of an ack file that are the newest."""
_SOUNDS = [f"{one}{vowel}{two}" for one in "bdfgklmnprstvz" for vowel in "aeiou" for two in "lmnrst"]
_halls: dict[str, Hall] = {}
_open = AsyncExitStack()


class Note(NamedTuple):
    """A text by its word that no other has, and the project that it is of."""

    word: str
    project: str

    @property
    def text(self) -> str:
        """Some words of the text are in many others of all projects."""
        seed = zlib.crc32(self.word.encode())
        words = [_SOUNDS[(seed >> shift) % len(_SOUNDS)] * 2 for shift in (0, 4, 8, 12, 16)]
        return f"In {self.project} the {words[0]} {self.word} is with the {' '.join(words[1:])}."

    @property
    def query(self) -> str:
        return f"where is the {self.text.split()[3]} {self.word}"


class Look(NamedTuple):
    """What a process found of a note that somebody had acknowledged."""

    word: str
    times: int
    foreign: int
    """Records of other projects among what was found."""
    age: float
    """Seconds from the acknowledgement until it was found."""
    milliseconds: float


def acknowledge(folder: Path, name: str, note: Note) -> None:
    line = json.dumps([*note, time.time()]) + "\n"
    file = os.open(folder / "acks" / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def acknowledged(folder: Path, *, newest: bool = False) -> "list[tuple[str, Note, float]]":
    """Who acknowledged which note when; only some of the newest of each, if that is wanted."""
    found = []
    for path in sorted((folder / "acks").iterdir()):
        data = path.read_bytes()
        lines = data[-_TAIL:].split(b"\n")[1:-1] if newest and len(data) > _TAIL else data.split(b"\n")[:-1]
        rows = map(json.loads, lines)
        found += [(path.name, Note(word, project), at) for word, project, at in rows]
    return found


async def work(folder: str, name: str, notes: Sequence[Sequence[str]], looks: int) -> None:
    """Write the notes, and look `looks` times for what others wrote meanwhile; the looks are in `NAME.json`.

    In a kernel the halls stay open from one cell to the next.
    """
    todo, root = [Note._make(note) for note in notes], Path(folder)

    async def write() -> None:
        while todo:
            note = todo.pop()
            await (await _hall(root, note.project)).remember(note.text)
            acknowledge(root, name, note)

    done = asyncio.gather(*(write() for _ in range(AT_ONCE)))
    found = []
    for number in range(looks):
        others = [one for one in acknowledged(root, newest=True) if one[0] != name]
        if others:
            _, note, at = others[-1 - number * 7 % len(others)]
            found.append(await _look(root, note, at))
        await asyncio.sleep(0)
    await done
    _tell(root, name, found)


async def verify(folder: str, name: str, notes: Sequence[Sequence[str]]) -> None:
    """Look once for each of the notes; the looks are in `NAME.json`."""
    root = Path(folder)
    _tell(root, name, [await _look(root, Note._make(note), time.time()) for note in notes])


def looked(note: Note, hits: "Sequence[tuple[str, str]]", at: float, begun: float) -> Look:
    """`hits` are texts with their projects, so far as these are told apart from the text."""
    return Look(
        note.word,
        sum(text == note.text for text, _ in hits),
        sum(project != note.project for _, project in hits),
        time.time() - at,
        1000 * (time.perf_counter() - begun),
    )


def project_of(text: str) -> str:
    return text.split()[1]


async def _look(root: Path, note: Note, at: float) -> Look:
    hall, begun = await _hall(root, note.project), time.perf_counter()
    hits = await hall.recall(note.query, limit=LIMIT)
    assert {hit.record.scope for hit in hits} <= {hall.scope}
    return looked(note, [(hit.record.text, project_of(hit.record.text)) for hit in hits], at, begun)


async def _hall(root: Path, project: str) -> Hall:
    if project not in _halls:
        (root / project / ".guildhall").mkdir(parents=True, exist_ok=True)
        _halls[project] = await _open.enter_async_context(Hall.open(project=root / project, host="jupyter"))
    return _halls[project]


def _tell(root: Path, name: str, looks: "Sequence[Any]") -> None:
    draft = root / f"{name}.draft"
    draft.write_text(json.dumps(looks))
    draft.replace(root / f"{name}.json")
