"""What was asked before is answered from the database; what is being asked is asked once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from fake_models import FakeModels, Fault, Says, fake_models
from support import Books

from guildhall import Hall
from guildhall.agents import Agent, Parallel
from guildhall.agents.event import Asked, Replied
from guildhall.agents.message import ModelReply, ModelRequest, Turn
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.models.replies import Replies
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


async def test_the_configuration_can_turn_the_cache_off(home: Path, project: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[cache]\nmode = "off"\n')
    with fake_models() as server:
        async with Hall.open() as hall:
            for _ in range(2):
                await hall.run_team(member(server), TASK)
        assert len(server.requests) == 2


async def test_a_reply_that_is_too_old_is_asked_for_again(home: Path, project: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("[cache]\nhours = 0.0000001\n")
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


async def test_members_who_ask_the_same_at_once_wait_for_one_call(project: Path) -> None:
    with fake_models(latency=0.05) as server:
        team = Parallel("twins", [member(server, "first"), member(server, "second")])
        async with Hall.open() as hall:
            result = await hall.run_team(team, TASK)
        assert len(server.requests) == 1
    assert (result.usage.calls, result.usage.reused_replies) == (1, 1)
    assert len({said.text for said in result.contributions}) == 1


async def test_if_the_one_who_asks_fails_the_one_who_waits_asks(project: Path) -> None:
    answers: Iterator[Says | Fault] = iter([Fault("400"), Says("at last")])
    with fake_models(lambda body, api: next(answers), latency=0.05) as server:
        team = Parallel("twins", [member(server, "first"), member(server, "second")])
        async with Hall.open() as hall:
            result = await hall.run_team(team, TASK)
    assert [said.status for said in result.contributions] == ["failed", "answered"]


async def through(tmp_path: Path, work: Callable[[Replies, Database], Awaitable[None]]) -> None:
    db = await asyncio.to_thread(Database, tmp_path / "store" / "g.db")
    try:
        await work(Replies(Cache(db), hours=1), db)
    finally:
        await asyncio.to_thread(db.close)


class Named:
    identity = "provider:model@somewhere"


async def test_samples_of_one_question_stay_apart(tmp_path: Path) -> None:
    first = ModelRequest(turns=(Turn(role="user", text=TASK),))
    second = first.model_copy(update={"sample": 1})
    assert first.digest() != second.digest()

    async def work(replies: Replies, db: Database) -> None:
        replies.keep(Named(), first.digest(), ModelReply(text="one", model="provider:model"))
        await db.write(lambda _: None)  # what is kept is there with the next write

        async def ask() -> ModelReply:
            return ModelReply(text="two", model="provider:model")

        assert (await replies.reply(Named(), first.digest(), "use", ask))[0].text == "one"
        assert (await replies.reply(Named(), second.digest(), "use", ask))[0].text == "two"

    await through(tmp_path, work)


async def test_one_who_waits_goes_on_when_the_one_who_asks_is_cancelled(tmp_path: Path) -> None:
    async def work(replies: Replies, db: Database) -> None:
        begun = asyncio.Event()

        async def forever() -> ModelReply:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def ask() -> ModelReply:
            return ModelReply(text="mine")

        asking = asyncio.ensure_future(replies.reply(Named(), "digest", "use", forever))
        await begun.wait()
        waiting = asyncio.ensure_future(replies.reply(Named(), "digest", "use", ask))
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
            replies.keep(object(), "digest", ModelReply(text="old"))
            assert (await replies.reply(object(), "digest", "use", ask)) == (ModelReply(text="again"), False)

    await through(tmp_path, work)
    assert len(asked) == 2
