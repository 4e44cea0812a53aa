"""What was asked of the hall: enough to run it, and to run it again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Literal, TypedDict, get_args

import guildhall
from guildhall.errors import RunRefused, UserError
from guildhall.memory.store.runs import RunRow
from guildhall.redact import redact

from .agent import Agent
from .budget import Budget
from .choosing import how_to_mark, is_private, workers
from .config import CacheMode, Preference, how_to_price
from .documents import as_attachments, as_quotes
from .message import CONTEXT, Attachment, Frozen, Message, Quote, plain
from .prices import Prices
from .run import Member
from .state import Channel, OnDelta, Sink
from .suiting import ANY, suiting
from .team import TeamBuilder

PRIORITIES = range(-1000, 1001)
"""What a priority can be, at every face."""


_KINDS: dict[str, tuple[type | UnionType, str]] = {
    "files": (str | Path | Attachment | Sequence, "a list of paths and Attachments"),
    "context": (str, "a text"),
    "budget": (Budget | None, "a Budget"),
    "model": (str | None, "provider:name or a tier"),
    "pattern": (str | None, "the name of a pattern"),
    "private": (bool, "True or False"),
    "continue_from": (str | None, "the id of a run"),
}
"""What an option must be, and how that is said."""


class KeptFile(Frozen):
    """A file of a run, and the digest under which the store keeps it."""

    name: str
    media_type: str
    digest: str
    private: bool = False


class Earlier(Frozen):
    """What was said in the run that this one continues."""

    run: str
    text: str
    private: bool = False
    trust: float = 1.0
    """How far the least of what it had been told by tools is trusted."""


class RunSpec(Frozen):
    """All that is needed to run again what was asked for."""

    kind: Literal["team", "ask", "member"]
    name: str
    """Of the team or specialist; a role in words; the name of a member that a program made."""
    task: str
    context: str = ""
    files: tuple[KeptFile, ...] = ()
    pattern: str | None = None
    model: str | None = None
    budget: Budget = Budget()
    project: str = ""
    preference: Preference | None = None
    private: bool = False
    """Whether the task, the context and all files may be seen only by models that are marked private."""
    cache: CacheMode | None = None
    priority: int = 0
    earlier: Earlier | None = None


class RunOptions(TypedDict, total=False):
    """What can be said beside the task, of a team's run and of a specialist's."""

    files: Sequence[str | Path | Attachment]
    """To work from; an Attachment can be private by itself."""
    context: str
    budget: Budget | None
    model: str | None
    """Of everybody: `provider:name` or a tier."""
    pattern: str | None
    """Of a team: another way of working together than its own."""
    continue_from: str | None
    """A run that is done: what was asked and answered there is known in this one."""
    preference: Preference | None
    """What counts most where models are chosen: cost_sensitive, speed_priority or quality_priority."""
    private: bool
    """Whether the task, the context and all files go to no model but those that are marked private."""
    cache: CacheMode | None
    """Whether requests that were answered before are answered from the database; as configured if None."""
    priority: int
    """Where limits make calls wait, those of a higher priority go first; from -1000 to 1000."""
    sinks: Sequence[Sink]
    on_text: OnDelta | None
    human: Channel | None
    """Who is asked where the team has a question for the user; without it, the run pauses there."""
    run_id: str | None


@dataclass(frozen=True)
class Built:
    """A member ready to work."""

    member: Member
    pattern: str
    files: str
    """Stands for the contents of the files that it is made of."""
    budget: Budget
    notices: tuple[str, ...] = ()
    agents: tuple[Agent, ...] = ()
    """Everybody whose models are known beforehand."""

    @property
    def fingerprint(self) -> str:
        """Another one means that finished calls may no longer fit."""
        return f"{guildhall.__version__} {self.files}"


def build(spec: RunSpec, builder: TeamBuilder, member: Member | None) -> Built:
    """The member that the spec asks for. Raises UserError where a file or a name cannot be used."""
    built = _build(spec, builder, member)
    for agent in builder.agents:
        if problem := builder.catalog.lacking(agent.models[0].name):
            raise UserError(problem)
    own = [worker for worker in workers(member) if isinstance(worker, Agent)]
    return replace(built, agents=(*builder.agents, *own))


def commissioned(
    kind: Literal["team", "ask", "member"], name: str, task: str, project: Path, options: RunOptions
) -> RunSpec:
    """What was asked for, checked, and without secrets. Raises UserError."""
    _refuse_wrong(options)
    return RunSpec(
        kind=kind,
        name=redact(plain(name)),
        task=redact(plain(task)),
        context=redact(plain(options.get("context", ""))),
        pattern=options.get("pattern"),
        model=redact(options.get("model") or "") or None,
        budget=options.get("budget") or Budget(),
        project=str(project),
        preference=options.get("preference"),
        private=options.get("private", False),
        cache=options.get("cache"),
        priority=options.get("priority", 0),
    )


def opening(spec: RunSpec, files: Sequence[Attachment]) -> Message:
    """The message that the run begins with."""
    if spec.private:
        files = [file.model_copy(update={"private": True}) for file in files]
    context = []
    if spec.context.strip():
        context = [Quote(label=CONTEXT, kind="document", text=spec.context, private=spec.private)]
    before = []
    if earlier := spec.earlier:
        label = f"run:{earlier.run[:8]}"
        before = [
            Quote(
                label=label,
                kind="conversation",
                text=earlier.text,
                private=earlier.private,
                trust=earlier.trust,
            )
        ]
    return Message(
        text=spec.task,
        quotes=(*before, *context, *as_quotes(files)),
        attachments=as_attachments(files),
        priority=spec.priority,
        private=spec.private,
    )


def limits_of(asked: Budget, of_team: Budget, default_usd: float) -> Budget:
    """The budget that the user gave; else that of the team's file; else the default of the configuration."""
    units = ("usd", "tokens", "calls", "seconds")
    limits = {unit: getattr(asked, unit) or getattr(of_team, unit) for unit in units}
    by_default = limits["usd"] is None and default_usd > 0
    if by_default:
        limits["usd"] = default_usd
    depth = of_team.depth if asked.depth == Budget.depth else asked.depth
    return Budget(**limits, depth=depth, by_default=by_default)


