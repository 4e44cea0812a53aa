"""`guildhall init`: have assistants start the server."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guildhall import hosts
from guildhall.errors import GuildhallError, describe
from guildhall.hosts import HOSTS, Host

from .frame import BadInput, Ended, emit, json_option, say, wants_json

if TYPE_CHECKING:
    from .configs.plans import Plan

_LONGEST = 320
"""Characters of a line that are shown."""
_QUESTION = {"add": "Add it?", "update": "Change it?", "remove": "Remove it?"}
_WOULD = {"add": "would be added", "update": "would be updated", "remove": "would be removed"}


@click.command()
@click.option(
    "--host",
    "named",
    type=click.Choice(hosts.NAMES),
    multiple=True,
    help="This assistant, whether it is found or not; may be repeated.",
)
@click.option("--project", is_flag=True, help="Write the project's file instead of yours.")
@click.option("--remove", is_flag=True, help="Take out what was added.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--keys",
    type=click.Choice(["references", "none"]),
    help="Whether files refer to the variables that are set here. Their values are never written.",
)
@click.option("--uvx", is_flag=True, help="Have uvx start the server, even where it is installed.")
@click.option(
    "--fetch-embedder",
    is_flag=True,
    help="Also fetch MiniLM, which finds memories by meaning on this machine (80 MB, once).",
)
@json_option
def init(
    *,
    named: tuple[str, ...],
    project: bool,
    remove: bool,
    dry_run: bool,
    yes: bool,
    keys: str | None,
    uvx: bool,
    fetch_embedder: bool,
) -> None:
    """Have your assistants start Guildhall: Claude Desktop, Claude Code, VS Code, Cursor and others.

    For each one that is found here it shows what changes in its file, asks, keeps the file from before, and
    leaves all else in it as it is.

    \b
    guildhall init
    guildhall init --host cursor --dry-run
    guildhall init --project --host vscode
    guildhall init --remove
    """
    from guildhall.home import data_folder, project_folder

    from .configs.command import lacking, server_command
    from .configs.files import Steps
    from .configs.plans import DONE, Plan, Wanted, carry_out, planned

    if wants_json() and not (yes or dry_run):
        raise BadInput("with --json nobody is asked: give --yes, or --dry-run to change nothing")
    command = hosts.UVX if uvx else server_command()
    steps, root = Steps(data_folder()), project_folder() if project else None
    chosen = _chosen(named, root, remove=remove)
    found = _set_here()
    plain = {name: value for name, value in found.items() if name in hosts.SETTINGS}

    def all_planned(variables: dict[str, str]) -> list[Plan]:
        wanted = Wanted(command, variables, remove, project, asks=variables is found)
        return [planned(host, path, wanted, steps) for host, path in chosen]

    plans = all_planned(plain if keys == "none" else found)
    asks = not (keys or remove or yes or dry_run)
    if asks and len(plain) < len(found) and any(plan.status in DONE for plan in plans):
        names = ", ".join(name for name in found if name not in plain)
        say(f"Set here: {names}. Assistants do not pass these on by themselves.")
        if not _agreed("Have their files refer to them? No key is written into a file."):
            plans = all_planned(plain)
    for plan in (plan for plan in plans if plan.status in DONE):
        _show(plan)
        if dry_run:
            continue
        if yes or _agreed(_QUESTION[plan.status]):
            carry_out(plan, steps)
        else:
            plan.status = "declined"
    notices = [] if remove else _notices(command, lacking(command), shared=project)
    is_new = any(plan.status == "added" for plan in plans)
    notices += ["MiniLM would be fetched"] * (dry_run and fetch_embedder)
    offer = is_new and not yes and sys.stdin.isatty()
    fetched, failed = ("", "") if dry_run else _embedder(fetch_embedder, offer=offer)
    notices += [f"MiniLM was not fetched: {failed}"] * bool(failed)
    if wants_json():
        rows = [_report(plan) for plan in plans]
        notes = {"notices": notices, "embedder": fetched}
        emit({"command": list(command), "dry_run": dry_run, "hosts": rows, **notes})
    else:
        _tell(plans, notices, fetched, remove=remove)
    if failed or any(plan.status == "refused" for plan in plans):
        raise click.exceptions.Exit(1)


def _chosen(named: Sequence[str], project: Path | None, *, remove: bool) -> list[tuple[Host, Path]]:
    """The hosts to look at, each with its file. Raises BadInput and Ended."""
    folders = hosts.folders(os.environ, Path.home())
    chosen: list[tuple[Host, Path]] = []
    for host in HOSTS:
        if named and host.name not in named:
            continue
        if project is not None and not host.project:
            if named:
                raise BadInput(f"{host.title} has no file in projects: leave --project out")
            continue
        mine = hosts.user_file(host, folders, sys.platform)
        path = mine if project is None else project / host.project
        if named or _is_here(host, mine, folders) or (remove and path.exists()):
            chosen.append((host, path.absolute()))
    if not chosen and not remove:
        known = ", ".join(f"{host.title} ({host.name})" for host in HOSTS)
        raise Ended(
            f"no assistant was found here; --host configures one by its name: {known}", code="no_host"
        )
    return chosen


def _is_here(host: Host, path: Path, folders: Mapping[str, str]) -> bool:
    own = str(path.parent) != folders["home"]  # its folder tells nothing if it is everybody's
    signs = [*(Path(sign.format_map(folders)) for sign in host.signs), path, *([path.parent] if own else [])]
    return any(sign.exists() for sign in signs) or any(map(shutil.which, host.commands))


def _set_here() -> dict[str, str]:
    """The variables that are set here; folders so that hosts find them, which start the server elsewhere."""
    from guildhall.home import data_folder, project_folder

    found = {name: value for name in hosts.VARIABLES if (value := os.environ.get(name, "").strip())}
    for name, folder in (("GUILDHALL_HOME", data_folder), ("GUILDHALL_PROJECT", project_folder)):
        if name in found:
            found[name] = str(folder())
    return found


def _embedder(asked: bool, *, offer: bool) -> tuple[str, str]:
    """Where the embedder's file is if it was fetched, and why it was not: files are told of nevertheless."""
    from guildhall.memory.minilm import MiniLM, fetch_minilm

    if not asked and offer and "fetch" in MiniLM.lacking():
        say("\nMemories are found by their words. With MiniLM (80 MB, once) they are found by meaning, too.")
        asked = _agreed("Fetch it?", default=False)
    if not asked:
        return "", ""
    say("fetching MiniLM")
    try:
        return str(fetch_minilm()), ""
    except GuildhallError as error:
        return "", describe(error)


