"""One contradiction while it is settled: its sides, and the rules that need no member to decide it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..conduct import sources_of
from ..contradiction import same_claim
from ..kinds import Conflict, Contribution
from ..message import Message, cited
from ..run import Run
from .disagreement import Resolved


@dataclass(frozen=True)
class Position:
    """What one side of a conflict says, and who is on it."""

    says: str
    holders: tuple[str, ...]
    defence: str = ""
    withdrawn: bool = False

    @property
    def names(self) -> str:
        return ", ".join(self.holders)


@dataclass(frozen=True)
class Dispute:
    """A conflict while it is settled."""

    conflict: Conflict
    positions: tuple[Position, ...]
    evidence: tuple[int, ...]

    @property
    def standing(self) -> list[Position]:
        return [one for one in self.positions if not one.withdrawn]

    def won(self, by: str, winner: Position, reason: str) -> Resolved:
        held = {"choice": winner.names, "holds": winner.says, "held": winner.holders}
        return Resolved(self.conflict, by=by, reason=reason, evidence=self.evidence, **held)  # type: ignore[arg-type]  # each is of its own type

    def open(self, by: str, reason: str) -> Resolved:
        return Resolved(self.conflict, by=by, reason=reason, evidence=self.evidence)


def positions_of(conflict: Conflict) -> tuple[Position, ...]:
    """The sides, with those together who say the same."""
    found: list[Position] = []
    for side in conflict.sides:
        for at, known in enumerate(found):
            if same_claim(known.says, side.says) or side.who in known.holders:
                found[at] = replace(known, holders=tuple(dict.fromkeys((*known.holders, side.who))))
                break
        else:
            found.append(Position(side.says, (side.who,)))
    if len(found) == 1:  # it takes more than the words to see how they differ
        found = [Position(side.says, (side.who,)) for side in conflict.sides]
    return tuple(found)


def by_withdrawal(dispute: Dispute) -> Resolved | None:
    """What holds where all but one side have given up their claims."""
    if len(dispute.standing) > 1:
        return None
    given_up = "; ".join(
        f"{one.names} gave it up: {one.defence}" for one in dispute.positions if one.withdrawn
    )
    if not dispute.standing:
        return dispute.open("withdrawal", f"no side stands by what it said: {given_up}")
    return dispute.won("withdrawal", dispute.standing[0], given_up)


def by_majority(dispute: Dispute) -> Resolved:
    ranked = sorted(dispute.standing, key=lambda one: -len(one.holders))
    count = " to ".join(str(len(one.holders)) for one in ranked)
    if 2 * len(ranked[0].holders) <= sum(len(one.holders) for one in ranked):
        return dispute.open("majority", f"there is no majority: {count}")
    return dispute.won("majority", ranked[0], f"{ranked[0].names} say so, {count}")


def by_trust(dispute: Dispute, answers: Sequence[Message], run: Run) -> Resolved:
    """Who rests on what the user gave is trusted before who rests on memory, or on nothing."""
    trust = {id(one): _trust(one, answers, run) for one in dispute.standing}
    ranked = sorted(dispute.standing, key=lambda one: -trust[id(one)])
    best, next_ = (trust[id(one)] for one in ranked[:2])
    if best == next_:
        return dispute.open("trusted", f"all sides rest on {_RESTS_ON[best]}")
    reason = f"it rests on {_RESTS_ON[best]}, the other side on {_RESTS_ON[next_]}"
    return dispute.won("trusted", ranked[0], reason)


def _trust(position: Position, answers: Sequence[Message], run: Run) -> int:
    kinds = {
        source.kind
        for answer in answers
        if answer.sender in position.holders
        for label in _rests_on(position.says, answer)
        for source in sources_of(f"[{label}]", run.state)
        if source.label == label
    }
    return 2 if "document" in kinds else 1 if "memory" in kinds else 0


def _rests_on(claim: str, answer: Message) -> Sequence[str]:
    """What is cited in the paragraph that makes the claim."""
    claim = " ".join(claim.split())
    for paragraph in [*answer.text.splitlines(), *answer.text.split("\n\n")]:
        if claim in " ".join(paragraph.split()) and (labels := cited(paragraph)):
            return labels
    return answer.data.sources if isinstance(answer.data, Contribution) else ()


_RESTS_ON = {2: "what the user gave", 1: "memory", 0: "nothing that was shown"}
