"""The short-term memory of a conversation: what was asked and answered so far, within a number of tokens."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Count = Callable[[str], int]
"""How many tokens a text takes."""
GIST, SUMMARY = 240, 600
"""Characters of what is told in short, and of what a model has summarised."""
LEAST = 200
"""Tokens that are left for what was said, whatever is kept besides."""
_BEFORE = 0.75
"""The part of the window that decisions take at most which were made before the last question."""
_SENTENCE = re.compile(r".+?(?:(?<![.!?…])[.!?…]++[\"”’)\]]*+(?=\s)|[。！？]|\n|\Z)\s*", re.DOTALL)  # noqa: RUF001  they end sentences

_Detail = Literal["all", "answer", "gist", "decisions"]


@dataclass(frozen=True)
class Turn:
    """What was asked once, and what came of it."""

    task: str
    answer: str
    decisions: tuple[str, ...] = ()
    """What was settled on the way, each in a line."""
    said: tuple[tuple[str, str], ...] = ()
    """Who said what."""
    kept: tuple[str, ...] = ()
    """What is never left out, however little room there is: of high importance, or pinned."""
    summary: str = ""
    """What came of it in short, as a model has written it down; by its first sentences, where none has."""


def window(turns: Sequence[Turn], tokens: int, *, count: Count) -> str:
    """The turns, the oldest first, in so many tokens at most; what is left out is said.

    Of those before the last one, the oldest are first told by a summary or the first sentences of their
    answers, then by what was asked and decided, and then by what was decided alone. The last one stays whole,
    as far as there is room besides. What a turn has `kept` is always told, even if it needs more than there
    is.
    """
    kept = "\n".join(f"- To be kept in mind: {line}" for line in _kept(turns))
    if not kept:
        return _window(turns, tokens, count)
    return f"{kept}\n\n{_window(turns, max(tokens - count(kept), LEAST), count)}"


def _kept(turns: Iterable[Turn]) -> Iterable[str]:
    return dict.fromkeys(" ".join(line.split()) for turn in turns for line in turn.kept)


def _window(turns: Sequence[Turn], tokens: int, count: Count) -> str:
    texts = [_told(turn, number, "all", count) for number, turn in enumerate(turns, 1)]
    sizes = [count(text) for text in texts]
    for at, detail in _steps(len(turns)):
        if sum(sizes) <= tokens:
            break
        texts[at] = _told(turns[at], at + 1, detail, count)
        sizes[at] = count(texts[at])
    gone, room = 0, max(tokens - sum(sizes[-1:]), tokens * _BEFORE)
    while sum(sizes[:-1]) > room and gone < len(turns) - 1:
        texts[gone] = "\n".join(_decided(turns[gone]))
        sizes[gone] = count(texts[gone]) if texts[gone] else 0
        gone += 1
    first = 0
    while sum(sizes[first:-1]) > room:
        first += 1
    if not gone:
        return _cut("\n\n".join(texts), tokens, count)
    left = f"[left out: the first {gone} of {len(turns)} questions, with their answers"
    left += f", and what was decided at the first {first}]" if first else "]"
    earlier = "\n".join([left, *filter(None, texts[first:gone])])
    return _cut("\n\n".join([earlier, *texts[gone:]]), tokens, count)


def _steps(turns: int) -> Iterable[tuple[int, _Detail]]:
    """What is told in less detail, one after the other, until there is room for all."""
    for at in range(turns - 1):
        yield from ((at, "answer"), (at, "gist"))
    yield from ((at, "decisions") for at in range(turns - 1))
    yield turns - 1, "answer"


def _told(turn: Turn, number: int, detail: _Detail, count: Count) -> str:
    task = " ".join(turn.task.split())
    lines = [f"## Question {number}: {task if detail == 'all' else _gist(task)}"]
    lines += _decided(turn)
    if detail == "all":
        lines += [f"- {who} said: {_gist(text)}" for who, text in turn.said]
    answer = turn.answer.strip()
    short = {"gist": _gist(answer), "decisions": ""}.get(detail, answer)
    if turn.summary and detail == "gist" and len(turn.summary) < len(answer):
        note = f"[a summary, in place of an answer of about {count(answer):,} tokens]"
        short = f"{_gist(turn.summary, SUMMARY)}\n{note}"
    elif rest := answer[len(short.removesuffix("...")) :].strip() if short != answer else "":
        short = f"{short}\n[left out: about {count(rest):,} tokens of this answer]".strip()
    return "\n\n".join(["\n".join(lines), short])


def _decided(turn: Turn) -> list[str]:
    return [f"- Decided: {decision}" for decision in turn.decisions]


def in_short(text: str, *, count: Count) -> str:
    """The first sentences of the text, and how much is left out; the text itself, where that is no more."""
    if len(text) <= SUMMARY:
        return text
    short = _gist(text, SUMMARY)
    return f"{short}\n[left out: about {max(0, count(text) - count(short)):,} tokens of this, to make room]"


def _gist(text: str, longest: int = GIST) -> str:
    """The first sentences of the text, in one line."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    ends = (found.end() for found in _SENTENCE.finditer(text, 0, longest + 1))
    end = max((end for end in ends if end <= longest), default=0)
    return text[:end].rstrip() if end else f"{text[:longest].rstrip()}..."


def _cut(text: str, tokens: int, count: Count) -> str:
    """The beginning of the text for which there is room, and how much is left out."""
    if count(text) <= tokens:
        return text
    note = "\n[left out: about {:,} tokens behind this]"
    room, ends = tokens - count(note.format(10**6)), [0, *(found.end() for found in _SENTENCE.finditer(text))]
    end = ends[max(0, bisect_right(ends, room, key=lambda end: count(text[:end])) - 1)]
    return text[:end].rstrip() + note.format(count(text[end:]))
