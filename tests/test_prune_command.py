"""`guildhall runs prune` and its Python twin."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels
from shell import TASK, data, done, guildhall, started

from guildhall.agents import Hall
from guildhall.errors import UserError
from guildhall.memory.store.retention import Pruned

DAY = 86_400.0
TABLES = ("runs", "events", "journal", "files")


async def test_python_refuses_limits_that_are_none(project: Path) -> None:
    async with Hall.open() as hall:
        for days, megabytes in ((-1.0, None), (float("nan"), None), (None, -0.1)):
            with pytest.raises(UserError, match="it must be a number from 0 on"):
                await hall.prune(days=days, megabytes=megabytes)
        assert await hall.prune(days=float("inf"), megabytes=float("inf")) == Pruned(0, 0, 0)


def set_back(home: Path, days: float, run: str = "") -> None:
    """Have the run, or all, ended and started so many days ago."""
    with closing(sqlite3.connect(home / "guildhall.db", isolation_level=None)) as raw:
        at = time.time() - days * 86_400
        raw.execute("UPDATE runs SET started = ?, ended = ? WHERE ? IN ('', id)", (at, at, run))


def stored(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / "guildhall.db")) as raw:
        count: int = raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count


@pytest.mark.usefixtures("harbour")
def test_the_command_removes_what_its_options_say(home: Path) -> None:
    first, last = (data("ask", "reader", TASK, "--file", "notes.md")["run_id"] for _ in range(2))
    set_back(home, 10, first)
    command = ("runs", "prune", "--older-than", "5")
    dry = data(*command, "--dry-run")
    assert (dry["runs"], dry["kept"], dry["dry_run"]) == (1, 1, True)
    assert done(*command, "--dry-run").startswith("Would remove 1 run (")
    assert done(*command, "--dry-run").endswith("); 1 would stay.\n")
    assert [row["run_id"] for row in data("runs")["runs"]] == [last, first]
    assert data(*command) == dry | {"dry_run": False}
    assert [row["run_id"] for row in data("runs")["runs"]] == [last]
    assert done(*command) == "Nothing to remove; of the runs, 1 stays.\n"
    assert (stored(home, "files"), data("watch")["run_id"]) == (1, last)
    assert done("runs", "prune", "--keep-megabytes", "0").startswith("Removed 1 run (")
    assert [stored(home, table) for table in TABLES] == [0, 0, 0, 0]
    assert done("runs").startswith("No run yet")


@pytest.mark.usefixtures("harbour")
def test_without_options_the_configuration_holds(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text("[runs]\ndays = 30\n")
    old = data("ask", "reader", TASK, "--file", "notes.md")["run_id"]
    set_back(home, 31)
    new = data("ask", "reader", TASK, "--file", "notes.md")["run_id"]
    set_back(home, 29, new)
    set_back(home, 31, old)
    data("runs", "prune")
    assert [row["run_id"] for row in data("runs")["runs"]] == [new]


@pytest.mark.usefixtures("harbour")
@pytest.mark.slow
def test_a_run_at_work_in_another_process_is_not_pruned(server: FakeModels) -> None:
    process = started("run", "duo", TASK, "--model", "openai-compatible:m/hang")
    server.wait_for(lambda models: models.in_flight == 2, 30)
    pruned = data("runs", "prune", "--older-than", "0", "--keep-megabytes", "0")
    assert (pruned["runs"], pruned["kept"]) == (0, 1)
    done("cancel", data("runs")["runs"][0]["run_id"])
    process.communicate(timeout=20)
    assert data("runs", "prune", "--older-than", "0")["runs"] == 1


@pytest.mark.usefixtures("harbour")
@pytest.mark.slow
def test_two_commands_at_once_remove_each_run_once(home: Path) -> None:
    run = data("ask", "reader", TASK, "--file", "notes.md")["run_id"]
    with closing(sqlite3.connect(home / "guildhall.db", isolation_level=None)) as raw:
        columns = [row[1] for row in raw.execute("PRAGMA table_info(runs)")][1:]
        copy = f"INSERT INTO runs SELECT ? || id, {', '.join(columns)} FROM runs WHERE id = ?"
        raw.executemany(copy, [(f"{number}-", run) for number in range(100)])
    both = [started("runs", "prune", "--older-than", "0", "--json") for _ in range(2)]
    told: list[dict[str, Any]] = [json.loads(process.communicate(timeout=30)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(pruned["runs"] for pruned in told) == 101
    assert [stored(home, table) for table in TABLES] == [0, 0, 0, 0]


@pytest.mark.usefixtures("harbour")
@pytest.mark.parametrize("option", ["--older-than", "--keep-megabytes"])
@pytest.mark.parametrize("given", ["-1", "nan"])
def test_a_limit_that_is_none_is_refused_in_one_sentence(option: str, given: str) -> None:
    command = ("runs", "prune", f"{option}={given}")
    result = guildhall(*command)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert f"{option} is {float(given)}; it must be a number from 0 on" in result.stderr
    error = json.loads(guildhall(*command, "--json").stdout)["error"]
    assert error["code"] == "invalid_input"
    assert guildhall("runs", "prune", option, "much").exit_code == 2
