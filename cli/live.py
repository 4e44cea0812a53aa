"""A run while it goes on, on stderr: a moving picture on a terminal, a line for each step elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from guildhall.redact import redact
from guildhall.view import Item, View, from_cache, money, one_line
from guildhall.view.summary import elapsed, is_open

from .frame import say

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from guildhall.agents.event import Event
    from guildhall.agents.state import Sink

    from .prompt import Prompt

_STEPS = ("started", "finished", "asked", "lost", "decided", "question")
_GLYPHS = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "working": ("●", "blue"),
    "waiting": ("?", "yellow"),
}
_TAIL = 400
"""Characters at the end of a text that are looked at for its last line."""


@contextmanager
def watched(view: View, *, quiet: bool, prompt: "Prompt | None" = None) -> "Iterator[list[Sink]]":
    """Sinks that have the view shown on stderr until the block ends, but while the prompt asks something."""
    if quiet:
        yield []
    elif not sys.stderr.isatty():
        yield [Lines(view)]
    else:
        drawing = _Drawing(view)
        if prompt is not None:
            prompt.aside = drawing.aside
        with drawing:
            yield []


class _Drawing:
    """The moving picture; where it has stepped aside, it begins anew below what was said meanwhile."""

    def __init__(self, view: View) -> None:
        from rich.console import Console

        self._view, self._console = view, Console(file=sys.stderr)
        self._live: Live | None = None

    def __enter__(self) -> None:
        from rich.live import Live

        def picture() -> "RenderableType":
            return _picture(self._view, self._console)

        self._live = Live(get_renderable=picture, console=self._console, refresh_per_second=8, transient=True)
        self._live.start()

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()


class Lines:
    """A sink that prints a line when a member begins, waits, ends, or loses a call."""

    def __init__(self, view: View) -> None:
        self._view, self._told, self._asked = view, dict[str, str](), set[str]()

    def __call__(self, event: "Event") -> None:
        if event.kind not in _STEPS or (event.kind == "decided" and event.choice != "waits"):
            return
        items = self._view.items()
        minutes, seconds = divmod(int(elapsed(items[0], now=event.at)), 60)
        if event.kind == "question" and event.name not in self._asked:
            self._asked.add(event.name)
            say(f"{minutes}:{seconds:02} {one_line(f'{event.who} asks: {event.text}', 400)}")
        for item in items:
            if item["is"] == "member" and not item["team"]:
                line = _line(item)
                if self._told.get(item["id"]) != line:
                    self._told[item["id"]] = line
                    say(f"{minutes}:{seconds:02} {line}")


def _line(member: Item) -> str:
    name, status = member["name"], member["status"]
    if status == "working":
        model = f" on {member['model']}" if member["model"] else ""
        waiting = f", {member['doing']}" if member["doing"].startswith(("waiting", "waits")) else ""
        return one_line(f"{name} working{model}{waiting}", 200)
    costs = money(member["usd"], member["unpriced"]) if member["calls"] else ""
    facts = ", ".join(filter(None, [costs, from_cache(member["reused"])]))
    spent = f" ({facts})" if facts else ""
    error = f": {member['error']}" if member["error"] else ""
    return one_line(f"{name} {status}{spent}{error}", 400)


def _picture(view: View, console: "Console") -> "RenderableType":
    """The members, those at work first, below a line about the run."""
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.table import Table
    from rich.text import Text

    items = view.items()
    tails = {item["lane"]: item["text"][-_TAIL:] for item in items if item["is"] == "reply" and item["text"]}
    asked = {item["lane"]: one_line(item["text"], _TAIL) for item in items if is_open(item)}
    members = [item for item in items if item["is"] == "member" and not item["team"]]
    members.sort(key=lambda item: item["status"] != "working")
    most = max(1, console.height - 4)
    table = Table.grid(padding=(0, 1), expand=True)
    for ratio in (None, None, None, None, None, 1):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
    for item in members[:most]:
        glyph, colour = _GLYPHS.get(item["status"], ("○", ""))
        cost = money(item["usd"], item["unpriced"]) if item["calls"] else "cached" if item["reused"] else ""
        written = _end_of(tails.get(item["id"], ""), max(20, console.width - 70))
        tail = redact(item["error"]) or asked.get(item["id"]) or written
        doing = one_line(item["doing"] or item["status"], 40)
        who = (Text(glyph, colour), Text(one_line(item["name"], 30), "bold"), Text(doing))
        table.add_row(*who, *(Text(one_line(text, 200), "dim") for text in (item["model"], cost, tail)))
    more = [Text(f"and {len(members) - most} more", "dim")] if len(members) > most else []
    group = Group(Text(view.summary(), no_wrap=True, overflow="ellipsis"), table, *more)
    return Constrain(group, max(20, console.width - 3))  # a terminal echoes ^C, which must not wrap a row


def _end_of(text: str, width: int) -> str:
    """The last words of the last line, as many as there is room for."""
    line = one_line(next((line for line in reversed(text.split("\n")) if line.strip()), ""), _TAIL)
    return line if len(line) <= width else f"…{line[-width:].partition(' ')[2]}"
