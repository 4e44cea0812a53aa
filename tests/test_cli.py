"""The shell face as users and programs meet it: what is printed where, and with which exit code."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fake_models import FakeModels
from shell import COMMANDS, TASK, data, done, guildhall

from guildhall.cli.main import cli

pytestmark = pytest.mark.usefixtures("harbour")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_shows_how_it_is_used(command: list[str]) -> None:
    said = done(*command, "--help")
    assert f"guildhall {' '.join(command)}" in said.partition("Usage:")[2].partition("\n")[2]


def test_help_imports_nothing_heavy(harbour: Path) -> None:
    code = (
        "import sys; from guildhall.cli.main import cli; cli(['--help'], standalone_mode=False);"
        "heavy = {'pydantic', 'rich', 'openai', 'anthropic', 'mcp', 'sqlite3'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def test_without_a_key_a_team_answers_from_a_file_and_says_who_and_how() -> None:
    result = guildhall("run", "duo", TASK, "--file", "notes.md")
    assert result.exit_code == 0
    for part in (
        "because of the storm",
        "[notes.md:1]",
        "reader (extractive)",
        "doubter (extractive)",
        "ANTHROPIC_API_KEY",
    ):
        assert part in result.stdout
    newest = data("runs")["runs"][0]
    assert f"run {newest['run_id']}" in result.stdout
    assert "reader working on extractive" in result.stderr
    assert "reader done" in result.stderr


def test_quiet_shows_the_result_alone() -> None:
    result = guildhall("run", "duo", TASK, "--file", "notes.md", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_json_of_a_run_is_its_result() -> None:
    result = data("run", "duo", TASK, "--file", "notes.md")
    assert set(result) == {
        "run_id", "status", "team", "pattern", "answer", "sources", "contributions", "usage", "seconds",
        "notices",
    }  # fmt: skip
    assert (result["status"], result["team"], result["pattern"]) == ("done", "duo", "parallel")
    assert [said["member"] for said in result["contributions"]] == ["reader", "doubter"]


def test_a_task_can_come_from_stdin() -> None:
    done("run", "duo", "-", "--file", "notes.md", stdin=TASK)
    assert data("runs")["runs"][0]["task"] == TASK


def test_a_specialist_is_asked_by_name_or_by_a_role_in_words() -> None:
    by_name = data("ask", "reader", TASK, "--file", "notes.md")
    by_role = data("ask", "a harbour master", TASK, "--file", "notes.md")
    assert [said["member"] for said in by_name["contributions"]] == ["reader"]
    assert [said["member"] for said in by_role["contributions"]] == ["harbour-master"]
    assert "storm" in by_name["answer"]


def test_options_of_a_run_reach_it(server: FakeModels) -> None:
    said = ["--model", "openai-compatible:m", "--pattern", "pipeline", "--max-calls", "1"]
    result = guildhall("run", "duo", TASK, *said, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["pattern"], told["usage"]["calls"]) == (1, "pipeline", 1)
    assert "calls" in told["error"]
    assert told["contributions"][0]["model"] == "openai-compatible:m"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["run", "dou", TASK], "unknown_name", "did you mean duo?"),
        (["ask", "raeder", TASK], "unknown_name", "did you mean reader?"),
        (["run", "duo", "  "], "invalid_input", "task is empty"),
        (["run", "duo", TASK, "--pattern", "circle"], "invalid_input", "parallel, pipeline"),
        (["run", "duo", TASK, "--budget-usd", "nan"], "invalid_input", "--budget-usd is nan"),
        (["run", "duo", TASK, "--budget-usd", "inf"], "invalid_input", "a number above 0"),
        (["ask", "reader", TASK, "--max-calls", "0"], "invalid_input", "--max-calls is 0"),
        (
            ["run", "duo", TASK, "--model", "unheard-of"],
            "invalid_input",
            "anthropic:NAME",
        ),
        (["run", "duo", "half \udcff"], "invalid_input", "not UTF-8"),
        (["teams", "show", "dou"], "unknown_name", "did you mean duo?"),
        (["specialists", "show", "nobody"], "unknown_name", "there is no specialist"),
        (["runs", "show", "f00d"], "unknown_name", "there is no run"),
        (["watch"], "run_refused", "there is no run yet"),
        (["resume", "f00d"], "unknown_name", "there is no run"),
        (["cancel", "f00d"], "unknown_name", "there is no run"),
        (["remember", "   "], "invalid_input", "nothing to remember"),
        (["remember", "x", "--subject", "a\nb"], "invalid_input", "subject"),
    ],
    ids=lambda value: (
        " ".join(value).encode("ascii", "replace").decode() if isinstance(value, list) else None
    ),
)
def test_what_cannot_be_used_ends_with_2_and_one_sentence(args: list[str], code: str, said: str) -> None:
    plain = guildhall(*args)
    assert (plain.exit_code, plain.stdout) == (2, "")
    assert plain.stderr.startswith("guildhall: ")
    assert plain.stderr.count("\n") == 1
    assert said in plain.stderr
    as_json = guildhall(*args, "--json")
    error = json.loads(as_json.stdout)["error"]
    assert (as_json.exit_code, error["code"]) == (2, code)
    assert said in error["message"]


@pytest.mark.parametrize(
    "args",
    [
        ["run", "duo"],
        ["run", "duo", TASK, "--file", "missing.md"],
        ["runs", "--limit", "0"],
        ["fly"],
        ["recall"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_ends_with_2_and_its_usage(args: list[str]) -> None:
    result = guildhall(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: guildhall" in result.stderr


def test_stdin_that_is_no_text_is_refused() -> None:
    result = guildhall("run", "duo", "-", stdin=b"\xff\xfe\x00")
    assert result.exit_code == 2
    assert "stdin is not UTF-8" in result.stderr


def test_a_failed_run_ends_with_1_and_says_why(server: FakeModels) -> None:
    result = guildhall("run", "duo", TASK, "--model", "openai-compatible:m/401", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["status"], told["answer"]) == (1, "failed", "")
    assert [said["status"] for said in told["contributions"]] == ["failed", "failed"]
    assert told["error"]
    plain = guildhall("watch", told["run_id"][:8])
    assert plain.exit_code == 1
    assert f"run {told['run_id'][:12]} failed: " in plain.stderr


def test_a_data_folder_that_is_a_file_ends_with_2_and_one_sentence(home: Path) -> None:
    home.write_text("a file where the folder should be")
    result = guildhall("runs")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_of_ours_is_one_line_and_a_traceback_on_request(
    monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("by \x1b[2J nothing")

    monkeypatch.setitem(cli.commands, "broken", broken)
    if debug:
        monkeypatch.setenv("GUILDHALL_DEBUG", "1")
    result = guildhall("broken")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "guildhall: internal error: ZeroDivisionError: by" in result.stderr
    assert ("Traceback" in result.stderr) is debug
    if not debug:
        assert "\x1b" not in result.stderr
