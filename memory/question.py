"""What is asked of memory, and which records may answer it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict, get_args

from guildhall.errors import UserError

from . import given
from .records import QUARANTINE, Kind

Condition = tuple[str, tuple[Any, ...]]
"""A condition on a record `r` in SQL, and its values."""
_LAST_OF = "{} ORDER BY e.closed_at DESC, e.rowid DESC LIMIT 1"


class Filters(TypedDict, total=False):
    """What narrows an answer; times are in seconds since the epoch."""

    kinds: Sequence[Kind]
    agent: str
    """Who said it."""
    model: str
    run: str
    source: str
    """A file, or the folder that it is in."""
    tags: Sequence[str]
    """All of them."""
    since: float | None
    """Recorded at that time or later."""
    until: float | None
    as_of: float | None
    """What held at that time, in place of now."""
    known_at: float | None
    """As far as it was recorded at that time."""
    min_trust: float
    viewer: str
    """The agent that asks: what is private to others is left out. Empty: the user, who sees all."""
    team: str
    """The team that it works in."""
    own: bool
    """Only what is private to the viewer."""
    private: bool
    """The query is private itself: no embedder is shown it that may not see what is private."""
    public: bool
    """Only what is not marked private."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query with its filters; times are seconds since the epoch."""

    query: str
    at: float
    """What held at this time is asked for."""
    known: float | None = None
    """As far as it was known at that time; None: now."""
    viewer: str = ""
    """The agent that asks: what is private to others is left out. Empty: the user, who sees all."""
    team: str = ""
    """The team that it works in."""
    own: bool = False
    """Only what is private to the viewer is asked for."""
    kinds: tuple[Kind, ...] = ()
    agent: str = ""
    model: str = ""
    run: str = ""
    source: str = ""
    """A file, or the folder that it is in."""
    tags: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    min_trust: float = 0.0
    private: bool = False
    """Whether the query itself may be seen only by what may see private data."""
    public: bool = False
    """Only what is not marked private is asked for."""
    ever: bool = False
    """What was retracted is asked for, too."""

    def gate(self) -> Condition:
        """Who may see it, and what was asked for, whether or not it holds."""
        parts: list[tuple[str, tuple[Any, ...]]] = [("r.trust >= ?", (self.min_trust,))]
        if not self.ever:
            parts.append(self.stands("r"))
        if self.public:
            parts.append(("r.private = 0", ()))
        if self.own:
            parts.append(("r.readers <> '' AND r.readers = ?", (f"agent:{self.viewer}",)))
        elif self.viewer:
            who = (f"agent:{self.viewer}", f"team:{self.team}" if self.team else "")
            parts.append(("r.readers IN ('', ?, ?)", who))
        if self.kinds:
            parts.append((f"r.kind IN ({', '.join('?' * len(self.kinds))})", self.kinds))
        named = {"agent": self.agent, "model": self.model, "run": self.run}
        said_too = "EXISTS (SELECT 1 FROM origins o WHERE o.record = r.seq AND o.{} = ?)"
        parts += [
            (f"(r.{column} = ? OR {said_too.format(column)})", (name, name))
            for column, name in named.items()
            if name
        ]
        if self.source:
            folder = self.source.rstrip("/") + "/"
            parts.append(("(r.source = ? OR substr(r.source, 1, ?) = ?)", (self.source, len(folder), folder)))
        has_tag = "EXISTS (SELECT 1 FROM json_each(r.tags) WHERE value = ?)"
        parts += [(has_tag, (tag,)) for tag in self.tags]
        if self.since is not None:
            parts.append(("r.recorded_at >= ?", (self.since,)))
        if self.until is not None:
            parts.append(("r.recorded_at <= ?", (self.until,)))
        return every(parts)

    def stands(self, one: str) -> Condition:
        """Whether it was not retracted, as far as that was known."""
        if self.known is None:
            return f"{one}.status <> 'retracted'", ()
        return f"({one}.status <> 'retracted' OR {one}.closed_at > ?)", (self.known,)

    @cached_property
    def holds(self) -> Condition:
        """What held at that time, as far as it was known."""
        parts: list[tuple[str, tuple[Any, ...]]] = [
            ("r.valid_from <= ? AND (r.expires_at IS NULL OR r.expires_at > ?)", (self.at, self.at))
        ]
        if self.known is None:
            parts.append(("(r.valid_to IS NULL OR r.valid_to > ?)", (self.at,)))
        else:
            earlier = "SELECT e.valid_to FROM ends e WHERE e.record = r.seq AND e.closed_at <= ?"
            end = f"CASE WHEN r.closed_at <= ? THEN r.valid_to ELSE ({_LAST_OF.format(earlier)}) END"
            parts.append((f"r.recorded_at <= ? AND coalesce({end} > ?, 1)", (*[self.known] * 3, self.at)))
        return every(parts)

    @property
    def narrow(self) -> bool:
        """Whether more is asked for than what the words say, so that most records are left out."""
        return bool(self.kinds or self.agent or self.model or self.run or self.source or self.tags) or (
            self.since is not None or self.until is not None or self.own or self.public
        )


def asked_for(query: str, filters: Filters) -> Question:
    """The question, checked. Raises UserError for a filter that there is not, or that cannot be so."""
    if unknown := filters.keys() - Filters.__annotations__.keys():
        raise UserError(
            f"there is no filter {', '.join(sorted(unknown))}; there are {', '.join(Filters.__annotations__)}"
        )
    for name in ("since", "until", "as_of", "known_at"):
        if (moment := filters.get(name)) is not None:
            given.moment(name, moment)  # type: ignore[arg-type]  # these four are times
    for name in ("viewer", "team", "agent", "model", "run", "source"):
        given.line(name, filters.get(name, ""))  # type: ignore[arg-type]  # these are names
    as_of = filters.get("as_of")
    return Question(
        query=query,
        at=time.time() if as_of is None else as_of,
        known=filters.get("known_at"),
        viewer=filters.get("viewer", ""),
        team=filters.get("team", ""),
        own=filters.get("own", False),
        kinds=given.each_of("kinds", filters.get("kinds", ()), get_args(Kind)),
        agent=filters.get("agent", ""),
        model=filters.get("model", ""),
        run=filters.get("run", ""),
        source=filters.get("source", ""),
        tags=given.tags(filters.get("tags", ())),
        since=filters.get("since"),
        until=filters.get("until"),
        min_trust=given.fraction("min_trust", filters.get("min_trust", QUARANTINE)),
        private=filters.get("private", False),
        public=filters.get("public", False),
    )


def both(one: Condition, other: Condition) -> Condition:
    """Both conditions together."""
    return every([one, other])


def every(parts: Sequence[Condition]) -> Condition:
    """All of the conditions together."""
    return " AND ".join(part for part, _ in parts), tuple(value for _, given in parts for value in given)
