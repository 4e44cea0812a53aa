"""Members who explore one matter side by side, each going on from what all have found."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import BudgetRefused, Failure, NeedsInput

from .. import event as ev
from ..choosing import may_see_private
from ..kinds import Finding, Findings, Wanted
from ..message import Message, Quote
from ..notebook import noted
from ..run import Member, Run
from ..spec_types import SYNTHESIZER, Cast, Name, TeamSpec, Wrong
from ..tokens import estimate
from .briefing import also
from .disagreement import look
from .together import (
    Part,
    check_count,
    check_members,
    check_names,
    kept,
    reasons,
    sources_of,
    typed,
    unless_waiting,
)

MOST_TURNS, MOST_COPIES = 500, 50
SHARE_OF_LAST = 0.15
"""Of the budget, what is left for whoever sums up."""


@dataclass(frozen=True)
class Swarm:
    """Members explore side by side from one notebook, and go on from what the others have found.

    It ends when nobody has anything to add, the turns are used, or the budget has no room for more. What
    was found by then is made into one answer.
    """

    name: str
    members: Sequence[Member]
    synthesizer: Member | None = None
    """Without one, the findings are the answer."""
    turns: int | None = None
    """How often somebody explores, all together; None is twice for each."""
    copies: int = 1
    """How many of each member explore."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        if self.synthesizer is not None:
            check_members(self.name, [self.synthesizer])
        check_names(self.name, self.members)
        check_count(self.name, "copies", self.copies, MOST_COPIES)
        if self.turns is not None:
            check_count(self.name, "turns", self.turns, MOST_TURNS, least=len(self.explorers))

    @cached_property
    def explorers(self) -> dict[str, Member]:
        """Who explores, by the name under which it takes notes."""
        return {name: member for member in self.members for name in copied(member.name, self.copies)}

    @property
    def most(self) -> int:
        return self.turns if self.turns is not None else 2 * len(self.explorers)

    @property
    def parts(self) -> Sequence[Part]:
        times = self.most - len(self.explorers) + self.copies
        last = [Part(self.synthesizer, "synthesizer")] if self.synthesizer else []
        usual = self.most // len(self.members)
        explorers = [Part(one, "explorer", times, among=self.most, usual=usual) for one in self.members]
        return [*explorers, *last]

    async def run(self, message: Message, run: Run) -> Message:
        exploring = _Exploring(self, message, run)
        await exploring.done()
        found = exploring.found
        if self.synthesizer is None:
            return run.answer(message, listed(found), sources=sources_of(found))
        for finding in found:
            run.said(finding, self.synthesizer)
        person = _SUM_UP_IN_PERSON if found else _NOTHING
        given = also(message, _SUM_UP if found else _NOTHING, *exploring.shown(), person=person)
        settled = await (run.rules.settle or look)(message, found, run)
        given = settled.told_in(given)
        summed = run.give(self.synthesizer, given, wanted=run.wanted, marked=True)
        answer = await kept(summed, self.synthesizer.name)
        if not unless_waiting([answer])[0].failed:
            return settled.shown_in(answer)
        why = f"{self.synthesizer.name} could not sum up: {answer.as_quote().text}"
        if run.wanted is not None or not found:
            raise Failure(why)
        run.state.notice(f"{why}; the answer is what was found")
        return run.answer(message, listed(found), sources=sources_of(found))


