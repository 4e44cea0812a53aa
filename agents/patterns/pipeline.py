from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import Failure, UserError

from ..kinds import Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import Cast, Line, Name, Names, TeamSpec, Wrong, allowed
from .checks import Acceptance, Check, found_wrong, parts_of_checks, sent_back
from .together import Part, check_members, check_names, quoted


@dataclass(frozen=True)
class Pipeline:
    """Each member goes on from what those before it have said; the last one's answer is the answer.

    What a stage's check finds wrong goes back to that stage once, with the reason; then the team fails, so
    that no bad answer is passed on.
    """

    name: str
    members: Sequence[Member]
    sees: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The earlier stages that a stage sees; one that is not named here sees all of them."""
    checks: Mapping[str, Check] = field(default_factory=dict)
    """What has to hold of a stage's answer, by the stage's name."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        if not (self.sees or self.checks):
            return
        names = list(check_names(self.name, self.members))
        for stage in (*self.sees, *self.checks):
            if stage not in names:
                raise UserError(f"{self.name} has no stage {stage!r}; there are: {', '.join(names)}")
        for stage, seen in self.sees.items():
            earlier = names[: names.index(stage)]
            if late := [name for name in seen if name not in earlier]:
                there = ", ".join(earlier) or "none"
                raise UserError(
                    f"{self.name}: {stage} cannot see {', '.join(late)}; the stages before it: {there}"
                )

    @property
    def parts(self) -> Sequence[Part]:
        stages = [Part(member, times=1 + (member.name in self.checks)) for member in self.members]
        return [*stages, *parts_of_checks([*self.checks.values()], times=2)]

    async def run(self, message: Message, run: Run) -> Message:
        answers: list[Message] = []
        for number, member in enumerate(self.members, 1):
            given = message
            if seen := self._seen(member, answers):
                for answer in seen:
                    run.said(answer, member)
                given = message.with_quotes(*quoted(seen, run))
            wanted = run.wanted if number == len(self.members) else None
            answers.append(await self._answer(member, given, run, wanted))
        last = answers[-1]
        return run.answer(message, last.text, data=last.data, sources=last.sources)

    def _seen(self, member: Member, answers: Sequence[Message]) -> list[Message]:
        names = self.sees.get(member.name)
        return [answer for answer in answers if names is None or answer.sender in names]

    async def _answer(self, member: Member, given: Message, run: Run, wanted: Wanted | None) -> Message:
        answer = await run.give(member, given, wanted=wanted)
        if (check := self.checks.get(member.name)) is None:
            return answer
        if not (wrong := await found_wrong(check, given, answer, run)):
            return answer
        answer = await run.give(member, sent_back(given, answer, wrong), wanted=wanted)
        if wrong := await found_wrong(check, given, answer, run):
            raise Failure(f"the answer of {member.name} was not accepted twice: {wrong}", kind="check")
        return answer


class PipelineSpec(TeamSpec):
    """Each member works on what the ones before it answered."""

    ROLES: ClassVar[tuple[str, ...]] = ("checker",)

    pattern: Literal["pipeline"] = "pipeline"
    sees: dict[Name, Names] = Field(default={}, max_length=100)
    """The earlier members whose answers a member is shown; all of them, if it does not stand here."""
    accept: dict[Name, Line] = Field(default={}, max_length=100)
    """What has to hold of a member's answer before it is passed on."""
    checker: Name = "critic"
    """Who sees whether it holds."""

    @property
    def roles(self) -> dict[str, str]:
        return super().roles if self.accept else {}

    @classmethod
    def of(cls, team: TeamSpec) -> Self:
        if last := team.roles.get("synthesizer"):  # who made one answer of all has the last word
            members = tuple(dict.fromkeys([*(one for one in team.members if one != last), last]))
            team = team.model_copy(update={"members": members})
        return super().of(team)

    def made(self, cast: Cast) -> Member:
        checks = {}
        if self.accept:
            checker = cast.filled("checker", "balanced")
            checks = {stage: Acceptance(checker, criteria) for stage, criteria in self.accept.items()}
        return Pipeline(self.name, cast.members(), self.sees, checks)

    @model_validator(mode="after")
    def _stages_are_known(self) -> Self:
        if "checker" in self.model_fields_set and not self.accept:
            raise Wrong(
                "checker", "there is nothing to check; say under `accept` what has to hold of whose answer"
            )
        for key, named in (("sees", self.sees), ("accept", self.accept)):
            for stage in named:
                if stage not in self.members:
                    raise Wrong(key, f"{stage!r} is no member; {allowed(stage, self.members)}")
        for stage, seen in self.sees.items():
            earlier = self.members[: self.members.index(stage)]
            for one in seen:
                if one not in earlier:
                    there = ", ".join(earlier) or "nobody"
                    raise Wrong("sees", f"{stage} cannot see {one!r}; before it come: {there}")
        return self
