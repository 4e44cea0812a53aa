"""How a team settles contradictions between members: each side may defend its claim, then a rule decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

from guildhall.errors import Failure, UserError, describe

from ..contradiction import same_matter
from ..kinds import Challenge, Conflict, Conflicts, Verdict, Wanted
from ..message import Message, Quote
from ..rules import Settle
from ..run import Member, Run
from .disagreement import Resolved, Settled, evidence, found_by_rule, in_line, recorded, texts_of, with_all
from .disputes import Dispute, Position, by_majority, by_trust, by_withdrawal, positions_of
from .standing import judged
from .together import Part, all_answers, check_members, kept, quoted, typed, unless_waiting

Rule = Literal["judge", "majority", "trusted", "human"]
MOST = 8
"""Conflicts that are defended and decided; what is found beyond them is shown as it is."""
LONG = 5_000
"""Characters of what one side says, where the user decides."""
NEITHER, UNDECIDED = "neither", "undecided"


@dataclass(frozen=True)
class Settlement:
    """Looks for contradictions between members, has them defended, and resolves them by the team's rule.

    Without a `checker` they are found by claims and by rule, which costs nothing; without a `rule` they are
    shown, and not resolved.
    """

    rule: Rule | None = None
    judge: Member | None = None
    checker: Member | None = None
    defend: bool = True
    """Whether each side is asked once, with the other before it, if its claim stands."""

    def __post_init__(self) -> None:
        if self.rule not in (None, *get_args(Rule)):
            allowed = ", ".join(get_args(Rule))
            raise UserError(f"conflicts are resolved by {self.rule!r:.80}; it can be one of {allowed}")
        if self.rule == "judge" and self.judge is None:
            raise UserError("conflicts are to be resolved by a judge, and none is named")
        if named := [one for one in (self.judge, self.checker) if one is not None]:
            check_members("the settlement of conflicts", named)

    @property
    def parts(self) -> Sequence[Part]:
        checker = [Part(self.checker, "checker")] if self.checker else []
        judge = [Part(self.judge, "judge", MOST, usual=0)] if self.judge and self.rule == "judge" else []
        return [*checker, *judge]

    @property
    def defences(self) -> int:
        """How often a member of the team is asked to defend a claim, at most."""
        return MOST if self.rule and self.defend else 0

    def among(self, members: Mapping[str, Member]) -> Settle:
        """What settles the contradictions between these."""
        return partial(self._settled, members)

    async def _settled(
        self, members: Mapping[str, Member], message: Message, answers: Sequence[Message], run: Run
    ) -> Settled:
        found = await self._found(message, answers, run)
        many = MOST if self.rule else 0
        disputes = [Dispute(one, positions_of(one), evidence(one, answers)) for one in found[:many]]
        if self.defend:
            disputes = await self._defended(disputes, members, message, answers, run)
        resolved = await self._decided(disputes, message, answers, run)
        resolved += [Resolved(one, evidence=evidence(one, answers)) for one in found[many:]]
        settled = recorded(resolved, answers, run)
        for one in resolved:
            if one.held and self.rule != "majority":  # which would confirm itself
                await judged(run, {side.who: side.who in one.held for side in one.conflict.sides})
        return settled

    async def _found(self, message: Message, answers: Sequence[Message], run: Run) -> list[Conflict]:
        texts = texts_of(answers)
        found: Iterable[Conflict] | None = None
        if self.checker is not None and len(texts) > 1:
            given = message.briefed(_FIND, *quoted(answers, run))
            wanted = Wanted(Conflicts, list(texts))
            work = run.give(self.checker, given, wanted=wanted)
            answer = unless_waiting([await kept(work, self.checker.name)])[0]
            try:
                if answer.failed:
                    raise Failure(answer.text)
                found = typed(answer, Conflicts, wanted.names).conflicts
            except Failure as error:
                why = describe(error)
                run.state.notice(f"{self.checker.name} did not look for contradictions, a rule did: {why}")
        by_rule = await found_by_rule(answers)
        named = [*found] if found is not None else []
        named += [one for one in by_rule if not any(same_matter(one, known) for known in named)]
        return await with_all([one for one in named if len({side.who for side in one.sides}) > 1], texts)

    # -- each side defends its claim

    async def _defended(
        self,
        disputes: Sequence[Dispute],
        members: Mapping[str, Member],
        message: Message,
        answers: Sequence[Message],
        run: Run,
    ) -> list[Dispute]:
        own = {answer.sender: answer for answer in answers}
        asks = [
            (dispute, position, who)
            for dispute in disputes
            for position in dispute.positions
            if (who := next((name for name in position.holders if name in members and name in own), ""))
        ]
        given = [
            run.give(members[who], _to_defend(message, own[who], dispute, position), wanted=Wanted(Challenge))
            for dispute, position, who in asks
        ]
        defences = await all_answers(given, [who for _, _, who in asks]) if given else []
        said: dict[int, list[tuple[Position, Message]]] = {}
        for (dispute, position, _), answer in zip(asks, defences, strict=True):
            said.setdefault(id(dispute), []).append((position, answer))
        return [_heard(dispute, said.get(id(dispute), ()), run) for dispute in disputes]

    # -- the rule decides

    async def _decided(
        self, disputes: Sequence[Dispute], message: Message, answers: Sequence[Message], run: Run
    ) -> list[Resolved]:
        known = {id(one): resolved for one in disputes if (resolved := by_withdrawal(one))}
        left = [one for one in disputes if id(one) not in known]
        if self.rule == "judge":
            decided = await self._judged(left, message, run)
        elif self.rule == "human":
            decided = [await _by_human(one, run) for one in left]
        elif self.rule == "trusted":
            decided = [by_trust(one, answers, run) for one in left]
        else:
            decided = [by_majority(one) for one in left]
        known |= {id(one): resolved for one, resolved in zip(left, decided, strict=True)}
        return [known[id(one)] for one in disputes]

    async def _judged(self, disputes: Sequence[Dispute], message: Message, run: Run) -> list[Resolved]:
        if self.judge is None or not disputes:
            return []
        given = [
            run.give(self.judge, _to_judge(message, one), wanted=Wanted(Verdict, [*_labels(one), UNDECIDED]))
            for one in disputes
        ]
        verdicts = await all_answers(given, [self.judge.name] * len(given))
        return [
            _by_verdict(one, verdict, self.judge, run)
            for one, verdict in zip(disputes, verdicts, strict=True)
        ]


def _to_defend(message: Message, own: Message, dispute: Dispute, position: Position) -> Message:
    others = (other for other in dispute.positions if other is not position)
    claims = [Quote(label="your claim", kind="answer", text=_claim(dispute, position), private=own.private)]
    claims += [
        Quote(label=f"claim of {one.names}", kind="answer", text=_claim(dispute, one)) for one in others
    ]
    return message.briefed(_DEFEND, own.as_quote(), *claims, person=_DEFEND_IN_PERSON)


def _heard(dispute: Dispute, said: Iterable[tuple[Position, Message]], run: Run) -> Dispute:
    """The dispute with what was said for each side."""
    positions, sources = {id(one): one for one in dispute.positions}, list(dispute.evidence)
    for position, answer in said:
        try:
            if answer.failed:
                raise Failure(answer.text)
            defence = typed(answer, Challenge)
        except Failure as error:
            who, about = position.names, dispute.conflict.about
            run.state.notice(f"{who} did not defend its claim on {about[:100]}: {describe(error)}")
            continue
        positions[id(position)] = replace(position, defence=defence.reason, withdrawn=defence.refuted)
        sources += answer.sources[-1:]
    heard = tuple(positions[id(one)] for one in dispute.positions)
    return replace(dispute, positions=heard, evidence=tuple(dict.fromkeys(sources)))


async def _by_human(dispute: Dispute, run: Run) -> Resolved:
    lines = [
        f"- {one.names}: {in_line(one.says, LONG)}"
        + f" (asked to defend it: {in_line(one.defence, LONG)})" * bool(one.defence)
        for one in dispute.standing
    ]
    about = in_line(dispute.conflict.about)
    text = "\n".join([f"Members contradict each other on {about}. Who is right?", *lines])
    options = [*(one.names for one in dispute.standing), NEITHER]
    answer = await run.question(text, options=options)
    for one in dispute.standing:
        if answer == one.names:
            return dispute.won("human", one, "the user says so")
    return dispute.open("human", "the user says neither" if answer else "nobody answered in time")


def _labels(dispute: Dispute) -> list[str]:
    return [chr(ord("A") + at) for at, _ in enumerate(dispute.standing[:26])]


def _to_judge(message: Message, dispute: Dispute) -> Message:
    sides = (
        Quote(label=label, kind="answer", text="\n\n".join(filter(None, [_claim(dispute, one), one.defence])))
        for label, one in zip(_labels(dispute), dispute.standing, strict=False)
    )
    return message.briefed(_JUDGE, *sides, person=_JUDGE_IN_PERSON)


def _claim(dispute: Dispute, position: Position) -> str:
    """What is said, and of what, where it does not say so itself."""
    alone = len(position.says.split()) > 5
    return position.says if alone else f"{dispute.conflict.about}: {position.says}"


def _by_verdict(dispute: Dispute, answer: Message, judge: Member, run: Run) -> Resolved:
    by, labels = f"judge {judge.name}", _labels(dispute)
    try:
        if answer.failed:
            raise Failure(answer.text)
        verdict = typed(answer, Verdict, [*labels, UNDECIDED])
    except Failure as error:
        run.state.notice(f"{judge.name} gave no verdict on {dispute.conflict.about[:100]}: {describe(error)}")
        return dispute.open(by, f"{judge.name} gave no verdict")
    dispute = replace(dispute, evidence=(*dispute.evidence, *answer.sources[-1:]))
    if verdict.winner in labels:
        return dispute.won(by, dispute.standing[labels.index(verdict.winner)], verdict.reason)
    undecided = dispute.open(by, verdict.reason)
    if verdict.winner == UNDECIDED or not verdict.answer.strip():
        return undecided
    return replace(undecided, choice="synthesis", holds=verdict.answer)


_FIND = (
    "Specialists have answered the task above independently; their answers are quoted. List the matters "
    "on which they contradict each other: where what two of them say cannot both be true. For each give "
    "the matter in a few words, and for each side who says it and what it says, in its own words. What "
    "only one of them mentions, the same thing said otherwise, and another emphasis are no "
    "contradictions. If there are none, list none."
)
_DEFEND = (
    "You have answered the task above; your answer is quoted first, then one claim of it, then what "
    "others say against it. See whether your claim stands. If what they say refutes it, say that it is "
    "refuted and why. If it stands, say that it is not refuted, and give the strongest reason for it with "
    "its source, in a few sentences. Do not hold on to it because it is yours, and do not give it up "
    "because others disagree."
)
_JUDGE = (
    "Specialists who worked on the task above contradict each other on one matter; each side is quoted "
    "under a letter, with its reasons where it gave some. Say which side holds and why, and what speaks "
    "against it. If none holds alone, name no winner and say in the answer what does hold. If it cannot "
    f"be decided from what is there, name {UNDECIDED} as the winner, and say what is missing."
)
_DEFEND_IN_PERSON = "One of your claims is contradicted; it is shown below with what others say against it."
_JUDGE_IN_PERSON = f"Members contradict each other on one matter. Choose {UNDECIDED} if nobody could tell."
