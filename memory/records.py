"""What is remembered, and where it came from."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["fact", "decision", "procedure", "preference", "episode", "summary"]
Visibility = Literal["private", "team", "project", "user"]

LONGEST_TEXT = 32_000
"""Characters of one record."""
QUARANTINE = 0.5
"""Records trusted less than this are returned only on request."""
TRUST = {"user": 1.0, "agent": 0.7}
"""How far a record is trusted, by who said it, where that is not given."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Author(_Frozen):
    """Who wrote a record: a person (no agent), or an agent on a model in a run."""

    agent: str = ""
    model: str = ""
    run: str = ""
    host: str = ""
    """The face it came through: shell, python, mcp, jupyter."""


NOBODY = Author()


class Record(_Frozen):
    """One thing remembered. Times are seconds since the epoch; trust and importance are from 0 to 1."""

    id: str
    text: str
    kind: Kind = "fact"
    subject: str | None = None
    scope: str
    visibility: Visibility = "project"
    """What is private is recalled by its author and the user alone; all else by all of the scope."""
    author: Author = NOBODY
    source: str = ""
    """Where it came from: a file, an address, a run."""
    source_hash: str = ""
    derived_from: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    trust: float = 1.0
    importance: float = 0.5
    valid_from: float = 0.0
    valid_to: float | None = None
    recorded_at: float = 0.0
    superseded_by: str | None = None
    """The record that takes its place from `valid_to` on."""
    status: Literal["active", "quarantined", "retracted"] = "active"
    expires_at: float | None = None
    pinned: bool = False
    private: bool = False
    """Whether only models that are marked private may be shown it, whoever recalls it."""

    @property
    def label(self) -> str:
        """How an answer cites it."""
        return f"memory:{self.id[:8]}"


class Hit(_Frozen):
    """A record that was found; `parts` are what its score is made of."""

    record: Record
    score: float
    parts: dict[str, float] = {}


class Remembered(_Frozen):
    """What became of a text: a new record, or the one that already says it."""

    id: str
    merged: bool = False
    superseded: str | None = None
    """The older record of the same subject that this one takes the place of."""
    conflicts: tuple[str, ...] = ()
    """Records of the same subject that are trusted more and hold still: this one stands beside them."""
