"""`guildhall memory settle|promote`: what a person decides of single records."""

from typing import TYPE_CHECKING

import click

from .frame import BadInput, emit, in_hall, json_option, wants_json
from .keeping import confirmed

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall
    from guildhall.memory.records import Record, Remembered, Visibility
    from guildhall.memory.settling import Settlement

HOW = {
    "supersede": "holds from now on in place of",
    "coexist": "holds beside",
    "duplicate": "gives way to its double,",
    "retract": "holds; it was wrong what was said by",
}
_READERS = ("team", "project", "user")


@click.command()
@click.argument("id_", metavar="ID")
@click.argument("other")
@click.argument("how", type=click.Choice(list(HOW)))
@json_option
def settle(id_: str, other: str, how: "Settlement") -> None:
    """Settle a conflict: ID supersedes the OTHER, coexists with it, is its duplicate, or has it retracted.

    \b
    guildhall memory settle 1f3a9c02 77ab01c4 supersede
    """

    async def work(hall: "Hall") -> "Record":
        return await hall.memory.settle(id_, other, how, scope=hall.scope)

    record = in_hall(work)
    if wants_json():
        emit(record.model_dump(mode="json"))
        return
    click.echo(f"{record.label} {HOW[how]} memory:{other.removeprefix('memory:')[:8]}.")


@click.command()
@click.argument("id_", metavar="ID")
@click.argument("to", type=click.Choice(_READERS))
@click.option("--team", default="", help="The team, where it is for one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def promote(id_: str, to: "Visibility", *, team: str, yes: bool) -> None:
    """Show a record to more: to a team, to all of the project, or to all projects of yours.

    \b
    guildhall memory promote 1f3a9c02 project
    """
    if wants_json() and not yes:
        raise BadInput("with --json nobody is asked: say --yes to promote it")

    async def look(hall: "Hall") -> "Record | None":
        return await hall.memory.get(id_.removeprefix("memory:"), scope=hall.scope)

    async def work(hall: "Hall") -> "Remembered":
        return await hall.memory.promote(id_, to, team=team, scope=hall.scope)

    if not yes and (record := in_hall(look)) is not None:
        from guildhall.view.clean import clean

        whose = {"team": f"the team {team}", "project": "all of the project", "user": "all your projects"}
        click.echo(clean(record.text))
        if not confirmed(f"From now on, {whose[to]} may recall this. Promote it?", "--yes to promote it"):
            click.echo("Nothing was promoted.")
            return
    kept = in_hall(work)
    if wants_json():
        emit(kept.model_dump(mode="json"))
        return
    click.echo(f"Promoted, as memory:{kept.id[:8]}.")
