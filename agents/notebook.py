"""The working memory of a run: what its members note for each other. It ends with the run."""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from guildhall.errors import StoreError
from guildhall.memory.store.notebook import Note, Notes
from guildhall.redact import redact

if TYPE_CHECKING:
    from .run import Run


NoteKind = Literal["finding", "question", "decision", "todo"]
OPEN: tuple[NoteKind, ...] = ("question", "todo")
"""What is open until another note settles it."""


class Notebook:
    """All notes of one run, of all its sittings; what is noted twice is there once."""

    def __init__(self, run: str, store: Notes | None) -> None:
        self._run, self._store = run, store
        self._notes: list[Note] = []
        self._by_key: dict[tuple[str, str, str, str], Note] = {}
        self._reading = asyncio.Lock()
        self._read = store is None

    async def add(
        self, text: str, *, task: str, kind: str, author: str, private: bool = False, closes: int = 0
    ) -> Note:
        """The note, which may have been there already: a resumed run notes what it had noted before.

        Raises StoreError where it could not be put on disk; it is in the notebook nevertheless.
        """
        await self._known()
        if (known := self._by_key.get((task, kind, author, text))) is not None:
            return known
        number = self._notes[-1].number + 1 if self._notes else 1
        note = Note(number, task, kind, author, text, private, time.time(), closes)
        self._notes.append(note)
        self._by_key[_key(note)] = note
        if self._store is not None and not self._store.add(self._run, note):
            raise StoreError("memory_full", "the disk takes nothing: a note of this run is not on it")
        return note

    async def all(self) -> list[Note]:
        """All notes, the oldest first. Raises StoreError where those of earlier sittings cannot be read."""
        await self._known()
        return list(self._notes)

    async def _known(self) -> None:
        async with self._reading:
            if not self._read and self._store is not None:
                self._notes = await self._store.all(self._run)
                self._by_key = {_key(note): note for note in self._notes}
                self._read = True


def _key(note: Note) -> tuple[str, str, str, str]:
    return note.task, note.kind, note.author, note.text


async def noted(
    run: "Run", text: str, *, kind: str, task: str, author: str, private: bool, closes: int = 0
) -> None:
    """Note something for the others who work on the task; what cannot be kept on disk is said."""
    book = run.state.notebook
    try:
        await book.add(redact(text), task=task, kind=kind, author=author, private=private, closes=closes)
    except StoreError as error:
        run.state.notice(f"part of the notebook could not be kept: {error}")


async def notes(run: "Run") -> list[Note]:
    """What was noted in the run, but for what is private where it may not be seen."""
    found = await run.state.notebook.all()
    if run.trusted:
        return found
    run.state.withheld(label(note) for note in found if note.private)
    return [note for note in found if not note.private]


def still_open(found: Iterable[Note]) -> list[Note]:
    """The questions and todos among them that no other of them settles."""
    found = list(found)
    settled = {note.closes for note in found}
    return [note for note in found if note.kind in OPEN and note.number not in settled]


def label(note: Note) -> str:
    """How a note is called."""
    return f"note:{note.number}"
