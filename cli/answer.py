"""`guildhall answer`: what a run has asked the user, answered from any shell."""

from typing import TYPE_CHECKING

import click

from guildhall.errors import RunRefused

from .frame import BadInput, emit, in_hall, json_option, wants_json
from .run import carried_out, quiet_option, tell, text_or_stdin

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall
    from guildhall.agents.result import Result

_LOOKED_AT = 100
"""Runs among which the last that asks is looked for."""


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("words", metavar="[QUESTION] [TEXT]", nargs=-1)
@quiet_option
@json_option
def answer(run_id: str, words: tuple[str, ...], quiet: bool) -> None:
    """Answer what a run asks you.

    The run then goes on from what is paid for, and its result is printed. Without TEXT, what it asks is
    printed in full. RUN and QUESTION may be the beginning of an id; the question can be left out where one
    is open, and a RUN of "" is the one that asks. A text of "-" is read from stdin.

    \b
    guildhall answer 1f3a
    guildhall answer 1f3a yes
    guildhall answer 1f3a 9c02 "Only with a limit of 500 euros."
    """
    if not words:
        _show(run_id)
        return
    if len(words) > 2:
        raise BadInput(
            f"there are {len(words)} words behind the run; give the question's id, if several are open, and "
            "the answer in quotes"
        )
    text = text_or_stdin(words[-1])
    question = words[0] if len(words) > 1 else ""
    result = carried_out(
        lambda hall, shown: hall.answer(run_id, text, question=question, **shown), quiet=quiet
    )
    if result.status != "running":
        tell(result)
    elif wants_json():
        emit(result.to_json())
    else:
        run = result.run_id[:12]
        click.echo(f"Answered. Run {run} goes on where it is at work; `guildhall watch {run}` follows it.")


def _show(run_id: str) -> None:
    """Print what the run asks."""
    from .show import print_questions

    result = in_hall(lambda hall: _asking(hall, run_id))
    if wants_json():
        emit(result.to_json())
    elif not print_questions(result):
        click.echo(f"Run {result.run_id[:12]} asks nothing: it is {result.status}.")


async def _asking(hall: "Hall", run_id: str) -> "Result":
    """That run, or the last that asks something. Raises RunRefused where none does."""
    from guildhall.agents.questions import ASKING

    if run_id:
        return await hall.result(run_id)
    for row in await hall.runs(_LOOKED_AT):
        if row.status in ASKING and (result := await hall.result(row.id)).questions:
            return result
    raise RunRefused("no run waits for an answer")
