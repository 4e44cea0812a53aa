"""The shell face over what is stored and what is at work: runs, watching, memory, the doctor, the screen."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Says
from rich.console import Console
from shell import HOSTILE, TASK, data, done, guildhall, started

from guildhall.agents import event as ev
from guildhall.agents.budget import Amount, Budget
from guildhall.cli import live
from guildhall.view import View

pytestmark = pytest.mark.usefixtures("harbour")


@pytest.mark.slow
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
    assert (json.loads(out)["run_id"], json.loads(out)["status"]) == (row["run_id"], "cancelled")
    assert err.splitlines()[-1] == f"guildhall: the run is cancelled; {again} goes on from what is paid for"
    assert "Traceback" not in err
    resumed = data("resume", row["run_id"][:8])
    assert (resumed["run_id"], resumed["status"]) == (row["run_id"], "done")
    assert "The storm closed it." in resumed["answer"]


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_team_of_teams_is_shown_as_a_tree(harbour: Path) -> None:
    (harbour / ".guildhall" / "teams" / "outer.md").write_text(
        "---\nname: outer\ndescription: both\nmembers: [duo, reader]\nsynthesizer: doubter\n---\n"
    )
    lines = [line.split("  The ")[0] for line in done("teams", "show", "outer").splitlines()]
    begin = lines.index("parallel of")
    assert lines[begin + 1 : begin + 6] == [
        "  duo (team)",
        "    reader (extractive)",
        "    doubter (extractive)",
        "  reader (extractive)",
        "  doubter (synthesizer, extractive)",
    ]