def refuse_unusable(message: Message, agents: Sequence[Agent], budget: Budget, prices: Prices) -> None:
    """Raise UserError, before anything is sent, if private data or the budget leaves an agent no model."""
    private = ", ".join(message.private_parts[:3])
    for agent in agents:
        first, names = agent.models[0].name, ", ".join(model.name for model in agent.models[:3])
        if private and not any(map(is_private, agent.models)):
            raise UserError(
                f"{private} is private, and {agent.name} asks {names}, which is not marked private: nothing "
                f"was sent. {how_to_mark(agent.models[0])}"
            )
        if budget.strict and not any(map(prices.knows, agent.models)):
            raise UserError(
                f"the price of {names}, which {agent.name} asks, is not known, so no budget in USD can hold: "
                f"{how_to_price(first)}, or limit calls or tokens instead"
            )


def refuse_if_changed(row: RunRow, built: Built) -> None:
    """Raise RunRefused if the run was begun with other files or by another version."""
    version, _, files = row.fingerprint.partition(" ")
    if version != guildhall.__version__:
        changed = f"run {row.id} was begun by Guildhall {version}, and this is {guildhall.__version__}"
    elif files != built.files:
        changed = f"the files of {row.team} have changed since run {row.id} began"
    else:
        return
    raise RunRefused(
        f"{changed}: finished calls may no longer fit. Start a new run, or resume this one with --force "
        "(in Python force=True): calls that now differ are asked anew"
    )


def _refuse_wrong(options: RunOptions) -> None:
    """Raise UserError for an option that does not exist, or with a value that it cannot have."""
    if unknown := sorted(options.keys() - RunOptions.__annotations__.keys()):
        raise UserError(
            f"there is no option {unknown[0]!r}; there are: {', '.join(RunOptions.__annotations__)}"
        )
    for option, given in options.items():
        kinds, allowed = _KINDS.get(option, (object, ""))
        if not isinstance(given, kinds):
            raise UserError(f"{option} is {given!r:.80}; it can be {allowed}")
    for option, words in (("preference", get_args(Preference)), ("cache", get_args(CacheMode))):
        if (given := options.get(option)) not in (None, *words):
            raise UserError(f"{option} is {given!r:.80}; it can be {', '.join(words)}")
    priority, (first, last) = options.get("priority", 0), (PRIORITIES[0], PRIORITIES[-1])
    if type(priority) is not int or not first <= priority <= last:
        raise UserError(f"priority is {priority!r:.80}; it can be a whole number from {first} to {last}")


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _build(spec: RunSpec, builder: TeamBuilder, member: Member | None) -> Built:
    library = builder.library
    if spec.kind == "member":
        if member is None:
            raise RunRefused(
                f"{spec.name!r} was made by a program; resume it there: `await hall.resume(id, team=...)`"
            )
        return Built(member, "", "", Budget())
    if spec.kind == "team":
        name, chosen = spec.name, []
        if name == ANY:
            name, reason = suiting(library, spec.task)
            chosen = [f"the team {name} was chosen for the task: {reason}"]
        built, team = builder.team(name, pattern=spec.pattern)
        files = library.fingerprint(name)
        notices = (*chosen, *library.notices_for(name), *builder.notices)
        return Built(built, team.pattern, files, team.budget.to_budget(), notices)
    if len(spec.name.split()) > 1:
        return Built(builder.role(spec.name), "", _hash(spec.name), Budget(), tuple(builder.notices))
    files, agent = library.fingerprint(spec.name, kind="specialist"), builder.specialist(spec.name)
    notices = (*library.notices_for(spec.name, kind="specialist"), *builder.notices)
    return Built(agent, "", files, Budget(), notices)
