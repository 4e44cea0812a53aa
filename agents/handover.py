"""What is handed over to another member within a number of tokens: the most important first, and what is
left out is named."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .kinds import Contribution
from .message import LEFT_OUT, Message, cited
from .splitting import beginning, paragraphs
from .tokens import ALLOWANCE, SAFETY, estimate, raised, weight

if TYPE_CHECKING:
    from .run import Run

LEAST = 40
"""Tokens that every answer has, so that it can at least be said what it was about."""
NAMED, BEGINNING = 3, 60
"""Of so many paragraphs that are left out so many characters are told, where there is room for them."""
MOST_NAMED = 100
"""The same in the event."""
_BEHIND = 5
"""What the end of a paragraph weighs, and more."""
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
                {
                    "of": one.answer.sender, "tokens": one.tokens, "paragraphs": len(one.left_out),
                    "left_out": [*map(_beginning, one.left_out[:MOST_NAMED])],
                }
                for one in cut
            ],
        )  # fmt: skip
    return [one.answer for one in passed]


@dataclass(frozen=True)
class Shortened:
    """An answer as it is passed on, and the paragraphs of it that are not."""

    answer: Message
    left_out: tuple[str, ...] = ()
    tokens: int = 0
    """Of what is left out."""


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
    weights = [weight(f"{one.text}\n\n") for one in given]
    names = _room_for_names(most)
    room = (most - ALLOWANCE) / SAFETY - names - weight(_note(len(given), raised(sum(weights))))
    kept, left_out = dict[int, str](), dict[int, str]()
    for at in sorted(range(len(given)), key=lambda at: given[at].rank):
        text, rank = given[at]
        if weights[at] <= room:
            kept[at] = text
            room -= weights[at]
            continue
        if rank == 0 and room > most / 4:
            kept[at], room = beginning(text, raised(room - _BEHIND)).rstrip(), 0
            text = text[len(kept[at]) :].strip()
            weights[at] = weight(text)
        left_out[at] = text
    if not left_out:
        return Shortened(answer)
    gone, tokens = [left_out[at] for at in sorted(left_out)], raised(sum(weights[at] for at in left_out))
    parts = [*(kept[at] for at in sorted(kept)), _note(len(gone), tokens, *_named(gone, names))]
    return Shortened(answer.model_copy(update={"text": "\n\n".join(parts)}), tuple(gone), tokens)


def _room_for_names(most: int) -> float:
    """What naming paragraphs that are left out may weigh; it grows more slowly than what is kept."""
    return min(NAMED * BEGINNING / 3, max(0, most - 100) / 4)


def _named(left_out: Sequence[str], room: float) -> Iterator[str]:
    """How the first of them begin, as far as there is room."""
    for text in left_out[:NAMED]:
        quote = f'"{_beginning(text)}"'
        room -= weight(f", beginning {quote}")
        if room < 0:
            break
        yield quote


def _note(paragraphs: int, tokens: int, *quotes: str) -> str:
    """What is said in the place of what is left out."""
    many = f"{paragraphs:,} paragraph{'s' * (paragraphs != 1)}"
    return f"{LEFT_OUT} {many}, about {tokens:,} tokens{', beginning ' * bool(quotes)}{', '.join(quotes)}]"


def _beginning(text: str) -> str:
    """How it begins, without signs that would make it a citation."""
    some = text[: 4 * BEGINNING]
    words = " ".join(_CITES.sub("", some).split())
    return words if len(words) <= BEGINNING and some == text else f"{words[:BEGINNING].rstrip()}..."


def _of(text: str) -> Iterator[_Paragraph]:
    """Headings, the first and the last paragraph; then those with figures or sources; then the others."""
    parts = [item for part in paragraphs(text) for item in _items(part)]
    prose = [at for at, part in enumerate(parts) if not part.startswith("#")]
    for at, part in enumerate(parts):
        if not part.startswith("#") and at not in (prose[0], prose[-1]):
            yield _Paragraph(part, 1 if _FIGURE.search(part) or cited(part) else 2)
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
