"""Work that passes from one member to the next until one of them answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import Failure, UserError

from ..kinds import Passing, Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import Cast, Name, Names, TeamSpec, Wrong, allowed
from .briefing import also
from .together import (
    Part,
    as_specialists,
    check_count,
    check_members,
    check_names,
    failed,
    kept,
    quoted,
    reasons,
    sources_of,
    typed,
    unless_waiting,
)

MOST_PASSES = 50
NEWS = 0.2
"""Of the words of an answer, the share that has to be new where the work goes back to somebody; a number
that is new is always enough."""


@dataclass(frozen=True)
class Handoff:
    """The work begins with the first member, and passes from one to the next with all that was said.

    Whoever has it answers, or passes it on and says why. From a member that fails it comes back, or goes on
    to the next who may have it where nobody had it before.
    """

    name: str
    members: Sequence[Member]
    passes: int = 6
    """At most; who has it then gives the answer."""
    may_pass: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """To whom a member may pass; one that is not named here may pass to all others."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members, least=2)
        names = list(check_names(self.name, self.members))
        check_count(self.name, "passes", self.passes, MOST_PASSES)
        if problem := wrong_passing(self.may_pass, names):
            raise UserError(f"{self.name}: {problem}")

    @property
    def parts(self) -> Sequence[Part]:
        together = self.passes + len(self.members)  # once the passes are used, each can still fail
        return [Part(member, times=self.passes + 2, among=together) for member in self.members]

    async def run(self, message: Message, run: Run) -> Message:
        last, history = await _Passed(self, message, run).answered()
        return run.answer(message, last.text, data=last.data, sources=sources_of([*history, last]))


class _Passed:
    """The way of one message through the team."""

    def __init__(self, team: Handoff, message: Message, run: Run) -> None:
        self._team, self._message, self._run = team, message, run
        self._members = check_names(team.name, team.members)
        self._history: list[Message] = []
        """What each who had it has said, in order, with to whom it passed and why."""
        self._had: list[str] = []
        """Through whose hands it came, up to who has it now."""
        self._failed: dict[str, Message] = {}

    async def answered(self) -> tuple[Message, list[Message]]:
        """The final answer, and all that was said before."""
        name, passes, final = next(iter(self._members)), 0, False
        while True:
            answer, passing = await self._asked(name, final=final or passes >= self._team.passes)
            if passing is None and not answer.text.strip() and answer.data is None:
                answer = failed(name, Failure("it has given no answer"))
            if answer.failed:
                name = self._back(name, answer)
                passes += 1
            elif passing is None:
                return answer, self._history
            elif why := self._why_not(name, passing):
                self._note(answer, "stays", why)
                self._history.append(answer)
                final = True
            else:
                self._note(answer, passing.to, passing.reason)
                self._run.said(answer, self._members[passing.to])
                self._history.append(answer)
                self._had.append(name)
                name, passes = passing.to, passes + 1

    async def _asked(self, name: str, *, final: bool) -> tuple[Message, Passing | None]:
        """What the member says, and to whom it passes; `final` where it has to answer itself."""
        offered = [] if final else self._offered(name)
        shown = (*as_specialists(offered), *quoted([*self._history, *self._failed.values()], self._run))
        brief = _ANSWER_OR_MOVE if offered else _ANSWER
        given = also(self._message, brief.format(name=name), *shown, person="" if offered else _LAST)
        names = [member.name for member in offered]
        wanted = Wanted(Passing, names) if offered else self._run.wanted
        answer = await self._given(name, given, wanted)
        if answer.failed or not offered:
            return answer, None
        try:
            passing = typed(answer, Passing, names)
        except Failure:
            if not isinstance(answer.data, Passing):  # who can only answer has answered
                return answer, None
            passing = answer.data  # of a member of the user's own, which may name anybody
        if not passing.to and self._run.wanted is not None:  # the answer has a form of its own
            shown = quoted([*self._history, answer], self._run)
            given = also(self._message, _ANSWER.format(name=name), *shown, person=_LAST)
            return await self._given(name, given, self._run.wanted), None
        said = answer.model_copy(update={"text": passing.said(), "data": None})
        return said, passing if passing.to else None

    async def _given(self, name: str, given: Message, wanted: Wanted | None) -> Message:
        answer = await kept(self._run.give(self._members[name], given, wanted=wanted), name)
        return unless_waiting([answer])[0]

    def _offered(self, name: str) -> list[Member]:
        allowed = self._team.may_pass.get(name, [*self._members])
        return [
            member
            for other, member in self._members.items()
            if other in allowed and other != name and other not in self._failed
        ]

    def _back(self, name: str, error: Message) -> str:
        """Who had it before the one that failed, or may have it next. Raises Failure where nobody is left."""
        self._failed[name] = error
        while self._had and self._had[-1] in self._failed:
            self._had.pop()
        way = "back" if self._had else "on"
        to = self._had.pop() if self._had else self._next()
        if not to:
            raise Failure(f"{self._team.name}: {reasons([*self._failed.values()])}")
        why = f"{name} has failed: {error.as_quote().text}"
        self._run.state.notice(why)
        self._run.decided("handoff", to, f"it goes {way}, because {why}")
        return to

    def _next(self) -> str:
        """The first to whom one of those who have failed might have passed it."""
        may_pass = self._team.may_pass
        reached = {other for one in self._failed for other in may_pass.get(one, self._members)}
        return next((one for one in self._members if one in reached and one not in self._failed), "")

    def _why_not(self, name: str, passing: Passing) -> str:
        """Why it does not pass there, if it does not."""
        if passing.to not in {member.name for member in self._offered(name)}:
            return f"there is no {passing.to!r:.80} to whom it could pass"
        if passing.to in self._had and not self._is_news(passing.answer):
            return f"{passing.to} has had it, and nothing new was found since"
        return ""

    def _is_news(self, text: str) -> bool:
        """Whether there is more in it than next to nothing that was not known."""
        known, words = _words(self._message.text, *(said.text for said in self._history)), _words(text)
        if not words:
            return bool(text.strip())
        new = words - known
        return len(new) >= NEWS * len(words) or any(_FIGURE.search(word) for word in new)

    def _note(self, answer: Message, to: str, reason: str) -> None:
        data = {"from": answer.sender, "to": to, "way": [*self._had, answer.sender]}
        self._run.decided("handoff", to, reason, evidence=answer.sources[-1:], data=data)


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text.casefold())}


