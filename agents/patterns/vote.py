"""Votes over options, and over what members answer."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from guildhall.errors import TooFew, UserError

from ..kinds import Ballot, Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import Cast, Line, Lines, Name, TeamSpec, Wrong, allowed
from .agreement import ANSWER_LINE, warn_of_one_voice
from .briefing import also, answered, give_for
from .counting import Rule
from .disagreement import LONG
from .election import Matter, Ties, Weigh, brief, broken, outcome, over_answers, told
from .standing import weights
from .together import Part, all_answers, check_count, check_members, check_names, enough, reasons

MOST_VOTES, MOST_OPTIONS, SAMPLES = 100, 50, 5


@dataclass(frozen=True)
class Vote:
    """Members vote by ballot over the options; without options they answer, and equal answers are one.

    An answer that more than half gave wins at once; where none is, members rank the answers, not knowing
    whose they are, and that is counted by the rule. Abstentions and members that fail are told and never
    guessed. With `samples`, each member answers several times on its own, and these are counted as they are.
    """

    name: str
    members: Sequence[Member]
    options: Sequence[str] = ()
    rule: Rule = "majority"
    weigh: Weigh = "confidence"
    """Of `weighted`: by how sure a voter says it is, or by how often its side held when others judged."""
    ties: Ties | None = None
    """Who or what breaks a tie; None is the judge where there is one, and else the first in order."""
    judge: Member | None = None
    status_quo: str = ""
    """The option that stands in a tie."""
    samples: int = 1
    need: int = 1
    """Fewer votes than this fail the team; who abstains has not voted."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        check_names(self.name, self.members)
        if self.judge is not None:
            check_members(self.name, [self.judge])
        check_count(self.name, "samples", self.samples, MOST_VOTES)
        check_count(self.name, "the number of votes", len(self.members) * self.samples, MOST_VOTES, least=2)
        check_count(self.name, "need", self.need, len(self.members) * self.samples)
        for what, given, words in (
            ("rule", self.rule, get_args(Rule)),
            ("weigh", self.weigh, get_args(Weigh)),
            ("ties", self.ties, (None, *get_args(Ties))),
        ):
            if given not in words:
                raise UserError(f"{self.name}: {what} is {given!r:.80}; {allowed(given, map(str, words))}")
        if self.ties == "judge" and self.judge is None:
            raise UserError(f"{self.name}: ties are for the judge, and there is none; name one")
        try:
            check_vote(self, self.samples)
        except Wrong as error:
            raise UserError(f"{self.name}: {error.key}: {error}") from None

    @property
    def parts(self) -> Sequence[Part]:
        times = self.samples if self.options or self.samples > 1 else 2
        last = [Part(self.judge, "judge")] if self.judge is not None else []
        return [*(Part(member, times=times, usual=self.samples) for member in self.members), *last]

    @property
    def voters(self) -> dict[str, Member]:
        """Who votes, by the name under which it does; a member that is sampled has several."""
        numbers = range(1, self.samples + 1)
        return {
            f"{member.name} #{number}" if self.samples > 1 else member.name: member
            for member in self.members
            for number in numbers
        }

    async def run(self, message: Message, run: Run) -> Message:
        records = await self._records(run)
        if self.options:
            matter = await self._with_ballots(
                message, Matter(tuple(self.options), {}), list(self.voters), run
            )
            return await self._elected(message, matter, records, run)
        given = also(message, "" if run.wanted else ANSWER_LINE, person=_IN_PERSON)
        work = [answered(run, member, given) for member in self.voters.values()]
        answers = await all_answers(work, list(self.voters))
        enough(answers, run, self.need)
        good = {voter: one for voter, one in zip(self.voters, answers, strict=True) if not one.failed}
        matter = await _compared(good)
        if len(matter.options) == 1:
            warn_of_one_voice(self.name, self.members, run)
        if not self._decides(matter, records):
            matter = await self._with_ballots(message, matter, list(good), run)
        return await self._elected(message, matter, records, run)

    async def _records(self, run: Run) -> dict[str, float]:
        """What the vote of each voter weighs by what it was right about before, where that counts."""
        if (self.rule, self.weigh) != ("weighted", "standing"):
            return {}
        known = await weights(run, [member.name for member in self.members])
        return {voter: known[member.name] for voter, member in self.voters.items()}

    def _decides(self, matter: Matter, records: dict[str, float]) -> bool:
        """Whether the answers themselves are the votes."""
        if self.samples > 1 or len(matter.votes) == 1 or len(matter.options) == 1:
            return True
        if needs_ballots(self.rule, self.weigh):
            return False
        return matter.counted(self.rule, self.weigh, records).has_majority

    async def _with_ballots(
        self, message: Message, matter: Matter, voters: Sequence[str], run: Run
    ) -> Matter:
        """The matter with a ballot of each voter; answers that there are count where too few ballots do."""
        work, members = [], [self.voters[voter] for voter in voters]
        for answer in matter.answers.values():
            run.said(answer, *members)
        for place, member in enumerate(members):
            order, quotes = matter.shown(place, run)
            given = also(message, _RANK if quotes else brief(_BALLOT, order), *quotes)
            name = f"{member.name}-ballot" if quotes else ""
            work.append(give_for(run, member, given, Wanted(Ballot, matter.options), name=name))
        ballots = await all_answers(work, voters)
        good = {voter: one for voter, one in zip(voters, ballots, strict=True) if not one.failed}
        abstained = [voter for voter, ballot in good.items() if not ballot.data.ranking]
        invalid = [ballot for ballot in ballots if ballot.failed]
        without = f"no valid ballot of {', '.join(ballot.sender for ballot in invalid)}" if invalid else ""
        votes = len(good) - len(abstained)
        if votes >= self.need:
            if without:
                run.state.notice(f"{self.name}: {without}")
            return matter._replace(votes=good, by_ballot=True)
        few = f"{votes} of {len(ballots)} have voted, and at least {self.need} must"
        few += f"; {len(abstained)} abstained: {', '.join(abstained)}" if abstained else ""
        few += f"; {without}" if without else ""
        if not matter.answers:
            raise TooFew(f"{few}{f' ({reasons(invalid)})' if invalid else ''}")
        run.state.notice(f"{self.name}: {few}; so the answers are counted as they are")
        return matter

    async def _elected(
        self, message: Message, matter: Matter, records: dict[str, float], run: Run
    ) -> Message:
        """The winner by the count and, in a tie, by the rule for it."""
        count, tie = matter.counted(self.rule, self.weigh, records), None
        if len(count.leaders) != 1:
            tie = await broken(
                message, matter, count, run,
                ties=self.ties or ("first" if self.judge is None else "judge"),
                judge=self.judge, status_quo=self.status_quo,
            )  # fmt: skip
        winner = tie.winner if tie else count.leaders[0]
        missing = [voter for voter in self.voters if voter not in matter.votes]
        result = told(count, winner, self.rule, self.weigh, tie, missing=missing)
        run.decided(
            "vote",
            ", ".join(matter.authors.get(winner, [winner])),
            result,
            evidence=tuple(source for vote in matter.votes.values() for source in vote.sources[-1:]),
            data={
                "winner": winner,
                "rule": self.rule,
                "votes": {voter: list(ranking) for voter, ranking in matter.rankings.items()},
                "counts": count.points,
                "weights": records,
                "confidence": matter.confidence,
                "abstained": list(count.abstained),
                "failed": missing,
                "authors": matter.authors,
                "tie": {"between": list(tie.between), "rule": tie.rule, "why": tie.why} if tie else None,
            },
        )
        return outcome(message, matter, winner, result, run, tie=tie)


