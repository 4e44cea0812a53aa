"""What has to hold of an answer before it is passed on.

A check is any async callable that is given the message, the answer and the run, and says what is wrong with
the answer: nothing, if all is well. One that asks members has `parts`, as a team has; its `name` is how it is
called in the events.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..kinds import Review
from ..message import Message, Quote
from ..run import Member, Run
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
        given = message.briefed(f"{_REVIEW}\n\nIt is accepted if: {self.criteria}", answer.as_quote())
        review = await asked(run, self.checker, given, Review)
        return "" if review.accepted else review.reason


_REVIEW = (
    "The text above is a task that somebody else was given; the answer to it is quoted last. See whether the "
    "answer does what it has to. Say what has to change where it does not; do not do the work yourself."
)


async def found_wrong(check: Check, message: Message, answer: Message, run: Run) -> str:
    """What the check says, which is an event whatever it is."""
    name = getattr(check, "name", getattr(check, "__name__", "check"))
    wrong = await check(message, answer, run)
    run.decided(
        "check", "not passed" if wrong else "passed", wrong or f"{name}: nothing is wrong",
        evidence=answer.sources[-1:], data={"check": name, "of": answer.sender},
    )  # fmt: skip
    return wrong


def sent_back(message: Message, answer: Message, wrong: str) -> Message:
    """The message once more, with the answer that was not good enough and why it was not."""
    objection = Quote(label="objection", kind="answer", text=wrong, private=answer.private)
    brief = "\n\n".join(filter(None, [message.brief, _AGAIN]))
    return message.briefed(brief, answer.as_quote(), objection)


_AGAIN = (
    "Your answer to this is quoted, and last the objection for which it was not accepted. Answer again, in "
    "full, with that put right."
)


def parts_of_checks(checks: Sequence[Check], *, times: int = 1) -> list[Part]:
    """The members whom the checks ask."""
    parts = [part for check in checks for part in getattr(check, "parts", ())]
    return [part._replace(times=part.times * times) for part in parts]
