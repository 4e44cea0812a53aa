"""Tools with which an agent asks and feeds the shared memory."""

import re
from typing import Annotated, Literal

from pydantic import Field

from guildhall.clean import one_line, quoted
from guildhall.errors import UserError
from guildhall.memory.asked import asked
from guildhall.memory.records import Kind
from guildhall.memory.settling import Settlement
from guildhall.memory.words import telling

from ..message import Quote, memory_quote
from ..notebook import notes
from ..remembering import settled
from ..run import Run
from ..tool import Tool, ToolContext, tool
from .notes import as_quote

Where = Literal["long", "working", "short", "all"]
"""What is remembered for good, what was noted in this run, what was said before in this conversation."""
FOUND = 5
"""Of each, at most."""
_TURN = re.compile(r"\n+(?=## Question \d+: )")
_Kept = Literal["fact", "decision", "procedure", "preference"]


def memory_tools() -> list[Tool]:
    """`recall`, `remember` and `settle`, over the memory of the run that they are called in."""
    return [recall, remember, settle]


@tool
async def recall(
    query: Annotated[str, Field(min_length=1, max_length=2_000)],
    context: ToolContext,
    *,
    types: Where = "long",
    kinds: tuple[Kind, ...] = (),
    who: Annotated[str, Field(max_length=100)] = "",
    as_of: Annotated[str, Field(max_length=40)] = "",
) -> str:
    """What is remembered about the query, each with its label. `types` says where: long (earlier outcomes,
    facts, decisions; `kinds`, `who` said it and `as_of`, an ISO date, narrow it), working (notes of this
    run), short (questions and answers before this one in the conversation), or all."""
    narrowed = asked({"kinds": kinds, "agent": who, "as_of": as_of})
    if narrowed and types in ("working", "short"):
        raise UserError("kinds, who and as_of narrow what is remembered for good; take types long or all")
    found: list[Quote] = []
    if types in ("long", "all"):
        found += [memory_quote(hit) for hit in await context.run.recall(query, **narrowed)]
    if types in ("working", "all"):
        found += _best(query, [as_quote(one) for one in await notes(context.run)])
    if types in ("short", "all"):
        found += _best(query, _turns(context.run))
    context.run.show(found)
    return "\n\n".join(map(_told, found)) or "Nothing is remembered about that."


@tool(risk="write")
async def remember(
    text: str, context: ToolContext, subject: str | None = None, kind: _Kept = "fact", for_me: bool = False
) -> str:
    """Keep something for later runs. With a subject such as `db.engine` it replaces what was known of that.
    What is `for_me` only you are told when you work again."""
    run = context.run
    visibility = "private" if for_me else "project"
    kept = await run.remember(text, kind=kind, subject=subject, model=context.model, visibility=visibility)
    if kept.merged:
        return f"That is known already: memory:{kept.id[:8]} says it."
    said = f"Remembered as memory:{kept.id[:8]}."
    if kept.superseded:
        said += f" It takes the place of memory:{kept.superseded[:8]}."
    if others := await _conflicting(run, kept.conflicts):
        said += (
            f"\nThis is near to it, or says otherwise:\n{others}\nSay with `settle` what becomes of each: "
            "supersede it, coexist with it, be a duplicate of it, or retract it."
        )
    return said


@tool(risk="write")
async def settle(remembered: str, other: str, how: Settlement, context: ToolContext) -> str:
    """Settle a conflict of what you have remembered in this run with another memory, both by their labels:
    yours can supersede the other, coexist with it, be a duplicate of it, or have it retracted as wrong."""
    return await settled(context.run, remembered, other, how)


def _told(one: Quote) -> str:
    """The quote behind its label and where it is from, so that no text can pass for another's."""
    return f"[{one_line(one.label)}] ({one_line(one.origin or one.kind)}) {quoted(one.text)}"


async def _conflicting(run: Run, ids: tuple[str, ...]) -> str:
    """What the records say, each in a line, as far as it may be seen here."""
    assert run.state.memory is not None, "something was remembered"
    found = [await run.state.memory.get(id_, scope=run.state.scope) for id_ in ids]
    seen = [one for one in found if one is not None and (run.trusted or not one.private)]
    run.private |= any(one.private for one in seen)
    return "\n".join(f"- [{one.label}] {one_line(one.text)}" for one in seen)


def _turns(run: Run) -> list[Quote]:
    """The questions of the conversation with their answers, each for itself."""
    seen = [one for one in run.state.conversation if run.trusted or not one.private]
    run.state.withheld(one.label for one in run.state.conversation if one not in seen)
    return [one.model_copy(update={"text": text}) for one in seen for text in _TURN.split(one.text)]


def _best(query: str, quotes: list[Quote]) -> list[Quote]:
    """Those that share words with the query, the most telling first."""
    wanted = set(telling(query))
    shared = [(len(wanted & set(telling(one.text))), at) for at, one in enumerate(quotes)]
    best = sorted((pair for pair in shared if pair[0]), key=lambda pair: (-pair[0], -pair[1]))
    return [quotes[at] for _, at in best[:FOUND]]
