"""What registries and hosts read before they install the server, all of it made from one place.

`python -m guildhall.mcp_server.bundle FOLDER` writes it anew; the files in `published/` are those of this
version. With the name of a file that ends in .mcpb it makes the bundle for Claude Desktop.
"""

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from guildhall import __version__
from guildhall.hosts import ADDRESSES, KEYS, PACKAGE, SERVER, UVX, entry, host_named

from . import about
from .server import INSTRUCTIONS, build

PUBLISHED = Path(__file__).parent / "published"
REGISTRY_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
AUTHOR = "Guildhall"
LICENSE = "MIT"
BUNDLE = "bundle/"
"""What the .mcpb holds, beside the program that starts the server."""
MAIN = "server.py"
_PROGRAM = '''"""Starts the server for the host that this bundle is installed in."""

from guildhall.mcp_server.server import serve

serve()
'''
OURS = {
    name: text for name, text in (KEYS | ADDRESSES).items() if name in KEYS or name.startswith("GUILDHALL_")
}
"""What users can be asked for; an address that is empty would reach the libraries of others."""
PROJECT = {"GUILDHALL_PROJECT": "Folder whose files teams may read, and whose memory it is"}
GIVEN = OURS | PROJECT
_MADE = (2020, 1, 1, 0, 0, 0)
"""The time of all files in a bundle, so that the same files make the same bytes."""
_SKILL = """---
name: guildhall
description: {about} Use when a task gains from several expert views (a review, research, a decision, a plan, a comparison), when the user asks for a team, a second opinion or a debate, or asks what was decided before.
---
# Guildhall

{instructions}

## Which tool

{tools}

## How to work with it

1. Put everything that the team needs to know into `task` and `context`: it does not see this conversation. Name files by their paths in `files`.
2. Leave `team` at `auto` unless the user names one. The resource `teams://` lists the teams, with what they are for.
3. When `status` is `running`, call `get_run` with the `run_id` until it is not. Never start the same task again: the run goes on.
4. When `status` is `needs_input`, show the user the question and the command from `next`, then call `get_run` to wait on. Do not answer it yourself.
5. Give the answer with its sources. Say where members contradicted each other, who did not answer, and what it cost.
6. For a follow-up, pass the `run_id` as `continue_from`.

## If the tools are not there

Tell the user that `guildhall init`, where Guildhall is installed, adds the server to the assistants on this machine; do not install anything yourself. Without an API key the answers are quotes from the files that were given, and say so: {keys} goes into `env` of the server's entry.
"""  # noqa: E501  a paragraph of Markdown is one line


def files(tools: list[dict[str, str]]) -> dict[str, str]:
    """The text of each file that is published, by its path."""
    plugin = "claude/plugin/"
    skill = _skill(tools)
    return {
        "server.json": _json(_registry()),
        f"{BUNDLE}manifest.json": _json(_manifest(tools)),
        f"{BUNDLE}pyproject.toml": _project(),
        "claude/.claude-plugin/marketplace.json": _json(_marketplace()),
        f"{plugin}.claude-plugin/plugin.json": _json(_plugin()),
        f"{plugin}skills/guildhall/SKILL.md": skill,
    }


async def tools() -> list[dict[str, str]]:
    """The server's tools, each in a sentence."""
    listed = await build().list_tools()
    return [
        {"name": tool.name, "description": (tool.description or "").partition(". ")[0].rstrip(".") + "."}
        for tool in listed
    ]


def write(folder: Path, made: dict[str, str]) -> None:
    """Put the files into the folder."""
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8", newline="\n")


def unpacked(made: dict[str, str]) -> dict[str, str]:
    """The text of each file of the bundle."""
    inside = {name.removeprefix(BUNDLE): text for name, text in made.items() if name.startswith(BUNDLE)}
    return inside | {MAIN: _PROGRAM}


