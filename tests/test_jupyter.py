"""The magics in a real kernel, as a notebook runs them."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Fault, Says, default_reply, fake_models
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop

DEADLINE = 30
"""Seconds for one cell."""
SECRET = "ghp_aB3dE5gH7jK9mN1pQrStUvWxYz0123456789"
LOAD = "%load_ext guildhall.jupyter_ext"
NOTES = "The harbour was closed in March.\n\nThe crane will be repaired in May.\n"


@dataclass
class Cell:
    """What came of one cell."""

    text: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    """What was displayed, each in its media types."""
    error: str = ""
    """The name of the exception."""
    traceback: list[str] = field(default_factory=list)
    help: str = ""
    blocks: dict[str, list[str]] = field(default_factory=dict)
    """What each part of the output that changes showed in plain text, the newest last."""

    @property
    def last(self) -> str:
        """All the text that the cell shows in the end."""
        rest = [data["text/plain"] for data in self.shown]
        return "\n".join([*(said[-1] for said in self.blocks.values()), self.text, *rest])


class Notebook:
    """One kernel and a model server."""

    def __init__(self, client: Any, manager: KernelManager, models: FakeModels) -> None:
        self._client, self.manager, self.models = client, manager, models

    def run(self, code: str, *, on_text: Callable[[str], None] | None = None) -> Cell:
        cell = Cell()

        def take(message: dict[str, Any]) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                cell.text += content["text"]
                if on_text is not None:
                    on_text(cell.text)
            elif kind in ("display_data", "update_display_data"):
                if id_ := content.get("transient", {}).get("display_id"):
                    cell.blocks.setdefault(id_, []).append(content["data"]["text/plain"])
                    if on_text is not None:
                        on_text(cell.blocks[id_][-1])
                else:
                    cell.shown.append(content["data"])
            elif kind == "error":
                cell.error, cell.traceback = content["ename"], content["traceback"]

        reply = self._client.execute_interactive(code, output_hook=take, timeout=DEADLINE)
        for page in reply["content"].get("payload", ()):
            cell.help += page.get("data", {}).get("text/plain", "")
        return cell

    def value(self, expression: str) -> Any:
        return json.loads(self.run(f"import json; print(json.dumps({expression}))").text)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A kernel in a project with a team of two, with the extension loaded."""
    folder = tmp_path_factory.mktemp("notebook")
    for name in ("reader", "doubter"):
        _write(folder, f"specialists/{name}.md", f"name: {name}\ndescription: Reads as a {name}.")
    duo = "name: duo\ndescription: Two views.\npattern: parallel\nmembers: [reader, doubter]"
    _write(folder, "teams/duo.md", duo)
    (folder / "my notes.md").write_text(NOTES)
    (folder / "home").mkdir()
    (folder / "home" / "config.toml").write_text('[model."openai-compatible:narrow"]\nin_flight = 1\n')
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC", "OPENAI"))
    }
    with fake_models() as models:
        ours = {
            "GUILDHALL_HOME": str(folder / "home"),
            "GUILDHALL_BASE_URL": f"{models.url}/v1",
            "GUILDHALL_EMBEDDER": "none",
        }
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(folder), env={**clean, **ours, "IPYTHONDIR": str(folder / "ipython")})
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=DEADLINE)
            notebook = Notebook(client, manager, models)
            assert not notebook.run(LOAD).error
            yield notebook
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
            ensure_event_loop().close()  # jupyter_client leaves it open


@pytest.fixture
def notebook(kernel: Notebook) -> Notebook:
    """The kernel, with a model server that says what its own rules say."""
    kernel.models.reply = default_reply
    kernel.models.requests.clear()
    return kernel


