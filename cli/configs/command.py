"""How a host starts the server of this environment."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

from guildhall.hosts import PACKAGE, UVX

_PASSING = re.compile(r"(?:archive|environments|builds)-v\d+")
"""In the path of an environment of uv's cache, which `uv cache clean` takes away."""


def server_command() -> tuple[str, ...]:
    """The command of the environment that guildhall is installed in; that of uvx if it will not stay."""
    parts = Path(sys.prefix).parts
    passing = any(map(_PASSING.fullmatch, parts)) or ("pipx" in parts and ".cache" in parts)
    try:
        files = importlib.metadata.files("guildhall") or []
    except importlib.metadata.PackageNotFoundError:
        return UVX
    if passing:
        return UVX
    for file in files:
        if file.name.lower() in ("guildhall", "guildhall.exe"):
            script = os.path.normpath(file.locate())
            if os.access(script, os.X_OK):
                return (script, "mcp")
    return (sys.executable, "-m", "guildhall", "mcp")


def lacking(command: tuple[str, ...]) -> str:
    """What is missing here for the command to work; empty if nothing is."""
    if command == UVX:
        if shutil.which("uvx") is None:
            return "uvx is not on the PATH: install uv (https://docs.astral.sh/uv/)"
    elif importlib.util.find_spec("mcp") is None:
        return f'the server needs the extra `mcp`: pip install "{PACKAGE}"'
    return ""
