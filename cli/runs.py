"""`guildhall runs`, `guildhall watch` and `guildhall cancel`: the runs of every process of the user."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .frame import BadInput, Interrupted, emit, in_hall, json_option, wants_json
from .run import quiet_option, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guildhall.agents.event import Event
    from guildhall.agents.hall import Hall
    from guildhall.agents.result import Result
    from guildhall.agents.state import Sink
    from guildhall.memory.store.retention import Pruned
    from guildhall.memory.store.runs import RunRow

POLL = 0.25
"""Seconds between looks at a run of another process."""


@click.group(invoke_without_command=True)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most this many."
)
@json_option
@click.pass_context
def runs(ctx: click.Context, limit: int) -> None:
    """List runs, show one, or remove old ones.

    \b
    guildhall runs
    guildhall runs show 1f3a
    guildhall runs prune --dry-run
    """
    if ctx.invoked_subcommand is None:
        rows = in_hall(lambda hall: hall.runs(limit))
        if wants_json():
            emit({"runs": [_of(row) for row in rows]})
        else:
            _list(rows)


@runs.command("show")
@click.argument("run_id", default="", metavar="[ID]")
@click.option(
    "--why",
    "asked",
    metavar="EVENT",
    help="Show what led to an event: its number, or words of an answer in quotes.",
)
@json_option
def show(run_id: str, asked: str | None) -> None:
    """Show who said what in a run, with sources and costs.

    ID may be the beginning of one; without it, the newest run is meant. What stands there has its number
    behind it, such as #12, and --why walks back from there to what it rests on, and on to the task.

    \b
    guildhall runs show
    guildhall runs show 1f3a --json
    guildhall runs show 1f3a --why 12
    guildhall runs show 1f3a --why "The crane will be repaired in May"
    """

    async def work(hall: "Hall") -> "tuple[RunRow, Result, list[Event]]":
        row = await hall.find(run_id)
        return row, await hall.result(row.id), await hall.events(row.id)

    row, result, events = in_hall(work)
    if asked is not None:
        _tell_why(row, events, asked)
        return
    if wants_json():
        said = [event.model_dump(mode="json") for event in events]
        emit(
            result.to_json() | {"task": row.task, "started": row.started, "ended": row.ended, "events": said}
        )
        return
    from .show import print_result
    from .transcript import print_transcript

    print_transcript(row, events)
    print_result(result, contributions=False)


def _tell_why(row: "RunRow", events: "Sequence[Event]", asked: str) -> None:
    """Print what led to the event that is asked for, the newest first."""
    from guildhall.view.why import why

    from .transcript import print_chain

    spec = json.loads(row.spec)
    files = [file["name"] for file in spec.get("files", ())]
    chain = why(events, asked, files=[*files, *["context"] * bool(spec.get("context"))])
    if wants_json():
        emit({"run_id": row.id, "why": [link.to_json() for link in chain]})
    else:
        print_chain(chain)


@runs.command("prune")
@click.option("--older-than", type=float, metavar="DAYS", help="Remove runs that ended longer ago.")
@click.option(
    "--keep-megabytes", type=float, metavar="N", help="Remove the oldest until the rest takes no more."
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@json_option
def prune(older_than: float | None, keep_megabytes: float | None, dry_run: bool) -> None:
    """Remove old runs.

    A limit that is not given is that of the configuration: 90 days and 2,000 megabytes, if it says nothing.
    Runs at work stay, and so does what was remembered from any run.

    \b
    guildhall runs prune --dry-run
    guildhall runs prune --older-than 30 --keep-megabytes 500
    """
    for option, given in (("--older-than", older_than), ("--keep-megabytes", keep_megabytes)):
        if given is not None and not given >= 0:
            raise BadInput(f"{option} is {given}; it must be a number from 0 on")
    pruned = in_hall(lambda hall: hall.prune(days=older_than, megabytes=keep_megabytes, dry=dry_run))
    if wants_json():
        emit(asdict(pruned) | {"dry_run": dry_run})
    else:
        click.echo(_sentence(pruned, dry=dry_run))


def _sentence(pruned: "Pruned", *, dry: bool) -> str:
    stay = f"{pruned.kept:,} {'would stay' if dry else 'stays' if pruned.kept == 1 else 'stay'}"
    if not pruned.runs and not pruned.bytes:
        return f"Nothing to remove; of the runs, {stay}."
    what = f"{pruned.runs:,} run{'' if pruned.runs == 1 else 's'} ({_size(pruned.bytes)})"
    return f"{'Would remove' if dry else 'Removed'} {what}; {stay}."


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"


@click.command()
@click.argument("run_id", default="", metavar="[ID]")
@quiet_option
@json_option
def watch(run_id: str, quiet: bool) -> None:
    """Follow a run until it ends.

    It may be at work in any process of yours; its result is printed then. ID may be the beginning of one;
    without it, the newest run is meant.

    \b
    guildhall watch
    guildhall watch 1f3a
    """
    from guildhall.view import View

    from .live import watched

    view = View()
    try:
        with watched(view, quiet=quiet) as sinks:
            result = in_hall(lambda hall: _follow(hall, run_id, [view, *sinks]))
    except KeyboardInterrupt:
        again = f"; `guildhall watch {view.run_id[:12]}` shows it again" if view.run_id else ""
        raise Interrupted(f"no longer watching, the run goes on{again}") from None
    tell(result)


async def _follow(hall: "Hall", run_id: str, sinks: "Sequence[Sink]") -> "Result":
    last, run_id = 0, (await hall.find(run_id)).id
    while True:
        row = await hall.find(run_id)  # before its events, so that none is missed at the end
        for event in await hall.events(run_id, after=last):
            last = event.id
            for sink in sinks:
                sink(event)
        if row.status != "running":
            return await hall.result(run_id)
        await asyncio.sleep(POLL)


@click.command()
@click.argument("run_id", metavar="ID")
@json_option
def cancel(run_id: str) -> None:
    """End a run.

    It may be at work in any process of yours; `guildhall resume` can go on with it later. ID may be the
    beginning of one.

    \b
    guildhall cancel 1f3a
    """

    async def work(hall: "Hall") -> "tuple[str, RunRow]":
        was = (await hall.find(run_id)).status
        return was, await hall.cancel(run_id)

    was, row = in_hall(work)
    if wants_json():
        emit(_of(row) | {"was": was})
    elif was not in ("running", "interrupted", "needs_input"):
        click.echo(f"Run {row.id[:12]} had ended: {row.status}.")
    elif row.status == "running":
        click.echo(f"Run {row.id[:12]} has been asked to end, and is still at it; look again in a moment.")
    else:
        click.echo(f"Run {row.id[:12]} is {row.status}.")


def _of(row: "RunRow") -> dict[str, Any]:
    about = asdict(row)
    return {"run_id": about.pop("id")} | {
        name: about[name]
        for name in ("status", "kind", "team", "pattern", "task", "scope", "started", "ended", "answer")
    }


def _list(rows: "list[RunRow]") -> None:
    from guildhall.view.clean import one_line

    from .show import heading, moment

    for row in rows:
        click.echo(
            f"{heading(row.id[:12])}  {moment(row.started)}  {row.status:<11}  {one_line(row.team, 40)}"
            f"{f' ({row.pattern})' if row.pattern else ''}"
        )
        click.echo(f"  {one_line(row.task, 100)}")
    if not rows:
        click.echo('No run yet; `guildhall run research "..." --file notes.md` starts one.')