class _Exploring:
    """What the members find out about one message."""

    def __init__(self, team: Swarm, message: Message, run: Run) -> None:
        self._team, self._message, self._run = team, message, run
        self._left = team.most
        self.found: list[Message] = []
        """One for each finding, in the order in which they came; the sender is who found it."""
        self._quotes: list[Quote] = []
        """The same as they are shown."""
        self._known: dict[str, bool] = {}
        """All that was found, in plain words, and whether it was found out from private data alone."""
        self._working: dict[str, asyncio.Task[Message]] = {}
        self._turns = Counter[str]()
        self._seen: dict[str, int] = {}
        """How many findings there were when each last began."""
        self._resting: set[str] = set()
        """Those who had nothing to add to what they saw."""
        self._failed: dict[str, Message] = {}
        self._refused: dict[str, str] = {}
        """For whom the budget had no room, and why."""
        self._untrusted = {name for name, one in team.explorers.items() if not may_see_private(one)}
        """Who is not shown what others found out from private data, so that it can go on without."""

    async def done(self) -> None:
        """Return when nobody explores any more. Raises Failure where all have failed, and found nothing."""
        async with asyncio.TaskGroup() as group:
            await self._go_on(group)
            while self._working:
                name = await self._run.first(self._working)
                answer = self._working.pop(name).result()
                await self._take(name, answer)
                if name in self._refused or isinstance(answer.data, NeedsInput):
                    break
                await self._go_on(group)
        for name, task in self._working.items():  # they have ended, and nothing rests on who was first
            await self._take(name, task.result())
        unless_waiting([*self._failed.values()])
        self._say_how_it_ended()

    def shown(self, to: str = "") -> tuple[Quote, ...]:
        """The findings, numbered, the newest where there is not room for all; what is left out is said.

        Without an explorer `to` whom they are shown, they are for whoever sums up.
        """
        quotes = self._quotes
        if to in self._untrusted:
            self._run.state.withheld(quote.label for quote in quotes if quote.private)
            quotes = [quote for quote in quotes if not quote.private]
        room, first = self._run.rules.tokens, len(quotes)
        if room is None:
            return tuple(quotes)
        while first and (room := room - estimate(quotes[first - 1].body())) >= 0:
            first -= 1
        if first:
            reason = f"the {first} oldest do not fit into {self._run.rules.tokens:,} tokens"
            left_out = [quote.label for quote in quotes[:first]]
            self._run.decided(
                "handover", f"{len(quotes) - first} of {len(quotes)} findings", reason, data=left_out
            )
        return tuple(quotes[first:])

    # -- who explores

    async def _go_on(self, group: asyncio.TaskGroup) -> None:
        """Start all who are free and can add something, while there are turns and room for them."""
        free = [name for name in self._team.explorers if name not in self._working and self._may_add(name)]
        for name in sorted(free, key=lambda name: self._turns[name]):
            if not self._left or not await self._has_room():
                return
            self._left -= 1
            self._turns[name] += 1
            self._seen[name] = len(self.found)
            self._working[name] = group.create_task(kept(self._explored(name), name))

    def _may_add(self, name: str) -> bool:
        new = self.found[self._seen.get(name, 0) :]
        news = any(one.sender != name and not (one.private and name in self._untrusted) for one in new)
        return name not in self._failed and (name not in self._resting or news)

    def _explored(self, name: str) -> Coroutine[Any, Any, Message]:
        names = [*self._team.explorers]
        brief = _EXPLORE.format(name=name, number=names.index(name) + 1, of=len(names))
        shown = self.shown(name)
        given = also(self._message, f"{brief} {_GO_ON if shown else _BEGIN}", *shown)
        member = self._team.explorers[name]
        return self._noting_refusal(
            name, self._run.give(member, given, name=name, wanted=_WANTED, marked=True)
        )

    async def _noting_refusal(self, name: str, work: Coroutine[Any, Any, Message]) -> Message:
        try:
            return await work
        except BudgetRefused as refused:
            self._refused[name] = str(refused)
            raise

    async def _has_room(self) -> bool:
        """Whether the budget has room for one more and whoever sums up; on a resumed run, the same again.

        Under other limits only what had ended the exploring is measured anew: all before it is paid for.
        """
        if not self._turns:
            return True
        meter = self._run.state.meter
        budget = meter.budget
        limits = [budget.calls, budget.tokens, budget.usd]
        here, digest = self._run.span("room"), self._run.digest("room")
        known = here.recorded(digest)
        if known is not None and (known["room"] or known.get("busy") or known["limits"] == limits):
            return bool(known["room"])
        taken = meter.spent + meter.held
        calls = meter.spent.calls + max(meter.held.calls, len(self._working))
        last = self._team.synthesizer is not None
        share = 1 - SHARE_OF_LAST * last
        room = (
            (budget.calls is None or calls + 1 + last <= budget.calls)
            and (budget.tokens is None or taken.tokens < share * budget.tokens)
            and (budget.usd is None or taken.usd < share * budget.usd)
        )
        busy = bool(self._working)  # then it is asked again once they have ended
        await here.record(digest, {"limits": limits, "room": room, "busy": busy}, wait=False)
        return room

    # -- what is found

    async def _take(self, name: str, answer: Message) -> None:
        if answer.failed:
            self._failed[name] = answer
            return
        findings, done = _findings(answer)
        for text in findings:
            # What was found out from private data is new where it is found out without.
            secret = self._known.get(plain := _plain(text))
            if secret is None or (secret and not answer.private):
                self._known[plain] = answer.private
                await self._note(name, answer, text)
        if done or not findings:
            self._resting.add(name)
        else:
            self._resting.discard(name)

    async def _note(self, name: str, answer: Message, text: str) -> None:
        finding = Message(
            sender=name, type="response", text=text, sources=answer.sources, private=answer.private
        )
        self.found.append(finding)
        label = f"finding {len(self.found)} of {name}"
        self._quotes.append(finding.as_quote().model_copy(update={"label": label}))
        told = f"{name}: {text}"
        self._run.emit(ev.Said, to="notebook", type="info", text=told, sources=answer.sources[-1:])
        await noted(self._run, text, kind="finding", task=self._run.path, author=name, private=answer.private)

    def _say_how_it_ended(self) -> None:
        broken = [error for name, error in self._failed.items() if name not in self._refused]
        if not self.found and self._failed.keys() == self._turns.keys():
            raise Failure(f"{self._team.name}: nothing was found: {reasons([*self._failed.values()])}")
        if broken:
            names = ", ".join(error.sender for error in broken)
            self._run.state.notice(f"{len(broken)} of {len(self._team.explorers)} have failed: {names}")
        if self._refused:
            why = f"the budget has no room for more: {next(iter(self._refused.values()))}"
        elif self._left and any(self._may_add(name) for name in self._team.explorers):
            why = "the budget has no room for more, but for whoever sums up"
        else:
            return
        self._run.decided("budget", "exploring ends", why, data={"findings": len(self.found)})
        self._run.state.notice(f"exploring ended with {len(self.found)} findings: {why}")


