"""A manager and its workers as a team's file names them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ..run import Member
from ..spec_types import Cast, Name, TeamSpec, Wrong
from .hierarchy import MOST_ENGAGED, MOST_REPLANS, MOST_REVISIONS, Hierarchy
from .planning import MOST_STEPS


class HierarchySpec(TeamSpec):
    """The manager plans the task as steps for the members, sees that they are done, and makes one answer."""

    ROLES: ClassVar[tuple[str, ...]] = ("manager", "synthesizer")

    pattern: Literal["hierarchy"] = "hierarchy"
    manager: Name = "manager"
    synthesizer: Name | None = None
    """Makes one answer of all; the manager, if nobody is named."""
    workers: Literal["members", "any"] = "members"
    """`any` lets the manager engage specialists who are not there, for one task."""
    most_engaged: Annotated[int, Field(ge=1, le=MOST_ENGAGED)] = 3
    most_steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 20
    """Of one plan."""
    revisions: Annotated[int, Field(ge=0, le=MOST_REVISIONS)] = 1
    """How often a step is done again whose answer was not accepted."""
    replan: Annotated[int, Field(ge=0, le=MOST_REPLANS)] = 1
    """How often what is left is planned anew when steps have failed."""
    stall_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """A step that takes longer is stopped, and has failed."""
    need: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 1
    """Fewer steps done than this fail the team."""

    def made(self, cast: Cast) -> Member:
        return Hierarchy(
            self.name,
            cast.members(),
            cast.filled("manager"),
            temporary=cast.temporary() if self.workers == "any" else None,
            revisions=self.revisions,
            replan=self.replan,
            stall_seconds=self.stall_seconds,
            need=self.need,
            synthesizer=cast.role("synthesizer"),
            most_engaged=self.most_engaged,
            most_steps=self.most_steps,
        )

    @model_validator(mode="after")
    def _need_can_be_met(self) -> "HierarchySpec":
        if self.need > self.most_steps:
            raise Wrong("need", f"{self.need} steps of at most {self.most_steps}")
        if "most_engaged" in self.model_fields_set and self.workers != "any":
            raise Wrong("most_engaged", "nobody can be engaged; write `workers: any` beside it")
        return self
