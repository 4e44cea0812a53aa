"""`guildhall recall` and `guildhall remember`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guildhall.names import KINDS

from .frame import emit, in_hall, json_option, wants_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guildhall.agents.hall import Hall
    from guildhall.memory.records import Found, Hit, Remembered

A_TIME = "DATE"
"""What stands for a date, or a date with a time, in the help."""


@click.command()
@click.argument("words", nargs=-1)
@click.option(
    "--limit", type=click.IntRange(1, 200), default=10, show_default=True, help="At most this many."
)
@click.option(
    "--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only this kind; may be repeated."
)
@click.option("--agent", default="", help="Only what this one said.")
@click.option("--model", default="", help="Only what was said on this model.")
@click.option("--run", default="", help="Only what this run left.")
@click.option("--source", default="", help="Only from this file, or the files of this folder.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be repeated.")
@click.option("--since", metavar=A_TIME, help="Only what was recorded from then on.")
@click.option("--until", metavar=A_TIME, help="Only what was recorded until then, that day included.")
@click.option("--as-of", metavar=A_TIME, help="What held then, at the end of that day, in place of now.")
@click.option("--known-at", metavar=A_TIME, help="As far as it was known then, at the end of that day.")
@click.option("--min-trust", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="From 0 to 1.")
@click.option("--per-source", type=click.IntRange(1), help="At most this many from one source.")
@click.option("--tokens", type=click.IntRange(1), help="As much as fits into so many tokens.")
@click.option("--recent", is_flag=True, help="The newest first; without words, the newest there are.")
@click.option("--explain", is_flag=True, help="Say how it was found, and what each score is made of.")
@json_option
def recall(words: tuple[str, ...], *, explain: bool, recent: bool, source: str, **given: Any) -> None:
    """Search what this project remembers.

    \b
    guildhall recall database engine
    guildhall recall database engine --as-of 2026-03-01
    """
    query = " ".join(words)
    if not (words or recent):
        raise click.UsageError("say what to look for, or --recent for the newest")
    from guildhall.memory.asked import asked

    narrowed = asked(given)

    async def work(hall: "Hall") -> "Found":
        place = source_in(hall.project, source)
        return await hall.search(query, sort="recent" if recent else "best", source=place, **narrowed)

    found = in_hall(work)
    if wants_json():
        how = {"served": found.served, "why": found.why} if explain else {}
        emit({"query": query, **how, "hits": [_of(hit, explain=explain) for hit in found.hits]})
        return
    if explain:
        from guildhall.view.recalled import served

        click.echo(served(found))
    if found.hits:
        _show(found.hits, explain=explain)
    else:
        click.echo('Nothing is remembered of that here; `guildhall remember "..."` adds something.')


def source_in(project: Path, given: str) -> str:
    """How memory calls a source: a path of this machine by its place in the project, all else as it is."""
    if not given or not (Path(given).exists() or given.startswith(("/", "./", "../"))):
        return given
    from guildhall.memory.ingest.sync import source_of

    return source_of(Path(os.path.realpath(given)), Path(os.path.realpath(project)))


def _of(hit: "Hit", *, explain: bool) -> dict[str, Any]:
    parts = {"parts": {name: round(part, 6) for name, part in hit.parts.items()}} if explain else {}
    return {
        "score": round(hit.score, 6),
        "label": hit.record.label,
        **parts,
        "doubted_by": hit.doubted_by,
        "outweighed_by": hit.outweighed_by,
        **hit.record.model_dump(mode="json"),
    }


def _show(hits: "Sequence[Hit]", *, explain: bool) -> None:
    from guildhall.view.clean import clean, one_line
    from guildhall.view.recalled import doubts, score

    from .show import heading, moment

    for hit in hits:
        record = hit.record
        who = " on ".join(filter(None, (record.author.agent, record.author.model)))
        private = "private" if record.private else ""
        name = record.id[:8] if record.kind == "document" else ""
        facts = [record.kind, name, private, record.subject, who, record.source, moment(record.recorded_at)]
        click.echo(f"{heading(record.label)}  {one_line(' · '.join(filter(None, facts)))}")
        if explain:
            click.echo(f"  {score(hit)}")
        click.echo("".join(f"  {line}\n" for line in clean(record.text).splitlines()))
    for doubt in doubts(hits):
        click.echo(doubt)


@click.command()
@click.argument("text")
@click.option("--kind", type=click.Choice(KINDS[:-1]), default="fact", show_default=True, help="What it is.")
@click.option("--subject", help="What it is about; it takes the place of the older one with this subject.")
@click.option("--tag", "tags", multiple=True, help="A word of your own to find it by; may be repeated.")
@click.option("--from", "since", metavar=A_TIME, help="When it began to hold, if not now.")
@click.option("--importance", type=click.FloatRange(0, 1), help="Above .8 it is never left out or pruned.")
@click.option("--everywhere", is_flag=True, help="For all projects of yours, not for this one alone.")
@click.option("--private", is_flag=True, help="Only models marked private may be shown it.")
@json_option
def remember(text: str, *, since: str | None, everywhere: bool, private: bool, **given: Any) -> None:
    """Remember a text for this project.

    A text of "-" is read from stdin.

    \b
    guildhall remember "We use PostgreSQL 17" --kind decision --subject db.engine
    """
    from guildhall.memory.asked import moment
    from guildhall.memory.records import Author

    from .run import text_or_stdin

    body = text_or_stdin(text)
    valid_from = None if since is None else moment("--from", since)

    async def work(hall: "Hall") -> "Remembered":
        visibility = "user" if everywhere else "project"
        return await hall.remember(
            body,
            visibility=visibility,
            private=private,
            valid_from=valid_from,
            author=Author(host="shell"),
            **given,
        )

    kept = in_hall(work)
    if wants_json():
        emit(kept.model_dump(mode="json"))
        return
    from guildhall.memory.records import named
    from guildhall.view.recalled import conflicts

    label = named(kept.id)
    how = ", for models marked private alone" if private else ""
    click.echo(f"{label} says that already." if kept.merged else f"Remembered as {label}{how}.")
    if kept.superseded:
        click.echo(f"It takes the place of {named(kept.superseded)}.")
    for conflict in conflicts(kept):
        click.echo(conflict)
