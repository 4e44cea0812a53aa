"""Proposals that are criticised, made better, and judged."""

import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import UserError

from ..kinds import Challenge, Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import Cast, Name, TeamSpec, Wrong
from .agreement import ANSWER_LINE, measured, warn_of_one_voice
from .briefing import also, answered, check_share, give_for, labelled
from .together import (
    Part,
    all_answers,
    check_count,
    check_members,
    check_names,
    enough,
)
from .verdict import judged_answer, shared_answer

MOST_MEMBERS, MOST_ROUNDS = len(ascii_uppercase), 10
Proposals = dict[str, Message]
"""What is proposed by now, by its label."""


@dataclass(frozen=True)
class Debate:
    """Members propose on their own, criticise each other's proposals and refine theirs; a judge decides.

    Nobody is told whose proposal is whose. Where the first proposals agree, one member is asked to refute
    what they share, and only where it cannot, the debate ends early. Who fails at first is out, who fails
    later keeps its last proposal; without a verdict, the proposal wins that is nearest to all others.
    """

    name: str
    members: Sequence[Member]
    judge: Member
    rounds: int = 1
    agreement: float = 0.8
    """The measure from which the first proposals count as one shared answer; see agreement.py."""
    challenge: bool = True
    """Whether a shared answer that nobody can refute ends the debate; if not, all rounds are held."""
    swap: bool = False
    """Whether the judge also sees the proposals in the other order, and again where that changes its mind."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members, least=2)
        check_members(self.name, [self.judge])
        check_count(self.name, "the number of members", len(self.members), MOST_MEMBERS, least=2)
        check_count(self.name, "rounds", self.rounds, MOST_ROUNDS)
        check_share(self.name, "agreement", self.agreement)
        if self.judge.name in check_names(self.name, self.members):
            raise UserError(f"{self.name}: {self.judge.name} proposes and judges; name another judge")

    @property
    def parts(self) -> Sequence[Part]:
        usual = 1 + 2 * self.rounds
        members = [Part(member, times=usual + self.challenge, usual=usual) for member in self.members]
        return [*members, Part(self.judge, "judge", 3 if self.swap else 1)]

    @property
    def authors(self) -> dict[str, Member]:
        """The members by the label of what they propose."""
        return {f"proposal {letter}": one for letter, one in zip(ascii_uppercase, self.members, strict=False)}

    async def run(self, message: Message, run: Run) -> Message:
        proposals = await self._first(message, run)
        if len(proposals) == 1:
            [only] = proposals.values()
            run.state.notice(f"{self.name}: {only.sender} alone made a proposal, so nothing was debated")
            return run.answer(message, only.text, data=only.data, sources=only.sources)
        typical, ended = await self._gate(message, proposals, run)
        if ended is not None and _stands(ended):
            return shared_answer(message, proposals, typical, ended, run)
        objection: Proposals = {}
        if ended is not None and not ended.failed:
            objection = {"objection": ended.as_remark(ended.data.reason)}
        for number in range(self.rounds):
            critiques = await self._criticised(message, proposals, objection, run, number)
            proposals = await self._refined(message, proposals, critiques, objection, run)
            objection = {}
        return await judged_answer(
            message, proposals, run, judge=self.judge, authors=self.authors, swap=self.swap
        )

    async def _first(self, message: Message, run: Run) -> Proposals:
        given = also(message, "" if run.wanted else _PROPOSE, person=_PROPOSE_IN_PERSON)
        work = [answered(run, member, given) for member in self.members]
        answers = await all_answers(work, [member.name for member in self.members])
        enough(answers, run, 1)
        return {
            label: answer for label, answer in zip(self.authors, answers, strict=True) if not answer.failed
        }

    async def _gate(self, message: Message, proposals: Proposals, run: Run) -> tuple[str, Message | None]:
        """The most typical proposal, and what came of the attempt to refute it, if they all share it."""
        labels, answers = list(proposals), list(proposals.values())
        found = measured(answers)
        typical, ended = labels[found.typical], None
        reason = f"the first proposals agree to {found.value:.2f}, by {found.how}"
        if found.value < self.agreement:
            reason += f"; {self.agreement:.2f} would be needed"
        elif not self.challenge:
            reason += "; nobody is asked to refute them here"
        else:
            ended = await self._challenged(message, proposals[typical], labels[found.furthest], run)
        if found.value == 1:
            warn_of_one_voice(self.name, self.members, run)
        stands = ended is not None and _stands(ended)
        if ended is not None:
            came = "was not made" if ended.failed else "failed" if stands else "succeeded"
            reason += f", and an attempt to refute them {came}"
        run.decided(
            "gate",
            "the debate ends" if stands else "the debate goes on",
            reason,
            evidence=tuple(source for answer in answers for source in answer.sources[-1:]),
            data={
                "value": found.value,
                "threshold": self.agreement,
                "how": found.how,
                "typical": typical,
                "likeness": dict(zip(labels, found.likeness, strict=True)),
                "authors": {label: self.authors[label].name for label in labels},
            },
        )
        return typical, ended

    async def _challenged(self, message: Message, shared: Message, label: str, run: Run) -> Message:
        """What the author of that label finds against the shared answer; an error message if it fails."""
        member = self.authors[label]
        run.said(shared, member)
        given = also(message, _REFUTE, *labelled({"shared answer": shared}, run))
        work = give_for(run, member, given, Wanted(Challenge), name=f"{member.name}-challenge")
        [answer] = await all_answers([work], [member.name])
        said = answer.text if answer.failed else answer.data.reason
        choice = "not made" if answer.failed else "refuted" if answer.data.refuted else "not refuted"
        data = {"by": member.name, "of": shared.sender}
        run.decided("challenge", choice, said, evidence=answer.sources[-1:], data=data)
        if answer.failed:
            run.state.notice(f"{self.name}: {member.name} gave no challenge: {answer.as_quote().text[:200]}")
        return answer

    async def _criticised(
        self, message: Message, proposals: Proposals, objection: Proposals, run: Run, number: int
    ) -> Proposals:
        """What each who has a proposal says about the others', by the label of its own."""
        labels, work = list(proposals), []
        for place, label in enumerate(labels):
            others = labels[place + 1 :] + labels[:place]  # nobody's comes first for all
            shown = {other: proposals[other] for other in (reversed(others) if number % 2 else others)}
            quotes = labelled(shown | objection, run)
            given = also(message, _CRITICISE, *quotes, person=_CRITICISE_IN_PERSON)
            member = self._told(label, [*shown.values(), *objection.values()], run)
            work.append(run.give(member, given, name=f"{member.name}-critique"))
        return await self._without_failed(labels, work, run, "gave no critique")

    async def _refined(
        self,
        message: Message,
        proposals: Proposals,
        critiques: Proposals,
        objection: Proposals,
        run: Run,
    ) -> Proposals:
        """The proposals as their authors make them after the critiques; as they were where nobody had any."""
        labels, work = [], []
        for label, own in proposals.items():
            others = [one for critic, one in critiques.items() if critic != label]
            heard = [_part_about(label, one).as_remark() for one in others]
            if not heard and not objection:
                continue
            shown = {label: own} | {f"critique {at}": one for at, one in enumerate(heard, 1)}
            brief = _REFINE.format(label=label) + ("" if run.wanted else f" {ANSWER_LINE}")
            quotes = labelled(shown | objection, run)
            given = also(message, brief, *quotes, person=_REFINE_IN_PERSON.format(label=label))
            member = self._told(label, [*heard, *objection.values()], run)
            labels.append(label)
            work.append(answered(run, member, given, name=f"{member.name}-refined"))
        better = await self._without_failed(labels, work, run, "keeps the proposal that it had")
        return proposals | better

    def _told(self, label: str, shown: Sequence[Message], run: Run) -> Member:
        """The author of that label, with a note that it is shown these."""
        member = self.authors[label]
        for one in shown:
            run.said(one, member)
        return member

    async def _without_failed(
        self, labels: Sequence[str], work: Sequence[Coroutine[Any, Any, Message]], run: Run, lost: str
    ) -> Proposals:
        """The answers by their labels, and a notice of whoever failed."""
        answers = await all_answers(work, [self.authors[label].name for label in labels])
        for answer in answers:
            if answer.failed:
                run.state.notice(f"{self.name}: {answer.sender} {lost}: {answer.as_quote().text[:200]}")
        return {label: answer for label, answer in zip(labels, answers, strict=True) if not answer.failed}


