"""Every page is carried out: its Python, its commands and its notebook cells, on the files that it shows.

A page is a project of its own, in which its blocks run from the top down; `examples/` is there. What a block
of text shows must come in the output of the block before it; `…` stands for what differs from run to run.
A line with the name of a file above a block, such as **`notes.md`**, makes the block that file.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fake_models import FakeModels, Json, Says, default_reply, fake_models, text_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TWO_PROVIDERS = ("tutorial.md",)
"""Pages that are read with two keys in the environment."""
SET_UP = re.compile(r"^python3 -m venv \.venv && .*$", re.MULTILINE)
STAND_INS = {
    "uvx": 'shift 2; exec "$@"',  # uvx --from PACKAGE COMMAND...
    "claude": r"""while [ "$1" != -- ]; do shift; done; shift
        printf '%s\n' "$HELLO" | "$@" | grep -q '"name":"guildhall"' && echo Added.""",
}
"""Programs that pages mention and a test has not: the host starts the server that it is given, and greets it."""
HELLO = json.dumps({
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {},
               "clientInfo": {"name": "host", "version": "1"}},
})  # fmt: skip
NOTEBOOK = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.load(sys.stdin):
    shell.run_cell(cell).raise_error()
shell.run_line_magic("unload_ext", "guildhall.jupyter_ext")
"""
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^\*\*`(?P<file>[^`]+)`\*\*(?P<more>.*)$")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    info: str
    """What stands behind the fence: a language, and `fails` where a command is to fail."""
    text: str
    file: str = ""
    at_home: bool = False
    """The file belongs into the data folder."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass
class Reader:
    """Someone who does what a page says, from its top to its end."""

    project: Path
    home: Path
    environ: dict[str, str]
    output: str = ""
    """Of the last block that was carried out."""

    def __post_init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}

    async def follow(self, blocks: list[Block]) -> None:
        cells: list[str] = []
        for block in blocks:
            match block.info.split():
                case _ if block.file:
                    self._write(block)
                case ["python"]:
                    await self._python(block)
                case ["sh"]:
                    await asyncio.to_thread(self._shell, block, fails=False)
                case ["sh", "fails"]:
                    await asyncio.to_thread(self._shell, block, fails=True)
                case ["ipython"]:
                    cells.append(block.text)
                    await asyncio.to_thread(self._notebook, cells, block)
                case ["text"]:
                    self._compare(block)
                case ["json"]:
                    json.loads(block.text)
                case ["mermaid"]:
                    pass
                case _:
                    pytest.fail(f"{block.place}: {block.info!r} is no kind of block that is carried out")

    def _write(self, block: Block) -> None:
        path = (self.home if block.at_home else self.project) / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")

    async def _python(self, block: Block) -> None:
        source = "\n" * block.line + block.text  # so that a traceback names the line of the page
        code = compile(source, block.page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            result = eval(code, self.names)
            if inspect.iscoroutine(result):
                await result
        self.output = out.getvalue()

    def _shell(self, block: Block, *, fails: bool) -> None:
        command = SET_UP.sub(_without_set_up, block.text)
        done = self._run(["sh", "-ec", command])
        assert (done.returncode != 0) is fails, f"{block.place}:\n{self.output}"

    def _notebook(self, cells: list[str], block: Block) -> None:
        """Run all cells up to this one in a new kernel; what is shown is what they print."""
        done = self._run([sys.executable, "-c", NOTEBOOK], given=json.dumps(cells))
        assert done.returncode == 0, f"{block.place}:\n{self.output}"

    def _run(self, command: list[str], *, given: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.project, env=self.environ, input=given, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        self.output = done.stdout + done.stderr
        return done

    def _compare(self, block: Block) -> None:
        lines = [line.strip() for line in block.text.splitlines() if line.strip(" …")]
        shown = ".*?".join(
            r"\s*".join(".*?".join(map(re.escape, line.split("…"))) for line in part)
            for part in [lines]
        )
        assert re.search(shown, self.output, re.DOTALL), f"{block.place}: the output is\n{self.output}"


@pytest.mark.deadline(60)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_what_a_page_says_can_be_done(
    page: Path, project: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", project / "examples")
    monkeypatch.setenv("HOME", str(tmp_path))
    with contextlib.ExitStack() as stack:
        if page.name in TWO_PROVIDERS:
            server = stack.enter_context(fake_models(said))
            for name, value in two_keys(server).items():
                monkeypatch.setenv(name, value)
        environ = {**os.environ, "HELLO": HELLO, "PATH": with_stand_ins(tmp_path / "bin")}
        await Reader(project, home, environ).follow(list(blocks_of(page)))
