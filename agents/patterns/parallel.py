from collections.abc import Sequence
from dataclasses import dataclass

from ..message import Message
from ..run import Member, Run
from .together import all_answers, concluded


@dataclass(frozen=True)
class Parallel:
    """All members answer at once, and the synthesizer makes one answer of theirs.

    Members that fail are left out while at least `need` have answered.
    """

    name: str
    members: Sequence[Member]
    synthesizer: Member | None = None
    need: int = 1

    async def run(self, message: Message, run: Run) -> Message:
        names = [member.name for member in self.members]
        answers = await all_answers([run.give(member, message) for member in self.members], names)
        return await concluded(message, answers, run, synthesizer=self.synthesizer, need=self.need)
