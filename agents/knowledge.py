"""What a specialist knows from documents: they are read into memory, and it recalls and cites from there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from guildhall.errors import GuildhallError, UserError
from guildhall.home import is_too_wide
from guildhall.memory.records import Author, Hit
from guildhall.redact import redact

from . import event as ev
from .message import Message, Quote, memory_quote
from .remembering import noted
from .run import Run
from .tool import Tool, ToolContext, tool

if TYPE_CHECKING:
    from guildhall.memory.ingest.sync import Ingested

SHOWN, FOUND = 6, 8
"""Places that are shown with a message, and that a search finds."""
_LONGEST_QUERY = 2_000
_NAMED = 5


class Reading:
    """Which folders one run has read: each is read once, however many know it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._done: set[Path] = set()

    async def fresh(self, path: Path, project: Path, run: Run) -> None:
        """Return when memory knows the documents as they are now; what could not be read is told."""
        assert run.state.memory is not None
        async with self._lock:
            if path in self._done:
                return
            try:
                author = Author(host=run.state.host)
                memory, scope = run.state.memory, run.state.scope
                told = await memory.ingest(path, scope=scope, project=project, author=author)
                _tell(told, run)
            except GuildhallError as error:
                run.state.notice(f"{path.name} could not be read again, and is as it was known: {error}")
            self._done.add(path)


@dataclass(frozen=True)
class Knowledge:
    """Files and folders of which somebody knows what memory holds of them."""

    paths: tuple[Path, ...]
    project: Path
    """Sources are called by their paths in it."""
    reading: Reading = field(default_factory=Reading, compare=False)

    async def added_to(self, message: Message, run: Run) -> Message:
        """The message with what the documents, as they are now, say that bears on it."""
        tasks = [quote.text for quote in message.quotes if quote.kind == "task"]
        found = await self._found("\n".join([*tasks, message.text])[:_LONGEST_QUERY], run, SHOWN)
        sources = [await asyncio.to_thread(_source, path, self.project) for path in self.paths]
        older = [quote for quote in message.quotes if quote.kind == "memory" and _is_of(quote.label, sources)]
        return message.without(older).with_quotes(*found)

    @property
    def tool(self) -> Tool:
        """`search_knowledge`, over these documents."""

        @tool
        async def search_knowledge(query: str, context: ToolContext) -> str:
            """Find places in your documents by words of what you look for. Cite them by their labels."""
            quotes = await self._found(query[:_LONGEST_QUERY], context.run, FOUND)
            context.run.show(quotes)
            return "\n\n".join(quote.body() for quote in quotes) or "Your documents say nothing of that."

        return search_knowledge

    async def _found(self, query: str, run: Run, most: int) -> list[Quote]:
        """The best places, the same ones in a resumed run."""
        query, here = redact(query), run.span("knowledge")
        digest = here.digest(query, str(most), *map(str, self.paths))
        if (known := here.recorded(digest)) is not None:
            return [_quote(hit) for hit in noted(run, [Hit.model_validate(hit) for hit in known])]
        hits = noted(run, await self._hits(query, run, most))
        here.emit(
            ev.Recalled,
            query=query,
            records=tuple(hit.record.label for hit in hits),
            texts=tuple(hit.record.text for hit in hits),
            trust=min((hit.record.trust for hit in hits), default=None),
        )
        await here.record(digest, [hit.model_dump(exclude_defaults=True) for hit in hits], wait=False)
        return [_quote(hit) for hit in hits]

    async def _hits(self, query: str, run: Run, most: int) -> list[Hit]:
        if (memory := run.state.memory) is None:
            run.state.notice(f"{run.who} has knowledge in documents, and this run was started without memory")
            return []
        hits = list[Hit]()
        for path in self.paths:
            await self.reading.fresh(path, self.project, run)
            source = await asyncio.to_thread(_source, path, self.project)
            try:
                found = await memory.recall(
                    query,
                    scope=run.state.scope,
                    limit=most,
                    kinds=("document",),
                    source=source,
                    viewer=run.who,
                )
            except GuildhallError as error:
                run.state.notice(f"what is known of {path.name} could not be recalled: {error}")
                continue
            hits += [hit for hit in found if source or not PurePath(hit.record.source).is_absolute()]
        if not run.trusted:
            run.state.withheld(hit.record.label for hit in hits if hit.record.private)
            hits = [hit for hit in hits if not hit.record.private]
        best = sorted(hits, key=lambda hit: -hit.score)
        return list({hit.record.id: hit for hit in best}.values())[:most]


def known_to(
    who: str, names: Sequence[str], *, base: Path, within: Path | None, project: Path, reading: Reading
) -> Knowledge:
    """What the specialist knows whose file names these paths, which begin at `base`.

    Raises UserError for one that is not there, or not `within` that folder.
    """
    return Knowledge(tuple(_checked(who, name, base, within) for name in names), project, reading)


def _checked(who: str, name: str, base: Path, within: Path | None) -> Path:
    named = f"{who} names the knowledge {name!r}"
    try:
        path = (base / Path(name).expanduser()).resolve()
        there = path.exists()
    except (OSError, ValueError, RuntimeError):
        raise UserError(f"{named}, which is no path") from None
    if within is not None and not path.is_relative_to(within.resolve()):
        raise UserError(
            f"{named}, which is outside of the project {within}: a project's specialists read in it alone; "
            "copy the files there, or keep the specialist in your own folder"
        )
    if is_too_wide(path):
        raise UserError(f"{named}, which is or holds your home folder; name a folder in it")
    if not there:
        raise UserError(f"{named}, and there is no {path}; make it, or mend the specialist's file")
    return path


def _source(path: Path, project: Path) -> str:
    from guildhall.memory.ingest.sync import source_of

    return source_of(path.resolve(), project.resolve())


def _is_of(label: str, sources: Sequence[str]) -> bool:
    """Whether the label is of a document in these files and folders."""
    name = label.rpartition(":")[0]
    if name in ("", "memory"):
        return False
    return any(name == source or name.startswith(f"{source}/" if source else "") for source in sources)


def _quote(hit: Hit) -> Quote:
    """A place of a document as it is shown: lines are cited one by one, other places as a whole."""
    record = hit.record
    if (first := record.first_line) is None:
        return memory_quote(hit)
    label = record.label.rpartition(":")[0]
    return Quote(label=label, kind="document", text=record.text, first_line=first, private=record.private)


def _tell(done: "Ingested", run: Run) -> None:
    """Say which documents are not known, once: those that had failed before are known to have."""
    new = [problem for problem in done.problems if not problem.known]
    if new:
        named = "; ".join(f"{problem.source}: {problem.why}" for problem in new[:_NAMED])
        more = f"; and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        run.state.notice(f"of the knowledge, this could not be read: {named}{more}")
