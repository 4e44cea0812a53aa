"""Results as notebooks show them: Markdown where it is rendered, plain text everywhere else."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guildhall.agents.estimate import Estimate
    from guildhall.agents.result import Result
    from guildhall.memory.records import Found, Record, Remembered

Bundle = dict[str, str]
"""One thing in several media types."""


def answer(result: "Result") -> Bundle:
    """The answer, with a line of who and how much below it."""
    numbers = _numbers(result)
    notes = [" ".join(notice.split()) for notice in result.notices]
    rests_on = ", ".join(dict.fromkeys(source.label for source in result.sources))
    sources = [f"Sources: {rests_on}"] if rests_on else []
    return {
        "text/markdown": "\n\n".join(
            [result.answer, "---", *sources, f"<small>{numbers}</small>", *(f"> {note}" for note in notes)]
        ),
        "text/plain": "\n\n".join([result.answer, *sources, numbers, *(f"Note: {note}" for note in notes)]),
    }


def memories(found: "Found", *, explain: bool) -> Bundle:
    """The records that were found as a table of plain text, the best first; explained, how each was found."""
    from guildhall.view import one_line
    from guildhall.view.recalled import doubts, score, served

    hits = found.hits
    said = [served(found)] if explain else []
    if not hits:
        return {"text/plain": "\n".join([*said, "Nothing is remembered about this. Try other words."])}
    rows = [("score", "when", "kind", "who", "memory", "text")]
    for hit in hits:
        record = hit.record
        rows.append(
            (
                f"{hit.score:.2f}",
                time.strftime("%Y-%m-%d", time.localtime(record.recorded_at)),
                record.kind,
                one_line(_who(record), 20),
                one_line(record.label, 60),
                one_line(record.text, 120),
            )
        )
    said.append(_table(rows))
    said += [f"{one_line(hit.record.label, 60)}: {score(hit)}" for hit in hits] if explain else []
    return {"text/plain": "\n".join([*said, *doubts(hits)])}


def kept(remembered: "Remembered") -> Bundle:
    """What became of a text that was to be remembered."""
    from guildhall.memory.records import named
    from guildhall.view.recalled import conflicts

    known = "Known already as" if remembered.merged else "Remembered as"
    lines = [f"{known} {named(remembered.id)}."]
    if remembered.superseded:
        lines.append(f"It takes the place of {named(remembered.superseded)}.")
    return {"text/plain": "\n".join([*lines, *conflicts(remembered)])}


def estimate(estimate: "Estimate") -> Bundle:
    """What a run would do and usually take as a table, with the sum and the worst case below it."""
    from guildhall.view import money, one_line
    from guildhall.view.worst import usually, worst_case

    rows: list[tuple[str, ...]] = [("member", "model", "why", "else", "calls", "tokens", "cost")]
    for member in estimate.members:
        usual = member.usual
        cost = "unknown" if usual.usd is None else money(usual.usd)
        said = (member.name, member.model, member.why, ", ".join(member.fallback))
        rows.append((*(one_line(text, 120) for text in said), str(usual.calls), f"{usual.tokens:,}", cost))
    title = " · ".join(filter(None, [estimate.team, estimate.pattern, "not started; usually:"]))
    way = [f"way: {one_line(estimate.way, 300)}"] if estimate.way else []
    most, *limits = worst_case(estimate)
    below = [*way, f"usually: {usually(estimate.usual)}", f"at most: {most}", *limits]
    below += [f"Note: {' '.join(notice.split())}" for notice in estimate.notices]
    as_markdown = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    as_markdown.insert(1, " | ".join("---" for _ in rows[0]))
    return {
        "text/markdown": "\n\n".join([title, "\n".join(f"| {row} |" for row in as_markdown), *below]),
        "text/plain": "\n".join([title, _table(rows), *below]),
    }


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """The rows as plain text, their columns below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _who(record: "Record") -> str:
    author = record.author
    return author.agent or (f"run {author.run[:8]}" if author.run else "user")


def _numbers(result: "Result") -> str:
    from guildhall.view import from_cache, money

    members = {part.member for part in result.contributions}
    answered = {part.member for part in result.contributions if part.status == "answered"}
    usage = result.usage
    parts = [
        result.team,
        f"{len(answered)} of {len(members)} answered",
        f"{usage.calls} call{'s' * (usage.calls != 1)}",
        from_cache(usage.reused_replies),
        money(usage.cost_usd or 0.0, usage.unpriced_calls),
        f"{result.seconds:.1f} s",
        f"run {result.run_id[:8]}",
    ]
    return " · ".join(filter(None, parts))
