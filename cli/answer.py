"""`guildhall answer`: what a run has asked the user, answered from any shell."""

import click

from .frame import BadInput, emit, json_option, wants_json
from .run import carried_out, quiet_option, tell, text_or_stdin


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("words", metavar="[QUESTION] TEXT", nargs=-1, required=True)
@quiet_option
@json_option
def answer(run_id: str, words: tuple[str, ...], quiet: bool) -> None:
    """Answer what a run asks you.

    The run then goes on from what is paid for, and its result is printed. RUN and QUESTION may be the
    beginning of an id; the question can be left out where one is open, and a RUN of "" is the last that
    asked. A text of "-" is read from stdin.

    \b
    guildhall answer 1f3a yes
    guildhall answer 1f3a 9c02 "Only with a limit of 500 euros."
    """
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
