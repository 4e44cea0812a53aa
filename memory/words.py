"""The lexical side of recall: what is indexed of a record, and which records share the words of a query."""

import re
import sqlite3
from collections.abc import Sequence
from time import localtime, strftime
from typing import Any

from .records import Record

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"(?<!\w)\w++(?:[-./:]\w++)+")
MOST_WORDS = 64
"""Of a query."""
STOP = frozenset(
    """a about an and are as at be been being but by can could did do does doing for from had has have having
    he her hers him his how i if in into is it its just me my no not of on or our ours s she so t than that
    the their theirs them then there these they this those to too us was we were what when where which who
    whom whose why will with would you your yours""".split()
)


def header(record: Record) -> str:
    """What is found of a record beside its text: what it is about, its tags, when, and who says it."""
    tags = "".join(f"{tag} " for tag in record.tags if ":" not in tag)  # the others are for machines
    if record.kind == "document":
        return f"{tags}{record.source} {record.place}: "
    about = f"[{record.kind} | {record.subject}] " if record.subject else ""
    when = strftime("%d %B %Y", localtime(record.valid_from))
    return f"{about}{tags}{when} {record.author.agent}: "


def divided(text: str) -> str | None:
    """The text with runs of Chinese, Japanese and Korean as pairs of signs, since they have no spaces.

    None where there are none: it is indexed as it is.
    """
    if not _CJK.search(text):
        return None
    return _CJK.sub(lambda run: f" {' '.join(_pairs(run.group()))} ", text)


def terms(text: str) -> list[str]:
    """The words of a text in small letters, each once."""
    return list(dict.fromkeys(_WORD.findall((divided(text) or text).lower())))


def telling(query: str) -> list[str]:
    """Those words of a query that say what it is about, and names such as `2.3` or `db.engine` as a whole."""
    query = query[:4000]
    words, names = terms(query), [name.lower() for name in _NAME.findall(query)]
    telling = [*names, *([word for word in words if word not in STOP] or words)]
    return list(dict.fromkeys(telling))[:MOST_WORDS]


def sharing(
    db: sqlite3.Connection,
    scope: int,
    words: Sequence[str],
    most: int,
    gate: tuple[str, Sequence[Any]],
    *,
    newest: bool = False,
) -> dict[int, float]:
    """The records of the scope with the most telling of these words, and what bm25 says of each.

    Or the newest that have any of them.
    """
    if not words:
        return {}
    table, query = f"words_{scope}", " OR ".join(f'"{word}"' for word in words)
    condition, values = gate
    sql = (
        f"SELECT r.seq, -bm25({table}) AS score FROM {table} JOIN records r ON r.seq = {table}.rowid "
        f"WHERE {table} MATCH ? AND {condition} ORDER BY {'r.valid_from' if newest else 'score'} DESC LIMIT ?"
    )
    return dict(db.execute(sql, (query, *values, most)))


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]
