"""What a request gives to work from: its documents, memories and colleagues' answers, as candidates."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..message import LEFT_OUT, Quote
from .ranking import Candidate
from .sentences import Sentence, sentences, split

EXTRACTED = "*Extracted, not written: the sentences that answer best (no language model was used).*"
NOTHING = "Nothing that was given bears on the task."
NO_ANSWER = "No answer from"
FOUND_NOTHING = "Found nothing that bears on it:"
CONFLICT = "In conflict:"
_OWN_LINES = (EXTRACTED, NOTHING, NO_ANSWER, FOUND_NOTHING, CONFLICT, LEFT_OUT)

MOST_CITES = 20
"""Labels that are read behind one sentence."""
_BULLET = re.compile(r"\s*[-*+]\s+")
_PLACE = re.compile(r"[^\[\]]*\S:[\w-]+")
# an episode repeats the task that it came of, which would answer every like task best
_TASK_BEFORE = re.compile(r"\ATask for [^\n]*\n(?:[^\n]*\n)*?Outcome: ")


@dataclass(frozen=True, slots=True)
class Said:
    """A line of an answer, and the labels that it cites at its end."""

    text: str
    cites: tuple[str, ...] = ()


def candidates(quotes: Sequence[Quote]) -> list[Candidate]:
    """The sentences of all quotes, each once, with the colleagues that picked it.

    A sentence that stands in a document is cited from there, whoever has passed it on.
    """
    found: dict[str, Sentence] = {}
    supporters: dict[str, dict[str, None]] = {}
    names = frozenset(quote.label for quote in quotes)

    def add(text: str, label: str) -> None:
        found.setdefault(text, Sentence(text, label, block=-len(found)))

    for quote in quotes:
        if quote.kind == "document":
            for sentence in sentences(quote):
                found.setdefault(sentence.text, sentence)
    for quote in quotes:
        if quote.kind in ("memory", "conversation"):
            for one in said(_TASK_BEFORE.sub("", quote.text), names):
                add(one.text, quote.label)
    for quote in answers(quotes):
        for one in said(quote.text, names):
            add(one.text, one.cites[0] if one.cites else quote.label)
            supporters.setdefault(one.text, {})[quote.label] = None
    return [Candidate(sentence, tuple(supporters.get(text, ()))) for text, sentence in found.items()]


def answers(quotes: Sequence[Quote]) -> list[Quote]:
    """What colleagues have answered, without those who failed."""
    return [quote for quote in quotes if quote.kind == "answer" and not quote.failed]


def said(answer: str, names: frozenset[str] = frozenset()) -> Iterator[Said]:
    """What an answer says, without what the extractive model says about itself.

    A label in brackets is a citation if it is one of the names or has a place in it.
    """
    prose: list[str] = []
    for line in [*answer.splitlines(), ""]:
        bullet = _BULLET.match(line)
        one = cut_citations(line[bullet.end() :] if bullet else line, names)
        ended = not line.strip() or line.lstrip().startswith(("#", *_OWN_LINES))
        if prose and (bullet or one.cites or ended):
            yield from (Said(sentence) for sentence in split("\n".join(prose)))
            prose = []
        if one.cites and not ended:
            yield one
        elif not ended:
            prose.append(one.text)


def cut_citations(line: str, names: frozenset[str] = frozenset()) -> Said:
    """The line's text, and the labels that stand in brackets behind it."""
    line = text = " ".join(line.split())
    cites: list[str] = []
    if text.endswith(")") and (note := text.rfind("] (")) > 0:
        text = text[: note + 1]
    while len(cites) < MOST_CITES and text.endswith("]") and (start := text.rfind("[")) >= 0:
        label = text[start + 1 : -1].strip()
        if not (label in names or _PLACE.fullmatch(label)):
            break
        cites.insert(0, label)
        text = text[:start].rstrip()
    return Said(text, tuple(cites)) if cites and text else Said(line)
