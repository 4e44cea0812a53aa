"""Teams of LLM specialists with one shared long-term memory.

async with Hall.open() as hall:
    result = await hall.run_team("research", "What are the risks?", files=["contract.md"])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guildhall.agents import Budget, Hall, Result

__all__ = ["Budget", "Hall", "Result", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        from guildhall import agents

        return getattr(agents, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
