"""`guildhall recall` and `guildhall remember`."""

from typing import TYPE_CHECKING, Any

import click

from .frame import emit, in_hall, json_option, wants_json

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall
    from guildhall.memory.records import Hit, Kind, Remembered

KINDS = ("fact", "decision", "procedure", "preference", "episode", "summary")


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--limit", type=click.IntRange(1, 200), default=10, show_default=True, help="At most this many."
)
@click.option("--kind", type=click.Choice(KINDS), multiple=True, help="Only this kind; may be repeated.")
@json_option
def recall(words: tuple[str, ...], limit: int, kind: tuple["Kind", ...]) -> None:
    """Search what this project remembers.

    \b
    guildhall recall database engine
    """
    query = " ".join(words)

    async def work(hall: "Hall") -> "list[Hit]":
        return await hall.recall(query, limit=limit, kinds=kind)

    hits = in_hall(work)
    if wants_json():
        emit({"query": query, "hits": [_of(hit) for hit in hits]})
    elif not hits:
        click.echo('Nothing is remembered of that here; `guildhall remember "..."` adds something.')
    else:
        _show(hits)


def _of(hit: "Hit") -> dict[str, Any]:
    return {"score": round(hit.score, 6), "label": hit.record.label, **hit.record.model_dump(mode="json")}


def _show(hits: "list[Hit]") -> None:
    from guildhall.view.clean import clean, one_line

    from .show import heading, moment

    for hit in hits:
        record = hit.record
        who = " on ".join(filter(None, (record.author.agent, record.author.model)))
        private = "private" if record.private else ""
        facts = [record.kind, private, record.subject, who, record.source, moment(record.recorded_at)]
        click.echo(f"{heading(record.label)}  {one_line(' · '.join(filter(None, facts)))}")
        click.echo("".join(f"  {line}\n" for line in clean(record.text).splitlines()))


@click.command()
@click.argument("text")
@click.option("--kind", type=click.Choice(KINDS), default="fact", show_default=True, help="What it is.")
@click.option("--subject", help="What it is about; it takes the place of the older one with this subject.")
@click.option("--private", is_flag=True, help="Only models marked private may be shown it.")
@json_option
def remember(text: str, kind: "Kind", subject: str | None, private: bool) -> None:
    """Remember a text for this project.

    A text of "-" is read from stdin.

    \b
    guildhall remember "We use PostgreSQL 17" --kind decision --subject db.engine
    """
    from guildhall.memory.records import Author

    from .run import text_or_stdin

    body = text_or_stdin(text)

    async def work(hall: "Hall") -> "Remembered":
        author = Author(host="shell")
        return await hall.remember(body, kind=kind, subject=subject, author=author, private=private)

    kept = in_hall(work)
    if wants_json():
        emit(kept.model_dump(mode="json"))
        return
    label = f"memory:{kept.id[:8]}"
    how = ", for models marked private alone" if private else ""
    click.echo(f"{label} says that already." if kept.merged else f"Remembered as {label}{how}.")
    if kept.superseded:
        click.echo(f"It takes the place of memory:{kept.superseded[:8]}.")
    for other in kept.conflicts:
        click.echo(f"memory:{other[:8]} may say otherwise.")
