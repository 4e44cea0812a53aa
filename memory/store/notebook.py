"""What members of a run noted while they worked, on disk."""

from typing import NamedTuple

from .database import Database


class Note(NamedTuple):
    """One entry of a run's notebook; `number` counts them from 1, in the order of writing."""

    number: int
    task: str
    """The span whose members work from it, or the task that its author has named."""
    kind: str
    """finding, question, decision or todo."""
    author: str
    text: str
    private: bool
    """Whether only models that are marked private may see it."""
    at: float
    """Seconds since the epoch."""
    closes: int = 0
    """The number of the question or todo that it settles; 0 for none."""


_COLUMNS = ", ".join(Note._fields)


class Notes:
    """The notebooks of all runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self, run: str) -> list[Note]:
        """Those of the run, in order, as far as they are on disk."""
        sql = f"SELECT {_COLUMNS} FROM notebook WHERE run = ? ORDER BY number"
        rows = await self._db.read(lambda db: db.execute(sql, (run,)).fetchall())
        return [Note(*row)._replace(private=bool(row[5])) for row in rows]

    def add(self, run: str, note: Note) -> bool:
        """Have the note written before whatever is recorded next; False if the disk takes nothing."""
        marks = ", ".join("?" * len(note))
        sql = f"INSERT OR IGNORE INTO notebook (run, {_COLUMNS}) VALUES (?, {marks})"
        return self._db.write_later(lambda db: db.execute(sql, (run, *note)))
