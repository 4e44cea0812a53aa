"""What an agent asks: anything that turns a request into a reply."""

from collections.abc import Callable
from typing import Protocol

from ..message import ModelReply, ModelRequest

OnText = Callable[[str], None]
"""Takes each piece of the reply's text as it streams in, and an empty one for what comes beside the text."""


class Model(Protocol):
    """One way to get a reply. `complete` makes one attempt; failures that it knows are ProviderErrors."""

    @property
    def name(self) -> str:
        """`provider:model`, as a user writes it."""
        ...

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply: ...
