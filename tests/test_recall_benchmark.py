"""The benchmark of recall, in small: the data is what it says, and what is worse than the floors is told."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import recall
from recall_adapters import Ours
from recall_data import SETS, made
from recall_format import CATEGORIES, DataSet, Item, Question, read, write
from recall_measures import Figures, Outcome

ITEMS = [
    Item(id="1", text="We use MySQL.", at=1e9, scope="shop", kind="decision", subject="db.engine"),
    Item(id="2", text="We moved to Postgres.", at=1.1e9, scope="shop", kind="decision", subject="db.engine"),
    Item(id="3", text="Which cat?", at=1.2e9, scope="shop", session="monday", turn=1, speaker="Ann"),
    Item(id="4", text="The grey one.", at=1.2e9, scope="shop", session="monday", turn=2, speaker="Bob"),
]
SMALL = DataSet(
    "small",
    ITEMS,
    [
        Question("do we use MySQL", "current decision", ("2",), {"scope": "shop"}),
        Question("MySQL or Postgres", "as of", ("1",), {"scope": "shop", "as_of": 1.05e9}),
        Question("the cat", "single fact", ("4",), {"scope": "shop"}),
        Question("the dog", "absent", (), {"scope": "shop"}),
    ],
)


class Forgetful:
    """A memory that finds nothing, to be named on the command line."""

    def add(self, items: Sequence[Item]) -> None:
        pass

    def search(self, query: str, k: int, filters: Mapping[str, Any]) -> list[str]:
        return []


@pytest.fixture
def ours() -> Iterator[Ours]:
    memory = Ours()
    yield memory
    memory.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_a_set_is_as_large_as_it_says_and_asks_in_every_category(name: str) -> None:
    data = made(name)
    ids = {item.id for item in data.items}

    assert len(data.items) == len(ids) >= 5_000
    assert len(data.questions) >= 800
    assert {one.category for one in data.questions} == set(CATEGORIES)
    assert all(set(one.evidence) <= ids for one in data.questions)
    assert all((one.category == "absent") == (not one.evidence) for one in data.questions)


@pytest.mark.slow
def test_the_same_seed_makes_the_same_set_in_every_process(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(recall.__file__).parent / "recall_data.py"), "held_out"]
    for name in ("one", "two"):
        subprocess.run([*command, str(tmp_path / name)], check=True, capture_output=True, timeout=120)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert made("held_out", 2).items != made("held_out", 1).items


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_an_answer_is_of_the_project_and_of_the_time_that_is_asked_for(name: str) -> None:
    data = made(name)
    items = {item.id: item for item in data.items}
    for one in data.questions:
        for item in (items[id_] for id_ in one.evidence):
            assert item.scope == one.filters["scope"]
            assert item.at <= one.filters.get("as_of", item.at)
            if one.category == "current decision":
                later = [it for it in data.items if it.subject == item.subject and it.scope == item.scope]
                assert max(later, key=lambda it: it.at) == item


@pytest.mark.slow
def test_recall_is_above_its_floors_and_above_the_others() -> None:
    done = subprocess.run(
        [sys.executable, str(recall.__file__), "--check"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "points of recall@10 against the best of the others" in done.stdout


@pytest.mark.slow
def test_another_data_set_and_another_memory_can_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(SMALL, tmp_path / "small.json")

    assert recall.main(read(tmp_path / "small.json"), f"{__name__}:Forgetful", weigh=True, check=False) == 0
    told = capsys.readouterr().out
    assert f"| {__name__}:Forgetful" in told
    assert "| ours, words alone, without session" in told


def test_what_is_below_its_floor_is_told() -> None:
    outcomes = [Outcome(one, [], 0.0, 0.0) for one in SMALL.questions]
    found = [replace(one, found=one.question.evidence) for one in outcomes]

    problems = recall.broken([Figures("ours, words alone", outcomes), Figures("FTS5", found)])

    assert len(problems) == 3
    assert problems[0].startswith("ours, words alone: recall@10 is 0.000, and must be ")
    assert problems[2].endswith("-100.0 points of recall@10 against the best of the others (FTS5)")
    assert recall.broken([Figures("ours, words alone", found), Figures("FTS5", outcomes)]) == []


def test_a_decision_is_found_as_it_holds_and_an_answer_by_its_question(ours: Ours) -> None:
    ours.add(SMALL.items)
    found = [[id_ for id_, _ in ours.search(one.query, 5, one.filters)] for one in SMALL.questions]

    assert found == [["2"], ["1"], ["3", "4"], []]


def test_the_weighed_parts_are_those_of_the_face(ours: Ours) -> None:
    ours.add(SMALL.items)
    for one in SMALL.questions:
        assert ours.weighed(one.query, 5, one.filters) == ours.search(one.query, 5, one.filters)


def test_figures_are_means_over_the_questions_that_have_an_answer() -> None:
    two = Question("q", "several facts", ("a", "b"))
    figures = Figures(
        "mine", [Outcome(two, ["x", "a"], 2.0, 0.001), Outcome(Question("q", "absent"), ["x"], 1.0, 0.001)]
    )

    assert figures.recall == 0.5
    assert figures.mean(lambda one: one.reciprocal_rank) == 0.5
    assert round(figures.mean(lambda one: one.ndcg), 3) == 0.387
    assert figures.told_apart == 1.0
    assert figures.by_category() == {"several facts": 0.5}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"items": [{"id": "1"}]}, "is no data set"),
        ({"questions": [{"query": "q", "category": "c", "evidence": ["9"]}]}, "no item has the id '9'"),
        ({"items": [{"id": "1", "text": "t", "at": 1}] * 2}, "two items have the same id"),
    ],
)
def test_a_file_that_is_no_data_set_is_refused_with_what_is_wrong(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    rows: dict[str, Any] = {
        "items": [{"id": "1", "text": "t", "at": "2026-01-10T09:30:00Z", "note": "is ignored"}],
        "questions": [{"query": "q", "category": "c", "evidence": ["1"]}],
    }
    file = tmp_path / "data.json"
    file.write_text(json.dumps(rows))
    assert read(file).items[0].at == 1768037400.0
    file.write_text(json.dumps({**rows, **change}))
    with pytest.raises(ValueError, match=told):
        read(file)
