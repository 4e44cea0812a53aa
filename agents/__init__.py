"""Specialists, teams, models, tools and runs."""

from typing import TYPE_CHECKING, Any

from .agent import Agent
from .budget import Amount, Budget
from .event import Event
from .message import Attachment, Message, ModelReply, ModelRequest, Quote, ToolCall, Turn, Usage
from .result import Contribution, Result
from .run import Member, Run
from .tool import Tool, ToolContext, tool

if TYPE_CHECKING:
    from .hall import Hall
    from .patterns import (
        Auto,
        Debate,
        FirstValid,
        Graph,
        GroupChat,
        Handoff,
        Hierarchy,
        Human,
        Loop,
        Map,
        Parallel,
        PeerToPeer,
        Pipeline,
        Repeat,
        Router,
        Step,
        Swarm,
        Vote,
    )

__all__ = [
    "Agent",
    "Amount",
    "Attachment",
    "Auto",
    "Budget",
    "Contribution",
    "Debate",
    "Event",
    "FirstValid",
    "Graph",
    "GroupChat",
    "Hall",
    "Handoff",
    "Hierarchy",
    "Human",
    "Loop",
    "Map",
    "Member",
    "Message",
    "ModelReply",
    "ModelRequest",
    "Parallel",
    "PeerToPeer",
    "Pipeline",
    "Quote",
    "Repeat",
    "Result",
    "Router",
    "Run",
    "Step",
    "Swarm",
    "Tool",
    "ToolCall",
    "ToolContext",
    "Turn",
    "Usage",
    "Vote",
    "tool",
]


def __getattr__(name: str) -> Any:
    """The hall and the patterns, which take longest to import, when they are first asked for."""
    if name == "Hall":
        from .hall import Hall

        return Hall
    if name in __all__:
        from . import patterns

        return getattr(patterns, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