def pack(path: Path, made: dict[str, str]) -> None:
    """Make the bundle that Claude Desktop installs; uv fetches the rest there."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in sorted(unpacked(made).items()):
            bundle.writestr(zipfile.ZipInfo(name, _MADE), text, zipfile.ZIP_DEFLATED)


def _registry() -> dict[str, Any]:
    return {
        "$schema": REGISTRY_SCHEMA,
        "name": about.NAME,
        "title": about.TITLE,
        "description": about.DESCRIPTION,
        "repository": {"url": about.WEBSITE, "source": "github"},
        "websiteUrl": about.WEBSITE,
        "version": __version__,
        "packages": [
            {
                "registryType": "pypi",
                "identifier": "guildhall",
                "version": __version__,
                "runtimeHint": "uvx",
                "runtimeArguments": [  # beside the package, what its server needs
                    {"type": "named", "name": "--with", "value": PACKAGE}
                ],
                "packageArguments": [{"type": "positional", "value": "mcp"}],
                "transport": {"type": "stdio"},
                "environmentVariables": [
                    {
                        "name": name,
                        "description": text,
                        "isRequired": False,
                        "isSecret": name not in PROJECT,
                        "format": "filepath" if name in PROJECT else "string",
                    }
                    for name, text in GIVEN.items()
                ],
            }
        ],
    }


def _manifest(tools: list[dict[str, str]]) -> dict[str, Any]:
    names = {name: name.lower() for name in GIVEN}
    return {
        "$schema": "https://raw.githubusercontent.com/anthropics/mcpb/main/schemas/mcpb-manifest-v0.4.schema.json",
        "manifest_version": "0.4",
        "name": SERVER,
        "display_name": about.TITLE,
        "version": __version__,
        "description": about.DESCRIPTION,
        "author": {"name": AUTHOR, "url": about.WEBSITE},
        "repository": {"type": "git", "url": about.WEBSITE},
        "homepage": about.WEBSITE,
        "license": LICENSE,
        "server": {
            "type": "uv",
            "entry_point": MAIN,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", MAIN],
                "env": {name: f"${{user_config.{option}}}" for name, option in names.items()},
            },
        },
        "tools": tools,
        "tools_generated": False,
        "prompts_generated": True,
        "user_config": {
            option: {
                "type": "directory" if name in PROJECT else "string",
                "title": name,
                "description": f"{GIVEN[name]}. May stay empty.",
                **({} if name in PROJECT else {"sensitive": True}),
                "required": False,
                "default": "",
            }
            for name, option in names.items()
        },
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": ">=3.11"},
        },
    }


def _project() -> str:
    """What uv installs for the bundle."""
    return (
        f'[project]\nname = "{SERVER}-bundle"\nversion = "{__version__}"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["{PACKAGE}=={__version__}"]\n'
    )


def _marketplace() -> dict[str, Any]:
    plugin = {"name": SERVER, "source": "./plugin", "description": about.DESCRIPTION}
    owner = {"name": AUTHOR, "url": about.WEBSITE}
    return {"name": SERVER, "description": about.DESCRIPTION, "owner": owner, "plugins": [plugin]}


def _plugin() -> dict[str, Any]:
    given = dict.fromkeys(OURS, "")
    return {
        "name": SERVER,
        "version": __version__,
        "description": about.DESCRIPTION,
        "author": {"name": AUTHOR, "url": about.WEBSITE},
        "homepage": about.WEBSITE,
        "repository": about.WEBSITE,
        "license": LICENSE,
        "keywords": ["agents", "teams", "memory", "mcp"],
        "mcpServers": {SERVER: entry(host_named("claude-code"), UVX, given).fields},
    }


def _skill(tools: list[dict[str, str]]) -> str:
    rows = "\n".join(f"- `{tool['name']}`: {tool['description']}" for tool in tools)
    keys = " or ".join(f"`{name}`" for name in list(KEYS)[:2])
    return _SKILL.format(about=about.DESCRIPTION, instructions=INSTRUCTIONS, tools=rows, keys=keys)


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import asyncio

    if len(sys.argv) > 2 or sys.argv[-1].startswith("-"):
        sys.exit("python -m guildhall.mcp_server.bundle [FOLDER | NAME.mcpb]")
    made, out = files(asyncio.run(tools())), Path(sys.argv[1]) if sys.argv[1:] else PUBLISHED
    pack(out, made) if out.suffix == ".mcpb" else write(out, made)
