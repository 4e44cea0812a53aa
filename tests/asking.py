"""What tests of questions share: members that ask the user, and people who answer."""

import asyncio
from dataclasses import dataclass, field

from guildhall.agents import Message, Run
from guildhall.memory.store.questions import Question


@dataclass
class Asks:
    """A member that asks the user and answers with what it is told."""

    name: str = "clerk"
    text: str = "May we pay?"
    options: tuple[str, ...] = ("yes", "no")
    timeout: float | None = None

    async def run(self, message: Message, run: Run) -> Message:
        said = await run.question(self.text, options=self.options, timeout=self.timeout)
        return run.answer(message, f"{self.name} was told {said}")


@dataclass
class Person:
    """Somebody at a face: says the answers in turn, and stays silent after the last."""

    answers: list[str | None] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, question: Question) -> str | None:
        self.asked.append(question)
        self.begun.set()
        try:
            if self.answers:
                return self.answers.pop(0)
            await asyncio.Event().wait()
        finally:
            self.left.set()
        return None
