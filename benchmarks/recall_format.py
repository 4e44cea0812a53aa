"""A data set of memories and questions, and its JSON file; the format is told in recall.py."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CATEGORIES = (
    "single fact", "several facts", "temporal", "who said", "current decision", "as of", "paraphrase",
    "absent",
)  # fmt: skip
"""Of the generated sets; others may have others. What is absent has no evidence."""
DECISIONS = ("current decision", "as of")


@dataclass(frozen=True)
class Item:
    """One thing that is said or noted."""

    id: str
    text: str
    at: float
    """When it is said, in seconds since the epoch; it holds from then on."""
    scope: str = "default"
    session: str = ""
    """The conversation that it is a turn of; nothing for a note that stands alone."""
    turn: int = 0
    speaker: str = ""
    kind: str = "episode"
    subject: str | None = None


@dataclass(frozen=True)
class Question:
    """A query, with the ids of the items that answer it, all of them."""

    query: str
    category: str
    evidence: tuple[str, ...] = ()
    filters: dict[str, Any] = field(default_factory=dict)
    """`scope`, and `as_of` where it is told in seconds which time is meant."""


@dataclass(frozen=True)
class DataSet:
    name: str
    items: Sequence[Item]
    """In the order of their times."""
    questions: Sequence[Question]

    def part(self, scopes: int) -> "DataSet":
        """Its first projects, with all that is asked of them."""
        names = list(dict.fromkeys(item.scope for item in self.items))[:scopes]
        return DataSet(
            self.name,
            [item for item in self.items if item.scope in names],
            [one for one in self.questions if one.filters.get("scope", names[0]) in names],
        )


def read(path: Path) -> DataSet:
    """The data set in the file; ValueError says what is wrong with it."""
    try:
        data = json.loads(path.read_text("utf-8"))
        items = [_item(row) for row in data["items"]]
        questions = [
            Question(**{**_known(Question, row), "evidence": tuple(row.get("evidence", ()))})
            for row in data["questions"]
        ]
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no data set as recall.py describes it: {error!r}") from None
    ids = {item.id for item in items}
    if len(ids) != len(items):
        raise ValueError(f"{path}: two items have the same id")
    if unknown := {id_ for one in questions for id_ in one.evidence} - ids:
        raise ValueError(f"{path}: no item has the id {min(unknown)!r}, which is named as evidence")
    return DataSet(data.get("name", path.stem), sorted(items, key=lambda item: item.at), questions)


def write(data: DataSet, path: Path) -> None:
    path.write_text(json.dumps(asdict(data), ensure_ascii=False, indent=1) + "\n", "utf-8")


def _item(row: dict[str, Any]) -> Item:
    at = row["at"]
    return Item(**{**_known(Item, row), "at": _seconds(at) if isinstance(at, str) else float(at)})


def _seconds(date: str) -> float:
    moment = datetime.fromisoformat(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _known(what: type, row: dict[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(what)}
    return {name: value for name, value in row.items() if name in names}
