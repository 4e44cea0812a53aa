"""The estimate of a task's complexity: how often it is right, and what must move it which way."""

import json
from pathlib import Path

import pytest

from guildhall.agents.config import RouterConfig
from guildhall.agents.models.complexity import complexity, signs

DATA = Path(__file__).parent.parent / "benchmarks" / "data"
LABELS = ("simple", "medium", "complex")


def pairs(name: str) -> list[tuple[int, int]]:
    """Label and estimate of each task of a set, as 0 to 2, by the default cuts."""
    rows = [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]
    cuts = RouterConfig()
    levels = [(row["label"], complexity(row["task"])) for row in rows]
    return [(LABELS.index(label), (level >= cuts.simple) + (level > cuts.complex)) for label, level in levels]


@pytest.mark.parametrize(
    ("name", "tasks", "right", "off_by_two"),
    [("complexity_tuning.jsonl", 200, 0.88, 0.02), ("complexity_held_out.jsonl", 200, 0.66, 0.09)],
)
def test_the_estimate_is_as_good_as_it_is_said_to_be(
    name: str, tasks: int, right: float, off_by_two: float
) -> None:
    found = pairs(name)
    assert len(found) >= tasks
    assert {label for label, _ in found} == {0, 1, 2}
    assert sum(label == guess for label, guess in found) / len(found) >= right
    assert sum(abs(label - guess) == 2 for label, guess in found) / len(found) <= off_by_two


def test_no_task_is_in_both_sets() -> None:
    tuned, held_out = (
        (DATA / f"complexity_{name}.jsonl").read_text("utf-8") for name in ("tuning", "held_out")
    )
    assert not {json.loads(line)["task"] for line in tuned.splitlines()} & {
        json.loads(line)["task"] for line in held_out.splitlines()
    }


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("Fix the typo.", "Fix the typo, then explain why it broke the build and propose a check."),
        ("Summarise the report.", "Evaluate the strategy of the report and predict how rivals will react."),
        ("When did Ada Lovelace die?", "Why did Ada Lovelace's notes matter, and to whom?"),
        ("Explain leases.", "Explain leases, and derive from that how liability is split under both laws."),
        ("Schreib einen Gruß.", "Entwirf eine Strategie, begründe sie und bewerte danach die Risiken."),
        ("写一句问候。", "设计一个系统架构、说明方案。分析权衡、然后论证你的选择、并给出迁移步骤。"),
    ],
)
def test_a_task_that_asks_for_more_is_more_complex(less: str, more: str) -> None:
    assert complexity(less) < complexity(more)


@pytest.mark.parametrize(
    "task", ["Name the author.", "Review the contract.", "Design a compiler and prove it."]
)
def test_what_is_added_to_a_task_never_makes_it_simpler(task: str) -> None:
    level = complexity(task)
    for more in (
        "Then verify each step.",
        "Justify the trade-offs.",
        "Derive a forecast for three scenarios.",
    ):
        task = f"{task} {more}"
        assert complexity(task) > level
        level = complexity(task)


def test_more_material_makes_a_task_a_little_more_complex() -> None:
    levels = [complexity("Summarise the report.", material=tokens) for tokens in (0, 500, 5_000, 500_000)]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1] < levels[0] + 0.2


def test_text_that_is_worked_on_is_not_taken_for_what_is_asked() -> None:
    text = "We should evaluate the strategy, derive a forecast and then design the migration of all sites. "
    task = "Translate the following paragraph into French"
    assert complexity(f"{task}: {text * 5}") == pytest.approx(complexity(task))
    assert complexity(f"{task}: {text * 5}") < complexity(text * 5)
    assert complexity(f'Correct the spelling of "{text * 5}"') < RouterConfig().simple


@pytest.mark.parametrize(
    "task", ["", " ", "?", "\n" * 9_000, "«" * 9_000, "字" * 9_000, "a" * 9_000, "\ud800"]
)
def test_any_text_has_a_complexity(task: str) -> None:
    assert 0 <= complexity(task) <= 1


def test_only_the_beginning_of_a_long_task_is_read_word_by_word() -> None:
    long = "Sort these names. " + "Ann, " * 1_000
    assert signs(long + "Design, derive and prove.").keys() == signs(long).keys()


def test_the_signs_say_what_was_found() -> None:
    found = signs("Diagnose the outage, rule out other causes, and then propose a rollback plan.")
    assert found["depth"] == 2
    assert found["steps"] == 1
    assert found["begins deep"] == 1
    assert "lookup" not in found
    assert signs("Who signed the lease?")["lookup"] == 1
