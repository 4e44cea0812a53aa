"""A run from its start to its end, and what a resumed run takes over from the events of the last time."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guildhall.errors import GuildhallError, describe

from . import event as ev
from .attempt import AMOUNT
from .budget import NOTHING, Amount
from .event import Source
from .message import Message, Quote, cited
from .models.catalog import NO_KEY
from .reflect import remember_outcome
from .result import Status
from .run import Member, Run, RunState

log = logging.getLogger(__name__)
_STATUS: dict[ev.Outcome, Status] = {"answered": "done", "failed": "failed", "cancelled": "cancelled"}


async def conduct(
    state: RunState, member: Member, message: Message, *, pattern: str = "", resumed: bool = False
) -> Message | None:
    """The member's answer, or None if there is none: how the run ended is in its events and on disk.

    What memory knows of the task is quoted to the member; what comes of it is remembered.
    """
    run = Run(state)
    run.emit(
        ev.RunStarted,
        team=member.name,
        pattern=pattern,
        task=message.text,
        budget=state.meter.budget,
        resumed=resumed,
    )
    answer: Message | None = None
    outcome: ev.Outcome = "failed"
    try:
        hits = await run.recall(message.text)
        memories = (Quote(label=hit.record.label, kind="memory", text=hit.record.text) for hit in hits)
        answer = await run.give(member, message.with_quotes(*memories))
        await remember_outcome(run, member.name, message.text, answer)
        text, outcome = answer.text, "answered"
    except asyncio.CancelledError:
        text, outcome, answer = "the run was cancelled", "cancelled", None
    except Exception as error:  # whatever a member raises, the run ends and says why
        if not isinstance(error, GuildhallError):
            log.debug("a member raised", exc_info=True)
        text, answer = describe(error), None
    if "extractive" in state.models:
        state.notice(NO_KEY)
    run.emit(
        ev.RunFinished,
        outcome=outcome,
        text=text,
        spent=state.meter.spent,
        seconds=state.meter.seconds,
        cited=sources_of(text, state.shown) if answer else (),
        notices=tuple(state.notices),
    )
    if state.log is not None:
        await state.log.end(_STATUS[outcome], answer.text if answer else "")
    return answer


def sources_of(text: str, shown: Mapping[str, Quote]) -> tuple[Source, ...]:
    """What the text cites of what was shown; if it cites nothing, the documents and memories shown, whole."""
    found = [source for label in cited(text) if (source := _source(label, shown))]
    if found:
        return tuple(found)
    return tuple(
        Source(label=quote.label, kind=quote.kind)
        for quote in shown.values()
        if quote.kind in ("document", "memory")
    )


def _source(label: str, shown: Mapping[str, Quote]) -> Source | None:
    """The place that a citation names, if it was shown: `contract.md:12`, `contract.md:12-15`, or a whole."""
    name, _, place = label.rpartition(":")
    quote, line = shown.get(name), place.partition("-")[0]
    if quote is None or not line.isdecimal():
        quote = shown.get(label)
        return Source(label=label, kind=quote.kind, text=quote.text[:300]) if quote else None
    at = -1
    text = ""
    for part in quote.paragraphs():
        begins = int(part.label.rpartition(":")[2])
        if at < begins <= int(line):
            at, text = begins, part.text
    return Source(label=label, kind=quote.kind, text=text[:300]) if text else None


@dataclass
class Before:
    """What a run had come to when it was last cut short."""

    spent: Amount = NOTHING
    seconds: float = 0.0
    last_id: int = 0
    replied: dict[str, int] | None = None


def before(events: Sequence[ev.Event]) -> Before:
    """What the events of a run add up to; a call that was not closed counts in `settle_open`."""
    state = Before(replied={})
    began = 0.0
    for event in events:
        state.last_id = event.id
        if isinstance(event, ev.RunStarted):
            began = event.at - state.seconds
        state.seconds = event.at - began
        if isinstance(event, ev.Replied | ev.Lost):
            state.spent += event.spent
        if isinstance(event, ev.Replied):
            assert state.replied is not None
            state.replied[event.path] = event.id
    return state


def settle_open(events: Sequence[ev.Event], state: RunState) -> None:
    """Close the calls that were in flight when the process died.

    One whose reply is in the journal has cost what the journal says, any other the most that it can.
    """
    closed = {event.asked for event in events if isinstance(event, ev.Replied | ev.Lost)}
    replied = dict(state.replied)
    for event in events:
        if not isinstance(event, ev.Asked) or event.id in closed:
            continue
        here = Run(state, event.path, event.who)
        entry = state.log.known(event.path) if state.log else None
        if entry is not None and "reply" in entry.value:
            spent, reply = AMOUNT.validate_python(entry.value["spent"]), entry.value["reply"]
            usage = reply.get("usage", {})
            replied[event.path] = here.emit(
                ev.Replied,
                asked=event.id,
                text=reply.get("text", ""),
                model=event.model,
                usage=usage,
                spent=spent,
            )
        else:
            spent = event.reserved
            text = "the process died while this call was in flight"
            here.emit(ev.Lost, asked=event.id, error="interrupted", text=text, spent=spent)
        state.meter.spent += spent
    state.replied = replied
