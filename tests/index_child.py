"""A process that recalls from a database until its index answers, and says what it saw.

python index_child.py DATABASE QUERY SECONDS
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from indexing import Words

from guildhall.memory.dense import VectorSearch
from guildhall.memory.index import Index
from guildhall.memory.memory import Memory
from guildhall.memory.store import vectors
from guildhall.memory.store.database import Database


async def main(path: str, query: str, seconds: str) -> None:
    database = Database(Path(path))
    index = Index.configured(database)
    memory = Memory(database, scope="shop", dense=VectorSearch(Words(), index))
    deadline, reasons = time.monotonic() + float(seconds), list[str]()
    while (found := await memory.search(query)).served != "chroma" and time.monotonic() < deadline:
        if found.why not in reasons:
            reasons.append(found.why)
        await asyncio.sleep(0.02)
    [state] = await database.read(vectors.states)
    said = {
        "served": found.served,
        "first": found.hits[0].record.text,
        "reasons": reasons,
        "epoch": state.epoch,
        "fed": state.fed,
    }
    print(json.dumps(said), flush=True)
    index.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
