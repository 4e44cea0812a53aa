"""The official conformance suite, the official inspector, and the official clients for TypeScript."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from mcp_host import write_files
from node_tools import SUITE, installed

pytestmark = [pytest.mark.slow, pytest.mark.conformance]
BOTH = [
    "completion-complete", "tools-list", "resources-list", "prompts-list", "server-sse-multiple-streams",
    "dns-rebinding-protection",
]  # fmt: skip
OF_ERA = {
    "2025-11-25": [*BOTH, "server-initialize", "server-session-lifecycle", "ping", "logging-set-level"],
    "2026-07-28": [
        *BOTH, "server-stateless", "sep-2164-resource-not-found", "caching", "http-header-validation",
        "input-required-result-unsupported-methods",
    ],
}  # fmt: skip
"""Scenarios that need no tools but a server's own."""
NEED_A_TOOL = {"sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400"}
"""Checks within them that call a tool of the suite's own server."""
OF_TASKS = [
    "lifecycle", "capability-negotiation", "wire-fields", "request-state-removal", "mrtr-input",
    "request-headers", "dispatch-and-envelope", "required-task-error", "mrtr-composition",
]  # fmt: skip


@contextmanager
def serving(*program: str) -> Iterator[int]:
    """The port at which the program serves, which it prints first."""
    with subprocess.Popen([sys.executable, *program], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()
            server.wait(20)


def node(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    folder = installed(SUITE)
    modules = folder / "node_modules"
    command = [str(modules / ".bin" / "node"), str(modules / program), *arguments]
    path = {"PATH": f"{folder / 'node_modules' / '.bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **path}, timeout=300
    )


def suite(out: Path, port: int, *arguments: str) -> dict[str, list[dict[str, str]]]:
    """The checks of each scenario that ran."""
    program = "@modelcontextprotocol/conformance/dist/index.js"
    said = node(program, "server", "--url", f"http://localhost:{port}/mcp", *arguments, "-o", str(out))
    found = {path.parent.name: json.loads(path.read_text("utf-8")) for path in out.glob("*/checks.json")}
    assert found, said.stdout + said.stderr
    return {scenario(name): checks for name, checks in found.items()}


def scenario(folder: str) -> str:
    """The scenario whose results are in the folder, which is named after it and the time."""
    return re.sub(r"-\d{4}-\d\d-\d\dT[^T]*$", "", folder).removeprefix("server-")


@pytest.mark.parametrize("when", ["2026-11-22T09-20-37-123Z", "2026-12-20T20-20-20-200Z"])
def test_results_are_told_apart_at_any_time_of_day(when: str) -> None:
    assert scenario(f"server-ping-{when}") == "ping"
    assert scenario(f"server-sep-2164-resource-not-found-{when}") == "sep-2164-resource-not-found"


def passed(scenarios: Sequence[str], ran: dict[str, list[dict[str, str]]]) -> None:
    for name in scenarios:
        checks = ran.get(name, [])
        failed = [
            f"{check['id']}: {check.get('errorMessage', '')}"
            for check in checks
            if check["status"] == "FAILURE" and check["id"] not in NEED_A_TOOL
        ]
        assert failed == [], name
        assert any(check["status"] == "SUCCESS" for check in checks), f"{name} checked nothing"


@pytest.mark.parametrize("era", OF_ERA)
def test_the_server_conforms(era: str, tmp_path: Path, project: Path) -> None:
    with serving(str(SUITE / "serve.py")) as port:
        ran = suite(tmp_path / "out", port, "--suite", "all", "--spec-version", era)
    passed(OF_ERA[era], ran)


def test_runs_as_tasks_conform(tmp_path: Path) -> None:
    with serving(str(Path(__file__).parent / "task_fixture.py")) as port:
        for scenario in OF_TASKS:
            ran = suite(tmp_path / scenario, port, "--scenario", f"tasks-{scenario}")
            passed([f"tasks-{scenario}"], ran)


@pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
def test_the_inspector_finds_nothing_wrong(era: str, project: Path) -> None:
    write_files(project)
    program = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    server = ["-q", "--", sys.executable, "-m", "guildhall", "mcp"]
    call = ["--tool-name", "run_team", "--tool-args-json", '{"task": "Look.", "team": "duo"}']
    methods = ["resources/list", "resources/templates/list", "prompts/list"]
    for method in ["initialize", "tools/list", *methods]:
        said = node(program, "--cli", "--protocol-era", era, "--method", method, "--format", "json", *server)
        assert said.returncode == 0, said.stderr
        assert json.loads(said.stdout)["result"]
    said = node(
        program, "--cli", "--protocol-era", era, "--method", "tools/call", *call, "--format", "json", *server
    )
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["result"]["structuredContent"]["status"] == "done"
    assert node(program, "--cli", "--method", "tools/list", "--strict", *server).returncode == 0


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_typescript_clients_run_a_team(version: str, project: Path) -> None:
    write_files(project)
    folder = installed(SUITE)
    script = folder / f"{version}.mjs"
    script.write_text((SUITE / f"{version}.mjs").read_text("utf-8"))
    said = node(f"../{version}.mjs", sys.executable, "-m", "guildhall", "mcp")
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["tools"] == ["run_team", "get_run", "cancel_run", "ask_specialist", "recall", "remember"]
    assert told["status"] == "done"
    assert told["progress"] == sorted(told["progress"])
