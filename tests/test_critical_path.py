"""Nobody waits for more calls, one after the other, than a pattern needs; what has become dearer is told."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import critical_path
from critical_path import Cost, Row
from critical_path_cases import CASES, Case
from critical_path_clock import LeapingLoop
from critical_path_measures import Waited, waited


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_user_waits_for_no_more_calls_than_the_pattern_needs(case: Case) -> None:
    assert waited(case).chain == case.ideal


def test_the_clock_leaps_over_what_is_only_waited_for() -> None:
    async def waits() -> tuple[float, float]:
        clock = asyncio.get_running_loop().time
        began = clock()
        await asyncio.gather(*(asyncio.sleep(seconds) for seconds in (1_000, 3_000, 2_000)))
        together = clock() - began
        await asyncio.to_thread(lambda: None)
        return together, clock() - began

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        assert runner.run(waits()) == (3_000, 3_000)


def test_a_run_that_can_never_end_is_told_on_that_clock() -> None:
    with asyncio.Runner(loop_factory=LeapingLoop) as runner, pytest.raises(RuntimeError, match="nothing can"):
        runner.run(asyncio.Event().wait())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"cost": Cost(11.9, 190.0), "over": 0.0149}, ""),
        ({"waited": Waited(3, 2.0)}, "the chain of its 3 calls is 2, and 3 is ideal"),
        ({"calls": 4}, "it takes 4 calls in a hall, and 3 without one"),
        ({"cost": Cost(12.1, 100.0)}, "12.1 times the work of bare calls; the baseline is 10.0"),
        ({"cost": Cost(10.0, 201.0)}, "201 times the CPU of bare calls; the baseline is 100.0"),
        ({"over": 0.0151}, "15.1 ms above the model's time; 15 are allowed"),
        ({"known": None}, "there is no baseline for it; --record makes one"),
    ],
)
def test_what_is_not_as_it_should_be_is_told(changed: dict[str, Any], said: str) -> None:
    row = Row(CASES[0], Waited(3, 3.0), 3, None, Cost(10.0, 100.0), Cost(10.0, 100.0))

    assert row._replace(**changed).problems() == [f"pipeline of 3: {said}"] * bool(said)


@pytest.mark.slow
def test_what_was_recorded_is_the_baseline_of_the_next_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(critical_path, "BASELINE", tmp_path / "baseline.json")
    monkeypatch.setattr(critical_path, "MORE_CPU", 1_000.0)
    given = critical_path.Given(seconds=0.0, rounds=0, repeat=2)

    assert critical_path.main(given, check=True, record=False, only="pipeline") == 1
    assert critical_path.main(given, check=False, record=True, only="pipeline") == 0
    assert critical_path.main(given, check=True, record=False, only="pipeline") == 0
    monkeypatch.setattr(critical_path, "MORE_WORK", 0.5)
    assert critical_path.main(given, check=True, record=False, only="pipeline") == 1
    assert "times the work of bare calls" in capsys.readouterr().err
