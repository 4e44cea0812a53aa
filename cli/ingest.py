"""`guildhall memory ingest`: documents are read into the project's memory, and kept as they are on disk."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .frame import Ended, emit, in_hall, json_option, say, wants_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from guildhall.agents.hall import Hall
    from guildhall.memory.ingest.sync import Ingested, Progress

EVERY = 100
"""Files between two lines of progress, where stderr is no terminal."""


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER|FILE...")
@click.option("--watch", is_flag=True, help="Go on, and read what changes as it changes, until Ctrl-C.")
@click.option("--private/--public", default=None, help="Whether only models marked private may be shown it.")
@click.option("--again", is_flag=True, help="Read all files, also those that have not changed.")
@json_option
def ingest(paths: tuple[str, ...], watch: bool, private: bool | None, again: bool) -> None:
    """Read documents into this project's memory, from which they are recalled and cited.

    Text, Markdown, code, HTML, PDF, DOCX, CSV, spreadsheets, notebooks and mails. Files that have not changed
    are left as they are, and those that are gone leave the memory too. What .gitignore and .guildhallignore
    name is not read, nor are hidden files and secrets.

    \b
    guildhall memory ingest docs
    guildhall memory ingest papers --watch
    """
    shown, said = _Shown(), set[str]()

    async def once(hall: "Hall", path: str) -> "Ingested":
        from guildhall.memory.records import Author

        new = path not in said  # later on, what is said of a part of it meanwhile stands
        said.add(path)
        return await hall.memory.ingest(
            path, scope=hall.scope, project=hall.project, author=Author(host="shell"),
            private=private if new else None, again=again, on_progress=shown.progress,
        )  # fmt: skip

    async def work(hall: "Hall") -> "list[Ingested]":
        if watch:
            await _watch([Path(path) for path in paths], lambda path: once(hall, str(path)), shown)
        return [await once(hall, path) for path in paths]

    done = in_hall(work)
    shown.clear()
    if wants_json():
        emit({"ingested": [{"path": path, **_of(one)} for path, one in zip(paths, done, strict=True)]})
    else:
        for path, one in zip(paths, done, strict=True):
            _tell(path, one)
    if any(Path(path).is_file() and one.problems for path, one in zip(paths, done, strict=True)):
        raise Ended("a file that was named could not be read, or not all of it", code="unreadable")


async def _watch(paths: list[Path], once: "Callable[[Path], Awaitable[Ingested]]", shown: "_Shown") -> None:
    """Tell of each change, until the task is cancelled."""
    import asyncio

    from guildhall.memory.ingest.watch import watched

    async def follow(path: Path) -> None:
        async for done in watched(path, lambda: once(path)):
            shown.clear()
            if wants_json():
                emit({"path": str(path), **_of(done)})
            else:
                _tell(str(path), done)

    try:
        async with asyncio.TaskGroup() as group:
            for path in paths:
                group.create_task(follow(path))
    except ExceptionGroup as error:
        raise error.exceptions[0] from None


def _of(done: "Ingested") -> dict[str, Any]:
    return done.model_dump(mode="json")


def _tell(path: str, done: "Ingested") -> None:
    from guildhall.view.clean import one_line

    counts = {"new": done.added, "changed": done.changed, "unchanged": done.same, "gone": done.removed}
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing to read"
    parts = f" ({done.chunks:,} part{'s' * (done.chunks != 1)})" if done.chunks else ""
    click.echo(one_line(f"{path}: {said}{parts}"))
    for problem in done.problems:
        say(f"  {problem.source}: {problem.why}")


class _Shown:
    """Progress on stderr: one line that changes on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._there = False

    def progress(self, progress: "Progress") -> None:
        done, of, source = progress
        if sys.stderr.isatty():
            from guildhall.view.clean import one_line

            self.clear()
            if done < of:
                click.echo(one_line(f"{done:,} of {of:,}  {source}")[:78], err=True, nl=False)
                self._there = True
        elif done and done % EVERY == 0:
            say(f"{done:,} of {of:,} files read")

    def clear(self) -> None:
        if self._there:
            click.echo("\r\x1b[2K", err=True, nl=False)
            self._there = False