def wrong_passing(may_pass: Mapping[str, Sequence[str]], members: Sequence[str]) -> str:
    """What is wrong with who may pass to whom, if anything is."""
    for name, others in may_pass.items():
        if isinstance(others, str):
            return f"{name} may pass to {others!r}; give a list of names"
        for one in (name, *others):
            if one not in members:
                return f"{one!r} is no member; {allowed(one, members)}"
        if name in others:
            return f"{name} may pass to itself; name others, or nobody"
    reached, rest = {members[0]}, [members[0]]
    while rest:
        new = [one for one in may_pass.get(rest.pop(), members) if one not in reached]
        reached.update(new)
        rest += new
    if lost := [name for name in members if name not in reached]:
        names = ", ".join(lost)
        return f"nobody can pass to {names}, and it begins with {members[0]}; name them, or leave them out"
    return ""


class HandoffSpec(TeamSpec):
    """The work begins with the first member, who answers or passes it on, and so on."""

    LEAST: ClassVar[int] = 2

    pattern: Literal["handoff"] = "handoff"
    passes: Annotated[int, Field(ge=1, le=MOST_PASSES)] = 6
    """How often the work may pass on; who has it then gives the answer."""
    may_pass: dict[Name, Names] = Field(default={}, max_length=100)
    """To whom a member may pass; to all others, if it does not stand here."""

    def made(self, cast: Cast) -> Member:
        return Handoff(self.name, cast.members(), self.passes, self.may_pass)

    @model_validator(mode="after")
    def _all_are_reached(self) -> Self:
        if problem := wrong_passing(self.may_pass, self.members):
            raise Wrong("may_pass", problem)
        return self


_WORD, _FIGURE = re.compile(r"(?<!\w)-?\d+(?:[.,:/]\d+)*\w*|\w+"), re.compile(r"\d")
_ANSWER_OR_MOVE = """\
You are {name}, and the text above has come to you. What those before you have said to it is quoted, with \
why they passed it on. Either answer it in full, and leave `to` empty; or, if one of the specialists \
described below suits it better, name that one in `to`, say why in `reason`, and in `answer` all that you \
have found out, so that nothing has to be done twice."""
_ANSWER = """\
You are {name}, and the text above has come to you to be answered; it cannot be passed on. What was said to \
it so far is quoted. Answer it in full with what is there, and say what stays open."""
_LAST = "The work has come to you, and you give the answer: it cannot be passed on any more."
