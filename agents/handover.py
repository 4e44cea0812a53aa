"""What is handed over to another member within a number of tokens: the most important first, and what is
left out is named."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .kinds import Contribution
from .message import LEFT_OUT, Message, cited
from .splitting import paragraphs, split
from .tokens import ALLOWANCE, SAFETY, estimate, raised, weight

if TYPE_CHECKING:
    from .run import Run

LEAST = 40
"""Tokens that every answer has, so that it can at least be said what it was about."""
NAMED, BEGINNING = 3, 60
"""Of so many paragraphs that are left out so many characters are told."""
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])")
_FIGURE, _CITES = re.compile(r"\d"), re.compile(r"[\[\]\"]")


def handed_over(answers: Iterable[Message], run: "Run", *, most: int | None = None) -> list[Message]:
    """The answers as they are passed on: whole, or in so many tokens together where there is a limit.

    What was left out is told in the answer itself, and is an event.
    """
    tokens, answers = most or run.rules.tokens, list(answers)
    if tokens is None:
        return answers
    passed = shortened(answers, tokens)
    cut = [one for one in passed if one.left_out]
    if cut:
        run.decided(
            "handover", ", ".join(dict.fromkeys(one.answer.sender for one in cut)),
            f"only {tokens:,} tokens are handed over, so the least important paragraphs are left out",
            evidence=tuple(source for one in cut for source in one.answer.sources[-1:]),
            data=[
                {"of": one.answer.sender, "tokens": one.tokens, "left_out": [*map(_beginning, one.left_out)]}
                for one in cut
            ],
        )  # fmt: skip
    return [one.answer for one in passed]


@dataclass(frozen=True)
class Shortened:
    """An answer as it is passed on, and the paragraphs of it that are not."""

    answer: Message
    left_out: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Of what is left out."""
        return estimate("\n\n".join(self.left_out))


def shortened(answers: Sequence[Message], tokens: int) -> list[Shortened]:
    """The answers in so many tokens together; what one of them does not need goes to the others."""
    sizes = [estimate(answer.text) for answer in answers]
    if sum(sizes) <= tokens:
        return [Shortened(answer) for answer in answers]
    return [
        Shortened(answer) if size <= share or answer.failed else _shortened(answer, share)
        for answer, size, share in zip(answers, sizes, _shares(sizes, tokens), strict=True)
    ]


class _Paragraph(NamedTuple):
    text: str
    rank: int
    """0 is most important."""


def _shares(sizes: Sequence[int], tokens: int) -> list[int]:
    shares, rest = dict.fromkeys(range(len(sizes)), 0), tokens
    for done, at in enumerate(sorted(shares, key=lambda at: sizes[at])):
        shares[at] = max(LEAST, min(sizes[at], rest // (len(sizes) - done)))
        rest = max(0, rest - shares[at])
    return list(shares.values())


def _shortened(answer: Message, most: int) -> Shortened:
    """The answer with its most important paragraphs, in their order."""
    given = list(_of_contribution(answer.data) if isinstance(answer.data, Contribution) else _of(answer.text))
    named = min(NAMED, most // 150)
    beginnings = sorted(weight(_beginning(one.text)) + weight(', ""') for one in given)
    room = (
        (most - ALLOWANCE) / SAFETY
        - weight(_note(["999"] * 999, 999_999, 0))
        - sum(beginnings[len(beginnings) - named :])
    )
    kept, left_out = dict[int, str](), dict[int, str]()
    for at in sorted(range(len(given)), key=lambda at: given[at].rank):
        text, rank = given[at]
        if (weighs := weight(f"{text}\n\n")) > room:
            first = split(text, raised(room - 4))[0].text.rstrip() if rank == 0 and room > most / 4 else ""
            left_out[at] = text[len(first) :].strip()
            text, weighs = first, room
        if text:
            kept[at] = text
            room -= weighs
    if not left_out:
        return Shortened(answer)
    gone = [left_out[at] for at in sorted(left_out)]
    parts = [*(kept[at] for at in sorted(kept)), _note(gone, estimate("\n\n".join(gone)), named)]
    return Shortened(answer.model_copy(update={"text": "\n\n".join(parts)}), tuple(gone))


def _note(left_out: Sequence[str], tokens: int, named: int) -> str:
    """What is said in the place of what is left out."""
    many = f"{len(left_out):,} paragraph{'s' * (len(left_out) != 1)}"
    quotes = ", ".join(f'"{_beginning(text)}"' for text in left_out[:named])
    return f"{LEFT_OUT} {many}, about {tokens:,} tokens{', beginning ' * bool(quotes)}{quotes}]"


def _beginning(text: str) -> str:
    """How it begins, without signs that would make it a citation."""
    words = " ".join(_CITES.sub("", text).split())
    return words if len(words) <= BEGINNING else f"{words[:BEGINNING].rstrip()}..."


def _of(text: str) -> Iterator[_Paragraph]:
    """Headings, the first and the last paragraph; then those with figures or sources; then the others."""
    parts = [item for part in paragraphs(text) for item in _items(part)]
    prose = [at for at, part in enumerate(parts) if not part.startswith("#")]
    for at, part in enumerate(parts):
        if not part.startswith("#") and at not in (prose[0], prose[-1]):
            yield _Paragraph(part, 1 if cited(part) or _FIGURE.search(part) else 2)
        else:
            yield _Paragraph(part, 0)


def _items(paragraph: str) -> list[str]:
    """The items of a list, each for itself; anything else as it is."""
    return _ITEM.split(paragraph) if _ITEM.match(f"\n{paragraph}") else [paragraph]


def _of_contribution(given: Contribution) -> Iterator[_Paragraph]:
    """The answer, what it rests on and how sure it is, its claims, its reasons, and what is open."""
    yield from _of(given.answer)
    if given.sources:
        yield _Paragraph("Rests on " + ", ".join(f"[{label}]" for label in given.sources), 0)
    yield _Paragraph(f"Confidence: {given.confidence:.2f}", 0)
    yield from (_Paragraph(f"Claim on {claim.about}: {claim.says}", 3) for claim in given.claims)
    yield from (_Paragraph(f"Reason: {reason}", 4) for reason in given.reasons)
    yield from (_Paragraph(f"Open: {point}", 5) for point in given.open_points)
