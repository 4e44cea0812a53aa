"""How far answers agree, measured without a model.

Answers of one typed kind are compared by what they decide. Of free text, the line that gives the answer
alone is compared where there is one, `Answer: 42`, and else the whole: by the words that both have, where a
word that is negated is another word, and where numbers differ the answers do.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from ..kinds import Ballot, Challenge, Choice, Contribution, Review, Route, Speaker, Verdict
from ..message import Message
from ..models.ranking import alike
from ..models.words import stems

SAME = 0.8
"""The likeness from which two answers are one."""
SHORT = 12
"""Words up to which every word of an answer counts, `no` and `B` too."""
ANSWER_LINE = "End with one line that begins with `Answer:` and gives your answer in as few words as it can."
"""Asks for what can be compared."""

_DECIDES: dict[type[BaseModel], str] = {
    Ballot: "ranking", Challenge: "refuted", Choice: "choice", Contribution: "answer", Review: "accepted",
    Route: "worker", Speaker: "speaker", Verdict: "winner",
}  # fmt: skip
"""The field of a kind that two answers have to share."""
_LINE = re.compile(r"[\s*_#>-]*(?:final )?answer[*_\s]*:(.*)", re.IGNORECASE)
_AROUND = " \t*_`"
_TOKEN = re.compile(r"(?<![^\W_])[-−]?\d+(?:[.,:]\d+)*|[%$€£¥]|[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001  signs as they are typed
_THOUSANDS = re.compile(r"[-−]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")  # noqa: RUF001  the true minus sign
_NEGATIONS = frozenset(
    """not no never none neither nor without cannot nicht kein keine keinen nie ohne pas jamais sans
    nunca""".split()
)
_FILLERS = frozenset("a an the is are was were be it its this that so my answer final therefore".split())


class Agreement(NamedTuple):
    """What was measured of several answers."""

    value: float
    """How far the one that is furthest from the typical answer agrees with it, of 1."""
    typical: int
    """The place of the answer that is nearest to all others."""
    likeness: tuple[tuple[float, ...], ...]
    """Of each answer with each."""
    how: str
    """What was compared."""

    @property
    def furthest(self) -> int:
        """The place of the answer that is furthest from the typical one, which it is not itself."""
        others = [at for at in range(len(self.likeness)) if at != self.typical]
        return min(reversed(others), key=lambda at: self.likeness[self.typical][at])


def measured(answers: Sequence[Message]) -> Agreement:
    """How far two or more answers agree, and which is the most typical: of equals, the first."""
    places = range(len(answers))
    pairs = {
        (one, other): round(likeness(answers[one], answers[other]), 4)
        for one in places
        for other in places[one:]
    }
    table = tuple(tuple(pairs[min(one, other), max(one, other)] for other in places) for one in places)
    typical = max(range(len(answers)), key=lambda at: (round(sum(table[at]), 4), -at))
    return Agreement(min(table[typical]), typical, table, _how(answers))


def groups(answers: Sequence[Message], least: float = SAME) -> list[list[int]]:
    """The places of the answers, those of answers that are the same together; in the order given."""
    found: list[list[int]] = []
    for at, answer in enumerate(answers):
        alikes = [(likeness(answers[group[0]], answer), -number) for number, group in enumerate(found)]
        value, number = max(alikes, default=(0.0, 0))
        if alikes and value >= least:
            found[-number].append(at)
        else:
            found.append([at])
    return found


def likeness(one: Message, other: Message) -> float:
    """How far two answers agree, of 1."""
    if isinstance(one.data, BaseModel) and type(one.data) is type(other.data):
        return _of_data(one.data, other.data)
    return _of_texts(gist(one), gist(other))


def gist(answer: Message) -> str:
    """The line at the end of an answer that gives it alone; else all of it."""
    return _line(answer.text) or answer.text.strip()


def _line(text: str) -> str:
    ends = [line for line in text[-2_000:].splitlines() if line.strip()][-2:]
    found = [match[1].strip(_AROUND) for line in ends if (match := _LINE.fullmatch(line))]
    return found[-1] if found else ""


def _how(answers: Sequence[Message]) -> str:
    kinds = {type(answer.data) for answer in answers if isinstance(answer.data, BaseModel)}
    if len(kinds) == 1 and all(isinstance(answer.data, BaseModel) for answer in answers):
        return f"what was typed: {kinds.pop().__name__}"
    lines = sum(bool(_line(answer.text)) for answer in answers)
    if lines == len(answers):
        return "the lines that give the answer"
    return "words" if not lines else "words, and the lines that give the answer where there are any"


def _of_data(one: BaseModel, other: BaseModel) -> float:
    """Of what is no long text, or of all where nothing else is there; the least of any field."""
    kind = type(one)
    fields = [_DECIDES[kind]] if kind in _DECIDES else list(kind.model_fields)
    pairs = [(getattr(one, field), getattr(other, field)) for field in fields]
    telling = [pair for pair in pairs if not all(map(_is_long, pair))] or pairs
    return min((_of_values(first, second) for first, second in telling), default=1.0)


def _of_values(one: Any, other: Any) -> float:
    if isinstance(one, str) and isinstance(other, str):
        return _of_texts(_line(one) or one, _line(other) or other)
    return float(one == other)


def _of_texts(one: str, other: str) -> float:
    if one.casefold().split() == other.casefold().split():
        return 1.0
    short = not _is_long(one) and not _is_long(other)
    first, second = _said(one, short=short), _said(other, short=short)
    numbers = [{word for word in words if word[-1:].isdigit()} for words in (first, second)]
    share = alike(*numbers) if any(numbers) else 1.0
    return alike(first, second) * share


@lru_cache(maxsize=256)
def _said(text: str, *, short: bool) -> frozenset[str]:
    return frozenset(_words(text, short=short))


def _words(text: str, *, short: bool) -> Iterator[str]:
    """What is compared: stems, numbers in one form, and `not` before what is negated."""
    negated = ""
    for found in _TOKEN.finditer(text):
        written = found[0]
        word = written.casefold()
        if word in _NEGATIONS or word.endswith(("n't", "n’t")):  # noqa: RUF001  typographic apostrophe
            negated = "not "
            continue
        for stem in _stems(written, short=short):
            yield negated + stem
            negated = ""
    if negated:
        yield "not"


def _stems(written: str, *, short: bool) -> list[str]:
    if written[-1].isdigit():
        return [_number(written)]
    named = len(written) == 1 and written.isupper()  # an option: `A`
    if short and not named and written.casefold() in _FILLERS:
        return []
    return list(stems(written)) or ([written.casefold()] if short else [])


def _number(text: str) -> str:
    text = (text.replace(",", "") if _THOUSANDS.fullmatch(text) else text).replace("−", "-")  # noqa: RUF001  the true minus sign
    return (text.rstrip("0").rstrip(".") or "0") if text.count(".") == 1 else text


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value.split()) > SHORT
