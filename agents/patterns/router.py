"""One of several specialists is given the task: the one whom it suits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import Failure, UserError

from ..fitness import Embed, Fit, fitness, nearness, profile
from ..kinds import Route, Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import Cast, Name, TeamSpec, Wrong, allowed
from .briefing import also, check_share, give_for
from .together import (
    Part,
    all_answers,
    as_specialists,
    check_members,
    check_names,
    concluded,
    kept,
    reasons,
    unless_waiting,
)

Escalation = Literal["both", "best", "human", "fail"]
ESCALATIONS: tuple[Escalation, ...] = ("both", "best", "human", "fail")
_NOT_MINE = re.compile(
    r"\s*[*_`\"]{0,3}(?:NOT MINE\b|(?i:not mine)(?=[*_`\"]{0,3}\s*(?::|\.?\s*\Z)))[*_`\"]{0,3}\s*:?\s*(.*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Router:
    """The member whom the task suits best answers it alone.

    All are scored by rule; where that is unsure, the judge is asked, and where nobody seems right it is
    escalated. Whoever finds that it is not its field hands the task back, once, and the next best has it; so
    too where it fails.
    """

    by_fitness: ClassVar[bool] = True
    """Who says nothing of itself but its name is chosen by nobody."""

    name: str
    members: Sequence[Member]
    judge: Member | None = None
    """Gives a second opinion where the rule is unsure."""
    sure: float = 0.5
    """The score from which the rule is sure, where the next best is `margin` behind."""
    margin: float = 0.15
    threshold: float = 0.3
    """With a score, or a confidence of the judge, below this nobody is right."""
    escalate: Escalation = "both"
    """Then the two best answer side by side, or the best alone, a human chooses, or the team fails."""
    embed: Embed | None = None
    """Places texts by their meaning, which then counts beside the words."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members, least=2)
        check_names(self.name, self.members)
        if self.judge is not None:
            check_members(self.name, [self.judge])
        for what in ("sure", "margin", "threshold"):
            check_share(self.name, what, getattr(self, what))
        if self.escalate not in ESCALATIONS:
            there = allowed(self.escalate, ESCALATIONS)
            raise UserError(f"{self.name}: escalate is {self.escalate!r:.80}; {there}")

    @property
    def parts(self) -> Sequence[Part]:
        judge = [Part(self.judge, "judge")] if self.judge else []
        return [*judge, *(Part(member, among=2) for member in self.members)]

    def parts_for(self, message: Message) -> Sequence[Part]:
        """All of them, of whom usually one is asked: the best by their words."""
        best = _fits(self.members, message)[0].name
        return [
            part._replace(usual=0) if part.role == "member" and part.member.name != best else part
            for part in self.parts
        ]

    async def run(self, message: Message, run: Run) -> Message:
        return await _Routing(self, message, run).answer()


