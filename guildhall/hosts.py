"""The assistants that start this server: where each keeps its servers, and what it calls things.

All that is said of a host elsewhere (by the command that configures it, in errors, in links and manifests)
comes from here.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

SERVER = "guildhall"
"""The name of the server's entry."""
PACKAGE = "guildhall[mcp]"
UVX = ("uvx", "--from", PACKAGE, "guildhall", "mcp")
"""What starts the server where nothing is installed but uv."""
KEYS = {
    "ANTHROPIC_API_KEY": "API key of Anthropic",
    "OPENAI_API_KEY": "API key of OpenAI",
    "GUILDHALL_API_KEY": "API key of the server at GUILDHALL_BASE_URL",
    "GUILDHALL_CHROMA_TOKEN": "Token of the Chroma server",
}
"""Variables that hold a secret."""
ASKED = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
"""Those that a host asks for, where it can."""
ADDRESSES = {
    "ANTHROPIC_BASE_URL": "Address of Anthropic's models, if it is another one",
    "OPENAI_BASE_URL": "Address of OpenAI's models, if it is another one",
    "GUILDHALL_BASE_URL": "Address of a server that speaks like OpenAI, such as Ollama or vLLM",
    "GUILDHALL_CHROMA_URL": "Address of a Chroma server",
}
"""Variables that hold an address, in which a password may stand."""
SETTINGS = ("GUILDHALL_HOME", "GUILDHALL_PROJECT", "GUILDHALL_LOCAL_ONLY", "GUILDHALL_EMBEDDER")
"""Variables that hold nothing secret."""
VARIABLES = (*KEYS, *ADDRESSES, *SETTINGS)
"""Those that a server without them would work differently from a shell with them."""
_REFERENCE = re.compile(r"\$\{[^}]*\}|\$\w+|%\w+%")


@dataclass(frozen=True)
class Host:
    """An assistant. In places, `{home}`, `{config}` and the like are the folders of `folders()`."""

    name: str
    title: str
    introduces: tuple[str, ...]
    """How the name begins that it gives when it connects."""
    files: Mapping[str, tuple[str, ...]]
    """The user's file, by platform ("" is any other); of several, the first whose folder is there."""
    project: str = ""
    """The file of a project, from the project's folder; empty if it has none."""
    key: str = "mcpServers"
    """Under which servers stand in the file."""
    reference: str = ""
    """How its file refers to a variable `{}` of the environment; empty if it cannot."""
    forwards: bool = False
    """Whether its file names the variables that are passed on."""
    asks: bool = False
    """Whether it asks the user for secrets and keeps them."""
    typed: bool = False
    """Whether an entry says that it is for stdio."""
    signs: tuple[str, ...] = ()
    """What is there if the host is, beside the folder of its file."""
    commands: tuple[str, ...] = ()
    """Programs by which it is found."""
    then: str = ""
    """What the user has to do before it reads the file anew."""

    @property
    def toml(self) -> bool:
        return self.files[""][0].endswith(".toml")


HOSTS = (
    Host(
        name="claude-desktop",
        title="Claude Desktop",
        introduces=("claude-ai",),
        files={
            "darwin": ("{home}/Library/Application Support/Claude/claude_desktop_config.json",),
            "win32": (  # where it is installed as a package, Windows shows it another folder
                "{local}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
                "{roaming}/Claude/claude_desktop_config.json",
            ),
            "": ("{config}/Claude/claude_desktop_config.json",),
        },
        then="quit Claude Desktop and start it again",
    ),
    Host(
        name="claude-code",
        title="Claude Code",
        introduces=("claude-code",),
        files={"": ("{claude}/.claude.json",)},
        project=".mcp.json",
        reference="${{{}:-}}",
        typed=True,
        signs=("{home}/.claude",),
        commands=("claude",),
        then="start a new session",
    ),
    Host(
        name="vscode",
        title="VS Code",
        introduces=("Visual Studio Code",),
        files={
            "darwin": ("{home}/Library/Application Support/Code/User/mcp.json",),
            "win32": ("{roaming}/Code/User/mcp.json",),
            "": ("{config}/Code/User/mcp.json",),
        },
        project=".vscode/mcp.json",
        key="servers",
        reference="${{env:{}}}",
        asks=True,
        typed=True,
        commands=("code",),
        then="start the server with “MCP: List Servers”",
    ),
    Host(
        name="cursor",
        title="Cursor",
        introduces=("cursor",),
        files={"": ("{home}/.cursor/mcp.json",)},
        project=".cursor/mcp.json",
        reference="${{env:{}}}",
        commands=("cursor",),
        then="switch the server on in Settings > MCP",
    ),
    Host(
        name="codex",
        title="Codex",
        introduces=("codex", "Codex"),
        files={"": ("{codex}/config.toml",)},
        project=".codex/config.toml",
        key="mcp_servers",
        forwards=True,
        commands=("codex",),
        then="start a new session",
    ),
    Host(
        name="windsurf",
        title="Windsurf",
        introduces=("windsurf", "Windsurf"),
        files={"": ("{home}/.codeium/windsurf/mcp_config.json",)},
        reference="${{env:{}}}",
        commands=("windsurf",),
        then="press Refresh among its MCP servers",
    ),
    Host(
        name="zed",
        title="Zed",
        introduces=("Zed",),
        files={
            "darwin": ("{home}/.config/zed/settings.json",),
            "win32": ("{roaming}/Zed/settings.json",),
            "": ("{config}/zed/settings.json",),
        },
        project=".zed/settings.json",
        key="context_servers",
        commands=("zed", "zeditor"),
        then="it starts the server by itself",
    ),
    Host(
        name="gemini",
        title="Gemini CLI",
        introduces=("gemini-cli",),
        files={"": ("{home}/.gemini/settings.json",)},
        project=".gemini/settings.json",
        reference="${{{}}}",
        commands=("gemini",),
        then="start a new session",
    ),
)
NAMES = tuple(host.name for host in HOSTS)


