"""How the model for a task is chosen among those that a member may ask, and what is told of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from choosing import BOTH, COMPLEX, EACH, MEDIUM, catalog, names, tier_of

from guildhall.agents.config import Preference, RouterConfig, Tier
from guildhall.agents.discovery import Library
from guildhall.agents.message import ModelReply, ModelRequest
from guildhall.agents.models.base import Model, OnText
from guildhall.agents.models.complexity import complexity
from guildhall.agents.models.router import Candidate, Candidates
from guildhall.agents.models.table import ModelRow
from guildhall.agents.team import TeamBuilder
from guildhall.errors import FileError
from guildhall.memory.store.track import Tally


class Stub:
    """A model that has a name and is never asked."""

    def __init__(self, name: str, price: tuple[float, float] | None = None) -> None:
        self.name = name
        self.price = price

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        raise AssertionError("nobody asks it")


def one(name: str, tier: Tier, *, price: tuple[float, float] | None = None, **row: Any) -> Candidate:
    provider, _, model = name.partition(":")
    return Candidate(
        Stub(name, price), frozenset({tier}), ModelRow(provider=provider, name=model, tier=tier, **row)
    )


def total(scores: Mapping[str, Any]) -> float:
    return float(sum(scores[part] for part in ("fit", "strengths", "cost", "speed", "record", "spread")))


# -- how one is chosen


def test_a_choice_tells_the_scores_of_all_candidates_and_why() -> None:
    models = catalog(BOTH).models_for(None, default="balanced", seat=0, preference="cost_sensitive")
    ranking = models.ranked(MEDIUM, material=2_000)
    data = json.loads(json.dumps(ranking.data))
    assert data == ranking.data
    assert data["complexity"] == round(complexity(MEDIUM, material=2_000), 3)
    assert (data["tier"], data["preference"]) == ("fast", "cost_sensitive")
    assert [row["model"] for row in data["scores"]] == names(ranking.models)
    assert len(data["scores"]) == 6
    scores = [row["score"] for row in data["scores"]]
    assert scores == sorted(scores, reverse=True)
    assert all(row["score"] == pytest.approx(total(row), abs=1e-3) for row in data["scores"])
    for part in (ranking.choice, f"{data['complexity']:.2f}", "fast", "balanced", "cost_sensitive"):
        assert part in ranking.reason


def test_the_same_is_chosen_every_time() -> None:
    first, second = (catalog(BOTH).models_for(None, default="balanced", seat=1) for _ in range(2))
    for task in EACH:
        assert first.ranked(task).data == second.ranked(task).data == first.ranked(task).data


def test_of_equals_the_one_that_was_named_first_is_asked() -> None:
    pair = [one("a:x", "balanced"), one("b:y", "balanced")]
    assert names(Candidates(tuple(pair)).ranked(MEDIUM).models) == ["a:x", "b:y"]
    assert names(Candidates(tuple(reversed(pair))).ranked(MEDIUM).models) == ["b:y", "a:x"]


def test_the_cuts_come_from_the_configuration_and_preferences_move_them() -> None:
    level = complexity(MEDIUM)
    three = tuple(one(f"a:{tier}", tier) for tier in ("fast", "balanced", "strong"))

    def chosen(preference: Preference | None, **cuts: float) -> str:
        config = RouterConfig.model_validate(cuts)
        return Candidates(three, preference=preference, config=config).ranked(MEDIUM).choice

    assert chosen(None, simple=level - 0.1, complex=level + 0.1) == "a:balanced"
    assert chosen(None, simple=level + 0.01, complex=1.0) == "a:fast"
    assert chosen(None, simple=0.0, complex=level - 0.01) == "a:strong"
    assert chosen("cost_sensitive", simple=level - 0.1, complex=level + 0.1) == "a:fast"
    assert chosen("cost_sensitive", simple=0.0, complex=level - 0.01) == "a:balanced"
    assert chosen("quality_priority", simple=level - 0.1, complex=level + 0.1) == "a:strong"
    assert chosen("quality_priority", simple=level + 0.01, complex=1.0) == "a:balanced"


def test_of_one_tier_the_cheaper_is_asked_and_an_unknown_price_lies_between() -> None:
    three = (
        one("a:dear", "balanced", price=(9.0, 90.0)),
        one("a:unknown", "balanced"),
        one("a:cheap", "balanced", price=(0.1, 1.0)),
    )
    free = (*three, one("a:free", "balanced", price=(0.0, 0.0)))
    assert names(Candidates(three).ranked(MEDIUM).models) == ["a:cheap", "a:unknown", "a:dear"]
    assert Candidates(free).ranked(MEDIUM).choice == "a:free"


def test_what_is_preferred_outweighs_whose_turn_it_is() -> None:
    pair = (
        one("a:x", "balanced", price=(2.0, 10.0), speed=60.0),
        one("b:y", "balanced", price=(1.0, 5.0), speed=110.0),
    )

    def chosen(preference: Preference | None) -> str:
        return Candidates(pair, turn="a", preference=preference).ranked(MEDIUM).choice

    assert [chosen(None), chosen("quality_priority")] == ["a:x", "a:x"]
    assert [chosen("cost_sensitive"), chosen("speed_priority")] == ["b:y", "b:y"]


def test_of_one_tier_the_one_with_the_strengths_of_the_task_is_asked() -> None:
    pair = (
        one("a:prose", "balanced", strengths=("writing",)),
        one("a:coder", "balanced", strengths=("code", "sql")),
    )
    both = Candidates(pair)
    assert both.ranked("Review the code of this module and say what you would change.").choice == "a:coder"
    assert both.ranked("Review the writing of this essay and say what you would change.").choice == "a:prose"


def test_a_model_that_keeps_failing_gives_way_to_another_provider() -> None:
    models = catalog(BOTH).models_for(None, default="balanced", seat=0)
    usual = models.ranked(MEDIUM).choice
    assert usual == "anthropic:claude-sonnet-5-5"
    few = {usual: Tally(2, 1, 10.0, 500, 0.01)}
    assert models.ranked(MEDIUM, track=few).choice == usual
    many = {usual: Tally(100, 90, 500.0, 500, 0.01)}
    assert models.ranked(MEDIUM, track=many).choice == "openai:gpt-6.1-terra"
    both = {**many, "openai:gpt-6.1-terra": many[usual]}
    assert tier_of(models.ranked(MEDIUM, track=both).choice) == "balanced"


def test_of_two_models_that_do_not_fail_the_one_that_was_faster_is_asked() -> None:
    pair = Candidates((one("a:x", "balanced"), one("a:y", "balanced")))
    track = {"a:x": Tally(50, 0, 2_000.0, 9, 0.0), "a:y": Tally(50, 0, 100.0, 9, 0.0)}
    assert pair.ranked(MEDIUM).choice == "a:x"
    assert pair.ranked(MEDIUM, track=track).choice == "a:y"


def test_a_model_that_cannot_take_the_material_comes_last() -> None:
    pair = Candidates((one("a:small", "balanced", context=8_000), one("a:large", "strong", context=900_000)))
    assert pair.ranked(MEDIUM, material=2_000).choice == "a:small"
    assert pair.ranked(MEDIUM, material=20_000).choice == "a:large"


def test_a_weight_of_the_configuration_counts(home: Path) -> None:
    far = '[router]\npreference = "cost_sensitive"\n[router.weights]\nfit = 0.0\nspread = 0.0\ncost = 5.0'
    for seat in range(2):
        models = catalog(BOTH, far, home).models_for(None, default="strong", seat=seat)
        assert models.preference == "cost_sensitive"
        assert tier_of(models.ranked(COMPLEX).choice) == "fast"
    assert catalog(BOTH, far, home).models_for(
        None, default="fast", seat=0, preference="quality_priority"
    ).preference == ("quality_priority")


# -- preferences in files


def preferences(project: Path, home: Path, run: Preference | None = None) -> dict[str, str | None]:
    builder = TeamBuilder(Library(project, home), catalog(BOTH), {}, preference=run)
    builder.team("outer")
    found: dict[str, str | None] = {}
    for agent in builder.agents:
        assert isinstance(agent.models, Candidates)
        found[agent.name] = agent.models.preference
    return found


def write(project: Path, kind: str, name: str, keys: str) -> None:
    path = project / ".guildhall" / f"{kind}s" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\nname: {name}\ndescription: d\n{keys}\n---\nDo it.\n", "utf-8")


def test_a_members_preference_wins_over_its_teams_and_the_runs_over_both(project: Path, home: Path) -> None:
    write(project, "specialist", "a", "preference: speed_priority")
    write(project, "specialist", "b", "tools: []")
    write(project, "specialist", "c", "tools: []")
    write(project, "team", "inner", "members: [c]\npreference: quality_priority")
    write(project, "team", "outer", "members: [a, b, inner]\npreference: cost_sensitive")
    assert preferences(project, home) == {
        "a": "speed_priority",
        "b": "cost_sensitive",
        "c": "quality_priority",
    }
    assert set(preferences(project, home, "speed_priority").values()) == {"speed_priority"}
    write(project, "team", "inner", "members: [c]")
    assert preferences(project, home)["c"] == "cost_sensitive"


def test_a_preference_that_does_not_exist_is_refused_with_its_line(project: Path, home: Path) -> None:
    write(project, "team", "t", "members: [critic]\npreference: cheap")
    with pytest.raises(
        FileError, match=r":5: preference: input should be 'cost_sensitive', 'speed_priority' or"
    ):
        Library(project, home).team("t")


def test_a_model_is_what_a_sequence_of_candidates_holds() -> None:
    models = catalog(BOTH).models_for(None, default="balanced", seat=0)
    first: Model = models[0]
    assert first in list(models)
    assert [first, *models[1:]] == list(models)
