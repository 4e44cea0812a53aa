"""The benchmark of faults, in small: a process is killed, and every promise is kept."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "faults.py"


@pytest.mark.slow
def test_teams_keep_every_promise_under_faults_when_a_process_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--runs", "24"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| right answers, by content | 24 of 24 | all |" in done.stdout
