"""Importing a package is free: no SDK, no file, no network, whatever it is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = (
    "anthropic", "openai", "chromadb", "mcp", "genai_prices", "anywidget", "httpx2", "rich", "pypdf",
    "mammoth", "pathspec", "charset_normalizer", "watchfiles", "python_calamine",
)  # fmt: skip
WATCHED = """
import importlib, json, sys

touched = []

def note(event, args):
    if event == "open" and isinstance(args[0], str):
        touched.append(["write" if "w" in str(args[1]) or "a" in str(args[1]) else "read", args[0]])
    elif event in ("os.mkdir", "os.remove", "os.rename", "socket.connect", "subprocess.Popen"):
        touched.append([event, str(args[0])])

sys.addaudithook(note)
importlib.import_module(sys.argv[1])
print(json.dumps({"modules": sorted(sys.modules), "touched": touched}))
"""
"""Imports the module that is named, and tells what that loaded and touched."""
PLACES = (Path(__file__).parent.parent, Path(sys.prefix), Path(sys.base_prefix))
"""Where code is: this package, and the packages and the library of this Python."""


@pytest.mark.parametrize(
    "module",
    [
        "guildhall",
        "guildhall.agents",
        "guildhall.agents.hall",
        "guildhall.agents.testing",
        "guildhall.view",
        "guildhall.jupyter_ext",
        "guildhall.cli.main",
        "guildhall.mcp_server",
    ],
)
@pytest.mark.slow
def test_an_import_loads_no_sdk_and_touches_nothing_but_code(module: str, home: Path, tmp_path: Path) -> None:
    seen = _imported(module, tmp_path)

    assert [name for name in seen["modules"] if name.partition(".")[0] in HEAVY] == []
    assert [what for what in seen["touched"] if not _is_reading_code(*what)] == []
    assert not home.exists()


@pytest.mark.slow
def test_the_server_for_assistants_loads_no_model_sdk_before_it_is_asked(home: Path, tmp_path: Path) -> None:
    seen = _imported("guildhall.mcp_server.server", tmp_path)

    models = ("anthropic", "openai", "chromadb", "genai_prices", "anywidget")
    assert [name for name in seen["modules"] if name.partition(".")[0] in models] == []
    assert "mcp" in seen["modules"]
    assert not home.exists()


def _imported(module: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-B", "-c", WATCHED, module]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def _is_reading_code(how: str, path: str) -> bool:
    if path.startswith("__editable__"):  # the name under which an editable install is found; no file
        return True
    return how == "read" and any(Path(path).is_relative_to(place) for place in PLACES)
