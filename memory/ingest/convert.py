"""Which reader takes a file, by its name and its first bytes; what it gives, in chunks."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from guildhall.credentials import may_hold_credentials
from guildhall.redact import redact

from . import mail, notebook, pdf, table, webpage, word
from .chunk import Chunk, Form, Part, chunks
from .text import decoded, is_binary
from .unreadable import PartlyError, UnreadableError

MOST_CHUNKS = 20_000
Reader = Callable[[bytes], Iterable[Part]]


class Converted(NamedTuple):
    """What became of a file: no chunks and no problem are of one that holds no text."""

    chunks: list[Chunk]
    problem: str = ""


def converted(name: str, data: bytes) -> Converted:
    """The file in chunks, or why it cannot be, or not all of it."""
    found = list[Chunk]()
    try:
        for chunk in chunks(_checked(name, _parts(name, data))):
            if len(found) == MOST_CHUNKS:
                raise PartlyError(f"it is too long: what comes behind {chunk.place} is left out")
            found.append(chunk)
    except PartlyError as problem:
        return Converted(found, str(problem))
    except UnreadableError as problem:
        return Converted([], str(problem))
    return Converted(found)


def _parts(name: str, data: bytes) -> Iterable[Part]:
    """What the file's reader makes of it. Raises UnreadableError, at once or on the way."""
    suffix = PurePosixPath(name.lower()).suffix
    if data.startswith(b"%PDF-"):
        return pdf.pages(data)
    if (reader := _READERS.get(suffix)) is not None:
        return reader(data)
    if (instead := _NO_READER.get(suffix)) is not None:
        raise UnreadableError(f"there is no reader for {suffix}: save it as {instead}")
    if is_binary(data):
        return ()
    form: Form = "python" if suffix in (".py", ".pyi") else "prose" if suffix in _PROSE else "code"
    return [Part(decoded(data), form=form)]


def _checked(name: str, parts: Iterable[Part]) -> Iterator[Part]:
    """The same parts. Raises UnreadableError for a secret in a file that is called like one of secrets."""
    wary = may_hold_credentials(PurePosixPath(name).name)
    for part in parts:
        if wary and redact(part.text) != part.text:
            raise UnreadableError("it holds credentials: give a copy without them")
        yield part


def _webpage(data: bytes) -> Iterable[Part]:
    return [Part(webpage.text_of(decoded(data)), "")]


def _word(data: bytes) -> Iterable[Part]:
    return [Part(word.text(data), "")]


def _mail(data: bytes) -> Iterable[Part]:
    return [Part(mail.text(data), "")]


def _tabs(data: bytes) -> Iterable[Part]:
    return table.rows_of_csv(data, tabs=True)


_READERS: dict[str, Reader] = {
    ".pdf": pdf.pages, ".docx": _word, ".docm": _word, ".html": _webpage, ".htm": _webpage,
    ".xhtml": _webpage, ".csv": table.rows_of_csv, ".tsv": _tabs, ".ipynb": notebook.cells, ".eml": _mail,
    ".xlsx": table.rows_of_sheets, ".xlsm": table.rows_of_sheets, ".xlsb": table.rows_of_sheets,
    ".xls": table.rows_of_sheets, ".ods": table.rows_of_sheets,
}  # fmt: skip
_PROSE = frozenset({"", ".md", ".markdown", ".txt", ".text", ".rst", ".adoc", ".org", ".log", ".tex", ".mdx"})
_NO_READER = {
    ".doc": "DOCX", ".rtf": "DOCX", ".odt": "DOCX", ".pages": "DOCX", ".ppt": "PDF", ".pptx": "PDF",
    ".odp": "PDF", ".epub": "HTML", ".numbers": "XLSX", ".msg": "EML",
}  # fmt: skip
