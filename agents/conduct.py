"""A run from its start to its end, and what a resumed run takes over from the events of the last time."""

import asyncio
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from guildhall.errors import Failure, GuildhallError, NeedsInput, describe
from guildhall.memory.records import Hit
from guildhall.memory.store.runs import Entry, RunLog, RunRow
from guildhall.redact import logger

from . import event as ev
from .attempt import AMOUNT
from .budget import NOTHING, Amount, Meter
from .choosing import parts_of
from .course import Course
from .event import Source
from .message import Message, Paragraph, Quote, QuoteKind, cited, memory_quote
from .reflect import is_of_the_same, reflect, rules_of
from .remembering import find_owners
from .result import Status
from .run import Member, Run
from .state import RunState

QUOTED = 300
"""Characters of a source that are told of it."""
GRACE = 0.5
"""Seconds for what can still be made of the answers there are, when the run's seconds are over."""
log = logger(__name__)
_STATUS: dict[ev.Outcome, Status] = {
    "answered": "done", "failed": "failed", "cancelled": "cancelled", "waiting": "needs_input",
}  # fmt: skip


async def conduct(
    state: RunState,
    member: Member,
    message: Message,
    *,
    pattern: str = "",
    resumed: Sequence[ev.Event] | None = None,
) -> Message | None:
    """The member's answer, or None if there is none: how the run ended is in its events and on disk.

    What memory knows of the task is quoted to the member; what comes of it is remembered. `resumed`
    are the events of a run that was cut short.
    """
    run = Run(state)
    run.trusted = state.recalls_private
    run.emit(
        ev.RunStarted,
        team=member.name,
        pattern=pattern,
        task=message.text,
        budget=state.meter.budget,
        resumed=resumed is not None,
    )
    settle_open(resumed or (), state)
    earlier = _answered_before(resumed or ())
    course = Course(resumed or ())
    state.sinks = [*state.sinks, course]
    answer: Message | None = None
    outcome: ev.Outcome = "failed"
    try:
        async with state.meter.in_time(GRACE):  # calls of models have ended a moment before
            answer = await _worked_on(run, member, message, earlier=earlier)
        text, outcome = answer.text, "answered"
    except asyncio.CancelledError:
        text = "a member ended with a cancellation of its own"
        if (task := asyncio.current_task()) is None or task.cancelling():
            text, outcome = "the run was cancelled", "cancelled"
    except NeedsInput as question:
        text, outcome = describe(question), "waiting"
    except Exception as error:  # whatever a member raises, the run ends and says why
        if not isinstance(error, GuildhallError):
            log.debug("a member raised", exc_info=True)
        text = describe(error)
    if outcome != "waiting":
        state.call_off("")
    if answer is not None:
        await _remembered(run, member, message, answer, course)
    sources = sources_of(text, state) if answer else ()
    if earlier and answer is None and outcome != "waiting":
        state.notice(f"the run was gone on with, and {outcome} ({text}): the earlier answer stands")
        text, outcome, sources = earlier.end.text, "answered", earlier.end.cited
    if state.reused:
        replies = f"{state.reused} repl{'ies' if state.reused > 1 else 'y'}"
        state.notice(
            f"{replies} came from the cache at no cost; with the cache set to refresh, all is asked anew"
        )
    run.emit(
        ev.RunFinished,
        outcome=outcome,
        text=text,
        spent=state.meter.spent,
        seconds=state.meter.seconds,
        cited=sources,
        notices=tuple(state.notices),
        private=run.private,
    )
    if state.log is not None:
        ending = asyncio.ensure_future(state.log.end(_STATUS[outcome], text if outcome == "answered" else ""))
        await wait_out(ending)
        if problem := ending.exception():
            state.notice(f"how this run ended could not be kept: {describe(problem)}")
    return answer


@dataclass
class _LastWord:
    """Sees who of a team was given something last, and how that ended."""

    who: str = ""
    outcome: str = ""
    _path: str = ""

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.RunStarted():
                self.who = self.outcome = self._path = ""
            case ev.Started() if event.path.count("/") == 1:
                self.who, self.outcome, self._path = event.who, "", event.path
            case ev.Finished(path=self._path):
                self.outcome = event.outcome


class _Earlier(NamedTuple):
    """An answer that the run had come to before it was gone on with."""

    end: ev.RunFinished
    had_last_word: bool
    """Whether whoever was asked last had answered."""


