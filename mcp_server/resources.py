"""What a host can read without a tool: teams, specialists, runs and memories, as JSON."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import Resource, ResourceTemplate

from guildhall.errors import UserError
from guildhall.redact import redact

from .fixes import usable
from .jobs import Jobs

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall

JSON = "application/json"
RECENT = 20
"""Runs that are listed."""
LONGEST = 2_000_000
"""Characters of a transcript; the rest is on disk."""
Read = Callable[[Jobs, str], Awaitable[Any]]


class Kind(NamedTuple):
    """One kind of resource; `pattern` finds the name in its address."""

    uri: str
    name: str
    title: str
    description: str
    read: Read

    @property
    def pattern(self) -> str:
        return re.sub(r"\\\{\w+\\\}", "([^/?#]+)", re.escape(self.uri))

    @property
    def is_template(self) -> bool:
        return "{" in self.uri


def resources() -> list[Resource]:
    """Those that are always there."""
    return [
        Resource(uri=kind.uri, name=kind.name, title=kind.title, description=kind.description, mime_type=JSON)
        for kind in KINDS
        if not kind.is_template
    ]


def templates() -> list[ResourceTemplate]:
    """Those that there are several of, each with a name of its own."""
    return [
        ResourceTemplate(
            uri_template=kind.uri, name=kind.name, title=kind.title, description=kind.description,
            mime_type=JSON,
        )
        for kind in KINDS
        if kind.is_template
    ]  # fmt: skip


async def read(jobs: Jobs, uri: str) -> str | None:
    """What is at the address, as JSON without secrets; None if it is none of these."""
    for kind in KINDS:
        if found := re.fullmatch(kind.pattern, uri):
            try:
                content = await kind.read(jobs, *found.groups()[:1] or ("",))
            except UserError as error:
                raise ResourceNotFoundError(usable(redact(str(error)))) from None
            return json.dumps(content, ensure_ascii=False, indent=1)
    return None


async def _teams(jobs: Jobs, _: str) -> Any:
    library = await jobs.hall.library()
    teams, specialists = await asyncio.to_thread(lambda: (library.teams(), library.specialists()))
    return {
        "teams": [
            {"name": one.name, "origin": one.origin, "description": one.spec.description if one.spec else "",
             "pattern": one.spec.pattern if one.spec else "", "error": str(one.error or "")}
            for one in teams
        ],
        "specialists": [
            {"name": one.name, "origin": one.origin, "description": one.spec.description if one.spec else "",
             "error": str(one.error or "")}
            for one in specialists
        ],
    }  # fmt: skip


async def _team(jobs: Jobs, name: str) -> Any:
    hall = await jobs.hall.get()
    built, spec = await hall.team(name)
    return {
        "name": spec.name, "description": spec.description, "pattern": spec.pattern, "members": spec.everyone,
        "models": {agent.name: agent.models[0].name for agent in built.agents}, "brief": spec.brief,
        "notices": built.notices,
    }  # fmt: skip


async def _specialist(jobs: Jobs, name: str) -> Any:
    library = await jobs.hall.library()
    return library.specialist(name).model_dump(mode="json", exclude_defaults=True)


async def _recent(jobs: Jobs, _: str) -> Any:
    hall = await jobs.hall.get()
    names = ("id", "team", "pattern", "status", "started", "ended")
    rows = await hall.runs(RECENT, here=True)
    return {"runs": [{name: getattr(row, name) for name in names} | {"task": row.task[:200]} for row in rows]}


async def _run(jobs: Jobs, run_id: str) -> Any:
    hall = await jobs.hall.get()
    job = await jobs.find(run_id)
    events = await _events(hall, job.id)
    return {"run": (await job.result(hall)).to_json(), "events": events}


async def _events(hall: "Hall", run: str) -> list[Any]:
    told: list[Any] = []
    room = LONGEST
    for event in await hall.events(run):
        one = {"kind": event.kind, **event.model_dump(mode="json", exclude_defaults=True)}
        room -= len(str(one))
        if room < 0:
            return [*told, {"cut": f"`guildhall runs show {run[:12]}` has the rest"}]
        told.append(one)
    return told


async def _memory(jobs: Jobs, id_: str) -> Any:
    hall = await jobs.hall.get()
    record = await hall.memory.get(id_, scope=hall.scope)
    if record is None:
        raise UserError(f"there is no memory {id_!r:.80} here")
    if record.private:
        raise ResourceError(
            f"memory {id_[:8]} is private: `guildhall memory show {id_[:8]}` shows it to the user"
        )
    return record.model_dump(mode="json", exclude_defaults=True)


KINDS: tuple[Kind, ...] = (
    Kind("teams://", "teams", "Teams and specialists", "All teams and specialists of this project.", _teams),
    Kind(
        "runs://recent",
        "recent-runs",
        "Recent runs",
        "This project's newest runs, with how each stands.",
        _recent,
    ),
    Kind("team://{name}", "team", "A team", "Who is in it, on which models, and how they work.", _team),
    Kind(
        "specialist://{name}",
        "specialist",
        "A specialist",
        "What it is for, and its instructions.",
        _specialist,
    ),
    Kind("run://{run_id}", "run", "A run", "Its transcript, what it rests on, and what it cost.", _run),
    Kind("memory://{id}", "memory", "A memory", "One record, with where it came from.", _memory),
)
