"""Tools with which members of one run note things for each other."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from guildhall.clean import one_line, quoted
from guildhall.errors import UserError
from guildhall.memory.store.notebook import Note

from ..message import Quote
from ..notebook import OPEN, NoteKind, label, noted, notes
from ..run import Run
from ..tool import Tool, ToolContext, tool

NEWEST, CHARACTERS = 100, 40_000
"""So many notes are shown at once at most, in so many characters."""
_Short = Annotated[str, Field(max_length=100)]


def note_tools() -> list[Tool]:
    """`note` and `read_notes`, over the notebook of the run that they are called in."""
    return [note, read_notes]


@tool(risk="write")
async def note(
    text: str, context: ToolContext, kind: NoteKind = "finding", task: _Short = "", closes: _Short = ""
) -> str:
    """Note something for the others who work in this run. `closes` is the label of the question or todo that
    it settles, such as note:3; `task` is what it belongs to, if not the team's task as a whole."""
    run = context.run
    number = await _closed(run, closes) if closes else 0
    about = task.strip() or run.path.rpartition("/")[0].rpartition("/")[0]
    await noted(run, text, kind=kind, task=about, author=run.who, private=run.private, closes=number)
    return "It is noted."


@tool
async def read_notes(
    context: ToolContext, kind: NoteKind | None = None, task: _Short = "", only_open: bool = False
) -> str:
    """What was noted in this run, the oldest first, each with label, kind and author; all of it, if you name
    no kind and no task. `only_open` leaves the questions and todos that nobody has settled."""
    found = await notes(context.run)
    settled = {one.closes: label(one) for one in found if one.closes}
    wanted = [
        one
        for one in found
        if (kind is None or one.kind == kind)
        and (not task.strip() or one.task == task.strip())
        and not (only_open and (one.kind not in OPEN or one.number in settled))
    ]
    if not wanted:
        return "Nothing is noted." if not found else "Nothing of that kind is noted."
    shown = _newest(wanted)
    context.run.show([as_quote(one) for one in shown])
    lines = [
        f"[{label(one)}] {one_line(one.author)}{_about(one, settled)}: {quoted(one.text)}" for one in shown
    ]
    left_out = len(wanted) - len(shown)
    return "\n\n".join([*([f"{left_out} older notes are left out."] if left_out else []), *lines])


def as_quote(one: Note) -> Quote:
    origin = f"{one.kind}, noted by {one.author}"
    return Quote(label=label(one), kind="answer", text=one.text, private=one.private, origin=origin)


async def _closed(run: Run, closes: str) -> int:
    """The number of the note of that label. Raises UserError where there is none that could be settled."""
    for one in await notes(run):
        if label(one) == closes.strip().strip("[]") and one.kind in OPEN:
            return one.number
    raise UserError(f"there is no question or todo {closes!r}; read_notes shows their labels")


def _about(one: Note, settled: dict[int, str]) -> str:
    if one.kind not in (*OPEN, "decision"):
        return ""
    return f" ({one.kind}, settled by {settled[one.number]})" if one.number in settled else f" ({one.kind})"


def _newest(found: Sequence[Note]) -> list[Note]:
    """As many of the newest as there is room for, the last one in any case, though it may be cut."""
    shown: list[Note] = []
    room = CHARACTERS
    for one in reversed(found[-NEWEST:]):
        room -= len(one.text)
        if room < 0:
            if not shown:
                shown.append(one._replace(text=f"{one.text[:CHARACTERS]} [the rest is left out]"))
            break
        shown.append(one)
    return shown[::-1]
