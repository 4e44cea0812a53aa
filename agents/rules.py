"""What a team has settled for all that happens in it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .message import Message

if TYPE_CHECKING:
    from .run import Run

Settle = Callable[[Message, Sequence[Message], "Run"], Awaitable[Sequence[Message]]]
"""Looks for contradictions between answers, and gives what is to be known of them beside the answers."""


@dataclass(frozen=True)
class Rules:
    """Hold in the team's own span; teams within it have theirs."""

    settle: Settle | None = None
    """What is done about contradictions between members; None looks for them by rule, and shows them."""
    tokens: int | None = None
    """Of what is handed over to one member, at most; None hands over all."""
    typed: bool = False
    """Whether members are asked for Contributions in place of free text."""


PLAIN = Rules()