async def _compared(answers: Mapping[str, Message]) -> Matter:
    """The matter whose options are the different answers; long ones are compared beside the event loop."""
    if sum(len(answer.text) for answer in answers.values()) > LONG:
        return await asyncio.to_thread(over_answers, answers)
    return over_answers(answers)


def needs_ballots(rule: Rule, weigh: Weigh) -> bool:
    """Whether an answer alone says too little for the rule."""
    return rule == "borda" or (rule == "weighted" and weigh == "confidence")


def check_vote(vote: "Vote | VoteSpec", samples: int) -> None:
    """Raise Wrong where what it says does not go together."""
    options, ties, status_quo = vote.options, vote.ties, vote.status_quo or ""
    plain = [option.strip().strip("[]").strip().casefold() for option in options]
    if options and not 2 <= len(options) <= MOST_OPTIONS:
        raise Wrong("options", f"{len(options)} given; give 2 to {MOST_OPTIONS}, or none")
    for option, bare in zip(options, plain, strict=True):
        if bare != option.casefold() or not bare or plain.count(bare) > 1:
            raise Wrong("options", f"{option!r} cannot be told from others; give each a name of its own")
    if (status_quo or ties == "status_quo") and status_quo not in options:
        there = ", ".join(options) or "none"
        raise Wrong("status_quo", f"{status_quo!r} is not one of the options, which are: {there}")
    if status_quo and ties != "status_quo":
        raise Wrong("status_quo", "it decides nothing here; write ties: status_quo")
    if samples > 1 and not options and needs_ballots(vote.rule, vote.weigh):
        raise Wrong("rule", "samples are counted as they are, without ballots; take majority or give options")


