"""What the tools give back: the same in data and in text, since hosts show a model one or the other."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp_types import CallToolResult, ResourceLink, TextContent
from pydantic import BaseModel, WithJsonSchema

from guildhall.clean import clean, one_line, quoted

from .app import VIEW
from .hosts import how_to_add_a_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from guildhall.agents.result import Result
    from guildhall.memory.records import Hit, Record, Remembered

_TO_SETTLE = (
    "What says something near to it can be settled where that matters: remember it again with `settle`, for "
    "each id supersede (this holds in its place), coexist, duplicate (that one holds) or retract (that was "
    "wrong)."
)
_FOR_THE_USER = "Tell the user, who settles it in a terminal:"
LONGEST_ANSWER, LONGEST_PART = 18_000, 1_500
LONGEST_PARTS, LONGEST_SOURCES, LONGEST_CONFLICTS, LONGEST_REST = 9_000, 5_000, 4_000, 2_000
"""Characters of all of them together; hosts warn their user of more than some 10,000 tokens."""
MOST = 20
"""Of what there may be any number of."""


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
    input_tokens: int
    output_tokens: int
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

    usage = result.usage
    notices = [how_to_add_a_key(host) if notice == NO_KEY else notice for notice in result.notices]
    share = LONGEST_PARTS // max(1, len(result.contributions))
    quoted_parts = _all([source.text for source in result.sources], LONGEST_SOURCES)
    answer = RunAnswer(
        status="needs_input" if result.questions else result.status,
        answer=_clipped(result.answer, LONGEST_ANSWER),
        error=_clipped(_asked(result) or result.error, LONGEST_ANSWER),
        run_id=result.run_id,
        team=result.team,
        members=_answered(result),
        contributions=[
            MemberAnswer(
                member=part.member,
                model=part.model,
                status=part.status,
                text=_clipped(part.text, min(LONGEST_PART, share)),
                error=_clipped(part.error, min(LONGEST_PART, share)),
            )
            for part in result.contributions
        ],
        sources=[
            SourceQuoted(label=source.label, kind=source.kind, text=text)
            for source, text in zip(result.sources[:MOST], quoted_parts, strict=False)
        ],
        cost=Cost(
            calls=usage.calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            usd=usage.cost_usd,
            unpriced_calls=usage.unpriced_calls,
            reused_replies=usage.reused_replies,
        ),
        seconds=round(result.seconds, 2),
        conflicts=_all(map(str, result.conflicts), LONGEST_CONFLICTS),
        checks=_all(map(str, result.checks), LONGEST_REST),
        notices=_all(notices, LONGEST_REST),
        next=_next_step(result),
    )
    link = ResourceLink(name="transcript", uri=f"run://{result.run_id}", mime_type="application/json")
    told = _both(_as_text(answer), answer, link)
    return told if view is None else told.model_copy(update={"meta": {VIEW: view}})


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
    found = Memories(hits=[_memory(hit) for hit in hits], next=" ".join(said))
    lines = [_line(hit, one) for hit, one in zip(hits, found.hits, strict=True)]
    return _both("\n".join([*lines, *said]), found)


def _memory(hit: "Hit") -> Memory:
    record = hit.record
    return Memory(
        id=record.id,
        text=clean(_clipped(record.text, LONGEST_PART)),
        kind=record.kind,
        subject=record.subject or "",
        author=one_line(_who(record)),
        source=one_line(record.label if record.kind == "document" else record.source),
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
    result = Kept(
        id=remembered.id,
        merged=remembered.merged,
        superseded=remembered.superseded or "",
        conflicts=[
            Other(id=one.id, text=clean(_clipped(one.text, LONGEST_PART)), trust=one.trust) for one in others
        ],
        next=" ".join(now),
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


def _next_step(result: "Result") -> str:
    run = result.run_id[:12]
    if result.questions:
        commands = " and ".join(question.command(result.run_id) for question in result.questions)
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
            return "Tell the user what the error says; call again once that is settled."


def _as_text(run: RunAnswer) -> str:
    """The answer, who gave it, and what it cost, for a reader."""
    from guildhall.view.clean import from_cache, money

    cost = run.cost
    parts = [
        f"{cost.calls} call{'s' * (cost.calls != 1)}",
        from_cache(cost.reused_replies),
        f"{cost.input_tokens + cost.output_tokens:,} tokens",
        money(cost.usd or 0.0, cost.unpriced_calls),
        f"{run.seconds:.1f} s",
    ]
    numbers = ", ".join(filter(None, parts))
    lines = [
        run.answer or f"No answer: {run.error or run.status}",
        "",
        f"{run.team} {run.status}: {run.members}; {numbers}; run {run.run_id}",
    ]
    for part in run.contributions:
        why = f" ({part.error})" if part.error else ""
        lines.append(f"- {part.member} on {part.model or 'no model'}: {part.status}{why}")
    lines += [f"Contradiction: {found}" for found in run.conflicts]
    lines += [f"Check: {check}" for check in run.checks]
    lines += [f"Note: {notice}" for notice in run.notices]
    lines += [run.next] * (run.status not in ("done", "failed"))
    return "\n".join(lines)


def _all(texts: "Iterable[str]", most: int) -> list[str]:
    """The first of the texts, which have so many characters together; then how many are left out."""
    told = list(texts)
    share = most // max(1, min(MOST, len(told)))
    rest = [f"… {len(told) - MOST} more are kept with the run"] * (len(told) > MOST)
    return [*(_clipped(text, share) for text in told[:MOST]), *rest]


def _clipped(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most:,} more characters are kept with the run)"


def _who(record: "Record") -> str:
    author = record.author
    return author.agent or (f"run {author.run}" if author.run else "user")


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _both(text: str, data: BaseModel, *links: ResourceLink) -> CallToolResult:
    content: dict[str, Any] = data.model_dump(mode="json")
    return CallToolResult(content=[TextContent(text=text), *links], structured_content=content)