def test_loading_imports_no_provider_and_starts_no_thread() -> None:
    program = f"""
import sys, threading
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
threads = set(threading.enumerate())
shell.run_line_magic("load_ext", "{LOAD.split()[1]}")
heavy = {{"anthropic", "openai", "mcp", "anywidget", "ipywidgets", "pydantic", "guildhall.agents"}}
print(sorted(heavy & set(sys.modules)), set(threading.enumerate()) - threads)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[] set()\n"


@pytest.mark.slow
def test_what_members_say_is_shown_before_the_answer_is_there(notebook: Notebook) -> None:
    gate = threading.Event()
    members = 0

    def reply(_body: dict[str, Any], _api: str) -> Says:
        nonlocal members
        members += 1
        text = f"First line of {members}.\nThe crane **works**."
        return Says(text, after=gate if members == 2 else None)

    def open_the_gate(text: str) -> None:
        if "│ First line of 1." in text:
            gate.set()

    notebook.models.reply = reply
    cell = notebook.run("%%team duo\nLook at the crane", on_text=open_the_gate)
    assert gate.is_set()
    assert not cell.error
    said = {line.partition(" │ ")[0] for line in cell.text.splitlines()}
    assert said == {"reader", "doubter"}
    answer = cell.shown[-1]
    assert "The crane **works**." in answer["text/markdown"]
    assert "The crane **works**." in answer["text/plain"]
    assert "2 of 2 answered" in answer["text/plain"]


def test_the_text_of_the_cell_is_sent_as_it_is_written(notebook: Notebook) -> None:
    cell = notebook.run("shouted = 'no'\n")
    cell = notebook.run("%%ask reader\nWhat do {shouted}, $HOME and {1/0} mean?")
    assert not cell.error
    assert "What do {shouted}, $HOME and {1/0} mean?" in json.dumps(notebook.models.requests[0].body)


def test_the_result_is_kept_in_the_variable_that_is_named(notebook: Notebook) -> None:
    line = "%%team duo -o report -m extractive -f 'my notes.md'"
    cell = notebook.run(f"{line}\nWhen is the crane repaired?")
    assert not cell.error
    assert notebook.value("report.status") == "done"
    assert "May" in notebook.value("report.answer")
    assert "extractive model" in cell.shown[-1]["text/plain"]
    assert not notebook.models.requests


def test_a_failed_run_fails_the_cell_in_one_line_and_keeps_its_result(notebook: Notebook) -> None:
    notebook.models.reply = lambda _body, _api: Fault(
        "400", message="no such luck with sk-ant-api03-" + "a" * 24
    )
    cell = notebook.run("%%ask reader -o broken --cache off\nLook")
    assert cell.error == "RunFailed"
    assert len(cell.traceback) == 1
    assert "no such luck" in cell.traceback[0]
    assert "sk-ant" not in cell.traceback[0] + cell.text + json.dumps(cell.shown)
    assert notebook.value("broken.status") == "failed"


def test_a_budget_of_one_call_stops_the_second(notebook: Notebook) -> None:
    notebook.run("%%team duo -o short --max-calls 1\nLook once")
    assert len(notebook.models.requests) == 1
    assert notebook.value("sorted(part.status for part in short.contributions)") == ["answered", "failed"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("%%team dou\nLook", "did you mean duo"),
        ("%%team duo\n \n", "needs a task"),
        ("%%team duo -o 2nd\nLook", "cannot be the name of a variable"),
        ("%%team duo -f nowhere.md\nLook", "there is no file"),
        ("%%team duo --budget-usd 0\nLook", "no budget"),
        (f"%%team duo --budget-usd {SECRET}\nLook", "'[redacted: github]' is no budget"),
        (f"%%team duo --cache {SECRET}\nLook", "[redacted: github]"),
        ("%%team duo --max-calls many\nLook", "no count"),
        ("%%team duo --preference cheap\nLook", "invalid choice"),
        ("%%team duo --cache never\nLook", "invalid choice"),
        ("%%team duo --priority 1001\nLook", "a whole number from -1000 to 1000"),
        ("%%team duo --private\nLook", "not marked private"),
        ("%%team sk-ant-api03-AAAABBBBCCCCDDDDEEEE\nLook", "[redacted: anthropic]"),
        ("%%team 'duo\nLook", "cannot be read"),
        ("%recall", "needs words"),
        ("%recall --since spring tide", "since is 'spring'; write a date"),
        ("%remember --importance 2 It rains", "give a number from 0 to 1"),
        ("%remember -k rumour It rains", "invalid choice"),
    ],
)
def test_bad_input_is_answered_in_one_line_and_calls_no_model(
    code: str, reason: str, notebook: Notebook
) -> None:
    cell = notebook.run(code)
    told = "\n".join(cell.traceback) or cell.text
    assert reason in told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1
    assert SECRET not in told
    assert not notebook.models.requests


@pytest.mark.slow
def test_an_error_nobody_expected_is_one_line_and_its_traceback_is_logged_without_secrets() -> None:
    program = f"""