def _stands(challenge: Message) -> bool:
    """Whether the attempt to refute was made and has failed."""
    return not challenge.failed and not challenge.data.refuted


def _part_about(label: str, critique: Message) -> Message:
    """What a critique says of one proposal, where it has a heading for each; else all of it."""
    found = list(_HEADING.finditer(critique.text))
    ends = [*(one.start() for one in found[1:]), len(critique.text)]
    parts = [
        critique.text[one.start() : end] for one, end in zip(found, ends, strict=False)
        if one[1].casefold() == label.casefold()
    ]  # fmt: skip
    if not parts:
        return critique
    text = "\n\n".join(part.strip() for part in [critique.text[: found[0].start()], *parts] if part.strip())
    return critique.model_copy(update={"text": text})


class DebateSpec(TeamSpec):
    """Members propose, criticise and refine; the judge decides."""

    LEAST: ClassVar[int] = 2
    ROLES: ClassVar[tuple[str, ...]] = ("judge",)

    pattern: Literal["debate"] = "debate"
    judge: Name = "judge"
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS)] = 1
    agreement: Annotated[float, Field(ge=0, le=1)] = 0.8
    """The first proposals that agree as much end the debate, if one member cannot refute them."""
    challenge: bool = True
    """If not, all rounds are held, however much the first proposals agree."""
    swap: bool = False
    """Whether the judge sees the proposals in both orders."""

    @classmethod
    def of(cls, team: TeamSpec) -> Self:
        default = cls.model_fields["judge"].default
        judge = team.roles.get("judge", default)
        if judge in team.members:
            others = tuple(name for name in team.members if name != judge)
            enough = len(others) >= cls.LEAST
            team = team.model_copy(update={"members": others} if enough else {"judge": default})
        return super().of(team)

    def made(self, cast: Cast) -> Member:
        return Debate(
            self.name,
            cast.members(),
            cast.filled("judge"),
            rounds=self.rounds,
            agreement=self.agreement,
            challenge=self.challenge,
            swap=self.swap,
        )

    @model_validator(mode="after")
    def _can_be_debated(self) -> Self:
        if len(self.members) > MOST_MEMBERS:
            raise Wrong("members", f"{len(self.members)} members; a debate has {MOST_MEMBERS} at most")
        if self.judge in self.members:
            key = "judge" if "judge" in self.model_fields_set else "members"
            raise Wrong(key, f"{self.judge} proposes and judges; name another judge")
        return self


