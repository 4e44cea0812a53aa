"""What happens during a run, in order: the wire format of every face and the record on disk."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from .budget import Amount, Budget
from .message import Frozen, MessageType, QuoteKind, Usage, plain

Outcome = Literal["answered", "failed", "cancelled", "skipped", "waiting"]
"""`waiting` is a pause until a human has answered; `cancelled` follows where nobody wants that any more."""
Choice = Literal[
    "pattern", "plan", "route", "speaker", "handoff", "model", "journal", "cache", "budget", "limit",
    "vote", "verdict", "gate", "challenge", "conflict", "check", "score", "step", "handover", "memory",
    "watchdog",
]  # fmt: skip
"""What is decided."""


class Source(Frozen):
    """Something that an answer rests on."""

    label: str
    """How the answer cites it: `contract.md:12`, `memory:1f3a9c02`."""
    kind: QuoteKind
    text: str = ""
    """The beginning of what stands there; empty where the whole is meant."""


class _Event(Frozen):
    """`id` rises by one within a run; `path` is the span, and so who worked for whom; `at` is in seconds."""

    id: int
    run: str
    path: str
    who: str
    at: float
    v: int = 1


class RunStarted(_Event):
    kind: Literal["run_started"] = "run_started"
    team: str
    pattern: str = ""
    task: str
    budget: Budget
    resumed: bool = False


class RunFinished(_Event):
    kind: Literal["run_finished"] = "run_finished"
    outcome: Outcome
    text: str
    """The answer, or why there is none."""
    spent: Amount
    seconds: float = 0.0
    cited: tuple[Source, ...] = ()
    notices: tuple[str, ...] = ()
    """What a reader of the answer should know, in sentences."""
    private: bool = False
    """Whether private data was seen."""


class Started(_Event):
    """A member was given something to do."""

    kind: Literal["started"] = "started"
    task: str
    brief: str = ""
    """What it was to do about the task."""
    role: str = ""
    models: tuple[str, ...] = ()
    sources: tuple[int, ...] = ()
    """The events that what it was given rests on."""


class Finished(_Event):
    kind: Literal["finished"] = "finished"
    outcome: Outcome
    text: str
    """The answer, or why there is none."""
    sources: tuple[int, ...] = ()


class Asked(_Event):
    """A model call was sent. Exactly one `replied` or `lost` with this `asked` follows, whatever happens."""

    kind: Literal["asked"] = "asked"
    model: str
    attempt: int
    reserved: Amount


class Replied(_Event):
    """A model's reply; one that is `cached` was not asked for again (`asked` is 0) and cost nothing."""

    kind: Literal["replied"] = "replied"
    asked: int
    cached: bool = False
    text: str
    model: str
    usage: Usage | None
    spent: Amount


class Lost(_Event):
    """A model call ended without a reply; `error` is one of the kinds of ProviderError, or `cancelled`."""

    kind: Literal["lost"] = "lost"
    asked: int
    error: str
    text: str
    spent: Amount


class Called(_Event):
    """A tool was called, because the reply of event `reply` asked for it and said `why`."""

    kind: Literal["called"] = "called"
    tool: str
    arguments: dict[str, Any]
    reply: int = 0
    why: str = ""
    inputs: tuple[int, ...] = ()
    """The events that the caller worked from."""


class Returned(_Event):
    kind: Literal["returned"] = "returned"
    called: int
    text: str
    failed: bool
    trust: float | None = None
    """How far the tool is trusted."""


class Said(_Event):
    """What one member had said was passed on."""

    kind: Literal["said"] = "said"
    to: str
    also: tuple[str, ...] = ()
    """Whoever else was told the same."""
    type: MessageType = "info"
    text: str
    sources: tuple[int, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """The names of all who were told."""
        return (self.to, *self.also)


class Recalled(_Event):
    kind: Literal["recalled"] = "recalled"
    query: str
    records: tuple[str, ...]
    texts: tuple[str, ...] = ()
    trust: float | None = None
    """How far the least of them is trusted."""


class Remembered(_Event):
    kind: Literal["remembered"] = "remembered"
    record: str
    text: str = ""


class Question(_Event):
    """A human is asked, in a resumed run once more; `options` are the answers offered."""

    kind: Literal["question"] = "question"
    name: str = ""
    """The id under which it is answered."""
    text: str
    options: tuple[str, ...] = ()
    deadline: float | None = None


class Answered(_Event):
    """What became of the question of that event: a human answered, or nobody did by the deadline, or nobody
    wants to know any more."""

    kind: Literal["answered"] = "answered"
    question: int
    text: str
    """Empty where there is no answer."""
    by: Literal["user", "deadline", "nobody"] = "user"


class Decided(_Event):
    """Something was chosen. `data` of a plan: its steps (id, who, task, needs); of a vote: who is for what;
    of a conflict: who claims what."""

    kind: Literal["decided"] = "decided"
    what: Choice
    choice: str
    reason: str = ""
    evidence: tuple[int, ...] = ()
    data: Any = None


Event = Annotated[
    RunStarted | RunFinished | Started | Finished | Asked | Replied | Lost | Called | Returned
    | Said | Recalled | Remembered | Question | Answered | Decided,
    Field(discriminator="kind"),
]  # fmt: skip
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def dumped(event: Event) -> str:
    """The event as JSON, whatever its parts hold."""
    try:
        return event.model_dump_json(fallback=str)
    except ValueError:  # a lone surrogate, or what refers to itself
        return plain(json.dumps(event.model_dump(), default=str, ensure_ascii=False))