def _answered_before(events: Sequence[ev.Event]) -> _Earlier | None:
    earlier, last = None, _LastWord()
    for event in events:
        last(event)
        if isinstance(event, ev.RunFinished) and event.outcome != "waiting":
            answered = event.outcome == "answered"
            earlier = _Earlier(event, last.outcome == "answered") if answered else None
    return earlier


async def wait_out(task: "asyncio.Future[Any]") -> None:
    """Return when the task is done, however often the waiting is cancelled."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})


async def _worked_on(run: Run, member: Member, message: Message, *, earlier: _Earlier | None) -> Message:
    """The answer. Raises Failure without a last word where there was one before."""
    state, last = run.state, _LastWord()
    state.sinks = [*state.sinks, last]
    rules = rules_of(member)
    state.lessons = state.lessons and rules.lessons
    state.conversation = [quote for quote in message.quotes if quote.kind == "conversation"]
    for quote in state.conversation:
        state.hears(quote.label, quote.trust)
    state.owners, hits = await asyncio.gather(
        find_owners(run), _recalled(run, member, message, wanted=rules.remembers)
    )
    answer = await run.give(member, message.with_quotes(*map(memory_quote, hits)))
    if earlier and earlier.had_last_word and last.outcome == "failed":
        raise Failure(f"{last.who} had the last word before")
    return answer


async def _recalled(run: Run, member: Member, message: Message, *, wanted: bool) -> list[Hit]:
    """What memory knows of the task."""
    if not wanted:
        return []
    return await run.recall(
        message.text,
        private=message.private,
        viewer=member.name,
        team=member.name if parts_of(member) else "",
        but=partial(is_of_the_same, team=member.name, task=message.text),
    )


async def _remembered(run: Run, member: Member, message: Message, answer: Message, course: Course) -> None:
    """Remember what came of it; whatever goes wrong there, the answer stands."""
    try:
        await reflect(run, member, message, answer, course)
    except asyncio.CancelledError:
        run.state.notice("the run was cancelled while what came of it was remembered: part of it is not")
    except Exception as error:
        log.exception("what came of a run could not be remembered")
        run.state.notice(f"the outcome was not remembered: {describe(error)}")


def sources_of(text: str, state: RunState) -> tuple[Source, ...]:
    """What the text cites of what was shown; if it cites nothing, the documents shown, whole.

    The extractive model cites all that it uses, so that it cites nothing says that it used nothing.
    """
    found = [source for label in cited(text) if (source := _source(label, state.shown, text))]
    if found or state.models == {"extractive"}:
        return tuple(found)
    whole = (quotes[0] for quotes in state.shown.values())
    return tuple(Source(label=quote.label, kind=quote.kind) for quote in whole if quote.kind == "document")


def _source(label: str, shown: Mapping[str, Sequence[Quote]], answer: str) -> Source | None:
    """The place that a citation names, if it was shown: `contract.md:12`, `contract.md:12-15`, or a whole.

    A long line is shown in parts that are cited alike: the one in which the answer's words stand is meant.
    """
    said, first = _said_of(label, answer), None
    for kind, text in _places(label, shown):
        if words := next((words for words in said if words in text), ""):
            return Source(label=label, kind=kind, text=words[:QUOTED])
        first = first or Source(label=label, kind=kind, text=text[:QUOTED])
    return first


def _places(label: str, shown: Mapping[str, Sequence[Quote]]) -> Iterator[tuple[QuoteKind, str]]:
    """What was shown under this label, each with its kind; lines are single spaces there."""
    name, _, place = label.rpartition(":")
    line = place.partition("-")[0]
    for quote in shown.get(name, ()) if line.isdecimal() else ():
        if quote.first_line <= int(line) <= quote.last_line:
            parts = [part for part in quote.paragraphs() if _line(part) <= int(line)]
            yield from ((quote.kind, " ".join(part.text.split())) for part in parts[-1:])
    for quote in shown.get(label, ()):
        yield quote.kind, " ".join(quote.text.split())


def _line(part: Paragraph) -> int:
    number = part.label.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def _said_of(label: str, answer: str) -> list[str]:
    """What stands before the citation: all of the line, and its last sentence."""
    said = list[str]()
    for line in answer.splitlines():
        for before in line.split(f"[{label}]")[:-1]:
            if words := " ".join(before.lstrip("-*> ").split()):
                said += [words, *[one for one in _JOINTS.split(words) if one][-1:]]
    return said


_JOINTS = re.compile(r"(?<=[.!?…]) |\s*\[[^\[\]]{1,200}\]\W*")
"""Sentences and citations end at them."""


@dataclass
class Before:
    """What a run had come to when it was last cut short."""

    spent: Amount = NOTHING
    seconds: float = 0.0
    last_id: int = 0
    replied: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The event of the reply at each path, and the model that gave it."""


