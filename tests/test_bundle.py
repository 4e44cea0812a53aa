"""What is published for registries and hosts is made from what the server is, and is what they accept."""

import base64
import json
import re
import shlex
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_host import data, write_files
from node_tools import bundler

from guildhall import __version__
from guildhall.hosts import HOSTS, KEYS, UVX, Host, cursor_link, entry, unresolved, vscode_link
from guildhall.mcp_server import about, bundle

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCS = (ROOT / "docs" / "mcp.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


async def test_what_is_published_is_what_the_server_is_now() -> None:
    """`python -m guildhall.mcp_server.bundle` writes it anew where a change is meant."""
    there = {
        path.relative_to(bundle.PUBLISHED).as_posix(): path.read_text("utf-8")
        for path in bundle.PUBLISHED.rglob("*")
        if path.is_file()
    }
    assert there == bundle.files(await bundle.tools())


def test_the_registry_gets_what_it_asks_for() -> None:
    said = _published("server.json")
    assert said["$schema"] == bundle.REGISTRY_SCHEMA
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", said["name"])
    assert 1 <= len(said["description"]) <= 100
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", said["version"])
    (package,) = said["packages"]
    assert (package["registryType"], package["identifier"]) == ("pypi", PROJECT["name"])
    assert package["version"] == said["version"] == __version__ == PROJECT["version"]
    assert package["transport"] == {"type": "stdio"}
    assert {row["name"] for row in package["environmentVariables"] if row["isSecret"]} == {*bundle.OURS}
    assert {*KEYS} <= {*bundle.OURS}
    assert f"mcp-name: {about.NAME}" in README


@pytest.mark.slow
@pytest.mark.conformance
async def test_the_bundle_is_one_that_its_own_tools_accept(tmp_path: Path) -> None:
    made, folder = bundle.files(await bundle.tools()), tmp_path / "unpacked"
    bundle.write(folder, bundle.unpacked(made))

    assert "validation passes" in bundler("validate", str(folder / "manifest.json"))
    bundler("pack", str(folder), str(tmp_path / "theirs.mcpb"))
    bundle.pack(tmp_path / "ours.mcpb", made)
    assert _inside(tmp_path / "ours.mcpb") == _inside(tmp_path / "theirs.mcpb")
    bundler("unpack", str(tmp_path / "ours.mcpb"), str(tmp_path / "again"))
    assert {path.name for path in (tmp_path / "again").iterdir()} == {*bundle.unpacked(made)}


async def test_the_bundle_is_the_same_each_time_and_keeps_keys_out_of_sight(tmp_path: Path) -> None:
    made = bundle.files(await bundle.tools())
    for name in ("one.mcpb", "other.mcpb"):
        bundle.pack(tmp_path / name, made)
    assert (tmp_path / "one.mcpb").read_bytes() == (tmp_path / "other.mcpb").read_bytes()

    inside = _inside(tmp_path / "one.mcpb")
    said = json.loads(inside["manifest.json"])
    assert said["server"]["entry_point"] in inside
    asked = said["user_config"]
    assert {name for name, option in asked.items() if option.get("sensitive")} == {
        name.lower() for name in bundle.OURS
    }
    assert asked["guildhall_project"]["type"] == "directory"
    assert {*said["server"]["mcp_config"]["env"]} == {*bundle.GIVEN}
    needs = tomllib.loads(inside["pyproject.toml"].decode())["project"]
    assert needs["dependencies"] == [f"guildhall[mcp]=={__version__}"]
    assert needs["requires-python"] == PROJECT["requires-python"]
    compile(inside[said["server"]["entry_point"]], "server.py", "exec")


def test_the_plugin_starts_the_server_as_everyone_does() -> None:
    said = _published("claude/plugin/.claude-plugin/plugin.json")
    entry = said["mcpServers"]["guildhall"]
    assert [entry["command"], *entry["args"]] == [*UVX]
    assert all(value == f"${{{name}:-}}" for name, value in entry["env"].items())
    (listed,) = _published("claude/.claude-plugin/marketplace.json")["plugins"]
    assert (bundle.PUBLISHED / "claude" / listed["source"] / ".claude-plugin" / "plugin.json").exists()


def test_the_skill_is_one_and_names_every_tool() -> None:
    text = (bundle.PUBLISHED / "claude/plugin/skills/guildhall/SKILL.md").read_text("utf-8")
    _, head, body = text.split("---\n", 2)
    front = yaml.safe_load(head)

    assert front["name"] == "guildhall"
    assert 1 <= len(front["description"]) <= 1_024
    tools = json.loads((ROOT / "tests" / "data" / "tools.json").read_text("utf-8"))
    assert [tool["name"] for tool in tools if f"- `{tool['name']}`: " not in body] == []


@pytest.mark.parametrize("page", [README, DOCS], ids=["README", "docs"])
def test_the_links_that_install_with_a_click_are_those_of_this_server(page: str) -> None:
    links = re.findall(r"https://(?:vscode\.dev|cursor\.com)/[^\s)\"]*", page)
    assert sorted(links) == sorted([vscode_link(), cursor_link()])


def test_the_link_for_vs_code_asks_for_keys_and_holds_none() -> None:
    given = parse_qs(urlsplit(vscode_link()).query)
    config, inputs = json.loads(given["config"][0]), json.loads(given["inputs"][0])
    assert [config["command"], *config["args"]] == [*UVX]
    assert all(one["password"] for one in inputs)
    assert {*config["env"].values()} == {f"${{input:{one['id']}}}" for one in inputs}


def test_the_link_for_cursor_holds_the_command() -> None:
    given = parse_qs(urlsplit(cursor_link()).query)
    config = json.loads(base64.b64decode(given["config"][0]))
    assert [config["command"], *config["args"]] == [*UVX]


@pytest.mark.parametrize("page", [README, DOCS], ids=["README", "docs"])
def test_the_lines_that_install_name_the_servers_command(page: str) -> None:
    lines = re.findall(r"^(?:claude|codex|gemini) mcp add .*$", page, re.MULTILINE)
    ours = [shlex.split(line) for line in lines if "uvx" in line]
    assert {line[0] for line in ours} == {"claude", "codex", "gemini"}
    assert all(line[line.index("uvx") :] == [*UVX] for line in ours)


def test_the_docs_say_where_every_host_keeps_its_servers() -> None:
    for host in HOSTS:
        assert f"### {host.title}\n" in DOCS
        name = host.files[""][0].rpartition("/")[2]
        section = DOCS.partition(f"### {host.title}\n")[2].partition("\n##")[0]
        assert name in section
        assert not host.project or f"`{host.project}`" in section
        assert f"--host {host.name}" in section


@pytest.mark.parametrize("host", [host for host in HOSTS if not host.toml], ids=lambda host: host.name)
def test_what_the_docs_have_users_write_is_what_init_writes(host: Host) -> None:
    section = DOCS.partition(f"### {host.title}\n")[2].partition("\n##")[0]
    said = json.loads(section.partition("```json\n")[2].partition("```")[0])
    made = entry(host, UVX, {"ANTHROPIC_API_KEY": ""})
    if not host.reference:
        made.fields["env"] = {"ANTHROPIC_API_KEY": "your key"}
    assert said.pop("inputs", []) == made.inputs
    assert said == {host.key: {"guildhall": made.fields}}


@pytest.mark.parametrize(
    "left", ["${env:OPENAI_API_KEY}", "${user_config.key}", "$OPENAI_API_KEY", "%OPENAI_API_KEY%"]
)
def test_a_reference_that_a_host_did_not_fill_in_is_no_key(left: str) -> None:
    environ = {"OPENAI_API_KEY": left, "ANTHROPIC_API_KEY": "sk-$x", "OTHER": left}
    assert unresolved(environ) == ["OPENAI_API_KEY"]


async def test_a_server_that_is_given_such_a_reference_knows_that_it_has_no_key(
    project: Path, home: Path
) -> None:
    write_files(project)
    names = ("OPENAI_API_KEY", "GUILDHALL_BASE_URL", "OPENAI_BASE_URL")
    env = {"GUILDHALL_HOME": str(home), **{name: f"${{env:{name}}}" for name in names}}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "guildhall", "mcp"], env=env, cwd=project
    )
    async with Client(server) as client:
        said = data(await client.call_tool("run_team", {"task": "What is in it?", "team": "duo"}))
    assert "no API key reached this server" in " ".join(said["notices"])


def _published(name: str) -> Any:
    return json.loads((bundle.PUBLISHED / name).read_text("utf-8"))


def _inside(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
