"""A long text in pieces that a model can take, by the estimate of its tokens."""

from guildhall.memory.splitting import Above, Piece, Weigh, paragraphs
from guildhall.memory.splitting import split as _split

from .tokens import ALLOWANCE, SAFETY, weight

__all__ = ["Above", "Piece", "Weigh", "paragraphs", "split"]


def split(text: str, most: int, *, weigh: Weigh = weight, first_line: int = 1) -> list[Piece]:
    """The text in pieces of at most `most` tokens by the estimate, what they weigh where they are shown."""
    return _split(text, (most - ALLOWANCE) / SAFETY, weigh=weigh, first_line=first_line)
