"""What goes wrong around a run costs neither its answer nor the next run."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_models import fake_models
from support import Books

from guildhall import Hall
from guildhall.agents import Agent, Message, ModelReply, Parallel, Run, ToolCall, shared
from guildhall.agents.budget import Amount
from guildhall.agents.conduct import settle_open
from guildhall.agents.event import Asked, Lost
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import PathRefused, StoreError, UserError
from guildhall.home import is_too_wide, project_folder, scope_of
from guildhall.memory.store.database import Database
from guildhall.memory.store.runs import Entry, RunLog, RunRow, Runs


class Endless(StubMember):
    """A member that is at work until it is cancelled."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.begun = asyncio.Event()

    async def run(self, message: Message, run: Run) -> Message:
        self.begun.set()
        await asyncio.Event().wait()
        return message


@pytest.mark.parametrize(
    "name", ["c++", "my (new) project", "R&D", ".dotfiles", "x" * 200, "プロジェクト", "a b"]
)
async def test_a_project_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    async with Hall.open(project=folder) as hall:
        result = await hall.run_team(StubMember("team", "The crane is blue."), "What colour?")
        assert result.status == "done"
        assert [hit.record.author.agent for hit in await hall.recall("crane")] == ["team"]


def test_namesakes_have_scopes_of_their_own(tmp_path: Path) -> None:
    assert scope_of(tmp_path / "a" / "x") != scope_of(tmp_path / "b" / "x")


async def test_a_project_can_be_named_where_a_command_is_started_elsewhere(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("GUILDHALL_PROJECT", str(project))
    async with Hall.open() as hall:
        assert hall.project == project.resolve()
    assert project_folder(tmp_path) == tmp_path  # what the caller names goes before it
    monkeypatch.setenv("GUILDHALL_PROJECT", str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"GUILDHALL_PROJECT is .*gone, which is no folder"):
        project_folder()


async def test_the_home_folder_is_no_project_and_its_files_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "notes.md").write_text("a secret")
    folder = tmp_path / "work"
    folder.mkdir()
    assert project_folder(folder) == folder
    assert is_too_wide(tmp_path)
    assert is_too_wide(Path("/"))
    look = ToolCall(id="1", name="read_file", arguments={"path": "notes.md"})
    model = ScriptedModel(ModelReply(calls=(look,)), "done")
    async with Hall.open(project=tmp_path, home=tmp_path / "home") as hall:
        await hall.run_team(Agent("ann", "Look.", [model], [hall.tools()["read_file"]]), "Well?")
    shown = model.requests[1].turns[-1]
    assert shown.failed
    assert "there are: none" in shown.text
    assert PathRefused.code == "path_refused"


