from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import UserError

from ..message import Message
from ..run import Member, Run
from ..spec_types import SYNTHESIZER, Cast, Name, TeamSpec, Wrong
from .together import Part, all_answers, check_members, concluded, contributed


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

    @property
    def parts(self) -> Sequence[Part]:
        last = [Part(self.synthesizer, "synthesizer")] if self.synthesizer else []
        return [*map(Part, self.members), *last]

    async def run(self, message: Message, run: Run) -> Message:
        names = [member.name for member in self.members]
        answers = await all_answers([contributed(run, member, message) for member in self.members], names)
        return await concluded(message, answers, run, synthesizer=self.synthesizer, need=self.need)


class ParallelSpec(TeamSpec):
    """All members work at once; the synthesizer, if there is one, makes one answer of theirs."""

    ROLES: ClassVar[tuple[str, ...]] = ("synthesizer",)

    pattern: Literal["parallel"] = "parallel"
    synthesizer: Name | None = None
    need: Annotated[int, Field(ge=1)] = 1
    """Fewer answers than this fail the team."""

    @classmethod
    def of(cls, team: TeamSpec) -> Self:
        spec = super().of(team)
        synthesizer = spec.synthesizer or (None if SYNTHESIZER in spec.members else SYNTHESIZER)
        return spec.model_copy(update={"synthesizer": synthesizer})

    def made(self, cast: Cast) -> Member:
        return Parallel(self.name, cast.members(), cast.role("synthesizer"), self.need)

    @model_validator(mode="after")
    def _need_can_be_met(self) -> Self:
        if self.need > len(self.members):
            raise Wrong(
                "need", f"{self.need} answers of {len(self.members)} members; at most {len(self.members)}"
            )
        return self
