"""Documents are kept as they are on disk: what is new or has changed is read, what is gone leaves."""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from guildhall.errors import UserError
from guildhall.home import is_too_wide
from guildhall.redact import redact

from ..importance import estimated
from ..records import TRUST, Author, Frozen, Record
from ..store.database import Database
from . import kept
from .kept import Document
from .pool import Limits, Pool, pool
from .unreadable import NEEDS_EXTRA
from .walk import Found, walk

FORMAT = "1"
"""Of the chunks; another one has all files read anew."""
NO_TEXT = "it holds no text that can be read"
"""No problem in a folder, where there are files of all kinds."""
_UNSURE = 2.0
"""Seconds after a change in which a file can change again and look the same."""
_FEW = 8
"""Files for which it is not worth to start another process."""
_AT_ONCE = 50
"""Documents that leave in one transaction."""


class Problem(Frozen):
    """A document that was not read, or not all of it, and why."""

    source: str
    why: str
    known: bool = False
    """Whether that was so the last time, and the file has not changed."""


class Ingested(Frozen):
    """What became of the documents of a folder."""

    added: int = 0
    changed: int = 0
    same: int = 0
    removed: int = 0
    chunks: int = 0
    """Of those that were read now."""
    problems: tuple[Problem, ...] = ()


class Progress(NamedTuple):
    """How many of the files were looked at that have to be, and the last of them."""

    done: int
    of: int
    source: str = ""


OnProgress = Callable[[Progress], None]


async def ingest(
    db: Database,
    path: Path,
    *,
    scope: str,
    project: Path,
    author: Author,
    private: bool | None = None,
    again: bool = False,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
    written: Callable[[], None] | None = None,
) -> Ingested:
    """What became of the documents at the path, once all are on disk; each is a transaction of its own.

    Sources are relative to the project where they lie in it. With `private` None, each is as was last said
    of it, or of the nearest folder around it. With `again`, files are read that have not changed. Raises
    UserError for a path that cannot be used.
    """
    limits = limits or Limits()
    root, of_project = await asyncio.to_thread(_real, path, project)
    source = source_of(root, of_project)
    # what lies in the project is called by its path in it, also where a folder around it is named
    named = (source, "") if source and of_project.is_relative_to(root) else (source,)
    known = await db.read(
        lambda read: {path: one for part in named for path, one in kept.known(read, scope, part).items()}
    )
    found = await asyncio.to_thread(_found, root, bool(known))
    for part in named if private is not None else ():
        await db.write(partial(kept.say_private, scope=scope, path=part, private=bool(private)))
    said = await db.read(lambda read: kept.private_paths(read, scope))
    work = _Work(
        db=db, scope=scope, author=author, said=said, limits=limits,
        tell=on_progress or (lambda _: None), written=written or (lambda: None),
    )  # fmt: skip
    sources = {source_of(Path(one.path), of_project): one for one in found}
    await work.leave([path for path in known if _has_left(path, sources)])
    await work.read(sources, {} if again else known, known)
    if [*sources] == [source] and not (work.added or work.changed or work.same or work.problems):
        work.problems[source] = Problem(source=source, why=NO_TEXT)
    return work.done()


def source_of(path: Path, project: Path) -> str:
    """How a document is called: its path in the project, or else from the root of the disk."""
    named = path.relative_to(project) if path.is_relative_to(project) else path
    text = "" if named == Path() else named.as_posix()
    return redact(text.encode("utf-8", "backslashreplace").decode())


def _real(path: Path, project: Path) -> tuple[Path, Path]:
    try:
        real = Path(os.path.realpath(path.expanduser()))
        real.exists()  # raises for a name that no file can have
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{str(path)!r:.80} is no path: {getattr(error, 'strerror', None) or error}"
        ) from None
    return real, Path(os.path.realpath(project))


def _found(root: Path, known: bool) -> list[Found]:
    if is_too_wide(root):
        raise UserError(f"{root} is, or holds, your home folder: name a folder in it")
    if not root.exists():
        if known and root.parent.exists():
            return []
        raise UserError(f"there is no file or folder {root}")
    if not (root.is_file() or root.is_dir()):
        raise UserError(f"{root} is no file and no folder")
    return list(walk(root))


def _has_left(path: str, sources: Mapping[str, Found]) -> bool:
    """Whether the document is not there any more, as far as its folder could be looked at."""
    if path in sources:
        return False
    return not any(found.problem and path.startswith(f"{source}/") for source, found in sources.items())


def _prefix(private: bool) -> str:
    return f"{FORMAT}{'p' * private}:"


