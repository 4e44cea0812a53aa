"""Values that are known to be secret, whatever they look like."""

import base64
import re
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SHORTEST = 8
LONGEST_BEGINNING = 40
_NAME = re.compile(
    r"token(?!iz)|secret|passw|passphrase|credential|(?:^|[\W_]|api|access|private|auth|account)keys?(?![a-z])"
    r"|(?:^|_)(?:pass|pwd|auth)(?:$|_)",
    re.IGNORECASE,
)
_ORDINARY = re.compile(
    r"[^\W\d_]+|[\d.,:_+-]+|[~./\\].*|[A-Za-z]:[\\/].*|[a-z][\w+.-]*://(?![^/\s]*:[^/\s]*@).*|[\w.-]+:\d{1,5}"
    r"|[\w-]+(?:\.[a-z][\w-]*)+",
    re.DOTALL,
)
"""A word, a number, a path, an address: found in many a text that gives nothing away."""
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}")


class Value(NamedTuple):
    text: str
    plain: bytes
    run: bytes
    """A part of it that is a long run of letters and no word; empty if it has none."""
    words: bool
    """Whether it holds what parts words, or letters beyond ASCII."""


class _Known:
    def __init__(self) -> None:
        self.values: tuple[Value, ...] = ()
        """The longest first."""
        self.beginnings: frozenset[str] = frozenset()
        """What stands at the end of a line where one is split, up to a length."""
        self._lock = threading.Lock()

    def add(self, texts: Iterable[str]) -> None:
        with self._lock:
            values = {value.text: value for value in self.values}
            values |= {text: _value(text) for text in texts if text not in values}
            self.values = tuple(sorted(values.values(), key=lambda value: -len(value.text)))
            self.beginnings = frozenset(
                text[:end][-LONGEST_BEGINNING:] for text in values for end in range(1, len(text))
            )


KNOWN = _Known()


def know(environ: Mapping[str, str]) -> None:
    """Take the values of variables that are named for keys, tokens, passwords and the like for secrets.

    Those that are short, or look like a word, a number, a path or an address, are not.
    """
    named = (value.strip() for name, value in environ.items() if _NAME.search(name))
    KNOWN.add(form for value in named if not _ORDINARY.fullmatch(value) for form in _forms(value))


def know_value(value: str) -> None:
    """Take the value for a secret from now on, unless it has fewer than 8 characters."""
    KNOWN.add(_forms(value.strip()))


def _forms(value: str) -> list[str]:
    """The value and, where it is too short for a run of base64 to be looked into, what that looks like."""
    if len(value) < SHORTEST:
        return []
    data = value.encode("utf-8", "replace")
    if len(data) > 14:
        return [value]
    encoded = (_encoded(data, before) for before in range(3))
    return [value, *{form for text in encoded for form in (text, text.translate(str.maketrans("+/", "-_")))}]


def _encoded(data: bytes, before: int) -> str:
    """Base64 of the value where so many bytes stand before it in its group of three."""
    sure = (before + len(data)) * 8 // 6
    return base64.b64encode(bytes(before) + data).decode()[-(-before * 8 // 6) : sure]


def _value(text: str) -> Value:
    run = _LONG_RUN.search(text)
    looked_at = run is not None and not (run[0].islower() and run[0].isalnum())
    return Value(
        text=text,
        plain=text.encode("ascii", "replace"),
        run=run[0].encode() if run and looked_at else b"",
        words=re.search(r"[^!-~]", text) is not None,
    )
