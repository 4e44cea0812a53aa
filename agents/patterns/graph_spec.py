"""The steps of a graph as a team's file lays them out."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from guildhall.errors import UserError

from ..kinds import Contribution, Kind, Review, Route, Score, Verdict
from ..run import Member
from ..spec_types import Cast, Line, Name, Names, Spec, TeamSpec, Wrong
from .graph import MOST_ROUNDS, MOST_STEPS, Graph, Repeat, Step, check_steps

OUTPUTS: dict[str, type[Kind]] = {
    "score": Score, "review": Review, "verdict": Verdict, "route": Route, "contribution": Contribution,
}  # fmt: skip
"""What a step of a graph can be made to answer, so that conditions can look into it."""


class RepeatSpec(Spec):
    """A way back."""

    to: Name
    when: Line
    most: Annotated[int, Field(ge=2, le=MOST_ROUNDS)] = 3


class StepSpec(Spec):
    """One step of a graph."""

    id: Name
    member: Name
    task: Line
    needs: Names = ()
    when: Line | None = None
    repeat: RepeatSpec | None = None
    output: Literal["score", "review", "verdict", "route", "contribution"] | None = None
    choices: Annotated[Names, Field(max_length=20)] = ()
    priority: Annotated[int, Field(ge=-100, le=100)] = 0

    @model_validator(mode="after")
    def _choices_can_be_chosen_from(self) -> Self:
        if self.choices and self.output:
            raise ValueError(f"step {self.id!r} has choices, which are its output; delete `output`")
        if (self.choices and len(set(self.choices)) < 2) or len(set(self.choices)) < len(self.choices):
            raise ValueError(f"step {self.id!r} needs two choices or more that differ")
        return self

    def made(self) -> Step:
        again = Repeat(self.repeat.to, self.repeat.when, self.repeat.most) if self.repeat else None
        return Step(
            id=self.id,
            member=self.member,
            task=self.task,
            needs=self.needs,
            when=self.when or "",
            repeat=again,
            output=OUTPUTS[self.output] if self.output else None,
            choices=self.choices,
            priority=self.priority,
        )


class GraphSpec(TeamSpec):
    """Steps that the file lays out; each starts when those it needs have ended."""

    ROLES: ClassVar[tuple[str, ...]] = ("synthesizer",)

    pattern: Literal["graph"] = "graph"
    steps: Annotated[tuple[StepSpec, ...], Field(strict=False, min_length=1, max_length=MOST_STEPS)]
    synthesizer: Name | None = None
    need: Annotated[int, Field(ge=1)] = 1
    """Fewer answers of the last steps than this fail the team; of all steps, if there is a synthesizer."""

    @classmethod
    def of(cls, team: TeamSpec) -> Self:
        raise UserError(
            f"{team.name} has no steps, which the pattern graph needs; write them into its file, or take "
            "another pattern"
        )

    def made(self, cast: Cast) -> Member:
        steps = [step.made() for step in self.steps]
        return Graph(self.name, cast.members(), steps, cast.role("synthesizer"), self.need)

    @model_validator(mode="after")
    def _steps_can_be_taken(self) -> Self:
        try:
            check_steps(self.name, self.members, [step.made() for step in self.steps])
        except UserError as error:
            raise Wrong("steps", str(error)) from None
        needed = {need for step in self.steps for need in step.needs}
        last = sum(step.id not in needed for step in self.steps)
        if self.need > (most := len(self.steps) if self.synthesizer else last):
            raise Wrong("need", f"{self.need} answers of {most} steps that count; at most {most}")
        return self
