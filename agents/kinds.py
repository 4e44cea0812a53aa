"""What members can be asked for in place of text: the core's own typed outputs."""

from pydantic import ConfigDict, Field

from .message import Frozen


class Kind(Frozen):
    model_config = ConfigDict(extra="forbid")


class PlanStep(Kind):
    """One piece of work for one worker."""

    id: str
    worker: str
    """The name of a specialist who was offered."""
    task: str
    needs: tuple[str, ...]
    """The ids of the steps whose answers it works from; none for a step that can start at once."""


class Plan(Kind):
    """How a task is divided among specialists."""

    steps: tuple[PlanStep, ...]


class Route(Kind):
    """Who is to take a task."""

    worker: str
    reason: str


class Verdict(Kind):
    """Which of several proposals holds."""

    winner: str
    """The label of the proposal."""
    reason: str
    dissent: str
    """What speaks against it, or who stays of another opinion; empty where nobody does."""


class Score(Kind):
    """How good an answer is."""

    score: float = Field(ge=0, le=1)
    reason: str


KINDS: tuple[type[Kind], ...] = (Plan, Route, Verdict, Score)
"""The kinds that can be asked for; a PlanStep is only ever part of a Plan."""


def kind_of(schema: dict[str, object]) -> type[Kind] | None:
    """The kind that the JSON schema is of, None for a schema of somebody else's."""
    for kind in KINDS:
        if schema.get("title") == kind.__name__ and schema == kind.model_json_schema():
            return kind
    return None
