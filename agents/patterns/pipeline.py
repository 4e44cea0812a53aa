from collections.abc import Sequence
from dataclasses import dataclass

from ..message import Message
from ..run import Member, Run
from .together import check_members


@dataclass(frozen=True)
class Pipeline:
    """Each member goes on from what all before it have said; the last one's answer is the answer."""

    name: str
    members: Sequence[Member]

    def __post_init__(self) -> None:
        check_members(self.name, self.members)

    async def run(self, message: Message, run: Run) -> Message:
        answers: list[Message] = []
        for member in self.members:
            given = message
            if answers:
                run.said(answers[-1], member)
                given = message.with_quotes(*(answer.as_quote() for answer in answers))
            answers.append(await run.give(member, given))
        return run.answer(message, answers[-1].text, data=answers[-1].data, sources=answers[-1].sources)
