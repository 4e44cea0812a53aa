"""What tests of the watchdog share: members that hang or repeat themselves."""

import asyncio

from support import Books

from guildhall.agents import Agent, Member, Message, ModelReply, Run, ToolCall, tool
from guildhall.agents.event import Decided
from guildhall.agents.patterns import Supervised, Watchdog
from guildhall.agents.rules import PLAIN
from guildhall.agents.testing import ScriptedModel, StubMember

SOON = 0.02
"""Seconds that are over at once."""


@tool
def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def looks(*pages: int, then: str = "done", name: str = "ann") -> Agent:
    """An agent that looks at these pages, one after the other, and answers."""
    calls = (
        ModelReply(calls=(ToolCall(id=str(at), name="look", arguments={"page": page}),))
        for at, page in enumerate(pages)
    )
    return Agent(name, "Answer.", [ScriptedModel(*calls, then)], tools=[look])


class Hangs(StubMember):
    """Never answers the first `times`."""

    times = 1
    cut_short = 0

    async def run(self, message: Message, run: Run) -> Message:
        if self.calls < self.times:
            self.messages.append(message)
            try:
                await asyncio.Event().wait()
            finally:
                self.cut_short += 1
        return await super().run(message, run)


def watched(team: Member, dog: Watchdog) -> Supervised:
    return Supervised(team, PLAIN, watchdog=dog)


def noticed(books: Books) -> list[Decided]:
    return [event for event in books.of(Decided) if event.what == "watchdog"]
