"""`guildhall init` as users meet it: which assistants it finds, what it shows and asks, what it writes."""

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from host_configs import file_of
from shell import data, done, guildhall

from guildhall.hosts import HOSTS, NAMES, UVX, folders, host_named, user_file

pytestmark = pytest.mark.usefixtures("user")
Contents = Callable[[], dict[str, bytes | None]]


def test_every_assistant_that_is_here_is_configured_and_a_second_run_has_nothing_to_do(
    all_hosts: Contents,
) -> None:
    first = data("init", "--yes")
    assert [row["host"] for row in first["hosts"]] == [*NAMES]
    assert {row["status"] for row in first["hosts"]} == {"added"}
    for host in HOSTS:
        entry = _said(host.name)[host.key]["guildhall"]
        assert [entry["command"], *entry["args"]] == first["command"]

    before = all_hosts()
    said = done("init")  # with nothing to do, nobody is asked
    assert "Nothing is to be done." in said
    assert all_hosts() == before


def test_what_was_added_to_all_goes_again(all_hosts: Contents) -> None:
    before = all_hosts()
    done("init", "--yes")

    assert "Cursor: removed from" in done("init", "--remove", "--yes")
    assert all_hosts() == before


def test_where_no_assistant_is_found_it_says_which_ones_are_known() -> None:
    result = guildhall("init")
    assert result.exit_code == 1
    for host in HOSTS:
        assert f"{host.title} ({host.name})" in result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_assistant_is_found_by_its_program_or_its_folder(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_named(name)
    if host.commands:
        program = home.parent / host.commands[0]
        program.touch(mode=0o755)
        assert [row["host"] for row in data("init", "--dry-run")["hosts"]] == [name]
        program.unlink()
    folder = Path.home() / ".claude" if name == "claude-code" else file_of(name).parent
    folder.mkdir(parents=True)
    assert [row["host"] for row in data("init", "--dry-run")["hosts"]] == [name]


def test_a_dry_run_shows_all_and_changes_nothing(all_hosts: Contents, home: Path) -> None:
    before = all_hosts()
    said = done("init", "--dry-run")

    assert said.count('+     "guildhall": {') + said.count("+ [mcp_servers.guildhall]") == len(HOSTS)
    assert said.count("would be added") == len(HOSTS)
    assert [line for line in said.splitlines() if line.startswith("- ")] == []
    assert all_hosts() == before
    assert not (home / "hosts").exists()


def test_it_asks_for_each_assistant() -> None:
    _install("cursor", "windsurf")
    result = guildhall("init", stdin="n\ny\n")

    assert result.exit_code == 0
    assert result.stderr.count("Add it? [Y/n]") == 2
    assert "Cursor: left as it is" in result.stdout
    assert not file_of("cursor").exists()
    assert "guildhall" in _said("windsurf")["mcpServers"]


@pytest.mark.parametrize("args", [["init"], ["init", "--json"]])
def test_where_nobody_answers_nothing_is_changed(args: list[str]) -> None:
    _install("cursor")
    result = guildhall(*args)

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert not file_of("cursor").exists()


def test_an_entry_of_the_users_own_is_shown_and_keeps_what_the_user_put_there() -> None:
    own = {
        "command": "mine",
        "args": [],
        "env": {"OPENAI_API_KEY": "sk-proj-T7bQ2xLm9ZcV4nRk8WpY3sHd"},
        "disabled": True,
    }
    _write("cursor", {"mcpServers": {"guildhall": own}})

    assert '-       "command": "mine",' in guildhall("init", stdin="n\n").stdout
    assert _said("cursor")["mcpServers"]["guildhall"] == own
    shown = done("init", "--yes")
    assert "sk-proj-T7bQ2xLm9ZcV4nRk8WpY3sHd" not in shown
    entry = _said("cursor")["mcpServers"]["guildhall"]
    assert entry["env"].pop("GUILDHALL_HOME")
    assert entry == {**own, "command": entry["command"], "args": ["mcp"]}
    assert entry["command"] != "mine"
    done("init", "--remove", "--yes")
    assert _said("cursor")["mcpServers"]["guildhall"] == own


def test_an_entry_for_a_server_elsewhere_is_replaced_when_that_is_confirmed() -> None:
    _write("cursor", {"mcpServers": {"guildhall": {"url": "http://localhost:8765/mcp", "env": [{}]}}})
    done("init", "--yes")

    assert _said("cursor")["mcpServers"]["guildhall"].keys() == {"command", "args", "env"}


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_no_key_is_ever_written(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-mine")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:hidden@example.com/v1")
    said = data("init", "--host", host.name, "--yes")
    text = file_of(host.name).read_text()

    assert "sk-ant-of-mine" not in text
    assert "hidden" not in text
    (row,) = said["hosts"]
    if host.reference or host.forwards:
        assert "ANTHROPIC_API_KEY" in text
        assert "OPENAI_BASE_URL" in text
        assert row["missing_variables"] == []
    else:
        assert "API_KEY" not in text
        assert row["missing_variables"] == ["ANTHROPIC_API_KEY", "OPENAI_BASE_URL"]


def test_references_are_written_as_each_host_reads_them(
    all_hosts: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    done("init", "--yes")

    env = {
        name: entry["env"]["OPENAI_API_KEY"]
        for name in NAMES
        if "OPENAI_API_KEY" in (entry := _said(name)[host_named(name).key]["guildhall"])["env"]
    }
    assert env == {
        "claude-code": "${OPENAI_API_KEY:-}",
        "vscode": "${input:guildhall-openai-api-key}",
        "cursor": "${env:OPENAI_API_KEY}",
        "windsurf": "${env:OPENAI_API_KEY}",
        "gemini": "${OPENAI_API_KEY}",
    }
    assert _said("codex")["mcp_servers"]["guildhall"]["env_vars"] == ["OPENAI_API_KEY"]
    asked = {one["id"]: one["password"] for one in _said("vscode")["inputs"]}
    assert asked == {"guildhall-anthropic-api-key": True, "guildhall-openai-api-key": True}


def test_a_host_that_can_asks_for_keys_that_are_not_set_here() -> None:
    said = done("init", "--host", "vscode", "--yes")
    assert "asks for the keys" in said
    assert len(_said("vscode")["inputs"]) == 2

    done("init", "--host", "vscode", "--remove", "--yes")
    assert "asks for the keys" not in done("init", "--host", "vscode", "--yes", "--keys", "none")
    assert "inputs" not in _said("vscode")


def test_what_the_user_has_put_behind_the_command_stays() -> None:
    done("init", "--host", "cursor", "--yes")
    entry = _said("cursor")
    entry["mcpServers"]["guildhall"]["args"] += ["--wait", "20"]
    file_of("cursor").write_text(json.dumps(entry))
    assert data("init", "--host", "cursor", "--yes")["hosts"][0]["status"] == "unchanged"

    done("init", "--host", "cursor", "--yes", "--uvx")
    assert _said("cursor")["mcpServers"]["guildhall"]["args"] == [*UVX[1:], "--wait", "20"]


def test_a_relative_data_folder_is_written_so_that_every_host_finds_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_HOME", "./here")
    done("init", "--host", "zed", "--yes")
    assert _said("zed")["context_servers"]["guildhall"]["env"]["GUILDHALL_HOME"] == str(project / "here")


def test_it_names_what_is_set_and_asks_whether_files_refer_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _install("cursor")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    result = guildhall("init", stdin="n\ny\n")

    assert "Set here: OPENAI_API_KEY" in result.stderr
    assert "OPENAI_API_KEY" not in file_of("cursor").read_text()
    assert data("init", "--yes", "--keys", "none")["hosts"][0]["status"] == "unchanged"
    assert data("init", "--yes")["hosts"][0]["status"] == "updated"


def test_the_data_folder_that_is_set_here_is_the_servers_too(home: Path) -> None:
    done("init", "--host", "zed", "--yes")
    assert _said("zed")["context_servers"]["guildhall"]["env"]["GUILDHALL_HOME"] == str(home)


@pytest.mark.parametrize("host", [host for host in HOSTS if host.project], ids=lambda host: host.name)
def test_a_projects_file_names_nothing_of_this_machine_with_uvx(host: Any, project: Path) -> None:
    done("init", "--host", host.name, "--project", "--uvx", "--yes")
    text = (project / host.project).read_text()

    assert str(project.parent) not in text
    assert list(UVX)[1:] == _parsed(text)[host.key]["guildhall"]["args"]
    assert not file_of(host.name).exists()
    done("init", "--project", "--remove", "--yes")
    assert not (project / host.project).exists()


def test_a_host_without_a_file_in_projects_says_so(project: Path) -> None:
    result = guildhall("init", "--project", "--host", "windsurf", "--yes")
    assert result.exit_code == 2
    assert "Windsurf has no file in projects" in result.stderr


def test_the_command_is_the_one_of_this_environment() -> None:
    command = data("init", "--host", "cursor", "--dry-run")["command"]
    assert Path(command[0]).is_absolute()
    assert Path(command[0]).exists()
    assert command[-1] == "mcp"


def test_from_an_environment_that_will_not_stay_uvx_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(Path.home() / ".cache" / "uv" / "archive-v0" / "4kQ0"))
    said = data("init", "--host", "cursor", "--dry-run")
    assert said["command"] == list(UVX)
    assert "install uv" in said["notices"][0]


def test_where_the_embedder_cannot_be_fetched_what_was_written_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("guildhall.memory.minilm.URL", "http://127.0.0.1:9/none")
    result = guildhall("init", "--host", "zed", "--yes", "--fetch-embedder")
    assert result.exit_code == 1
    assert "Zed: added to" in result.stdout
    assert "MiniLM was not fetched" in result.stderr


def test_a_dry_run_fetches_nothing() -> None:
    said = data("init", "--host", "zed", "--dry-run", "--fetch-embedder")
    assert said["embedder"] == ""
    assert "MiniLM would be fetched" in said["notices"]


def test_the_embedder_is_fetched_only_when_that_is_asked_for() -> None:
    from guildhall.memory.minilm import FILES, minilm_folder

    assert minilm_folder().is_relative_to(Path.home())
    minilm_folder().mkdir(parents=True)
    for name in FILES:  # as if they had been fetched before
        (minilm_folder() / name).touch()
    _install("cursor")
    assert data("init", "--yes")["embedder"] == ""
    assert data("init", "--yes", "--fetch-embedder")["embedder"] == str(minilm_folder())


@pytest.mark.parametrize(
    ("name", "platform", "environ", "place"),
    [
        ("claude-desktop", "linux", {}, ".config/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "/x"}, "/x/Claude/claude_desktop_config.json"),
        ("claude-desktop", "darwin", {}, "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", {"APPDATA": "/r"}, "/r/Claude/claude_desktop_config.json"),
        ("claude-code", "win32", {}, ".claude.json"),
        ("claude-code", "linux", {"CLAUDE_CONFIG_DIR": "/c"}, "/c/.claude.json"),
        ("vscode", "linux", {}, ".config/Code/User/mcp.json"),
        ("vscode", "darwin", {}, "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "win32", {}, "AppData/Roaming/Code/User/mcp.json"),
        ("cursor", "win32", {}, ".cursor/mcp.json"),
        ("codex", "linux", {"CODEX_HOME": "/k"}, "/k/config.toml"),
        ("windsurf", "darwin", {}, ".codeium/windsurf/mcp_config.json"),
        ("zed", "darwin", {"XDG_CONFIG_HOME": "/x"}, ".config/zed/settings.json"),
        ("zed", "win32", {}, "AppData/Roaming/Zed/settings.json"),
        ("gemini", "linux", {}, ".gemini/settings.json"),
    ],
)
def test_files_are_where_each_system_has_them(
    name: str, platform: str, environ: dict[str, str], place: str
) -> None:
    found = user_file(host_named(name), folders(environ, Path("/home/[me]")), platform)
    assert found == Path("/home/[me]") / place


def test_claude_desktop_as_a_windows_package_keeps_its_file_elsewhere(user: Path) -> None:
    for folder in ("AppData/Roaming/Claude", "AppData/Local/Packages/Claude_ab/LocalCache/Roaming/Claude"):
        (user / folder).mkdir(parents=True)
        found = user_file(host_named("claude-desktop"), folders({}, user), "win32")
        assert found.parent == user / folder


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# mine\nmodel = 'x'",
        'a = 1\r\n\r\n[mcp_servers.other]\r\ncommand = "x"\r\n# about the next\r\n[tui]\r\nb = 2\r\n',
        '[mcp_servers]\n\n[mcp_servers.other]\nargs = [\n  "a", # b\n]\n\n\n',
        't = """\n[mcp_servers.guild]\n"""\n[[list]]\na = [[1], [2]]\n',
    ],
)
def test_codex_keeps_all_else_as_it_is(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    path = file_of("codex")
    path.parent.mkdir()
    path.write_bytes(before.encode())

    assert data("init", "--host", "codex", "--yes")["hosts"][0]["status"] == "added"
    after = path.read_bytes().decode()
    assert after.startswith(before)
    assert "\r" not in after.removeprefix(before).replace("\r\n", "" if "\r" in before else "\r")
    assert data("init", "--host", "codex", "--yes")["hosts"][0]["status"] == "unchanged"
    path.write_bytes(f"{after}# later\n".encode())
    done("init", "--host", "codex", "--remove", "--yes")
    left = path.read_bytes().decode()
    assert tomllib.loads(left) == tomllib.loads(before)
    assert left.split() == [*before.split(), "#", "later"]


def test_codex_has_only_what_differs_changed() -> None:
    path = file_of("codex")
    path.parent.mkdir()
    before = (
        '[mcp_servers.guildhall] # mine\nstartup_timeout_sec = 60 # slow\ncommand = "old"\nargs = [\n'
        '  "a", # why\n]\n\n[mcp_servers.guildhall.env]\nOTHER = "1"\n\n'
        '# next\n[mcp_servers.z]\ncommand = "z"\n'
    )
    path.write_text(before)
    done("init", "--host", "codex", "--uvx", "--yes")

    after = path.read_text()
    said = tomllib.loads(after)["mcp_servers"]["guildhall"]
    assert [said["command"], *said["args"]] == [*UVX]
    assert said["startup_timeout_sec"] == 60
    assert said["env"].keys() == {"OTHER", "GUILDHALL_HOME"}
    assert "[mcp_servers.guildhall] # mine\nstartup_timeout_sec = 60 # slow\n" in after
    assert '# next\n[mcp_servers.z]\ncommand = "z"\n' in after
    done("init", "--host", "codex", "--remove", "--yes")
    assert path.read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "a = 1\na = 2\n",
        '[mcp_servers.guildhall]\ncommand = "old"\nenv_vars = "x"\n',
        'mcp_servers = { other = { command = "x" } }\n',
        'mcp_servers = ["x"]\n',
        'mcp_servers.guildhall.command = "old"\n',
        '[mcp_servers]\nguildhall = { command = "old" }\n',
        't = """\n[mcp_servers.guildhall]\ncommand = 1\n"""\nmcp_servers.guildhall.command = "old"\n',
    ],
)
def test_what_cannot_be_edited_in_codex_without_a_risk_is_left_as_it_is(text: str) -> None:
    path = file_of("codex")
    path.parent.mkdir()
    path.write_text(text)

    result = guildhall("init", "--host", "codex", "--yes", "--json")
    assert (result.exit_code, json.loads(result.stdout)["hosts"][0]["status"]) == (1, "refused")
    assert path.read_text() == text


def _install(*names: str) -> None:
    for name in names:
        file_of(name).parent.mkdir(parents=True)


def _write(name: str, said: Any) -> None:
    _install(name)
    file_of(name).write_text(json.dumps(said, indent=2))


def _said(name: str) -> Any:
    return _parsed(file_of(name).read_text())


def _parsed(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else tomllib.loads(text)
