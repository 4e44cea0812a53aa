"""A process that reads a folder into memory, as its first argument says, until it is done or killed."""

import asyncio
import json
import resource
import sys
from pathlib import Path

from guildhall.memory.ingest.sync import Progress
from guildhall.memory.memory import Memory


def tell(progress: Progress) -> None:
    print(progress.done, progress.of, flush=True)


async def main(folder: Path) -> None:
    async with Memory.open(folder) as memory:
        done = await memory.ingest(folder, project=folder, on_progress=tell)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e6 if sys.platform == "darwin" else 1e3
    )
    print(json.dumps({"megabytes": megabytes, **done.model_dump()}), flush=True)


asyncio.run(main(Path(sys.argv[1])))
