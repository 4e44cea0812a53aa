"""What the tools give back: the same in data and in text, since hosts show a model one or the other."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp_types import CallToolResult, ResourceLink, TextContent
from pydantic import BaseModel, WithJsonSchema

from guildhall.clean import one_line, quoted

from .app import VIEW
from .fixes import usable, where_it_goes
from .hosts import how_to_add_a_key
from .sampling import NAME
from .shortened import MOST, MOST_BYTES, clipped, each, fair, named, size, size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guildhall.agents.result import Result
    from guildhall.memory.records import Hit, Record, Remembered

_TO_SETTLE = (
    "What says something near to it can be settled where that matters: remember it again with `settle`, for "
    "each id supersede (this holds in its place), coexist, duplicate (that one holds) or retract (that was "
    "wrong)."
)
_FOR_THE_USER = "Tell the user, who settles it in a terminal:"
_NO_ANSWER = "No answer: "
_UNCOUNTED = f"{NAME} does not say what it used: neither its tokens nor what they cost are known"
LONGEST_ANSWER, LONGEST_PART, LONGEST_BRIEF = 18_000, 1_500, 600
LONGEST_PARTS, LONGEST_SOURCES, LONGEST_CONFLICTS, LONGEST_REST = 8_000, 4_000, 3_000, 2_000
"""Bytes of all of them together, as JSON; the answer has what room is left."""
LEAST = 50
"""Bytes of a memory below which it is not cut further."""


class MemberAnswer(BaseModel):
    member: str
    model: str
    status: str
    text: str
    error: str


class SourceQuoted(BaseModel):
    label: str
    kind: str
    text: str


class Cost(BaseModel):
    calls: int
    input_tokens: int | None
    output_tokens: int | None
    """None where a model does not say."""
    usd: float | None
    unpriced_calls: int
    reused_replies: int


class Memory(BaseModel):
    id: str
    text: str
    kind: str
    subject: str
    author: str
    source: str
    recorded: str
    score: float
    trust: float
    newer_than: str
    """The id of the one of its subject that is trusted more."""


def _short(described: str, kind: str = "array") -> WithJsonSchema:
    """A schema in a few words: every one of them is read by every host, at every start."""
    return WithJsonSchema({"type": kind, "description": described})


class RunAnswer(BaseModel):
    status: Literal["done", "failed", "cancelled", "interrupted", "needs_input", "running"]
    answer: str
    error: str
    run_id: str
    team: str
    members: str
    contributions: Annotated[list[MemberAnswer], _short("member, model, status, text, error")]
    sources: Annotated[list[SourceQuoted], _short("label, kind, text")]
    cost: Annotated[Cost, _short("calls, tokens, usd (null: unknown; unpriced_calls come on top)", "object")]
    seconds: float
    conflicts: list[str]
    checks: list[str]
    notices: list[str]
    next: str


class Memories(BaseModel):
    hits: Annotated[list[Memory], _short("id, text, kind, subject, author, source, recorded, score, trust")]
    next: str


class Other(BaseModel):
    id: str
    text: str
    trust: float


class Kept(BaseModel):
    id: str
    merged: bool
    superseded: str
    conflicts: Annotated[list[Other], _short("id, text, trust")]
    next: str


def run_answer(result: "Result", *, host: str = "", view: dict[str, Any] | None = None) -> CallToolResult:
    """A run for the model that asked for it; a failed run is an answer too. No model reads the view."""
    from guildhall.agents.models.catalog import NO_KEY

    notices = [how_to_add_a_key(host) if notice == NO_KEY else usable(notice) for notice in result.notices]
    errors = [usable(result.error), *(usable(part.error) for part in result.contributions)]
    where = where_it_goes(host, errors)
    if _is_uncounted(result):
        notices.insert(0, _UNCOUNTED)
    if where and result.status != "failed":
        notices.insert(0, where)
    told = result.contributions[:MOST]
    share = LONGEST_PARTS // max(1, len(told))
    answer = RunAnswer(
        status="needs_input" if result.questions else result.status,
        answer="",
        error="",
        run_id=result.run_id,
        team=named(result.team),
        members=_answered(result),
        contributions=[
            MemberAnswer(
                member=named(part.member),
                model=named(part.model),
                status=part.status,
                text=clipped(part.text, min(LONGEST_PART, share)),
                error=clipped(usable(part.error), min(LONGEST_PART, share)),
            )
            for part in told
        ],
        sources=[
            SourceQuoted(label=named(source.label), kind=source.kind, text=text)
            for source, text in zip(
                result.sources[:MOST],
                each([one.text for one in result.sources], LONGEST_SOURCES),
                strict=False,
            )
        ],
        cost=_cost(result),
        seconds=round(result.seconds, 2),
        conflicts=each(map(str, result.conflicts), LONGEST_CONFLICTS),
        checks=each(map(str, result.checks), LONGEST_REST),
        notices=each(notices, LONGEST_REST),
        next=clipped(_next_step(result, where), LONGEST_REST),
    )
    text = _as_text(answer, result.answer, left_out=len(result.contributions) - len(told))
    room = min(LONGEST_ANSWER, MOST_BYTES - max(size_of(answer), size(text)) - len(_NO_ANSWER))
    answer.answer = clipped(result.answer, room)
    answer.error = "" if answer.answer else clipped(_asked(result) or errors[0], room)
    text = f"{_head(answer)}{text}"
    link = ResourceLink(name="transcript", uri=f"run://{result.run_id}", mime_type="application/json")
    both = _both(text, answer, link)
    return both if view is None else both.model_copy(update={"meta": {VIEW: view}})


def _is_uncounted(result: "Result") -> bool:
    return any(part.model.startswith(NAME) for part in result.contributions) and result.usage.calls > 0


def _cost(result: "Result") -> Cost:
    """What the run used; no tokens where those of a model are only the most that they may have been."""
    usage, counted = result.usage, not _is_uncounted(result)
    return Cost(
        calls=usage.calls,
        input_tokens=usage.input_tokens if counted else None,
        output_tokens=usage.output_tokens if counted else None,
        usd=usage.cost_usd,
        unpriced_calls=usage.unpriced_calls,
        reused_replies=usage.reused_replies,
    )


def _answered(result: "Result") -> str:
    names = {part.member for part in result.contributions}
    answered = {part.member for part in result.contributions if part.status == "answered"}
    return f"{len(answered)} of {len(names)} answered"


def _asked(result: "Result") -> str:
    """What the run asks the user, whole: the host is told to show it."""
    return "\n\n".join(question.told(whole=True) for question in result.questions)


def memories(hits: "Sequence[Hit]", *, withheld: int) -> CallToolResult:
    """What was recalled, best first, and that some of it is private or stands against something else."""
    from guildhall.view.recalled import doubts

    nothing = "Nothing is remembered about this. Try other words, or ask the user."
    private = (
        f"Private memories were withheld ({withheld} or more): `guildhall recall` shows them to the user."
    )
    said = [nothing] * (not hits) + [private] * bool(withheld)
    said += [f"{_FOR_THE_USER} {one}" for one in doubts(hits)]
    most = LONGEST_PART
    while True:
        found = Memories(
            hits=[_memory(hit, most) for hit in hits], next=clipped(" ".join(said), LONGEST_CONFLICTS)
        )
        lines = [_line(hit, one) for hit, one in zip(hits, found.hits, strict=True)]
        text = "\n".join([*lines, found.next])
        if most < LEAST or max(size_of(found), size(text)) <= MOST_BYTES:
            return _both(text, found)
        most = most * 3 // 4


def _memory(hit: "Hit", most: int) -> Memory:
    record = hit.record
    return Memory(
        id=record.id,
        text=clipped(record.text, most),
        kind=record.kind,
        subject=named(record.subject or ""),
        author=named(_who(record)),
        source=named(record.label if record.kind == "document" else record.source),
        recorded=_date(record.recorded_at),
        score=round(hit.score, 3),
        trust=record.trust,
        newer_than=hit.outweighed_by,
    )


def _line(hit: "Hit", told: Memory) -> str:
    """What a hit says, behind its label and where it is from: no text of it can pass for another's."""
    from guildhall.agents.message import memory_quote

    about = ", ".join(filter(None, (told.recorded, told.kind, told.subject, memory_quote(hit).origin)))
    return f"[{one_line(hit.record.label)}] ({one_line(about)}) {quoted(told.text)}"


