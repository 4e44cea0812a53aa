"""What tests of the core share: models that wait, a sink that keeps books, a run without a disk."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from guildhall.agents import Budget, Member, Message, ModelReply, ModelRequest, Run, Usage
from guildhall.agents.budget import Meter
from guildhall.agents.event import Asked, Event, Lost, Replied
from guildhall.agents.models.base import OnText
from guildhall.agents.state import RunState
from guildhall.errors import ProviderError


@dataclass
class Waiting:
    """A model that answers when it is let go on, and fails on the calls whose numbers are in `fails`."""

    fails: frozenset[int] = frozenset()
    name: str = "waiting"
    price: tuple[float, float] | None = (1.0, 1.0)
    calls: int = 0
    let_go: asyncio.Event | None = None

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.calls += 1
        number = self.calls
        on_text("on it")
        if self.let_go is not None:
            await self.let_go.wait()
        await asyncio.sleep(0)
        if number in self.fails:
            raise ProviderError("invalid_request", "scripted to fail")
        return ModelReply(text=f"answer {number}", usage=Usage(input=10, output=5), model=self.name)


@dataclass
class Books:
    """Every event of a run, and whether each call that was asked was closed exactly once."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def balanced(self) -> bool:
        asked = Counter(event.id for event in self.events if isinstance(event, Asked))
        ends = (event.asked for event in self.events if isinstance(event, Replied | Lost))
        closed = Counter(number for number in ends if number)  # 0 is of a reply that was there already
        return asked == closed

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def given(
    member: Member, task: str, *, budget: Budget | None = None, state: RunState | None = None
) -> Message:
    """The member's answer in a run that leaves nothing on disk."""
    state = state or RunState("r" * 32, Meter(budget or Budget()))
    return await Run(state).give(member, Message(text=task))
