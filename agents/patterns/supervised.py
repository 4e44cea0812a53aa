"""A team that is looked after: rules for what happens in it, a watchdog, and checks of what leaves it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from guildhall.errors import Failure, NeedsInput, UserError, describe

from ..choosing import parts_of
from ..message import Message, Quote
from ..paths import is_below
from ..rules import Ruled, Settle
from ..run import Member, Run
from .checks import Check, name_of, parts_of_checks, sent_back, tell
from .conflicts import Settlement
from .disagreement import Settled
from .heard import Answer, Heard
from .together import Part, check_members, kept, unless_waiting
from .watchdog import Watchdog
from .watched import aside, watched

OnFailed = Literal["revise", "return", "escalate", "fail"]
_DEFEND = ("member", "explorer")
"""The roles of those who answer, and may be asked to defend what they have said."""
LAST_WORD = ("synthesizer", "manager")
"""The roles of those who make a team's answer, and can make it anew."""


class _Wrong(NamedTuple):
    """What a check finds wrong, or why it could not be made."""

    check: str
    text: str
    made: bool


class _Before(NamedTuple):
    """What a team's answer was made of."""

    answers: Sequence[Answer]
    settled: Settled


@dataclass(frozen=True)
class Supervised(Ruled):
    """Runs a team by its rules and under its watchdog, and checks its answer before it leaves.

    An answer that does not pass is revised once by whoever has the last word in the team, and returned; it is
    said if it does not pass then either. `on_failed` can also have it returned at once, shown to the user,
    who decides, or fail the team. Where the team itself has compared no answers, `conflicts` is about those
    of the members who began before anybody had answered; what is found is shown below the team's answer.
    """

    conflicts: Settlement | None = None
    checks: Sequence[Check] = ()
    on_failed: OnFailed = "revise"
    watchdog: Watchdog | None = None

    def __post_init__(self) -> None:
        check_members("what is supervised", [self.team])
        if self.on_failed not in get_args(OnFailed):
            allowed = ", ".join(get_args(OnFailed))
            raise UserError(f"{self.name}: on_failed_check is {self.on_failed!r:.80}; it can be {allowed}")
        if self.watchdog and self.watchdog.then == "replan" and self._with_role(("manager",)) is None:
            raise UserError(f"{self.name} cannot be replanned by its watchdog: it has no manager; take retry")

    @property
    def parts(self) -> Sequence[Part]:
        return self._with_supervisors(_parts(self.team))

    def parts_for(self, message: Message) -> Sequence[Part]:
        parts_for = getattr(self.team, "parts_for", None)
        return self._with_supervisors(parts_for(message) if parts_for else _parts(self.team))

    async def run(self, message: Message, run: Run) -> Message:
        settle = (self.conflicts or Settlement()).among(self._all_members())
        settled: list[tuple[str, Settled]] = []

        async def settle_here(message: Message, answers: Sequence[Message], run: Run) -> Settled:
            settled.append((run.path, await settle(message, answers, run)))
            return settled[-1][1]

        run.rules = replace(self.rules, settle=settle_here)
        afterwards = aside(run, "conflicts") if self.conflicts else run
        checks = aside(run, "checks") if self.checks else run
        heard = Heard(run.path, f"{run.path}/again")
        with run.state.observed(run.path, heard):
            answer = await self._worked(message, run)
        found = [one for path, one in settled if is_below(path, heard.attempt)]
        if self.conflicts is not None and not found:
            found = [await self._compared(message, heard.independent(), settle, afterwards, run)]
            answer = found[0].shown_in(answer, whole=True)
        if not self.checks:
            return answer
        before = _Before(heard.last(), found[-1] if found else Settled())
        checks.private |= run.private
        try:
            return await self._checked(message, answer, before, checks)
        finally:
            run.private |= checks.private

    async def _worked(self, message: Message, run: Run) -> Message:
        if self.watchdog is None:
            return await self.team.run(message, run)
        return await watched(self.team, self.watchdog, message, run)

    async def _compared(
        self, message: Message, answers: Sequence[Message], settle: Settle, here: Run, run: Run
    ) -> Settled:
        """What has become of contradictions between the answers of a team that does not look for them."""
        if len({one.sender for one in answers}) < 2:
            run.state.notice(
                f"no two members of {self.name} have answered without knowing of each other, so no "
                "contradictions were looked for"
            )
            return Settled()
        here.private |= run.private
        try:
            return await settle(message, answers, here)
        finally:
            run.private |= here.private

    # -- checks

    async def _checked(self, message: Message, answer: Message, before: _Before, run: Run) -> Message:
        wrong = await self._wrong(message, answer, run)
        then = (
            await _user_says(answer, wrong, run) if wrong and self.on_failed == "escalate" else self.on_failed
        )
        if then == "revise" and (objection := _told(one for one in wrong if one.made)):
            revised = await self._revised(message, answer, objection, before, run)
            if revised is not None:
                answer, wrong = revised, await self._wrong(message, revised, run)
        if wrong and then == "fail":
            raise Failure(f"the answer of {self.name} did not pass: {_told(wrong)}", kind="check")
        if wrong:
            run.state.notice(f"the answer of {self.name} did not pass: {_told(wrong)}")
        return answer

    async def _wrong(self, message: Message, answer: Message, run: Run) -> list[_Wrong]:
        """What each check finds wrong, all made at once. Raises NeedsInput where one waits for a human."""
        answer = answer.model_copy(update={"sender": self.name})
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_made(check, message, answer, run)) for check in self.checks]
        results = [task.result() for task in tasks]
        for result in results:
            if isinstance(result, NeedsInput):
                raise result
        wrong = []
        for check, result in zip(self.checks, results, strict=True):
            if isinstance(result, BaseException):
                text = f"could not be made: {describe(result)}"
                tell(check, "not made", text, answer, run)
                wrong.append(_Wrong(name_of(check), text, made=False))
            else:
                tell(check, "not passed" if result else "passed", result, answer, run)
                if result:
                    wrong.append(_Wrong(name_of(check), result, made=True))
        return wrong

    async def _revised(
        self, message: Message, answer: Message, objection: str, before: _Before, run: Run
    ) -> Message | None:
        """The answer once more, by whoever made it; None where that fails."""
        reviser = self._reviser(answer, before.answers)
        work = self._reworked(message, answer, before, run, objection=objection, reviser=reviser)
        revised = unless_waiting([await kept(work, reviser.name if reviser else self.name)])[0]
        if not revised.failed:
            return revised
        run.state.notice(f"the answer of {self.name} could not be revised: {revised.text}")
        return None

    async def _reworked(
        self, message: Message, answer: Message, before: _Before, run: Run,
        *, objection: str, reviser: Member | None,
    ) -> Message:  # fmt: skip
        if reviser is None:
            return await self.team.run(sent_back(message, answer, objection), run)
        others = [
            Quote(label=one.who, kind="answer", text=one.text, sources=one.sources)
            for one in before.answers
            if one.who != reviser.name and {*one.sources} <= {*answer.sources}
        ]
        given = sent_back(before.settled.told_in(message.with_quotes(*others)), answer, objection)
        return before.settled.shown_in(await run.give(reviser, given, wanted=run.wanted))

    def _reviser(self, answer: Message, answers: Sequence[Answer]) -> Member | None:
        """Whoever has the last word in the team, or whose answer became the team's; None where nobody did."""
        if (last := self._with_role(LAST_WORD)) is not None:
            return last
        authors = [one.who for one in answers if one.text == answer.text]
        found = (part.member for part in _parts(self.team) if part.member.name in authors)
        return next(found, None) or self._with_role(("judge",))

    # -- who takes part

    def _all_members(self) -> dict[str, Member]:
        """Whoever can be asked to defend a claim, those of the ways in which the team can work too."""
        own = [part.member for part in _parts(self.team)]
        below = [part.member for one in own for part in getattr(one, "parts", ())]
        return {member.name: member for member in (*below, *own)}

    def _with_role(self, roles: Sequence[str]) -> Member | None:
        parts = _parts(self.team)
        return next((part.member for role in roles for part in parts if part.role == role), None)

    def _with_supervisors(self, parts: Sequence[Part]) -> Sequence[Part]:
        """The team's parts and those who look after it, each as often as it can come to."""
        revises = bool(self.checks) and self.on_failed in ("revise", "escalate")
        attempts = 2 if self.watchdog and self.watchdog.then in ("retry", "replan") else 1
        last = self._with_role(LAST_WORD) if revises else None
        if revises and last is None:
            attempts += 1
        settlement = self.conflicts or Settlement()
        defences = settlement.defences * attempts
        found = [
            part._replace(
                times=part.times * attempts + defences * (part.role in _DEFEND) + (part.member is last)
            )
            for part in parts
        ]
        found += [part._replace(times=part.times * attempts) for part in settlement.parts]
        return [*found, *parts_of_checks(self.checks, times=1 + revises)]


async def _made(check: Check, message: Message, answer: Message, run: Run) -> str | BaseException:
    """What the check finds wrong, or why it could not be made."""
    try:
        return await check(message, answer, run)
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        return error  # it was its own, not ours
    except Exception as error:  # noqa: BLE001  a check of the user's own may raise anything
        return error


def _told(wrong: Iterable[_Wrong]) -> str:
    return "; ".join(f"{one.check}: {one.text}" for one in wrong)


async def _user_says(answer: Message, wrong: Sequence[_Wrong], run: Run) -> OnFailed:
    """What is done with an answer that does not pass; who says nothing in time refuses it."""
    text = f"The answer of {run.who} did not pass: {_told(wrong)}\n\nThe answer:\n\n{answer.text}"
    says = await run.question(text, options=[*_CHOICES])
    return _CHOICES[says] if says else "fail"


_CHOICES: dict[str, OnFailed] = {"take it": "return", "revise it": "revise", "refuse it": "fail"}


def _parts(team: Member) -> Sequence[Part]:
    """Who takes part in the team; itself, where it is none."""
    if (parts := getattr(team, "parts", None)) is not None:
        return list(parts)
    return [Part(member, times=times) for member, times in parts_of(team)] or [Part(team)]
