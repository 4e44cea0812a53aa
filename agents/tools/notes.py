"""Tools with which members of one run note things for each other."""

from collections.abc import Sequence

from guildhall.memory.store.notebook import Note

from ..message import Quote
from ..notebook import label, noted, notes
from ..tool import Tool, ToolContext, tool

NEWEST, CHARACTERS = 100, 40_000
"""So many notes are shown at once at most, in so many characters."""


def note_tools() -> list[Tool]:
    """`note` and `read_notes`, over the notebook of the run that they are called in."""
    return [note, read_notes]


@tool(risk="write")
async def note(text: str, context: ToolContext) -> str:
    """Note something for the others who work in this run: what was found out, what is open."""
    run = context.run
    team = run.path.rpartition("/")[0].rpartition("/")[0]
    await noted(run, text, kind="note", task=team, author=run.who, private=run.private)
    return "It is noted."


@tool
async def read_notes(context: ToolContext) -> str:
    """What was noted in this run so far, the oldest first, each with its label and its author."""
    found = await notes(context.run)
    if not found:
        return "Nothing is noted."
    shown = _newest(found)
    context.run.show(
        [Quote(label=label(one), kind="answer", text=one.text, private=one.private) for one in shown]
    )
    lines = [f"[{label(one)}] {one.author}: {one.text}" for one in shown]
    left_out = len(found) - len(shown)
    return "\n\n".join([*([f"{left_out} older notes are left out."] if left_out else []), *lines])


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
