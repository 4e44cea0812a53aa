"""A graph whose process dies, or whose budget ends in the middle, goes on there and pays nothing twice."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from support import Books

from guildhall.agents import Agent, Budget, Hall, ModelReply, ModelRequest, Result, Usage
from guildhall.agents.event import Event, Replied, Started
from guildhall.agents.kinds import Score
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import Graph, Repeat, Step

RUN = "0123456789abcdef0123456789abcdef"
STEPS = (
    Step("facts", "finder", "Find facts."),
    Step("draft", "writer", "Draft it."),
    Step("rate", "rater", "Rate it.", ("draft",), output=Score, repeat=Repeat("draft", "rate.score < 0.8")),
    Step("cut", "writer", "Cut it.", ("rate",), when="rate.score < 0.95"),
    Step("pad", "writer", "Pad it.", ("rate",), when="rate.score < 0.5"),
    Step("end", "writer", "End it.", ("facts", "cut", "pad")),
)


class Telling:
    """A model that answers by what it is asked, the second draft better than the first; it counts."""

    name, private, price = "telling", True, (1.0, 1.0)

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        prompt = request.turns[1].prompt()
        task = prompt.partition("Your part: ")[2].partition(".")[0]
        self.asked.append(task)
        said = f"{task}, knowing {prompt.count('<quoted-')}"
        if request.output is not None:
            said = f'{{"score": {0.9 if "knowing 2" in prompt else 0.3}, "reason": "so"}}'
        return ModelReply(text=said, usage=Usage(input=10, output=5), model=self.name)


def team(model: Telling) -> Graph:
    return Graph("team", [Agent(name, "Work.", [model]) for name in ("finder", "writer", "rater")], STEPS)


async def begun(
    home: Path, model: Telling, *sinks: Callable[[Event], None], budget: Budget | None = None
) -> Result:
    async with Hall.open(home=home, project=home.parent, environ={}) as hall:
        return await hall.run_team(team(model), "Do it.", run_id=RUN, budget=budget, sinks=sinks)


async def test_a_graph_that_died_at_any_reply_is_resumed_with_the_same_answer(tmp_path: Path) -> None:
    images: list[Path] = []
    home = tmp_path / "first"

    def image(event: Event) -> None:
        """What is on disk while the run is at work: all that there would be, had its process died now."""
        if isinstance(event, Replied | Started):
            images.append(tmp_path / f"died-{len(images)}")
            images[-1].mkdir()
            with (
                closing(sqlite3.connect(home / "guildhall.db")) as there,
                closing(sqlite3.connect(images[-1] / "guildhall.db")) as copy,
            ):
                there.backup(copy)

    whole = Telling()
    right = await begun(home, whole, image)
    assert right.status == "done"
    assert sorted(whole.asked) == sorted(
        ["Find facts", "Draft it", "Rate it", "Draft it", "Rate it", "Cut it", "End it"]
    )
    shutil.rmtree(home)
    saved = list[int]()
    for died in images:
        again, books = Telling(), Books()
        async with Hall.open(home=died, project=tmp_path, environ={}) as hall:
            assert (await hall.find(RUN)).status == "interrupted"
            result = await hall.resume(RUN, team=team(again), sinks=[books])
        assert (result.status, result.answer) == ("done", right.answer)
        assert books.balanced
        assert not [task for task in set(again.asked) if again.asked.count(task) > whole.asked.count(task)]
        saved.append(len(whole.asked) - len(again.asked))
    assert saved == sorted(saved)
    assert (saved[0], saved[-1] >= 5) == (0, True)


async def test_a_budget_that_ends_in_the_middle_leaves_what_was_paid_for(tmp_path: Path) -> None:
    for calls in range(1, 7):
        home, model, books = tmp_path / str(calls), Telling(), Books()
        short = await begun(home, model, books, budget=Budget(calls=calls))
        rated = calls >= 3
        assert short.status == ("done" if rated else "failed")
        assert "no room for another call" in (short.notices[-1] if rated else short.error)
        assert ("## draft" in short.answer) == rated
        assert (len(model.asked), short.usage.calls) == (calls, calls)
        assert books.balanced
        async with Hall.open(home=home, project=tmp_path, environ={}) as hall:
            result = await hall.resume(RUN, team=team(model), budget=Budget(calls=7))
        assert (result.status, result.usage.calls) == ("done", 7)
        assert len(model.asked) == 7
