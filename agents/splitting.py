"""A long text in pieces that a model can take, by the estimate of its tokens."""

from guildhall.memory.splitting import Above, Piece, Weigh, paragraphs
from guildhall.memory.splitting import split as _split

from .tokens import ALLOWANCE, SAFETY, weight

__all__ = ["Above", "Piece", "Weigh", "beginning", "paragraphs", "split"]


def split(text: str, most: int, *, weigh: Weigh = weight, first_line: int = 1) -> list[Piece]:
    """The text in pieces of at most `most` tokens by the estimate, what they weigh where they are shown."""
    return _split(text, (most - ALLOWANCE) / SAFETY, weigh=weigh, first_line=first_line)


def beginning(text: str, most: int) -> str:
    """The first piece of the text, for which what is far behind it is not looked at."""
    end, room = most, (most - ALLOWANCE) / SAFETY
    while end < len(text) and weight(text[:end]) <= 2 * room:
        end *= 2
    return split(text[:end], most)[0].text