@dataclass(kw_only=True)
class _Work:
    """The documents of one call."""

    db: Database
    scope: str
    author: Author
    said: Mapping[str, bool]
    """Of which files and folders it was said whether they are private."""
    limits: Limits
    tell: OnProgress
    written: Callable[[], None]
    added: int = 0
    changed: int = 0
    same: int = 0
    removed: int = 0
    chunks: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)

    def done(self) -> Ingested:
        problems = tuple(self.problems[source] for source in sorted(self.problems))
        return Ingested(
            added=self.added, changed=self.changed, same=self.same, removed=self.removed, chunks=self.chunks,
            problems=problems,
        )  # fmt: skip

    async def leave(self, paths: Sequence[str]) -> None:
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            await self.db.write(lambda db, some=some: kept.gone(db, self.scope, some))  # type: ignore[misc]  # a default
            self.removed += len(some)

    async def read(
        self, sources: Mapping[str, Found], sure: Mapping[str, Document], known: Mapping[str, Document]
    ) -> None:
        """Read what is new or may have changed, some at once."""
        wanted = list(self._wanted(sources, sure))
        self.tell(Progress(0, len(wanted)))
        done, files = 0, iter(wanted)

        async def read_on(workers: Pool) -> None:
            nonlocal done
            for source in files:
                await self._one(source, sources[source], sure.get(source), known.get(source), workers)
                done += 1
                self.tell(Progress(done, len(wanted), source))

        with pool(self.limits) as workers:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self.limits.processes, 1 + len(wanted) // _FEW)):
                        group.create_task(read_on(workers))
            except ExceptionGroup as error:
                raise error.exceptions[0] from None

    def _wanted(self, sources: Mapping[str, Found], sure: Mapping[str, Document]) -> Iterator[str]:
        for source, found in sources.items():
            was = sure.get(source)
            if found.problem:
                self.problems[source] = Problem(source=source, why=found.problem)
            elif (
                was is not None
                and (was.size, was.changed) == (found.size, found.changed)
                and was.changed < was.at - _UNSURE
                and was.hash.startswith(_prefix(self._is_private(source)))
            ):
                self._unchanged(was)
            else:
                yield source

    async def _one(
        self, source: str, found: Found, sure: Document | None, known: Document | None, workers: Pool
    ) -> None:
        prefix, at = _prefix(self._is_private(source)), time.time()
        was = sure.hash.removeprefix(prefix) if sure and sure.hash.startswith(prefix) else ""
        if found.size > self.limits.size:
            most = f"a file may have {self.limits.size:,}"
            answer: dict[str, Any] = {"problem": f"it has {found.size:,} bytes, and {most}"}
        else:
            answer = await workers.convert({"path": found.path, "name": source, "hash": was})
        why = answer.get("problem") or answer.get("failed") or answer.get("unread") or ""
        if why:
            self.problems[source] = Problem(source=source, why=why)
        if "unread" in answer or why == NEEDS_EXTRA:  # of no worth the next time
            return
        document = Document(
            source, prefix + answer.get("hash", ""), answer.get("size", found.size),
            answer.get("changed", found.changed), at, why or NO_TEXT * (not answer.get("chunks")),
        )  # fmt: skip
        if answer.get("same") and sure is not None:
            await self.db.write(lambda db: kept.seen(db, self.scope, document))
            self._unchanged(sure)
            return
        chunks = await asyncio.to_thread(self._records, document, answer.get("chunks", ()))
        if not await self.db.write(lambda db: kept.put(db, self.scope, document, chunks)):
            self._unchanged(document)
            return
        self.written()
        self.chunks += len(chunks)
        self.added += bool(chunks) and known is None
        self.changed += bool(chunks) and known is not None

    def _is_private(self, source: str) -> bool:
        return kept.is_private(self.said, source)

    def _unchanged(self, document: Document) -> None:
        if document.problem == NO_TEXT:
            return
        if document.problem:
            self.problems[document.path] = Problem(source=document.path, why=document.problem, known=True)
        else:
            self.same += 1

    def _records(self, document: Document, chunks: Sequence[tuple[str, str]]) -> list[Record]:
        return [
            self._record(document, number, redact(text, lines=True), redact(place))
            for number, (text, place) in enumerate(chunks, 1)
        ]

    def _record(self, document: Document, number: int, text: str, place: str) -> Record:
        parts = f"{self.scope}\0{document.path}\0{document.hash}\0{number}"
        return Record(
            id=hashlib.blake2b(parts.encode(), digest_size=16).hexdigest(),
            text=text,
            kind="document",
            scope=self.scope,
            author=self.author,
            source=document.path,
            place=place,
            source_hash=document.hash.partition(":")[2],
            session=kept.session(document.path),
            turn=number,
            trust=TRUST["document"],
            importance=estimated("document", text, None),
            valid_from=min(document.changed, document.at),
            recorded_at=document.at,
            private=self._is_private(document.path),
        )
