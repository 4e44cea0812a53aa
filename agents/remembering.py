"""What a run recalls and remembers: once in all its sittings, and nothing that memory had told it."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from guildhall.errors import GuildhallError, StoreError, UserError
from guildhall.memory.records import TRUST, Author, Hit, Kind, Record, Remembered
from guildhall.memory.settling import Settlement
from guildhall.redact import redact

from . import event as ev
from .echo import echoed
from .message import Message, cited, memory_quote

if TYPE_CHECKING:
    from .run import Run

LESSON = "lesson"
"""The tag of what somebody is to do better."""
OWN = 3
"""Of what an agent remembers for itself: so many that bear on its work, and so many of the newest."""
FROM_ONE = 3
"""So many are recalled of one file or run, so that a long one does not crowd out all else."""
_MEMORY = "memory:"


async def recalled(
    run: "Run",
    query: str,
    *,
    limit: int,
    private: bool = False,
    name: str = "recall",
    recent: int = 0,
    but: Callable[[Hit], bool] | None = None,
    **filters: Any,
) -> list[Hit]:
    """What memory knows of the query, but for what this run remembered; nothing if it cannot be read.

    With it, so many of the newest that `recent` says. What is left out by `but` takes nobody's place. Filters
    are those of Memory.recall.
    """
    state = run.state
    if state.memory is None:
        return []
    query, here = redact(query), run.span(name)
    said = {"recent": recent, **filters} if recent or filters else {}
    digest = run.digest(query, str(limit), *([json.dumps(said, sort_keys=True)] if said else []))
    if (known := here.recorded(digest)) is not None:
        return noted(run, [Hit.model_validate(hit) for hit in known])
    filters = {"viewer": run.who if run.path else "", "team": run.team, **filters}
    filters |= {"scope": state.scope, "private": private or run.private}
    hits: Sequence[Hit]
    try:
        hits = await _shown(run, query, limit=limit, per_source=FROM_ONE, but=but, **filters)
        if recent:
            newest = await _shown(run, "", limit=recent, sort="recent", **filters)
            hits = list({hit.record.id: hit for hit in [*hits, *newest]}.values())
    except GuildhallError as error:
        state.notice(f"memory could not be read: {error}")
        hits = []
    here.emit(
        ev.Recalled,
        query=query,
        records=tuple(hit.record.label for hit in hits),
        texts=tuple(hit.record.text for hit in hits),
        trust=min((hit.record.trust for hit in hits), default=None),
    )
    await here.record(digest, [hit.model_dump(exclude_defaults=True) for hit in hits], wait=False)
    return noted(run, [*hits])


async def _shown(
    run: "Run", query: str, *, but: Callable[[Hit], bool] | None = None, **how: Any
) -> Sequence[Hit]:
    """What may be shown here and was not remembered by this run; the reader is told what may not be."""
    state, memory, lessons = run.state, run.state.memory, run.state.lessons
    assert memory is not None, "who asks has looked"

    def wanted(hit: Hit) -> bool:
        record = hit.record
        may_be = record.author.run != state.id and (lessons or LESSON not in record.tags)
        return may_be and (but is None or not but(hit))

    hits = (await memory.search(query, wanted=wanted, **how)).hits
    if run.trusted or not (private := [hit.record.label for hit in hits if hit.record.private]):
        return hits
    state.withheld(private)
    return (await memory.search(query, wanted=wanted, public=True, **how)).hits


def noted(run: "Run", hits: list[Hit]) -> list[Hit]:
    """The hits, once it is known that the run was told of them."""
    run.state.recalled |= {hit.record.label: hit.record for hit in hits}
    if run.path:  # the run itself passes them on as quotes, which are marked
        run.private |= any(hit.record.private for hit in hits)
    return hits


# -- what somebody remembers for itself


async def find_owners(run: "Run") -> frozenset[str]:
    """The agents that remember something for themselves alone, the same ones in a resumed run."""
    if run.state.memory is None:
        return frozenset()
    here, digest = run.span("owners"), run.digest("owners")
    if (known := here.recorded(digest)) is not None:
        return frozenset(known)
    try:
        owners = await run.state.memory.owners(scope=run.state.scope)
    except GuildhallError:  # what is recalled next says so
        return frozenset()
    await here.record(digest, sorted(owners), wait=False)
    return owners


async def with_own(message: Message, run: "Run") -> Message:
    """The message with what its receiver remembers for itself: notes of its own, and lessons."""
    if run.who not in run.state.owners:
        return message
    hits = await recalled(run, message.text, limit=OWN, name="own", recent=OWN, own=True)
    there = {quote.label for quote in message.quotes}
    return message.with_quotes(*(memory_quote(hit) for hit in hits if hit.record.label not in there))


# -- what is remembered


async def remembered(
    run: "Run", text: str, *, kind: Kind = "fact", subject: str | None = None, model: str = "", **more: Any
) -> Remembered:
    """What became of the text; on a resumed run it is not remembered twice.

    What memory has told this run is not stored again: it is merged with what says it. What is stored is
    trusted no more than anything that the run was told, by memory or a tool; a tag names a tool like that.
    """
    if run.state.memory is None:
        raise StoreError("no_memory", "this run was started without a memory")
    text, here = redact(text), run.span("remember")
    known = await told(run)
    if echoed(text, [record.text for record in known.values()]):
        saying = (record for record in known.values() if echoed(text, [record.text]))
        record = next(saying, next(iter(known.values())))
        here.decided("memory", "known already", f"{record.label} says it")
        return Remembered(id=record.id, merged=True)
    more["derived_from"] = tuple(dict.fromkeys([*more.get("derived_from", ()), *lineage(text, known)]))
    heard, trust = run.state.least_trusted
    if trust < TRUST["agent"]:
        more["tags"] = (*more.get("tags", ()), f"from:{heard}")
    more["trust"] = min([more.get("trust", TRUST["agent"]), trust, *(one.trust for one in known.values())])
    return await stored(here, text, kind=kind, subject=subject, model=model, **more)


async def stored(
    here: "Run", text: str, *, kind: Kind = "fact", subject: str | None = None, model: str = "", **more: Any
) -> Remembered:
    """What became of the text, whatever was recalled; once for the span."""
    state = here.state
    assert state.memory is not None, "who asks has looked"
    author = Author(
        agent=more.pop("agent", here.who), model=model, run=here.id, host=state.host, team=here.team
    )
    kept = await state.memory.remember(
        text,
        kind=kind,
        subject=subject,
        author=author,
        id=here.digest(here.id, here.path, text),
        **{
            "scope": state.scope,
            "source": f"run:{here.id}",
            "session": f"run:{here.id}",
            **more,
            "private": here.private or more.get("private", False),
        },
    )
    here.emit(ev.Remembered, record=f"{_MEMORY}{kept.id[:8]}", text=text)
    return kept


async def told(run: "Run") -> dict[str, Record]:
    """What this run was told from memory, by label; a tool's recalls of an earlier sitting are looked up."""
    state = run.state
    assert state.memory is not None, "who asks has looked"
    shown = {label: quotes for label, quotes in state.shown.items() if label not in state.recalled}
    for label, quotes in shown.items():
        if label.startswith(_MEMORY) and any(quote.kind == "memory" for quote in quotes):
            record = await state.memory.get(label.removeprefix(_MEMORY), scope=state.scope)
            if record is not None:
                state.recalled[label] = record
    known = state.recalled
    return {label: one for label, one in known.items() if run.trusted or not one.private}


