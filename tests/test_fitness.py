"""Specialists are found for a task by rule, about as often as the benchmark says."""

import sys
from pathlib import Path

import pytest
from support import Books

from guildhall.agents import Agent, Parallel, Run
from guildhall.agents.fitness import Fit, Profile, fitness, nearness, profile
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel
from guildhall.agents.trades import trades

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import routing

LAWYER = Profile("lawyer", "Reviews contracts for legal risk", ("liability", "terms of payment"))
BAKER = Profile("baker", "Bakes bread and cakes", ("sourdough", "wedding cakes"))


def test_the_labelled_tasks_are_many_and_in_one_half_each() -> None:
    sets = [{task for task, _ in routing.labelled("routing", name)} for name in routing.SETS]
    assert sum(map(len, sets)) == len(set().union(*sets)) >= 400
    for name in routing.SETS:
        assert {label for _, label in routing.labelled("routing", name)} == {
            one.name for one in routing.specialists()
        }


@pytest.mark.parametrize(("name", "floor"), [("tuning", 0.9), ("held out", 0.65), ("blind", 0.4)])
def test_the_rule_finds_the_right_specialist_far_more_often_than_chance(name: str, floor: float) -> None:
    candidates = routing.specialists()
    tasks = routing.labelled("routing", name)
    names = [one.name for one in candidates]
    right = routing.accuracy(tasks, routing.by_rule(candidates))
    assert right >= floor
    assert right >= 0.2 + routing.accuracy(tasks, lambda task: names[0])
    assert right >= 0.2 + routing.accuracy(tasks, routing.at_random(names))


def test_all_candidates_have_a_score_and_the_best_comes_first() -> None:
    best, other = fitness("Who is liable under this contract?", [BAKER, LAWYER])
    assert (best.name, other.name) == ("lawyer", "baker")
    assert 1 >= best.score > other.score == 0
    assert best.work
    assert "about" in best.reason
    assert other.reason == "nothing in common with the task"
    assert best.data["score"] == best.score


def test_a_specialist_of_ones_own_is_found_by_words_that_no_table_knows() -> None:
    best, _ = fitness("My sourdough does not rise", [LAWYER, BAKER])
    assert best.name == "baker"
    assert list(best.words) == ["sourdough"]


def test_of_equals_the_first_that_was_named_is_the_best() -> None:
    twins = [Profile(name, "Bakes bread") for name in ("zoe", "ann")]
    assert [fit.name for fit in fitness("Bake bread", twins)] == ["zoe", "ann"]


def test_the_context_counts_less_than_the_task() -> None:
    by_task = fitness("Look at this contract", [BAKER, LAWYER])[0]
    by_context = fitness("Look at this", [BAKER, LAWYER], context="The contract begins today")[0]
    assert by_task.name == by_context.name == "lawyer"
    assert 0 < by_context.score < by_task.score


def test_nearness_of_meaning_is_added_where_there_is_some() -> None:
    plain, near = fitness("xyzzy", [LAWYER, BAKER]), fitness("xyzzy", [LAWYER, BAKER], near=[0.1, 0.9])
    assert [fit.score for fit in plain] == [0, 0]
    assert near[0].name == "baker"
    assert near[0].meaning == pytest.approx(0.9)


@pytest.mark.parametrize("task", ["", " ", "?" * 5_000, "字" * 5_000, "\ud800", "a" * 9_000, "\n" * 5_000])
def test_any_text_can_be_scored(task: str) -> None:
    fits = fitness(task, [LAWYER, BAKER], context=task)
    assert len(fits) == 2
    assert all(0 <= fit.score <= 1 for fit in fits)


def test_a_team_is_for_what_those_in_it_are_for() -> None:
    model = ScriptedModel()
    agents = [
        Agent(one.name, "x", [model], role=one.role, capabilities=one.capabilities) for one in (LAWYER, BAKER)
    ]
    assert profile(agents[0]) == LAWYER
    team = profile(Parallel("both", agents))
    assert team.role == "Reviews contracts for legal risk; Bakes bread and cakes"
    assert "sourdough" in team.capabilities
    assert Profile("nobody").bare


def test_kinds_of_work_are_told_by_words_and_phrases_in_several_languages() -> None:
    assert max(trades("Die App stürzt mit einer Exception ab, debug das"), key=trades("debug").get) == "code"  # type: ignore[arg-type]  # a mapping of floats
    assert "language" in trades("Übersetze den Brief")
    assert "danger" in trades("What could go wrong here?")
    assert trades("Hm.") == {}


async def test_an_embedder_that_fails_is_left_out_and_that_is_said() -> None:
    async def broken(texts: object) -> list[list[float]]:
        raise OSError("no model")

    async def places(texts: object) -> list[list[float]]:
        return [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]

    state = RunState("r" * 32, sinks=[Books()])
    assert await nearness(places, "task", [LAWYER, BAKER], Run(state)) == pytest.approx([0, 0.707107])
    assert state.notices == []
    assert await nearness(broken, "task", [LAWYER, BAKER], Run(state)) == []
    assert "OSError: no model" in state.notices[0]


def test_a_fit_without_parts_says_so() -> None:
    assert Fit("ann", 0.0, {}, {}).reason == "nothing in common with the task"
