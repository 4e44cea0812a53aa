"""An answer that is made better until it is good enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from ..kinds import Score, Wanted
from ..message import Message
from ..rules import Ruled
from ..run import Member, Run
from ..spec_types import Cast, Name, TeamSpec
from .briefing import also, answered, check_share, give_for, labelled
from .pipeline import Pipeline
from .together import Part, all_answers, check_count, check_members, check_names, sources_of

MOST_ROUNDS = 20


class Version(NamedTuple):
    """An answer, and what the critic says of it."""

    number: int
    answer: Message
    critique: Message

    @property
    def score(self) -> float:
        """None is worse than any."""
        return -1.0 if self.critique.failed else float(self.critique.data.score)


@dataclass(frozen=True)
class Loop:
    """The member answers, the critic scores it, and so on until the bar is reached or the rounds are over.

    The best version wins, not the last. Several members make each version together, one after the other,
    as in a pipeline. Where the critic fails, or the member fails at a later version, the loop ends with
    the best so far.
    """

    name: str
    members: Sequence[Member]
    critic: Member
    bar: float = 0.8
    """The score that is good enough, of 1."""
    rounds: int = 3

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        check_members(self.name, [self.critic])
        check_names(self.name, self.members)
        check_share(self.name, "bar", self.bar)
        check_count(self.name, "rounds", self.rounds, MOST_ROUNDS)

    @property
    def parts(self) -> Sequence[Part]:
        usual = min(2, self.rounds)
        members = [Part(member, times=self.rounds, usual=usual) for member in self.members]
        return [*members, Part(self.critic, "critic", self.rounds, usual=usual)]

    @cached_property
    def generator(self) -> Member:
        """Who makes a version."""
        return self.members[0] if len(self.members) == 1 else Pipeline("generator", self.members)

    async def run(self, message: Message, run: Run) -> Message:
        versions = [await self._scored(1, await answered(run, self._by(run), message), message, run)]
        ended = self._ended(versions)
        while not ended:
            answer = await self._next(message, versions, run)
            if answer.failed:
                ended = f"the next version failed: {answer.as_quote().text[:200]}"
            elif answer.text.strip() == versions[-1].answer.text.strip():
                ended = "the next version says the same again"
            else:
                versions.append(await self._scored(len(versions) + 1, answer, message, run))
                ended = self._ended(versions)
        return self._answer(message, versions, ended, run)

    async def _next(self, message: Message, versions: Sequence[Version], run: Run) -> Message:
        """The next version; its author sees the last one, what it lacks, and the best if that is another."""
        last, best = versions[-1], _best(versions)
        shown = {"your last version": last.answer, "what the critic says of it": last.critique.as_remark()}
        brief = _AGAIN
        if best is not last:
            shown, brief = {"the best version": best.answer, **shown}, f"{_AGAIN} {_WAS_BETTER}"
        given = also(message, brief, *labelled(shown, run), person=_AGAIN_IN_PERSON)
        run.said(last.critique, self.generator)
        [answer] = await all_answers([answered(run, self._by(run), given)], [self.generator.name])
        return answer

    def _by(self, run: Run) -> Member:
        """The generator, under the rules of the loop, unless it is a member with rules of its own."""
        return self.generator if len(self.members) == 1 else Ruled(self.generator, run.rules)

    async def _scored(self, number: int, answer: Message, message: Message, run: Run) -> Version:
        run.said(answer, self.critic)
        given = also(message, _SCORE, *labelled({"the answer": answer}, run))
        work = give_for(run, self.critic, given, Wanted(Score))
        [critique] = await all_answers([work], [self.critic.name])
        version = Version(number, answer, critique)
        run.decided(
            "score",
            "none" if critique.failed else f"{version.score:.2f}",
            critique.text if critique.failed else critique.data.reason,
            evidence=critique.sources[-1:],
            data={
                "round": number,
                "score": None if critique.failed else version.score,
                "bar": self.bar,
                "of": answer.sender,
                "by": self.critic.name,
            },
        )
        return version

    def _ended(self, versions: Sequence[Version]) -> str:
        """Why no further version is made; nothing, if one is."""
        last = versions[-1]
        if last.critique.failed:
            return f"{self.critic.name} gave no score: {last.critique.as_quote().text[:200]}"
        if last.score >= self.bar:
            return f"{last.score:.2f} reaches the bar of {self.bar:.2f}"
        return f"all {self.rounds} rounds are over" if len(versions) == self.rounds else ""

    def _answer(self, message: Message, versions: Sequence[Version], ended: str, run: Run) -> Message:
        best = _best(versions)
        run.decided(
            "gate",
            f"version {best.number} of {len(versions)}",
            ended,
            evidence=best.answer.sources[-1:],
            data={
                "scores": [None if one.critique.failed else one.score for one in versions],
                "bar": self.bar,
            },
        )
        if best.score < self.bar:
            reached = "none was scored" if best.critique.failed else f"the best has {best.score:.2f}"
            run.state.notice(f"{self.name}: no version reached the bar of {self.bar:.2f}, {reached}: {ended}")
        answers = [best.answer, *(one.critique for one in versions if not one.critique.failed)]
        return run.answer(message, best.answer.text, data=best.answer.data, sources=sources_of(answers))


def _best(versions: Sequence[Version]) -> Version:
    """The version with the highest score: of equals, the first, since to be other is not to be better."""
    return max(versions, key=lambda one: (one.score, -one.number))


class LoopSpec(TeamSpec):
    """The members answer, the critic scores, until the bar is reached or the rounds are over."""

    ROLES: ClassVar[tuple[str, ...]] = ("critic",)

    pattern: Literal["loop"] = "loop"
    critic: Name = "critic"
    bar: Annotated[float, Field(ge=0, le=1)] = 0.8
    """The score that is good enough."""
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS)] = 3

    def made(self, cast: Cast) -> Member:
        return Loop(self.name, cast.members(), cast.filled("critic"), self.bar, self.rounds)


_SCORE = (
    "Somebody else was given the task above, and the answer is quoted last. Score how well it does what the "
    "task asks: 1 where nothing has to change, 0 where it is of no use. Score what is there, not the effort. "
    "Say what exactly it lacks or gets wrong, so that its author can put that right; do not do it yourself."
)
_AGAIN = (
    "Your last version of the answer is quoted, and what a critic says of it. Answer again, in full, with "
    "what the critic is right about put right and with all kept that was good."
)
_WAS_BETTER = "An earlier version was better than your last one and is quoted too: go on from that one."
_AGAIN_IN_PERSON = "Your last version and what is said of it are shown below. Write a better one, in full."