def take_over(state: RunState, row: RunRow, events: Sequence[ev.Event], *, larger_budget: bool) -> None:
    """Have the run go on from what it had come to; what had failed is tried again where it had ended so."""
    assert state.log is not None, "the run was claimed"
    if row.status not in ("interrupted", "needs_input"):
        forget_failures(state.log, events)
    elif larger_budget:
        forget_refusals(state.log)
    was = before(events)
    state.replied, state.scope = was.replied, row.scope
    state.meter = Meter(state.meter.budget, spent=was.spent, seconds=was.seconds)
    state.ids = itertools.count(was.last_id + 1)


def before(events: Sequence[ev.Event]) -> Before:
    """What the events of a run add up to; a call that was not closed counts in `settle_open`."""
    state = Before()
    began = last = 0.0
    questions, calls = set[int](), set[int]()
    for event in events:
        state.last_id = event.id
        if isinstance(event, ev.RunStarted):
            began = event.at - state.seconds
            questions, calls = set(), set()
        elif questions and not calls:  # a human was waited for
            began += event.at - last
        last, state.seconds = event.at, event.at - began
        match event:
            case ev.Replied() | ev.Lost():
                state.spent += event.spent
                calls.discard(event.asked)
                if isinstance(event, ev.Replied):
                    state.replied[event.path] = (event.id, event.model)
            case ev.Asked():
                calls.add(event.id)
            case ev.Question():
                questions.add(event.id)
            case ev.Answered():
                questions.discard(event.question)
            case ev.RunFinished():
                state.seconds = event.seconds or state.seconds
    return state


def settle_open(events: Sequence[ev.Event], state: RunState) -> None:
    """Close the calls that were in flight when the process died.

    One whose reply is in the journal has cost what the journal says, any other the most that it can. An
    entry that has closed an earlier call at the same path is none of this one.
    """
    closed = {event.asked for event in events if isinstance(event, ev.Replied | ev.Lost)}
    replied, cut_short = dict(state.replied), NOTHING
    for event in events:
        if not isinstance(event, ev.Asked) or event.id in closed:
            continue
        here = Run(state, event.path, event.who)
        entry = state.log.known(event.path) if state.log else None
        if entry is not None and "reply" in entry.value and event.path not in replied:
            spent, reply = AMOUNT.validate_python(entry.value["spent"]), entry.value["reply"]
            usage = reply.get("usage", {})
            number = here.emit(
                ev.Replied,
                asked=event.id,
                text=reply.get("text", ""),
                model=event.model,
                usage=usage,
                spent=spent,
            )
            replied[event.path] = (number, event.model)
        else:
            spent = event.reserved
            text = "the process died while this call was in flight"
            here.emit(ev.Lost, asked=event.id, error="interrupted", text=text, spent=spent)
            cut_short += spent
        state.meter.spent += spent
    state.replied = replied
    if cut_short.calls:
        calls = f"{cut_short.calls} call" + ("s were" if cut_short.calls > 1 else " was")
        state.notice(
            f"{calls} in flight when the process died, and counted with the most that can have been used: "
            f"{cut_short.tokens:,} tokens, ${cut_short.usd:.4f}"
        )


def forget_refusals(log: RunLog) -> None:
    """Have calls for which the budget had no room asked anew."""
    log.forget(lambda _, entry: _is_failure(entry) and entry.value["failed"] == "budget")


def forget_failures(log: RunLog, events: Sequence[ev.Event]) -> None:
    """Have calls that had failed asked anew, but for failures after which the member went on or answered."""
    asked = {event.path for event in events if isinstance(event, ev.Asked)}
    ended = {event.path: event.outcome for event in events if isinstance(event, ev.Finished)}

    def is_final(path: str) -> bool:
        went_on = _next(path) in asked or log.known(_next(path)) is not None
        return not went_on and ended.get(path.rpartition("/")[0]) != "answered"

    log.forget(lambda path, entry: _is_failure(entry) and is_final(path))


def _next(path: str) -> str:
    """The path of the next span of that name: `ask.2` after `ask`."""
    before, dot, number = path.rpartition(".")
    return f"{before}.{int(number) + 1}" if dot and number.isdecimal() else f"{path}.2"


def _is_failure(entry: Entry) -> bool:
    """Whether the journal's entry says that a call had failed for good."""
    return isinstance(entry.value, dict) and "failed" in entry.value
