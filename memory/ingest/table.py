"""CSV and spreadsheets: rows, as many in a part as there is room for, below the names of the columns."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import archive
from .chunk import MOST, Part
from .text import decoded
from .unreadable import NEEDS_EXTRA, UnreadableError

_LONGEST_CELL = 131_072
_SNIFFED = 65_536


def rows_of_csv(data: bytes, *, tabs: bool = False) -> Iterator[Part]:
    text = decoded(data)
    try:
        delimiter = "\t" if tabs else csv.Sniffer().sniff(text[:_SNIFFED], delimiters=",;\t|").delimiter
    except csv.Error:  # of one column, or of none that can be told
        delimiter = ","
    csv.field_size_limit(_LONGEST_CELL)
    try:
        yield from parts(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise UnreadableError(f"it is no table: {error}") from None


def rows_of_sheets(data: bytes) -> Iterator[Part]:
    if data.startswith(b"PK"):
        archive.check(data)
    try:
        from python_calamine import CalamineError, CalamineWorkbook, PasswordError
    except ImportError:
        raise UnreadableError(NEEDS_EXTRA) from None
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for name in book.sheet_names:
            yield from parts(book.get_sheet_by_name(name).iter_rows(), sheet=name)
    except PasswordError:
        raise UnreadableError("it is encrypted: save a copy of it without a password") from None
    except (CalamineError, ValueError, OSError) as error:
        if data.startswith(archive.OLD):
            raise UnreadableError(archive.ENCRYPTED_OR_OLD) from None
        raise UnreadableError(f"it is damaged, or no spreadsheet: {error}") from None


def parts(rows: Iterable[Sequence[Any]], *, sheet: str = "") -> Iterator[Part]:
    """The rows that say anything, with their numbers as a spreadsheet shows them."""
    of_sheet = f" of {sheet}" if sheet else ""
    head, lines, head_row, first, last = "", list[str](), 0, 0, 0

    def part() -> Part:
        rows = f"rows {first}-{last}" if last > first else f"row {first}"
        return Part("\n".join([*([head] if head and first > head_row else []), *lines]), rows + of_sheet)

    for number, row in enumerate(rows, 1):
        cells = [" ".join(str(cell).split()) for cell in row]
        line = " | ".join(cells).strip()
        if not any(cells):
            continue
        if lines and len(head) + sum(map(len, lines)) + len(lines) + len(line) >= MOST:
            yield part()
            lines = []
        if not lines:
            first = number
        if not head and not last:
            head, head_row = line if len(line) <= MOST // 4 else "", number
        lines.append(line)
        last = number
    if lines:
        yield part()
