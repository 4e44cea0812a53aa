"""The benchmark of quality, in small: teams are as good as theory says, and it is told where one is not."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import quality
import quality_rows
from quality_members import Tells
from quality_theory import binomial


@pytest.mark.slow
def test_all_teams_are_as_good_as_theory_says_and_take_as_many_calls() -> None:
    done = subprocess.run(
        [sys.executable, str(quality.__file__), "--check", "--markdown", "--trials", "100"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^\| .* \| \d\.\d{3} \|", done.stdout, re.MULTILINE)) == len(quality_rows.ROWS)


@pytest.mark.slow
def test_a_team_that_is_not_as_good_as_theory_says_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = quality_rows.vote(3, 0.7)
    wrong = replace(right, team="as five", theory=quality_rows.vote(5, 0.7).theory._replace(calls={3: 1.0}))
    monkeypatch.setattr(quality, "ROWS", (right, wrong))

    assert quality.main(2_000, 1, check=True, markdown=False) == 1
    assert re.fullmatch(
        r"as five: right in 0\.\d+, and 0\.\d+ to 0\.\d+ by theory\n", capsys.readouterr().err
    )
    assert quality.main(2_000, 1, check=False, markdown=False) == 0


def test_a_team_that_takes_more_calls_than_theory_says_fails_the_check() -> None:
    row = quality_rows.loop(0.6, Tells(0.9, 0.9))
    found = quality.simulated(row, 200)
    more = replace(row, theory=quality_rows.loop(0.6, Tells(0.9, 0.9), rounds=2).theory)

    assert quality.wrong_with(row, found, 0.001) == []
    assert any("6 calls" in problem for problem in quality.wrong_with(more, found, 0.001))


def test_what_is_simulated_is_the_same_each_time() -> None:
    row = quality_rows.debate(0.7, 0.9)

    assert quality.simulated(row, 30) == quality.simulated(row, 30)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_no_more_than_was_said_lies_outside_of_an_interval(share: float) -> None:
    low, high = quality.interval(50, share, 0.01)
    chances = binomial(50, share)

    assert sum(chances[:low]) <= 0.005 < sum(chances[: low + 1])
    assert sum(chances[high + 1 :]) <= 0.005 < sum(chances[high:])
