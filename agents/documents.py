"""Files that a user gives to a run: text is quoted to the members, images and PDFs go to them as they are."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from guildhall.credentials import is_credentials, may_hold_credentials
from guildhall.errors import UserError
from guildhall.redact import redact

from .message import Attachment, Quote

LARGEST = 20_000_000
"""Bytes of one file."""
_BINARY = {
    b"%PDF-": "application/pdf",
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}


def read_files(files: Sequence[str | Path | Attachment]) -> list[Attachment]:
    """The files with their contents and kinds, and no secrets in those that are text.

    Raises UserError for one that cannot be used, and for one that is credentials and nothing else.
    """
    read = [_clean(file if isinstance(file, Attachment) else _read(Path(file))) for file in files]
    names = [file.name for file in read]
    if len(set(names)) < len(names):
        read = [_renamed(file, number) for number, file in enumerate(read, 1)]
    return read


def as_quotes(files: Sequence[Attachment]) -> tuple[Quote, ...]:
    """The texts among the files, as documents to quote."""
    return tuple(
        Quote(
            label=file.name,
            kind="document",
            text=_text(file),
            private=file.private,
        )
        for file in files
        if _kind(file) == "text"
    )


def as_attachments(files: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The files that a model must take as they are."""
    return tuple(file for file in files if _kind(file) == "binary")


def _read(path: Path) -> Attachment:
    if is_credentials(path.name):
        raise UserError(
            f"{path} is refused: files of this name hold credentials; give what is needed of it as text"
        )
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder; give the files in it, one by one")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path} has {size:,} bytes; a file may have {LARGEST:,}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no file {path} (looked in {Path.cwd()})") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    return Attachment(name=path.name, media_type=_media_type(path.name, data), data=data)


def _clean(file: Attachment) -> Attachment:
    """The file without the secrets in its text."""
    if _kind(file) == "binary":
        return file
    text = _text(file)
    if (clean := redact(text)) == text:
        return file
    if may_hold_credentials(file.name):
        raise UserError(f"{file.name} is refused: it holds credentials; give a copy without them")
    return file.model_copy(update={"data": clean.encode()})


def _text(file: Attachment) -> str:
    return file.data.decode("utf-8-sig").replace("\r\n", "\n")


def _media_type(name: str, data: bytes) -> str:
    for beginning, media_type in _BINARY.items():
        if data.startswith(beginning):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return mimetypes.guess_type(name)[0] or "text/plain"


def _kind(file: Attachment) -> str:
    """`binary` for what models take as it is, else `text`."""
    if file.media_type.startswith("image/") and file.media_type != "image/svg+xml":
        return "binary"
    if file.media_type == "application/pdf":
        return "binary"
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            f"{file.name} is neither UTF-8 text nor an image or a PDF; convert it to one of these"
        ) from None
    if "\0" in text:
        raise UserError(f"{file.name} is no text: it holds NUL characters")
    if not text.strip():
        raise UserError(f"{file.name} is empty")
    return "text"


def _renamed(file: Attachment, number: int) -> Attachment:
    return file.model_copy(update={"name": f"{number}-{file.name}"})
