"""Secrets are taken out of text before it is stored or shown."""

import json
import logging
import re
from collections.abc import Iterable

from ._assigned import is_secret
from ._known import know, know_value
from ._secrets import REDACTED, Span, find
from ._streamed import held_from

__all__ = ["Redactor", "know", "know_value", "logger", "redact", "redact_json"]

_STRING = re.compile(r'("(?:[^"\\]++|\\.)*+")(\s*+:)?')
MOST_PASSES = 10
_NOT_SEEN = frozenset(["u", "b", "f", "r", ""])
"""Escapes of JSON that may stand within a secret."""
_BREAK = re.compile(r"[^!-~]")
"""Where a word ends: every character of a key is printable ASCII."""


def redact(text: str, *, lines: bool = False) -> str:
    """The text with every secret in it replaced by its kind, as in `[redacted: github]`.

    With `lines`, it keeps as many lines as it had.
    """
    for _ in range(MOST_PASSES):  # what is left may look like a secret only now
        if not (spans := find(_hidden(text))):
            break
        text = _replaced(text, spans, lines=lines)
    return text


def redact_json(text: str) -> str:
    """The JSON document with the secrets in its strings replaced; all else in it stays byte for byte."""
    if not _may_hold(text):
        return text
    name = ""

    def clean(found: re.Match[str]) -> str:
        nonlocal name
        value, before = json.loads(found[1]), name
        name = value if found[2] else ""
        said = "[redacted: password]" if before and is_secret(before, value) else redact(value)
        return found[0] if said == value else json.dumps(said) + (found[2] or "")

    return _STRING.sub(clean, text)


class Redactor:
    """Redacts a text that comes in pieces: what may be part of a secret is held back until that is known."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._look_at = 0

    def feed(self, piece: str) -> str:
        """What can be shown now: all but the last word, and what may go on in what comes next."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size < self._look_at or not _BREAK.search(piece):
            return ""
        text = "".join(self._pieces)
        held = held_from(text)
        self._pieces, self._size = [text[held:]], len(text) - held
        self._look_at = 2 * self._size if self._size > 1_000 else 0  # a long key is not looked at every time
        return redact(text[:held])

    def close(self) -> str:
        """The rest, of which no more comes."""
        text, self._pieces, self._size = "".join(self._pieces), [], 0
        return redact(text)


def logger(name: str) -> logging.Logger:
    """The logger of that name; what is logged with it is redacted before any handler sees it."""
    log = logging.getLogger(name)
    if not any(isinstance(kept, _Redacting) for kept in log.filters):
        log.addFilter(_Redacting())
    return log


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        try:
            said = record.getMessage()
        except Exception as error:  # noqa: BLE001  the arguments do not fit, and may be anything
            said = f"{record.msg} ({len(record.args or ())} arguments: {error})"
        record.msg, record.args = redact(said), None
        if record.exc_info:  # kept as text alone: a handler would format the error itself anew
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def _hidden(text: str) -> str:
    """The text with what was redacted before put out of sight, so that nothing in it is found again."""
    return REDACTED.sub(lambda found: "]" * len(found[0]), text) if "[redacted: " in text else text


def _replaced(text: str, spans: Iterable[Span], *, lines: bool) -> str:
    parts, end = [], 0
    for span in sorted(spans, key=lambda span: span.start):  # of those that begin together, the first found
        if span.start >= end:
            parts += [text[end : span.start], f"[redacted: {span.kind}]"]
        if lines:
            parts.append("\n" * text.count("\n", max(end, span.start), span.end))
        end = max(end, span.end)
    return "".join([*parts, text[end:]])


def _may_hold(text: str) -> bool:
    """Whether a string of the JSON document may hold a secret."""
    for ending in ('",', '"}', '"]'):  # so that each string ends with its line
        text = text.replace(ending, '"\n')
    if "\\" in text:
        first, *escaped = text.replace(r"\r\n", r"\n").split("\\")
        if not _NOT_SEEN.isdisjoint([part[:1] for part in escaped]):  # nothing stands between two backslashes
            return True
        text = first + "".join([('"' if part[0] == '"' else "\n") + part[1:] for part in escaped])
    return "-----BEGIN" in text or bool(find(_hidden(text)))
