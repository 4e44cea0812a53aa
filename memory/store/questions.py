"""Questions to a human on disk: each is answered once, by whichever process of the user is first."""

import json
import sqlite3
import time
from dataclasses import dataclass, fields, replace
from typing import Any

from guildhall.errors import UserError

from .database import Database

YES_OR_NO = ("yes", "no")
LONGEST_ANSWER = 100_000
"""Characters."""
_LENGTHS = (8, 16, 32)
"""Of an id: a question takes the shortest that no other has."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something that a run asks a human. Times are in seconds since the epoch.

    While it is open, `answered` is None. With a time there and no `answer`, it was withdrawn: nobody waits
    for it any more. An empty answer is that nobody gave one by the deadline.
    """

    id: str
    run: str
    path: str
    """The span that asks."""
    who: str
    text: str
    options: tuple[str, ...] = ()
    """What can be answered; anything, if there are none."""
    asked: float
    deadline: float | None
    answer: str | None = None
    answered: float | None = None

    @property
    def is_open(self) -> bool:
        return self.answered is None

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and time.time() >= self.deadline

    @property
    def by_deadline(self) -> bool:
        """Whether the answer is what it comes to where nobody gives one."""
        return None not in (self.deadline, self.answered) and self.answered >= self.deadline  # type: ignore[operator]  # neither is None

    @property
    def unless_answered(self) -> str:
        """What it comes to at its deadline: no to what wants a yes, and no answer else."""
        return "no" if self.options == YES_OR_NO else ""

    def fitting(self, text: str) -> str:
        """The text as an answer: of the options, the one it is or begins. Raises UserError if it is none."""
        said = text.strip()
        if not said or len(said) > LONGEST_ANSWER:
            size = f"has {len(said):,} characters" if said else "is empty"
            raise UserError(f"the answer {size}; give 1 to {LONGEST_ANSWER:,} characters")
        if not self.options:
            return said
        said = said.casefold()
        same = [option for option in self.options if option.casefold() == said]
        near = same or [option for option in self.options if option.casefold().startswith(said)]
        if len(near) != 1:
            several = f" could be {' or '.join(near)}" if near else " is none of the answers"
            raise UserError(f"{text.strip()!r:.80}{several}; give one of these: {', '.join(self.options)}")
        return near[0]


class Questions:
    """All questions of the user's runs, of this process and of others."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, question: Question) -> Question:
        """The question as it stands, which may have been put and answered in an earlier sitting.

        Its id is shortened to what is enough. A new deadline counts only where it was withdrawn.
        """
        return await self._db.write(lambda db: _put(db, question))

    async def find(self, question: Question) -> Question:
        """The question as it stands now."""
        row = await self._db.read(lambda db: _row(db, question.id))
        return row or question

    async def answer(self, question: Question, text: str) -> bool:
        """Whether the text is now its answer; it is not where somebody was first, or it is too late."""
        sql = (
            "UPDATE questions SET answer = ?, answered = ? "
            "WHERE id = ? AND answered IS NULL AND coalesce(deadline > ?, 1)"
        )

        def write(db: sqlite3.Connection) -> bool:
            now = time.time()
            return db.execute(sql, (text, now, question.id, now)).rowcount == 1

        return await self._db.write(write)

    async def lapse(self, question: Question) -> Question:
        """The question after its deadline, with what it comes to, or the answer that was just in time."""
        sql = "UPDATE questions SET answer = ?, answered = ? WHERE id = ? AND answered IS NULL"
        values = (question.unless_answered, time.time(), question.id)
        await self._db.write(lambda db: db.execute(sql, values))
        return await self.find(question)

    def withdraw(self, run: str, path: str) -> None:
        """Have it known that nobody waits there for an answer any more; never waits."""
        sql = "UPDATE questions SET answered = ? WHERE run = ? AND path = ? AND answered IS NULL"
        self._db.write_later(lambda db: db.execute(sql, (time.time(), run, path)))

    async def pending(self, run: str) -> list[Question]:
        """Those of the run that it has not gone on from yet, answered or not, in the order of asking."""
        sql = (
            f"SELECT {_COLUMNS} FROM questions AS q WHERE run = ? AND NOT EXISTS "
            "(SELECT 1 FROM journal WHERE run = q.run AND path = q.path) ORDER BY asked, path"
        )
        rows = await self._db.read(lambda db: db.execute(sql, (run,)).fetchall())
        return [_question(row) for row in rows]

    async def waiting(self) -> list[str]:
        """The runs that wait for an answer that can still be given; whichever has asked last comes first."""
        sql = (
            "SELECT q.run FROM questions AS q JOIN runs ON runs.id = q.run "
            "WHERE q.answered IS NULL AND coalesce(q.deadline > ?, 1) "
            "AND runs.status IN ('needs_input', 'interrupted', 'running') "
            "GROUP BY q.run ORDER BY max(q.asked) DESC"
        )
        rows = await self._db.read(lambda db: db.execute(sql, (time.time(),)).fetchall())
        return [str(run) for (run,) in rows]


_COLUMNS = ", ".join(column.name for column in fields(Question))


def _put(db: sqlite3.Connection, question: Question) -> Question:
    """One that is there already stays as it is; others that were open at its path are withdrawn."""
    db.execute(
        "UPDATE questions SET answered = ? WHERE run = ? AND path = ? AND (text, options) != (?, ?) "
        "AND answered IS NULL",
        (question.asked, question.run, question.path, question.text, json.dumps(question.options)),
    )
    for length in _LENGTHS:
        one = replace(question, id=question.id[:length])
        values = [getattr(one, column.name) for column in fields(Question)]
        values[_OPTIONS] = json.dumps(one.options)
        marks = ", ".join("?" * len(values))
        db.execute(f"INSERT OR IGNORE INTO questions ({_COLUMNS}) VALUES ({marks})", values)
        there = _row(db, one.id) or one
        if (there.run, there.path, there.text, there.options) == (one.run, one.path, one.text, one.options):
            break
    if there.answered is None or there.answer is not None:
        return there
    sql = "UPDATE questions SET asked = ?, deadline = ?, answered = NULL WHERE id = ?"
    db.execute(sql, (one.asked, one.deadline, one.id))
    return one


_OPTIONS = [column.name for column in fields(Question)].index("options")


def _row(db: sqlite3.Connection, id_: str) -> Question | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM questions WHERE id = ?", (id_,)).fetchone()
    return _question(row) if row else None


def _question(row: tuple[Any, ...]) -> Question:
    values = dict(zip((column.name for column in fields(Question)), row, strict=True))
    return Question(**values | {"options": tuple(json.loads(values["options"]))})
