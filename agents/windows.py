"""How much a member takes at once, and how much of that a message needs; in tokens, estimated."""

import json
import math
from typing import Any

from guildhall.memory.conversation import in_short

from .choosing import workers
from .kinds import Wanted, schema_of
from .message import Message, ModelRequest, Quote, Turn
from .models.base import Model
from .models.router import Candidates
from .tokens import ALLOWANCE, SAFETY, estimate, weight

WINDOW = 50_000
"""Tokens that a member takes at once of whose models nobody knows more."""
_MARK = "quoted-00000000"
_AFTERWARDS = 0.75
"""The part of a window that a conversation takes once it was shortened, so that this is seldom done."""


def window_of(member: object) -> int:
    """Half of what the smallest model takes that may be asked; the rest is for its replies and tools."""
    return min((_context(worker) // 2 for worker in workers(member)), default=WINDOW)


def needed(member: object, message: Message, wanted: Wanted | None = None) -> float:
    """What the message weighs, with all that goes before it, for whoever in the member is told most."""
    schema = json.dumps(schema_of(wanted.kind)) if wanted else ""
    return max(_asked(worker, message) for worker in workers(member)) + weight(schema)


def shown(quote: Quote) -> float:
    """What the quote weighs as a model is shown it."""
    return weight(Turn(role="user", quotes=(quote,), mark=_MARK).prompt())


def room(window: int) -> float:
    """What all that goes into the window may weigh."""
    return (window - ALLOWANCE) / SAFETY


def fitted(turns: list[Turn], tokens: float) -> list[Turn]:
    """The turns of one agent in so many tokens, as far as that can be had: where they are too many, the
    results of tools are told in short, the oldest first.

    The instructions, the task and what was said stay, and the results that were not answered yet.
    """
    if sum(len(turn.text) for turn in turns) < tokens / 4:  # a character takes no more than four
        return turns
    sizes = [estimate(turn.prompt()) for turn in turns]
    if sum(sizes) <= tokens:
        return turns
    last = max((at for at, turn in enumerate(turns) if turn.role == "assistant"), default=0)
    shorter, left = list(turns), sum(sizes) - tokens * _AFTERWARDS
    for at, turn in enumerate(turns[:last]):
        if left > 0 and turn.role == "tool":
            shorter[at] = turn.model_copy(update={"text": in_short(turn.text, count=estimate)})
            left -= sizes[at] - estimate(shorter[at].text)
    return shorter


def context_for(worker: object, model: Model) -> float:
    """Tokens that this model of the worker takes; infinite, where that is not known."""
    models = getattr(worker, "models", ())
    if isinstance(models, Candidates):
        rows = [one.row for one in models.candidates if one.model is model]
        return next((row.context for row in rows if row and row.context), math.inf)
    return getattr(model, "context", None) or math.inf


def _asked(worker: Any, message: Message) -> float:
    if hasattr(worker, "first_request"):
        request: ModelRequest = worker.first_request(message)
    else:
        turn = Turn(role="user", text=message.text, brief=message.brief, quotes=message.quotes)
        request = ModelRequest(turns=(turn.model_copy(update={"attachments": message.attachments}),))
    files = sum(file.tokens_bound for turn in request.turns for file in turn.attachments)
    beside = json.dumps([*(tool.model_dump() for tool in request.tools), request.output])
    marks = 2 * weight(_MARK) * len(message.quotes)
    return sum(weight(turn.prompt()) for turn in request.turns) + weight(beside) + marks + files / SAFETY


def context_of(worker: object) -> float:
    """Tokens that the largest of its models takes; infinite where one of them is not known."""
    return max((size or math.inf for size in _contexts(worker)), default=math.inf)


def _context(worker: object) -> int:
    """Tokens that the smallest of its models takes; that of one which nobody knows is put at the usual."""
    return min((size or 2 * WINDOW for size in _contexts(worker)), default=2 * WINDOW)


def _contexts(worker: object) -> list[int | None]:
    models = getattr(worker, "models", ())
    if isinstance(models, Candidates):
        return [candidate.row.context if candidate.row else None for candidate in models.candidates]
    return [getattr(model, "context", None) for model in models]
