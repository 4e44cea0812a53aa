"""What tests need from npm, installed once into a folder for temporary files."""

import hashlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

SOURCE = Path(__file__).parent / "host_bridge"
BUNDLER = Path(__file__).parent / "bundler"
SUITE = Path(__file__).parent / "mcp_suite"


@cache
def host_script() -> str:
    """The text of the host's page script, with the official bridge bundled into it."""
    folder = installed(SOURCE)
    bundle = folder / f"host-{_digest(SOURCE / 'host.mjs')}.js"
    if not bundle.exists():
        shutil.copy(SOURCE / "host.mjs", folder / "host.mjs")
        _run(folder, "npx", "esbuild", "host.mjs", "--bundle", "--format=iife", f"--outfile={bundle}.new")
        Path(f"{bundle}.new").rename(bundle)
    return bundle.read_text("utf-8")


@cache
def axe_script() -> str:
    """The text of axe-core, which looks for what people with disabilities cannot use."""
    return (installed(SOURCE) / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def bundler(*arguments: str) -> str:
    """What the official tool for bundles says."""
    folder = installed(BUNDLER)
    return _run(folder, str(folder / "node_modules" / ".bin" / "mcpb"), *arguments)


def installed(source: Path) -> Path:
    """A folder in which what package.json in the source names is installed, for all tests that want it."""
    folder = Path(tempfile.gettempdir()) / f"guildhall-tests-npm-{_digest(source / 'package.json')}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            assert shutil.which("npm"), 'npm is needed: install node, or run pytest -m "slow and not browser"'
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            shutil.copy(source / "package.json", folder)
            _run(folder, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
            (folder / "done").touch()
    return folder


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
