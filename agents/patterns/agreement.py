"""How far answers agree, measured without a model.

Answers of one typed kind are compared by what they decide. Of free text, the line that gives the answer
alone is compared where there is one, `Answer: 42`, and else the whole. Two that are short are the same if
they say the same token by token, and else not alike at all: to take two for one is a wrong result, to take
one for two costs a ballot. Longer ones are compared by their words; see saying.py.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from ..kinds import Ballot, Challenge, Choice, Contribution, Review, Route, Speaker, Verdict
from ..message import Message
from ..run import Member, Run
from .saying import alike
from .wording import tokens

SAME = 0.8
"""The likeness from which two answers are one."""
SHORT = 12
"""Words up to which an answer is short: every token of it counts, and the order."""
ANSWER_LINE = "End with one line that begins with `Answer:` and gives your answer in as few words as it can."
"""Asks for what can be compared."""

_DECIDES: dict[type[BaseModel], str] = {
    Ballot: "ranking", Challenge: "refuted", Choice: "choice", Contribution: "answer", Review: "accepted",
    Route: "worker", Speaker: "speaker", Verdict: "winner",
}  # fmt: skip
"""The field of a kind that two answers have to share."""
_LINE = re.compile(
    r"[\s#>-]*(?P<mark>[*_]*)(?:the )?(?:final )?answer[*_]*\s*:(?P<closed>[*_]*)(?P<said>.*)", re.IGNORECASE
)


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


def warn_of_one_voice(team: str, members: Iterable[Member], run: Run) -> None:
    """Have the reader told where members agree that could hardly have differed."""
    if run.state.models == {"extractive"} and all(getattr(member, "models", ()) for member in members):
        run.state.notice(
            f"{team}: all answers were extracted from the same material by the same rules, without an LLM: "
            "that they agree confirms nothing"
        )


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
    found = [_said(match) for line in ends if (match := _LINE.fullmatch(line))]
    return found[-1] if found else ""


def _said(line: re.Match[str]) -> str:
    """What stands behind `Answer:`, without the marks that make the whole line bold."""
    said = line["said"].strip()
    return said if line["closed"] or not line["mark"] else said.removesuffix(line["mark"]).strip()


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
    if tokens(one) == tokens(other):
        return 1.0
    return alike(one, other) if _is_long(one) or _is_long(other) else 0.0


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value.split()) > SHORT
