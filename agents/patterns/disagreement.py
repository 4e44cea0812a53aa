"""What members contradict each other on: how it is found, kept, handed over and shown."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..contradiction import MOST_FOUND, between_claims, contradictions, joined, same_matter
from ..kinds import Claim, Conflict, Contribution
from ..message import Message, Quote
from ..questions import brief
from ..run import Run

UNRESOLVED = "unresolved"
LABEL = "contradictions"
"""Under which they are quoted."""
LONG, CLAIM = 8_000, 80
"""Characters of all answers from which they are compared in another thread, and what a claim counts."""
SHOWN, SIDES = 400, 10
"""Characters of a claim, at most, and how many claims, where they are shown to the reader."""


@dataclass(frozen=True)
class Resolved:
    """A conflict, and what has become of it."""

    conflict: Conflict
    choice: str = UNRESOLVED
    """Whose side holds; `synthesis` where none does alone."""
    holds: str = ""
    """What holds."""
    by: str = ""
    """The rule by which it was resolved."""
    reason: str = ""
    evidence: tuple[int, ...] = ()
    """The events of the answers, and of what was said about them."""
    held: tuple[str, ...] = ()
    """Those whose side holds."""

    @property
    def unresolved(self) -> bool:
        return self.choice == UNRESOLVED

    def told(self) -> str:
        """All of it in a line."""
        sides = "; ".join(f"{side.who} says: {in_line(side.says)}" for side in self.conflict.sides[:SIDES])
        sides += f"; and {len(self.conflict.sides) - SIDES} more" * (len(self.conflict.sides) > SIDES)
        if self.unresolved:
            end = f"This is not resolved{f' ({in_line(self.reason)})' if self.reason else ''}"
        elif self.held:
            end = f"What {self.choice} says holds, by {self.by}: {in_line(self.reason)}"
        else:
            end = f"By {self.by}, none holds alone: {in_line(self.holds)}"
        return f"On {in_line(self.conflict.about)}: {sides}. {end}."


@dataclass(frozen=True)
class Settled:
    """What answers contradict each other on, with what has become of it."""

    found: tuple[Resolved, ...] = ()
    private: bool = False
    sources: tuple[int, ...] = ()
    """The events at which it was decided."""

    @property
    def unresolved(self) -> tuple[Resolved, ...]:
        return tuple(one for one in self.found if one.unresolved)

    def told_in(self, message: Message) -> Message:
        """The message for whoever makes one answer of all, with what has to be named there."""
        if not self.found:
            return message
        text = "\n\n".join(one.told() for one in self.found)
        quote = Quote(label=LABEL, kind="remark", text=text, sources=self.sources, private=self.private)
        brief = "\n\n".join(filter(None, [message.brief, _TO_NAME]))
        return message.briefed(brief, quote, person=message.person)

    def shown_in(self, answer: Message, *, whole: bool = False) -> Message:
        """The answer with what is not resolved below it, or with all that was found.

        Where it is typed, a Contribution has it among its open points; any other stays as it is.
        """
        if not (shown := self.found if whole else self.unresolved):
            return answer
        lines = [one.told() for one in shown]
        more = {"private": answer.private or self.private}
        if isinstance(answer.data, Contribution):
            data = answer.data.model_copy(update={"open_points": (*answer.data.open_points, *lines)})
            return answer.model_copy(update=more | {"data": data, "text": data.said()})
        if answer.data is not None:
            return answer
        title = "Contradictions between members" if whole else "Contradictions that are not resolved"
        text = "\n".join([f"{answer.text}\n\n## {title}\n", *(f"- {line}" for line in lines)])
        return answer.model_copy(update=more | {"text": text})


async def look(message: Message, answers: Sequence[Message], run: Run) -> Settled:  # noqa: ARG001  a Settle
    """What the answers contradict each other on, by rule; nothing is asked, and nothing resolved."""
    found = [Resolved(one, evidence=evidence(one, answers)) for one in await found_by_rule(answers)]
    return recorded(found, answers, run)


async def found_by_rule(answers: Sequence[Message]) -> list[Conflict]:
    """The conflicts by the claims that members make, and by the sentences of those who make none."""
    claims = {
        one.sender: one.data.claims
        for one in answers
        if isinstance(one.data, Contribution) and one.data.claims
    }
    texts = texts_of(answers)
    if sum(map(len, texts.values())) + CLAIM * sum(map(len, claims.values())) > LONG:
        return await asyncio.to_thread(_found, claims, texts)
    return _found(claims, texts)


async def with_all(found: Sequence[Conflict], texts: Mapping[str, str]) -> list[Conflict]:
    """The conflicts with those who say the same as one of the sides, and were not named."""
    if sum(map(len, texts.values())) > LONG:
        return await asyncio.to_thread(joined, found, texts)
    return joined(found, texts)


def _found(claims: Mapping[str, Sequence[Claim]], texts: Mapping[str, str]) -> list[Conflict]:
    found = between_claims(claims)
    if len(texts) < 2 or texts.keys() == claims.keys():
        return found
    more = contradictions(texts)
    return [*found, *(one for one in more if not any(same_matter(one, known) for known in found))]


def texts_of(answers: Sequence[Message]) -> dict[str, str]:
    """What each member has said in its own words; scores, votes and the like are no statements."""
    texts: dict[str, str] = {}
    for one in answers:
        if one.data is None or isinstance(one.data, Contribution):
            text = one.text if one.data is None else one.data.answer
            texts[one.sender] = "\n\n".join(filter(None, [texts.get(one.sender), text]))
    return texts


def evidence(conflict: Conflict, answers: Sequence[Message]) -> tuple[int, ...]:
    """The events at which those who contradict each other answered."""
    sides = {side.who for side in conflict.sides}
    return tuple(
        dict.fromkeys(source for one in answers if one.sender in sides for source in one.sources[-1:])
    )


def recorded(found: Sequence[Resolved], answers: Sequence[Message], run: Run) -> Settled:
    """All of it as events, with both sides, and as it is handed over."""
    events = []
    for one in found:
        sides = [side.model_dump() for side in one.conflict.sides]
        data = {"about": one.conflict.about, "sides": sides, "by": one.by, "holds": one.holds}
        reason = one.reason or "they say what cannot both be true, and the team names no rule to resolve it"
        events.append(run.decided("conflict", one.choice, reason, evidence=one.evidence, data=data))
    if len(found) >= MOST_FOUND:
        run.state.notice(f"there may be more contradictions than the {len(found)} that were looked for")
    private = run.private or any(answer.private for answer in answers)
    return Settled(tuple(found), private=private, sources=tuple(events))


def in_line(text: str, most: int = SHOWN) -> str:
    """The text on one line and without its full stop; what had several lines stands in quotation marks."""
    line = brief(text, most).rstrip(" .;")
    return f"“{line.translate(_SINGLE)}”" if "\n" in text.strip() else line


_SINGLE = str.maketrans('“”"', "‘’'")  # noqa: RUF001  as it is printed


_TO_NAME = (
    f"The answers contradict each other: what is quoted as {LABEL} lists the matters. Name each of them in "
    "your answer, with what both sides say. Where it says what holds, go by that and say why; where it is "
    "not resolved, say that it is not, and do not choose a side."
)
