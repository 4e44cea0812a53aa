"""What `run` and `ask` can be told beside the task, as options, and what the hall makes of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from .frame import BadInput

if TYPE_CHECKING:
    from guildhall.agents.budget import Budget
    from guildhall.agents.commission import RunOptions
    from guildhall.agents.message import Attachment

Command = Callable[..., Any]
PREFERENCES = ("cost_sensitive", "speed_priority", "quality_priority")
CACHE_MODES = ("use", "refresh", "off")
_FILE = click.Path(exists=True, dir_okay=False)

preference_option = click.option(
    "--preference", type=click.Choice(PREFERENCES), help="What counts most where models are chosen."
)


def _all(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """The options as one decorator; help shows them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


budget_options = _all(
    click.option("--budget-usd", type=float, metavar="X", help="Spend at most X US dollars."),
    click.option("--max-calls", type=int, metavar="N", help="At most N calls of models."),
    click.option("--max-tokens", type=int, metavar="N", help="At most N tokens, input and output."),
    click.option("--max-seconds", type=float, metavar="N", help="Working time of at most N seconds."),
)

task_options = _all(
    click.option(
        "-f", "--file", "files", type=_FILE, multiple=True, help="Work from this file; may be repeated."
    ),
    click.option(
        "--private-file", "private_files", type=_FILE, multiple=True,
        help="Work from this file, which only models marked private may see; may be repeated.",
    ),
    click.option("--private", is_flag=True, help="Only models marked private may see any of it."),
    click.option("--model", metavar="M", help="The model of everybody: PROVIDER:NAME or a tier."),
    preference_option,
    click.option(
        "--cache", type=click.Choice(CACHE_MODES),
        help="Whether calls that were answered before are answered from the cache.",
    ),
    click.option(
        "--priority", type=int, default=0, metavar="N",
        help="Where limits make calls wait, those with a higher N go first; from -1000 to 1000.",
    ),
    click.option(
        "--continue", "continue_from", metavar="RUN",
        help="Go on from what was asked and answered in this run; the beginning of its id is enough, and "
        '"" is the newest.',
    ),
)  # fmt: skip

dry_option = click.option(
    "--dry-run", is_flag=True, help="Say what would be done and what it takes; call no model."
)


def run_options(
    *,
    files: Sequence[str],
    private_files: Sequence[str],
    private: bool,
    model: str | None,
    preference: Any,
    cache: Any,
    priority: int,
    continue_from: str | None,
    pattern: str | None = None,
    **limits: Any,
) -> "RunOptions":
    """What the options come to. Raises UserError where a private file or a limit cannot be used."""
    given: RunOptions = {
        "files": [*files, *_read_private(private_files)],
        "private": private,
        "model": model,
        "preference": preference,
        "cache": cache,
        "priority": priority,
        "continue_from": continue_from,
        "pattern": pattern,
        "budget": budget(**limits),
    }
    return given


def budget(
    *, budget_usd: float | None, max_calls: int | None, max_tokens: int | None, max_seconds: float | None
) -> "Budget | None":
    """The budget that the options ask for; None if they ask for none."""
    given = {"usd": budget_usd, "calls": max_calls, "tokens": max_tokens, "seconds": max_seconds}
    for unit, limit in given.items():
        if limit is not None and not 0 < limit < float("inf"):
            option = "--budget-usd" if unit == "usd" else f"--max-{unit}"
            raise BadInput(f"{option} is {limit}; it must be a number above 0")
    if all(limit is None for limit in given.values()):
        return None
    from guildhall.agents.budget import Budget

    return Budget(**given)  # type: ignore[arg-type]  # each by its own name


def _read_private(paths: Sequence[str]) -> "list[Attachment]":
    if not paths:
        return []
    from guildhall.agents.documents import read_files

    return [file.model_copy(update={"private": True}) for file in read_files(paths)]
