"""A stored run as a tree of who worked for whom and what they said; and the way back to what caused it."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from guildhall.view import Item, View, clean, money, one_line

from .show import heading, moment

if TYPE_CHECKING:
    from guildhall.agents.event import Event
    from guildhall.memory.store.runs import RunRow
    from guildhall.view.why import Link

GLYPHS = {"done": "✓", "failed": "✗", "cancelled": "■", "skipped": "-", "working": "…", "waiting": "…"}


def print_transcript(row: "RunRow", events: "Sequence[Event]") -> None:
    from guildhall.view.replays import without_replays

    view = View()
    for event in without_replays(events):
        view(event)
    facts = [heading(row.team), row.pattern, row.status, moment(row.started), f"run {row.id}"]
    click.echo(" · ".join(filter(None, facts)))
    if earlier := json.loads(row.spec).get("earlier"):
        click.echo(f"goes on from run {earlier['run'][:12]}")
    click.echo(f"{clean(row.task)}\n")
    for line in _below(view.items(), None, ""):
        click.echo(line)


def print_chain(chain: "Sequence[Link]") -> None:
    """Each event with who, what and a line of what was said, and below it what that quotes."""
    for link in chain:
        mark = "*" if link.says_it else " "
        led_by = ", ".join(f"#{number}" for number in link.because[:5]) + " …" * (len(link.because) > 5)
        behind = click.style(f"  from {led_by}", dim=True) if led_by else ""
        click.echo(f"{f'#{link.event}':>5}{mark} {heading(link.who)} {link.what}: {link.text}{behind}")
        for label, text in link.sources:
            click.echo(f"        [{label}] {text}".rstrip())
    if any(link.says_it for link in chain):
        click.echo("\n* has these words")


def _below(items: list[Item], lane: str | None, margin: str) -> Iterator[str]:
    """Lines for what happened in the lane, and for those who worked for its member, in order of time."""
    for item in items:
        if item["is"] == "member" and item["above"] == lane:
            yield from _member(item, margin)
            yield from _below(items, item["id"], margin + "  ")
        elif item.get("lane", "") == lane and item["is"] not in ("member", "run", "step"):
            number = click.style(f"  {_number(item)}", dim=True) if _number(item) else ""
            for line in _entry(item):
                yield f"{margin}{line}{number}"
                number = ""
            if item["is"] == "decision":
                yield from (f"{margin}  {line}" for line in _details(item, items))


def _details(item: Item, items: list[Item]) -> Iterator[str]:
    """What a decision rests on: the steps of a plan, the scores, votes and sides that there were."""
    data = item["data"] if isinstance(item["data"], dict) else {}
    if item["what"] == "model":
        return
    if item["what"] == "plan":
        steps = [one for one in items if one["is"] == "step" and one["lane"] == item["lane"]]
        for step in steps:
            after = f", after {', '.join(step['needs'])}" if step["needs"] else ""
            yield one_line(f"- {step['name']} ({step['who']}{after}): {step['task']}", 160)
    sides = data.get("sides")
    for side in sides if isinstance(sides, list) else ():
        if isinstance(side, dict):
            yield one_line(f"- {side.get('who')}: {side.get('says')}", 160)
    listed = data.get("scores")
    scores = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if scores:
        yield one_line(", ".join(f"{one.get('name')} {one.get('score')}" for one in scores), 200)
    for name in ("votes", "counts", "ballots", "value", "likeness"):
        if name in data:
            yield one_line(f"{name}: {json.dumps(data[name], ensure_ascii=False, default=str)}", 200)


def _member(item: Item, margin: str) -> Iterator[str]:
    facts = [item["role"], item["model"], item["status"]]
    if item["calls"]:
        facts += [f"{item['tokens']:,} tokens", money(item["usd"], item["unpriced"])]
    about = one_line(" · ".join(filter(None, facts)), 200)
    yield f"{margin}{GLYPHS.get(item['status'], '…')} {heading(item['name'])}  {about}"
    if item["error"]:
        yield f"{margin}  failed: {one_line(item['error'], 600)}"


def _what_for(item: Item) -> str:
    """What a member was asked for, where its team calls that by a name: `analyst-critique`, `step:draft`."""
    path = item["id"].removeprefix("r:").split("/")
    span = re.sub(r"\.\d+$", "", path[-2] if len(path) > 1 else "")
    return "" if span in ("", item["who"]) else one_line(span, 60)


def _number(item: Item) -> str:
    """How the event is called that brought the item, or its end."""
    event = str(item.get("event") or item["id"])
    return f"#{event[1:]}" if event[1:].isdecimal() else ""


def _entry(item: Item) -> Iterator[str]:
    """What one item says: a line or, of a reply, all of it."""
    text = item["text"]
    match item["is"]:
        case "reply":
            if what := _what_for(item):
                yield f"({what})"
            if item["cached"]:
                yield "cached: it was not asked for again"
            if item["status"] == "lost":
                yield f"lost: {item['error']} ({one_line(item['reason'])})"
            yield from text.splitlines()
            if item["cut"]:
                yield f"… {item['cut']:,} more characters"
        case "tool":
            mark = GLYPHS.get(item["status"], "…")
            yield f"{mark} {item['tool']}({item['arguments']}): {one_line(text)}"
        case "memory":
            yield f"{item['verb']}: {one_line(text)} ({', '.join(item['records']) or 'nothing'})"
        case "message":
            yield f"{item['who']} to {item['to']}: {one_line(text, 80)}"
        case "decision":
            since = one_line(text, 60 if item["what"] == "model" else 240)
            yield f"{item['what']}: {one_line(item['choice'])}{since and f', since {since}'}"
        case "question":
            said = one_line(item["answer"] or ("none" if item["by"] else "not yet given"))
            late = ", since nobody answered in time" if item["by"] == "deadline" else ""
            yield f"{item['who']} asked: {one_line(text)}; answer: {said}{late}"