async def test_a_caller_cancelled_while_a_run_is_written_down_leaves_no_run_at_work(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    begin = Runs.begin

    async def slow(self: Runs, row: RunRow, files: Sequence[bytes]) -> RunLog:
        log = await begin(self, row, files)
        begun.set()
        await go_on.wait()
        return log

    monkeypatch.setattr(Runs, "begin", slow)
    async with Hall.open() as hall:
        work = asyncio.create_task(hall.run_team(StubMember("team"), "Well?"))
        await begun.wait()
        work.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert (await hall.find()).status == "cancelled"


async def test_a_failing_look_for_cancels_does_not_end_the_looking(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guildhall.agents.at_work.CANCEL_CHECK", 0.01)
    looks = 0
    requests = Runs.cancel_requests

    async def failing_once(self: Runs) -> set[str]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StoreError("store", "the disk was away")
        return await requests(self)

    monkeypatch.setattr(Runs, "cancel_requests", failing_once)
    async with Hall.open() as hall, Hall.open() as other:
        member = Endless("endless")
        work = asyncio.create_task(hall.run_team(member, "Go on."))
        await member.begun.wait()
        await other.cancel()
        assert (await work).status == "cancelled"


async def test_a_disk_that_fails_at_the_end_costs_a_notice_and_not_the_answer(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: RunLog, status: str, answer: str) -> None:
        raise StoreError("memory_full", "no space left")

    monkeypatch.setattr(RunLog, "end", full)
    async with Hall.open() as hall:
        result = await hall.run_team(StubMember("team", "paid for"), "Well?")
    assert result.answer == "paid for"
    assert "how this run ended could not be kept: no space left" in result.notices


async def test_leaving_a_hall_with_runs_at_work_cancels_them_and_keeps_the_users_own_error(
    project: Path,
) -> None:
    members = [Endless("one"), Endless("two")]
    works: list[asyncio.Task[Any]] = []

    async def use() -> None:
        async with Hall.open() as hall:
            works.extend(asyncio.create_task(hall.run_team(member, "Go on.")) for member in members)
            for member in members:
                await member.begun.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    assert {(await work).status for work in works} == {"cancelled"}
    async with Hall.open() as later:
        assert {row.status for row in await later.runs()} == {"cancelled"}


async def test_a_second_cancel_does_not_orphan_a_run_that_tidies_up(project: Path) -> None:
    tidied = asyncio.Event()

    class Tidy(Endless):
        async def run(self, message: Message, run: Run) -> Message:
            try:
                return await super().run(message, run)
            finally:
                for _ in range(20):
                    await asyncio.sleep(0)
                tidied.set()

    async with Hall.open() as hall:
        member = Tidy("tidy")
        work = asyncio.create_task(hall.run_team(member, "Go on."))
        await member.begun.wait()
        work.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert tidied.is_set()
        assert (await hall.find()).status == "cancelled"


async def test_a_cancellation_of_a_members_own_costs_only_that_member(project: Path) -> None:
    class Leaking(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            raise asyncio.CancelledError

    async with Hall.open() as hall:
        team = Parallel("team", [StubMember("ann", "kept"), Leaking("bob")])
        result = await hall.run_team(team, "Well?")
        alone = await hall.run_team(Leaking("bob"), "Well?")
    assert result.status == "done"
    assert "kept" in result.answer
    assert alone.status == "failed"


async def test_one_hall_that_is_left_does_not_break_the_calls_of_another(project: Path) -> None:
    with fake_models(latency=0.2) as server:
        environ = {"GUILDHALL_BASE_URL": f"{server.url}/v1"}
        async with Hall.open(environ=environ) as hall:
            work = asyncio.create_task(hall.ask("critic", "Well?"))
            await asyncio.to_thread(server.wait_for, lambda seen: seen.in_flight == 1)
            async with Hall.open(environ=environ):
                pass
            result = await work
    assert result.status == "done"
    assert len(server.requests) == 1


async def test_a_hall_that_stays_open_removes_old_runs_day_by_day(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "TIDY_CHECK", -1.0)

    def a_year_passes() -> None:
        with closing(sqlite3.connect(home / "guildhall.db")) as db:
            for column in ("started", "ended"):
                db.execute(f"UPDATE runs SET {column} = {column} - 31536000")
            db.execute("UPDATE chores SET at = at - 31536000")
            db.commit()

    async with Hall.open() as hall:
        for _ in range(3):
            await hall.ask("critic", "What does the letter say?", context="The house is sold.")
            while (tidying := hall._tidying) and not tidying.done():
                await asyncio.wait([tidying])
            assert len(await hall.runs()) == 1
            await asyncio.to_thread(a_year_passes)


async def test_what_is_kept_of_a_run_names_no_secret(home: Path, project: Path) -> None:
    key = "ghp_" + "aB3dE5fG7h" * 4
    async with Hall.open() as hall:
        await hall.ask(f"an expert with {key}", f"What is {key}?", context=f"It is {key}.")
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        assert key not in "\n".join(db.iterdump())


async def test_an_older_reply_at_the_same_place_closes_no_call_that_was_cut_short(tmp_path: Path) -> None:
    """A changed request was asked anew, and the process died before it was answered."""
    db = await asyncio.to_thread(Database, tmp_path / "g.db")
    known = {"line/ask": Entry("old", {"reply": {"text": "old"}, "spent": {"calls": 1}})}
    books = Books()
    state = RunState("r" * 32, log=RunLog(db, "r" * 32, known), sinks=[books], replied={"line/ask": (5, "m")})
    asked = Asked(
        id=9, run=state.id, path="line/ask", who="ann", at=0.0, model="m", attempt=1,
        reserved=Amount(1, 100, 1000, usd=0.1),
    )  # fmt: skip
    settle_open([asked], state)
    await asyncio.to_thread(db.close)
    assert [event.error for event in books.of(Lost)] == ["interrupted"]
    assert state.meter.spent.usd == 0.1
