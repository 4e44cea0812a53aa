"""What members can be asked for in place of text: the core's own typed outputs.

Every field is required, so that any provider can hold a model to the schema; what does not apply is empty.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from .message import Frozen

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)


@lru_cache(maxsize=256)
def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a kind; to be read, and never changed."""
    return kind.model_json_schema()


class Wanted(NamedTuple):
    """What an answer must be; `names` are who or what it can name, where that is limited."""

    kind: type[BaseModel]
    names: Sequence[str] = ()
    check: Callable[[Any], str] | None = None
    """Says what else is wrong with a plan, in words that go back to who made it."""

    def parsed(self, text: str) -> BaseModel:
        """The answer that the text is. Raises pydantic's ValidationError."""
        if fenced := _FENCED.match(text):
            text = fenced[1]
        return self.kind.model_validate_json(text, context={"names": tuple(self.names), "check": self.check})


def _known(name: str, info: ValidationInfo) -> str:
    """The name as it was offered, though it may have been written in brackets or capitals."""
    context: Mapping[str, Any] = info.context or {}
    names: Sequence[str] = context.get("names") or ()
    bare = name.strip().strip("[]").strip()
    if not names or bare in names:
        return bare
    for offered in names:
        if offered.casefold() == bare.casefold():
            return offered
    raise ValueError(f"there is no {bare!r:.80}; there are: {', '.join(names)}")


def _known_or_none(name: str, info: ValidationInfo) -> str:
    return _known(name, info) if name.strip() else ""


Named = Annotated[str, AfterValidator(_known)]
NamedOrNone = Annotated[str, AfterValidator(_known_or_none)]
Share = Annotated[float, Field(ge=0, le=1)]


class Kind(Frozen):
    model_config = ConfigDict(extra="forbid")

    def said(self) -> str:
        """The answer as its readers see it."""
        return self.model_dump_json()


class PlanStep(Kind):
    """One piece of work for one worker."""

    id: str
    worker: str
    """The name of a specialist who was offered, or of one that the plan engages."""
    task: str
    needs: tuple[str, ...]
    """The ids of the steps whose answers it works from; none for a step that can start at once."""
    priority: Annotated[int, Field(ge=-100, le=100)]
    """Where calls must wait, those of the steps with a higher one go first; 0 is usual."""
    model: Literal["", "fast", "balanced", "strong"]
    """The tier of model that it takes; empty for the worker's own."""
    expected: str
    """What the answer is to consist of."""
    acceptance: str
    """By what it is seen that the step is done; empty where nothing has to be checked."""


class Engagement(Kind):
    """A specialist who is not there yet, for this plan alone."""

    name: str
    role: str
    """What it is, in a line: `a patent lawyer for medical devices`."""


class Plan(Kind):
    """How a task is divided among specialists."""

    steps: tuple[PlanStep, ...]
    engage: tuple[Engagement, ...]
    """Specialists to add to those who were offered; empty unless that was allowed."""

    @model_validator(mode="after")
    def _can_be_carried_out(self, info: ValidationInfo) -> Self:
        check: Callable[[Plan], str] | None = (info.context or {}).get("check")
        if check is not None and (wrong := check(self)):
            raise ValueError(wrong)
        return self

    def said(self) -> str:
        after = {step.id: f", after {', '.join(step.needs)}" if step.needs else "" for step in self.steps}
        return "\n".join(f"- {step.id} ({step.worker}{after[step.id]}): {step.task}" for step in self.steps)


class Route(Kind):
    """Who is to take a task."""

    worker: Named
    confidence: Share
    """How sure it is that this one is right."""
    reason: str

    def said(self) -> str:
        return f"{self.worker}: {self.reason}"


class Verdict(Kind):
    """Which of several proposals holds."""

    winner: NamedOrNone
    """The label of the proposal; empty where none holds alone and `answer` takes their place."""
    answer: str
    """What is made of several proposals; empty where the winner is right as it stands."""
    reason: str
    dissent: str
    """What speaks against it, or who stays of another opinion; empty where nobody does."""

    @model_validator(mode="after")
    def _decides(self) -> Self:
        if not self.winner and not self.answer.strip():
            raise ValueError("name a winner, or give the answer that takes the place of all")
        return self

    def said(self) -> str:
        lines = [f"{self.winner or 'A synthesis'}: {self.reason}", self.answer]
        lines += [f"Against it: {self.dissent}"] if self.dissent else []
        return "\n\n".join(filter(None, lines))


class Score(Kind):
    """How good an answer is."""

    score: Share
    reason: str
    """What it lacks, so that it can be made better."""

    def said(self) -> str:
        return f"{self.score:.2f}: {self.reason}"


class Review(Kind):
    """Whether an answer is what was asked for."""

    accepted: bool
    reason: str
    """What has to change, where it is not."""

    def said(self) -> str:
        return f"{'accepted' if self.accepted else 'not accepted'}: {self.reason}"