from IPython.core.interactiveshell import InteractiveShell
from guildhall.jupyter_ext.cell import Engine
from guildhall.jupyter_ext.magics import TeamMagics

def broken():
    raise ZeroDivisionError("divided by {SECRET}")

shell = InteractiveShell(colors="nocolor")
TeamMagics(shell, engine=Engine(broken)).register()
for code in ("%recall anything", "%%ask reader\\nLook", "%env GUILDHALL_DEBUG=1", "%recall anything"):
    shell.run_cell(code)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *told, _, last = ran.stdout.splitlines()
    line = "internal error: ZeroDivisionError: divided by [redacted: github] (after `%env GUILDHALL_DEBUG=1` "
    assert len(told) == 2
    assert all(said.startswith(line) for said in [*told, last])
    assert ran.stderr.count("Traceback") == 1
    assert "in broken" in ran.stderr
    assert SECRET not in ran.stdout + ran.stderr


def test_what_is_remembered_is_recalled_as_a_table(notebook: Notebook) -> None:
    kept = notebook.run("%remember -k decision -s harbour.pilot We don't sail without a pilot")
    assert "Remembered as memory:" in kept.shown[-1]["text/plain"]
    cell = notebook.run("%recall -o hits who's sailing with a pilot")
    table = cell.shown[-1]["text/plain"].splitlines()
    assert table[0].split() == ["score", "when", "kind", "who", "memory", "text"]
    assert "We don't sail without a pilot" in table[1]
    assert "decision" in table[1]
    assert notebook.value("hits[0].record.subject") == "harbour.pilot"
    assert notebook.value("hits[0].record.author.host") == "jupyter"


def test_memories_are_kept_and_found_by_the_options_of_the_shell(notebook: Notebook) -> None:
    notebook.run("%remember -t tide -t 'low water' --importance 0.9 --private The tide is low at noon")
    cell = notebook.run("%recall -o low --recent -k fact --since 2020-01-01 --explain low tide")
    assert cell.shown[-1]["text/plain"].startswith("similar records: ")
    assert " query + " in cell.last
    told = "[[one.record.tags, one.record.importance, one.record.private] for one in low][0]"
    assert notebook.value(told) == [["tide", "low water"], 0.9, True]
    for narrowed in ("-k decision", "--until 2020-01-01", "--as-of 2020-01-01", "--agent ann"):
        assert "Nothing is remembered" in notebook.run(f"%recall {narrowed} low tide").last
    assert "The tide is low" in notebook.run("%recall --recent -n 1").last
    assert "|retract`" in notebook.run("%remember The tide is low at eleven").last


def test_an_interrupt_hangs_up_and_leaves_the_kernel_usable(notebook: Notebook) -> None:
    notebook.models.reply = lambda _body, _api: Fault("hang")
    hung_up = notebook.models.disconnected

    def interrupt() -> None:
        notebook.models.wait_for(lambda server: server.in_flight == 2, DEADLINE)
        notebook.manager.interrupt_kernel()
        ensure_event_loop().close()  # that of this thread, left open as above

    finger = threading.Thread(target=interrupt)
    finger.start()
    cell = notebook.run("%%team duo --cache off\nLook")
    finger.join(DEADLINE)
    assert cell.error == "Interrupted"
    assert len(cell.traceback) == 1
    notebook.models.wait_for(lambda server: server.in_flight == 0)
    assert notebook.models.disconnected == hung_up + 2
    notebook.models.reply = default_reply
    assert not notebook.run("%%ask reader\nLook again").error