def kept(
    remembered: "Remembered", others: "Sequence[Record]", refused: "Sequence[str]" = ()
) -> CallToolResult:
    """What became of a text that was to be remembered, and which others say something near to it."""
    from guildhall.memory.records import TRUST
    from guildhall.view.recalled import doubt

    heavier = [one for one in others if one.trust > TRUST["agent"]]
    now = [f"Not settled: {why}" for why in refused]
    now += [] if refused else [f"{_FOR_THE_USER} {doubt(remembered.id, one.id)}" for one in heavier]
    now += [_TO_SETTLE] * (len(heavier) < len(others))
    share = LONGEST_ANSWER // 2 // max(1, len(others))  # its newlines may be marked in the text
    result = Kept(
        id=remembered.id,
        merged=remembered.merged,
        superseded=remembered.superseded or "",
        conflicts=[
            Other(id=one.id, text=clipped(one.text, min(LONGEST_PART, share)), trust=one.trust)
            for one in others
        ],
        next=clipped(" ".join(now), LONGEST_CONFLICTS),
    )
    said = f"This was known already, as memory {result.id}." if result.merged else ""
    said = said or f"Remembered as memory {result.id}."
    if result.superseded:
        said += f" It takes the place of {result.superseded}."
    near = [
        f"[{one.label}] (trusted {one.trust:g} of 1) {quoted(other.text)}"
        for one, other in zip(others, result.conflicts, strict=True)
    ]
    return _both("\n".join(filter(None, [said, *near, result.next])), result)


