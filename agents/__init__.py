"""Specialists, teams, models, tools and runs."""

from typing import TYPE_CHECKING, Any

from .agent import Agent
from .budget import Amount, Budget
from .event import Event
from .message import Attachment, Message, ModelReply, ModelRequest, Quote, ToolCall, Turn, Usage
from .patterns import Parallel, Pipeline
from .result import Contribution, Result
from .run import Member, Run
from .tool import Tool, ToolContext, tool

if TYPE_CHECKING:
    from .hall import Hall

__all__ = [
    "Agent",
    "Amount",
    "Attachment",
    "Budget",
    "Contribution",
    "Event",
    "Hall",
    "Member",
    "Message",
    "ModelReply",
    "ModelRequest",
    "Parallel",
    "Pipeline",
    "Quote",
    "Result",
    "Run",
    "Tool",
    "ToolCall",
    "ToolContext",
    "Turn",
    "Usage",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name == "Hall":
        from .hall import Hall

        return Hall
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