@pytest.mark.slow
def test_a_retry_takes_back_what_the_block_showed_and_leaves_the_text_once(notebook: Notebook) -> None:
    shown = threading.Event()
    attempts = 0

    def reply(_body: dict[str, Any], _api: str) -> str:
        nonlocal attempts
        attempts += 1
        assert attempts == 1 or shown.wait(DEADLINE)
        return "alpha alpha alpha alpha" if attempts == 1 else "omega omega"

    notebook.models.reply, notebook.models.pace = reply, 0.2
    try:
        cell = notebook.run(
            "%%ask reader -m openai-compatible:m/cut:4,ok\nSay it again",
            on_text=lambda text: shown.set() if "│ alpha" in text else None,
        )
    finally:
        notebook.models.pace = 0
    assert not cell.error
    [block] = cell.blocks.values()
    before, after = (next(i for i, said in enumerate(block) if word in said) for word in ("alpha", "omega"))
    assert before < after
    assert not any("alpha" in said for said in block[after:])
    assert "reader │ (connection: " in cell.text
    assert "alpha" not in cell.last
    assert cell.text.count("omega omega") == 1


def test_who_waits_for_a_slot_is_shown_waiting_until_it_asks(notebook: Notebook) -> None:
    waits = threading.Event()
    notebook.models.reply = lambda _body, _api: "said" if waits.wait(DEADLINE) else Fault("500")
    cell = notebook.run(
        "%%team duo -m openai-compatible:narrow\nWait for each other",
        on_text=lambda text: waits.set() if "│ (waits: 1 of 1 calls are in flight)" in text else None,
    )
    assert not cell.error
    assert waits.is_set()
    assert "waits" not in cell.last


def test_a_reply_from_the_cache_is_marked_and_counted(notebook: Notebook) -> None:
    first = notebook.run("%%ask reader\nWhat is asked twice?")
    again = notebook.run("%%ask reader\nWhat is asked twice?")
    assert len(notebook.models.requests) == 1
    assert "cache" not in first.last
    assert "reader │ (cached)" in again.text
    assert "0 calls · 1 reply from the cache" in again.shown[-1]["text/plain"]
    notebook.run("%%ask reader --cache refresh\nWhat is asked twice?")
    assert len(notebook.models.requests) == 2


def test_a_dry_run_is_a_table_of_who_would_be_asked(notebook: Notebook) -> None:
    cell = notebook.run("%%team duo --dry-run -o plan --max-calls 3\nLook")
    assert not cell.error
    table = cell.shown[-1]
    assert "duo · parallel · not started" in table["text/plain"]
    assert [row.split()[0] for row in table["text/plain"].splitlines()[1:4]] == [
        "member",
        "reader",
        "doubter",
    ]
    assert "3 calls" in table["text/plain"]
    assert "unknown: what openai-compatible:" in table["text/plain"]
    assert "| reader | openai-compatible:" in table["text/markdown"]
    assert notebook.value("[m.name for m in plan.members]") == ["reader", "doubter"]
    assert not notebook.models.requests


def test_a_question_mark_shows_the_arguments(notebook: Notebook) -> None:
    page = notebook.run("%%team?").help
    for option in (
        "--out", "--model", "--file", "--budget-usd", "--max-calls", "--pattern", "--preference",
        "--private", "--cache", "--priority", "--dry-run",
    ):  # fmt: skip
        assert option in page


@pytest.mark.slow
def test_unloading_takes_everything_away_and_loading_brings_it_back(notebook: Notebook) -> None:
    threads = "[t.name for t in __import__('threading').enumerate() if t.name.startswith('guildhall')]"
    assert not notebook.run("%recall pilot").error
    assert notebook.value(threads)
    notebook.run("%unload_ext guildhall.jupyter_ext")
    assert notebook.value(threads) == []
    assert "not found" in notebook.run("%%team\nLook").text
    assert "last computation" in notebook.run("%recall?").help  # IPython's own is back
    assert not notebook.run(LOAD).error
    assert not notebook.run("%recall pilot").error


def _write(folder: Path, name: str, front: str) -> None:
    path = folder / ".guildhall" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\n{front}\n---\nLook closely: you are {path.stem}.\n")