def _next_step(result: "Result", where: str) -> str:
    run = result.run_id[:12]
    if result.questions:
        commands = " and ".join(question.command(result.run_id) for question in result.questions[:3])
        return (
            "Only the user can answer: show the question and this command for a terminal, then call "
            f"get_run(run_id={run!r}) to wait on. Do not answer it yourself. {commands}"
        )
    match result.status:
        case "running":
            return f"It is still at work: call get_run(run_id={run!r}) to wait on."
        case "done":
            return f"For a follow-up, call run_team with continue_from={run!r}."
        case "cancelled" | "interrupted" | "needs_input":
            return f"get_run(run_id={run!r}, resume=true) goes on with it; what is done is not paid again."
        case _:
            said = f"Tell the user what the error says{f', and to {where}' if where else ''}"
            return f"{said}; call again once that is settled."


def _head(run: RunAnswer) -> str:
    """The answer, or why there is none."""
    if run.answer:
        return run.answer
    if run.status == "running":
        working = [part.member for part in run.contributions if part.status == "working"]
        return f"Still at work{': ' if working else ''}{', '.join(working)}"
    return f"{_NO_ANSWER}{run.error or run.status}"


def _as_text(run: RunAnswer, answer: str, *, left_out: int) -> str:
    """What follows the answer: who else said what, what it rests on, and what it cost, for a reader."""
    from guildhall.view.clean import from_cache, money

    cost = run.cost
    known = cost.input_tokens is not None and cost.output_tokens is not None
    parts = [
        f"{cost.calls} call{'s' * (cost.calls != 1)}",
        from_cache(cost.reused_replies),
        f"{(cost.input_tokens or 0) + (cost.output_tokens or 0):,} tokens" if known else "tokens unknown",
        money(cost.usd or 0.0, cost.unpriced_calls),
        f"{run.seconds:.1f} s",
    ]
    numbers = ", ".join(filter(None, parts))
    most = LONGEST_PARTS // max(1, len(run.contributions))
    most = min(LONGEST_BRIEF, most) if run.status == "done" else most
    lines = ["", "", f"{run.team} {run.status}: {run.members}; {numbers}; run {run.run_id}"]
    for part in run.contributions:
        said = f": {_brief(part.text, most)}" if part.text not in ("", answer) else ""
        why = f" ({_brief(part.error, most)})" if part.error else ""
        lines.append(f"- {part.member} on {part.model or 'no model'}: {part.status}{why}{said}")
    lines += [f"… {left_out} more members are kept with the run"] * (left_out > 0)
    of_sources = _marked([one.text for one in run.sources], LONGEST_SOURCES)
    lines += [
        f"Source [{one.label}] ({one.kind}) {text}".rstrip()
        for one, text in zip(run.sources, of_sources, strict=True)
    ]
    lines += [f"Contradiction: {found}" for found in _marked(run.conflicts, LONGEST_CONFLICTS)]
    lines += [f"Check: {check}" for check in _marked(run.checks, LONGEST_REST)]
    lines += [f"Note: {notice}" for notice in _marked(run.notices, LONGEST_REST)]
    return "\n".join([*lines, run.next])


def _brief(text: str, most: int) -> str:
    """The text behind a label, which no line of it can pass for."""
    return clipped(quoted(text), most)


def _marked(texts: "Sequence[str]", most: int) -> list[str]:
    """The texts as they stand behind labels, in as much room as they have in the data."""
    lines = [quoted(text) for text in texts]
    share = fair(lines, most)
    return [clipped(line, share) for line in lines]


def _who(record: "Record") -> str:
    author = record.author
    return author.agent or (f"run {author.run}" if author.run else "user")


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _both(text: str, data: BaseModel, *links: ResourceLink) -> CallToolResult:
    content: dict[str, Any] = data.model_dump(mode="json")
    return CallToolResult(content=[TextContent(text=text), *links], structured_content=content)
