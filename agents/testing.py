"""For tests of your own: a model that says what it is told to, and a member with one answer."""

from dataclasses import dataclass, field

from .message import Message
from .models.scripted import ScriptedModel
from .run import Run

__all__ = ["ScriptedModel", "StubMember"]


@dataclass
class StubMember:
    """A member that always gives the same answer, or raises it if it is an error, and counts its calls."""

    name: str
    answer: str | Exception = "done"
    messages: list[Message] = field(default_factory=list)
    """What it was given."""

    @property
    def calls(self) -> int:
        return len(self.messages)

    async def run(self, message: Message, run: Run) -> Message:
        self.messages.append(message)
        if isinstance(self.answer, Exception):
            raise self.answer
        return run.answer(message, self.answer, sources=message.sources)
