"""What goes wrong around a run costs neither its answer nor the next run."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_models import fake_models
from support import Books, Waiting

from guildhall import Budget, Hall
from guildhall.agents import Agent, Message, ModelReply, Parallel, Run, ToolCall, tool
from guildhall.agents.budget import Amount
from guildhall.agents.conduct import before
from guildhall.agents.event import Asked, Decided, Lost, Replied, RunFinished, RunStarted
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import PathRefused, ProviderError, StoreError
from guildhall.home import is_too_wide, project_folder, scope_of
from guildhall.memory.store.runs import RunLog, RunRow, Runs


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

    async def slow(self: Runs, row: RunRow) -> RunLog:
        log = await begin(self, row)
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
    monkeypatch.setattr("guildhall.agents.hall.CANCEL_CHECK", 0.01)
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


async def test_seconds_hold_in_tools_too(project: Path) -> None:
    @tool
    async def wait() -> str:
        """Wait for ever."""
        await asyncio.Event().wait()
        return ""

    model = ScriptedModel(ModelReply(calls=(ToolCall(id="1", name="wait"),)))
    async with Hall.open() as hall:
        result = await hall.run_team(
            Agent("ann", "Wait.", [model], [wait]), "Go.", budget=Budget(seconds=0.1)
        )
    assert result.status == "failed"
    assert "seconds are over" in result.error


def test_the_time_that_a_run_lay_dead_does_not_count() -> None:
    def event(kind: Any, number: int, at: float, **more: Any) -> Any:
        return kind(id=number, run="r", path="a/ask", who="a", at=at, **more)

    started = {"team": "t", "task": "x", "budget": Budget(seconds=10)}
    asked = {"model": "m", "attempt": 1, "reserved": Amount(1)}
    lost = {"asked": 2, "error": "interrupted", "text": "died", "spent": Amount(1)}
    events = [
        event(RunStarted, 1, 100.0, **started),
        event(Asked, 2, 102.0, **asked),
        event(RunStarted, 3, 90_000.0, **started, resumed=True),
        event(Lost, 4, 90_000.0, **lost),
        event(RunFinished, 5, 90_001.0, outcome="failed", text="", spent=Amount()),
    ]
    assert before(events).seconds == pytest.approx(3.0)


async def test_what_utf_8_cannot_hold_breaks_neither_a_tool_nor_the_record(project: Path) -> None:
    @tool
    def listing() -> str:
        """Names of files."""
        return "caf\udce9.txt"

    class Deciding(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            run.decided("check", "odd", data={"it": object(), "name": "\udce9"})
            return await super().run(message, run)

    model = ScriptedModel(ModelReply(calls=(ToolCall(id="1", name="listing"),)), "done")
    async with Hall.open() as hall:
        team = Parallel("team", [Agent("ann", "Look.", [model], [listing]), Deciding("bob")], need=2)
        result = await hall.run_team(team, "Look at \udce9.")
        events = await hall.events(result.run_id)
    assert result.status == "done"
    assert model.requests[1].turns[-1].text == "caf?.txt"
    assert [event.id for event in events] == list(range(1, len(events) + 1))


async def test_a_secret_in_what_a_tool_found_reaches_neither_the_model_nor_the_disk(
    project: Path, home: Path
) -> None:
    key = "sk-ant-api03-" + "abcdEFGH1234_-abcdEFGH1234"

    @tool
    def look() -> str:
        """Look."""
        return f"key = {key}"

    model = ScriptedModel(ModelReply(calls=(ToolCall(id="1", name="look"),)), "done")
    async with Hall.open() as hall:
        await hall.run_team(Agent("ann", "Look.", [model], [look]), "Well?")
    assert model.requests[1].turns[-1].text == "key = [redacted: anthropic]"
    assert key.encode() not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


async def test_a_write_in_flight_is_not_repeated_with_other_arguments_either(project: Path) -> None:
    paying, paid = asyncio.Event(), []

    @tool(risk="write", idempotent=False)
    async def pay(euros: int) -> str:
        """Pay."""
        paid.append(euros)
        paying.set()
        await asyncio.Event().wait()
        return "paid"

    def clerk(euros: int, words: str) -> Agent:
        call = ToolCall(id="1", name="pay", arguments={"euros": euros})
        return Agent("clerk", words, [ScriptedModel(ModelReply(calls=(call,)))], [pay])

    async with Hall.open() as hall:
        work = asyncio.create_task(hall.run_team(clerk(5, "Pay."), "Pay it."))
        await paying.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        again = await hall.resume(team=clerk(6, "Pay more."), force=True)
    assert paid == [5]
    assert "doing it twice may do harm" in again.error


async def test_members_of_one_name_and_of_names_like_paths_have_spans_of_their_own(project: Path) -> None:
    books = Books()
    model = ScriptedModel("a", "b", "c", "d")
    members = [Agent(name, "Answer.", [model]) for name in ("x", "x", "x.2", "x/ask")]
    async with Hall.open() as hall:
        result = await hall.run_team(Parallel("team", members, need=4), "Go.", sinks=[books])
    paths = [event.path for event in books.of(Asked)]
    assert len(set(paths)) == 4
    assert len(result.contributions) == 4


async def test_a_resumed_run_still_tells_of_the_extractive_model(project: Path) -> None:
    (project / "a.md").write_text("The crane is blue.\n")
    async with Hall.open() as hall:
        full = await hall.run_team("research", "What colour is the crane?", files=["a.md"])
        books = Books()

        def stop(event: object) -> None:
            if isinstance(event, Replied):
                work.cancel()

        work = asyncio.create_task(
            hall.run_team("research", "What colour is the crane?", files=["a.md"], sinks=[stop])
        )
        with pytest.raises(asyncio.CancelledError):
            await work
        again = await hall.resume(sinks=[books])
    assert again.answer == full.answer
    assert again.notices == full.notices
    assert len(again.contributions) == 4


async def test_a_larger_budget_lets_a_refused_call_be_made_after_a_resume(project: Path) -> None:
    def team(model: Waiting) -> Parallel:
        return Parallel("team", [Agent(f"m{i}", "Answer.", [model]) for i in range(3)], need=3)

    async with Hall.open() as hall:
        first = await hall.run_team(team(Waiting()), "Go.", budget=Budget(calls=2))
        assert first.status == "failed"
        again = await hall.resume(first.run_id, team=team(Waiting()), budget=Budget(calls=3))
    assert again.status == "done"
    assert again.usage.calls == 3


async def test_a_replayed_failure_is_raised_as_it_was(project: Path) -> None:
    seen: list[type[Exception]] = []

    class Careful(StubMember):
        def __init__(self, models: Sequence[Any]) -> None:
            super().__init__("careful")
            self.agent = Agent("inner", "Answer.", models)

        async def run(self, message: Message, run: Run) -> Message:
            try:
                await run.give(self.agent, message)
            except ProviderError as error:
                seen.append(type(error))
            first_time = len(seen) == 1
            if first_time:
                self.stop()
                await asyncio.Event().wait()
            return run.answer(message, "went on")

        def stop(self) -> None:
            work.cancel()

    async with Hall.open() as hall:
        member = Careful([ScriptedModel(ProviderError("auth", "no key"))])
        work = asyncio.create_task(hall.run_team(member, "Well?"))
        with pytest.raises(asyncio.CancelledError):
            await work
        row = await hall.find()
        await hall._db.write(lambda db: db.execute("UPDATE runs SET status = 'running', holder = 'dead'"))
        again = await hall.resume(row.id, team=member)
    assert again.answer == "went on"
    assert seen == [ProviderError, ProviderError]


async def test_a_server_that_was_down_is_asked_again(project: Path) -> None:
    environ = {"GUILDHALL_BASE_URL": "http://127.0.0.1:9/v1"}
    async with Hall.open(environ=environ) as hall:
        assert {choice.model for choice in await hall.choices()} == {""}
        with fake_models() as server:
            hall.catalog.providers = tuple(
                type(p)(p.name, p.reason, p.api_key, f"{server.url}/v1") for p in hall.catalog.providers
            )
            assert {choice.model for choice in await hall.choices()} == {"openai-compatible:fake"}


async def test_a_run_without_a_word_of_its_choice_says_why_it_was_made(project: Path) -> None:
    books = Books()
    models = [Waiting(name="other:model", price=None), Waiting()]
    async with Hall.open() as hall:
        await hall.run_team(Agent("ann", "Answer.", models), "Go.", budget=Budget(usd=1), sinks=[books])
    (decided,) = books.of(Decided)
    assert "price of other:model is not known" in decided.reason
