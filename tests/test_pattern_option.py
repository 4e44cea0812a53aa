"""`--pattern` at every face: another way of working together, for the members of any team."""

import atexit
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fake_models import FakeModels, fake_models
from IPython.core.interactiveshell import InteractiveShell
from mcp.client import Client
from mcp_types import CallToolResult, TextContent
from shell import TASK, data, done, guildhall

from guildhall.agents import Hall
from guildhall.agents.pattern_specs import PATTERNS
from guildhall.errors import NameUnknown, UserError
from guildhall.jupyter_ext.show import answer
from guildhall.mcp_server.server import build
from guildhall.names import PATTERNS as NAMES

pytestmark = pytest.mark.usefixtures("harbour")
NO_STEPS = "duo has no steps, which the pattern graph needs"


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModels]:
    """A model server, which nothing that is refused may reach."""
    with fake_models() as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        yield server
    assert not server.requests


@pytest.fixture
def shell() -> Iterator[Any]:
    made: Any = InteractiveShell
    shell = made()
    shell.run_line_magic("load_ext", "guildhall.jupyter_ext")
    yield shell
    shell.run_line_magic("unload_ext", "guildhall.jupyter_ext")
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)


def test_the_names_that_faces_list_are_those_of_all_patterns() -> None:
    assert sorted(PATTERNS) == list(NAMES)


def test_help_lists_every_pattern() -> None:
    said = done("run", "--help")
    assert [name for name in NAMES if name not in said] == []


@pytest.mark.parametrize("pattern", ["parallel", "pipeline"])
def test_the_shell_has_a_team_work_in_another_pattern(pattern: str) -> None:
    assert data("run", "duo", TASK, "--file", "notes.md", "--pattern", pattern)["pattern"] == pattern
    assert data("run", "duo", TASK, "--file", "notes.md", "-p", pattern)["pattern"] == pattern
    assert data("teams", "show", "duo", "-p", pattern)["pattern"] == pattern


@pytest.mark.parametrize("pattern", ["parallel", "pipeline"])
async def test_an_assistant_has_a_team_work_in_another_pattern(pattern: str) -> None:
    result = await called({"task": TASK, "team": "duo", "files": ["notes.md"], "pattern": pattern})
    assert not result.is_error
    assert (result.structured_content or {})["status"] == "done"
    async with Hall.open() as hall:
        assert (await hall.find()).pattern == pattern


@pytest.mark.parametrize("pattern", ["parallel", "pipeline"])
@pytest.mark.slow
def test_a_notebook_has_a_team_work_in_another_pattern(pattern: str, shell: Any) -> None:
    shell.run_cell_magic("team", f"duo -f notes.md -p {pattern} -o kept", TASK)
    assert shell.user_ns["kept"].pattern == pattern


def test_a_notebook_counts_members_who_answered_and_not_their_answers(shell: Any) -> None:
    shell.run_cell_magic("team", "duo -f notes.md -p debate -o kept", TASK)
    kept = shell.user_ns["kept"]
    assert len(kept.contributions) == 3  # one of the two was asked to refute, too
    assert "duo · 2 of 2 answered · " in answer(kept)["text/plain"]


async def test_an_assistant_reads_which_patterns_there_are() -> None:
    async with Client(build()) as client:
        schemas = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
    assert schemas["run_team"]["properties"]["pattern"]["enum"] == list(NAMES)
    assert "pattern" not in schemas["ask_specialist"]["properties"]


# -- what cannot be used


@pytest.mark.usefixtures("nobody")
async def test_python_refuses_a_pattern_that_is_not_there_and_steps_that_are_not_there() -> None:
    async with Hall.open() as hall:
        with pytest.raises(NameUnknown, match=r"there are: .*parallel, "):
            await hall.run_team("duo", TASK, pattern="xx")
        with pytest.raises(UserError, match=NO_STEPS):
            await hall.run_team("duo", TASK, pattern="graph")
        with pytest.raises(UserError, match=NO_STEPS):
            await hall.estimate("duo", TASK, pattern="graph")


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_the_shell_refuses_them_with_exit_code_2(more: list[str]) -> None:
    unknown = guildhall("run", "duo", TASK, "--pattern", "xx", *more)
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "there are: " in unknown.stderr
    without = guildhall("run", "duo", TASK, "--pattern", "graph", *more)
    assert (without.exit_code, without.stdout) == (2, "")
    assert NO_STEPS in without.stderr
    assert guildhall("teams", "show", "duo", "--pattern", "graph").exit_code == 2


@pytest.mark.usefixtures("nobody")
async def test_an_assistant_is_told_what_is_allowed() -> None:
    unknown = await called({"task": TASK, "team": "duo", "pattern": "xx"})
    assert unknown.is_error
    assert f'pattern is "xx": give one of {", ".join(NAMES)}' in text(unknown)
    without = await called({"task": TASK, "team": "duo", "pattern": "graph"})
    assert without.is_error
    assert NO_STEPS in text(without)


@pytest.mark.usefixtures("nobody")
def test_a_notebook_says_it_in_a_line(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell(f"%%team duo -p xx\n{TASK}")
    assert "parallel" in capsys.readouterr().err
    shell.run_cell(f"%%team duo -p graph\n{TASK}")
    said = capsys.readouterr()
    assert NO_STEPS in said.out + said.err


def test_a_graph_can_work_in_another_pattern_and_in_its_own(harbour: Any) -> None:
    two = "{id: two, member: doubter, task: Doubt., needs: [one]}"
    steps = f"steps: [{{id: one, member: reader, task: Read.}}, {two}]"
    head = f"name: plan\ndescription: d\npattern: graph\nmembers: [reader, doubter]\n{steps}"
    (harbour / ".guildhall" / "teams" / "plan.md").write_text(f"---\n{head}\n---\n")
    for pattern in ("graph", "pipeline", "parallel"):
        told = json.loads(done("run", "plan", TASK, "-f", "notes.md", "--pattern", pattern, "--json"))
        assert (told["status"], told["pattern"]) == ("done", pattern)


def test_the_shell_shows_the_copies_of_a_member_as_members_of_another_pattern() -> None:
    shown = data("teams", "show", "brainstorm", "--pattern", "vote")
    names = [member["name"] for member in shown["members"]]
    assert names == ["scout-1", "scout-2", "scout-3", "scout-4", "judge"]


async def called(arguments: dict[str, Any]) -> CallToolResult:
    async with Client(build()) as client:
        return await client.call_tool("run_team", arguments)


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))
