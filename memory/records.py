"""What is remembered, and where it came from."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["fact", "decision", "procedure", "preference", "episode", "summary", "document"]
Visibility = Literal["private", "team", "project", "user"]
Status = Literal["active", "quarantined", "retracted"]

LONGEST_TEXT = 32_000
"""Characters of one record."""
QUARANTINE = 0.5
"""Records trusted less than this are returned only on request."""
TRUST = {"user": 1.0, "document": 0.9, "tool": 0.8, "agent": 0.7, "web": 0.4}
"""How far a text is trusted by where it came from, if the writer does not say."""


_LINES = re.compile(r"lines? (\d+(?:-\d+)?)")
_NO_WORD, _BRACKETS = re.compile(r"[^\w-]+"), re.compile(r"[\[\]\r\n\t]+")
_LONGEST_SOURCE, _LONGEST_PLACE = 120, 60


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Author(Frozen):
    """Who wrote a record: a person (no agent), or an agent on a model in a run of a team."""

    agent: str = ""
    model: str = ""
    run: str = ""
    host: str = ""
    """The face it came through: shell, python, mcp, jupyter."""
    team: str = ""


NOBODY = Author()


def named(id: str) -> str:  # noqa: A002  the name of the field
    """How a record other than a document is cited."""
    return f"memory:{id[:8]}"


class Record(Frozen):
    """One thing remembered. Times are seconds since the epoch; trust and importance are from 0 to 1."""

    id: str
    text: str
    kind: Kind = "fact"
    subject: str | None = None
    scope: str
    visibility: Visibility = "project"
    """What is private is recalled by its author and the user alone, what is the team's by members of that
    team and the user, what is the user's in all projects; all else by all of the scope."""
    author: Author = NOBODY
    source: str = ""
    """Where it came from: a file, an address, a run."""
    place: str = ""
    """Where in the source: `p. 4`, `lines 10-24`, `rows 3-9 of Sheet1`, `cell 7`, a path of headings."""
    source_hash: str = ""
    session: str = ""
    """What it is a part of, with neighbours before and after: a conversation, a run, a document."""
    turn: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Its place in the session, from 1 on."""
    derived_from: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    trust: float = 1.0
    importance: float = 0.5
    valid_from: float = 0.0
    valid_to: float | None = None
    recorded_at: float = 0.0
    closed_at: float | None = None
    """When it was recorded that it holds until `valid_to`."""
    superseded_by: str | None = None
    """The record that takes its place from `valid_to` on."""
    status: Status = "active"
    expires_at: float | None = None
    pinned: bool = False
    private: bool = False
    """Whether only models that are marked private may be shown it, whoever recalls it."""

    @property
    def label(self) -> str:
        """How an answer cites it: `memory:1f3a9c02`; of documents `plan.md:10-24`, `report.pdf:p-4`."""
        if self.kind != "document" or not self.source:
            return named(self.id)
        lines = _LINES.match(self.place)
        place = lines[1] if lines else _NO_WORD.sub("-", self.place)[:_LONGEST_PLACE].strip("-")
        return _BRACKETS.sub("-", f"{self.source[-_LONGEST_SOURCE:]}:{place}".strip(":"))

    def has_line(self, number: int) -> bool:
        """Whether that line of its document is in it."""
        lines = _LINES.match(self.place) if self.kind == "document" else None
        if lines is None:
            return False
        first, _, last = lines[1].partition("-")
        return int(first) <= number <= int(last or first)

    @property
    def first_line(self) -> int | None:
        """The number of its first line in a document whose lines can be cited."""
        lines = _LINES.match(self.place) if self.kind == "document" else None
        return int(lines[1].partition("-")[0]) if lines else None


class Hit(Frozen):
    """A record that was found; `parts` are what its score is made of."""

    record: Record
    score: float
    parts: dict[str, float] = {}
    doubted_by: str = ""
    """The id of a newer record of its subject that is trusted less: it stands beside it until settled."""
    outweighed_by: str = ""
    """The id of the record that this one stands beside so."""


class Found(Frozen):
    """What was found, the best first, and how."""

    hits: tuple[Hit, ...] = ()
    served: Literal["words", "exact", "chroma"] = "words"
    """What looked for similar vectors: nobody, a look at all of them, or the index."""
    why: str = ""
    """Why it was not the index, or nobody."""


class Origin(Frozen):
    """Who else said what a record says, and where."""

    author: Author
    source: str = ""
    at: float = 0.0
    trust: float = 1.0


class Remembered(Frozen):
    """What became of a text: a new record, or the one that already says it."""

    id: str
    merged: bool = False
    superseded: str | None = None
    """The older record of the same subject that this one takes the place of."""
    conflicts: tuple[str, ...] = ()
    """Records that hold still and say something near to it, or something else of the same subject: the
    writer can settle each."""
