"""Text, Markdown and code: decoded, whatever the encoding."""

import codecs

from .unreadable import UnreadableError

LARGEST = 10_000_000
"""Bytes of a file of text."""
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LOOKED_AT = 8_192


def decoded(data: bytes) -> str:
    """The text with `\\n` at the ends of its lines."""
    return _decoded(data).replace("\r\n", "\n").replace("\r", "\n")


def is_binary(data: bytes) -> bool:
    """Whether it is no text in any encoding."""
    return b"\0" in data[:_LOOKED_AT] and not data.startswith(tuple(_BOMS))


def _decoded(data: bytes) -> str:
    if len(data) > LARGEST:
        raise UnreadableError(
            f"it has {len(data):,} bytes, and a text may have {LARGEST:,}: ingest the part of it that matters"
        )
    encoding = next((name for mark, name in _BOMS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    if (best := from_bytes(data).best()) is None:
        raise UnreadableError("its encoding cannot be told: save it as UTF-8")
    return str(best)
