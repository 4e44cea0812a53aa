"""Equals who work side by side and write letters to each other."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import Failure, NeedsInput, UserError

from ..choosing import may_see_private
from ..kinds import Post, Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import SYNTHESIZER, Cast, Lines, Name, TeamSpec, Wrong, allowed
from .briefing import also
from .bus import TO_ALL, Bus, Stall
from .letters import MOST_LETTERS, called, labelled, letter_of, listed, reply_of
from .together import (
    Part,
    as_specialists,
    check_count,
    check_members,
    check_names,
    concluded,
    kept,
    quoted,
    typed,
    unless_waiting,
)

MOST_TURNS = 500


@dataclass(frozen=True)
class PeerToPeer:
    """Equals who write to each other; whoever has post works at once, beside the others.

    It ends when nobody has post, or the turns are used up. The last answer of each counts.
    """

    name: str
    members: Sequence[Member]
    synthesizer: Member | None = None
    need: int = 1
    turns: int = 24
    """How often members are given something, all together; each is once, to begin with."""
    subscriptions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of letters to all, those that a member gets: senders, types and topics. Without any, it gets all."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members, least=2)
        if self.synthesizer is not None:
            check_members(self.name, [self.synthesizer])
        names = list(check_names(self.name, self.members))
        if TO_ALL in names:
            raise UserError(f"{self.name} has a member called {TO_ALL!r}, which means everybody; rename it")
        check_count(self.name, "need", self.need, len(names))
        check_count(self.name, "turns", self.turns, MOST_TURNS, least=len(names))
        for name, words in self.subscriptions.items():
            if problem := wrong_subscription(name, words, names):
                raise UserError(f"{self.name}: {problem}")

    @property
    def parts(self) -> Sequence[Part]:
        most = self.turns - len(self.members) + 1
        last = [Part(self.synthesizer, "synthesizer")] if self.synthesizer else []
        usual = min(2, most)  # its own answer, and one to what the others wrote
        members = [Part(member, times=most, among=self.turns, usual=usual) for member in self.members]
        return [*members, *last]

    async def run(self, message: Message, run: Run) -> Message:
        answers = await _Talk(self, message, run).answers()
        return await concluded(message, answers, run, synthesizer=self.synthesizer, need=self.need)


class _Talk:
    """What the members make of one message."""

    def __init__(self, team: PeerToPeer, message: Message, run: Run) -> None:
        self._message, self._run, self._turns, self._left = message, run, team.turns, team.turns
        self._peers = check_names(team.name, team.members)
        self._untrusted = {name for name, peer in self._peers.items() if not may_see_private(peer)}
        """Who is not shown what others say that is private, so that it can go on without."""
        self._bus = Bus([*self._peers], team.subscriptions, untrusted=self._untrusted)
        self._working: dict[str, asyncio.Task[Message]] = {}
        self._last: dict[str, Message] = {}
        """The last answer of each, or why it has none."""
        self._papers: dict[str, list[Message]] = {name: [] for name in self._peers}
        """The letters that each has written and read."""

    async def answers(self) -> list[Message]:
        """The last answer of each, or why it has none."""
        async with asyncio.TaskGroup() as group:
            for name in self._peers:
                self._start(group, name, _BEGIN)
            while self._working:
                name = await self._run.first(self._working)
                answer = self._working.pop(name).result()
                await self._take(name, answer)
                if isinstance(answer.data, NeedsInput):  # nothing that rests on what is missing is begun
                    break
                await self._wake(group)
        for name, task in self._working.items():
            await self._take(name, task.result())
        self._say_what_is_left()
        return unless_waiting([self._last[name] for name in self._peers])

    # -- a turn

    def _start(self, group: asyncio.TaskGroup, name: str, brief: str, *more: Message) -> None:
        """Give the member the task with all that it has said and read, and `more`."""
        self._left -= 1
        peers = [peer for other, peer in self._peers.items() if other != name]
        own = [self._last[name]] if self._has_answered(name) else []
        papers = [labelled(letter) for letter in self._papers[name]]
        given = also(
            self._message,
            f"{_TOGETHER.format(name=name)}\n\n{brief}",
            *as_specialists(peers),
            *quoted([*own, *papers, *more], self._run),
            person="" if brief == _BEGIN else brief.replace(_POST, _POST_IN_PERSON),
        )
        wanted = Wanted(Post, [*(peer.name for peer in peers), TO_ALL])
        work = self._run.give(self._peers[name], given, wanted=wanted, marked=True)
        self._working[name] = group.create_task(kept(work, name))

    async def _take(self, name: str, answer: Message) -> None:
        """Keep what the member has said, and post what it writes."""
        if answer.failed:
            self._fail(name, answer)
            return
        post = self._post(answer)
        text = answer.text if post is None else post.answer
        if text.strip():  # without its data it is a statement, which can contradict others
            data = answer.data if post is None else None
            self._last[name] = answer.model_copy(update={"text": text, "data": data})
        elif name not in self._last:
            self._last[name] = answer.model_copy(
                update={"type": "error", "text": _NO_ANSWER, "data": None, "private": False}
            )
        if post is None:  # who cannot write letters has answered those who wait for it
            for who in self._bus.owes(name):
                self._send(reply_of(answer, who))
        else:
            at = await self._posted(name) if any(letter.seconds for letter in post.letters) else 0
            for letter in post.letters:
                self._send(letter_of(answer, letter, at), letter.topic, letter.type)
        if awaited := self._bus.waits().get(name):
            reason = f"{name} waits for {', '.join(awaited)}"
            self._decide("waits", reason, answer, {"waits": self._bus.waits()})

    def _post(self, answer: Message) -> Post | None:
        """What the member has given in the way it was asked to, if it can; what is wrong in it is said."""
        name, names = answer.sender, [*(other for other in self._peers if other != answer.sender), TO_ALL]
        try:
            post = typed(answer, Post, names)
        except Failure:
            if not isinstance(answer.data, Post):
                return None
            post = answer.data  # of a member of the user's own, which may name anybody
            lost = [letter.to for letter in post.letters if letter.to not in names]
            self._run.state.notice(f"{name} wrote to {', '.join(lost)[:200]}, who can get no letter of it")
            known = tuple(letter for letter in post.letters if letter.to in names)
            post = post.model_copy(update={"letters": known})
        if (more := len(post.letters) - MOST_LETTERS) > 0:
            self._run.state.notice(
                f"{name} wrote {len(post.letters)} letters at once; the last {more} were not delivered"
            )
            post = post.model_copy(update={"letters": post.letters[:MOST_LETTERS]})
        return post

    async def _posted(self, name: str) -> float:
        """When the member's letters were posted: on a resumed run, then again and not now."""
        here, digest = self._run.span("posted"), self._run.digest(name)
        if (at := here.recorded(digest)) is None:
            at = time.time()
            await here.record(digest, at)
        return float(at)

    def _send(self, letter: Message, topic: str = "", kind: str = "") -> None:
        posted = self._bus.post(letter, topic, kind)
        self._papers[letter.sender].append(posted.letter)
        for name in posted.receivers:
            self._run.said(posted.letter, self._peers[name])
        if posted.gone:
            reason = f"{', '.join(posted.gone)} has failed before"
            self._undelivered(posted.letter, reason)
        if posted.barred:
            reason = f"it is private, and may not be shown to {', '.join(posted.barred)}"
            self._undelivered(posted.letter, reason)

    def _fail(self, name: str, error: Message) -> None:
        """Have nobody wait for the member any more, and keep what it had said before."""
        if isinstance(error.data, NeedsInput):
            self._last[name] = error
            return
        if self._has_answered(name):
            why = error.text if not error.private else "at work on private data"
            self._run.state.notice(f"{name} has failed after an answer, which stands: {why}")
        else:
            self._last[name] = error
        for letter in self._bus.leave(name, error):
            self._undelivered(letter, f"{name} has failed")

    def _has_answered(self, name: str) -> bool:
        return name in self._last and not self._last[name].failed

    # -- who goes on

    async def _wake(self, group: asyncio.TaskGroup) -> None:
        """Start all who have post, or else those who would wait for ever."""
        while self._left:
            ready = (name for name in self._peers if name not in self._working and self._bus.ready(name))
            if (name := next(ready, None)) is not None:
                if letters := await self._read(name):
                    self._start(group, name, _letters(letters), *map(labelled, letters))
                    self._papers[name] += letters
            elif not self._working and (stall := self._bus.stall()) is not None:
                await self._end(stall, group)
            else:
                return

    async def _read(self, name: str) -> tuple[Message, ...]:
        """The member's post, but for what is past its deadline: on a resumed run, the same again."""
        late: list[str] = []
        if timed := self._bus.timed(name):
            here, digest = self._run.span("read"), self._run.digest(name, *timed)
            late = here.recorded(digest)
            if late is None:
                late = self._bus.past(name, time.time())
                await here.record(digest, late, wait=False)
        inbox = self._bus.read(name, late)
        for letter in inbox.late:
            self._undelivered(letter, "its deadline was over when it would have been read")
        return inbox.letters

    async def _end(self, stall: Stall, group: asyncio.TaskGroup) -> None:
        """Have those who wait in vain go on with what the others have said by now."""
        what = "deadlock" if stall.circle else "goes on"
        told = "; ".join(f"{who} waits for {', '.join(others)}" for who, others in stall.waits.items())
        reason = f"{told}, and nobody else is at work: each of them goes on with what there is"
        evidence = self._last[next(iter(stall.waits))]
        self._decide(what, reason, evidence, {"waits": self._bus.waits(), "circle": list(stall.circle)})
        if stall.circle:
            self._run.state.notice(f"members waited for each other, and went on without: {told}")
        for who, others in stall.waits.items():
            self._bus.release(who)
            if self._left:
                letters = await self._read(who)
                brief = "\n\n".join(filter(None, [_letters(letters), _IN_VAIN.format(", ".join(others))]))
                said = [self._last[other] for other in others if self._may_see(who, other)]
                self._start(group, who, brief, *said, *map(labelled, letters))
                self._papers[who] += letters

    def _may_see(self, name: str, other: str) -> bool:
        """Whether the member may be shown the last answer of another; it is said if not."""
        kept_back = name in self._untrusted and self._last[other].as_quote().private
        self._run.state.withheld([f"the last answer of {other}"] * kept_back)
        return not kept_back

    # -- what is told

    def _undelivered(self, letter: Message, reason: str) -> None:
        about = called(letter)
        data = {
            "letter": letter.id,
            "from": letter.sender,
            "to": letter.receiver,
            "deadline": letter.deadline,
        }
        self._run.decided(
            "handover", "not delivered", f"{about}: {reason}", evidence=letter.sources[-1:], data=data
        )
        self._run.state.notice(f"a letter was not delivered ({about}): {reason}")

    def _decide(self, choice: str, reason: str, answer: Message, data: object) -> None:
        self._run.decided("step", choice, reason, evidence=answer.sources[-1:], data=data)

    def _say_what_is_left(self) -> None:
        if unread := self._bus.unread():
            letters = ", ".join(map(called, unread[:10]))
            more = f" and {len(unread) - 10} more" if len(unread) > 10 else ""
            if not self._left:
                self._run.state.notice(f"the {self._turns} turns were used; not read: {letters}{more}")