def copied(name: str, copies: int) -> list[str]:
    """What the copies of a member are called."""
    return [name] if copies == 1 else [f"{name}-{number}" for number in range(1, copies + 1)]


def listed(found: Sequence[Message]) -> str:
    """The findings, each with who found it."""
    return "\n".join(f"- {finding.text} ({finding.sender})" for finding in found) or "Nothing was found."


def _findings(answer: Message) -> tuple[list[str], bool]:
    """What the answer adds, and whether there is nothing left; free text is one finding."""
    try:
        given = typed(answer, Findings)
    except Failure:
        given = Findings(findings=(Finding(about="", text=answer.text, sources=()),), done=True)
    return [finding.said() for finding in given.findings if finding.text.strip()], given.done


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


class SwarmSpec(TeamSpec):
    """Members explore side by side from one notebook; the synthesizer makes one answer of what they find."""

    ROLES: ClassVar[tuple[str, ...]] = ("synthesizer",)

    pattern: Literal["swarm"] = "swarm"
    synthesizer: Name = SYNTHESIZER
    turns: Annotated[int, Field(ge=1, le=MOST_TURNS)] | None = None
    """How often somebody explores, all together; twice for each, if it does not stand here."""
    copies: Annotated[int, Field(ge=1, le=MOST_COPIES)] = 1
    """How many of each member explore."""

    @property
    def seats(self) -> dict[str, str]:
        return {seat: name for name in self.members for seat in copied(name, self.copies)}

    def made(self, cast: Cast) -> Member:
        return Swarm(self.name, cast.members("fast"), cast.role("synthesizer"), self.turns, self.copies)

    @model_validator(mode="after")
    def _all_explore(self) -> Self:
        explorers = self.copies * len(self.members)
        if self.turns is not None and self.turns < explorers:
            raise Wrong("turns", f"{self.turns} for {explorers} explorers, who each have one or more")
        return self


_WANTED = Wanted(Findings)
_EXPLORE = """\
You are {name}, number {number} of {of} who explore the text above side by side; take another way than the \
others are likely to take."""
_BEGIN = "Give what you find out, each finding by itself."
_GO_ON = """\
Quoted are the findings so far. Go on from them: give what is new, or shows that one of them is wrong, each \
finding by itself, and repeat none."""
_SUM_UP = """\
Quoted are the findings of several members who explored the text above. Make one answer of them: keep what \
holds, say where they contradict each other, and drop what leads nowhere."""
_NOTHING = (
    "Several members have explored the text above and found nothing. Say so, and what can still be said."
)
_SUM_UP_IN_PERSON = "What several members have found is shown below. Make one answer of it."
