"""What a run is told of the one that it continues, and of those that that one continued."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from guildhall.errors import RunRefused, StoreError, UserError
from guildhall.memory.conversation import Turn, window
from guildhall.memory.importance import stays
from guildhall.memory.memory import MOST
from guildhall.memory.store.runs import RunRow

from . import event as ev
from .commission import Earlier, RunSpec
from .reflect import NOTED
from .result import collect
from .scribe import MINUTES
from .tokens import estimate

if TYPE_CHECKING:
    from .hall import Hall

WINDOW = 4_000
"""Tokens of what was said before."""
MOST_RUNS = 50
"""How far back a conversation is followed."""
_DECISIONS = ("plan", "verdict", "vote", "conflict")


async def continued(hall: "Hall", spec: RunSpec, run_id: str | None) -> RunSpec:
    """The spec with what was said in that run, or in the newest one for an empty id.

    It stays the same whatever becomes of that run later. Raises UserError where the run is not known, or
    has no answer to go on from.
    """
    if run_id is None:
        return spec
    row = await hall.find(run_id)
    if row.status != "done":
        how = _HOW_IT_IS.get(row.status, f"is {row.status}")
        raise RunRefused(
            f"run {row.id} {how} and has no answer to continue from: "
            f"{_WHAT_TO_DO.get(row.status, _RESUME).format(id=row.id[:12])}"
        )
    turns, private, trust, before = [], False, 1.0, row
    for _ in range(MOST_RUNS):
        events = await hall.events(before.id)
        known = RunSpec.model_validate_json(before.spec)
        turns.append(_turn(before, events, await _kept(hall, before.id)))
        private = private or known.private or any(file.private for file in known.files) or saw_private(events)
        told = (one.trust for one in events if isinstance(one, ev.Returned | ev.Recalled))
        trust = min([trust, *(one for one in told if one is not None)])
        if known.earlier is None:
            break
        private, trust = private or known.earlier.private, min(trust, known.earlier.trust)
        try:
            before = await hall.find(known.earlier.run)
        except UserError:  # it is no longer kept, but what was told of it is
            turns.append(Turn(task="what was asked before", answer=known.earlier.text))
            break
    text = await asyncio.to_thread(window, turns[::-1], WINDOW, count=estimate)
    return spec.model_copy(update={"earlier": Earlier(run=row.id, text=text, private=private, trust=trust)})


_RESUME = "`guildhall resume {id}` goes on with it"
_HOW_IT_IS = {"needs_input": "waits for the user", "failed": "has failed", "cancelled": "was cancelled"}
_WHAT_TO_DO = {
    "running": "`guildhall watch {id}` shows it; continue it when it is done",
    "needs_input": "`guildhall answer {id}` answers what it asks",
}


async def is_private(hall: "Hall", run_id: str) -> bool:
    """Whether the run was given private data, or has seen some."""
    spec = RunSpec.model_validate_json((await hall.find(run_id)).spec)
    given = spec.private or any(file.private for file in spec.files)
    return given or saw_private(await hall.events(run_id))


async def _kept(hall: "Hall", run: str) -> tuple[str, ...]:
    """What the run has remembered that is never left out. What is for some only is not told to all."""
    try:
        found = await hall.memory.search("", scope=hall.scope, sort="recent", run=run, limit=MOST)
    except StoreError:
        return ()
    kept = [one.record for one in found.hits if one.record.visibility in ("project", "user")]
    noted = NOTED + " "
    stay = (one for one in kept if not one.private and (stays(one) or (one.subject or "").startswith(noted)))
    return tuple(one.text for one in stay)


def _turn(row: RunRow, events: Sequence[ev.Event], kept: tuple[str, ...]) -> Turn:
    said = ((one.member, one.text) for one in collect(events).contributions() if one.text != row.answer)
    return Turn(
        task=row.task,
        answer=row.answer,
        decisions=tuple(dict.fromkeys(_decisions(events))),
        kept=kept,
        summary=_summary(events),
        said=tuple((who, text) for who, text in said if text),
    )


def _decisions(events: Sequence[ev.Event]) -> Iterator[str]:
    for event in events:
        if isinstance(event, ev.Decided) and event.what in _DECISIONS:
            why = f" ({event.reason})" if event.reason else ""
            yield " ".join(f"{event.what} of {event.who}: {event.choice}{why}".split())[:300]


def _summary(events: Sequence[ev.Event]) -> str:
    """What the team's scribe has written of what came of it."""
    written = (event for event in events if isinstance(event, ev.Decided) and event.what == "memory")
    return next((str(one.data["outcome"]) for one in written if one.choice == MINUTES), "")


def saw_private(events: Sequence[ev.Event]) -> bool:
    """Whether private data was seen, be it from memory."""
    return any(isinstance(event, ev.RunFinished) and event.private for event in events)
