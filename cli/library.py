"""`guildhall teams` and `guildhall specialists`: who there is to be asked."""

from typing import TYPE_CHECKING, Any

import click

from guildhall.names import PATTERNS

from .frame import emit, in_hall, json_option, wants_json
from .options import preference_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guildhall.agents.config import Preference
    from guildhall.agents.discovery import Listed
    from guildhall.agents.hall import Hall
    from guildhall.agents.spec_types import TeamSpec

Entry = dict[str, Any]
_ELSEWHERE = {"name", "description", "pattern", "members", "models", "brief"}
"""The keys of a team's file that its page shows in places of their own."""


_explain_option = click.option(
    "--explain", is_flag=True,
    help="Tell what was made of the files for other assistants, what was left out, and why.",
)  # fmt: skip


@click.group(invoke_without_command=True)
@_explain_option
@json_option
@click.pass_context
def teams(ctx: click.Context, explain: bool) -> None:
    """List teams, or show one.

    Crews of CrewAI are among them.

    \b
    guildhall teams
    guildhall teams --explain
    guildhall teams show research
    """
    if ctx.invoked_subcommand is None:

        async def work(hall: "Hall") -> list[Entry]:
            return [_team(found) for found in hall.library.teams()]

        _explain("team") if explain else _list("teams", in_hall(work))


@teams.command("show")
@click.argument("name")
@click.option(
    "-p", "--pattern", metavar="P", help=f"As if its members worked in another way: {', '.join(PATTERNS)}."
)
@click.option("--model", help="As if the team were run with this model.")
@preference_option
@json_option
def show_team(name: str, pattern: str | None, model: str | None, preference: "Preference | None") -> None:
    """Show a team: its members, the model that each would use, and a drawing of how they work together.

    The drawing is mermaid, which Markdown viewers set.

    \b
    guildhall teams show research
    guildhall teams show research --preference cost_sensitive
    """

    async def work(hall: "Hall") -> Entry:
        from guildhall.agents.drawing import drawn

        built, spec = await hall.team(name, pattern=pattern, model=model, preference=preference)
        models = {agent.name: agent.models[0].name for agent in built.agents}
        library = hall.library.steady()
        people = library.resolve(name)
        people |= {seat: people[member] for seat, member in library.team(name).seats.items()}

        def file_of(who: str) -> Any:
            return people.get(who) or library.specialist(who)

        about = _team(next(found for found in library.teams() if found.name == name))
        return about | {
            "pattern": spec.pattern,
            "members": [_member(who, spec, file_of, models) for who in spec.everyone],
            "assignments": models,
            "settings": _settings(spec),
            "drawing": drawn(built.member, spec.pattern),
            "brief": spec.brief,
            "notices": list(dict.fromkeys(built.notices)),
        }

    _show(in_hall(work))


@click.group(invoke_without_command=True)
@_explain_option
@json_option
@click.pass_context
def specialists(ctx: click.Context, explain: bool) -> None:
    """List specialists, or show one.

    Agents of Claude Code, GitHub Copilot, Codex and CrewAI, and skills, are among them.

    \b
    guildhall specialists
    guildhall specialists --explain
    guildhall specialists show critic
    """
    if ctx.invoked_subcommand is None:

        async def work(hall: "Hall") -> list[Entry]:
            return [_specialist(found) for found in hall.library.specialists()]

        _explain("specialist") if explain else _list("specialists", in_hall(work))


@specialists.command("show")
@click.argument("name")
@json_option
def show_specialist(name: str) -> None:
    """Show a specialist: what it does, with which tools, and its instructions.

    \b
    guildhall specialists show critic
    """

    async def work(hall: "Hall") -> Entry:
        library = hall.library.steady()
        spec = library.specialist(name)
        about = _specialist(next(found for found in library.specialists() if found.name == name))
        notices = list(library.notices_for(name, kind="specialist"))
        return about | {"instructions": spec.instructions, "notices": notices}

    _show(in_hall(work))