@dataclass(frozen=True)
class Entry:
    """What stands in a host's file for this server."""

    fields: dict[str, Any]
    inputs: list[dict[str, Any]] = field(default_factory=list)
    """What the host asks the user for."""


def host_named(name: str) -> Host:
    return next(host for host in HOSTS if host.name == name)


def introduced(name: str) -> Host | None:
    """The host that connects under this name."""
    return next((host for host in HOSTS if name.startswith(host.introduces)), None)


def folders(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Where a user's files are, as places name it."""
    return {
        "home": str(home),
        "config": environ.get("XDG_CONFIG_HOME") or f"{home}/.config",
        "roaming": environ.get("APPDATA") or f"{home}/AppData/Roaming",
        "local": environ.get("LOCALAPPDATA") or f"{home}/AppData/Local",
        "codex": environ.get("CODEX_HOME") or f"{home}/.codex",
        "claude": environ.get("CLAUDE_CONFIG_DIR") or str(home),
    }


def user_file(host: Host, folders: Mapping[str, str], platform: str) -> Path:
    """The file in which the user's servers stand."""
    found: list[Path] = []
    for place in host.files.get(platform, host.files[""]):
        root, _, rest = place.partition("/")
        folder, name = Path(root.format_map(folders)), PurePosixPath(rest)
        above = str(name.parent)
        found += [at / name.name for at in (sorted(folder.glob(above)) if "*" in above else [folder / above])]
    return next((path for path in found if path.parent.is_dir()), found[-1])


def entry(host: Host, command: Sequence[str], variables: Mapping[str, str], *, shared: bool = False) -> Entry:
    """The server's entry for this host, which refers to the variables as the host can.

    Secrets and addresses never stand in it by their value; settings do, unless the file is shared.
    """
    fields: dict[str, Any] = {"type": "stdio"} if host.typed else {}
    fields |= {"command": command[0], "args": [*command[1:]]}
    env: dict[str, str] = {}
    inputs: list[dict[str, Any]] = []
    forwarded: list[str] = []
    for name, value in variables.items():
        if name in SETTINGS and not shared:
            env[name] = value
        elif host.forwards:
            forwarded.append(name)
        elif host.asks and name in KEYS:
            inputs.append(_input(name))
            env[name] = f"${{input:{inputs[-1]['id']}}}"
        elif host.reference:
            env[name] = host.reference.format(name)
    if env:
        fields["env"] = env
    if forwarded:
        fields["env_vars"] = forwarded
    return Entry(fields, inputs)


def left_out(host: Host, variables: Iterable[str]) -> list[str]:
    """The variables that this host's file cannot refer to: the user has to put them there."""
    can = host.reference or host.forwards
    return [] if can else [name for name in variables if name not in SETTINGS]


def unresolved(environ: Mapping[str, str]) -> list[str]:
    """The variables that hold a reference, which a host leaves as it is where it knows no such variable."""
    return [name for name in VARIABLES if _REFERENCE.fullmatch(environ.get(name, "").strip())]


def vscode_link() -> str:
    """The address that adds the server to VS Code with a click; it asks for the keys and keeps them."""
    made = entry(host_named("vscode"), UVX, dict.fromkeys(ASKED, ""))
    inputs, config = (quote(_compact(part), safe="") for part in (made.inputs, made.fields))
    return f"https://vscode.dev/redirect/mcp/install?name={SERVER}&inputs={inputs}&config={config}"


def cursor_link() -> str:
    """The address that adds the server to Cursor with a click."""
    made = entry(host_named("cursor"), UVX, dict.fromkeys(ASKED, ""))
    config = base64.b64encode(_compact(made.fields).encode()).decode()
    return f"https://cursor.com/en/install-mcp?name={SERVER}&config={quote(config, safe='')}"


def _input(name: str) -> dict[str, Any]:
    return {
        "type": "promptString",
        "id": f"{SERVER}-{name.lower().replace('_', '-')}",
        "description": f"{KEYS[name]}, for Guildhall (may stay empty)",
        "password": True,
    }


def _compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))
