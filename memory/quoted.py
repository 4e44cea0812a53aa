"""Texts as others may have quoted them: whole or by the sentence, plain or within JSON."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from .words import divided

GONE = "[forgotten]"
"""Stands where a forgotten text stood."""
_SHORTEST, _SENTENCE = 8, 16
"""Bytes of a text, and of a sentence, that is looked for; a shorter one may stand in any other."""
_PASSWORD = 12
_DEPTH = 3
_FEW = 500
"""Forms that one pattern looks for quickly."""
_SENTENCES = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")  # noqa: RUF001  full-width


class Quoted:
    """What is to be found of some texts, and taken out."""

    def __init__(self, texts: Iterable[str], *, in_logs: bool = True) -> None:
        """In logs their sentences are looked for as well, since an answer may quote one, and whatever stands
        around them; elsewhere they are no part of a longer word."""
        texts, self._apart = list(texts), not in_logs
        pieces = {piece for text in texts for piece in _pieces(text, sentences=in_logs)}
        forms = sorted({form for piece in pieces for form in _written(piece)}, key=len, reverse=True)
        self._pattern = self._any_of(forms) if len(forms) <= _FEW else None
        self._first = min(map(len, forms), default=0)
        self._beginning: defaultdict[str, list[str]] = defaultdict(list)
        if self._pattern is None:
            for form in forms:
                self._beginning[form[: self._first]].append(form)
        self.empty = not forms
        self.common = sum(not any(_pieces(text, sentences=False)) for text in texts)
        """How many of the texts are not looked for, since they may stand in any other."""

    def within(self, value: str | bytes | None) -> bool:
        """Whether something of them may stand there."""
        return self._found(_text(value)) is not None

    def without(self, value: str | bytes) -> str | bytes:
        """The same without them."""
        text = _text(value)
        if (found := self._found(text)) is None:
            return value
        left = found.sub(GONE, text)
        return left.encode("utf-8", "surrogateescape") if isinstance(value, bytes) else left

    def without_in_json(self, value: str) -> str:
        """The JSON without them in any of its texts; its structure stays, and so do the names in it."""
        if self._found(value) is None:
            return value
        try:
            return json.dumps(self._within_data(json.loads(value)))
        except ValueError:
            return str(self.without(value))

    def _within_data(self, data: Any) -> Any:
        if isinstance(data, str):
            return self.without(data)
        if isinstance(data, list):
            return [self._within_data(one) for one in data]
        if isinstance(data, dict):
            return {
                key if key.isidentifier() else self.without(key): self._within_data(one)
                for key, one in data.items()
            }
        return data

    def _found(self, text: str) -> "re.Pattern[str] | None":
        """What finds those that stand in the text."""
        if self.empty:
            return None
        if self._pattern is not None:
            return self._pattern if self._pattern.search(text) else None
        parts = {text[at : at + self._first] for at in range(len(text) - self._first + 1)}
        there = [form for part in parts & self._beginning.keys() for form in self._beginning[part]]
        there = [form for form in there if form in text]
        return self._any_of(sorted(there, key=len, reverse=True)) if there else None

    def _any_of(self, forms: Iterable[str]) -> "re.Pattern[str]":
        return re.compile("|".join(map(_apart if self._apart else re.escape, forms)))


def _pieces(text: str, sentences: bool) -> Iterator[str]:
    """The text, in one line as well, and its sentences, as far as they tell whose they are."""
    whole = [text, " ".join(text.split())]
    parts = [part.strip() for part in _SENTENCES.split(text)] if sentences else []
    for least, pieces in ((_SHORTEST, whole), (_SENTENCE, parts)):
        yield from (piece for piece in pieces if len(piece.encode()) >= least and not _is_common(piece))


def _is_common(piece: str) -> bool:
    """Whether it is a word that others may use as well; a long one with digits may be a password."""
    is_word = not re.search(r"\s", piece) and divided(piece) is None
    return is_word and not (
        len(piece) >= _PASSWORD and re.search(r"\d", piece) and re.search(r"[^\W\d]", piece)
    )


def _written(piece: str) -> set[str]:
    """As it may stand: as it is, and in JSON, which may stand in JSON itself."""
    forms = newest = {piece}
    for _ in range(_DEPTH):
        newest = {json.dumps(one, ensure_ascii=ascii_)[1:-1] for one in newest for ascii_ in (True, False)}
        forms = forms | newest
    return forms


def _apart(form: str) -> str:
    """The form where no longer word has it."""
    before, after = (sign.isalnum() and divided(sign) is None for sign in (form[0], form[-1]))
    return r"(?<!\w)" * before + re.escape(form) + r"(?!\w)" * after


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value or ""
