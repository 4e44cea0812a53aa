"""A run whose process dies at some of its replies, and that is gone on with by members who oblige."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from dying import RUN
from every_pattern import Office
from support import Books

from guildhall.agents import Budget, Hall, Member
from guildhall.agents.event import Decided, Event, Replied, RunStarted, Started


async def died_and_gone_on(
    team: Callable[[Office], Member], task: str, notes: str, folder: Path, *, parts: int = 0,
    budget: Budget | None = None, same_way: bool = True,
) -> None:  # fmt: skip
    """Every run that died with one of its replies comes to the same, and asks for none of them again.

    With `parts`, it dies only where these end: with 2, in the middle of the run. Where who is quicker counts,
    not all goes the `same_way` after that, but all of what there was is used.
    """
    right, images, home = Office(), list[Path](), folder / "right"

    def image(event: Event) -> None:
        """What would be on disk, had the process died now."""
        if isinstance(event, Replied):
            images.append(folder / f"died-{len(images)}")
            images[-1].mkdir()
            here, there = home / "guildhall.db", images[-1] / "guildhall.db"
            with closing(sqlite3.connect(here)) as db, closing(sqlite3.connect(there)) as copy:
                db.backup(copy)

    async with Hall.open(home=home, project=folder, environ={}) as hall:
        whole = await hall.run_team(
            team(right), task, context=notes, run_id=RUN, sinks=[image], budget=budget, cache="off"
        )
    assert whole.status in ("done", "failed")
    ends = {len(images) * part // parts for part in range(1, parts)}
    for died in [one for number, one in enumerate(images, 1) if not parts or number in ends]:
        office, books = Office(), Books()
        async with Hall.open(home=died, project=folder, environ={}) as hall:
            kept = {event.path for event in await hall.events(RUN) if isinstance(event, Replied)}
            result = await hall.resume(RUN, team=team(office), sinks=[books])
            paths = [event.path for event in await hall.events(RUN) if isinstance(event, Replied)]
        assert result.status == whole.status, result.error
        assert [event for event in books.of(Decided) if event.what == "journal"] == []
        assert len(paths) == len(set(paths))
        assert kept <= set(paths)
        if same_way:
            assert (result.answer, result.error) == (whole.answer, whole.error)
            assert len(office.said) <= len(right.said) - len(kept)
            asked_before = [call.prompts for call in right.asked]
            assert [call for call in office.asked if call.prompts not in asked_before] == []
        else:
            again = [event.path for event in since_resumed(books) if isinstance(event, Started)]
            assert [path for path in kept if path.rpartition("/")[0] not in again] == []


def since_resumed(books: Books) -> list[Event]:
    at = max(at for at, event in enumerate(books.events) if isinstance(event, RunStarted))
    return books.events[at:]
