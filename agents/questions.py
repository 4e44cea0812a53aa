"""How a human is asked, and answers: once, and by no other way than the person at a face.

Nothing that a model or a tool says can be an answer. What waits for one is on disk: it outlives the process,
and any face of the user can answer it.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from guildhall.errors import NameUnknown, NeedsInput, RunRefused, UserError, describe
from guildhall.memory.store.questions import Question, Questions
from guildhall.memory.store.runs import RunRow
from guildhall.redact import logger, redact

from . import event as ev
from .message import Frozen, plain
from .state import Channel

if TYPE_CHECKING:
    from .run import Run

SILENT = "no_answer"
"""The kind of failure of somebody who does not answer in time."""
PATIENCE = 86_400.0
"""Seconds that a human has for an answer, if nothing else is said."""
LOOK = 0.25
"""Seconds between looks at whether another process of the user has the answer."""
MOST_OPTIONS = 50
LONGEST_QUESTION = 500_000
"""Characters: what somebody is to judge has to be shown whole."""
ASKING = ("needs_input", "interrupted", "running")
"""The states of runs that can wait for an answer."""
_NAMED = 5
"""Runs that are named where it is not clear which is meant."""
log = logger(__name__)


class OpenQuestion(Frozen):
    """What the user is asked, and nobody has answered yet."""

    id: str
    who: str
    text: str
    options: tuple[str, ...] = ()
    """What can be answered; anything, if there are none."""
    deadline: float | None = None
    """Seconds since the epoch; after it, what wants a yes counts as no."""

    @classmethod
    def of(cls, pending: Iterable[Question]) -> "tuple[OpenQuestion, ...]":
        """Those of the questions that are open, and can still be answered."""
        return tuple(
            cls(id=one.id, who=one.who, text=one.text, options=one.options, deadline=one.deadline)
            for one in pending
            if one.is_open and not one.is_late
        )

    def told(self, run: str = "", *, whole: bool = False) -> str:
        """What is asked, in short or whole, and, where the run is named, how to answer it."""
        allowed = " or ".join(self.options)
        among = f" ({allowed})" if 0 < len(allowed) < 200 else ""
        how = f" Answer with {self.command(run)}." if run else ""
        return f"{self.who} asks: {self.text if whole else brief(self.text)}{among}{how}"

    def command(self, run: str) -> str:
        """How a question of that run is answered, with TEXT for the answer."""
        return f"`guildhall answer {run[:12]} {self.id} TEXT`"


class Reply(NamedTuple):
    """What a human answers; None where nobody did by the deadline. `source` is the event."""

    text: str | None
    source: int


async def asked(run: "Run", text: str, options: Sequence[str], seconds: float | None) -> Reply:
    """The reply to the question that is put in the span `run`; from the journal, or as it stands on disk.

    Raises NeedsInput where it is open and nobody is there.
    """
    text, options = _text(text), _options(options)
    digest = run.digest(text, *options)
    if (known := run.recorded(digest)) is not None:
        return Reply(known["text"], known["event"])
    store, now = run.state.questions, time.time()
    question = Question(
        id=run.digest(run.id, run.path, digest), run=run.id, path=run.path, who=run.who, text=text,
        options=options, asked=now, deadline=now + check_timeout(seconds),
    )  # fmt: skip
    event = 0
    try:
        question = replace(question, id=question.id[:8]) if store is None else await store.put(question)
        event = run.emit(
            ev.Question, name=question.id, text=text, options=options, deadline=question.deadline
        )
        question = await _settled(run, question)
    except asyncio.CancelledError:
        _withdraw(run, event)
        raise
    except NeedsInput:
        run.state.waiting[run.path] = partial(_withdraw, run, event)
        raise
    by = "deadline" if question.by_deadline else "user"
    source = run.emit(ev.Answered, question=event, text=question.answer or "", by=by)
    await run.record(digest, {"text": question.answer or None, "event": source})
    return Reply(question.answer or None, source)


def _withdraw(run: "Run", event: int) -> None:
    """Have it known that nobody waits any more for an answer to what was asked in that span."""
    if event:
        run.emit(ev.Answered, question=event, text="", by="nobody")
    if run.state.questions is not None:
        run.state.questions.withdraw(run.id, run.path)


async def _settled(run: "Run", question: Question) -> Question:
    """The question with its answer, whoever gives it first, or as it comes to at its deadline."""
    if question.answer is not None:
        return question
    if run.state.human is None and not question.is_late:
        raise _open(question)
    with run.state.meter.asking_a_human():
        return await _waited_for(question, run.state.human, run.state.questions)


async def _waited_for(question: Question, human: Channel | None, store: Questions | None) -> Question:
    if human is None:
        return await _lapsed(question, store)
    asking = asyncio.create_task(_put(human, question))
    try:
        while not question.is_late:
            left = LOOK if question.deadline is None else min(LOOK, question.deadline - time.time())
            await asyncio.wait({asking}, timeout=max(0.0, left))
            if store is not None and not (question := await store.find(question)).is_open:
                return question
            if asking.done():
                return await _answered(question, asking.result(), store)
        return await _lapsed(question, store)
    finally:
        asking.cancel()


async def _put(human: Channel, question: Question) -> str | None:
    try:
        return await human(question)
    except Exception as error:  # noqa: BLE001  a face that fails is one where nobody answers
        log.warning("a question could not be put: %s", describe(error))
        return None


async def _answered(question: Question, text: str | None, store: Questions | None) -> Question:
    if text is None:
        raise _open(question)
    text = question.fitting(redact(plain(text)))
    if store is None:
        return replace(question, answer=text, answered=time.time())
    if not await store.answer(question, text):  # somebody was first, or it is too late
        return await _lapsed(question, store)
    return await store.find(question)


async def _lapsed(question: Question, store: Questions | None) -> Question:
    if store is None:
        return replace(question, answer=question.unless_answered, answered=time.time())
    return await store.lapse(question)


def _open(question: Question) -> NeedsInput:
    return NeedsInput(f"{question.who} asks: {brief(question.text)}", question.id)


def brief(text: str, most: int = 300) -> str:
    """The text on one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _text(text: str) -> str:
    """The question as it is shown and kept. Raises UserError where it is none."""
    if not isinstance(text, str) or not (text := redact(plain(text)).strip()):
        raise UserError("a question to the user is empty; say what is asked")
    left_out = len(text) - LONGEST_QUESTION
    return text if left_out <= 0 else f"{text[:LONGEST_QUESTION]}\n… and {left_out:,} more characters"


