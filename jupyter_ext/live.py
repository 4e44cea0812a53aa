"""A run while it goes on: a block that is written anew at each change, and lines for what will not change.

Text that is being written stands in the block alone, so that a retry takes it back.
"""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from guildhall.view import Item, View

WIDTH = 96
"""Characters of a line; longer ones are broken where a word ends."""
LINES = 12
"""Of the block, for all members at work together, one at least for each; more members are counted."""
PAUSE = 0.15
"""Seconds between two changes of the block."""


class Block(Protocol):
    """A place on the screen whose contents change."""

    def show(self, lines: Sequence[str]) -> None:
        """Put the lines in place of those before."""

    def make_way(self) -> None:
        """Something else is about to be written below."""


class CellBlock:
    """A part of a cell's output in a notebook."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display, self._handle = display, None

    def show(self, lines: Sequence[str]) -> None:
        bundle = {"text/plain": "\n".join(lines)}
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def make_way(self) -> None: ...


class TerminalLine:
    """The last line of a terminal: the summary, and what is written just now."""

    def show(self, lines: Sequence[str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        end = f" │ {lines[-1]}"[: width // 2] if len(lines) > 1 else ""
        self._write(lines[0][: width - len(end)] + end)

    def make_way(self) -> None:
        self._write("")

    def _write(self, text: str) -> None:
        sys.stdout.write(f"\r\x1b[2K{text}")
        sys.stdout.flush()


class Live:
    """Shows what is new in a view each time it is called."""

    def __init__(self, view: "View", block: Block | None, *, write: Callable[[str], None] = print) -> None:
        self._view, self._block, self._write = view, block, write
        self._seen, self._shown_at = 0, 0.0
        self._items: dict[str, Item] = {}

    def __call__(self) -> None:
        if lines := list(self._news()):
            if self._block is not None:
                self._block.make_way()
            for line in lines:
                self._write(line)
        if self._block is not None and "run" in self._items:
            now = time.monotonic()
            if lines or now - self._shown_at > PAUSE:
                self._shown_at = now
                self._block.show([self._view.summary(), *self._at_work()])

    def finish(self) -> None:
        """Show all there is; of the block, how the run ended stays."""
        self()
        if self._block is not None and self._view.run_id:
            self._block.show([self._view.summary()])
            self._block.make_way()

    def _news(self) -> Iterator[str]:
        """Lines for what has come to its end, or will not change, since the last time."""
        patch: Any = self._view.since(self._seen)
        self._seen = patch["seq"]
        ended = []
        for operation, id_, value in patch.get("ops", ()):
            item = self._items.setdefault(id_, {"id": id_})
            if operation == "text":
                item["text"] += value
                continue
            item.update(value)
            if item["is"] == "reply" and value.get("status") == "done":
                ended.append(item)
            elif said := self._said_of(item, value):
                yield said
        for reply in ended:  # its text comes behind it
            if reply["cached"]:
                yield f"{reply['who']} │ (cached)"
            yield from _lines(reply["who"], reply["text"])

    def _said_of(self, item: "Item", new: "Item") -> str:
        """A line about a change of the item, if it is worth one."""
        match item["is"]:
            case "reply" if new.get("status") == "lost":
                return f"{item['who']} │ ({item['error']}: {item['reason']})"
            case "tool" if "tool" in new:
                return f"{item['who']} │ ({item['tool']} {item['arguments']})"
            case "member" if new.get("status") == "failed":
                return f"{item['name']} │ (failed: {item['error']})"
            case "member" if self._block is None and new.get("doing", "").startswith("waits: "):
                return f"{item['name']} │ ({item['doing']})"
        return ""

    def _at_work(self) -> Iterator[str]:
        """What members do, or the end of what they write."""
        written = {item["lane"]: item["text"] for item in self._items.values() if _is_written(item)}
        members = [item for item in self._items.values() if item["is"] == "member" and not item["team"]]
        working = [item for item in members if item["status"] == "working"]
        each = max(1, LINES // max(1, len(working)))
        for member in working[:LINES]:
            text = written.get(member["id"], "") if member["doing"].startswith("writing") else ""
            lines = list(_lines(member["name"], text[-2 * each * WIDTH :]))
            yield from lines[-each:] or [f"{member['name']} │ ({member['doing']})"]
        if len(working) > LINES:
            yield f"and {len(working) - LINES} more"


def _is_written(item: "Item") -> bool:
    return bool(item["is"] == "reply" and item["status"] == "writing" and item["text"].strip())


def _lines(who: str, text: str) -> Iterator[str]:
    """The text in lines of at most WIDTH characters, broken where words end if it can be."""
    for line in text.split("\n"):
        rest = line.rstrip()
        while len(rest) > WIDTH:
            at = rest.rfind(" ", 1, WIDTH + 1)
            at = at if at > 0 else WIDTH
            yield f"{who} │ {rest[:at]}"
            rest = rest[at:].lstrip(" ")
        if rest:
            yield f"{who} │ {rest}"
