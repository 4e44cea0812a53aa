"""`guildhall memory consolidate`: facts are made of many episodes."""

from typing import TYPE_CHECKING

import click

from .frame import Ended, emit, in_hall, json_option, wants_json

if TYPE_CHECKING:
    from guildhall.agents.consolidate import Consolidation
    from guildhall.agents.hall import Hall


@click.command()
@click.option(
    "--budget-usd", type=click.FloatRange(0, min_open=True), help="It may cost at most this many USD."
)
@click.option("--model", help="The model that writes: fast, balanced, strong, or provider:name.")
@click.option("--write", is_flag=True, help="Do it; without this, it is only shown what would be done.")
@json_option
def consolidate(budget_usd: float | None, model: str | None, write: bool) -> None:
    """Have a model make facts of what was remembered of many single runs.

    The facts link to the episodes that they were made of; nothing is taken away.

    \b
    guildhall memory consolidate
    guildhall memory consolidate --write --budget-usd 0.20
    """

    async def work(hall: "Hall") -> "Consolidation":
        from guildhall.agents.budget import Budget
        from guildhall.agents.consolidate import consolidate as begin

        return await begin(hall, write=write, budget=Budget(usd=budget_usd), model=model)

    done = in_hall(work)
    if wants_json():
        emit(_of(done))
    elif done.result is None:
        _would(done)
    else:
        _did(done)
    if done.result is not None and done.result.status != "done":
        raise Ended(done.result.error or "it was not done", code=done.result.status)


def _of(done: "Consolidation") -> dict[str, object]:
    shown: dict[str, object] = {
        "groups": [one.model_dump(mode="json") for one in done.groups], "model": done.model, "usd": done.usd,
    }  # fmt: skip
    if done.result is not None:
        shown |= {
            "run": done.result.run_id,
            "status": done.result.status,
            **done.made.model_dump(mode="json"),
        }
        shown["usd"] = done.result.usage.cost_usd
    return shown


def _would(done: "Consolidation") -> None:
    from guildhall.view.clean import one_line

    if not done.groups:
        click.echo("There are no episodes about the same of which facts could be made; nothing to do.")
        return
    for one in done.groups:
        click.echo(one_line(f"{len(one.episodes)} episodes, the newest: {one.says}"))
    cost = f"at most ${done.usd:.4f}" if done.usd is not None else "at a price that is not known"
    many = f"{len(done.groups)} group{'s' * (len(done.groups) != 1)}"
    click.echo(f"{done.model} would make facts of {many}, {cost}; nothing was done. --write does it.")


def _did(done: "Consolidation") -> None:
    from guildhall.view.clean import one_line

    from .show import heading

    assert done.result is not None, "it was done"
    for one in done.made.facts:
        known = " (known already)" if one.merged else ""
        click.echo(one_line(f"{heading(f'memory:{one.id[:8]}')}  {one.text}{known}"))
        click.echo(f"  of {', '.join(f'memory:{id_[:8]}' for id_ in one.sources)}")
        for other in one.conflicts:
            click.echo(f"  memory:{other[:8]} may say otherwise.")
    for why in done.made.failed:
        click.echo(one_line(f"not done: {why}"))
    if done.result.status != "done":
        return
    cost = done.result.usage.cost_usd
    many = f"{len(done.made.facts)} fact{'s' * (len(done.made.facts) != 1)}"
    click.echo(f"{many} of {len(done.groups)} groups, by {done.model}" + (f", ${cost:.4f}" if cost else ""))
