"""A process that reads the folder of its first argument into memory, with the embedder of its second."""

import asyncio
import json
import re
import sys
from pathlib import Path

from guildhall.memory.ingest.sync import Progress
from guildhall.memory.memory import Memory


def tell(progress: Progress) -> None:
    print(progress.done, progress.of, flush=True)


def megabytes() -> float | None:
    """The most that this process has taken, where it can be told.

    Not ru_maxrss: on Linux that is at least what the process took that started this one.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1_000 if found else None


async def main(folder: Path, embedder: str) -> None:
    async with Memory.open(folder, embedder=embedder) as memory:
        done = await memory.ingest(folder, project=folder, on_progress=tell)
    print(json.dumps({"megabytes": megabytes(), **done.model_dump()}), flush=True)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
