"""Files become members."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import ValidationError

from guildhall.errors import NameUnknown, UserError

from .agent import Agent
from .config import Preference, Tier
from .discovery import Library
from .knowledge import Knowledge, Reading, known_to
from .models.catalog import Catalog
from .models.router import Candidates
from .pattern_specs import PATTERNS
from .patterns.human import Human
from .patterns.supervised_spec import supervised
from .roles import role_notices
from .run import Member
from .spec_types import SpecialistSpec, TeamSpec
from .tool import Tool

READING = ("read_file", "search_files", "recall")
"""The tools of those who have no file of their own."""
_Specs = Mapping[str, SpecialistSpec | TeamSpec]


class _Outer(NamedTuple):
    """What the teams around a member say for it."""

    brief: str = ""
    preference: Preference | None = None


@dataclass
class TeamBuilder:
    """Builds the members of one run: who they are, which models they ask, which tools they have."""

    library: Library
    catalog: Catalog
    tools: Mapping[str, Tool]
    model: str | None = None
    """The model of everybody, whatever the files say."""
    preference: Preference | None = None
    """What counts most in choosing everybody's models, whatever the files say."""
    agents: list[Agent] = field(default_factory=list)
    """Everybody that was built, in order."""
    notices: list[str] = field(default_factory=list)
    reading: Reading = field(default_factory=Reading)

    def __post_init__(self) -> None:
        self.library = self.library.steady()

    def team(self, name: str, *, pattern: str | None = None) -> tuple[Member, TeamSpec]:
        """The team of that name, its members working together in `pattern` if one is given."""
        specs, spec = self.library.resolve(name), self.library.team(name)
        specs |= {seat: specs[member] for seat, member in spec.seats.items()}
        spec = self._in_pattern(spec, pattern)
        return self._team(spec, specs, _Outer()), spec

    def specialist(self, name: str) -> Member:
        return self._specialist(self.library.specialist(name), _Outer(), None, "balanced")

    def role(self, words: str) -> Agent:
        """A specialist for a role that is described in words."""
        words = " ".join(words.split())
        models = self._models(self.model, "balanced", None)
        agent = Agent(
            name=_called(words),
            instructions=f"You are {words}. Do what you are asked as that person would, and to the point.",
            models=models,
            tools=self._tools(READING, words),
            role=words,
        )
        return self._added(agent)

    def _team(self, spec: TeamSpec, specs: _Specs, outer: _Outer) -> Member:
        brief = "\n\n".join(filter(None, [outer.brief, spec.brief]))
        roles = {one.name: one for one in (self._spec(name, specs) for name in spec.members)}
        self.notices += role_notices(spec, [*roles.values()])
        cast = _Cast(self, spec, specs, _Outer(brief, spec.preference or outer.preference))
        return supervised(spec.made(cast), spec, cast)

    def _spec(self, name: str, specs: _Specs) -> SpecialistSpec | TeamSpec:
        return specs.get(name) or self.library.specialist(name)

    def member(self, name: str, team: TeamSpec, specs: _Specs, said: _Outer, tier: Tier) -> Member:
        """The member of that name as it takes part in the team."""
        spec = self._spec(name, specs).model_copy(update={"name": name})
        if isinstance(spec, TeamSpec):
            return self._team(spec, specs, said)
        return self._specialist(spec, said, team.models.get(name), tier)

    def temporary(self, said: _Outer, tier: Tier) -> Agent:
        """What a specialist is made of whom a manager engages: the work says what it is."""
        agent = Agent(
            name="temporary",
            instructions="\n\n".join(filter(None, [_TEMPORARY, said.brief])),
            models=self._models(self.model, tier, said.preference),
            tools=self._tools(READING, "a temporary specialist"),
            role="whoever the manager engages for one task",
        )
        return self._added(agent)

    def _specialist(self, spec: SpecialistSpec, said: _Outer, pinned: str | None, tier: Tier) -> Member:
        if not spec.human:
            return self._agent(spec, said, pinned, tier)
        return Human(
            name=spec.name,
            role=spec.description,
            instructions="\n\n".join(filter(None, [spec.instructions, said.brief])),
            timeout=spec.timeout,
            capabilities=spec.capabilities,
        )

    def _agent(self, spec: SpecialistSpec, said: _Outer, pinned: str | None, tier: Tier) -> Agent:
        wish = self.model or pinned or spec.model
        models = self._models(wish, tier, spec.preference or said.preference)
        knowledge = self._knowledge(spec)
        tools = self._tools(spec.tools, spec.name)
        agent = Agent(
            name=spec.name,
            instructions="\n\n".join(filter(None, [spec.instructions, said.brief])),
            models=models,
            tools=(*tools, knowledge.tool) if knowledge else tools,
            role=spec.description,
            capabilities=spec.capabilities,
            effort=spec.effort,
            memory=spec.memory,
            knowledge=knowledge,
        )
        agent = agent if spec.max_turns is None else replace(agent, turns=spec.max_turns)
        return self._added(agent)

    def _knowledge(self, spec: SpecialistSpec) -> Knowledge | None:
        if not spec.knowledge:
            return None
        base, within = self.library.paths_of(spec.name)
        return known_to(
            spec.name, spec.knowledge, base=base, within=within, project=self.library.project,
            reading=self.reading,
        )  # fmt: skip

    def _models(self, wish: str | None, tier: Tier, preference: Preference | None) -> Candidates:
        """What the next member may ask; the run's preference wins over that of files."""
        return self.catalog.models_for(
            wish, default=tier, seat=len(self.agents), preference=self.preference or preference
        )

    def _added(self, agent: Agent) -> Agent:
        self.agents.append(agent)
        if agent.models[0].name == "extractive":
            self.notices.append(self.catalog.why_extractive)
        return agent

    def _tools(self, names: Sequence[str], who: str) -> tuple[Tool, ...]:
        for name in names:
            if name not in self.tools:
                raise UserError(f"{who} names the tool {name!r}; there are: {', '.join(sorted(self.tools))}")
        return tuple(self.tools[name] for name in names)

    def _in_pattern(self, spec: TeamSpec, pattern: str | None) -> TeamSpec:
        """The same members in another pattern, with the team's own roles or else the built-in ones."""
        if pattern is None or pattern == spec.pattern:
            return spec
        if pattern not in PATTERNS:
            raise NameUnknown("pattern", pattern, PATTERNS)
        pinned = {seat: spec.models[name] for seat, name in spec.seats.items() if name in spec.models}
        seats = {"members": tuple(spec.seats), "models": spec.models | pinned}
        try:
            return PATTERNS[pattern].of(spec.model_copy(update=seats))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise UserError(f"{spec.name} cannot work in the pattern {pattern}: {problem}") from None


