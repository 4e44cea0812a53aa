"""What goes wrong within a run, or between its sittings, is bounded, counted and said."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_models import Fault, Says, fake_models
from support import Books, Waiting, given

from guildhall import Budget, Hall
from guildhall.agents import Agent, Message, ModelReply, Parallel, Run, ToolCall, tool
from guildhall.agents.budget import Amount
from guildhall.agents.conduct import before
from guildhall.agents.event import Asked, Decided, Lost, Replied, RunFinished, RunStarted
from guildhall.agents.message import ModelRequest, Native
from guildhall.agents.models.base import OnText
from guildhall.agents.models.guarded import Policy
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import ProviderError, UserError
from guildhall.memory.store import writer


@pytest.mark.slow
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
        died = "UPDATE runs SET status = 'running', holder = 'dead'"
        await hall._runs._db.write(lambda db: db.execute(died))
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


@pytest.mark.slow
async def test_a_call_that_never_left_the_machine_costs_nothing(project: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    async with Hall.open(environ=environ) as hall:
        result = await hall.ask("critic", "Well?")
    assert result.status == "failed"
    assert "failed" in result.error
    assert (result.usage.input_tokens, result.usage.cost_usd) == (0, 0)


async def test_a_model_without_its_key_is_refused_before_the_run(project: Path) -> None:
    async with Hall.open() as hall:
        with pytest.raises(UserError, match="set ANTHROPIC_API_KEY"):
            await hall.ask("critic", "Well?", model="anthropic:claude-x")
        with pytest.raises(UserError, match="names no model"):
            await hall.ask("critic", "Well?", model="openai:")
        assert await hall.runs() == []


async def test_the_outcome_of_a_task_takes_the_place_of_the_one_before(project: Path) -> None:
    async with Hall.open() as hall:
        for answer in ("The crane is red.", "The crane is blue."):
            await hall.run_team(StubMember("team", answer), "What colour is the crane?")
        found = await hall.recall("crane colour")
    assert len(found) == 1
    assert "blue" in found[0].record.text


async def test_an_extract_that_found_nothing_is_not_remembered(project: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team("research", "What of the zeppelin?")
        assert "Nothing that was given bears on the task" in result.answer
        assert result.sources == ()
        assert await hall.recall("zeppelin") == []


async def test_calls_in_flight_at_a_kill_are_said_to_count_in_full(project: Path) -> None:
    with fake_models() as server:
        environ = {"GUILDHALL_BASE_URL": f"{server.url}/v1"}
        async with Hall.open(environ=environ) as hall:
            result = await hall.ask("critic", "Well?", cache="off")
            await hall._runs._db.write(
                lambda db: [
                    db.execute("DELETE FROM journal WHERE path LIKE '%ask'"),
                    db.execute(
                        "DELETE FROM events WHERE id > (SELECT min(id) FROM events WHERE body LIKE '%asked%')"
                    ),
                    db.execute("UPDATE runs SET status = 'running', holder = 'dead'"),
                ]
            )  # fmt: skip
            again = await hall.resume(result.run_id)
    assert again.usage.calls == 2
    assert any("1 call was in flight when the process died" in notice for notice in again.notices)


async def test_that_a_call_is_being_paid_for_is_on_disk_while_it_is_made(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LATER", 1000.0)  # nobody else has it written
    let_go = threading.Event()

    def asked() -> bool:
        with closing(sqlite3.connect(home / "guildhall.db")) as db:
            rows = db.execute("SELECT count(*) FROM events WHERE body LIKE '%\"asked\"%'").fetchone()
            return bool(rows[0])

    with fake_models(lambda body, api: Says("late", after=let_go)) as server:
        model = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        async with Hall.open() as hall:
            working = asyncio.create_task(hall.run_team(Agent("only", "You are.", [model]), "Go."))
            await asyncio.to_thread(server.wait_for, lambda it: len(it.requests) > 0)
            while not await asyncio.to_thread(asked):
                await asyncio.sleep(0.01)
            let_go.set()
            assert (await working).status == "done"


async def test_a_pause_that_one_server_asks_for_holds_for_no_other(project: Path) -> None:
    """Nor for another key: another account has limits of its own."""
    busy = Fault("429", "86400")
    with fake_models(lambda body, api: busy) as first, fake_models() as second:
        agents = [
            Agent("only", "You are.", [OpenAICompatibleModel("fake", base_url=f"{url}/v1", api_key=key)])
            for url, key in ((first.url, "a"), (first.url, "a"), (first.url, "b"), (second.url, "a"))
        ]
        async with Hall.open() as hall:
            for agent in agents:
                await hall.run_team(agent, "Go.", cache="off")
        assert (len(first.requests), len(second.requests)) == (2, 1)


async def test_what_is_left_of_a_cut_reply_and_what_goes_back_to_the_provider_hold_no_secret(
    home: Path, project: Path
) -> None:
    key = "ghp_" + "aB3dE5fG7h" * 4
    native = Native(provider="made", items=({"reasoning": f"The key is {key}."},))

    class Made:
        name = "made:one"

        def __init__(self, *said: ModelReply | ProviderError) -> None:
            self.said, self.requests = iter(said), list[ModelRequest]()

        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            self.requests.append(request)
            if isinstance(said := next(self.said), ProviderError):
                raise said
            return said

    @tool
    def look() -> str:
        """Look."""
        return "seen"

    calls = (ToolCall(id="1", name="look"),)
    first = Made(
        ProviderError("max_tokens", "cut", partial=f"The key is {key}, "), ModelReply(text="and so on")
    )
    second = Made(ModelReply(text="look", calls=calls, native=native), ModelReply(text="done"))
    async with Hall.open() as hall:
        cut = await hall.run_team(Agent("only", "You are.", [first]), "Go.")
        await hall.run_team(Agent("other", "You are.", [second], [look]), "Go.")
    assert key not in cut.answer
    assert key not in str(first.requests + second.requests)
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        assert key not in "\n".join(db.iterdump())


async def test_a_reply_that_comes_slowly_is_not_cut_off_for_another_model(project: Path) -> None:
    class Slow:
        name = "mine:slow"

        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            for _ in range(8):
                await asyncio.sleep(0.05)
                on_text("")  # it thinks
            return ModelReply(text="at last")

    never = ScriptedModel("never asked")
    state = RunState("r" * 32, policy=Policy(deadline=0.6))
    asked = Agent("only", "You are.", [Slow(), never])
    assert (await given(asked, "Go.", state=state)).text == "at last"


async def test_a_model_that_says_nothing_is_left_for_the_next(project: Path) -> None:
    class Silent:
        name = "mine:silent"

        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            on_text("begun, and then")
            await asyncio.Event().wait()
            raise AssertionError

    state = RunState("r" * 32, policy=Policy(deadline=0.4))
    asked = Agent("only", "You are.", [Silent(), ScriptedModel("instead")])
    assert (await given(asked, "Go.", state=state)).text == "instead"
