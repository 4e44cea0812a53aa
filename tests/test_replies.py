"""What was asked before is answered from the database; what is being asked is asked once."""

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fake_models import FakeModels, Fault, Says, fake_models
from support import Books

from guildhall import Budget, Hall
from guildhall.agents import Agent, Parallel
from guildhall.agents.config import CacheMode
from guildhall.agents.event import Asked, Decided, Replied
from guildhall.agents.message import ModelReply
from guildhall.agents.models.guarded import Policy, Tries, guarded
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.models.replies import Replies
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import ProviderError
from guildhall.memory.store.cache import Cache
from guildhall.memory.store.database import Database

TASK = "Which of the two offers is the better one?"


def member(server: FakeModels, name: str = "buyer", model: str = "fake") -> Agent:
    asked = OpenAICompatibleModel(model, base_url=f"{server.url}/v1", api_key="none")
    return Agent(name, "You compare offers.", [asked], memory=False)


async def test_the_same_request_is_answered_from_the_database_at_no_cost(project: Path) -> None:
    books = Books()
    with fake_models() as server:
        async with Hall.open() as hall:
            first = await hall.run_team(member(server), TASK)
        async with Hall.open() as hall:  # another process would see the same
            again = await hall.run_team(member(server), TASK, sinks=[books])
        assert len(server.requests) == 1
    assert again.answer == first.answer
    assert (again.usage.calls, again.usage.input_tokens, again.usage.reused_replies) == (0, 0, 1)
    assert any("came from the cache" in notice for notice in again.notices)
    assert not books.of(Asked)
    assert [reply.cached for reply in books.of(Replied)] == [True]
    assert [said.model for said in again.contributions] == ["openai-compatible:fake"]


async def test_refresh_asks_anew_and_keeps_that_and_off_keeps_nothing(project: Path) -> None:
    said = iter(["one", "two", "three"])
    with fake_models(lambda body, api: next(said)) as server:
        async with Hall.open() as hall:
            answers = [
                (await hall.run_team(member(server), TASK, cache=mode)).answer
                for mode in ("use", "refresh", "off", "use")
            ]
    assert answers == ["one", "two", "three", "two"]


@pytest.mark.parametrize("config", ['mode = "off"', "hours = 0.0000001"], ids=["off", "too old"])
async def test_the_configuration_says_whether_and_how_long_replies_are_used(
    home: Path, project: Path, config: str
) -> None:
    home.mkdir()
    (home / "config.toml").write_text(f"[cache]\n{config}\n")
    with fake_models() as server:
        async with Hall.open() as hall:
            for _ in range(2):
                await hall.run_team(member(server), TASK)
        assert len(server.requests) == 2


async def test_other_models_and_other_addresses_have_replies_of_their_own(project: Path) -> None:
    with fake_models() as server, fake_models() as other:
        async with Hall.open() as hall:
            await hall.run_team(member(server), TASK)
            await hall.run_team(member(server, model="another"), TASK)
            await hall.run_team(member(other), TASK)
        assert (len(server.requests), len(other.requests)) == (2, 1)


async def test_runs_that_ask_the_same_at_once_wait_for_one_call(project: Path) -> None:
    with fake_models(latency=0.05) as server:
        async with Hall.open() as hall:
            runs = await asyncio.gather(*(hall.run_team(member(server), TASK) for _ in range(3)))
        assert len(server.requests) == 1
    assert sorted((run.usage.calls, run.usage.reused_replies) for run in runs) == [(0, 1), (0, 1), (1, 0)]
    assert len({run.answer for run in runs}) == 1


async def test_members_of_one_run_who_ask_the_same_get_answers_of_their_own(project: Path) -> None:
    """They are samples of one question; in the next run of the same team each is there again."""
    said = itertools.count(1)
    with fake_models(lambda body, api: f"answer {next(said)}") as server:
        jury = Parallel("jury", [member(server, name) for name in ("ann", "bob", "cay")])
        async with Hall.open() as hall:
            first = await hall.run_team(jury, TASK)
            again = await hall.run_team(jury, TASK)
        assert len(server.requests) == 3
    answers = {"answer 1", "answer 2", "answer 3"}
    assert (
        {said.text for said in first.contributions} == {said.text for said in again.contributions} == answers
    )
    assert (first.usage.calls, again.usage.calls, again.usage.reused_replies) == (3, 0, 3)