def lineage(text: str, known: Mapping[str, Record]) -> list[str]:
    """The ids of the known records that the text cites; places in documents may be cited by a line."""
    found = []
    for label in cited(text):
        source, _, line = label.rpartition(":")
        found += [
            one.id
            for of, one in known.items()
            if of == label or (one.source == source and line.isdigit() and one.has_line(int(line)))
        ]
    return found


# -- conflicts


async def settled(run: "Run", own: str, other: str, how: Settlement) -> str:
    """What became of a conflict between a record that this run has written and another, in a sentence.

    What is trusted more is not taken away. Raises UserError.
    """
    if run.state.memory is None:
        raise StoreError("no_memory", "this run was started without a memory")
    mine, its = await _named(run, own), await _named(run, other)
    if mine.author.run != run.id:
        raise UserError(f"{mine.label} was not written in this run; name what `remember` has given you first")
    await run.state.memory.settle(mine.id, its.id, how, scope=run.state.scope, trust=mine.trust)
    run.decided("memory", how, f"{mine.label} and {its.label}")
    return _SETTLED[how].format(mine=mine.label, its=its.label)


async def _named(run: "Run", label: str) -> Record:
    """The record of the label, if it may be seen here."""
    assert run.state.memory is not None, "who asks has looked"
    record = await run.state.memory.get(
        label.strip().strip("[]").removeprefix(_MEMORY), scope=run.state.scope
    )
    seen = record is not None and record.scope == run.state.scope and (run.trusted or not record.private)
    if record is None or not seen or not _reads(run, record):
        raise UserError(f"there is no {label!r:.60}; name a memory by its label, such as memory:1f3a9c02")
    return record


def _reads(run: "Run", record: Record) -> bool:
    if record.visibility == "private":
        return record.author.agent == run.who
    return record.visibility != "team" or record.author.team == run.team


_SETTLED: dict[Literal["supersede", "coexist", "duplicate", "retract"], str] = {
    "supersede": "{mine} holds from now on in place of {its}.",
    "coexist": "{mine} and {its} hold beside each other.",
    "duplicate": "{mine} is a duplicate of {its}, which holds.",
    "retract": "{its} is retracted; {mine} holds.",
}
