"""What an agent asks: anything that turns a request into a reply."""

from collections.abc import Callable
from typing import Protocol

from ..message import ModelReply, ModelRequest

OnText = Callable[[str], None]
"""Takes each piece of the reply's text as it streams in, and an empty one for what comes beside the text."""


class Model(Protocol):
    """One way to get a reply. `complete` makes one attempt; failures that it knows are ProviderErrors.

    It may also have a `price` (see Price), be `private` (it may see what is), have an `identity` (what its
    replies are kept under), an `account` (whose limits it shares), a `context` (how many tokens it takes),
    and an async `ready` (called first).
    """

    @property
    def name(self) -> str:
        """`provider:model`, as a user writes it."""
        ...

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply: ...


def account_of(model: object) -> str:
    """What its limits and its failures are noted under."""
    return str(getattr(model, "account", "") or getattr(model, "name", model))