class VoteSpec(TeamSpec):
    """Members vote over the options, or over what they answer; one member alone answers several times."""

    ROLES: ClassVar[tuple[str, ...]] = ("judge",)

    pattern: Literal["vote"] = "vote"
    options: Lines = ()
    """What is voted on; without them, members answer, and equal answers are counted."""
    rule: Rule = "majority"
    weigh: Weigh = "confidence"
    """Of the rule `weighted`: what votes weigh by."""
    ties: Ties = "judge"
    judge: Name = "judge"
    """Who breaks a tie, where `ties` says so."""
    status_quo: Line | None = None
    """The option that stands in a tie."""
    samples: Annotated[int, Field(ge=1, le=MOST_VOTES)] | None = None
    """How often each member answers on its own: 5 times if there is one, else once."""
    need: Annotated[int, Field(ge=1)] = 1
    """Fewer votes than this fail the team; who abstains has not voted."""

    @property
    def roles(self) -> dict[str, str]:
        return super().roles if self.ties == "judge" else {}

    def made(self, cast: Cast) -> Member:
        return Vote(
            self.name,
            cast.members(),
            self.options,
            rule=self.rule,
            weigh=self.weigh,
            ties=self.ties,
            judge=cast.role("judge"),
            status_quo=self.status_quo or "",
            samples=self.each,
            need=self.need,
        )

    @property
    def each(self) -> int:
        return self.samples or (SAMPLES if len(self.members) == 1 else 1)

    @model_validator(mode="after")
    def _can_be_voted_on(self) -> Self:
        votes = len(self.members) * self.each
        if not 2 <= votes <= MOST_VOTES:
            raise Wrong("samples", f"{votes} votes in all; there can be 2 to {MOST_VOTES}")
        if self.need > votes:
            raise Wrong("need", f"{self.need} votes of {votes}; at most {votes}")
        check_vote(self, self.each)
        return self


_BALLOT = (
    "Vote on the task above. Rank the options that you could support, the best first, by their names as "
    "they stand here; rank none where you have no ground to decide. Say how sure you are, and why. The "
    "options:"
)
_RANK = (
    "Answers to the task above are quoted; who gave them is not said. Rank those that are right or near it, "
    "the best first, by their labels; rank none where you have no ground to decide. Go by what is right and "
    "shown, not by length or order. Say how sure you are, and why."
)
_IN_PERSON = "It is voted on by answering: equal answers count as one. Put yours into few words."
