"""`guildhall run`, `guildhall ask` and `guildhall resume`."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from guildhall.errors import UserError

from .frame import BadInput, Interrupted, emit, in_hall, json_option, wants_json

if TYPE_CHECKING:
    from guildhall.agents.budget import Budget
    from guildhall.agents.hall import Hall
    from guildhall.agents.result import Result

Command = Callable[..., Any]


def budget_options(command: Command) -> Command:
    for option in (
        click.option("--max-seconds", type=float, metavar="N", help="Working time of at most N seconds."),
        click.option("--max-tokens", type=int, metavar="N", help="At most N tokens, input and output."),
        click.option("--max-calls", type=int, metavar="N", help="At most N calls of models."),
        click.option("--budget-usd", type=float, metavar="X", help="Spend at most X US dollars."),
    ):
        command = option(command)
    return command


def task_options(command: Command) -> Command:
    file = click.Path(exists=True, dir_okay=False)
    for option in (
        click.option("--model", metavar="M", help="The model of everybody: PROVIDER:NAME or a tier."),
        click.option(
            "-f", "--file", "files", type=file, multiple=True, help="Work from this file; may be repeated."
        ),
    ):
        command = option(command)
    return command


def quiet_option(command: Command) -> Command:
    return click.option("-q", "--quiet", is_flag=True, help="Do not show the work while it goes on.")(command)


@click.command()
@click.argument("team")
@click.argument("task")
@task_options
@click.option(
    "--pattern", metavar="P", help="Have the members work together in this way: parallel, pipeline."
)
@budget_options
@quiet_option
@json_option
def run(
    *,
    team: str,
    task: str,
    files: tuple[str, ...],
    pattern: str | None,
    model: str | None,
    quiet: bool,
    **limits: Any,
) -> None:
    """Have a team work on a task.

    A task of "-" is read from stdin.

    \b
    guildhall run research "What are the risks?" --file contract.md
    git diff | guildhall run review - --budget-usd 0.50
    """
    given: dict[str, Any] = {"files": files, "model": model, "budget": _budget(**limits), "pattern": pattern}
    text = text_or_stdin(task)
    carry_out(lambda hall, shown: hall.run_team(team, text, **given, **shown), quiet=quiet)


@click.command()
@click.argument("specialist")
@click.argument("task")
@task_options
@budget_options
@quiet_option
@json_option
def ask(
    *, specialist: str, task: str, files: tuple[str, ...], model: str | None, quiet: bool, **limits: Any
) -> None:
    """Have one specialist work on a task.

    SPECIALIST is a name, or a role in words. A task of "-" is read from stdin.

    \b
    guildhall ask critic "What is wrong with this plan?" --file plan.md
    guildhall ask "a patent lawyer" "Is this new?" --file claims.md
    """
    given: dict[str, Any] = {"files": files, "model": model, "budget": _budget(**limits)}
    text = text_or_stdin(task)
    carry_out(lambda hall, shown: hall.ask(specialist, text, **given, **shown), quiet=quiet)


@click.command()
@click.argument("run_id", default="", metavar="[ID]")
@click.option("--force", is_flag=True, help="Also when the team's files have changed since.")
@budget_options
@quiet_option
@json_option
def resume(run_id: str, force: bool, quiet: bool, **limits: Any) -> None:
    """Go on with a run that was cut short.

    What was paid for is not paid again. ID may be the beginning of one; without it, the newest run is meant.

    \b
    guildhall resume
    guildhall resume 1f3a --max-calls 40
    """
    budget = _budget(**limits)
    carry_out(lambda hall, shown: hall.resume(run_id, force=force, budget=budget, **shown), quiet=quiet)


Work = Callable[["Hall", dict[str, Any]], Coroutine[Any, Any, "Result"]]


def carry_out(work: Work, *, quiet: bool) -> None:
    """Show the work while it goes on, then its result; the exit code says whether there is an answer."""
    from guildhall.view import View

    from .live import watched

    view = View()
    try:
        with watched(view, quiet=quiet) as sinks:
            shown = {"sinks": [view, *sinks], "on_text": view.text}
            result = in_hall(lambda hall: work(hall, shown))
    except (KeyboardInterrupt, asyncio.CancelledError):
        if wants_json() and view.run_id:
            emit(in_hall(lambda hall: hall.result(view.run_id)).to_json())
            click.echo(f"guildhall: {_cancelled(view.run_id).message}", err=True)
            raise click.exceptions.Exit(Interrupted.exit_code) from None
        raise _cancelled(view.run_id) from None
    tell(result)


def tell(result: "Result") -> None:
    """Print the result, and end the command if it is no answer."""
    from .show import print_result, why_no_answer

    if wants_json():
        emit(result.to_json())
    else:
        print_result(result)
    if result.status != "done":
        click.echo(f"guildhall: {why_no_answer(result)}", err=True)
        raise click.exceptions.Exit(1)


def text_or_stdin(text: str) -> str:
    """The text, or what stdin says where it is "-". Raises UserError where it is not UTF-8."""
    try:
        if text == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        return text.encode().decode()
    except UnicodeError as error:
        where = "stdin" if text == "-" else "the text"
        raise UserError(f"{where} is not UTF-8: {error}; convert it first") from None


def _cancelled(run_id: str) -> Interrupted:
    if not run_id:
        return Interrupted("interrupted before anything was asked")
    return Interrupted(
        f"the run is cancelled; `guildhall resume {run_id[:12]}` goes on from what is paid for"
    )


def _budget(
    *, budget_usd: float | None, max_calls: int | None, max_tokens: int | None, max_seconds: float | None
) -> "Budget | None":
    given = {"usd": budget_usd, "calls": max_calls, "tokens": max_tokens, "seconds": max_seconds}
    if all(limit is None for limit in given.values()):
        return None
    from pydantic import ValidationError

    from guildhall.agents.budget import Budget

    try:
        return Budget(**given)  # type: ignore[arg-type]  # pydantic checks each
    except ValidationError as error:
        unit = str(error.errors()[0]["loc"][0])
        option = "--budget-usd" if unit == "usd" else f"--max-{unit}"
        raise BadInput(f"{option} is {given[unit]}; it must be a number above 0") from None
