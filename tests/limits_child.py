"""A process that shares limits with others: calls a counter, or holds slots until it is killed."""

import asyncio
import json
import sys
from pathlib import Path

from guildhall.agents.models.slots import Slots
from guildhall.memory.store.database import Database
from guildhall.memory.store.limits import Limit, Limits
from guildhall.memory.store.liveness import Liveness

MODEL = "m"
TOKENS = 10


async def main(home: str, limit: str, calls: str, port: str) -> None:
    db, liveness = Database(Path(home) / "guildhall.db"), Liveness(Path(home) / "locks")
    slots = Slots(Limits(db, liveness), lambda model: Limit(**json.loads(limit)))
    try:
        if port == "0":
            for _ in range(int(calls)):
                await slots.take(MODEL, tokens=TOKENS, on_wait=print)
            print("holding", flush=True)
            await asyncio.Event().wait()
        await asyncio.gather(*(call(slots, int(port)) for _ in range(int(calls))))
    finally:
        db.close()
        liveness.close()


async def call(slots: Slots, port: int) -> None:
    slot = await slots.take(MODEL, tokens=TOKENS, on_wait=lambda reason: None)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        writer.close()
    finally:
        slot.free(tokens=TOKENS)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