def _letters(letters: Sequence[Message]) -> str:
    return f"{_POST}\n{listed(letters)}" if letters else ""


def wrong_subscription(name: str, words: Sequence[str], members: Sequence[str]) -> str:
    """What is wrong with what a member subscribed to, if anything is."""
    if name not in members:
        return f"{name!r} subscribes and is no member; {allowed(name, members)}"
    if isinstance(words, str) or not all(isinstance(word, str) and word.strip() for word in words):
        return f"{name} subscribes to {words!r:.80}; give a list of senders, types and topics"
    if name in words:
        return f"{name} subscribes to its own letters, which nobody gets back; name others, or topics"
    return ""


class PeerToPeerSpec(TeamSpec):
    """Members write to each other, and whoever has post works at once."""

    LEAST: ClassVar[int] = 2
    ROLES: ClassVar[tuple[str, ...]] = ("synthesizer",)

    pattern: Literal["peer_to_peer"] = "peer_to_peer"
    synthesizer: Name | None = None
    need: Annotated[int, Field(ge=1)] = 1
    """Fewer answers than this fail the team."""
    turns: Annotated[int, Field(ge=2, le=MOST_TURNS)] = 24
    """How often members are given something, all together."""
    subscriptions: dict[Name, Lines] = Field(default={}, max_length=100)
    """The senders, types and topics of the letters to all that a member gets; without any, all of them."""

    @classmethod
    def of(cls, team: TeamSpec) -> Self:
        spec = super().of(team)
        synthesizer = spec.synthesizer or (None if SYNTHESIZER in spec.members else SYNTHESIZER)
        turns = max(spec.turns, 3 * len(spec.members))
        return spec.model_copy(update={"synthesizer": synthesizer, "turns": min(turns, MOST_TURNS)})

    def made(self, cast: Cast) -> Member:
        return PeerToPeer(
            self.name, cast.members(), cast.role("synthesizer"), self.need, self.turns, self.subscriptions
        )

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        if self.need > len(self.members):
            raise Wrong("need", f"{self.need} answers of {len(self.members)} members")
        if self.turns < len(self.members):
            raise Wrong(
                "turns", f"{self.turns} for {len(self.members)} members, of whom each has one or more"
            )
        for name, words in self.subscriptions.items():
            if problem := wrong_subscription(name, words, self.members):
                raise Wrong("subscriptions", problem)
        if TO_ALL in self.members:
            raise Wrong("members", f"{TO_ALL!r} means everybody in letters; rename that member")
        return self


_TOGETHER = """\
You are {name}, and work on the text above together with the specialists who are described below. In \
`answer`, say all that you have to say to the task by now, in full: your last answer is the one that \
counts. If you need something of one of them, or know something that changes what they have to say, write \
a letter to that one, or to `all`. Require a response only where you cannot go on without it. Write no \
letter that nobody needs: none is the rule, and no thanks."""
_BEGIN = "Nobody has written to you yet."
_POST = """\
Quoted are your last answer, the letters that you have written and read so far, and at the end these new \
ones. Answer by letter whoever waits for your response, and bring your answer up to date."""
_NO_ANSWER = "it has given no answer by now, but letters at most"
_IN_VAIN = """\
You waited for {}, from whom no response will come. Their last answers are quoted: go on with these."""
_POST_IN_PERSON = "You have new letters; they are shown below, with your last answer and the letters before."
