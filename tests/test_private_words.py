"""What is made of private data is private, by whatever way it is passed on."""

from pathlib import Path

import pytest
from fake_models import Fault, fake_models

from guildhall import Hall
from guildhall.agents import (
    Agent,
    Attachment,
    Budget,
    Message,
    Parallel,
    Pipeline,
    Quote,
    Run,
)
from guildhall.agents.message import ModelRequest, Turn
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.testing import ScriptedModel

TASK = "What does the letter say?"
LETTER = Attachment(name="letter.md", media_type="text/markdown", data=b"The house is sold.", private=True)


@pytest.mark.parametrize("how", ["text", "quote", "file", "request"])
async def test_what_a_program_makes_of_it_goes_no_further_than_it(project: Path, how: str) -> None:
    reader = Agent("reader", "Read.", [ScriptedModel("The house is sold, says the letter.")])
    with fake_models() as server:
        remote = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        translator = Agent("translator", "Translate.", [remote])

        class Line:
            name = "line"

            async def run(self, message: Message, run: Run) -> Message:
                said = (await run.give(reader, message)).text
                if how == "request":
                    reply = await run.ask([remote], ModelRequest(turns=(Turn(role="user", text=said),)))
                    return run.answer(message, reply.text)
                file = Attachment(name="draft.png", media_type="image/png", data=said.encode())
                quote = Quote(label="draft", kind="answer", text=said)
                made = {
                    "text": Message(text=f"Translate: {said}"),
                    "quote": Message(text=message.text, quotes=(quote,)),
                    "file": Message(text=message.text, attachments=(file,)),
                }
                return await run.give(translator, made[how])

        async with Hall.open() as hall:
            result = await hall.run_team(Line(), TASK, files=[LETTER])
        assert server.requests == []
    assert (result.status, "not marked private" in result.error) == ("failed", True)


async def test_a_cheaper_model_of_the_team_gets_none_of_it(home: Path, project: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(
        '[model."openai-compatible:dear"]\nprice = { input = 10.0, output = 100.0 }\n'
        '[model."openai-compatible:cheap"]\nprice = { input = 0.1, output = 1.0 }\n'
    )
    with fake_models() as server:
        dear, cheap = (
            OpenAICompatibleModel(name, base_url=f"{server.url}/v1", api_key="none", private=name == "dear")
            for name in ("dear", "cheap")
        )

        class Recalls:
            """Asks its model of what it recalls itself, as plain text."""

            name, models = "recalls", (dear,)

            async def run(self, message: Message, run: Run) -> Message:
                text = "; ".join(hit.record.text for hit in await run.recall("house letter"))
                turns = (Turn(role="user", text=text),)
                reply = await run.ask(self.models, ModelRequest(turns=turns, max_output=1000))
                return run.answer(message, reply.text)

        class Pair:
            name = "pair"

            async def run(self, message: Message, run: Run) -> Message:
                await run.give(Agent("other", "Read.", [cheap], max_output=100), message)
                return await run.give(Recalls(), message)

        async with Hall.open() as hall:
            await hall.remember("The letter says that the house is sold.", private=True)
            result = await hall.run_team(Pair(), "Which zebra?", budget=Budget(usd=0.05))
        assert "sold" not in str([request.body for request in server.requests])
    assert [said.status for said in result.contributions] == ["answered", "failed"]


async def test_the_user_is_told_why_members_failed_at_it(project: Path) -> None:
    with fake_models(lambda body, api: Fault("400", message="no such thing")) as server:
        models = [OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none", private=True)]
        team = Parallel("two", [Agent("a", "Read.", models), Agent("b", "Read.", models)])
        async with Hall.open() as hall:
            result = await hall.run_team(team, TASK, private=True)
    assert "no such thing" in result.error


async def test_a_member_that_asks_nobody_takes_no_private_memory_along(project: Path) -> None:
    class Own:
        name = "own"

        async def run(self, message: Message, run: Run) -> Message:
            assert not message.private_parts
            return run.answer(message, "Please be short.")

    with fake_models() as server:
        remote = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        async with Hall.open() as hall:
            await hall.remember("The letter says that the house is sold.", private=True)
            result = await hall.run_team(Pipeline("line", [Own(), Agent("a", "Read.", [remote])]), TASK)
    assert result.status == "done"
    assert any("is private and was not shown" in notice for notice in result.notices)


async def test_members_that_know_each_other_are_no_team_without_end(project: Path) -> None:
    class Peer:
        members: list["Peer"]

        def __init__(self, name: str) -> None:
            self.name = name

        async def run(self, message: Message, run: Run) -> Message:
            return run.answer(message, f"{self.name} answers")

    ann, bob = Peer("ann"), Peer("bob")
    ann.members, bob.members = [bob], [ann]
    async with Hall.open() as hall:
        await hall.remember("The letter says that the house is sold.", private=True)
        assert (await hall.run_team(ann, TASK)).answer == "ann answers"


def test_what_is_private_does_not_change_what_is_asked() -> None:
    """Or a resumed run would ask anew what it had asked before anybody had seen private data."""
    quote = Quote(label="a", kind="answer", text="b")
    turn = Turn(role="user", text="c", quotes=(quote,), attachments=(LETTER,))
    marked = Turn(
        role="user",
        text="c",
        private=True,
        quotes=(quote.model_copy(update={"private": True}),),
        attachments=(LETTER.model_copy(update={"private": False}),),
    )
    assert ModelRequest(turns=(turn,)).digest() == ModelRequest(turns=(marked,)).digest()