def _agreed(question: str, *, default: bool = True) -> bool:
    try:
        return click.confirm(question, default=default, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise BadInput("nobody answered: give --yes, or --dry-run to change nothing") from None


def _show(plan: "Plan") -> None:
    from guildhall.view.clean import clean

    from .show import heading

    if wants_json():
        return
    click.echo(heading(f"\n{plan.host.title}"))
    for line in plan.diff:
        style = {"+": "green", "-": "red"}.get(line[0]) if not line.startswith("---") else None
        shown = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
        click.echo(click.style(clean(shown), fg=style))


def _notices(command: tuple[str, ...], lacking: str, *, shared: bool) -> list[str]:
    mine = "the file names a place on this machine; --uvx writes what works for others, too"
    return [*([lacking] if lacking else []), *([mine] if shared and command != hosts.UVX else [])]


def _report(plan: "Plan") -> dict[str, Any]:
    return {
        "host": plan.host.name,
        "title": plan.host.title,
        "file": str(plan.path),
        "status": plan.status,
        "why": plan.why,
        "diff": "\n".join(plan.diff),
        "backup": plan.backup,
        "missing_variables": plan.missing,
        "then": plan.then,
    }


def _tell(plans: "Sequence[Plan]", notices: Sequence[str], fetched: str, *, remove: bool) -> None:
    """What came of it, and what is left to do."""
    click.echo("")
    if all(plan.status == "unchanged" for plan in plans):
        click.echo("Nothing is to be done.")
    for plan in plans:
        click.echo(_line(plan, remove=remove))
    for notice in notices:
        say(f"Note: {notice}")
    if fetched:
        click.echo(f"MiniLM is in {fetched}")


def _line(plan: "Plan", *, remove: bool) -> str:
    title, path, status = plan.host.title, plan.path, plan.status
    if status == "refused":
        return f"{title}: {path} is left as it is: {plan.why}"
    if status == "declined":
        return f"{title}: left as it is"
    if status == "unchanged":
        return f"{title}: {'not there' if remove else 'it is there already'} ({path})"
    if status in _WOULD:
        return f"{title}: {_WOULD[status]} ({path})"
    kept = f"; the file from before is {plan.backup}" if plan.backup else ""
    then = f"\n  Next: {plan.then}." if plan.then and status != "removed" else ""
    if plan.missing and status != "removed":
        then += (
            f"\n  It passes nothing on: put {', '.join(plan.missing)} into `env` of the entry there yourself."
        )
    where = {"added": "to", "removed": "from"}.get(status, "in")
    return f"{title}: {status} {where} {path}{kept}{then}"
