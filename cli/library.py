"""`guildhall teams` and `guildhall specialists`: who there is to be asked."""

from typing import TYPE_CHECKING, Any

import click

from .frame import emit, in_hall, json_option, wants_json
from .options import preference_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guildhall.agents.config import Preference
    from guildhall.agents.discovery import Listed
    from guildhall.agents.hall import Hall

Entry = dict[str, Any]


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def teams(ctx: click.Context) -> None:
    """List teams, or show one.

    \b
    guildhall teams
    guildhall teams show research
    """
    if ctx.invoked_subcommand is None:

        async def work(hall: "Hall") -> list[Entry]:
            return [_team(found) for found in hall.library.teams()]

        _list("teams", in_hall(work))


@teams.command("show")
@click.argument("name")
@click.option("--model", help="As if the team were run with this model.")
@preference_option
@json_option
def show_team(name: str, model: str | None, preference: "Preference | None") -> None:
    """Show a team: its members, and the model that each would use.

    \b
    guildhall teams show research
    guildhall teams show research --preference cost_sensitive
    """

    async def work(hall: "Hall") -> Entry:
        spec = hall.library.team(name)
        models = await hall.assignments(name, model=model, preference=preference)
        people = hall.library.resolve(name)
        about = _team(next(found for found in hall.library.teams() if found.name == name))
        about["members"] = [_member(who, spec, people, models) for who in spec.everyone]
        about["assignments"] = models
        return about | {"brief": spec.brief, "notices": list(hall.library.notices_for(name))}

    _show(in_hall(work))


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def specialists(ctx: click.Context) -> None:
    """List specialists, or show one.

    \b
    guildhall specialists
    guildhall specialists show critic
    """
    if ctx.invoked_subcommand is None:

        async def work(hall: "Hall") -> list[Entry]:
            return [_specialist(found) for found in hall.library.specialists()]

        _list("specialists", in_hall(work))


@specialists.command("show")
@click.argument("name")
@json_option
def show_specialist(name: str) -> None:
    """Show a specialist: what it does, with which tools, and its instructions.

    \b
    guildhall specialists show critic
    """

    async def work(hall: "Hall") -> Entry:
        spec = hall.library.specialist(name)
        about = _specialist(next(found for found in hall.library.specialists() if found.name == name))
        notices = list(hall.library.notices_for(name, kind="specialist"))
        return about | {"instructions": spec.instructions, "notices": notices}

    _show(in_hall(work))


def _found(found: "Listed[Any]") -> Entry:
    about: Entry = {"name": found.name, "origin": found.origin, "path": str(found.path)}
    description = found.spec.description if found.spec else ""
    return about | {"description": description, "error": str(found.error) if found.error else None}


def _member(name: str, team: Any, people: "Mapping[str, Any]", models: dict[str, str]) -> Entry:
    """What a team's page says of one who takes part; a team has members of its own."""
    spec = people[name]
    role = "synthesizer" if name == getattr(team, "synthesizer", None) else "member"
    about: Entry = {"name": name, "role": role, "description": spec.description}
    if hasattr(spec, "everyone"):
        return about | {
            "model": None,
            "members": [_member(who, spec, people, models) for who in spec.everyone],
        }
    return about | {"model": models.get(name)}


def _team(found: "Listed[Any]") -> Entry:
    spec = found.spec
    return _found(found) | {
        "pattern": spec.pattern if spec else "",
        "members": list(spec.everyone) if spec else [],
    }


def _specialist(found: "Listed[Any]") -> Entry:
    spec = found.spec
    return _found(found) | {"model": spec.model if spec else None, "tools": list(spec.tools) if spec else []}


def _list(what: str, entries: list[Entry]) -> None:
    from guildhall.view.clean import one_line

    from .show import heading

    if wants_json():
        emit({what: entries})
        return
    for entry in entries:
        facts = [entry["origin"], entry.get("pattern"), ", ".join(entry.get("members", ()))]
        click.echo(f"{heading(entry['name'])}  {one_line(' · '.join(filter(None, facts)))}")
        click.echo(f"  {one_line(entry['error'] or entry['description'])}")
    click.echo(f"\n`guildhall {what} show NAME` tells more.")


def _show(entry: Entry) -> None:
    from guildhall.view.clean import clean

    from .show import heading

    if wants_json():
        emit(entry)
        return
    click.echo(f"{heading(entry['name'])}  {entry['origin']} · {clean(entry['path'])}")
    click.echo(f"{clean(entry['description'])}\n")
    if "members" in entry:
        click.echo(heading(f"{entry['pattern']} of"))
        _show_members(entry["members"], "  ")
    else:
        click.echo(f"model: {entry['model'] or 'balanced'} · tools: {', '.join(entry['tools']) or 'none'}")
    if body := entry.get("brief") or entry.get("instructions"):
        click.echo(f"\n{clean(body).strip()}")
    for notice in entry["notices"]:
        click.echo(f"\nNote: {clean(notice)}")


def _show_members(members: list[Entry], margin: str) -> None:
    """Everybody with their model, those of a team below it."""
    from guildhall.view.clean import one_line

    for member in members:
        facts = ", ".join(filter(None, [member["role"].removeprefix("member"), member["model"] or "team"]))
        click.echo(f"{margin}{member['name']} ({facts})  {one_line(member['description'])}")
        _show_members(member.get("members", []), f"{margin}  ")
