"""`guildhall memory stats|audit|timeline|show|forget|export|import|backup|rebuild`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .frame import BadInput, emit, in_hall, json_option, say, wants_json
from .memory import A_TIME, source_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from guildhall.agents.hall import Hall
    from guildhall.memory.audit import Finding, Stats
    from guildhall.memory.backup import Imported
    from guildhall.memory.erase import Forgotten
    from guildhall.memory.records import Origin, Record
    from guildhall.memory.repair import Repaired


@click.command()
@json_option
def stats() -> None:
    """Say how much this project remembers.

    \b
    guildhall memory stats
    """

    async def work(hall: "Hall") -> "Stats":
        return await hall.memory.stats(scope=hall.scope)

    found = in_hall(work)
    if wants_json():
        emit(found.model_dump(mode="json"))
        return
    from .show import moment

    rows = {
        "records": f"{found.records:,}, of which {found.hold:,} hold now",
        "kinds": _counts(found.kinds),
        "status": _counts(found.status),
        "visibility": _counts(found.visibility),
        "subjects": f"{found.subjects:,}",
        "documents": f"{found.documents:,}",
        "vectors": _counts(found.vectors) or "none",
        "from, to": f"{moment(found.oldest)} - {moment(found.newest)}"
        if found.oldest and found.newest
        else "",
        "forgotten": f"{found.forgotten:,}, in all projects",
    }
    for name, text in rows.items():
        if text:
            click.echo(f"{name:<11} {text}")


@click.command()
@json_option
def audit() -> None:
    """Look for duplicates, conflicts, what is stale, secrets and junk; nothing is changed.

    \b
    guildhall memory audit
    """

    async def work(hall: "Hall") -> "list[Finding]":
        return await hall.memory.audit(scope=hall.scope)

    found = in_hall(work)
    if wants_json():
        emit({"findings": [one.model_dump(mode="json") for one in found]})
        return
    from guildhall.view.clean import one_line

    from .show import heading

    for one in found:
        ids = ", ".join(f"memory:{id_[:8]}" for id_ in one.ids[:6]) + (", ..." if len(one.ids) > 6 else "")
        click.echo(f"{heading(one.flaw)}  {ids}")
        click.echo(f"  {one_line(one.says)}\n  would: {one_line(one.would)}")
    click.echo(f"{len(found):,} finding{'s' * (len(found) != 1)}; nothing was changed.")


@click.command()
@click.argument("subject")
@json_option
def timeline(subject: str) -> None:
    """Tell all that was ever recorded of a subject, the oldest first.

    \b
    guildhall memory timeline db.engine
    """

    async def work(hall: "Hall") -> "list[Record]":
        return await hall.memory.timeline(subject, scope=hall.scope)

    records = in_hall(work)
    if not records:
        raise BadInput(f"nothing was ever recorded of {subject!r}; `guildhall recall` shows subjects")
    if wants_json():
        emit({"subject": subject, "records": [one.model_dump(mode="json") for one in records]})
        return
    from guildhall.view.clean import one_line

    from .show import heading, moment

    for one in records:
        status = one.status if one.status != "active" else "holds"
        until = f" until {moment(one.valid_to)}" if one.valid_to is not None else f", {status}"
        click.echo(f"{heading(one.label)}  from {moment(one.valid_from)}{until}")
        click.echo(f"  {one_line(one.text)}")


@click.command()
@click.argument("id_", metavar="ID")
@json_option
def show(id_: str) -> None:
    """Show all that is known of one record: its text, who said it, where it came from, what became of it.

    \b
    guildhall memory show 1f3a9c02
    """

    async def work(hall: "Hall") -> "tuple[Record | None, list[Origin]]":
        record = await hall.memory.get(id_.removeprefix("memory:"))
        return record, await hall.memory.origins(record.id) if record else []

    record, origins = in_hall(work)
    if record is None:
        raise BadInput(f"there is no memory {id_!r}, or several begin so; `guildhall recall` shows their ids")
    facts = record.model_dump(mode="json") | {"origins": [one.model_dump(mode="json") for one in origins]}
    if wants_json():
        emit(facts)
        return
    from guildhall.view.clean import clean, one_line

    from .show import heading, moment

    click.echo(heading(record.label))
    click.echo("".join(f"  {line}\n" for line in clean(record.text).splitlines()))
    times = ("valid_from", "valid_to", "recorded_at", "closed_at", "expires_at")
    for name, given in _flat(facts):
        text = moment(given) if name in times else str(given)
        click.echo(f"{name:<14} {one_line(text)}")


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--run", default="", help="All that a run has left, and the run itself.")
@click.option("--source", default="", help="All from a file, or from the files of a folder.")
@click.option(
    "--before",
    metavar=A_TIME,
    help="All recorded before that time, but for what matters most (importance above .8) or is pinned.",
)
@click.option("--dry-run", "dry", is_flag=True, help="Only say how much it would be.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def forget(ids: tuple[str, ...], *, run: str, source: str, before: str | None, dry: bool, yes: bool) -> None:
    """Erase records for good: their words, vectors, what was derived from them, and quotes in logs of runs.

    \b
    guildhall memory forget 1f3a9c02
    guildhall memory forget --source notes/old --dry-run
    """
    if wants_json() and not (yes or dry):
        raise BadInput("with --json nobody is asked: say --yes to erase for good, or --dry-run to look")
    from guildhall.memory.asked import moment as moment_of

    until = None if before is None else moment_of("--before", before)

    async def work(hall: "Hall", *, only_look: bool) -> "Forgotten":
        whole = (await hall.find(run)).id if run else ""
        return await hall.memory.forget(
            *ids, scope=hall.scope, run=whole, source=source_in(hall.project, source), before=until,
            dry=only_look,
        )  # fmt: skip

    if not dry:
        there = in_hall(lambda hall: work(hall, only_look=True))
        if not (there.records or run or (yes and before)):
            raise BadInput(
                "nothing of that is remembered in this project; `guildhall recall --recent` shows it"
            )
        question = f"Erase {_many(there)}{' and the run' if run else ''} for good?"
        if not yes and not confirmed(question, "--yes to erase for good, or --dry-run to look"):
            click.echo("Nothing was erased.")
            return
    done = in_hall(lambda hall: work(hall, only_look=dry))
    if wants_json():
        emit({"dry_run": dry, **vars(done)})
        return
    places = f", and what {done.places:,} entries of logs and other records said of it" if done.places else ""
    click.echo(f"{'Would erase' if dry else 'Erased'} {_many(done)}{places}.")
    if done.left:
        say(f"  {done.left}")


def confirmed(question: str, without: str) -> bool:
    """What the user says to the question. Where nobody is there, BadInput says what to say `without` it."""
    try:
        return click.confirm(question)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise BadInput(f"nobody can be asked here: say {without}") from None


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def export(path: Path) -> None:
    """Write this project's records to a new file: JSON lines, signed with your key.

    \b
    guildhall memory export records.jsonl
    """
    count = in_hall(lambda hall: hall.memory.export(path, scope=hall.scope))
    if wants_json():
        emit({"path": str(path), "records": count})
    else:
        click.echo(f"{count:,} record{'s' * (count != 1)} written to {path}.")


@click.command("import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--foreign", is_flag=True, help="Take what somebody else has exported, into quarantine.")
@json_option
def load(path: Path, foreign: bool) -> None:
    """Read an export into this project's memory; what was forgotten here stays so.

    \b
    guildhall memory import records.jsonl
    """

    async def work(hall: "Hall") -> "Imported":
        return await hall.memory.load(path, scope=hall.scope, foreign=foreign)

    done = in_hall(work)
    if wants_json():
        emit(vars(done))
        return
    click.echo(f"{done.new:,} new, {done.known:,} known or forgotten, {done.quarantined:,} in quarantine.")


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def backup(path: Path) -> None:
    """Copy the whole database to a new file: all projects, with the logs of runs.

    \b
    guildhall memory backup copy.db
    """
    made = in_hall(lambda hall: hall.memory.backup(path))
    if wants_json():
        emit({"path": str(made), "bytes": made.stat().st_size})
    else:
        click.echo(f"{made} has all of it, {made.stat().st_size:,} bytes, readable by you alone.")


@click.command()
@click.option("--fetch", is_flag=True, help="First fetch MiniLM, to find records by meaning (80 MB, once).")
@json_option
def rebuild(fetch: bool) -> None:
    """Check the database, and make anew what can be made of it; a damaged file gives what can be read.

    The damaged file is kept beside the new one.

    \b
    guildhall memory rebuild
    """
    from guildhall.errors import StoreError

    if fetch:
        from guildhall.memory.minilm import fetch_minilm

        say(f"MiniLM is in {fetch_minilm()}")
    try:
        done = in_hall(lambda hall: hall.memory.rebuild())
    except StoreError as error:
        if error.code != "memory_damaged":
            raise
        done = _rescued()
    if wants_json():
        emit(vars(done))
        return
    for problem in done.problems:
        click.echo(f"was wrong: {problem}")
    if done.moved:
        lost = f"; of {', '.join(done.lost)} not all could be read" if done.lost else ""
        click.echo(f"{done.rows:,} rows were saved{lost}. The damaged file is {done.moved}")
    click.echo("The full-text indexes are built anew; vectors are indexed as they are needed.")


def _rescued() -> "Repaired":
    from guildhall.home import data_folder
    from guildhall.memory.repair import rescued

    return rescued(data_folder() / "guildhall.db")


def _many(done: "Forgotten") -> str:
    derived = f", {done.derived:,} of them derived from the others" if done.derived else ""
    return f"{done.records:,} record{'s' * (done.records != 1)}{derived}"


def _counts(counts: "Mapping[str, int]") -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _flat(facts: dict[str, Any]) -> "Iterable[tuple[str, Any]]":
    """What there is, but for the text; of lists and tables what is in them."""
    for name, given in facts.items():
        if name in ("text", "id") or given in (None, "", [], {}, False, 0):
            continue
        if isinstance(given, dict):
            yield name, ", ".join(f"{key} {text}" for key, text in given.items() if text)
        elif isinstance(given, list):
            yield name, "; ".join(str(one) if not isinstance(one, dict) else _words(one) for one in given)
        else:
            yield name, given


def _words(table: dict[str, Any]) -> str:
    return ", ".join(
        f"{value}" for value in (*table.get("author", {}).values(), table.get("source")) if value
    )