def _options(options: Sequence[str]) -> tuple[str, ...]:
    """The options as one can choose from them. Raises UserError."""
    if isinstance(options, str) or not all(isinstance(one, str) and one.strip() for one in options):
        raise UserError(f"the options of a question are {options!r:.80}; give a list of texts")
    clean = tuple(redact(plain(" ".join(option.split()))) for option in options)
    if len(clean) == 1 or len(clean) > MOST_OPTIONS or len({one.casefold() for one in clean}) < len(clean):
        raise UserError(
            f"the options of a question are {clean!r:.80}; give 2 to {MOST_OPTIONS} that differ, or none"
        )
    return clean


def check_timeout(seconds: float | None) -> float:
    """The seconds that a human has for an answer. Raises UserError where they can be none."""
    if seconds is None:
        return PATIENCE
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 10**9:
        raise UserError(f"the timeout of a question is {seconds!r:.80}; give a number of seconds above 0")
    return float(seconds)


# -- answers that are given somewhere else


def only_one(waiting: Sequence[str]) -> str:
    """The run that is meant where none is named. Raises RunRefused where several wait, or none does."""
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise RunRefused("no run waits for an answer")
    commands = ", ".join(f"`guildhall answer {run[:12]}`" for run in waiting[:_NAMED])
    raise RunRefused(
        f"{len(waiting)} runs wait for an answer: name the one you mean. What they ask is shown by {commands}"
    )


async def answer(questions: Questions, row: RunRow, text: str, id_: str) -> Question:
    """The question of the run, of that id or beginning of one, with its answer, which is this text.

    Raises UserError where nothing is asked, it is not clear what is answered, or somebody was first.
    """
    question = _meant(row, await questions.pending(row.id), id_)
    text = question.fitting(redact(plain(text)))
    if not await questions.answer(question, text):
        raise RunRefused(_too_late(row, await questions.find(question)))
    return await questions.find(question)


def _meant(row: RunRow, pending: Sequence[Question], id_: str) -> Question:
    if row.status not in ASKING:
        again = f"; `guildhall resume {row.id[:12]}` goes on with it" if row.status == "cancelled" else ""
        raise RunRefused(f"run {row.id[:12]} asks nothing: it is {row.status}{again}")
    still = [question for question in pending if question.is_open]
    found = [question for question in still if question.id.startswith(id_.strip().casefold())]
    if len(found) == 1:
        return found[0]
    if still and not id_:
        raise RunRefused(f"run {row.id[:12]} asks {len(still)} questions: name one. {told(row.id, still)}")
    if done := [question for question in pending if id_ and question.id.startswith(id_.strip().casefold())]:
        raise RunRefused(_too_late(row, done[0]))
    if id_ and still:
        ids = [question.id for question in still]
        raise NameUnknown("open question", id_, ids, hint="Put an answer of several words in quotes")
    raise RunRefused(_too_late(row, pending[-1]) if pending else f"run {row.id[:12]} asks nothing now")


def _too_late(row: RunRow, question: Question) -> str:
    on = f"`guildhall resume {row.id[:12]}` goes on from there"
    if question.answer and not question.by_deadline:
        return f"question {question.id} is answered already, with {brief(question.answer, 80)!r}; {on}"
    if question.answer is None and not question.is_late:
        return f"nobody waits for an answer to question {question.id} any more"
    no = "counts as no" if question.unless_answered else "has no answer"
    return f"the deadline of question {question.id} has passed, and it {no}; {on}"


def refuse_unanswered(row: RunRow, pending: Sequence[Question]) -> None:
    """Raise RunRefused where the run waits for a human, and nothing has been answered since."""
    asked = [question for question in pending if question.is_open or question.answer is not None]
    if row.status == "needs_input" and asked and all(one.is_open and not one.is_late for one in asked):
        raise RunRefused(f"run {row.id[:12]} waits for an answer. {told(row.id, asked)}")


def told(run: str, questions: Sequence[Question]) -> str:
    """What is asked, and how to answer it."""
    return " ".join(question.told(run) for question in OpenQuestion.of(questions))