def _found(found: "Listed[Any]") -> Entry:
    about: Entry = {"name": found.name, "origin": found.origin, "path": str(found.path)}
    description = found.spec.description if found.spec else ""
    return about | {"description": description, "error": str(found.error) if found.error else None}


def _member(name: str, team: Any, file_of: "Callable[[str], Any]", models: dict[str, str]) -> Entry:
    """What a team's page says of one who takes part; a team has members of its own."""
    spec = file_of(name)
    roles = [key for key, who in team.roles.items() if who == name]
    role = ", ".join(roles) or ("member" if name in team.members else "supervisor")
    about: Entry = {"name": name, "role": role, "description": spec.description}
    if hasattr(spec, "everyone"):
        return about | {
            "model": None,
            "members": [_member(who, spec, file_of, models) for who in spec.everyone],
        }
    return about | ({"model": None, "human": True} if spec.human else {"model": models.get(name)})


def _settings(spec: "TeamSpec") -> Entry:
    """How the members work together, as the file says it or the pattern does by itself."""
    from guildhall.agents.spec_types import TeamSpec

    own = type(spec).model_fields.keys() - TeamSpec.model_fields.keys() - {*spec.ROLES}
    shared = TeamSpec.model_fields.keys() - _ELSEWHERE
    given = spec.model_dump(mode="json", include=shared, exclude_defaults=True)
    given |= spec.model_dump(mode="json", include=own, exclude_none=True)
    return {key: value for key, value in given.items() if value not in ("", [], {})}


def _team(found: "Listed[Any]") -> Entry:
    spec = found.spec
    return _found(found) | {
        "pattern": spec.pattern if spec else "",
        "members": list(spec.everyone) if spec else [],
    }


def _specialist(found: "Listed[Any]") -> Entry:
    spec = found.spec
    about: Entry = {"model": spec.model if spec else None, "tools": list(spec.tools) if spec else []}
    return _found(found) | about | ({"human": True} if spec and spec.human else {})


def _explain(kind: str) -> None:
    from .explain import explained, print_explained

    async def work(hall: "Hall") -> tuple[list[Entry], "Path"]:
        return explained(hall.library, kind), hall.project

    entries, project = in_hall(work)
    print_explained(f"{kind}s", entries, project)


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
    if any(entry["origin"] not in ("project", "user", "built-in") for entry in entries):
        click.echo(f"`guildhall {what} --explain` tells what was made of files for other assistants.")


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
        for key, value in entry["settings"].items():
            _show_setting(key, value)
    elif entry.get("human"):
        click.echo("a human: you are asked, and the run waits for your answer")
    else:
        click.echo(f"model: {entry['model'] or 'balanced'} · tools: {', '.join(entry['tools']) or 'none'}")
    if body := entry.get("brief") or entry.get("instructions"):
        click.echo(f"\n{clean(body).strip()}")
    if drawing := entry.get("drawing"):
        click.echo(f"\n```mermaid\n{clean(drawing)}\n```")
    for notice in entry["notices"]:
        click.echo(f"\nNote: {clean(notice)}")


def _show_setting(key: str, value: Any) -> None:
    """One line; of a list of several keys each, such as steps, one for each."""
    from guildhall.view.clean import one_line

    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        click.echo(f"{key}:")
        for part in value:
            facts = (f"{name} {_plain(said)}" for name, said in part.items() if said)
            click.echo(f"  {one_line(' · '.join(facts))}")
    else:
        click.echo(f"{key}: {one_line(_plain(value))}")


def _plain(value: Any) -> str:
    """The value without brackets."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _show_members(members: list[Entry], margin: str) -> None:
    """Everybody with their model, those of a team below it."""
    from guildhall.view.clean import one_line

    for member in members:
        asks = member["model"] or ("you" if "human" in member else "team")
        facts = ", ".join(filter(None, [member["role"].removeprefix("member"), asks]))
        click.echo(f"{margin}{member['name']} ({facts})  {one_line(member['description'])}")
        _show_members(member.get("members", []), f"{margin}  ")
