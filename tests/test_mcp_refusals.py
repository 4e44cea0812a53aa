"""What an MCP host is told of a call that cannot be made: in one line, in our words, without secrets."""

from collections.abc import Iterator
from typing import Any

import pytest
from fake_models import FakeModels, fake_models
from mcp.client import Client
from mcp_types import CallToolResult, TextContent

from guildhall.mcp_server.server import build

pytestmark = pytest.mark.usefixtures("project")
SECRET = "ghp_aB3dE5gH7jK9mN1pQrStUvWxYz0123456789"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModels]:
    """A model server, which nothing that is refused may reach."""
    with fake_models() as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        yield server


async def test_arguments_out_of_bounds_reach_no_team(models: FakeModels) -> None:
    for wrong in ({"budget_usd": 0}, {"task": ""}, {"files": ["notes.md"] * 21}):
        result = await _call("run_team", {"task": "Look", "team": "research", **wrong})
        assert result.is_error
        assert next(iter(wrong)) in _text(result)
    assert not models.requests


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"privat": True},
            "run_team takes no privat; it takes task, team, pattern, context, files, budget_usd",
        ),
        ({"dry_run": True}, "run_team takes no dry_run; it takes task"),
        (
            {"budget_usd": "nan"},
            'budget_usd is "nan": give a number above 0 and up to 1,000. Nothing was done',
        ),
        (
            {"budget_usd": -1, "private": 7},
            "budget_usd is -1: give a number above 0 and up to 1,000; private is 7: give true or false",
        ),
        ({"task": None}, "task is null: give a text of 1 to 20,000 characters"),
        ({"task": "x" * 20_001}, "task is a text of 20,001 characters: give a text of 1 to 20,000"),
        ({"pattern": 5}, "pattern is 5: give one of auto, debate, first_valid"),
        ({"files": "notes.md"}, 'files is "notes.md": give a list of at most 20, each a text of 1 to 1,000'),
        ({"files": ["notes.md", 5]}, "files[1] is 5: give a text of 1 to 1,000 characters"),
        ({f"{n}": n for n in range(9)}, "run_team takes no 0, 1, 2, 3, 4, and 4 more; it takes task"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_an_argument_that_cannot_be_used_is_refused_in_a_sentence(
    wrong: dict[str, Any], said: str, models: FakeModels
) -> None:
    result = await _call("run_team", {"task": "Look", "team": "research", **wrong})
    assert result.is_error
    assert said in _text(result)
    assert "pydantic" not in _text(result)
    assert not models.requests


async def test_a_tool_says_that_it_takes_no_other_arguments_and_which_it_needs() -> None:
    async with Client(build()) as client:
        tools = (await client.list_tools()).tools
        missing = await client.call_tool("ask_specialist", {"specialist": "reader"})
    assert {tool.input_schema["additionalProperties"] for tool in tools} == {False}
    assert _text(missing).startswith("ask_specialist: task is missing: give a text of 1 to 20,000 characters")


async def test_for_every_argument_it_is_said_what_may_be_given() -> None:
    async with Client(build()) as client:
        for tool in (await client.list_tools()).tools:
            for name in tool.input_schema["properties"]:
                refused = _text(await client.call_tool(tool.name, {name: {"no": "such"}}))
                wrong = 'settle["no"] is "such"' if name == "settle" else f'{name} is {{"no": "such"}}'
                assert f"{wrong}: give " in refused
                assert "pydantic" not in refused


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (f"recall_{SECRET}", {}),
        (f"{'x' * 90} {SECRET}", {}),
        ("recall", {"query": "q", "limit": SECRET}),
        ("recall", {"query": {"key": SECRET}}),
        ("recall", {"query": "q", SECRET: 1}),
        ("recall", {"query": "q", f"{'x' * 90} {SECRET}": 1}),
        ("remember", {"text": "t", "kind": f"{'x' * 70} {SECRET}"}),
        ("remember", {"text": "t", "tags": ["x", f"{'x' * 70} {SECRET}"]}),
        ("run_team", {"task": "t", "team": SECRET}),
        ("run_team", {"task": "t", "files": [SECRET]}),
        ("run_team", {"task": "t", "files": f"token {SECRET}"}),
        ("ask_specialist", {"specialist": "reader", "task": "t", "preference": SECRET}),
    ],
)
async def test_what_is_refused_is_repeated_without_secrets(tool: str, arguments: dict[str, Any]) -> None:
    result = await _call(tool, arguments)
    assert result.is_error
    assert SECRET[:12] not in result.model_dump_json()
    assert "Error executing" not in _text(result)


async def test_a_tool_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert "did you mean run_team" in _text(await _call("runteam", {}))
    assert "ask_specialist, cancel_run, get_run, recall, remember, run_team" in _text(
        await _call("get_weather", {})
    )


async def test_an_error_nobody_expected_is_told_in_a_line_and_logged_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> Any:
        raise ZeroDivisionError(f"divided by\n{SECRET}")

    async with Client(build(broken)) as client:
        result = await client.call_tool("recall", {"query": "anything"})
    assert result.is_error
    assert _text(result).startswith("internal error: ZeroDivisionError: divided by [redacted: github]")
    [logged] = [record for record in caplog.records if record.name.startswith("guildhall.")]
    assert "in broken" in (logged.exc_text or "")
    assert SECRET not in caplog.text


async def _call(tool: str, arguments: dict[str, Any]) -> CallToolResult:
    async with Client(build()) as client:
        return await client.call_tool(tool, arguments)


def _text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))
