"""A folder that is watched: whenever something in it changes, its documents are kept as they are now."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from guildhall.errors import UserError

from .sync import Ingested


async def watched(path: Path, ingest: Callable[[], Awaitable[Ingested]]) -> AsyncGenerator[Ingested]:
    """What became of the documents at first, and after each change; it ends with the task."""
    try:
        from watchfiles import awatch
    except ImportError:
        raise UserError("watching needs one more package: pip install 'guildhall[documents]'") from None
    changes = awatch(await asyncio.to_thread(_folder, path))
    change = asyncio.ensure_future(anext(changes))
    try:
        await asyncio.sleep(0)  # it is watched from here on, so that nothing is missed meanwhile
        yield await ingest()
        while True:
            await change
            change = asyncio.ensure_future(anext(changes))
            done = await ingest()
            if done.added or done.changed or done.removed or any(not one.known for one in done.problems):
                yield done
    finally:
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)


def _folder(path: Path) -> Path:
    """A file is watched by its folder, since many programs replace it when they save."""
    path = path.expanduser().resolve()
    if not path.exists():
        raise UserError(f"there is no file or folder {path}")
    return path.parent if path.is_file() else path
