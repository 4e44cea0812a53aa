"""What a team has settled for all that happens in it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .message import Message

if TYPE_CHECKING:
    from .patterns.disagreement import Settled
    from .patterns.together import Part
    from .run import Member, Run

Settle = Callable[[Message, Sequence[Message], "Run"], Awaitable["Settled"]]
"""Looks for contradictions between answers, and gives what has become of each."""


@dataclass(frozen=True)
class Rules:
    """Hold in the team's own span; teams within it have theirs."""

    settle: Settle | None = None
    """What is done about contradictions between members; None looks for them by rule, and shows them."""
    tokens: int | None = None
    """Of what is handed over to one member, at most; None hands over all."""
    typed: bool = False
    """Whether members are asked for Contributions in place of free text."""
    scribe: "Member | None" = None
    """Who writes down what a run of the team has come to; None leaves it to rules."""
    lessons: bool = True
    """Whether members are told what they had done wrong before, and it is remembered."""
    remembers: bool = True
    """Whether what came of a run is remembered."""


PLAIN = Rules()


@dataclass(frozen=True)
class Ruled:
    """A team that works by rules of its own."""

    team: "Member"
    rules: Rules

    @property
    def name(self) -> str:
        return self.team.name

    @property
    def parts(self) -> "Sequence[Part]":
        return getattr(self.team, "parts", ())

    def parts_for(self, message: Message) -> "Sequence[Part]":
        for_message = getattr(self.team, "parts_for", None)
        return for_message(message) if for_message else self.parts

    async def run(self, message: Message, run: "Run") -> Message:
        run.rules = self.rules
        return await self.team.run(message, run)