async def test_if_the_run_that_asks_fails_the_one_that_waits_asks(project: Path) -> None:
    answers: Iterator[Says | Fault] = iter([Fault("400"), Says("at last")])
    with fake_models(lambda body, api: next(answers), latency=0.05) as server:
        async with Hall.open() as hall:
            runs = await asyncio.gather(*(hall.run_team(member(server), TASK) for _ in range(2)))
    assert sorted(run.status for run in runs) == ["done", "failed"]


async def test_no_run_waits_for_the_budget_of_another(home: Path, project: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(
        '[model."openai-compatible:fake"]\nprice = { input = 1.0, output = 10.0 }\n'
    )
    let_go = threading.Event()

    def says(body: dict[str, object], api: str) -> Says:
        return Says("late", after=let_go) if "blocker" in str(body) else Says("quick")

    with fake_models(says) as server:
        asked = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        blocker, same = (
            Agent(name, f"You are the {name}.", [asked], max_output=1000, memory=False)
            for name in ("blocker", "same")
        )
        waits = asyncio.Event()

        def seen(event: object) -> None:
            if isinstance(event, Decided) and event.choice == "waits":
                waits.set()

        async with Hall.open() as hall:
            short = asyncio.create_task(
                hall.run_team(
                    Parallel("both", [blocker, same]), TASK, budget=Budget(usd=0.0105), sinks=[seen]
                )
            )
            await waits.wait()
            rich = await hall.run_team(same, TASK, budget=Budget(usd=5))
            let_go.set()
            await short
    assert rich.answer == "quick"


async def test_a_short_budget_gives_no_old_reply_to_who_wants_a_new_one(home: Path, project: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(
        '[model."openai-compatible:fake"]\nprice = { input = 1.0, output = 10.0 }\n'
    )
    with fake_models() as server:
        async with Hall.open() as hall:
            await hall.run_team(member(server), TASK)
            budget = Budget(usd=0.001)
            again = await hall.run_team(member(server), TASK, budget=budget)
            anew = await hall.run_team(member(server), TASK, budget=budget, cache="refresh")
    assert (again.status, anew.status) == ("done", "failed")


async def test_pruning_forgets_replies_too(home: Path, project: Path) -> None:
    with fake_models(lambda body, api: "The house is sold.") as server:
        async with Hall.open() as hall:
            await hall.run_team(member(server), TASK)
            await hall.prune(days=0)
            with closing(sqlite3.connect(home / "guildhall.db")) as db:
                assert db.execute("SELECT count(*) FROM cache").fetchone() == (0,)


async def through(tmp_path: Path, work: Callable[[Replies, Database], Awaitable[None]]) -> None:
    db = await asyncio.to_thread(Database, tmp_path / "store" / "g.db")
    try:
        await work(Replies(Cache(db), hours=1), db)
    finally:
        await asyncio.to_thread(db.close)


class Named(ScriptedModel):
    name = "provider:model"
    identity = "provider:model@somewhere"


async def test_one_who_waits_goes_on_when_the_one_who_asks_is_cancelled(tmp_path: Path) -> None:
    async def work(replies: Replies, db: Database) -> None:
        begun = asyncio.Event()

        async def forever() -> ModelReply:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def ask() -> ModelReply:
            return ModelReply(text="mine")

        asking = asyncio.ensure_future(replies.reply([Named()], "digest", "use", forever, Tries()))
        await begun.wait()
        waiting = asyncio.ensure_future(replies.reply([Named()], "digest", "use", ask, Tries()))
        await asyncio.sleep(0)
        asking.cancel()
        assert (await waiting) == (ModelReply(text="mine"), False)

    await through(tmp_path, work)


async def test_a_model_without_an_identity_is_always_asked(tmp_path: Path) -> None:
    asked = []

    async def ask() -> ModelReply:
        asked.append(1)
        return ModelReply(text="again")

    async def work(replies: Replies, db: Database) -> None:
        for _ in range(2):
            replies.keep(ScriptedModel(), "digest", ModelReply(text="old"))
            found = await replies.reply([ScriptedModel()], "digest", "use", ask, Tries())
            assert found == (ModelReply(text="again"), False)

    await through(tmp_path, work)
    assert len(asked) == 2


async def test_a_refresh_is_not_answered_with_what_the_cache_had(project: Path) -> None:
    with fake_models() as server:
        async with Hall.open() as hall:
            await hall.run_team(member(server), TASK)
            for _ in range(5):
                modes: tuple[CacheMode, ...] = ("use", "refresh")
                await asyncio.gather(*(hall.run_team(member(server), TASK, cache=mode) for mode in modes))
        assert len(server.requests) == 1 + 5


async def test_one_who_waits_takes_no_reply_of_a_model_that_it_does_not_ask(tmp_path: Path) -> None:
    async def work(replies: Replies, db: Database) -> None:
        asked = asyncio.Event()

        async def falls_back() -> ModelReply:
            await asked.wait()
            return ModelReply(text="of the cheap one", model="provider:cheap")

        async def ask() -> ModelReply:
            return ModelReply(text="of the dear one", model="provider:model")

        leading = asyncio.ensure_future(replies.reply([Named()], "digest", "use", falls_back, Tries()))
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(replies.reply([Named()], "digest", "use", ask, Tries()))
        asked.set()
        assert (await leading)[0].text == "of the cheap one"
        assert (await waiting) == (ModelReply(text="of the dear one", model="provider:model"), False)

    await through(tmp_path, work)


async def test_the_time_of_calls_that_failed_counts_for_all_who_waited(tmp_path: Path) -> None:
    async def work(replies: Replies, db: Database) -> None:
        leading, waiting = Tries(), Tries()

        async def fails() -> ModelReply:
            leading.seconds = 300.0
            raise ProviderError("timeout", "no reply came")

        async def ask() -> ModelReply:
            assert waiting.seconds == 300.0
            return await guarded([Named()], never, Policy(), tries=waiting)

        async def never(model: object, tries: Tries) -> ModelReply:
            raise AssertionError

        first = asyncio.ensure_future(replies.reply([Named()], "digest", "use", fails, leading))
        second = asyncio.ensure_future(replies.reply([Named()], "digest", "use", ask, waiting))
        with pytest.raises(ProviderError, match="no reply came"):
            await first
        with pytest.raises(ProviderError, match="within 300 s"):
            await second

    await through(tmp_path, work)


async def test_one_who_waits_keeps_the_seconds_of_its_own_run(project: Path) -> None:
    let_go = threading.Event()
    with fake_models(
        lambda body, api: Says("late", after=let_go) if body["model"] == "slow" else "now"
    ) as server:
        slow, quick = member(server, "slow", "slow"), member(server, "quick", "quick")
        async with Hall.open() as hall:
            leading = asyncio.create_task(hall.run_team(slow, TASK))
            await asyncio.to_thread(server.wait_for, lambda it: len(it.requests) > 0)
            result = await hall.run_team(Parallel("both", [slow, quick]), TASK, budget=Budget(seconds=0.3))
            let_go.set()
            assert (await leading).answer == "late"
    assert [said.status for said in result.contributions] == ["failed", "answered"]
    assert "seconds are over" in result.contributions[0].error


async def test_one_whose_other_models_were_not_asked_has_time_for_them(tmp_path: Path) -> None:
    class Other(Named):
        name = "provider:other"

    async def work(replies: Replies, db: Database) -> None:
        leading, waiting = Tries(), Tries()

        async def fails() -> ModelReply:
            leading.seconds = 300.0
            raise ProviderError("timeout", "no reply came")

        async def ask() -> ModelReply:
            return ModelReply(text=f"{waiting.seconds:g}", model="provider:other")

        first = asyncio.ensure_future(replies.reply([Named()], "digest", "use", fails, leading))
        second = asyncio.ensure_future(replies.reply([Named(), Other()], "digest", "use", ask, waiting))
        with pytest.raises(ProviderError, match="no reply came"):
            await first
        assert (await second)[0].text == "0"

    await through(tmp_path, work)


async def test_who_asks_the_same_in_a_resumed_run_gets_no_reply_of_another(project: Path) -> None:
    """Whichever of them asks first, then and now."""
    said, broken = itertools.count(1), True

    def says(body: dict[str, object], api: str) -> Says | Fault:
        return Fault("400") if broken and len(server.requests) == 1 else Says(f"opinion {next(said)}")

    with fake_models(says) as server:
        jury = Parallel("jury", [member(server, "ann"), member(server, "bob")], need=2)
        async with Hall.open() as hall:
            first = await hall.run_team(jury, TASK)
            broken = False
            again = await hall.resume(first.run_id, team=jury)
        assert len(server.requests) == 3
    assert first.status == "failed"
    assert {said.text for said in again.contributions} == {"opinion 1", "opinion 2"}
