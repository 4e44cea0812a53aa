"""The way of working together is chosen for each task: the simplest that serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from guildhall.errors import UserError

from ..fitness import fitness, profile
from ..kinds import Choice, Wanted
from ..message import Message
from ..rules import Ruled
from ..run import Member, Run
from ..spec_types import SYNTHESIZER, Cast, Name, TeamSpec, allowed
from ..ways import WAYS, Way, WayChosen, way_of
from .briefing import also, give_for
from .debate import MOST_MEMBERS, Debate
from .hierarchy import Hierarchy
from .parallel import Parallel
from .router import Router
from .together import Part, check_members, kept, unless_waiting

FEW = 4
"""Members of a large team who work at once or debate: those whom the task suits best."""


@dataclass(frozen=True)
class Auto:
    """One specialist alone, all at once, a plan or a debate, as the task asks for by rule.

    Only where the rule is unsure the chooser is asked. A way that is not in `make` gives way to one
    specialist alone.
    """

    name: str
    members: Sequence[Member]
    make: Mapping[Way, Member]
    """Who works in each way; `one` is, if it is not there, whoever suits the task best."""
    chooser: Member | None = None

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        if self.chooser is not None:
            check_members(self.name, [self.chooser])
        for way, team in self.make.items():
            if way not in WAYS:
                raise UserError(f"{self.name}: {way!r:.80} is no way to work; {allowed(way, WAYS)}")
            check_members(self.name, [team])
        if "one" not in self.make:
            one: Member = self.members[0]
            if len(self.members) > 1:  # one alone, also where nobody seems right
                one = Router("one", self.members, self.chooser, escalate="best")
            object.__setattr__(self, "make", {"one": one, **self.make})

    @property
    def parts(self) -> Sequence[Part]:
        """All ways, of which one is taken."""
        chooser = [Part(self.chooser, "chooser")] if self.chooser else []
        return [*chooser, *(Part(self.make[way], way, among=1) for way in WAYS if way in self.make)]

    def parts_for(self, message: Message) -> Sequence[Part]:
        """All ways, of which the one that the rule takes is the usual one."""
        found = self._by_rule(message)
        others = [part._replace(usual=int(part.role == "chooser" and not found.sure)) for part in self.parts]
        return [*others, Part(self._team(found.way, message), found.way, times=0)]

    def foreseen(self, message: Message) -> str:
        """The way that the rule takes, and why, in words."""
        found = self._by_rule(message)
        unsure = f"; the rule is unsure, so {self.chooser.name} decides" if self.chooser else ""
        return f"{found.way} ({found.reason}){'' if found.sure else unsure}"

    async def run(self, message: Message, run: Run) -> Message:
        way = await self._way(message, run)
        team = Ruled(self._team(way, message), run.rules)
        answer = await give_for(run, team, message, run.wanted, name=way)
        return run.answer(message, answer.text, data=answer.data, sources=answer.sources)

    def _team(self, way: Way, message: Message) -> Member:
        team = self.make[way]
        return _of_the_fittest(team, message) if way in ("debate", "parallel") else team

    def _by_rule(self, message: Message) -> WayChosen:
        found = way_of(message.text, material=sum(len(quote.text) for quote in message.quotes) // 4)
        if found.way in self.make:
            return found
        return found._replace(way="one", reason=f"{found.reason}; but this team has no way for {found.way}")

    async def _way(self, message: Message, run: Run) -> Way:
        found = self._by_rule(message)
        way, reason, by = found.way, found.reason, "rule"
        evidence: tuple[int, ...] = ()
        if not found.sure and self.chooser is not None:
            answer = await self._asked(message, found, run)
            if answer is not None:
                way, by, evidence = answer.data.choice, answer.sender, answer.sources[-1:]
                reason = f"{answer.data.reason} (by rule: {found.reason})"
        data = {"by": by, "rule": found._asdict(), "ways": [one for one in WAYS if one in self.make]}
        run.decided("pattern", way, reason, evidence=evidence, data=data)
        return way

    async def _asked(self, message: Message, found: WayChosen, run: Run) -> Message | None:
        """The chooser's choice; None, and a notice, if it makes none."""
        assert self.chooser is not None
        ways = [way for way in WAYS if way in self.make]
        meant = "\n".join(f"- {way}: {_MEANT[way]}" for way in ways)
        names = ", ".join(member.name for member in self.members)
        person = f"Say how {names} are to work on it:\n{meant}"
        given = also(message, f"{_CHOOSE}\n\n{meant}\n\nThose who work on it: {names}.", person=person)
        work = give_for(run, self.chooser, given, Wanted(Choice, ways))
        answer = unless_waiting([await kept(work, self.chooser.name)])[0]
        if not answer.failed:
            return answer
        run.state.notice(
            f"{self.name}: {answer.sender} did not say how to work on this, so it was left to a rule that is "
            f"unsure ({found.reason}): {answer.as_quote().text[:200]}"
        )
        return None


def _of_the_fittest(team: Member, message: Message) -> Member:
    """The same team with no more members than serve, if it has many: those whom the task suits best."""
    members: Sequence[Member] = getattr(team, "members", ())
    if len(members) <= FEW or not isinstance(team, Debate | Parallel):
        return team
    best = {fit.name for fit in fitness(message.text, [profile(member) for member in members])[:FEW]}
    return replace(team, members=[member for member in members if member.name in best])


class AutoSpec(TeamSpec):
    """How the members work together is chosen for each task."""

    ROLES: ClassVar[tuple[str, ...]] = ("chooser", "judge", "manager", "synthesizer")

    pattern: Literal["auto"] = "auto"
    chooser: Name | None = "moderator"
    """Says how to work where the rule is unsure; nobody, if it is null."""
    judge: Name = "judge"
    """Of a debate."""
    manager: Name = "manager"
    """Of a hierarchy."""
    synthesizer: Name = SYNTHESIZER
    """Of members who work at once."""

    def made(self, cast: Cast) -> Member:
        members = cast.members()
        judge, manager, synthesizer = (cast.filled(key) for key in ("judge", "manager", "synthesizer"))
        make: dict[Way, Member] = {}
        if len(members) > 1:
            make["parallel"] = Parallel("parallel", members, synthesizer)
        if workers := [member for member in members if member.name != manager.name]:
            make["hierarchy"] = Hierarchy("hierarchy", workers, manager)
        if len(sides := [member for member in members if member.name != judge.name]) > 1:
            make["debate"] = Debate("debate", sides[:MOST_MEMBERS], judge)  # the fittest of them do
        return Auto(self.name, members, make, cast.role("chooser", "fast"))


_CHOOSE = """\
Do not do what the text above asks. Say in which way those named below had best work on it: the simplest \
that serves. Choose one of these, and say why in a sentence:"""
_MEANT: Mapping[Way, str] = {
    "one": "the one specialist whom it suits best does it alone; right for most tasks",
    "parallel": "all work on it at once, and their answers are joined; for parts that do not need each other",
    "hierarchy": "a manager divides it into steps; for parts that rest on the results of other parts",
    "debate": "proposals are criticised and a judge decides; for a judgement with two sides",
}