_HEADING = re.compile(r"^[ \t]*(?:#+|\*\*)[ \t]*(proposal [a-z])\b.*$", re.IGNORECASE | re.MULTILINE)
_PROPOSE = (
    "Others work on this too, and you do not see what they say. Give your own answer with the reasons for "
    f"it, so that it can be judged by itself. {ANSWER_LINE}"
)
_REFUTE = (
    "Several who worked on the task above on their own have come to the shared answer that is quoted last. "
    "That they agree does not make it right. Try to refute it: look for a wrong fact, a wrong step, a case "
    "it overlooks, a demand of the task it does not meet. It is refuted only by something that would change "
    "the answer; say what that is. Where you find nothing of the kind, say what you have tried."
)
_CRITICISE = (
    "The proposals of others for the task above are quoted. Criticise each: what in it is wrong, not shown "
    "or missing, and what in it is right and has to be kept. Begin what you say of each with its label as a "
    "heading, such as `## proposal A`. Where an objection is quoted, say whether it holds. Write no proposal "
    "of your own."
)
_REFINE = (
    "Yours is {label}, which is quoted with what others say of it. Take what is right in that and answer "
    "the task again, in full; keep what holds against it, and say why. Do not give in to what is not shown."
)
_PROPOSE_IN_PERSON = (
    "Others answer this too, and nobody sees what they say. Give your answer and its reasons."
)
_CRITICISE_IN_PERSON = """\
What others propose is shown below. Say of each what is wrong or missing in it, and what is right: a line \
such as `## proposal A` before what you say of it."""
_REFINE_IN_PERSON = """\
Yours is {label}; it is shown below with what others say of it. Answer the task again, in full: take over \
what is right in that, and keep what holds."""
