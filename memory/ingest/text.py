"""Text, Markdown and code: decoded, whatever the encoding."""

import codecs
import re

from .unreadable import UnreadableError

LARGEST = 10_000_000
"""Bytes of a file of text."""
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LOOKED_AT = 8_192
_DECLARED = re.compile(
    rb"""(?:charset|coding)\s*[=:]\s*["']?((?:windows|cp|iso|latin|koi8|shift|euc|gb|big5|mac)[-\w]*)""",
    re.IGNORECASE,
)
_WESTERN = frozenset(
    "ÄÖÜäöüßÀÂÇÉÈÊËÎÏÔÙÛàâçéèêëîïôùûœæÁÍÑÓÚáíñóúìòãõåøÅÆØÃ¡¿ªº«»“”„‘’‚–—…•€£§°±²³µ·×©®\xa0"  # noqa: RUF001  they are meant
)
_OTHERS = (
    "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "cp932", "euc_jp",
    "gb18030", "big5", "cp949", "cp1252",
)  # fmt: skip
"""What files are in that nobody has converted; of rarer ones, a short text looks like any."""


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
    for guessed in (_as_declared(data), _as_western(data)):
        if guessed is not None:
            return guessed
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=[*_OTHERS]).best() or from_bytes(data).best()
    if best is None:
        raise UnreadableError("its encoding cannot be told: save it as UTF-8")
    return str(best)


def _as_declared(data: bytes) -> str | None:
    """The text as a page, XML or a program says at its beginning that it is encoded."""
    if (found := _DECLARED.search(data[:_LOOKED_AT])) is None:
        return None
    try:
        return data.decode(found[1].decode())
    except (LookupError, ValueError):
        return None


def _as_western(data: bytes) -> str | None:
    """The text as Windows writes it in most of Europe and America, if it looks like that."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    further = [sign for sign in text if sign > "\x7f"]
    plain = sum(sign.isalpha() for sign in text) - sum(sign.isalpha() for sign in further)
    signs = set(further)
    is_hungarian = "õ" in signs and not signs.isdisjoint("öüû")
    return text if len(further) <= plain and signs <= _WESTERN and not is_hungarian else None
