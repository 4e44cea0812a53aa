"""What every test gets: a data folder of its own, no keys, and async test functions that run."""

import asyncio
import inspect
import os
import signal
from pathlib import Path

import pytest

pytest_plugins = ["shell", "limiting", "host_configs"]
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background begin without it
DEADLINE = 30.0
"""Seconds after which an async test has failed."""
PROVIDER_PREFIXES = ("ANTHROPIC_", "OPENAI_", "GUILDHALL_")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of this test; it is not made yet."""
    for name in [name for name in os.environ if name.startswith(PROVIDER_PREFIXES)]:
        monkeypatch.delenv(name)
    folder = tmp_path / "data" / "guildhall"
    monkeypatch.setenv("GUILDHALL_HOME", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder.parent))  # for an environment that does not name it
    for name in ("HOME", "USERPROFILE"):  # agents of other assistants are found there
        monkeypatch.setenv(name, str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("GUILDHALL_EMBEDDER", "none")  # what is found depends on no package that may be there
    folder.parent.mkdir()
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, as the working folder."""
    folder = tmp_path / "project"
    (folder / ".guildhall").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    deadline = DEADLINE
    if marker := pyfuncitem.get_closest_marker("deadline"):
        deadline = float(marker.args[0])

    async def within_deadline() -> None:
        async with asyncio.timeout(deadline):
            await pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted})

    asyncio.run(within_deadline())
    return True
