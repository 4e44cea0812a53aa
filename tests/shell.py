"""What tests of the shell face share: a project to work in, a model server, and the command."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fake_models import FakeModels, Says, fake_models

from guildhall.cli.main import cli

NOTES = """The harbour was closed in March because of the storm.

The crane will be repaired in May, and ships unload at the northern pier until then.
"""
HOSTILE = (
    "The harbour \x1b]0;owned\x07 was closed \x1b[2J in \u202eMarch\u2066 for [bold red]repairs[/] \x9b31m.\n"
)
TASK = "Why was the harbour closed?"
COMMANDS = [
    ["run"], ["ask"], ["resume"], ["answer"], ["teams"], ["teams", "show"], ["specialists"],
    ["specialists", "show"],
    ["runs"], ["runs", "show"], ["runs", "prune"], ["watch"], ["cancel"], ["recall"], ["remember"],
    ["memory"], ["memory", "ingest"], ["memory", "stats"], ["memory", "audit"], ["memory", "timeline"],
    ["memory", "show"], ["memory", "forget"], ["memory", "export"], ["memory", "import"],
    ["memory", "backup"], ["memory", "rebuild"], ["memory", "settle"], ["memory", "promote"],
    ["memory", "consolidate"], ["doctor"], ["init"], ["mcp"],
]  # fmt: skip


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
