"""PDF, page by page."""

import io
from collections.abc import Iterator

from .chunk import Part
from .unreadable import PartlyError, UnreadableError

_NAMED = 5
"""Pages that are named of those that could not be read."""


def pages(data: bytes) -> Iterator[Part]:
    """The text of each page that has any; at the end, PartlyError names those that could not be read."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("it is encrypted: save a copy of it without a password")
        count, declared = len(reader.pages), reader.root_object["/Pages"].get("/Count", 0)  # type: ignore[attr-defined]  # a dictionary
    except DependencyError:
        raise UnreadableError("it is encrypted in a way that needs the package cryptography") from None
    except (PyPdfError, RecursionError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UnreadableError(f"it is damaged, or no PDF: {error}") from None
    failed, empty = list[int](), 0
    for number in range(count):
        try:
            text = reader.pages[number].extract_text()
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  whatever a page raises, the others can be read
            failed.append(number + 1)
            continue
        empty += not text.strip()
        yield Part(text, f"p. {number + 1}")
    if empty == count:
        raise UnreadableError("it has no text: it may be scanned, or damaged")
    if isinstance(declared, int) and declared > count:
        raise PartlyError(f"it is damaged: of {declared:,} pages there are {count:,}")
    if failed:
        named = ", ".join(map(str, failed[:_NAMED])) + ", ..." * (len(failed) > _NAMED)
        raise PartlyError(f"{len(failed)} of its {count} pages could not be read: {named}")
