"""Texts of models and files, made fit to be told: clean, and as long as there is room for on the wire."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from guildhall.clean import clean

MOST_BYTES = 40_000
"""Of compact JSON, for the data of a result and for its text: some 10,000 tokens, above which hosts warn."""
MOST = 20
"""Of what there may be any number of."""
_NOTE = 70
"""Bytes that the note on what is left out takes at most."""


def size(text: str) -> int:
    """Bytes of the text within compact JSON; characters of three bytes count as three."""
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) - 2


def size_of(data: BaseModel) -> int:
    """Bytes of the data as compact JSON."""
    return len(data.model_dump_json().encode())


def clipped(text: str, most: int) -> str:
    """The clean text in at most so many bytes of JSON; where it is longer, that is said."""
    text = clean(text)
    if len(text) <= most and size(text) <= most:
        return text
    kept = cut(text, max(0, most - _NOTE))
    return f"{kept}… ({len(text) - len(kept):,} more characters are kept with the run)"


def cut(text: str, most: int) -> str:
    """The beginning of the text that has at most so many bytes of JSON."""
    ends = range(min(len(text), most) + 1)
    return text[: bisect_right(ends, most, key=lambda end: size(text[:end])) - 1]


def named(text: str, most: int = 100) -> str:
    """A name on one line."""
    line = " ".join(clean(text[: 4 * most]).split())
    return line if size(line) <= most else cut(line, most - 3) + "…"


def each(texts: Iterable[str], most: int) -> list[str]:
    """The first of the texts, in so many bytes together; then how many are left out."""
    given = list(texts)
    rest = [f"… {len(given) - MOST} more are kept with the run"] * (len(given) > MOST)
    told = [clean(text) for text in given[:MOST]]
    share = fair(told, most)
    return [*(clipped(text, share) for text in told), *rest]


def fair(texts: Sequence[str], most: int) -> int:
    """The bytes that each of the texts may have; what short ones do not need is for the others."""
    left = most
    for number, wanted in enumerate(sorted(size(text[: most + 1]) for text in texts)):
        share = left // (len(texts) - number)
        if wanted > share:
            return share
        left -= wanted
    return most
