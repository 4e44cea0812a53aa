"""What was asked of the hall: enough to run it, and to run it again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import guildhall
from guildhall.errors import RunRefused, UserError
from guildhall.memory.store.runs import RunRow

from .budget import Budget
from .documents import as_attachments, as_quotes
from .message import Attachment, Frozen, Message, Quote
from .run import Member
from .team import TeamBuilder


class KeptFile(Frozen):
    """A file of a run, and the digest under which the store keeps it."""

    name: str
    media_type: str
    digest: str


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


@dataclass(frozen=True)
class Built:
    """A member ready to work."""

    member: Member
    pattern: str
    files: str
    """Stands for the contents of the files that it is made of."""
    budget: Budget
    notices: tuple[str, ...] = ()

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
    return built


def opening(spec: RunSpec, files: Sequence[Attachment]) -> Message:
    """The message that the run begins with."""
    context = [Quote(label="context", kind="document", text=spec.context)] if spec.context.strip() else []
    return Message(text=spec.task, quotes=(*context, *as_quotes(files)), attachments=as_attachments(files))


def limits_of(asked: Budget, of_team: Budget) -> Budget:
    """The budget that the user gave; where the user gave no limit, that of the team's file."""
    units = ("usd", "tokens", "calls", "seconds")
    limits = {unit: getattr(asked, unit) or getattr(of_team, unit) for unit in units}
    return Budget(**limits, depth=asked.depth)


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
        built, team = builder.team(spec.name, pattern=spec.pattern)
        files = library.fingerprint(spec.name)
        notices = (*library.notices_for(spec.name), *builder.notices)
        return Built(built, team.pattern, files, team.budget.to_budget(), notices)
    if len(spec.name.split()) > 1:
        return Built(builder.role(spec.name), "", _hash(spec.name), Budget(), tuple(builder.notices))
    files, agent = library.fingerprint(spec.name, kind="specialist"), builder.specialist(spec.name)
    notices = (*library.notices_for(spec.name, kind="specialist"), *builder.notices)
    return Built(agent, "", files, Budget(), notices)
