"""What every face shows: retries, waiting, the cache, costs, private data, and what a run would cost."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Fault, Reply, Says
from mcp.client import Client
from mcp_types import CallToolResult, TextContent
from shell import TASK, data, done, guildhall, started

from guildhall.agents import Hall
from guildhall.jupyter_ext.live import Live, TerminalLine
from guildhall.mcp_server.server import build
from guildhall.view import View

pytestmark = pytest.mark.usefixtures("harbour")
CUT = "openai-compatible:m/cut:4,ok"
NARROW = '[model."openai-compatible:narrow"]\nin_flight = 1\n'
KEY = "sk-ant-api03-" + "Ab1" * 12
ONE_WAITS = "waits: 1 of 1 calls are in flight"


@pytest.fixture
def config(home: Path) -> Path:
    home.mkdir()
    (home / "config.toml").write_text(NARROW)
    return home / "config.toml"


def alpha_then_omega(go_on: threading.Event | None = None) -> Reply:
    """A model whose first attempt says alpha and whose next ones, once they may go on, say omega."""
    attempts = 0

    def reply(_body: dict[str, Any], _api: str) -> Says:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            return Says("alpha alpha alpha alpha")
        assert go_on is None or go_on.wait(20)
        return Says("omega omega")

    return reply


# -- a retry takes back what was shown


async def test_a_view_takes_back_the_text_of_an_attempt_that_was_lost(server: FakeModels) -> None:
    server.reply = alpha_then_omega()
    view, shown = View(), list[str]()

    def text(path: str, attempt: int, more: str) -> None:
        view.text(path, attempt, more)
        shown.extend(item["text"] for item in view.items() if item["is"] == "reply")

    async with Hall.open() as hall:
        result = await hall.ask("reader", TASK, model=CUT, sinks=[view], on_text=text)
    [reply] = [item for item in view.items() if item["is"] == "reply"]
    assert any("alpha" in said for said in shown)
    assert not any("alpha" in said and "omega" in said for said in shown)
    assert (reply["text"], reply["attempt"], reply["status"]) == ("omega omega", 2, "done")
    assert result.answer == "omega omega"


@pytest.mark.slow
def test_a_terminal_takes_back_the_text_of_an_attempt_that_was_lost(server: FakeModels) -> None:
    go_on = threading.Event()
    server.reply, server.pace = alpha_then_omega(go_on), 0.2

    def look(drawn: str) -> None:
        if "alpha" in drawn:
            go_on.set()

    said = on_terminal("ask", "reader", TASK, "--model", CUT, look=look)
    drawn, _, report = said.rpartition("\x1b[?25h")
    frames = re.split(r"reader: ", drawn)  # each frame begins with the summary of the run
    with_alpha = [number for number, frame in enumerate(frames) if "alpha" in frame]
    writing_again = next(number for number, frame in enumerate(frames) if "writing, attempt 2" in frame)
    assert with_alpha
    assert with_alpha[-1] < writing_again
    assert report.count("omega omega") == 1
    assert "alpha" not in report


def test_without_a_terminal_the_lost_attempt_is_told_and_the_answer_is_there_once(server: FakeModels) -> None:
    server.reply = alpha_then_omega()
    result = guildhall("ask", "reader", TASK, "--model", CUT)
    assert "waiting to try again" in result.stderr
    assert result.stdout.count("omega omega") == 1
    assert "alpha" not in result.stdout + result.stderr


def test_a_host_is_told_of_the_lost_attempt_and_gets_the_answer_once(
    server: FakeModels, config: Path
) -> None:
    go_on = threading.Event()
    server.reply = alpha_then_omega(go_on)
    config.write_text('[models]\ncompatible = "m/cut:4,ok"\n')
    told = list[str]()

    async def progress(_step: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")
        if "reader (writing, attempt 2)" in told[-1]:
            go_on.set()

    result = call("ask_specialist", specialist="reader", task=TASK, progress=progress)
    assert structured(result)["answer"] == "omega omega"
    assert text_of(result).count("omega omega") == 1
    assert go_on.is_set()
    assert "alpha" not in text_of(result) + json.dumps(structured(result)) + " ".join(told)


async def test_the_line_of_a_plain_terminal_is_written_over(
    server: FakeModels, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = alpha_then_omega()
    view = View()
    live = Live(view, TerminalLine())
    monkeypatch.setattr("guildhall.jupyter_ext.live.PAUSE", 0.0)

    def text(path: str, attempt: int, more: str) -> None:
        view.text(path, attempt, more)
        live()

    async with Hall.open() as hall:
        await hall.ask("reader", TASK, model=CUT, sinks=[view, lambda _: live()], on_text=text)
    live.finish()
    written = capsys.readouterr().out
    left = [line.rpartition("\x1b[2K")[2] for line in written.split("\n")]  # what was not written over
    assert "reader │ alpha" in written
    stayed = [line for line in left if line]
    assert stayed[0].startswith("reader │ (connection: ")
    assert stayed[1:] == ["reader │ omega omega"]


# -- waiting is shown


@pytest.mark.slow
def test_the_shell_says_who_waits_for_a_slot(server: FakeModels, config: Path) -> None:
    gate = threading.Event()
    server.reply = lambda _body, _api: "said" if gate.wait(20) else Fault("500")
    process = started("run", "duo", TASK, "--model", "openai-compatible:narrow")
    assert process.stderr is not None
    told = ""
    while ONE_WAITS not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    gate.set()
    _, rest = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "working on openai-compatible:narrow\n" in rest  # once it is asked
    assert ONE_WAITS not in rest


def test_a_host_is_told_who_waits_for_a_slot(server: FakeModels, config: Path) -> None:
    config.write_text(f'{NARROW}[models]\ncompatible = "narrow"\n')
    gate = threading.Event()
    server.reply = lambda _body, _api: "said" if gate.wait(20) else Fault("500")

    async def progress(_step: float, _total: float | None, message: str | None) -> None:
        if f"({ONE_WAITS})" in (message or ""):
            gate.set()

    result = call("run_team", team="duo", task=TASK, progress=progress)
    assert structured(result)["status"] == "done"
    assert gate.is_set()


# -- the cache and the costs


def test_replies_from_the_cache_are_marked_and_counted(server: FakeModels) -> None:
    first = done("run", "duo", TASK)
    again = guildhall("run", "duo", TASK)
    asked = len(server.requests)
    assert asked == 2
    assert "from the cache" not in first
    assert "0 calls · 2 replies from the cache" in again.stdout
    assert "reader done (1 reply from the cache)" in again.stderr
    assert "cached: it was not asked for again" in done("runs", "show")
    assert data("run", "duo", TASK)["usage"]["reused_replies"] == 2
    assert data("run", "duo", TASK, "--cache", "off")["usage"]["reused_replies"] == 0
    assert len(server.requests) == asked + 2


def test_a_host_is_told_of_replies_from_the_cache(server: FakeModels) -> None:
    done("run", "duo", TASK)
    result = call("run_team", team="duo", task=TASK)
    assert structured(result)["cost"]["reused_replies"] == 2
    assert "2 replies from the cache" in text_of(result)


def test_a_cost_that_is_not_known_is_never_shown_as_a_sum(server: FakeModels, config: Path) -> None:
    assert " · cost unknown · " in done("run", "duo", TASK)
    result = call("run_team", team="duo", task="Another question", context="none")
    assert structured(result)["cost"]["usd"] is None
    assert structured(result)["cost"]["unpriced_calls"] == 2
    assert ", cost unknown, " in text_of(result)


def test_a_cost_that_is_known_in_part_is_shown_as_more_than_that(
    server: FakeModels, harbour: Path, config: Path
) -> None:
    config.write_text('[model."openai-compatible:priced"]\nprice = { input = 1.0, output = 1.0 }\n')
    team = harbour / ".guildhall" / "teams" / "duo.md"
    models = "models: {reader: openai-compatible:priced, doubter: openai-compatible:free-of-price}\n"
    team.write_text(team.read_text().replace("members:", f"{models}members:"))
    assert re.search(r" · over \$0\.\d+ · ", done("run", "duo", TASK, "--max-calls", "2"))


# -- private data


def test_private_data_goes_to_no_model_that_is_not_marked_private(
    server: FakeModels, config: Path, harbour: Path
) -> None:
    for args in (["--private"], ["--private-file", "notes.md"]):
        result = guildhall("run", "duo", TASK, *args)
        assert result.exit_code == 2
        assert "not marked private" in result.stderr
    assert "notes.md is private" in result.stderr
    refused = call("run_team", team="duo", task=TASK, private=True)
    assert refused.is_error
    assert "not marked private" in text_of(refused)
    assert not server.requests
    config.write_text('[model."openai-compatible:fake"]\nprivate = true\n')
    trusted = ["--model", "openai-compatible:fake"]
    done("run", "duo", TASK, "--private-file", "notes.md", "--file", "hostile.md", *trusted)
    done("ask", "reader", TASK, "--private", *trusted)
    assert "storm" in json.dumps(server.requests[0].body)


def test_what_is_remembered_as_private_says_so_when_it_is_recalled() -> None:
    done("remember", "The harbour chest holds gold", "--private")
    [hit] = data("recall", "harbour", "chest")["hits"]
    assert hit["private"]
    assert "fact · private · " in done("recall", "harbour", "chest")


# -- secrets


def test_no_face_repeats_a_secret_that_it_was_given() -> None:
    for args in (["run", KEY, TASK], ["run", "duo", TASK, "--preference", KEY], ["runs", "show", KEY]):
        for result in (guildhall(*args), guildhall(*args, "--json")):
            assert result.exit_code == 2
            assert KEY not in result.output
    refused = call("run_team", team=KEY, task=TASK)
    assert refused.is_error
    assert KEY not in text_of(refused)


def on_terminal(*args: str, look: Any) -> str:
    """What the command writes where stdout and stderr are a terminal; `look` sees it as it grows."""
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
            look(said.decode(errors="replace"))
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(20) == 0, said.decode()
    return said.decode()


def call(tool: str, *, progress: Any = None, **arguments: Any) -> CallToolResult:
    """What a host gets from the tool of a server in this process."""

    async def work() -> CallToolResult:
        async with Client(build()) as client:
            return await client.call_tool(tool, arguments, progress_callback=progress)

    return asyncio.run(work())


def structured(result: CallToolResult) -> dict[str, Any]:
    assert isinstance(result.structured_content, dict), text_of(result)
    return result.structured_content


def text_of(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))
