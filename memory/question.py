"""What is asked of memory, and which records may answer it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .records import Kind

Condition = tuple[str, tuple[Any, ...]]
"""A condition on a record `r` in SQL, and its values."""
_LAST_OF = "{} ORDER BY e.closed_at DESC, e.rowid DESC LIMIT 1"


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

    def gate(self) -> Condition:
        """Who may see it, and what was asked for, whether or not it holds."""
        parts: list[tuple[str, tuple[Any, ...]]] = [("r.trust >= ?", (self.min_trust,)), self.stands("r")]
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
        parts += [(f"r.{column} = ?", (name,)) for column, name in named.items() if name]
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


def both(one: Condition, other: Condition) -> Condition:
    """Both conditions together."""
    return every([one, other])


def every(parts: Sequence[Condition]) -> Condition:
    """All of the conditions together."""
    return " AND ".join(part for part, _ in parts), tuple(value for _, given in parts for value in given)
