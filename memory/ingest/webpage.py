"""HTML as text with the headings, lists, tables and fences of Markdown."""

import re
from collections import Counter
from collections.abc import Iterable
from html.parser import HTMLParser

_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "nav", "iframe", "object"})
_UNCLOSED = frozenset({"script", "style"})
"""What goes on to the end of the page where it is not closed, in a browser too."""
_BLOCKS = frozenset(
    """address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form
    header hr html legend main ol p section summary table tbody thead tfoot title ul""".split()
)
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_SPACE = re.compile(r"\s+")


def text_of(html: str) -> str:
    """What a reader of the page sees, without scripts, styles and navigation."""
    reader = _read(html, _SKIPPED)
    if unclosed := reader.skipping.keys() - _UNCLOSED:  # or all that follows would be lost
        reader = _read(html, _SKIPPED - unclosed)
    return reader.text()


def _read(html: str, skipped: Iterable[str]) -> "_Reader":
    reader = _Reader(skipped)
    reader.feed(html)
    reader.close()
    return reader


class _Reader(HTMLParser):
    """Keeps no stack, so that no depth of nesting harms it."""

    def __init__(self, skipped: Iterable[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._skipped = frozenset(skipped)
        self.skipping = Counter[str]()
        """What is skipped that is open."""
        self._parts: list[str] = []
        self._verbatim = 0
        self._row: list[list[str]] | None = None
        """Of a table that is being read: what was said in each cell."""
        self._rows = 0

    def text(self) -> str:
        self._end_row()
        lines = "".join(self._parts).split("\n")
        return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n") + "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  as it is called
        if tag in self._skipped:
            self.skipping[tag] += 1
        elif tag in _HEADINGS:
            self._begin(f"\n\n{_HEADINGS[tag]} ")
        elif tag == "li":
            self._begin("\n- ")
        elif tag == "pre":
            self._begin("\n\n```\n")
            self._verbatim += 1
        elif tag == "br":
            self._begin("\n" if self._row is None else " ")
        elif tag == "table":
            self._rows = 0
            self._begin("\n\n")
        elif tag == "tr":
            self._end_row()
            self._row = []
        elif tag in ("td", "th"):
            self._row = self._row or []
            self._row.append([])
        elif tag in _BLOCKS:
            self._begin("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            self.skipping -= Counter((tag,))
        elif tag == "pre" and self._verbatim:
            self._verbatim -= 1
            self._begin("\n```\n\n")
        elif tag in ("tr", "table"):
            self._end_row()
            self._begin("\n\n" if tag == "table" else "")
        elif tag in _BLOCKS or tag in _HEADINGS:
            self._begin("\n\n")

    def handle_data(self, data: str) -> None:
        if self.skipping:
            return
        text = data if self._verbatim and self._row is None else _SPACE.sub(" ", data)
        if self._row is None:
            at_start = not self._parts or self._parts[-1].endswith(("\n", " "))
            self._parts.append(text.lstrip(" ") if at_start and not self._verbatim else text)
        elif self._row:
            self._row[-1].append(text)

    def _begin(self, mark: str) -> None:
        """What stands between blocks; within a cell of a table, a space."""
        if self.skipping:
            return
        if self._row:
            self._row[-1].append(" ")
        elif self._row is None and mark and not (mark == "\n\n" and self._parts[-1:] == ["\n\n"]):
            self._parts.append(mark)

    def _end_row(self) -> None:
        row, self._row = self._row, None
        if not row or self.skipping:
            return
        cells = [" ".join("".join(cell).split()).replace("|", "\\|") for cell in row]
        self._parts.append(f"\n| {' | '.join(cells)} |")
        self._rows += 1
        if self._rows == 1:
            self._parts.append(f"\n|{'---|' * len(cells)}")
