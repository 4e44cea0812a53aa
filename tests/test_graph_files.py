"""Graphs as team files lay them out: what is right is taken, what is wrong is refused with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
from shell import data, done

from guildhall.agents import Hall
from guildhall.agents.kinds import Score
from guildhall.agents.patterns import Graph, Repeat, Step
from guildhall.agents.patterns.graph_spec import GraphSpec
from guildhall.agents.specs import read_team
from guildhall.errors import FileError

HEAD = "---\nname: plan\ndescription: d\npattern: graph\nmembers: [ann, bob]\n{}\n---\nMind the reader.\n"
WHOLE = """
steps:
  - id: draft
    member: ann
    task: Draft it.
  - id: rate
    member: bob
    task: Rate it.
    needs: [draft]
    output: score
    priority: 3
    repeat: {to: draft, when: rate.score < 0.8, most: 4}
  - id: kind
    member: bob
    task: Sort it.
    needs: [rate]
    choices: [short, long]
  - id: cut
    member: ann
    task: Cut it.
    needs: [kind]
    when: kind.choice == "long" and not rate.score > 0.9
synthesizer: cid
need: 1
"""


def steps(*parts: dict[str, Any]) -> str:
    """A file with these steps; what is left out of one is made up."""
    whole = [{"id": f"s{n}", "member": "ann", "task": "Do it."} | part for n, part in enumerate(parts)]
    return f"steps: {json.dumps(whole)}"


def refused(keys: str) -> FileError:
    with pytest.raises(FileError) as error:
        read_team(HEAD.format(keys).encode())
    assert len(str(error.value)) < 1_000
    return error.value


def test_a_file_lays_out_a_graph_with_all_that_a_step_can_have() -> None:
    spec = read_team(HEAD.format(WHOLE).encode())
    assert isinstance(spec, GraphSpec)
    assert spec.everyone == ("ann", "bob", "cid")
    assert [step.made() for step in spec.steps] == [
        Step("draft", "ann", "Draft it."),
        Step("rate", "bob", "Rate it.", ("draft",), "", Repeat("draft", "rate.score < 0.8", 4), Score, (), 3),
        Step("kind", "bob", "Sort it.", ("rate",), choices=("short", "long")),
        Step(
            "cut", "ann", "Cut it.", ("kind",),
            when='kind.choice == "long" and not rate.score > 0.9',
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([{"needs": ["s1"]}, {"needs": ["s0"]}], "steps wait for each other: "),
        ([{"needs": ["s0"]}], "steps wait for each other: s0 -> s0"),
        ([{"needs": [f"s{(n + 1) % 300}"]} for n in range(300)], " ..."),
        ([{"needs": ["s9"]}], "step 's0' needs s9; there are: s0"),
        ([{"id": "a"}, {"id": "a"}], "several steps are called a; rename one"),
        ([{}] * 501, "at most 500 items"),
        ([], "it is empty; name one or more"),
        ([{"member": "eve"}], "step 's0' is for 'eve'; the members are ann, bob"),
        ([{"id": "S0"}], "steps.0.id: a name has 1 to 64 of the characters a-z"),
        ([{"task": " "}], "steps.0.task: it is empty"),
        ([{"nedes": ["s1"]}], "steps.0: there is no key 'nedes'; did you mean needs?"),
        ([{"needs": "s1"}], "steps.0.needs: write a list such as [one, two]"),
        ([{"output": "number"}], "steps.0.output: "),
        ([{"priority": 101}], "steps.0.priority: "),
        ([{"choices": [f"c{n}" for n in range(21)]}], "steps.0.choices: "),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_steps_that_cannot_be_taken_are_refused(parts: list[dict[str, Any]], said: str) -> None:
    error = refused(steps(*parts))
    assert said in str(error)
    assert (error.code, error.line) == ("invalid", 6)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("s0.score <", "ends too early"),
        ("s0.score < 0.8 oops", "'oops'"),
        ("__import__('os')", "cannot be read"),
        ("s0.text.upper", "cannot be read"),
        ("s0.score < 0.8", "s0 has no 'score'; there are: text, answered, failed"),
        ("s9.failed", "names the step 's9'; there are: s0, s1"),
        ("s1.failed", "step 's1' looks at 's1', which need not have ended"),
        ("", "it is empty"),
        ("a" * 2_001, "at most 2000 characters"),
        ("s0.failed or " * 80 + "true", "at most 1000 characters"),
        (True, "write text"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused_before_anything_is_called(when: object, said: str) -> None:
    error = refused(steps({}, {"needs": ["s0"], "when": when}))
    assert said in str(error)
    assert error.line == 6


def test_a_condition_on_a_step_that_need_not_have_ended_is_refused() -> None:
    assert "put 's0' into its needs" in str(refused(steps({}, {"when": "s0.failed"})))
    read_team(HEAD.format(steps({}, {"needs": ["s0"]}, {"needs": ["s1"], "when": "s0.failed"})).encode())


@pytest.mark.parametrize(
    ("repeat", "said"),
    [
        ({"to": "s9", "when": "s1.failed"}, "goes back to 's9', which is not before it"),
        ({"to": "s2", "when": "s1.failed"}, "goes back to 's2', which is not before it"),
        ({"to": "s0", "when": "s2.failed"}, "looks at 's2', which need not have ended"),
        ({"to": "s0", "when": "s1.failed", "most": 1}, "steps.1.repeat.most: "),
        ({"to": "s0", "when": "s1.failed", "most": 21}, "steps.1.repeat.most: "),
        ({"to": "s0", "when": "s1.failed", "most": 2.5}, "steps.1.repeat.most: write a whole number"),
        ({"to": "s0"}, "when"),
        ({"when": "s1.failed"}, "to"),
        ({"to": "s0", "when": "s1.failed", "times": 3}, "there is no key 'times'"),
        ("s0", "steps.1.repeat: write keys with their values"),
    ],
)
def test_a_way_back_that_leads_nowhere_is_refused(repeat: object, said: str) -> None:
    error = refused(steps({}, {"needs": ["s0"], "repeat": repeat}, {"needs": ["s1"]}))
    assert said in str(error)
    assert error.line >= 1


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("need: 1", ":1: the key steps is missing; required are name, description, members, steps"),
        ("steps: {one: two}", ":6: steps: write a list such as [one, two]"),
        ("steps: [draft]", ":6: steps.0: write keys with their values"),
        (f"{steps({})}\njudge: critic", ":7: "),
        (f"{steps({})}\nneed: 2", ":7: need: 2 answers of 1 steps that count; at most 1"),
        ("pattern: pipeline\nsteps: []", "pattern"),
    ],
)
def test_a_file_without_what_a_graph_needs_is_refused(keys: str, said: str) -> None:
    assert said in str(refused(keys))


def test_steps_belong_to_graphs_alone(harbour: Path) -> None:
    file = harbour / ".guildhall" / "teams" / "plan.md"
    text = HEAD.format(steps({"member": "reader"})).replace("ann, bob", "reader")
    file.write_text(text.replace("pattern: graph", "pattern: parallel"))
    [listed] = [team for team in data("teams")["teams"] if team["name"] == "plan"]
    assert "steps is no key of the pattern parallel, but of graph" in listed["error"]
    file.write_text(text)
    assert data("teams", "show", "plan")["settings"]["steps"][0]["id"] == "s0"
    assert "Do it." in done("teams", "show", "plan")


async def test_a_team_that_is_made_of_a_file_is_the_graph(harbour: Path) -> None:
    text = HEAD.format(WHOLE)
    for name, known in {"ann": "reader", "bob": "doubter", "cid": "synthesizer"}.items():
        text = text.replace(name, known)
    (harbour / ".guildhall" / "teams" / "plan.md").write_text(text)
    async with Hall.open() as hall:
        team = (await hall.team("plan"))[0].member
    assert isinstance(team, Graph)
    parts = {part.member.name: (part.role, part.times) for part in team.parts}
    assert parts == {"reader": ("member", 5), "doubter": ("member", 5), "synthesizer": ("synthesizer", 1)}
