"""One conversation, in which everybody hears everything and one speaks at a time."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import Failure, TooFew, UserError, describe

from ..kinds import Speaker, Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import Cast, Name, TeamSpec, Wrong
from .briefing import also
from .together import (
    Part,
    as_specialists,
    check_count,
    check_members,
    check_names,
    kept,
    quoted,
    reasons,
    sources_of,
    typed,
    unless_waiting,
)

MOST_ROUNDS, MOST_FAILURES = 200, 2


@dataclass(frozen=True)
class GroupChat:
    """One conversation in which a member at a time speaks, and all hear everything.

    The moderator says who is next. Without one it is whoever was asked directly, with `@name`, and has not
    spoken since; else the next in turn. Nobody speaks twice in a row, and who has failed twice is asked no
    more. It ends when the moderator says so, after `rounds` speeches, or when all pass one after the other.
    """

    name: str
    members: Sequence[Member]
    moderator: Member | None = None
    rounds: int = 8
    """Speeches in all, passing included."""
    synthesizer: Member | None = None
    """Who sums up; else the moderator does, and without one the last word is the answer."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members, least=2)
        check_members(self.name, [*self.members, *filter(None, [self.moderator, self.synthesizer])])
        check_names(self.name, self.members)
        if self.moderator is not None and any(self.moderator is member for member in self.members):
            raise UserError(f"{self.name}: {self.moderator.name} moderates and is a member; it can be one")
        check_count(self.name, "rounds", self.rounds, MOST_ROUNDS)

    @property
    def parts(self) -> Sequence[Part]:
        alone = not (self.synthesizer or self.moderator)  # one of the members may have to sum up
        times, together = (self.rounds + 1) // 2 + alone, self.rounds + alone
        usual = min(2, times)
        members = [Part(member, times=times, among=together, usual=usual) for member in self.members]
        last = [Part(self.synthesizer, "synthesizer")] if self.synthesizer else []
        if self.moderator is not None:
            times = self.rounds + (self.synthesizer is None)
            last.append(Part(self.moderator, "moderator", times, usual=min(times, usual * len(members) + 1)))
        return [*members, *last]

    async def run(self, message: Message, run: Run) -> Message:
        chat = _Chat(self, message, run)
        await chat.held()
        closer = self.synthesizer or self.moderator
        if closer is None and run.wanted is not None:  # the last word was free text
            closer = chat.last_speaker
        if closer is None:
            last = chat.said[-1]
            return run.answer(message, last.text, data=last.data, sources=sources_of(chat.said))
        run.said(chat.said[-1], closer)
        summed = also(message, _SUM_UP, *quoted(chat.said, run), person=_SUM_UP_IN_PERSON)
        answer = await kept(run.give(closer, summed, wanted=run.wanted), closer.name)
        return _closed(message, unless_waiting([answer])[0], chat.said, run)


class _Chat:
    """The conversation on one message."""

    def __init__(self, team: GroupChat, message: Message, run: Run) -> None:
        self._team, self._message, self._run = team, message, run
        self._members = check_names(team.name, team.members)
        self.said: list[Message] = []
        """What was said, in order, without those who passed."""
        self._silent: list[Message] = []
        """Those who have passed or failed since somebody last spoke."""
        self._failed: dict[str, Message] = {}
        self._failures = Counter[str]()
        self._asked: list[str] = []
        """Who was asked directly and has not spoken since."""
        self._last = ""

    @property
    def last_speaker(self) -> Member:
        return self._members[self.said[-1].sender]

    async def held(self) -> None:
        """Raises TooFew where nobody has said anything."""
        for _ in range(self._team.rounds):
            if (name := await self._next()) is None:
                break
            await self._speak(name)
            if {answer.sender for answer in self._silent} >= {*self._present()}:
                self._run.decided("speaker", "", "nobody has anything to add")
                break
        if not self.said:
            why = reasons([*self._failed.values()]) or "all have passed"
            raise TooFew(f"{self._team.name}: nobody has said anything: {why}")

    async def _speak(self, name: str) -> None:
        if self.said and self.said[-1].sender != name:
            self._run.said(self.said[-1], self._members[name])
        others = [member for other, member in self._members.items() if other != name]
        brief = _SPEAK.format(name=name, others=", ".join(member.name for member in others))
        quotes = (*as_specialists(others), *quoted(self.said, self._run))
        given = also(self._message, brief, *quotes, person=_SPEAK_IN_PERSON)
        answer = await kept(self._run.give(self._members[name], given), name)
        unless_waiting([answer])
        self._last = name
        self._asked = [one for one in self._asked if one != name]
        if answer.failed:
            self._failed[name] = answer
            self._failures[name] += 1
            self._run.state.notice(f"{name} could not speak: {answer.as_quote().text}")
            self._silent.append(answer)
        elif _PASS.fullmatch(answer.text or "pass"):
            self._silent.append(answer)
        else:
            self._silent = []
            self.said.append(answer)
            asked = addressed(answer.text, [one for one in self._members if one != name])
            self._asked += [one for one in asked if one not in self._asked]

    # -- who is next

    async def _next(self) -> str | None:
        """Who speaks next, and None where the moderator ends it, or nobody else can speak."""
        moderator = self._team.moderator
        names = [name for name in self._present() if name != self._last]
        if not names:
            self._run.decided("speaker", "", "nobody else can speak", evidence=self._evidence())
            return None
        if moderator is None:
            return self._by_rule("", names)
        speaker = await self._moderated(moderator, names)
        if speaker is None:
            return self._by_rule(f"{moderator.name} could not say who is next; ", names)
        if not speaker.speaker and not self.said:
            return self._by_rule(f"{moderator.name} ends it before anything was said; ", names)
        self._run.decided("speaker", speaker.speaker, speaker.reason, evidence=self._evidence())
        return speaker.speaker or None

    async def _moderated(self, moderator: Member, names: Sequence[str]) -> Speaker | None:
        """Whom the moderator names; None, and a notice, where it fails, for the chat goes on by rule."""
        asked = [name for name in self._asked if name in names]
        brief = _MODERATE + (_ASKED.format(", ".join(asked)) if asked else "")
        offered = as_specialists(self._members[name] for name in names)
        quotes = (*offered, *quoted(self.said, self._run))
        given = also(self._message, brief, *quotes, person=brief.removeprefix(_MODERATE).strip())
        wanted = Wanted(Speaker, names)
        answer = await kept(self._run.give(moderator, given, wanted=wanted), moderator.name)
        unless_waiting([answer])
        try:
            if not answer.failed:
                return typed(answer, Speaker, names)
            why = answer.as_quote().text
        except Failure as failure:
            why = "on private data" if answer.private else describe(failure)
        self._run.state.notice(f"{moderator.name} could not say who is next: {why}")
        return None

    def _present(self) -> list[str]:
        """Those who can speak; who has failed twice is not asked again."""
        return [name for name in self._members if self._failures[name] < MOST_FAILURES]

    def _by_rule(self, why: str, among: Sequence[str]) -> str:
        """Of these, who was asked directly first and is still to answer, else the next in turn."""
        names = [*self._members]
        after = names.index(self._last) + 1 if self._last else 0
        asked = [name for name in self._asked if name in among]
        turns = [name for name in (*names[after:], *names[:after]) if name in among]
        name, rule = (asked[0], "was asked directly") if asked else (turns[0], "is the next in turn")
        self._run.decided("speaker", name, f"{why}{name} {rule}", evidence=self._evidence())
        return name

    def _evidence(self) -> tuple[int, ...]:
        return self.said[-1].sources[-1:] if self.said else ()


