"""`guildhall run`, `guildhall ask` and `guildhall resume`."""

import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal

import click

from guildhall.errors import UserError
from guildhall.names import PATTERNS

from .frame import Interrupted, emit, ending, in_hall, json_option, say, wants_json
from .options import budget, budget_options, dry_option, run_options, task_options

if TYPE_CHECKING:
    from guildhall.agents.commission import RunOptions
    from guildhall.agents.hall import Hall
    from guildhall.agents.result import Result

    Work = Callable[[Hall, dict[str, Any]], Coroutine[Any, Any, Result]]

Command = Callable[..., Any]


def quiet_option(command: Command) -> Command:
    return click.option("-q", "--quiet", is_flag=True, help="Do not show the work while it goes on.")(command)


@click.command()
@click.argument("team")
@click.argument("task")
@task_options
@click.option(
    "-p", "--pattern", metavar="P", help=f"Have the members work together in this way: {', '.join(PATTERNS)}."
)
@budget_options
@dry_option
@quiet_option
@json_option
def run(*, team: str, task: str, quiet: bool, dry_run: bool, **options: Any) -> None:
    """Have a team work on a task.

    A task of "-" is read from stdin.

    \b
    guildhall run research "What are the risks?" --file contract.md
    guildhall run research "What are the risks?" --file contract.md --dry-run
    git diff | guildhall run review - --budget-usd 0.50
    """
    given, text = run_options(**options), text_or_stdin(task)
    if dry_run:
        _estimate(team, text, "team", given)
    else:
        carry_out(lambda hall, shown: hall.run_team(team, text, **given, **shown), quiet=quiet)


@click.command()
@click.argument("specialist")
@click.argument("task")
@task_options
@budget_options
@dry_option
@quiet_option
@json_option
def ask(*, specialist: str, task: str, quiet: bool, dry_run: bool, **options: Any) -> None:
    """Have one specialist work on a task.

    SPECIALIST is a name, or a role in words. A task of "-" is read from stdin.

    \b
    guildhall ask critic "What is wrong with this plan?" --file plan.md
    guildhall ask "a patent lawyer" "Is this new?" --private-file claims.md
    """
    given, text = run_options(**options), text_or_stdin(task)
    if dry_run:
        _estimate(specialist, text, "ask", given)
    else:
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
    most = budget(**limits)
    carry_out(lambda hall, shown: hall.resume(run_id, force=force, budget=most, **shown), quiet=quiet)


def carry_out(work: "Work", *, quiet: bool) -> None:
    """Show the work while it goes on, then its result; the exit code says whether there is an answer."""
    tell(carried_out(work, quiet=quiet))


def carried_out(work: "Work", *, quiet: bool) -> "Result":
    """What the work comes to; it is shown meanwhile, and asks the user where that is at a terminal."""
    from guildhall.view import View

    from .live import watched
    from .prompt import Prompt

    view, prompt = View(), Prompt.at_terminal()
    try:
        with watched(view, quiet=quiet, prompt=prompt) as sinks:
            shown = {"sinks": [view, *sinks], "on_text": view.text, "human": prompt}
            result = in_hall(lambda hall: work(hall, shown))
    except KeyboardInterrupt:
        ending()
        if not view.run_id:
            raise Interrupted("interrupted before anything was asked") from None
        result = in_hall(lambda hall: hall.result(view.run_id))
        if result.status != "done":  # else it was done just then
            _print(result)
            again = f"`guildhall resume {view.run_id[:12]}` goes on from what is paid for"
            raise Interrupted(f"the run is cancelled; {again}", printed=True) from None
    return result


def tell(result: "Result") -> None:
    """Print the result, and end the command if it is no answer."""
    from .show import why_no_answer

    _print(result)
    if result.status != "done":
        say(f"guildhall: {why_no_answer(result)}")
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


def _estimate(name: str, task: str, kind: Literal["team", "ask"], given: "RunOptions") -> None:
    """Say what the run would do and could cost."""
    from .show import print_estimate

    estimate = in_hall(lambda hall: hall.estimate(name, task, kind=kind, **given))
    if wants_json():
        emit(estimate.model_dump(mode="json"))
    else:
        print_estimate(estimate)


def _print(result: "Result") -> None:
    from .show import print_result

    if wants_json():
        emit(result.to_json())
    else:
        print_result(result)
