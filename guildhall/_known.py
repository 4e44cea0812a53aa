"""Values that are known to be secret, whatever they look like."""

import base64
import re
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ._shapes import is_random, is_words

SHORTEST = 8
LONGEST_BEGINNING = 40
_NAME = re.compile(
    r"token(?!iz)|secret|passw|passphrase|credential|(?:^|[\W_]|api|access|private|auth|account)keys?(?![a-z])"
    r"|(?:^|_)(?:pass|pwd|auth)(?:$|_)",
    re.IGNORECASE,
)
_ORDINARY = re.compile(
    r"[\d.,:_+-]+|[~./\\].*|[A-Za-z]:[\\/].*|[a-z][\w+.-]*://(?![^/\s]*:[^/\s]*@).*|[\w.-]+:\d{1,5}"
    r"|[\w-]+(?:\.[a-z][\w-]*)+",
    re.DOTALL,
)
"""A number, a path, an address: found in many a text that gives nothing away."""
_ABOUT = re.compile(
    r"_(?:name|mode|type|kind|method|backend|provider|prefix|format|alg(?:orithm)?)\Z", re.IGNORECASE
)
"""How a variable ends that tells about a secret and holds none."""
_OF_PASSWORD = re.compile(r"passw|passphrase|(?:^|_)(?:pass|pwd)(?:$|_)", re.IGNORECASE)
_HEADERS = re.compile(r"_headers?\Z", re.IGNORECASE)
_HEADER = re.compile(r"[ \t]*([\w-]+)[ \t]*[:=][ \t]*(?:(?:bearer|basic)[ \t]+)?([^\n,]+)", re.IGNORECASE)
_SECRET_HEADER = re.compile(rf"{_NAME.pattern}|authorization|cookie", re.IGNORECASE)
_WORDS = re.compile(r"([^\W\d_]{1,30})(?:[-_]([^\W\d_]{1,30}))*+([-_]?\d{1,3})?")
_MOST_WORDS = 3
"""Four make a passphrase."""
_STAND_IN = re.compile(
    r"(?:^|[-_])(?:changeme|dummy|example|fake|ignored|no|none|not|placeholder|test|unused|your)(?=[-_\d]|\Z)",
    re.IGNORECASE,
)
"""A word of what is given as a key where none is asked for."""
_SHORT_NUMBER = re.compile(r"\d{1,12}")
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

    Those that are short, or look like words, a number, a path or an address, are not. Of variables that
    hold headers, the values of those that are named so are.
    """
    named = [
        (name, value) for name, value in environ.items() if _NAME.search(name) and not _ABOUT.search(name)
    ]
    for name, value in environ.items():
        if _HEADERS.search(name):
            named += [found for found in _HEADER.findall(value) if _SECRET_HEADER.search(found[0])]
    for name, value in named:
        given = value.strip()
        most = 1 if _OF_PASSWORD.search(name) else _MOST_WORDS
        if not (_ORDINARY.fullmatch(given) or _is_words(given, most)):
            KNOWN.add(_forms(given))


def know_value(value: str) -> None:
    """Take the value for a secret from now on, unless it has fewer than 8 characters or is a few words.

    A server on one's own machine asks for no key, and is given one such as `lm-studio` or `not-needed`.
    """
    given = value.strip()
    if not (_is_words(given, _MOST_WORDS) or _SHORT_NUMBER.fullmatch(given)):
        KNOWN.add(_forms(given))


def _is_words(value: str, most: int) -> bool:
    """Whether the value is at most so many words, or says that there is no key."""
    found = _WORDS.fullmatch(value)
    if found is None or is_random(value.encode("ascii", "replace")):
        return False
    words = re.findall(r"[^\W\d_]+", value)
    if len(words) == 1 or most == 1:
        return len(words) == 1 and found[3] is None
    if not all(word.islower() or word.isupper() or word.istitle() for word in words):
        return False
    return _STAND_IN.search(value) is not None or (len(words) <= most and found[3] is None)


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
    looked_at = run is not None and not is_words(run[0].encode())
    return Value(
        text=text,
        plain=text.encode("ascii", "replace"),
        run=run[0].encode() if run and looked_at else b"",
        words=re.search(r"[^!-~]", text) is not None,
    )
