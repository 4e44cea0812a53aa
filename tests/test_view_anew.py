"""A view that is made anew counts from 0 again: no viewer takes its patches for those of the one before."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.client import Client
from mcp_host import data, write_files
from recording import Recording, audit, feed

from guildhall.agents import event as ev
from guildhall.mcp_server.app import VIEW
from guildhall.mcp_server.server import build
from guildhall.view import Item, View


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUILDHALL_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("GUILDHALL_EMBEDDER", "none")
        return asyncio.run(audit())


@dataclass
class Viewer:
    """Someone who asks for a snapshot where a patch goes on from something else than what is known."""

    seq: int = -1
    mark: str = ""
    items: dict[str, Item] = field(default_factory=dict)
    anew: int = 0

    def look(self, view: View) -> list[Item]:
        told = json.loads(json.dumps(view.since(self.seq)))
        if "ops" in told and told["of"] != self.mark:
            told = json.loads(json.dumps(view.since(-1)))
        self.seq, self.mark = told["seq"], told["mark"]
        if "items" in told:
            self.anew += 1
            self.items = {item["id"]: item for item in told["items"]}
        for op, id_, value in told.get("ops", ()):
            item = self.items.setdefault(id_, {"id": id_})
            item.update(value if op == "put" else {"text": item["text"] + value})
        return list(self.items.values())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=st.integers(5, 60), often=st.integers(1, 9), later=st.integers(1, 9))
def test_whatever_number_a_viewer_comes_with_it_sees_what_the_new_view_shows(
    recording: Recording, left: int, often: int, later: int
) -> None:
    viewer, other, view = Viewer(), Viewer(), View()
    for number, line in enumerate(recording.lines[:left]):
        feed(view, line)
        if number % often == 0:
            viewer.look(view)
    view = View()
    for number, line in enumerate(recording.lines):
        feed(view, line)
        if number % later == 0:
            other.look(view)  # so that it has more patches, or fewer, than the viewer has seen
    assert viewer.look(view) == other.look(view) == view.items()
    assert other.anew == 1


def test_a_view_that_is_made_again_of_the_same_events_needs_no_snapshot(recording: Recording) -> None:
    viewer = Viewer()
    for _ in range(5):  # as of a run that waits, which is read from disk at each look
        view = View()
        recording.into(view, until=ev.Question)
        viewer.look(view)
    assert viewer.anew == 1
    recording.into(view)
    assert viewer.look(view) == view.items()


def test_what_a_resumed_run_decides_and_says_once_more_is_shown_once(recording: Recording) -> None:
    view = View()
    recording.into(view)
    [run] = [line for line in recording.lines if isinstance(line, ev.RunStarted)]
    before = [item["id"] for item in view.items()]
    last = max(line.id for line in recording.lines if not isinstance(line, tuple))
    view(run.model_copy(update={"id": last + 1, "resumed": True}))
    for number, line in enumerate(recording.lines, start=last + 2):
        if isinstance(line, ev.Started | ev.Finished | ev.Said | ev.Decided):
            view(line.model_copy(update={"id": number}))
    assert [item["id"] for item in view.items()] == before
    assert {item["status"] for item in view.items() if item["is"] in ("member", "step")} == {"done"}


def test_a_run_that_nobody_works_on_is_shown_as_interrupted_until_it_goes_on(recording: Recording) -> None:
    view = View()
    recording.into(view, until=ev.Asked, who="lead")
    view.cut_short()
    run, *others = view.items()
    at = recording.event(ev.Asked, who="lead").at
    assert (run["status"], run["ended"]) == ("interrupted", at)
    assert "working" not in {item.get("status") for item in others}
    seq = view.since(-1)["seq"]
    view.cut_short()  # a second look at the same
    assert view.since(seq)["seq"] == seq
    view(recording.event(ev.RunStarted).model_copy(update={"id": 999, "resumed": True}))
    assert (view.items()[0]["status"], view.items()[0]["ended"]) == ("working", None)
    view(recording.event(ev.RunFinished).model_copy(update={"id": 1000}))
    view.cut_short()
    assert view.items()[0]["status"] == "done"


async def test_a_run_that_goes_on_after_an_answer_keeps_all_that_a_view_showed_of_it(project: Path) -> None:
    write_files(project)
    about = "name: panel\ndescription: Asks late.\npattern: pipeline\nmembers: [reader, human, doubter]"
    write_files(project, {"teams/panel.md": about})
    async with Client(build()) as client:

        async def look(**more: Any) -> dict[str, Any]:
            told = await client.call_tool("get_run", {"run_id": run, "after": -1, **more})
            items: list[Item] = (told.meta or {})[VIEW]["items"]
            return {item["id"]: item for item in items}

        run = data(await client.call_tool("run_team", {"task": "Is it safe?", "team": "panel"}))["run_id"]
        before = await look()
        [question] = [item["name"] for item in before.values() if item["is"] == "question"]
        at_once = await look(question=question, answer="It is safe.")
        assert before.keys() <= at_once.keys()
        assert data(await client.call_tool("get_run", {"run_id": run}))["status"] == "done"
        after = await look()
        assert before.keys() <= after.keys()
        assert after["run"]["status"] == "done"
        assert len([item for item in after.values() if item["is"] == "question"]) == 1
        calls = {item["name"]: item["calls"] for item in after.values() if item["is"] == "member"}
        assert calls == {"panel": 0, "reader": 1, "human": 0, "doubter": 1}
        assert after["run"]["calls"] == 2