def addressed(text: str, names: Sequence[str]) -> list[str]:
    """Those of the names that the text asks directly, with `@name`, in order, each once."""
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    found = re.findall(rf"(?<![\w@.])@({longest_first})(?![\w-])", text, re.IGNORECASE)
    known = {name.casefold(): name for name in names}
    return list(dict.fromkeys(known[name.casefold()] for name in found))


def _closed(message: Message, answer: Message, said: Sequence[Message], run: Run) -> Message:
    """The summing up, or else the last word: what was said was paid for."""
    if not answer.failed:
        return answer
    if run.wanted is not None:
        raise TooFew(f"{answer.sender} could not sum up what was said: {answer.as_quote().text}")
    run.state.notice(f"{answer.sender} could not sum up: {answer.as_quote().text}; this is the last word")
    return run.answer(message, said[-1].text, sources=sources_of(said))


class GroupChatSpec(TeamSpec):
    """Members talk to each other, one at a time; the moderator says who is next."""

    LEAST: ClassVar[int] = 2
    ROLES: ClassVar[tuple[str, ...]] = ("moderator", "synthesizer")

    pattern: Literal["group_chat"] = "group_chat"
    moderator: Name | None = None
    """Who says who speaks next; without one, it is whoever was asked directly, else the next in turn."""
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS)] = 8
    """Speeches in all."""
    synthesizer: Name | None = None
    """Who sums up."""

    @classmethod
    def of(cls, team: TeamSpec) -> Self:
        spec = super().of(team)
        moderator = spec.moderator or (None if MODERATOR in spec.members else MODERATOR)
        rounds = min(max(spec.rounds, 2 * len(spec.members)), MOST_ROUNDS)
        return spec.model_copy(update={"moderator": moderator, "rounds": rounds})

    def made(self, cast: Cast) -> Member:
        moderator, synthesizer = cast.role("moderator", "fast"), cast.role("synthesizer")
        return GroupChat(self.name, cast.members(), moderator, self.rounds, synthesizer)

    @model_validator(mode="after")
    def _moderator_does_not_speak(self) -> Self:
        if self.moderator in self.members:
            raise Wrong("moderator", f"{self.moderator} moderates and is a member; it can be one")
        return self


MODERATOR = "moderator"
"""The built-in specialist that says who speaks next."""
_PASS = re.compile(r"\W*pass\W*", re.IGNORECASE)
_SPEAK = """\
You are {name}, in a conversation on the text above with {others}, who are described below. What was said \
so far is quoted last, in order. Say what brings it forward: answer what you were asked, add what is \
missing, object to what is wrong; repeat nothing. To ask one of them directly, write @ before the name. If \
you have nothing to add, answer with the single word PASS."""
_SPEAK_IN_PERSON = """\
It is your turn in a conversation on the task; what was said so far is shown below. Say what brings it \
forward; @ before a name asks that one directly. Answer PASS if you have nothing to add."""
_MODERATE = """\
You moderate a conversation on the text above between the specialists who are described below. What was said \
so far is quoted last, in order. Say who is to speak next, and why. Name nobody once the text is answered \
and no objection is open."""
_ASKED = " Asked directly, and still to answer: {}."
_SUM_UP = """\
Quoted is the whole conversation that was held on the text above, in order. Give the answer that it has come \
to. Say where the speakers still contradict each other."""
_SUM_UP_IN_PERSON = "The conversation on the task is over, and is shown below. Say what it has come to."
