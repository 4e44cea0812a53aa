"""The store on disk: runs, their journal, and the memory that all runs share.

async with Memory.open() as memory:
    await memory.remember("We use Postgres.", subject="db.engine", kind="decision")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .memory import Memory
    from .records import Author, Found, Hit, Record, Remembered

__all__ = ["Author", "Found", "Hit", "Memory", "Record", "Remembered"]


def __getattr__(name: str) -> Any:
    if name == "Memory":
        from .memory import Memory

        return Memory
    if name in __all__:
        from . import records

        return getattr(records, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