class _Cast:
    """Those who take part in one team, each made once, when it is first asked for."""

    def __init__(self, builder: TeamBuilder, spec: TeamSpec, specs: _Specs, said: _Outer) -> None:
        self._builder, self._spec, self._specs, self._said = builder, spec, specs, said
        self._made: dict[str, Member] = {}

    def members(self, tier: Tier = "balanced") -> list[Member]:
        return [self._member(name, tier) for name in self._spec.members]

    def role(self, key: str, tier: Tier = "strong") -> Member | None:
        return self.filled(key, tier) if self._spec.roles.get(key) else None

    def filled(self, key: str, tier: Tier = "strong") -> Member:
        return self._member(self._spec.roles[key], tier)

    def named(self, name: str, tier: Tier = "strong") -> Member:
        return self._member(name, tier)

    def temporary(self, tier: Tier = "balanced") -> Agent:
        return self._builder.temporary(self._said, tier)

    def _member(self, name: str, tier: Tier) -> Member:
        if name not in self._made:
            self._made[name] = self._builder.member(name, self._spec, self._specs, self._said, tier)
        return self._made[name]


_TEMPORARY = (
    "You are a specialist who was engaged for one piece of work, which says what you are. Do it as that "
    "person would, and to the point."
)


def _called(words: str) -> str:
    """A name for a role: `patent-lawyer` for "a patent lawyer for chemistry"."""
    telling = re.findall(r"[a-z0-9]+", re.sub(r"\b(?:an?|the)\b", " ", words.lower()))
    return "-".join(telling[:3])[:40] or "specialist"
