"""What members say while they say it, as lines of text with their names."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guildhall.view import View

WIDTH = 96
"""Characters of a line; longer ones are broken where a word ends."""
PATIENCE = 1.0
"""Seconds after which an unfinished line is shown as it is."""


class LiveLines:
    """Shows what is new in a view each time it is called, in whole lines, so that members do not mix."""

    def __init__(self, view: "View", *, write: Callable[[str], None] = print) -> None:
        self._view, self._write = view, write
        self._seen = 0
        self._items: dict[str, dict[str, Any]] = {}
        self._said: dict[str, str] = {}
        self._old: dict[str, str] = {}
        """What a reply had said before its text was put anew."""
        self._begun: dict[str, tuple[str, float]] = {}
        """Lines without an end yet, and since when."""

    def __call__(self) -> None:
        patch: Any = self._view.since(self._seen)
        self._seen = patch["seq"]
        for operation, id_, value in patch.get("ops", ()):
            if operation == "put":
                self._put(id_, value)
            elif self._items[id_]["is"] == "reply":
                self._text(id_, value)
        now = time.monotonic()
        for id_, (_, since) in list(self._begun.items()):
            if now - since > PATIENCE or self._items[id_]["status"] == "done":
                self._end_line(id_)

    def finish(self) -> None:
        """Show all there is."""
        self()
        for id_ in list(self._begun):
            self._end_line(id_)

    def _put(self, id_: str, fields: dict[str, Any]) -> None:
        item = self._items.setdefault(id_, {})
        attempt = item.get("attempt")
        item.update(fields)
        match item["is"]:
            case "reply":
                if self._said.get(id_) and item["attempt"] != attempt:
                    self._begin_again(id_)
                elif fields.get("text") == "":
                    self._old[id_] = self._said.pop(id_, "")
                if fields.get("status") == "lost":
                    self._end_line(id_)
                    self._line(item["who"], f"({item['error']}: {item['reason']})")
            case "tool" if "tool" in fields:
                self._line(item["who"], f"({item['tool']} {item['arguments']})")
            case "member" if fields.get("status") == "failed":
                self._line(item["name"], f"(failed: {item['error']})")

    def _text(self, id_: str, text: str) -> None:
        said = self._said.get(id_, "") + text
        if old := self._old.pop(id_, ""):
            if not said.startswith(old) and not old.startswith(said):
                self._said[id_] = old
                self._begin_again(id_)
            else:
                text = said[len(old) :]
        self._said[id_] = said
        begun, since = self._begun.pop(id_, ("", time.monotonic()))
        *lines, rest = (begun + text).split("\n")
        if len(rest) > WIDTH:
            *wrapped, rest = _wrapped(rest)
            lines += wrapped
        for line in lines:
            for part in _wrapped(line):
                self._line(self._items[id_]["who"], part)
        if rest:
            self._begun[id_] = rest, time.monotonic() if lines else since

    def _begin_again(self, id_: str) -> None:
        self._end_line(id_)
        self._line(self._items[id_]["who"], "(begins again)")
        self._said[id_] = ""

    def _end_line(self, id_: str) -> None:
        line, _ = self._begun.pop(id_, ("", 0.0))
        self._line(self._items[id_]["who"], line)

    def _line(self, who: str, line: str) -> None:
        if line.strip():
            self._write(f"{who} │ {line}")


def _wrapped(line: str) -> list[str]:
    """The line in parts of at most WIDTH characters, broken where words end if it can be."""
    parts = []
    while len(line) > WIDTH:
        at = line.rfind(" ", 1, WIDTH + 1)
        at = at if at > 0 else WIDTH
        parts.append(line[:at])
        line = line[at:].lstrip(" ")
    return [*parts, line]
