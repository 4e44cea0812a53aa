"""The team's scribe, who writes down what a run has come to: asked once, and missed by nobody who fails."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from guildhall.errors import describe

from .choosing import workers
from .course import Course, Entry, gist
from .handover import handed_over
from .kinds import Kind, NamedOrNone, Wanted
from .message import UNTOLD, Message, Quote
from .remembering import LESSON
from .run import Member, Run

TOKENS = 6_000
"""Of what members have said that the scribe is shown."""
MINUTES = "minutes"
"""What is decided, in the events, where a scribe has written."""
PATIENCE = 120.0
"""Seconds that a finished run waits for its scribe."""
_MOST = 10


class Ruling(Kind):
    """Something that was decided and holds from now on."""

    subject: str
    """What it is about, in a word or a few that stay the same when it is decided anew: `db.engine`."""
    text: str
    """What was decided, and why, for readers who know nothing else of this run."""


class Advice(Kind):
    """What is to be done better next time."""

    who: NamedOrNone
    """The member whose work it is about; empty where it is about that of all."""
    text: str


class Minutes(Kind):
    """What is worth remembering of a finished piece of work."""

    outcome: str
    """What came of the task, in a few sentences that stand by themselves."""
    decisions: Annotated[tuple[Ruling, ...], Field(max_length=_MOST)]
    lessons: Annotated[tuple[Advice, ...], Field(max_length=_MOST)]
    open_questions: Annotated[tuple[str, ...], Field(max_length=_MOST)]

    def said(self) -> str:
        lines = [self.outcome]
        lines += [f"- Decided ({one.subject}): {one.text}" for one in self.decisions]
        lines += [f"- Learned{f' ({one.who})' if one.who else ''}: {one.text}" for one in self.lessons]
        return "\n".join([*lines, *(f"- Open: {one}" for one in self.open_questions)])


def can_write(scribe: Member) -> bool:
    """Whether there is an LLM behind it."""
    models = [model.name for worker in workers(scribe) for model in getattr(worker, "models", ())]
    return not models or set(models) != {"extractive"}


async def minutes(
    run: Run,
    scribe: Member,
    message: Message,
    answer: Message,
    *,
    course: Course,
    by_rule: Sequence[Entry],
) -> Minutes | None:
    """What the scribe writes; None where it does not, which is said."""
    members = {who: text for who, text in course.members.items() if text and text != answer.text}
    said = [
        Message(sender=who, type="response", text=text, private=run.private) for who, text in members.items()
    ]
    shown = [one.as_quote() for one in handed_over(said, run, most=TOKENS)]
    if by_rule:
        lines = "\n".join(f"- {one.tag}: {gist(one.text, 400)}" for one in by_rule)
        shown.append(Quote(label="what happened", kind="remark", text=lines, private=run.private))
    shown.append(answer.model_copy(update={"sender": "the answer"}).as_quote())
    given = message.model_copy(update={"quotes": (), "attachments": ()}).briefed(_WRITE, *shown)
    wanted = Wanted(Minutes, tuple(course.members))
    try:
        async with asyncio.timeout(PATIENCE):
            said_by = await run.give(scribe, given, wanted=wanted)
        written = said_by.data if isinstance(said_by.data, Minutes) else wanted.parsed(said_by.text)
        assert isinstance(written, Minutes)
    except (Exception, asyncio.CancelledError) as error:  # the run has its answer
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        why = UNTOLD if getattr(error, "private", False) else gist(describe(error), 200)
        run.state.notice(f"{scribe.name} wrote no minutes, so they were made by rule: {why}")
        return None
    run.decided("memory", MINUTES, f"by {scribe.name}", data={"by": scribe.name, **written.model_dump()})
    return written


def entries(written: Minutes, scribe: str, model: str, *, digest: str, is_team: bool) -> list[Entry]:
    """The decisions and lessons of the minutes."""
    decisions = [
        Entry(
            text=one.text, tag="decision", kind="decision", who=scribe, model=model, rests_on=one.text,
            subject=one.subject.strip()[:200] or f"decision {digest}.{number}",
        )
        for number, one in enumerate(written.decisions, 1)
        if one.text.strip()
    ]  # fmt: skip
    lessons = [
        Entry(
            text=one.text, tag=LESSON, kind="procedure", who=one.who or scribe, model=model,
            subject=f"lesson {digest}.{number}", rests_on=one.text,
            visibility="private" if one.who else "team" if is_team else "project",
        )
        for number, one in enumerate(written.lessons, 1)
        if one.text.strip()
    ]  # fmt: skip
    return [*decisions, *lessons]


_WRITE = (
    "The task above is done, and the answer to it is quoted last, below what those who worked on it have "
    "said. You write the minutes, from which others will know of it when all else is forgotten. Write down "
    "only what stands there: what came of the task; what was decided and holds from now on; what went wrong "
    "and what to do better, with the name of whose work it was; and what is still open. Each has to be "
    "understood by itself: names and figures, no `see above`. Leave out what would be true without this run, "
    "and leave lists empty where there is nothing: few and certain is better than many."
)
