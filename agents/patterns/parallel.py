from collections.abc import Sequence
from dataclasses import dataclass

from guildhall.errors import UserError

from ..message import Message
from ..run import Member, Run
from .together import all_answers, check_members, concluded


@dataclass(frozen=True)
class Parallel:
    """All members answer at once, and the synthesizer makes one answer of theirs.

    Members that fail are left out while at least `need` have answered.
    """

    name: str
    members: Sequence[Member]
    synthesizer: Member | None = None
    need: int = 1

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        if self.synthesizer is not None:
            check_members(self.name, [self.synthesizer])
        if not 1 <= self.need <= len(self.members):
            raise UserError(f"{self.name} needs {self.need} answers of {len(self.members)} members")

    async def run(self, message: Message, run: Run) -> Message:
        names = [member.name for member in self.members]
        answers = await all_answers([run.give(member, message) for member in self.members], names)
        return await concluded(message, answers, run, synthesizer=self.synthesizer, need=self.need)
