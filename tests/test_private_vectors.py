"""What is private is embedded by no API that is not marked for it, and found by its words all the same."""

import asyncio
from pathlib import Path

import pytest
from fake_models import FakeModels, fake_models
from limiting import until

from guildhall.agents import Attachment, Hall

MARKED = '[model."openai-compatible:small"]\nprivate = true\n'
SECRET = "The house is sold to Ada."


async def _told(server: FakeModels) -> str:
    """All that the server was shown to embed."""
    return "\n".join(str(request.body["input"]) for request in server.requests if request.api == "embeddings")


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.slow
async def test_what_is_private_is_shown_to_no_api_that_is_not_marked_so(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch, *, marked: bool
) -> None:
    monkeypatch.setenv("GUILDHALL_EMBEDDER", "openai-compatible:small")
    home.mkdir()
    (home / "config.toml").write_text(MARKED if marked else "")
    with fake_models() as server:
        async with Hall.open(environ={"GUILDHALL_BASE_URL": f"{server.url}/v1"}) as hall:
            await hall.remember(SECRET, private=True, kind="episode")
            await hall.remember("The cat is called Bob.", kind="episode")
            await until(lambda: any("Bob" in str(request.body) for request in server.requests))
            while (await hall.memory.search("a cat", scope=hall.scope)).served == "words":
                await asyncio.sleep(0.005)
            await hall.remember("The manor is sold to Ada.", private=True)  # looks for what is near to it
            found = await hall.memory.search("whose house", scope=hall.scope, private=True)
            assert found.hits[0].record.text == SECRET
            if not marked:
                assert found.why == "what is private is not shown to openai-compatible:small:8"
        told = await _told(server)
    assert ("house" in told, "manor" in told) == (marked, marked)


@pytest.mark.slow
async def test_the_private_task_of_a_run_is_not_shown_to_an_api_either(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_EMBEDDER", "openai-compatible:small")
    home.mkdir()
    (home / "config.toml").write_text('[model."openai-compatible:fake"]\nprivate = true\n')
    letter = Attachment(name="letter.md", media_type="text/markdown", data=b"Sold.", private=True)
    with fake_models() as server:
        async with Hall.open(environ={"GUILDHALL_BASE_URL": f"{server.url}/v1"}) as hall:
            await hall.remember("The cat is called Bob.", kind="episode")
            await until(lambda: any("Bob" in str(request.body) for request in server.requests))
            await hall.ask("critic", "Who bought the manor?", private=True, context="a letter")
            await hall.ask("critic", "What does it say?", files=[letter])
            await hall.remember("The cat is called Tom.", kind="episode")
            await until(lambda: any("Tom" in str(request.body) for request in server.requests))
        told = await _told(server)
    assert "manor" not in told
    assert "Sold" not in told
