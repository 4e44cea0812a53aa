"""The shell face as users and programs meet it: what is printed where, and with which exit code."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fake_models import FakeModels, Fault
from shell import COMMANDS, TASK, data, done, guildhall, started

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
        (["run", "duo", TASK, "--pattern", "circle"], "unknown_name", "parallel, "),
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


def test_a_dry_run_says_who_would_be_asked_and_the_worst_case_and_asks_nobody(server: FakeModels) -> None:
    said = done("run", "duo", TASK, "--dry-run", "--max-calls", "5", "--file", "notes.md")
    assert said.startswith("duo · parallel · not started\n")
    for part in ("reader  The reader of the harbour.", "asks openai-compatible:", "At most\n  5 calls · "):
        assert part in said
    assert "Usually\n  2 calls · about " in said
    assert "  the budget of 5 calls stops it\n  budget: $1.00 (the default)\n" in said
    assert "unknown: what openai-compatible:" in said
    estimate = data("ask", "reader", TASK, "--dry-run", "--max-calls", "2")
    assert [member["name"] for member in estimate["members"]] == ["reader"]
    assert estimate["budget"]["calls"] == 2
    refused = guildhall("ask", "reader", TASK, "--dry-run", "--budget-usd", "0.25")
    assert refused.exit_code == 2
    assert "is not known, so no budget in USD can hold" in refused.stderr
    assert not server.requests
    assert data("runs")["runs"] == []


def test_a_preference_chooses_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-y")
    preferences = ("cost_sensitive", "quality_priority")
    cheap, good = (
        data("run", "duo", TASK, "--dry-run", "--preference", preference) for preference in preferences
    )
    assert cheap["members"][0]["scores"]["preference"] == "cost_sensitive"
    assert sum(member["usd"] for member in cheap["members"]) < sum(
        member["usd"] for member in good["members"]
    )
    shown = [
        data("teams", "show", "duo", "--preference", preference)["assignments"] for preference in preferences
    ]
    assert shown[0] != shown[1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--preference", "cheap"], "'cost_sensitive', 'speed_priority', 'quality_priority'"),
        (["--cache", "never"], "'use', 'refresh', 'off'"),
        (["--priority", "high"], "not a valid integer"),
        (["--priority", "9" * 23], f"priority is {'9' * 23}; it can be a whole number from -1000 to 1000"),
        (["--priority", "-1001"], "priority is -1001; it can be a whole number from -1000 to 1000"),
        (["--private-file", "missing.md"], "missing.md"),
        (["--private-file", "empty.md"], "empty.md is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "refused",
)
def test_a_value_that_cannot_be_used_is_refused_with_those_that_can(
    args: list[str], said: str, harbour: Path
) -> None:
    (harbour / "empty.md").write_text("")
    for command in (["run", "duo", TASK], ["ask", "reader", TASK]):
        result = guildhall(*command, *args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr


def test_the_doctor_tells_limits_private_models_and_what_holds_by_default(
    server: FakeModels, home: Path
) -> None:
    home.mkdir()
    (home / "config.toml").write_text(
        '[model."openai-compatible:own"]\nprivate = true\nrpm = 60\nin_flight = 4\n'
        '[budget]\nusd = 0.5\n[cache]\nmode = "refresh"\n[router]\npreference = "cost_sensitive"\n'
    )
    report = data("doctor")
    assert report["private"] == ["openai-compatible:own"]
    assert report["limits"] == {"openai-compatible:own": {"requests": 60, "in_flight": 4}}
    assert report["defaults"] == {"budget_usd": 0.5, "cache": "refresh", "preference": "cost_sensitive"}
    said = done("doctor")
    assert "limits of openai-compatible:own: 60 requests a minute, 4 calls in flight" in said
    assert "budget of a run that names none: $0.50" in said
    assert "cache: refresh" in said
    assert "openai-compatible:own" in said


def test_the_doctor_names_what_local_only_leaves_out(
    monkeypatch: pytest.MonkeyPatch, server: FakeModels
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-x")
    monkeypatch.setenv("GUILDHALL_LOCAL_ONLY", "1")
    report = data("doctor")
    assert [row["provider"] for row in report["left_out"]] == ["anthropic"]
    assert all(row["model"].startswith("openai-compatible:") for row in report["models"])
    assert "GUILDHALL_LOCAL_ONLY is set" in done("doctor")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.slow
def test_ctrl_c_again_and_again_prints_what_is_known_and_ends_with_130(
    server: FakeModels, form: list[str]
) -> None:
    server.reply = lambda body, _api: (
        "The reader's words." if "what the text says" in json.dumps(body) else Fault("hang")
    )
    process = started("run", "duo", TASK, *form)
    assert process.stderr is not None
    told = ""
    while "reader done" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    while True:
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=0.05)
            break
        except subprocess.TimeoutExpired:
            continue
    assert process.returncode == 130, err
    assert "The reader's words." in out
    assert "goes on from what is paid for" in err.splitlines()[-1]
    assert "Traceback" not in err
    if form:
        assert json.loads(out)["status"] == "cancelled"
    else:
        assert "doubter" in out
        assert " · cancelled · run " in out
