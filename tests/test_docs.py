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
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, fake_models

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TWO_PROVIDERS = ("tutorial.md",)
"""Pages that are read with two keys in the environment."""
SET_UP = re.compile(r"^python3 -m venv \.venv && .*$", re.MULTILINE)
"""The README's two commands, which .ci/run carries out as they stand, in a fresh clone."""
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "host", "version": "1"},
    },
}
ADDED = f"""while [ "$1" != -- ] && [ "$1" != uvx ]; do shift; done; [ "$1" = uvx ] || shift
printf '%s\\n' '{json.dumps(HELLO)}' | "$@" | grep -q '"name":"guildhall"'"""
STAND_INS = {
    "uvx": 'shift 2; exec "$@"',  # uvx --from PACKAGE COMMAND...
    **dict.fromkeys(("claude", "codex", "gemini"), ADDED),
}
"""For programs that a machine need not have. The host starts the server it is told of, and greets it."""
NOTEBOOK = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.load(sys.stdin):
    shell.run_cell(cell).raise_error()
shell.run_line_magic("unload_ext", "guildhall.jupyter_ext")
"""
_FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1[ ]*$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^\*\*`([^`]+)`\*\*(.*)$")


@dataclass(frozen=True)
class Block:
    place: str
    info: str
    """What stands behind the fence: a language, and `fails` for a command that is to fail."""
    text: str
    line: int
    file: str = ""
    at_home: bool = False
    """The file belongs into the data folder."""


@dataclass
class Reader:
    """Someone who does what a page says, from its top to its end."""

    project: Path
    home: Path
    environ: dict[str, str]
    output: str = ""
    """Of the last block that was carried out."""
    names: dict[str, Any] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)

    async def follow(self, blocks: list[Block]) -> None:
        for block, after in zip_longest(blocks, blocks[1:]):
            if block.file:
                self._write(block)
            elif block.info == "python":
                await self._python(block)
            elif block.info in ("sh", "sh fails"):
                await asyncio.to_thread(self._shell, block)
            elif block.info == "ipython":
                self.cells.append(block.text)
                if after is None or after.info != "ipython":
                    await asyncio.to_thread(self._notebook, block)
            elif block.info == "text":
                self._compare(block)
            elif block.info == "json":
                json.loads(block.text)
            elif block.info != "mermaid":
                pytest.fail(
                    f"{block.place}: nobody knows how to carry out {block.info or 'an unnamed language'}"
                )

    def _write(self, block: Block) -> None:
        path = (self.home if block.at_home else self.project) / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")

    async def _python(self, block: Block) -> None:
        source = "\n" * block.line + block.text  # so that a traceback names the line of the page
        code = compile(source, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            result = eval(code, self.names)
            if inspect.iscoroutine(result):
                await result
        self.output = out.getvalue()

    def _shell(self, block: Block) -> None:
        code = self._run(block, ["sh", "-ec", SET_UP.sub(_without_set_up, block.text)])
        assert (code != 0) is block.info.endswith("fails"), f"{block.place}: exit code {code}\n{self.output}"

    def _notebook(self, block: Block) -> None:
        """All cells so far, in a kernel of their own."""
        code = self._run(block, [sys.executable, "-c", NOTEBOOK], given=json.dumps(self.cells))
        assert code == 0, f"{block.place}:\n{self.output}"

    def _run(self, block: Block, command: list[str], *, given: str = "") -> int:
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environ,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.output = done.stdout + done.stderr
        return done.returncode

    def _compare(self, block: Block) -> None:
        parts = [" ".join(part.split()) for part in block.text.split("…")]
        shown = re.compile(".*?".join(map(re.escape, parts)))
        if not shown.search(" ".join(self.output.split())):
            pytest.fail(f"{block.place}: this is not in the output, which was\n{self.output}", pytrace=False)


@pytest.mark.deadline(240)
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_what_a_page_says_can_be_done(
    page: Path, project: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", project / "examples")
    (project / ".venv").symlink_to(sys.prefix)
    with fake_models() as server:
        for name, value in (_two_keys(server) if page.name in TWO_PROVIDERS else {}).items():
            monkeypatch.setenv(name, value)
        environ = {**os.environ, "HOME": str(tmp_path), "PATH": _path_with_stand_ins(tmp_path / "bin")}
        await Reader(project, home, environ).follow(list(_blocks(page)))


def test_the_readme_has_two_set_up_commands_each_of_one_line() -> None:
    commands = SET_UP.findall((ROOT / "README.md").read_text("utf-8"))

    assert len(commands) == 2
    assert [command.endswith("\\") for command in commands] == [False, False]
    assert ".venv/bin/guildhall run research " in commands[0]
    assert commands[1].endswith('-e ".[dev]" && .venv/bin/pytest')


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text("utf-8"))

    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            assert anchor in _anchors(path), f"{target}#{anchor}"


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for fenced in _FENCE.finditer(text):
        above = text[: fenced.start()].rstrip().rpartition("\n")[2]
        named = _NAMED.match(above)
        line = text.count("\n", 0, fenced.start()) + 1
        yield Block(
            place=f"{page.name}:{line}",
            info=fenced[2].strip(),
            text=fenced[3],
            line=line,
            file=named[1] if named else "",
            at_home="data folder" in named[2] if named else False,
        )


def _without_set_up(command: re.Match[str]) -> str:
    """What a set-up command comes to in the end, where all is installed; not the tests within the tests."""
    last = command[0].rpartition("&& ")[2]
    return "" if last == ".venv/bin/pytest" else last


def _two_keys(server: FakeModels) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_BASE_URL": server.url,
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{server.url}/v1",
    }


def _path_with_stand_ins(folder: Path) -> str:
    """The commands of this Python, before all others, and the stand-ins."""
    folder.mkdir()
    for name, script in STAND_INS.items():
        (folder / name).write_text(f"#!/bin/sh\nset -e\n{script}\n", "utf-8")
        (folder / name).chmod(0o755)
    return os.pathsep.join([str(Path(sys.executable).parent), str(folder), os.environ["PATH"]])


def _anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub names them in links."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