class Ballot(Kind):
    """A vote."""

    ranking: tuple[Named, ...]
    """The labels, the best first; one is enough, none is an abstention."""
    confidence: Share
    reason: str

    def said(self) -> str:
        return f"{' > '.join(self.ranking) or 'abstains'} ({self.confidence:.2f}): {self.reason}"


class Choice(Kind):
    """One of several things that were offered."""

    choice: Named
    reason: str

    def said(self) -> str:
        return f"{self.choice}: {self.reason}"


class Challenge(Kind):
    """What came of an attempt to refute an answer that all share."""

    refuted: bool
    reason: str
    """The strongest that was found against it."""

    def said(self) -> str:
        return f"{'refuted' if self.refuted else 'not refuted'}: {self.reason}"


class Speaker(Kind):
    """Who speaks next."""

    speaker: NamedOrNone
    """Empty where all has been said."""
    reason: str

    def said(self) -> str:
        return f"{self.speaker or 'nobody'}: {self.reason}"


class Passing(Kind):
    """An answer, or to whom the work passes."""

    answer: str
    """To the user; what was found out so far, where the work passes on."""
    to: NamedOrNone
    """Who goes on; empty where the answer is final."""
    reason: str
    """Why that one."""

    def said(self) -> str:
        return f"{self.answer}\n\nTo {self.to}: {self.reason}".strip() if self.to else self.answer


class Letter(Kind):
    """A message from one member to another, or to all."""

    to: Named
    type: Literal["request", "response", "broadcast", "error", "info"]
    topic: str
    """In a word or two, for those who read only what is said of some topics; empty where it has none."""
    text: str
    priority: Annotated[int, Field(ge=-100, le=100)]
    """The letters of a higher one are read first; 0 is usual."""
    requires_response: bool
    """Whether the writer goes on only once it is answered."""
    seconds: Annotated[float, Field(ge=0, le=86_400)]
    """After so many it is no longer of use, and not delivered; 0 for one that keeps."""


class Post(Kind):
    """What a member has to say by now, and what it writes to others."""

    answer: str
    letters: tuple[Letter, ...]

    def said(self) -> str:
        return self.answer


class Finding(Kind):
    """One thing that was found out."""

    about: str
    """The matter, in a few words."""
    text: str
    sources: tuple[str, ...]
    """The labels of what it rests on."""

    def said(self) -> str:
        missing = [f"[{label}]" for label in self.sources if f"[{label}]" not in self.text]
        text = " ".join([self.text, *missing])
        return f"{self.about}: {text}" if self.about else text


class Findings(Kind):
    """What a member adds to what is known."""

    findings: Annotated[tuple[Finding, ...], Field(max_length=20)]
    """Only what is new; none where there is nothing to add."""
    done: bool
    """Whether nothing is left that this member could find out."""

    def said(self) -> str:
        return "\n".join(f"- {finding.said()}" for finding in self.findings) or "nothing to add"


class Claim(Kind):
    """One thing that is said of one matter."""

    about: str
    """The matter, in a few words that others would use for it too: `delivery time`."""
    says: str


class Contribution(Kind):
    """An answer with all that whoever goes on from it has to know."""

    answer: str
    reasons: tuple[str, ...]
    sources: tuple[str, ...]
    """The labels of what it rests on."""
    open_points: tuple[str, ...]
    confidence: Share
    claims: tuple[Claim, ...]

    def said(self) -> str:
        parts = [self.answer]
        for title, lines in (("Reasons", self.reasons), ("Open", self.open_points)):
            if lines:
                parts.append(f"{title}:\n" + "\n".join(f"- {line}" for line in lines))
        if missing := [label for label in self.sources if f"[{label}]" not in self.answer]:
            parts.append("Rests on " + ", ".join(f"[{label}]" for label in missing))
        parts.append(f"Confidence: {self.confidence:.2f}")
        return "\n\n".join(parts)


class Side(Kind):
    """What one member says in a conflict."""

    who: Named
    says: str


class Conflict(Kind):
    """A matter on which members contradict each other."""

    about: str
    sides: Annotated[tuple[Side, ...], Field(min_length=2)]

    def said(self) -> str:
        return f"{self.about}: " + "; ".join(f"{side.who} says {side.says}" for side in self.sides)


class Conflicts(Kind):
    """All contradictions between several answers."""

    conflicts: tuple[Conflict, ...]

    def said(self) -> str:
        return "\n".join(conflict.said() for conflict in self.conflicts) or "no contradiction"


KINDS: tuple[type[Kind], ...] = (
    Plan, Route, Verdict, Score, Review, Ballot, Choice, Challenge, Speaker, Passing, Post, Findings,
    Contribution, Conflicts,
)  # fmt: skip
"""The kinds that can be asked for; the others are only ever parts of these."""


def kind_of(schema: dict[str, object]) -> type[Kind] | None:
    """The kind that the JSON schema is of, None for a schema of somebody else's."""
    for kind in KINDS:
        if schema.get("title") == kind.__name__ and schema == schema_of(kind):
            return kind
    return None
