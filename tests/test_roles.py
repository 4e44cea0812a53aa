"""Roles that overlap and members whom nobody can reach are told of by name."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from guildhall.agents import Agent, Hall
from guildhall.agents.fitness import Profile
from guildhall.agents.patterns import Graph, Parallel, Router, Step
from guildhall.agents.roles import overlaps, role_notices, unreachable
from guildhall.agents.testing import ScriptedModel, StubMember

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import role_overlap


@pytest.mark.parametrize(
    ("name", "recall", "alarms"), [("tuning", 0.8, 0.0), ("held out", 0.8, 0.05), ("blind", 0.0, 0.1)]
)
def test_overlapping_roles_are_found_as_often_as_is_said(name: str, recall: float, alarms: float) -> None:
    assert role_overlap.found(name, "overlapping") >= recall
    assert role_overlap.found(name, "orthogonal") <= alarms


def test_there_are_enough_labelled_pairs_of_each_kind() -> None:
    for label in role_overlap.LABELS:
        halves = [role_overlap.labelled(name, label) for name in role_overlap.SETS]
        assert sum(map(len, halves)) >= 30
        assert not set(halves[0]) & set(halves[1])


def test_two_of_one_role_are_named_and_who_says_nothing_of_itself_is_not() -> None:
    roles = [
        Profile("ann", "Corrects grammar and style of texts"),
        Profile("bob", "Improves grammar, style and clarity of texts"),
        Profile("cid", "Runs Kubernetes clusters"),
        Profile("dan"),
        Profile("dan-2"),
    ]
    (found,) = overlaps(roles)
    assert (found.one, found.other) == ("ann", "bob")
    assert "ann and bob have roles that overlap" in str(found)


def test_members_whom_no_step_of_a_graph_names_cannot_be_reached() -> None:
    members = [StubMember("ann"), StubMember("bob")]
    graph = Graph("flow", members, [Step("only", "ann", "Do it.")])
    assert unreachable(graph) == ["bob"]
    assert role_notices(graph, members) == [
        "nobody in flow can reach bob; name them in a step, or leave them out"
    ]


def test_a_routers_member_that_says_nothing_of_itself_cannot_be_reached() -> None:
    told = Agent("ann", "x", [ScriptedModel()], role="Bakes bread")
    router = Router("desk", [told, StubMember("bob")])
    assert unreachable(router) == ["bob"]
    assert "give them a description and capabilities" in role_notices(router, router.members)[0]
    assert unreachable(Parallel("all", [told, StubMember("bob")])) == []


def test_a_pattern_can_say_itself_whom_nobody_reaches() -> None:
    @dataclass
    class Own:
        name: str = "own"
        unreachable: tuple[str, ...] = ("cid",)

    assert unreachable(Own()) == ["cid"]


async def test_a_run_of_a_team_whose_roles_overlap_says_so(project: Path) -> None:
    folder = project / ".guildhall"
    for kind in ("specialists", "teams"):
        (folder / kind).mkdir()
    for name, words in (
        ("ann", "Reviews contracts for legal risk"),
        ("bob", "Finds legal risk in contracts"),
    ):
        text = f"---\nname: {name}\ndescription: {words}\n---\nAnswer.\n"
        (folder / "specialists" / f"{name}.md").write_text(text)
    (folder / "teams" / "duo.md").write_text("---\nname: duo\ndescription: d\nmembers: [ann, bob]\n---\n")
    async with Hall.open() as hall:
        result = await hall.run_team("duo", "Well?", context="A fact.")
        clean = await hall.run_team("research", "Well?", context="A fact.")
    assert any("ann and bob have roles that overlap" in notice for notice in result.notices)
    assert not any("overlap" in notice for notice in clean.notices)
