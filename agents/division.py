"""What is too long for one member, in shares that fit: each keeps the files and the lines that it is of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from guildhall.errors import Failure

from .kinds import Wanted
from .message import CONTEXT, Attachment, Message, Quote
from .run import Member
from .splitting import Piece, beginning, split
from .tokens import ALLOWANCE, SAFETY, estimate, raised, weight
from .windows import needed, room, shown

MOST_SHARES = 1_000
LEAST = 100
"""Tokens of what is to be read for which there must be room in each share."""
NAMED = 5
"""Places of a share that are named in what a member is told."""
PART = "your part"
"""Under which they are quoted."""
_FOR_ALL = 0.25
"""The part of the window that what everybody is shown may take; more than that is divided, too."""
_BEGINNING = 0.05
"""The part of the window that the beginning of a task takes which is itself divided."""
_FOR_HEADINGS = 0.1


class NoRoomError(Exception):
    """The window is too small for anything to be read."""


class Excerpt(NamedTuple):
    """A part of what is quoted, and the headings that it stands under."""

    quote: Quote
    above: tuple[Quote, ...] = ()

    @property
    def place(self) -> str:
        """`contract.md:120-480`."""
        quote = self.quote
        last = quote.first_line + quote.text.rstrip("\n").count("\n")
        whole = quote.kind != "document" and quote.first_line == 1
        return quote.label if whole else f"{quote.label}:{quote.first_line}-{last}"


class Share(NamedTuple):
    """What one member is given of the material."""

    excerpts: tuple[Excerpt, ...] = ()
    files: tuple[Attachment, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        return (*(excerpt.place for excerpt in self.excerpts), *(file.name for file in self.files))

    @property
    def place(self) -> str:
        """Where it is from, in short."""
        more = f" and {len(self.places) - NAMED} more" if len(self.places) > NAMED else ""
        return ", ".join(self.places[:NAMED]) + more

    @property
    def told(self) -> Quote:
        """Where it is from, for whoever is given it: names of files are not ours, and stand in no brief."""
        private = any(quote.private for quote in self.quotes) or any(file.private for file in self.files)
        return Quote(label=PART, kind="task", text=self.place, private=private)

    @property
    def quotes(self) -> tuple[Quote, ...]:
        return tuple(quote for excerpt in self.excerpts for quote in (*excerpt.above, excerpt.quote))

    def halved(self) -> "list[Share]":
        """The same in two shares or more, each shorter; nothing if it cannot be cut."""
        if len(self.excerpts) + len(self.files) > 1:
            at = len(self.excerpts) // 2
            return [Share(self.excerpts[:at]), Share(self.excerpts[at:], self.files)]
        half = raised(shown(self.excerpts[0].quote)) // 2 if self.excerpts else 0
        if half < LEAST:
            return []
        quote, above = self.excerpts[0]
        return [Share((Excerpt(part, (*above, *nearer)),)) for part, nearer in _cut(quote, half)]


@dataclass(frozen=True)
class Division:
    """A message and the shares of its material; no shares, if all of it fits."""

    message: Message
    """What goes with each share: the task, and what is short enough for all."""
    shares: tuple[Share, ...]
    tokens: int
    """Of all material, about."""


def divided(
    message: Message,
    members: Sequence[Member],
    *,
    window: int,
    part: int | None = None,
    brief: str = "",
    wanted: Wanted | None = None,
) -> Division:
    """The message in shares that fit into the members' window, each with the brief.

    Raises Failure where the task and the instructions leave no room for what is to be read.
    """
    bare = message.model_copy(update={"quotes": (), "attachments": ()})
    fixed = max(needed(member, bare, wanted) for member in members)
    material = sum(map(shown, message.quotes)) + sum(map(_of_file, message.attachments))
    if fixed + material <= room(window) and (part is None or material <= room(part)):
        return Division(message, (), raised(material))
    if weight(message.text) > room(window) * _FOR_ALL:
        bare, message = _without_its_text(bare, message, window)
        fixed = max(needed(member, bare, wanted) for member in members)
    common = [quote for quote in message.quotes if quote.kind != "document" or quote.label == CONTEXT]
    if sum(map(shown, common)) > room(window) * _FOR_ALL:
        common = []
    names = [*(quote.label for quote in message.quotes), *(file.name for file in message.attachments)]
    places = NAMED * max((weight(f"{name}:999999-999999, ") for name in names), default=0)
    fixed += weight(brief) + shown(Share().told) + places + sum(map(shown, common))
    left = min(room(window) - fixed, room(part or window))
    rest = [quote for quote in message.quotes if quote not in common]
    try:
        shares = tuple(in_shares(rest, message.attachments, left))
    except NoRoomError:
        raise Failure(
            f"{raised(fixed):,} of the {window:,} tokens that a member takes go to the task and its "
            "instructions, which leaves no room for what is to be read: give a larger window"
        ) from None
    if len(shares) > MOST_SHARES:
        raise Failure(
            f"about {raised(material):,} tokens would be {len(shares):,} parts for a window of {window:,}, "
            f"and {MOST_SHARES:,} are the most: give a larger window, or less to read"
        )
    return Division(bare.with_quotes(*common), shares, raised(material))


def in_shares(quotes: Iterable[Quote], files: Iterable[Attachment], left: float) -> Iterator[Share]:
    """As much in each share as there is room for, in order. Raises NoRoomError."""
    share, used = Share(), 0.0
    texts = (Share((excerpt,)) for excerpt in _excerpts(quotes, left))
    for alone in chain(texts, (Share((), (file,)) for file in files)):
        weighs = sum(map(shown, alone.quotes)) + sum(map(_of_file, alone.files))
        if used + weighs > left and share != Share():
            yield share
            share, used = Share(), 0.0
        share = Share(share.excerpts + alone.excerpts, share.files + alone.files)
        used += weighs
    if share != Share():
        yield share


def _without_its_text(bare: Message, message: Message, window: int) -> tuple[Message, Message]:
    """The messages with the beginning and the end of their text, the whole of which is quoted."""
    whole = Quote(label="task", kind="document", text=message.text, private=message.private)
    least = max(LEAST, int(window * _BEGINNING))
    first = beginning(message.text, least).rstrip()
    last = message.text.rstrip().rpartition("\n\n")[2]
    end = [last] if estimate(last) <= least else []
    text = "\n\n".join([first, _GOES_ON, *end])
    bare = bare.model_copy(update={"text": text})
    return bare, message.model_copy(update={"text": text, "quotes": (whole, *message.quotes)})


_GOES_ON = "(The task is longer than this: all of it is quoted as the document `task`, part by part.)"


def _excerpts(quotes: Iterable[Quote], left: float) -> Iterator[Excerpt]:
    for quote in quotes:
        if shown(quote) <= left:
            yield Excerpt(quote)
            continue
        around = shown(quote.model_copy(update={"text": ""}))
        most = raised((left - around) * (1 - _FOR_HEADINGS)) - ALLOWANCE
        if most < LEAST:
            raise NoRoomError
        yield from _cut(quote, most)


def _cut(quote: Quote, most: int) -> list[Excerpt]:
    """What is quoted, in parts of so many tokens at most; headings above them come on top."""
    numbered = quote.model_copy(update={"first_line": quote.last_line})  # its labels are as long as any

    def weigh(text: str) -> float:
        return weight(numbered.model_copy(update={"text": text}).body())

    pieces = split(quote.text, most, weigh=weigh, first_line=quote.first_line)
    return [_excerpt(quote, piece, most * _FOR_HEADINGS / SAFETY) for piece in pieces if piece.text.strip()]


def _excerpt(quote: Quote, piece: Piece, most: float) -> Excerpt:
    """The piece below as many of its headings as there is room for; the nearest first."""
    above: list[Quote] = []
    for number, text in reversed(piece.above if quote.kind == "document" else ()):
        heading = quote.model_copy(update={"text": text, "first_line": number})
        most -= shown(heading)
        if most < 0:
            break
        above.insert(0, heading)
    part = quote.model_copy(update={"text": piece.text, "first_line": piece.first_line})
    return Excerpt(part, tuple(above))


def _of_file(file: Attachment) -> float:
    return file.tokens_bound / SAFETY
