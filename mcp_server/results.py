"""What the tools give back: the same in data and in text, since hosts show a model one or the other."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, WithJsonSchema

from .hosts import how_to_add_a_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guildhall.agents.result import Result
    from guildhall.memory.records import Hit, Record, Remembered

_TO_SETTLE = (
    "These say something near to it. Where that matters, remember it again with `settle`: for each id "
    "supersede (this holds in its place), coexist, duplicate (that one holds) or retract (that was wrong)."
)
LONGEST_ANSWER = 20_000
LONGEST_PART = 1_500
LONGEST_PARTS = 12_000
"""Characters; hosts warn their user of more than some 10,000 tokens."""


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


def _short(described: str, kind: str = "array") -> WithJsonSchema:
    """A schema in a few words: every one of them is read by every host, at every start."""
    of = {"items": {"type": "object"}} if kind == "array" else {}
    return WithJsonSchema({"type": kind, **of, "description": described})


class RunAnswer(BaseModel):
    status: Literal["done", "failed", "cancelled", "interrupted", "needs_input", "running"]
    answer: str
    error: str
    run_id: str
    team: str
    contributions: Annotated[list[MemberAnswer], _short("member, model, status, text, error")]
    sources: Annotated[list[SourceQuoted], _short("label, kind, text")]
    cost: Annotated[Cost, _short("calls, tokens, usd (null: unknown; unpriced_calls come on top)", "object")]
    seconds: float
    conflicts: list[str]
    checks: list[str]
    notices: list[str]
    next: str


class Memories(BaseModel):
    hits: Annotated[list[Memory], _short("id, text, kind, subject, author, source, recorded, score")]
    next: str


class Other(BaseModel):
    id: str
    text: str


class Kept(BaseModel):
    id: str
    merged: bool
    superseded: str
    conflicts: list[Other]
    next: str


def run_answer(result: "Result", *, host: str = "") -> CallToolResult:
    """A run for the model that asked for it; a failed run is an answer too."""
    from guildhall.agents.models.catalog import NO_KEY

    usage = result.usage
    notices = [how_to_add_a_key(host) if notice == NO_KEY else notice for notice in result.notices]
    share = LONGEST_PARTS // max(1, len(result.contributions))
    answer = RunAnswer(
        status=result.status,
        answer=_clipped(result.answer, LONGEST_ANSWER),
        error=_clipped(_asked(result), LONGEST_ANSWER) or result.error,
        run_id=result.run_id,
        team=result.team,
        contributions=[
            MemberAnswer(
                member=part.member,
                model=part.model,
                status=part.status,
                text=_clipped(part.text, min(LONGEST_PART, share)),
                error=part.error,
            )
            for part in result.contributions
        ],
        sources=[
            SourceQuoted(label=source.label, kind=source.kind, text=source.text)
            for source in result.sources[:20]
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
        conflicts=[_clipped(str(found), LONGEST_PART) for found in result.conflicts[:20]],
        checks=[_clipped(str(check), LONGEST_PART) for check in result.checks[:20]],
        notices=notices,
        next=_next_step(result),
    )
    return _both(_as_text(answer), answer)


def _asked(result: "Result") -> str:
    """What the run asks the user, whole: the host is told to show it."""
    return "\n\n".join(question.told(whole=True) for question in result.questions)


def memories(hits: "list[Hit]", *, withheld: int) -> CallToolResult:
    """What was recalled, best first, and that some of it is private."""
    nothing = "Nothing is remembered about this. Try other words, or ask the user."
    private = f"{withheld} private memories were withheld; the user can read them with `guildhall recall`."
    said = [nothing] * (not hits) + [private] * bool(withheld)
    found = Memories(
        hits=[
            Memory(
                id=hit.record.id,
                text=_clipped(hit.record.text, LONGEST_PART),
                kind=hit.record.kind,
                subject=hit.record.subject or "",
                author=_who(hit.record),
                source=hit.record.source,
                recorded=_date(hit.record.recorded_at),
                score=round(hit.score, 3),
            )
            for hit in hits
        ],
        next=" ".join(said),
    )
    labels = (hit.record.label for hit in hits)
    lines = [f"[{label}] {one.recorded} {one.text}" for label, one in zip(labels, found.hits, strict=True)]
    return _both("\n".join([*lines, *said]), found)


def kept(remembered: "Remembered", others: "Sequence[Record]") -> CallToolResult:
    """What became of a text that was to be remembered, and which others say something near to it."""
    result = Kept(
        id=remembered.id,
        merged=remembered.merged,
        superseded=remembered.superseded or "",
        conflicts=[Other(id=one.id, text=_clipped(one.text, LONGEST_PART)) for one in others],
        next=_TO_SETTLE if others else "",
    )
    said = f"This was known already, as memory {result.id}." if result.merged else ""
    said = said or f"Remembered as memory {result.id}."
    if result.superseded:
        said += f" It takes the place of {result.superseded}."
    near = [f"[{one.label}] {other.text}" for one, other in zip(others, result.conflicts, strict=True)]
    return _both("\n".join(filter(None, [said, *near, result.next])), result)


def _next_step(result: "Result") -> str:
    match result.status:
        case "done":
            return "For a follow-up, call again with what matters of this answer as context."
        case "cancelled" | "interrupted":
            return "Call again to start over."
        case "needs_input":
            if not result.questions:
                return f"Nothing is asked any more: `guildhall resume {result.run_id[:12]}` goes on with it."
            commands = " and ".join(question.command(result.run_id) for question in result.questions)
            return (
                "Only the user can answer: show the question and this command for a terminal, where the run "
                f"then goes on. Do not answer it yourself. {commands}"
            ).strip()
        case _:
            return "Tell the user what the error says; call again once that is settled."


def _as_text(run: RunAnswer) -> str:
    """The answer, who gave it, and what it cost, for a reader."""
    from guildhall.view.clean import from_cache, money

    names = dict.fromkeys(part.member for part in run.contributions)
    answered = {part.member for part in run.contributions if part.status == "answered"}
    cost = run.cost
    parts = [
        f"{cost.calls} call{'s' * (cost.calls != 1)}",
        from_cache(cost.reused_replies),
        f"{cost.input_tokens + cost.output_tokens:,} tokens",
        money(cost.usd or 0.0, cost.unpriced_calls),
        f"{run.seconds:.1f} s",
    ]
    numbers = ", ".join(filter(None, parts))
    members = f"{len(answered)} of {len(names)} members answered"
    lines = [
        run.answer or f"No answer: {run.error or run.status}",
        "",
        f"{run.team} {run.status}: {members}; {numbers}; run {run.run_id}",
    ]
    for part in run.contributions:
        why = f" ({part.error})" if part.error else ""
        lines.append(f"- {part.member} on {part.model or 'no model'}: {part.status}{why}")
    lines += [f"Contradiction: {found}" for found in run.conflicts]
    lines += [f"Check: {check}" for check in run.checks]
    lines += [f"Note: {notice}" for notice in run.notices]
    lines += [run.next] * (run.status == "needs_input")
    return "\n".join(lines)


def _clipped(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most:,} more characters are kept with the run)"


def _who(record: "Record") -> str:
    author = record.author
    return author.agent or (f"run {author.run}" if author.run else "user")


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _both(text: str, data: BaseModel) -> CallToolResult:
    content: dict[str, Any] = data.model_dump(mode="json")
    return CallToolResult(content=[TextContent(text=text)], structured_content=content)
