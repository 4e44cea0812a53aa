"""What tests of managers share: plans as a model writes them, and a model that answers as it is asked."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from guildhall.agents import Agent, Message, ModelReply, ModelRequest, Run, Usage
from guildhall.agents.models.base import OnText
from guildhall.agents.testing import StubMember


def step(id_: str, worker: str, *needs: str, **more: Any) -> dict[str, Any]:
    """A step as it stands in a plan."""
    return {
        "id": id_, "worker": worker, "task": f"Do {id_}.", "needs": list(needs), "priority": 0, "model": "",
        "expected": "", "acceptance": "", **more,
    }  # fmt: skip


def plan(*steps: dict[str, Any], engage: Sequence[tuple[str, str]] = ()) -> str:
    """A plan as a model writes it."""
    engaged = [{"name": name, "role": role} for name, role in engage]
    return json.dumps({"steps": list(steps), "engage": engaged})


def accept_all(answer: str) -> str:
    return ""


@dataclass
class Managing:
    """A manager's model: gives the plans in order, objects as it is told, and makes one answer of all.

    What it is made to give wins over that: by `given`, for a plan, a review or an answer.
    """

    plans: Sequence[str | Exception]
    objection: Callable[[str], str] = accept_all
    """What is wrong with an answer; an empty text if nothing is."""
    given: dict[str, str | Exception] = field(default_factory=dict)
    name: str = "managing"
    price: tuple[float, float] | None = (1.0, 1.0)
    planned: list[ModelRequest] = field(default_factory=list)
    reviewed: list[ModelRequest] = field(default_factory=list)
    integrated: list[ModelRequest] = field(default_factory=list)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        await asyncio.sleep(0)
        kind = (request.output or {}).get("title", "answer")
        asked = {"Plan": self.planned, "Review": self.reviewed}.get(kind, self.integrated)
        asked.append(request)
        said = self.given.get(kind.lower()) or self._said(kind, request)
        if isinstance(said, Exception):
            raise said
        return ModelReply(text=said, usage=Usage(input=10, output=5), model=self.name)

    def _said(self, kind: str, request: ModelRequest) -> str | Exception:
        quotes = request.turns[1].quotes
        if kind == "Plan":
            return self.plans[min(len(self.planned), len(self.plans)) - 1]
        if kind == "Review":
            wrong = self.objection(quotes[-1].text)
            return json.dumps({"accepted": not wrong, "reason": wrong})
        found = [quote for quote in quotes if quote.kind == "answer"]
        return "made of " + ", ".join(f"lacking {q.label}" if q.failed else q.text for q in found)


def managed(*plans: str | Exception, **more: Any) -> tuple[Agent, Managing]:
    """A manager, and the model that it asks."""
    model = Managing(plans, **more)
    return Agent("boss", "You manage.", [model]), model


@dataclass
class Working(StubMember):
    """A worker that says which step it did, with what it was shown, and can be told what to do before."""

    before: Callable[[Message], Any] | None = None

    async def run(self, message: Message, run: Run) -> Message:
        self.messages.append(message)
        if self.before is not None and (waiting := self.before(message)) is not None:
            await waiting
        if isinstance(self.answer, Exception):
            raise self.answer
        id_ = run.path.rpartition("/")[2].removeprefix("step:")
        return run.answer(message, f"{self.name} did {id_}", sources=message.sources)


def labels(message: Message, kind: str = "answer") -> list[str]:
    return [quote.label for quote in message.quotes if quote.kind == kind]


async def never(*_: object) -> None:
    await asyncio.Event().wait()
