"""The shell face as users and programs meet it: what is printed where, and with which exit code."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from fake_models import FakeModels, Says, fake_models
from rich.console import Console

from guildhall.agents import event as ev
from guildhall.agents.budget import Amount, Budget
from guildhall.cli import live
from guildhall.cli.main import cli
from guildhall.view import View

NOTES = """The harbour was closed in March because of the storm.

The crane will be repaired in May, and ships unload at the northern pier until then.
"""
HOSTILE = (
    "The harbour \x1b]0;owned\x07 was closed \x1b[2J in \u202eMarch\u2066 for [bold red]repairs[/] \x9b31m.\n"
)
TASK = "Why was the harbour closed?"
COMMANDS = [
    ["run"], ["ask"], ["resume"], ["teams"], ["teams", "show"], ["specialists"], ["specialists", "show"],
    ["runs"], ["runs", "show"], ["watch"], ["cancel"], ["recall"], ["remember"], ["doctor"], ["mcp"],
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("harbour")


@pytest.fixture
def harbour(project: Path) -> Path:
    """A project with a team of two and files for them."""
    for kind, name, head, body in (
        ("specialists", "reader", "", "Find what the text says."),
        ("specialists", "doubter", "", "Find what the text leaves open."),
        ("teams", "duo", "pattern: parallel\nmembers: [reader, doubter]\n", ""),
    ):
        file = project / ".guildhall" / kind / f"{name}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"---\nname: {name}\ndescription: The {name} of the harbour.\n{head}---\n{body}\n")
    (project / "notes.md").write_text(NOTES)
    (project / "hostile.md").write_text(HOSTILE)
    return project


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModels]:
    with fake_models(lambda body, api: Says("The storm closed it.")) as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        yield server


def guildhall(*args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, args, input=stdin, prog_name="guildhall")


def done(*args: str, stdin: str | None = None) -> str:
    result = guildhall(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def data(*args: str) -> Any:
    """What the command prints with --json, which must be all that it prints."""
    return json.loads(done(*args, "--json"))


def started(*args: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "guildhall", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


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
    assert [said["member"] for said in by_role["contributions"]] == ["specialist"]
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
        (["watch"], "unknown_name", "there is no run"),
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


def test_a_data_folder_that_cannot_be_used_ends_with_1(home: Path) -> None:
    home.write_text("a file where the folder should be")
    result = guildhall("runs")
    assert (result.exit_code, result.stdout) == (1, "")
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


def test_ctrl_c_cancels_the_run_which_can_then_be_resumed(server: FakeModels) -> None:
    process = started("run", "duo", TASK, "--model", "openai-compatible:m/hang,ok", "--json")
    server.wait_for(lambda models: models.in_flight == 2, 30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    server.wait_for(lambda models: models.disconnected == 2)
    row = data("runs")["runs"][0]
    again = f"`guildhall resume {row['run_id'][:12]}`"
    assert row["status"] == "cancelled"
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert err.splitlines()[-1] == f"guildhall: the run is cancelled; {again} goes on from what is paid for"
    assert "Traceback" not in err
    resumed = data("resume", row["run_id"][:8])
    assert (resumed["run_id"], resumed["status"]) == (row["run_id"], "done")
    assert "The storm closed it." in resumed["answer"]


def test_a_run_of_another_process_can_be_watched_and_cancelled(server: FakeModels) -> None:
    process = started("run", "duo", TASK, "--model", "openai-compatible:m/hang")
    server.wait_for(lambda models: models.in_flight == 2, 30)
    run = data("runs")["runs"][0]["run_id"]
    watcher = started("watch", run[:10])
    assert watcher.stderr is not None
    assert "working on openai-compatible:m/hang" in watcher.stderr.readline() + watcher.stderr.readline()
    cancelled = data("cancel", run[:10])
    assert (cancelled["was"], cancelled["status"]) == ("running", "cancelled")
    for other in (process, watcher):
        _, err = other.communicate(timeout=20)
        assert other.returncode == 1
        assert f"run {run[:12]} was cancelled; `guildhall resume" in err
    assert done("cancel", run) == f"Run {run[:12]} had ended: cancelled.\n"


def test_ctrl_c_ends_the_watching_and_not_the_run(server: FakeModels) -> None:
    process = started("run", "duo", TASK, "--model", "openai-compatible:m/hang")
    server.wait_for(lambda models: models.in_flight == 2, 30)
    watcher = started("watch")
    assert watcher.stderr is not None
    watcher.stderr.readline()
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=20)
    assert watcher.returncode == 130
    assert "the run goes on" in err
    assert data("runs")["runs"][0]["status"] == "running"
    done("cancel", data("runs")["runs"][0]["run_id"])
    process.communicate(timeout=20)


def test_a_finished_run_is_found_by_the_beginning_of_its_id_or_as_the_newest() -> None:
    first = data("ask", "reader", TASK, "--file", "notes.md")
    last = data("run", "duo", TASK, "--file", "notes.md")
    assert data("watch", first["run_id"][:9])["answer"] == first["answer"]
    assert data("watch")["run_id"] == data("resume")["run_id"] == last["run_id"]
    assert [row["run_id"] for row in data("runs", "--limit", "1")["runs"]] == [last["run_id"]]
    whole = data("runs", "show", first["run_id"][:9])
    assert {name: whole[name] for name in first} == first
    assert [event["id"] for event in whole["events"]] == list(range(1, len(whole["events"]) + 1))


def test_a_transcript_is_a_tree_of_who_said_what() -> None:
    done("run", "duo", TASK, "--file", "notes.md")
    lines = done("runs", "show").splitlines()
    assert sum(line.startswith("✓ duo  ") for line in lines) == 1
    assert any(line.startswith("    ") and "because of the storm" in line for line in lines)
    assert sum("because of the storm" in line for line in lines) >= 3


def test_teams_and_specialists_are_listed_with_origin_and_shown_with_models() -> None:
    teams = {team["name"]: team for team in data("teams")["teams"]}
    assert (teams["duo"]["origin"], teams["research"]["origin"]) == ("project", "built-in")
    assert teams["duo"]["members"] == ["reader", "doubter"]
    shown = data("teams", "show", "duo")
    assert [(member["name"], member["model"]) for member in shown["members"]] == [
        ("reader", "extractive"), ("doubter", "extractive"),
    ]  # fmt: skip
    assert data("teams", "show", "duo", "--model", "openai:gpt-x")["assignments"]["reader"] == "openai:gpt-x"
    assert "reader (extractive)" in done("teams", "show", "duo")
    assert "duo" in done("teams")
    assert {entry["name"] for entry in data("specialists")["specialists"]} >= {"reader", "doubter", "critic"}
    assert data("specialists", "show", "reader")["instructions"].strip() == "Find what the text says."
    assert "Find what the text says." in done("specialists", "show", "reader")


def test_a_broken_file_is_listed_with_what_is_wrong_and_named_by_the_doctor(harbour: Path) -> None:
    (harbour / ".guildhall/teams/bad.md").write_text("---\nname: bad\npatern: parallel\n---\n")
    bad = next(team for team in data("teams")["teams"] if team["name"] == "bad")
    assert "patern" in bad["error"]
    assert "patern" in done("teams")
    assert any("patern" in problem["problem"] for problem in data("doctor")["problems"])
    assert guildhall("teams", "show", "bad").exit_code == 2


def test_what_is_remembered_is_recalled_with_where_it_came_from() -> None:
    first = data("remember", "We use MySQL", "--kind", "decision", "--subject", "db.engine")
    second = data("remember", "We use PostgreSQL", "--kind", "decision", "--subject", "db.engine")
    assert second["superseded"] == first["id"]
    [hit] = data("recall", "which", "PostgreSQL", "--limit", "3")["hits"]
    assert (hit["id"], hit["kind"], hit["subject"]) == (second["id"], "decision", "db.engine")
    assert hit["label"] == f"memory:{second['id'][:8]}"
    assert "We use PostgreSQL" in done("recall", "PostgreSQL")
    assert data("recall", "nothing", "like", "this")["hits"] == []
    assert "says that already" in done(
        "remember", "We use PostgreSQL", "--kind", "decision", "--subject", "db.engine"
    )
    assert "Remembered as memory:" in done("remember", "-", stdin="A line from elsewhere")


def test_the_doctor_says_what_would_be_used_and_what_is_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = data("doctor")
    assert {row["model"] for row in report["models"]} == {"extractive"}
    assert report["files"]["data"] == str(home)
    assert report["versions"]["python"].startswith("3.")
    assert any("ANTHROPIC_API_KEY" in problem["fix"] for problem in report["problems"])
    assert "ANTHROPIC_API_KEY" in done("doctor")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-that-is-not-shown")
    report = data("doctor")
    assert {(row["tier"], row["reason"]) for row in report["models"]} == {
        (tier, "OPENAI_API_KEY is set") for tier in ("fast", "balanced", "strong")
    }
    assert report["problems"] == []
    assert "sk-secret" not in json.dumps(report) + done("doctor")


def test_the_doctor_ends_with_1_where_nothing_can_run(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("[modles]\n")
    result = guildhall("doctor")
    assert result.exit_code == 1
    assert "there is no key modles" in result.stdout


def test_mcp_without_its_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[:2] == ["guildhall", "mcp_server"]]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.split(".")[0] == "mcp"] or ["mcp"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "mcp", None)
    result = guildhall("mcp")
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'pip install "guildhall[mcp]"' in result.stderr


def test_mcp_speaks_json_rpc_alone_until_stdin_closes() -> None:
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
        },
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "guildhall", "mcp"], input=json.dumps(hello) + "\n",
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    [answer] = [json.loads(line) for line in done.stdout.splitlines()]
    assert answer["result"]["serverInfo"]["name"] == "guildhall"


def harmless(text: str) -> bool:
    return not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"}


def test_text_of_models_and_files_cannot_drive_the_terminal(harbour: Path) -> None:
    done("remember", HOSTILE)
    for command in (
        ["run", "duo", f"Why was the harbour closed? {HOSTILE}", "--file", "hostile.md"],
        ["runs", "show"],
        ["runs"],
        ["recall", "harbour"],
        ["watch"],
    ):
        result = guildhall(*command)
        assert harmless(result.output), command
        assert "harbour" in result.stdout
    assert "[bold red]repairs[/]" in done("runs", "show")
    as_json = done("watch", "--json")
    assert as_json.isascii()
    assert harmless(as_json)


def on_terminal(*args: str) -> str:
    """What the command writes where stdout and stderr are a terminal."""
    ours, theirs = pytest.importorskip("pty").openpty()
    environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-m", "guildhall", *args], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(20) == 0, said.decode()
    return said.decode()


def test_on_a_terminal_the_work_is_drawn_and_the_answer_set(server: FakeModels) -> None:
    said_by_model = "# Answer\n\nIt was the **storm** \x1b]0;owned\x07 and [red]not[/red] me."
    server.reply = lambda body, api: Says(said_by_model)
    drawn, _, report = on_terminal("ask", "reader", TASK, "--model", "m").rpartition("\x1b[?25h")
    assert "\x1b]" not in drawn + report
    assert "reader: " in drawn
    assert "[red]not[/red]" in report
    assert "**storm**" not in report.partition("Who said what")[0]


def test_the_picture_shows_who_is_at_work_first_and_fits_the_screen() -> None:
    view = View(clock=lambda: 20.0)
    ids = itertools.count(1)

    def tell(kind: Any, path: str, **fields: Any) -> None:
        who = path.removesuffix("/ask").rpartition("/")[2]
        view(kind(id=next(ids), run="r", path=path, who=who, at=2.0, **fields))

    tell(ev.RunStarted, "", team="big", pattern="parallel", task="t", budget=Budget())
    tell(ev.Started, "big", task="t")
    for number in range(30):
        tell(ev.Started, f"big/m{number}", task="t")
        if number < 28:
            tell(ev.Finished, f"big/m{number}", outcome="answered", text="x")
    tell(ev.Asked, "big/m29/ask", model="p:m", attempt=1, reserved=Amount())
    view.text("big/m29/ask", 1, "first line\nthe [b]last\x1b[2J line")
    console = Console(width=100, height=12, file=io.StringIO())
    with console.capture() as capture:
        console.print(live._picture(view, console))
    lines = capture.get().splitlines()
    assert len(lines) == 10
    assert "28 of 30 done" in lines[0]
    assert [line.split()[1] for line in lines[1:3]] == ["m28", "m29"]
    assert "the [b]last\ufffd[2J line" in lines[2]
    assert lines[-1].strip() == "and 22 more"
