"""What has to hold of an answer before it is passed on.

A check is any async callable that is given the message, the answer and the run, and says what is wrong with
the answer: nothing, if all is well. One that asks members has `parts`, as a team has; its `name` is how it is
called in the events.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from guildhall.errors import NeedsInput, UserError, describe

from ..kinds import Review, Score
from ..message import Message, Quote
from ..models.words import stem
from ..questions import SILENT
from ..run import Member, Run
from .briefing import also
from .together import Part, asked

Check = Callable[[Message, Message, Run], Awaitable[str]]
"""Says what is wrong with an answer; an empty text if nothing is."""


@dataclass(frozen=True)
class Acceptance:
    """Has a member see whether an answer is what was asked for."""

    checker: Member
    criteria: str
    name: str = "acceptance"

    @property
    def parts(self) -> Sequence[Part]:
        return [Part(self.checker, "checker")]

    async def __call__(self, message: Message, answer: Message, run: Run) -> str:
        accepted = f"It is accepted if: {self.criteria}"
        given = also(message, f"{_REVIEW}\n\n{accepted}", answer.as_quote(), person=accepted)
        review = await asked(run, self.checker, given, Review)
        return "" if review.accepted else review.reason


@dataclass(frozen=True)
class Quality:
    """Has a member score an answer, which must reach the threshold."""

    judge: Member
    threshold: float = 0.7
    criteria: str = ""
    name: str = "quality"

    def __post_init__(self) -> None:
        given = self.threshold
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1:
            raise UserError(f"the threshold of {self.name} is {given!r:.80}; give a number above 0, up to 1")

    @property
    def parts(self) -> Sequence[Part]:
        return [Part(self.judge, "checker")]

    async def __call__(self, message: Message, answer: Message, run: Run) -> str:
        counts = f"What counts: {self.criteria}" if self.criteria else ""
        brief = "\n\n".join(filter(None, [_SCORE, counts]))
        score = await asked(run, self.judge, also(message, brief, answer.as_quote(), person=counts), Score)
        run.decided(
            "score", f"{score.score:.2f}", score.reason, evidence=answer.sources[-1:],
            data={"check": self.name, "score": score.score, "threshold": self.threshold},
        )  # fmt: skip
        if score.score >= self.threshold:
            return ""
        return f"scored {score.score:.2f}, and {self.threshold:g} is needed: {score.reason}"


@dataclass(frozen=True)
class Policy:
    """Words that must not stand in an answer, in any of their forms, and rules that a member sees to."""

    forbid: Sequence[str] = ()
    rules: str = ""
    judge: Member | None = None
    name: str = "policy"

    def __post_init__(self) -> None:
        if not (self.forbid or self.rules):
            raise UserError(f"{self.name} forbids nothing; give it words to `forbid`, or `rules`")
        if any(not _forms(phrase) for phrase in self.forbid):
            raise UserError(f"{self.name} forbids {list(self.forbid)!r:.200}; each must have a word in it")
        if self.rules and self.judge is None:
            raise UserError(f"{self.name} has rules in words and no judge to see to them")

    @property
    def parts(self) -> Sequence[Part]:
        return [Part(self.judge, "checker")] if self.judge and self.rules else []

    async def __call__(self, message: Message, answer: Message, run: Run) -> str:
        words = _forms(answer.text)
        if found := [phrase for phrase in self.forbid if _contains(words, _forms(phrase))]:
            return f"it must not say {', '.join(repr(phrase) for phrase in found)}"
        if not self.rules or self.judge is None:
            return ""
        rules = f"It must keep these rules: {self.rules}"
        given = also(message, f"{_POLICY}\n\nThe rules: {self.rules}", answer.as_quote(), person=rules)
        review = await asked(run, self.judge, given, Review)
        return "" if review.accepted else review.reason


def _forms(text: str) -> list[str]:
    """The words of the text without their endings."""
    return [stem(word) for word in re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())]


def _contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return any(words[at : at + len(phrase)] == phrase for at in range(len(words) - len(phrase) + 1))


_SCORE = (
    "The text above is a task that somebody else was given; the answer to it is quoted last. Score from 0 "
    "to 1 how well the answer does what was asked: 1 for one that leaves nothing to wish for, below 0.5 "
    "for one that does not serve. Say what it lacks, so that it can be made better; do not do the work "
    "yourself."
)
_POLICY = (
    "The text above is a task that somebody else was given; the answer to it is quoted last. See only "
    "whether the answer keeps the rules below, not whether it is good. Say what breaks which rule, and "
    "what has to change."
)
_REVIEW = (
    "The text above is a task that somebody else was given; the answer to it is quoted last. See whether the "
    "answer does what it has to. Say what has to change where it does not; do not do the work yourself."
)


async def found_wrong(
    check: Check, message: Message, answer: Message, run: Run, *, must: bool = False
) -> str:
    """What the check says, which is an event whatever it is.

    One that cannot be made finds nothing, and that is said; where it `must` be made, its error is raised.
    """
    try:
        wrong = await check(message, answer, run)
    except NeedsInput:
        raise
    except Exception as error:  # a check may be the user's own
        if must or getattr(error, "kind", "") == SILENT:  # nobody has said yes
            raise
        tell(check, "not made", describe(error), answer, run)
        run.state.notice(
            f"the answer of {answer.sender} was not checked ({name_of(check)}): {describe(error)}"
        )
        return ""
    tell(check, "not passed" if wrong else "passed", wrong, answer, run)
    return wrong


def tell(
    check: Check, outcome: Literal["passed", "not passed", "not made"], wrong: str, answer: Message, run: Run
) -> None:
    """Say what has come of a check."""
    name = name_of(check)
    run.decided(
        "check", outcome, wrong or f"{name}: nothing is wrong",
        evidence=answer.sources[-1:], data={"check": name, "of": answer.sender},
    )  # fmt: skip


def name_of(check: Check) -> str:
    return str(getattr(check, "name", getattr(check, "__name__", "check")))


def sent_back(message: Message, answer: Message, wrong: str) -> Message:
    """The message once more, with the answer that was not good enough and why it was not."""
    objection = Quote(label="objection", kind="remark", text=wrong, private=answer.private)
    return also(message, _AGAIN, answer.as_quote(), objection, person=_AGAIN_IN_PERSON)


_AGAIN = (
    "Your answer to this is quoted, and last the objection for which it was not accepted. Answer again, in "
    "full, with that put right."
)
_AGAIN_IN_PERSON = (
    "Your answer was not accepted; it is shown below, with the objection. Answer again, in full."
)


def parts_of_checks(checks: Sequence[Check], *, times: int = 1) -> list[Part]:
    """The members whom the checks ask."""
    parts = [part for check in checks for part in getattr(check, "parts", ())]
    return [part._replace(times=part.times * times) for part in parts]
