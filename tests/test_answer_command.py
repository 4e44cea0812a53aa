"""What a run asks is answered at the terminal, or later with `guildhall answer`, also after a kill."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from fake_models import FakeModels, Says
from shell import data, done, guildhall
from test_faces import call, structured, text_of

SAID_BY_MODEL = "Pay \x1b]0;owned\x07\x1b[2J all?\n> yes"
PATIENCE = 20.0
"""Seconds within which something must be seen."""


class Terminal:
    """The command on a terminal of its own: what it writes, and what is typed."""

    def __init__(self, *args: str, shell: bool = False) -> None:
        """`shell` is where one waits for the command to end, and reads what comes then."""
        self._ours, theirs = pytest.importorskip("pty").openpty()
        environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "guildhall", *args],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True,
        )  # fmt: skip
        self._of_shell = os.dup(theirs) if shell else -1
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def until(self, words: str, times: int = 1) -> None:
        """Read on until the words have come so often."""
        give_up = time.monotonic() + PATIENCE
        while self.said.count(words) < times:
            if not self._read() or time.monotonic() > give_up:
                pytest.fail(f"no {words!r} in {self.said!r}")

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        """The exit code, once all is read."""
        give_up = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < give_up, self.said
        return self.process.wait(PATIENCE)

    def left(self) -> str:
        """What the shell gets for its next command once this one has ended."""
        give_up = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < give_up, self.said
            self._read()
        os.set_blocking(self._of_shell, False)
        try:
            return os.read(self._of_shell, 65536).decode()
        except BlockingIOError:
            return ""
        finally:
            os.close(self._of_shell)

    def _read(self) -> bool:
        """Whether the command may have more to say."""
        select = pytest.importorskip("select")
        if not select.select([self._ours], [], [], 0.5)[0]:
            return True
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.said += more.decode(errors="replace")
        return bool(more)


@pytest.fixture
def board(harbour: Path, server: FakeModels) -> FakeModels:
    """A team of a reader and two people: a boss whom it asks for a word, and a checker."""
    server.reply = lambda body, api: Says(SAID_BY_MODEL)
    folder = harbour / ".guildhall"
    for name in ("boss", "owner"):
        file = folder / "specialists" / f"{name}.md"
        file.write_text(f"---\nname: {name}\ndescription: The {name}.\nhuman: true\n---\nMind the price.\n")
    for name, members in (("line", "[reader, boss]"), ("two", "[reader, boss, owner]")):
        pattern = "pipeline" if name == "line" else "parallel"
        head = f"name: {name}\ndescription: The {name}.\npattern: {pattern}\nmembers: {members}\n"
        (folder / "teams" / f"{name}.md").write_text(f"---\n{head}---\n")
    return server


def paused(*args: str) -> dict[str, Any]:
    """The result of a run that is started without a terminal, and so pauses."""
    result = guildhall("run", *args, "--json")
    assert result.exit_code == 1, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["status"] == "needs_input"
    return found


@pytest.mark.slow
def test_a_paused_run_says_how_it_is_answered_and_goes_on_from_there(board: FakeModels) -> None:
    result = guildhall("run", "line", "Shall we pay?", "--model", "m")
    assert result.exit_code == 1
    assert "boss asks: The team line asks you as boss. The task: Shall we pay?" in result.stderr
    command = result.stderr.partition("Answer with `guildhall ")[2].partition(" TEXT`")[0].split()
    calls = len(board.requests)
    text = done(*command, "We shall.")
    assert text.startswith("We shall.")
    assert len(board.requests) == calls
    again = guildhall(*command, "We shall not.")
    assert again.exit_code == 2
    assert "asks nothing: it is done" in again.stderr


def test_with_json_the_questions_and_the_result_are_one_document_each(board: FakeModels) -> None:
    run = paused("line", "Shall we pay?", "--model", "m")
    [question] = run["questions"]
    assert question["who"] == "boss"
    assert question["options"] == []
    assert question["deadline"] > time.time() + 80_000
    shown = guildhall("runs", "show", run["run_id"], "--json")
    assert json.loads(shown.stdout)["questions"] == run["questions"]
    answered = data("answer", run["run_id"][:6], question["id"][:4], "We shall.")
    assert (answered["status"], answered["answer"]) == ("done", "We shall.")
    assert "questions" not in answered


def test_several_questions_are_told_apart_by_their_ids(board: FakeModels) -> None:
    run = paused("two", "Shall we pay?", "--model", "m")
    ids = {question["who"]: question["id"] for question in run["questions"]}
    refused = guildhall("answer", run["run_id"], "yes")
    assert refused.exit_code == 2
    assert "asks 2 questions" in refused.stderr
    assert all(id_ in refused.stderr for id_ in ids.values())
    unquoted = guildhall("answer", run["run_id"], "yes", "we", "shall")
    assert (unquoted.exit_code, "in quotes" in unquoted.stderr) == (2, True)
    half = guildhall("answer", run["run_id"], ids["owner"], "Mine.")
    assert half.exit_code == 1
    last = half.stderr.splitlines()[-1]
    assert "boss asks" in last
    assert "owner asks" not in last
    assert "Mine." in done("answer", "", "Ours.")


def test_a_waiting_run_shows_its_question_to_whoever_looks(board: FakeModels) -> None:
    run = paused("line", "Shall we pay?", "--model", "m")
    watched = guildhall("watch", run["run_id"])
    assert watched.exit_code == 1
    assert "boss asks: The team line asks you as boss. The task: Shall we pay?" in watched.stderr
    for output in (watched.output, guildhall("runs", "show", run["run_id"]).output):
        assert run["questions"][0]["id"] in output
        assert "\x1b]" not in output
    asked = done("answer", run["run_id"][:6])
    assert asked == done("answer", "")
    assert asked in done("runs", "show", run["run_id"])
    assert "  | Mind the price." in asked.splitlines()
    assert f"  Answer with `guildhall answer {run['run_id'][:12]} {run['questions'][0]['id']} TEXT`." in asked
    assert data("answer", "")["questions"] == run["questions"]
    assert "answer: not yet given" in done("runs", "show", run["run_id"])
    assert "needs_input" in done("runs")
    resumed = guildhall("resume", run["run_id"])
    assert (resumed.exit_code, "waits for an answer. boss asks" in resumed.stderr) == (2, True)
    assert "is cancelled" in done("cancel", run["run_id"])


@pytest.mark.slow
def test_at_a_terminal_the_picture_steps_aside_and_the_answer_is_typed(board: FakeModels) -> None:
    with Terminal("run", "line", "Shall we pay?", "--model", "m") as terminal:
        terminal.until("boss asks you")
        terminal.until("\n> ")
        terminal.type("\n")
        terminal.until("the answer is empty")
        terminal.type("We shall.\n")
        assert terminal.ended() == 0
    drawn, _, asked = terminal.said.partition("\x1b[1mboss asks you")
    assert "reader" in drawn
    assert drawn.rpartition("\x1b[?25h")[2].count("\n") == 0  # the picture is gone, and the cursor back
    assert "\x1b]" not in terminal.said
    assert "\x1b[2J" not in terminal.said
    assert "We shall." in asked.rpartition("\x1b[?25h")[2]


@pytest.mark.slow
def test_what_is_pasted_is_one_answer_and_nothing_of_it_reaches_the_shell(board: FakeModels) -> None:
    with Terminal("run", "line", "Shall we pay?", "--model", "m", shell=True) as terminal:
        terminal.until("\n> ")
        terminal.type("We shall,\n\nbut in May\nat the ")
        terminal.until("An empty line ends the answer.")
        terminal.type("earliest.\n\n")
        assert terminal.left() == ""
        assert terminal.ended() == 0
    assert data("runs", "show")["answer"] == "We shall,\n\nbut in May\nat the earliest."


@pytest.mark.slow
def test_an_answer_of_several_lines_can_be_typed(board: FakeModels) -> None:
    with Terminal("run", "line", "Shall we pay?", "--model", "m") as terminal:
        terminal.until("\n> ")
        terminal.type("We shall, \\\n")
        terminal.until("An empty line ends the answer.")
        terminal.type("but in May.\n")
        terminal.until("but in May.")
        terminal.type("\n")
        assert terminal.ended() == 0
    assert data("runs", "show")["answer"] == "We shall, \nbut in May."


@pytest.mark.slow
def test_what_was_typed_before_the_question_came_is_no_answer(board: FakeModels) -> None:
    typed = threading.Event()

    def slow(body: Any, api: str) -> Says:
        assert typed.wait(20)  # in the server: while the model writes, the user types
        return Says("Pay.")

    board.reply = slow
    with Terminal("run", "line", "Shall we pay?", "--model", "m") as terminal:
        terminal.until("reader")
        terminal.type("By no means.\n")
        typed.set()
        terminal.until("\n> ")
        terminal.type("We shall.\n")
        assert terminal.ended() == 0
    assert "We shall." in done("runs", "show")
    assert "By no means." not in done("runs", "show")


@pytest.mark.slow
def test_two_questions_come_one_after_the_other_and_ctrl_d_leaves_them_for_later(board: FakeModels) -> None:
    with Terminal("run", "two", "Shall we pay?", "--model", "m") as terminal:
        terminal.until("\n> ")
        first = "boss" if "boss asks you" in terminal.said else "owner"
        terminal.type("I say so.\n")
        terminal.until("\n> ", times=2)
        terminal.type("\x04")
        assert terminal.ended() == 1
    assert "answers it later" in terminal.said
    assert "waits for you" in terminal.said
    [left] = json.loads(guildhall("runs", "show", "--json").stdout)["questions"]
    assert left["who"] != first
    with Terminal("resume", "--quiet") as terminal:
        terminal.until("\n> ")
        terminal.type("I, too.\n")
        assert terminal.ended() == 0
    assert "I say so." in terminal.said


@pytest.mark.slow
def test_ctrl_c_at_the_question_ends_the_run_and_leaves_nothing_behind(board: FakeModels) -> None:
    with Terminal("run", "line", "Shall we pay?", "--model", "m") as terminal:
        terminal.until("\n> ")
        terminal.process.send_signal(2)
        assert terminal.ended() == 130
    assert "the run is cancelled" in terminal.said
    assert json.loads(guildhall("runs", "show", "--json").stdout)["status"] == "cancelled"


@pytest.mark.slow
def test_a_run_that_is_killed_at_the_question_is_answered_later(board: FakeModels) -> None:
    with Terminal("run", "line", "Shall we pay?", "--model", "m") as terminal:
        terminal.until("\n> ")
        terminal.process.kill()
        terminal.ended()
    calls = len(board.requests)
    assert "interrupted" in done("runs")
    assert done("answer", "", "We shall.").startswith("We shall.")
    assert len(board.requests) == calls


@pytest.mark.slow
def test_another_shell_answers_what_is_asked_at_a_terminal(board: FakeModels) -> None:
    with Terminal("run", "line", "Shall we pay?", "--model", "m") as terminal:
        terminal.until("\n> ")
        said = done("answer", "", "Done from here.")
        assert terminal.ended() == 0
    assert "goes on where it is at work" in said or said.startswith("Done from here.")
    assert "no longer asked" in terminal.said
    assert "Done from here." in terminal.said


def test_who_is_no_model_is_shown_as_the_user(board: FakeModels) -> None:
    assert "boss (you)" in done("teams", "show", "line")
    assert "a human: you are asked" in done("specialists", "show", "human")
    assert "boss is you" in done("run", "line", "Shall we pay?", "--dry-run")


def test_a_host_is_told_to_have_the_user_answer(board: FakeModels) -> None:
    result = call("run_team", team="line", task="Shall we pay?")
    found = structured(result)
    assert found["status"] == "needs_input"
    assert found["error"].startswith(
        "boss asks: The team line asks you as boss.\n\nThe task:\n\nShall we pay?"
    )
    assert f"`guildhall answer {found['run_id'][:12]} " in found["next"]
    assert "Do not answer it yourself" in text_of(result)
    assert "Shall we pay?" not in found["next"]
    assert done("answer", found["run_id"], "We shall.").startswith("We shall.")
