"""What specialist and team files have in common, and what each kind of value in them can be."""

import re
import reprlib
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from .agent import Agent
from .budget import Budget
from .config import TIERS, Preference, Tier
from .hidden import find_hidden
from .message import Effort
from .rules import Rules
from .run import Member

SYNTHESIZER = "synthesizer"
"""The built-in specialist that makes one answer of many."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_MODEL = re.compile(r"[a-z][a-z0-9-]{0,39}:[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")


class Cast(Protocol):
    """Gives a pattern those who take part, once they are made."""

    def members(self, tier: Tier = "balanced") -> list[Member]:
        """The team's members in order; those that name no model are of that tier."""
        ...

    def role(self, key: str, tier: Tier = "strong") -> Member | None:
        """Whoever the team names under that key, or nobody."""
        ...

    def filled(self, key: str, tier: Tier = "strong") -> Member:
        """Whoever the team names under that key, which always names somebody."""
        ...

    def named(self, name: str, tier: Tier = "strong") -> Member:
        """Whoever has that name, which must be one of the spec's `everyone`."""
        ...

    def temporary(self, tier: Tier = "balanced") -> Agent:
        """What a specialist is made of who is engaged for one task: it reads, and changes nothing."""
        ...


class Wrong(ValueError):
    """A problem of one key that shows only beside the others."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("a name has 1 to 64 of the characters a-z, 0-9, - and _, and begins with a letter")
    return text


def _model(text: str) -> str:
    if text not in (*TIERS, "extractive") and not _MODEL.fullmatch(text):
        raise ValueError(f"a model is {', '.join(TIERS)}, extractive, or provider:name")
    return text


def visible(text: str) -> str:
    if found := find_hidden(text):
        raise ValueError(f"the hidden character {found.what} is not allowed; delete it")
    if not (text := unicodedata.normalize("NFC", text).strip()):
        raise ValueError("it is empty; write at least a word")
    return text


def _place(text: str) -> str:
    if "\\" in text or ":" in text or ".." in text.split("/") or set(text) & set("*?\n\t"):
        raise ValueError(
            "write the path of a file or folder with / in it, such as docs/law, without .. and *"
        )
    return text


Name = Annotated[str, AfterValidator(_name)]
ModelName = Annotated[str, AfterValidator(_model)]
Line = Annotated[str, Field(max_length=2_000), AfterValidator(visible)]
Place = Annotated[str, Field(max_length=1_000), AfterValidator(visible), AfterValidator(_place)]
Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=100)]
Lines = Annotated[tuple[Line, ...], Field(strict=False, max_length=100)]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """Refuses an unknown key, and what has no keys, in our words, however deep it stands."""
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            keys = ", ".join(cls.model_fields)
            raise ValueError(f"write keys with their values; its keys are {keys}")  # noqa: TRY004  pydantic's
        for key in data:
            if key not in cls.model_fields:
                raise ValueError(f"there is no key {key!r:.80}; {allowed(key, cls.model_fields)}")
        return data


class FileSpec(Spec):
    BODY: ClassVar[str]
    """The field that holds the text below the front matter."""

    name: Name
    description: Line


class SpecialistSpec(FileSpec):
    """One specialist; the text below the front matter is its instructions."""

    BODY: ClassVar[str] = "instructions"

    capabilities: Lines = ()
    """Words and phrases by which work is matched to it."""
    model: ModelName | None = None
    preference: Preference | None = None
    """What counts most where its model is chosen."""
    tools: Names = ()
    knowledge: Annotated[tuple[Place, ...], Field(strict=False, max_length=20)] = ()
    """Files and folders that it recalls from; in a project they begin at its root."""
    effort: Effort | None = None
    max_turns: Annotated[int, Field(ge=1, le=100)] | None = None
    memory: bool = True
    """Whether it is shown what memory knows of its task."""
    human: bool = False
    """Whether it is no model but the user, who is asked."""
    timeout: Annotated[float, Field(gt=0, le=365 * 86_400)] | None = None
    """Seconds that a human has for an answer."""
    instructions: Annotated[str, AfterValidator(visible)]

    @model_validator(mode="after")
    def _is_model_or_human(self) -> Self:
        for key in ("model", "preference", "tools", "knowledge", "effort", "max_turns"):
            if self.human and getattr(self, key):
                raise Wrong(key, "a human has none; delete it, or delete `human: true`")
        if self.timeout is not None and not self.human:
            raise Wrong("timeout", "it is the time that a human has to answer; write `human: true` beside it")
        return self


class BudgetSpec(Spec):
    """Limits of one run, as a file states them."""

    usd: Annotated[float, Field(gt=0, le=100_000)] | None = None
    tokens: Annotated[int, Field(gt=0, le=10**10)] | None = None
    calls: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=30 * 86_400)] | None = None

    def to_budget(self) -> Budget:
        return Budget(**self.model_dump())


class HandoverSpec(Spec):
    """How answers are passed on from member to member."""

    tokens: Annotated[int, Field(ge=200, le=10**7)] | None = None
    """Of all that one member is handed at once, at most; what is left out then is named."""
    typed: bool = False
    """Whether answers are asked for with reasons, sources and open points apart."""


_OF_CHECKS = {
    "quality": ("threshold", "criteria", "judge"),
    "policy": ("forbid", "rules", "judge"),
    "acceptance": ("criteria", "judge"),
    "citations": (),
}
"""The keys of each check."""


class CheckSpec(Spec):
    """One thing that is checked before an answer leaves; where it has no keys, its name is enough."""

    check: Literal["quality", "policy", "citations", "acceptance"]
    judge: Name = "critic"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7
    criteria: Line | None = None
    forbid: Lines = ()
    """Words and phrases that must not stand in an answer, in any of their forms."""
    rules: Line | None = None
    """What an answer has to keep, as a member can see it."""

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, data: Any) -> Any:
        return {"check": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _has_its_keys(self) -> Self:
        for key in self.model_fields_set - {"check"}:
            if key not in (keys := _OF_CHECKS[self.check]):
                there = allowed(key, keys) if keys else "it has none"
                raise ValueError(f"{key} is no key of the check {self.check}; {there}")
        if self.check == "policy" and not (self.forbid or self.rules):
            raise ValueError("a policy needs words to forbid, or rules")
        if self.check == "acceptance" and not self.criteria:
            raise ValueError("an acceptance needs criteria: what an answer has to be")
        return self

    @property
    def asks(self) -> bool:
        """Whether a member makes it."""
        return self.check in ("quality", "acceptance") or bool(self.rules)


class ConflictSpec(Spec):
    """What is done where members contradict each other; the rule alone is enough."""

    rule: Literal["judge", "majority", "trusted", "human"] | None = None
    judge: Name = "judge"
    checker: Name | None = None
    """Who looks for contradictions; without one they are found by rule."""
    defend: bool = True
    """Whether each side is asked first if its claim stands."""

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, data: Any) -> Any:
        return {"rule": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _judge_has_work(self) -> Self:
        if "judge" in self.model_fields_set and self.rule != "judge":
            raise ValueError("a judge decides only where the rule is judge; write `rule: judge`")
        return self

    @property
    def names(self) -> list[str]:
        judge = [self.judge] if self.rule == "judge" else []
        return [*judge, *([self.checker] if self.checker else [])]


_NOTHING_TO_COMPARE = {
    "first_valid": "only one of its answers is taken",
    "group_chat": "its members speak to each other",
    "handoff": "each of its members goes on from the one before",
    "loop": "each of its answers goes on from the one before",
    "pipeline": "each of its members goes on from the one before",
}
"""The patterns in which nobody answers independently of another, and why."""


class WatchdogSpec(Spec):
    """What is noticed of a team at work, and what is done then."""

    repeats: Annotated[int, Field(ge=2, le=100)] = 3
    idle_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = 120.0
    seconds: Annotated[float, Field(gt=0, le=30 * 86_400)] | None = None
    then: Literal["stop", "retry", "replan", "escalate"] = "stop"


class TeamSpec(FileSpec):
    """What every team has; each pattern adds its own keys. The text below the front matter is the brief."""

    BODY: ClassVar[str] = "brief"
    LEAST: ClassVar[int] = 1
    """Members that the pattern needs."""
    ROLES: ClassVar[tuple[str, ...]] = ()
    """The keys that name somebody for a role; their defaults are built-in specialists."""

    pattern: str
    members: Annotated[Names, Field(min_length=1)]
    """Specialists or teams, by name."""
    models: dict[Name, ModelName] = Field(default={}, max_length=100)
    """The model that a member uses, whatever its own file says."""
    preference: Preference | None = None
    """What counts most where its members' models are chosen; a member's own file wins."""
    budget: BudgetSpec = BudgetSpec()
    handover: HandoverSpec = HandoverSpec()
    conflicts: ConflictSpec | None = None
    checks: Annotated[tuple[CheckSpec, ...], Field(strict=False, max_length=20)] = ()
    on_failed_check: Literal["revise", "return", "escalate", "fail"] | None = None
    """What is done with an answer that does not pass; it is revised, if nothing is said."""
    watchdog: WatchdogSpec | None = None
    scribe: Name | None = None
    """Who writes down what is to be remembered of its runs; without one it is done by rule."""
    lessons: bool = True
    """Whether its members are told what they had done wrong before, and that is remembered."""
    brief: str = ""

    @property
    def roles(self) -> dict[str, str]:
        """Who has a role, by the key that names it."""
        return {key: name for key in self.ROLES if (name := getattr(self, key))}

    @property
    def seats(self) -> dict[str, str]:
        """Whom each place in the team is for; one member can have several, each with a name of its own."""
        return {name: name for name in self.members}

    @property
    def everyone(self) -> tuple[str, ...]:
        """The names of all who take part, each once: the members and those with a role of their own."""
        return tuple(dict.fromkeys([*self.members, *self.roles.values(), *self.supervisors]))

    @property
    def supervisors(self) -> tuple[str, ...]:
        """The names of those who check answers, settle conflicts and write the minutes."""
        judges = [check.judge for check in self.checks if check.asks]
        conflicts = self.conflicts.names if self.conflicts else ()
        return (*judges, *conflicts, *([self.scribe] if self.scribe else ()))

    @classmethod
    def of(cls, team: "TeamSpec") -> Self:
        """The same members in this pattern, with those of the team's roles that it has.

        Whoever has a role in it is no member besides, if enough others are.
        """
        said = team.model_fields_set & TeamSpec.model_fields.keys() - {"pattern"}
        given: dict[str, Any] = {key: getattr(team, key) for key in said}
        given |= {key: name for key, name in team.roles.items() if key in cls.ROLES and key != "checker"}
        if "manager" not in cls.ROLES and team.watchdog and team.watchdog.then == "replan":
            given["watchdog"] = team.watchdog.model_copy(update={"then": "retry"})
        if cls.model_fields["pattern"].default in _NOTHING_TO_COMPARE:
            given.pop("conflicts", None)
        pinned = given.pop("models", {})
        spec = cls(**given)
        spec = spec.model_copy(
            update={"models": {name: model for name, model in pinned.items() if name in spec.everyone}}
        )
        others = tuple(name for name in team.members if name not in spec.roles.values())
        return spec.model_copy(update={"members": others}) if len(others) >= cls.LEAST else spec

    def made(self, cast: Cast) -> Member:
        """The pattern with these members in it."""
        raise NotImplementedError

    def rules(self, cast: Cast) -> Rules:
        """What holds for all that happens in it."""
        return Rules(
            tokens=self.handover.tokens,
            typed=self.handover.typed,
            scribe=cast.named(self.scribe, "balanced") if self.scribe else None,
            lessons=self.lessons,
        )

    @property
    def _nothing_to_compare(self) -> str:
        """Why there can be no contradictions between its members to look for; nothing, where there can."""
        if self.pattern == "vote" and getattr(self, "options", None):
            return "its members vote over options"
        return _NOTHING_TO_COMPARE.get(self.pattern, "")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for member in self.members:
            if self.members.count(member) > 1:
                raise Wrong("members", f"{member!r} stands here twice; name each member once")
        if len(self.members) < self.LEAST:
            there = f"{len(self.members)} member{'s' * (len(self.members) > 1)}"
            raise Wrong("members", f"{there} in a {self.pattern}; it needs {self.LEAST} or more")
        supervisors = (("scribe" if name == self.scribe else "checks", name) for name in self.supervisors)
        for key, name in (*(("members", one) for one in self.members), *self.roles.items(), *supervisors):
            if name == self.name:
                raise Wrong(key, f"{name!r} is the team itself; name specialists or other teams")
        if self.watchdog and self.watchdog.then == "replan" and "manager" not in self.ROLES:
            raise Wrong("watchdog", f"a {self.pattern} has no manager who could replan; take retry")
        if self.conflicts and (why := self._nothing_to_compare):
            raise Wrong("conflicts", f"a {self.pattern} has no answers to compare: {why}; delete it")
        if self.on_failed_check and not self.checks:
            raise Wrong("on_failed_check", "there are no checks; name them under `checks`")
        for member in self.models:
            if member not in self.everyone:
                raise Wrong("models", f"{member!r} is no member; {allowed(member, self.everyone)}")
        return self


def no_planner(name: str) -> str:
    """Why somebody cannot be the manager who plans a task as steps."""
    return (
        f"{name!r} is a human, and a manager writes plans that no human types; name a specialist, and let "
        "the human be a member, a checker or a judge"
    )


def allowed(given: Any, names: Iterable[str]) -> str:
    """What to write instead, as the end of a sentence."""
    names = list(names)
    near = get_close_matches(str(given), names, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed are {', '.join(names)}"


def short(value: Any) -> str:
    return reprlib.repr(value)