class _Routing:
    """Who is given one message."""

    def __init__(self, team: Router, message: Message, run: Run) -> None:
        self._team, self._message, self._run = team, message, run
        self._members = check_names(team.name, team.members)
        self._fits: list[Fit] = []
        """Those who can be given the task, the best first."""

    async def answer(self) -> Message:
        self._fits = await self._scored()
        names = await self._chosen()
        if len(names) > 1:
            work = [self._run.give(self._members[name], self._message) for name in names]
            answers = await all_answers(work, names)
            return await concluded(self._message, answers, self._run, synthesizer=None, need=1)
        first = await self._given(names[0], may_hand_back=self._run.wanted is None)
        if (why := _why_not(first)) is None:
            return self._passed_on(first)
        last = await self._given(self._next(first, why), may_hand_back=False)
        if not last.failed:
            return self._passed_on(last)
        raise Failure(f"{self._team.name}: {reasons([_as_failure(first), last])}")

    async def _scored(self) -> list[Fit]:
        message = self._message
        near: Sequence[float] = ()
        if self._team.embed is not None:
            profiles = [profile(member) for member in self._team.members]
            near = await nearness(self._team.embed, message.text, profiles, self._run)
        return _fits(self._team.members, message, near)

    async def _chosen(self) -> list[str]:
        """The name of whoever takes it; two where it is escalated to both."""
        team, (best, second, *_) = self._team, self._fits
        ahead = best.score - second.score
        if best.score >= max(team.sure, team.threshold) and ahead >= team.margin:
            return self._taken(best.name, best.reason, by="rule")
        doubt = f"the best score is {best.score:.2f}, {ahead:.2f} ahead of {second.name}"
        opinion = await self._second_opinion(doubt) if team.judge is not None else None
        if opinion is None:
            if best.score < team.threshold:
                return await self._escalated(doubt)
            return self._taken(best.name, f"{best.reason}; {doubt}", by="rule")
        route: Route = opinion.data
        told = f"{route.reason} (confidence {route.confidence:.2f}; {doubt})"
        if route.confidence < team.threshold:
            return await self._escalated(f"{doubt}, and {opinion.sender} is unsure: {route.reason}")
        return self._taken(route.worker, told, by=opinion.sender, evidence=opinion.sources[-1:])

    async def _second_opinion(self, doubt: str) -> Message | None:
        """The judge's choice; None if it makes none."""
        assert self._team.judge is not None
        names = [fit.name for fit in self._fits]
        given = also(self._message, _CHOOSE, *as_specialists(self._members[name] for name in names))
        wanted = Wanted(Route, names)
        answer = await kept(give_for(self._run, self._team.judge, given, wanted), self._team.judge.name)
        unless_waiting([answer])
        if answer.failed:
            self._run.state.notice(
                f"{self._team.name}: {answer.sender} gave no second opinion, though {doubt}: "
                f"{answer.as_quote().text[:200]}"
            )
            return None
        return answer

    async def _escalated(self, why: str) -> list[str]:
        names = [fit.name for fit in self._fits]
        if self._team.escalate == "best":
            return self._taken(names[0], f"nobody seems right, and this one is nearest: {why}", by="rule")
        if self._team.escalate == "fail":
            self._decided("nobody", f"nobody seems right: {why}", by="rule")
            raise Failure(f"{self._team.name}: nobody in it seems right for this task; {why}")
        if self._team.escalate == "human":
            text = f"Who is to take this? Nobody seems right: {why}.\n\n{self._message.text}"
            said = await self._run.question(text, options=names)
            if said is None:
                raise Failure(f"{self._team.name}: nobody has said in time who is to take this task; {why}")
            return self._taken(said, "the user chose", by="user")
        if self._run.wanted is not None:  # two answers side by side would not be what is wanted
            return self._taken(names[0], f"nobody seems right, and one answer is wanted: {why}", by="rule")
        self._decided(" and ".join(names[:2]), f"nobody seems right, so both answer: {why}", by="rule")
        return names[:2]

    async def _given(self, name: str, *, may_hand_back: bool) -> Message:
        given = self._message
        if may_hand_back:
            given = also(given, _MAY_HAND_BACK, person=_MAY_HAND_BACK_IN_PERSON)
        work = give_for(self._run, self._members[name], given, self._run.wanted)
        return unless_waiting([await kept(work, name)])[0]

    def _next(self, first: Message, why: str) -> str:
        """Who is given it after the first, which is an event."""
        name = next(fit.name for fit in self._fits if fit.name != first.sender)
        done = "has failed" if first.failed else "handed it back"
        reason = f"{first.sender} {done}: {why}"
        if first.failed:
            self._run.state.notice(f"{self._team.name}: {reason}; {name} took its place")
        return self._taken(name, reason, by="hand back", evidence=first.sources[-1:])[0]

    def _taken(self, name: str, reason: str, *, by: str, evidence: tuple[int, ...] = ()) -> list[str]:
        self._decided(name, reason, by=by, evidence=evidence)
        return [name]

    def _decided(self, choice: str, reason: str, *, by: str, evidence: tuple[int, ...] = ()) -> None:
        data: dict[str, Any] = {"by": by, "scores": [fit.data for fit in self._fits]}
        data |= {"sure": self._team.sure, "margin": self._team.margin, "threshold": self._team.threshold}
        self._run.decided("route", choice, reason, evidence=evidence, data=data)

    def _passed_on(self, answer: Message) -> Message:
        return self._run.answer(self._message, answer.text, data=answer.data, sources=answer.sources)


def _fits(members: Sequence[Member], message: Message, near: Sequence[float] = ()) -> list[Fit]:
    """The members by how well the message suits them, the best first."""
    context = " ".join(quote.text[:500] for quote in message.quotes if quote.kind == "document")
    return fitness(message.text, [profile(member) for member in members], context=context, near=near)


def _why_not(answer: Message) -> str | None:
    """Why somebody else is to have the task; None if this is an answer."""
    if answer.failed:
        return answer.as_quote().text
    found = _NOT_MINE.match(answer.text)
    return None if found is None else found[1].strip()[:500] or "no reason given"


def _as_failure(answer: Message) -> Message:
    """What was handed back, as it stands among the reasons for which there is no answer."""
    return (
        answer if answer.failed else answer.model_copy(update={"text": f"handed back, {answer.text[:300]}"})
    )


class RouterSpec(TeamSpec):
    """Whoever the task suits best answers it alone."""

    LEAST: ClassVar[int] = 2
    ROLES: ClassVar[tuple[str, ...]] = ("judge",)
    by_fitness: ClassVar[bool] = True

    pattern: Literal["router"] = "router"
    judge: Name | None = "judge"
    """Gives a second opinion where the rule is unsure; nobody, if it is null."""
    sure: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The score from which the rule is sure, where the next best is `margin` behind."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.15
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.3
    """With a score, or a confidence of the judge, below this it is escalated."""
    escalate: Escalation = "both"

    @model_validator(mode="after")
    def _is_sure_of_somebody(self) -> Self:
        if "sure" in self.model_fields_set and self.sure < self.threshold:
            below = f"below the threshold of {self.threshold}"
            raise Wrong("sure", f"{self.sure} is {below}, under which nobody is right; give as much or more")
        return self

    def made(self, cast: Cast) -> Member:
        return Router(
            self.name,
            cast.members(),
            cast.role("judge", "fast"),
            sure=self.sure,
            margin=self.margin,
            threshold=self.threshold,
            escalate=self.escalate,
        )


_CHOOSE = """\
Do not do what the text above asks. Say which one of the specialists described below is to do it: whose \
field it falls into, not who could do it as well. State how sure you are, and why, in a sentence. If none of \
them is right, name the nearest, with a confidence below 0.3."""
_MAY_HAND_BACK = """\
This was given to you because it seems to fall into your field. If it does, do it. If it does not fall into \
your field at all, reply with nothing but `NOT MINE: ` and the reason in a sentence; then somebody else has \
it."""
_MAY_HAND_BACK_IN_PERSON = """\
The task was given to you because it seems to be yours. Do it; or begin with `NOT MINE: ` and say why, and \
somebody else has it."""
