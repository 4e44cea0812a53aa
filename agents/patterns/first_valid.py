"""The first good answer of several."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from guildhall.errors import Failure, NeedsInput, TooFew

from ..message import Message
from ..rules import Rules
from ..run import Member, Run
from ..spec_types import Cast, Line, Name, TeamSpec
from .briefing import answered
from .checks import Acceptance, Check, found_wrong, parts_of_checks
from .standing import judged
from .together import Part, check_members, check_names, kept, reasons, unless_waiting


@dataclass(frozen=True)
class FirstValid:
    """All members start at once; the first answer that passes the check wins, and the others are cancelled.

    What a person among them was asked is withdrawn.
    A resumed run asks nobody but the winner, where it was known.
    """

    name: str
    members: Sequence[Member]
    check: Check | None = None
    """What has to hold of an answer; without one, the first there is wins."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        check_names(self.name, self.members)

    @property
    def parts(self) -> Sequence[Part]:
        checks = parts_of_checks([self.check] if self.check else [], times=len(self.members))
        return [*map(Part, self.members), *checks]

    async def run(self, message: Message, run: Run) -> Message:
        candidates = {member.name: _Candidate(member, self.check, run.rules) for member in self.members}
        here, digest = run.span("winner"), run.digest(*candidates)
        known = here.recorded(digest)
        waves: list[list[str]] = [[known], [name for name in candidates if name != known]]
        bad: list[Message] = []
        for wave in waves if known in candidates else [list(candidates)]:
            answers = await self._raced(message, {name: candidates[name] for name in wave}, run)
            bad += [answer for answer in answers.values() if answer.failed]
            if winner := next((name for name, answer in answers.items() if not answer.failed), None):
                if winner != known:
                    await here.record(digest, winner, wait=False)
                return await self._won(message, winner, answers, run)
        unless_waiting(bad)
        raise TooFew(f"none of {len(bad)} answers is valid: {reasons(bad)}")

    async def _raced(
        self, message: Message, candidates: "Mapping[str, _Candidate]", run: Run
    ) -> dict[str, Message]:
        """The answers in the order in which they came, up to the first that is valid."""
        answers: dict[str, Message] = {}
        async with asyncio.TaskGroup() as group:
            running = {
                name: group.create_task(kept(run.give(one, message, wanted=run.wanted), name))
                for name, one in candidates.items()
            }
            while running:
                name = await run.first(running) if len(running) > 1 else next(iter(running))
                answers[name] = await running.pop(name)
                if not answers[name].failed:
                    for task in running.values():
                        task.cancel()
                    break
        return answers

    async def _won(self, message: Message, winner: str, answers: Mapping[str, Message], run: Run) -> Message:
        run.state.call_off(run.path)
        answer = answers[winner]
        failed = {
            name: one.text
            for name, one in answers.items()
            if one.failed and not isinstance(one.data, NeedsInput)
        }
        cancelled = [one.name for one in self.members if one.name not in (winner, *failed)]
        reason = "the first valid answer"
        reason += f"; not valid: {', '.join(failed)}" if failed else ""
        reason += f"; not waited for: {', '.join(cancelled)}" if cancelled else ""
        run.decided(
            "gate", winner, reason, evidence=answer.sources[-1:],
            data={"failed": failed, "cancelled": cancelled},
        )  # fmt: skip
        return run.answer(message, answer.text, data=answer.data, sources=answer.sources)


@dataclass(frozen=True)
class _Candidate:
    """A member whose answer is checked, as a team: so each check has a place of its own in the run."""

    member: Member
    check: Check | None
    rules: Rules
    """Of the team that it is a part of."""

    @property
    def name(self) -> str:
        return self.member.name

    @property
    def parts(self) -> Sequence[Part]:
        return [Part(self.member), *parts_of_checks([self.check] if self.check else [])]

    async def run(self, message: Message, run: Run) -> Message:
        run.rules = self.rules
        answer = await answered(run, self.member, message)
        if self.check is not None:
            wrong = await found_wrong(self.check, message, answer, run, must=True)
            await judged(run, {self.name: not wrong})
            if wrong:
                raise Failure(f"its answer is not valid: {wrong}", kind="check")
        return run.answer(message, answer.text, data=answer.data, sources=answer.sources)


class FirstValidSpec(TeamSpec):
    """All members start; the first answer that is accepted wins."""

    ROLES: ClassVar[tuple[str, ...]] = ("checker",)

    pattern: Literal["first_valid"] = "first_valid"
    accept: Line | None = None
    """What has to hold of an answer; without it, the first there is wins."""
    checker: Name = "critic"
    """Who sees whether it holds."""

    @property
    def roles(self) -> dict[str, str]:
        return super().roles if self.accept else {}

    @classmethod
    def of(cls, team: TeamSpec) -> Self:
        return super().of(team).model_copy(update={"members": team.members})  # nobody of them checks

    def made(self, cast: Cast) -> Member:
        check = Acceptance(cast.filled("checker"), self.accept) if self.accept else None
        return FirstValid(self.name, cast.members(), check)
