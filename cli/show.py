"""Results as text; whatever models and files say in it is made harmless first."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from guildhall.view.clean import clean, from_cache, money, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guildhall.agents.estimate import Estimate
    from guildhall.agents.questions import OpenQuestion
    from guildhall.agents.result import Result
    from guildhall.memory.store.questions import Question

SHORT, LONG = 240, 600
"""Characters of what a member said, and of why there is no answer, that a result shows."""


def heading(text: str) -> str:
    """The text in bold, where there is a terminal to show it."""
    return click.style(clean(text), bold=True)


def moment(at: float) -> str:
    """The time of day and date where the user is."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def print_result(result: "Result", *, contributions: bool = True) -> None:
    """The answer, what it rests on, who said what, and what it cost."""
    from guildhall.agents.models.material import EXTRACTED

    if result.answer:
        _print_markdown(result.answer)
    if result.sources:
        click.echo(f"\n{heading('Sources')}")
        for source in result.sources:
            click.echo(f"  [{one_line(source.label, 120)}] {one_line(source.text, 160)}".rstrip())
    if contributions and result.contributions:
        click.echo(f"\n{heading('Who said what')}")
        for said in result.contributions:
            model = f" ({one_line(said.model, 80)})" if said.model else ""
            text = said.error or said.text
            text = "the answer above" if text and text == result.answer else text.removeprefix(EXTRACTED)
            status = "" if said.status == "answered" else f" {said.status}"
            who = said.member if said.work in ("", said.member) else f"{said.member}, {said.work}"
            click.echo(f"  {heading(one_line(who, 120))}{model}{status}: {one_line(text, SHORT)}")
    for lines in (_conflicts(result), _checks(result), _questions(result)):
        for line in lines:
            click.echo(line)
    click.echo(f"\n{_facts(result)}")
    for notice in result.notices:
        click.echo(f"Note: {clean(notice)}")


def _conflicts(result: "Result") -> "Iterator[str]":
    if result.conflicts:
        yield f"\n{heading('Contradictions between members')}"
    yield from (f"  {one_line(str(found), LONG)}" for found in result.conflicts)


def _checks(result: "Result") -> "Iterator[str]":
    if result.checks:
        yield f"\n{heading('Checks')}"
    yield from (f"  {one_line(str(check), SHORT)}" for check in result.checks)


def _questions(result: "Result") -> "Iterator[str]":
    if result.questions:
        yield f"\n{heading('Questions to you')}"
    for question in result.questions:
        by = f", until {moment(question.deadline)}" if question.deadline is not None else ""
        yield f"{heading(question.id)} {one_line(question.who, 60)} asks{by}:"
        yield from lines_of(question)
        yield f"  Answer with {question.command(result.run_id)}."


def lines_of(question: "Question | OpenQuestion") -> "Iterator[str]":
    """All that is asked, its lines set off so that nothing in it looks like more than that."""
    for line in question.text.splitlines():
        yield f"  | {clean(line)}".rstrip()
    for number, option in enumerate(question.options, 1):
        yield f"  {number}. {one_line(option, 200)}"


def print_questions(result: "Result") -> bool:
    """Print what the run asks, in full; False where it asks nothing."""
    for line in _questions(result):
        click.echo(line.lstrip("\n"))
    return bool(result.questions)


def why_no_answer(result: "Result") -> str:
    """One sentence that says how the run ended and what can be done."""
    run = result.run_id[:12]
    more = f"`guildhall resume {run}` goes on from what is paid for"
    if result.status == "failed":
        return f"run {run} failed: {one_line(result.error, 600)}"
    if result.status == "needs_input":
        said = " ".join(one_line(question.told(run), LONG) for question in result.questions)
        return f"run {run} waits for you. {said}" if said else f"run {run} asks nothing any more; {more}"
    if result.status == "running":
        return f"run {run} is still at work; `guildhall watch {run}` follows it"
    return f"run {run} was {result.status}; {more}"


def print_estimate(estimate: "Estimate") -> None:
    """What a run would do and could cost, for one who decides whether to start it."""
    from guildhall.view.worst import usually, worst_case

    click.echo(" · ".join(filter(None, [heading(estimate.team), estimate.pattern, "not started"])))
    if estimate.way:
        click.echo(f"  way: {one_line(estimate.way, 300)}")
    for member in estimate.members:
        role = one_line(f"  {member.role}" if member.role else "", 100)
        click.echo(f"\n  {heading(one_line(member.name, 60))}{role and f'  {role}'}")
        click.echo(f"    asks {one_line(member.model, 80)}{member.why and f': {one_line(member.why, 200)}'}")
        if member.fallback:
            click.echo(f"    else {one_line(', '.join(member.fallback), 200)}")
        click.echo(f"    usually {usually(member.usual)}")
    click.echo(f"\n{heading('Usually')}\n  {usually(estimate.usual)}\n{heading('At most')}")
    for line in worst_case(estimate):
        click.echo(f"  {clean(line)}")
    for notice in estimate.notices:
        click.echo(f"Note: {clean(notice)}")


def _facts(result: "Result") -> str:
    used = result.usage
    cached = f" ({used.cached_tokens:,} cached)" if used.cached_tokens else ""
    parts = [
        f"{used.calls} call" + ("s" if used.calls != 1 else ""),
        from_cache(used.reused_replies),
        f"{used.input_tokens:,} tokens in{cached}, {used.output_tokens:,} out",
        money(used.cost_usd or 0.0, used.unpriced_calls),
        f"{result.seconds:.1f} s",
        result.status,
        f"run {result.run_id}",
    ]
    return " · ".join(filter(None, parts))


def _print_markdown(text: str) -> None:
    """Markdown set for a terminal; as it is where there is none, for files and pipes."""
    if not sys.stdout.isatty():
        click.echo(clean(text))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(file=sys.stdout).print(Markdown(clean(text), hyperlinks=False))
