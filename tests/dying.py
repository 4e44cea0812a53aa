"""A run whose process dies at any of its events, and that is gone on with."""

import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from support import Books

from guildhall.agents import Budget, Hall, Member, ModelReply, ModelRequest, Result, Usage
from guildhall.agents.event import Decided, Event, Replied, Started
from guildhall.agents.models.base import OnText
from guildhall.errors import ProviderError

RUN = "0123456789abcdef0123456789abcdef"


@dataclass
class Lines:
    """What each agent says, one after the other; later, to who asks the same, the same."""

    said: Mapping[str, Sequence[str]]
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    """Of an earlier run: who was asked what, and said what."""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def model(self, name: str) -> "Line":
        return Line(self, name)


@dataclass
class Line:
    lines: Lines
    name: str
    private: bool = True
    price: tuple[float, float] | None = (1.0, 1.0)
    number: int = 0

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        asked = (self.name, request.turns[-1].prompt())
        self.lines.asked.append(asked)
        if self.lines.said:
            self.lines.known[asked] = self.lines.said[self.name][self.number]
            self.number += 1
        elif asked not in self.lines.known:
            raise ProviderError("invalid_request", f"{self.name} was never asked this: {asked[1]}")
        return ModelReply(text=self.lines.known[asked], usage=Usage(input=10, output=5), model=self.name)


async def whole_and_died_anywhere(
    team: Callable[[Lines], Member], lines: Lines, tmp_path: Path, *, budget: Budget | None = None
) -> Result:
    """The result of the whole run, once every run that died before its end has come to the same.

    Each of them asked nothing else than the whole one, and nothing whose answer was on disk.
    """
    images: list[Path] = []
    home = tmp_path / "whole"

    def image(event: Event) -> None:
        """What would be on disk, had the process died now."""
        if isinstance(event, Replied | Started):
            images.append(tmp_path / f"died-{len(images)}")
            images[-1].mkdir()
            here, there = home / "guildhall.db", images[-1] / "guildhall.db"
            with closing(sqlite3.connect(here)) as db, closing(sqlite3.connect(there)) as copy:
                db.backup(copy)

    async with Hall.open(home=home, project=tmp_path, environ={}) as hall:
        whole = await hall.run_team(
            team(lines), "Well?", run_id=RUN, budget=budget, cache="off", sinks=[image]
        )
    shutil.rmtree(home)
    assert whole.status == "done", whole.error
    assert len(lines.asked) == len(lines.known) == sum(map(len, lines.said.values()))
    kept = []
    for died in images:
        kept.append(_replies(died))
        again, books = Lines({}, lines.known), Books()
        async with Hall.open(home=died, project=tmp_path, environ={}) as hall:
            assert (await hall.find(RUN)).status == "interrupted"
            result = await hall.resume(RUN, team=team(again), sinks=[books])
        assert (result.answer, result.error) == (whole.answer, "")
        assert [event.path for event in books.of(Decided) if event.what == "journal"] == []
        assert len(set(again.asked)) == len(again.asked) == len(lines.known) - kept[-1]
        shutil.rmtree(died)
    assert len(set(kept)) > 1
    return whole


def _replies(home: Path) -> int:
    """How many replies are on disk."""
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        sql = "SELECT count(*) FROM journal WHERE value LIKE '{\"reply\":%'"
        return int(db.execute(sql).fetchone()[0])
