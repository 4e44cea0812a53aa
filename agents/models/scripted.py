"""A model that says what a test tells it to say."""

import re
from collections.abc import Callable

from guildhall.errors import Failure

from ..message import ModelReply, ModelRequest
from .base import OnText

Step = str | ModelReply | Exception | Callable[[ModelRequest], str | ModelReply]


class ScriptedModel:
    """Gives its steps in order, to whoever asks first; an error is raised, a function is called.

    It fails when it is asked once too often, and `done` when steps are left.
    """

    private = True

    def __init__(self, *steps: Step, name: str = "scripted") -> None:
        self.name = name
        self.requests: list[ModelRequest] = []
        self._steps = steps

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.requests.append(request)
        number = len(self.requests)
        if number > len(self._steps):
            asked = request.turns[-1].text[:80] if request.turns else ""
            raise Failure(
                f"{self.name} has a script of {len(self._steps)} steps and was asked for step {number}, "
                f"with {asked!r}: add a step, or find out who asks",
                kind="script",
            )
        step = self._steps[number - 1]
        if isinstance(step, Exception):
            raise step
        said = step(request) if callable(step) else step
        reply = ModelReply(text=said) if isinstance(said, str) else said
        for word in re.findall(r"\s*\S+\s*$|\s*\S+", reply.text):
            on_text(word)
        return reply if reply.model else reply.model_copy(update={"model": self.name})

    def done(self) -> None:
        """Raise Failure if there are steps that nobody has asked for."""
        left = len(self._steps) - len(self.requests)
        if left > 0:
            raise Failure(
                f"{left} of the {len(self._steps)} steps of {self.name} were never asked for; the first "
                f"of them is {self._steps[-left]!r:.80}",
                kind="script",
            )
