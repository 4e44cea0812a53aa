"""A folder that is watched: whenever something in it changes, its documents are kept as they are now."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from guildhall.errors import UserError

from .sync import Ingested


async def watched(path: Path, ingest: Callable[[], Awaitable[Ingested]]) -> AsyncGenerator[Ingested]:
    """What became of the documents at first, and after each change; it ends with the task.

    What is gone leaves, and is read again once it is back. Raises UserError if it is not there at first.
    """
    path, first = await asyncio.to_thread(_there, path), True
    async with aclosing(_changes(path)) as changes:
        async for _ in changes:
            try:
                done = await ingest()
            except UserError:
                if first:
                    raise
                continue  # it is gone, and no document of it is known; that it is back is a change
            new = [problem for problem in done.problems if not problem.known]
            if first or done.added or done.changed or done.removed or new:
                yield done
            first = False


async def _changes(path: Path) -> AsyncGenerator[None]:
    """Comes once when it is watched, so that nothing is missed, and whenever it may have changed."""
    try:
        from watchfiles import awatch
    except ImportError:
        raise UserError("watching needs one more package: pip install 'guildhall[documents]'") from None
    while True:
        folder = await asyncio.to_thread(_folder, path)
        batches = awatch(folder, recursive=folder == path)
        batch = asyncio.ensure_future(anext(batches))
        try:
            await asyncio.sleep(0)  # it is watched from here on
            yield
            while str(folder) not in {name for _, name in await batch}:
                if await asyncio.to_thread(_folder, path) != folder:
                    break
                batch = asyncio.ensure_future(anext(batches))
                yield
        except FileNotFoundError:  # gone just before it was watched
            continue
        finally:
            batch.cancel()
            await asyncio.gather(batch, return_exceptions=True)


def _there(path: Path) -> Path:
    path = path.expanduser().resolve()
    if not path.exists():
        raise UserError(f"there is no file or folder {path}")
    return path


def _folder(path: Path) -> Path:
    """What is watched: the folder, or the nearest around it while it is gone.

    A file is watched by its folder, since many programs replace it when they save.
    """
    return next(one for one in (path, *path.parents) if one.is_dir())
