"""What the shell tells of a team: who is there for what, how they work together, and what is odd about it."""

from pathlib import Path
from typing import Any

import pytest
from shell import data, done, guildhall

from guildhall.agents import Hall
from guildhall.names import PATTERNS

LOOP = """pattern: graph
members: [reader, doubter]
steps:
  - {id: draft, member: reader, task: Draft it.}
  - id: rate
    member: doubter
    task: Rate it.
    needs: [draft]
    output: score
    repeat: {to: draft, when: rate.score < 1}
  - {id: end, member: reader, task: End it., needs: [rate], when: rate.answered}
synthesizer: critic
"""


@pytest.fixture
def teams(harbour: Path) -> Path:
    return harbour / ".guildhall" / "teams"


def write(teams: Path, name: str, keys: str) -> None:
    (teams / f"{name}.md").write_text(f"---\nname: {name}\ndescription: A team.\n{keys}---\n")


def test_a_graph_is_shown_with_its_steps_its_roles_and_a_drawing(teams: Path) -> None:
    write(teams, "plan", LOOP)
    shown = data("teams", "show", "plan")
    assert shown["pattern"] == "graph"
    assert {member["name"]: member["role"] for member in shown["members"]} == {
        "reader": "member", "doubter": "member", "critic": "synthesizer",
    }  # fmt: skip
    assert [step["id"] for step in shown["settings"]["steps"]] == ["draft", "rate", "end"]
    text = done("teams", "show", "plan")
    assert (
        "id rate · member doubter · task Rate it. · needs draft · repeat to draft, when rate.score < 1"
        in text
    )
    drawing = text.partition("```mermaid\n")[2].partition("\n```")[0]
    assert drawing == shown["drawing"]
    assert drawing.splitlines()[0] == "flowchart TD"
    assert "again while rate.score" in drawing
    assert "-.->" in drawing


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "graph"])
def test_every_team_can_be_shown_in_every_pattern_with_its_roles_and_settings(pattern: str) -> None:
    shown = data("teams", "show", "research", "--pattern", pattern)
    assert shown["pattern"] == pattern
    assert shown["drawing"].splitlines()[1].strip() == f'n1["research<br/>{pattern}"]'
    assert {"researcher", "analyst"} <= {member["name"] for member in shown["members"]}
    names = {line.partition('("')[2].partition('"')[0] for line in shown["drawing"].splitlines()}
    assert {"researcher", "analyst"} <= names
    text = done("teams", "show", "research", "--pattern", pattern)
    assert f"{pattern} of" in text
    assert [key for key in shown["settings"] if f"\n{key}: " not in text and f"\n{key}:\n" not in text] == []


@pytest.mark.parametrize(
    ("pattern", "role"),
    [("debate", "judge"), ("hierarchy", "manager"), ("group_chat", "moderator"), ("map", "synthesizer")],
)
def test_roles_that_a_team_does_not_name_are_the_built_in_ones(pattern: str, role: str, teams: Path) -> None:
    shown = data("teams", "show", "duo", "--pattern", pattern)
    assert role in {member["role"] for member in shown["members"]}
    write(teams, "led", f"pattern: {pattern}\nmembers: [reader, doubter]\n{role}: critic\n")
    roles = {member["name"]: member["role"] for member in data("teams", "show", "led")["members"]}
    assert roles["critic"] == role
    assert f'"{role}' in data("teams", "show", "led")["drawing"]


def test_settings_that_the_file_makes_are_shown_with_who_looks_after_the_team(teams: Path) -> None:
    checks = "checks: [citations, {check: quality, judge: editor, threshold: 0.9}]\n"
    write(teams, "strict", f"pattern: pipeline\nmembers: [reader, doubter]\n{checks}budget: {{usd: 2}}\n")
    shown = data("teams", "show", "strict")
    assert shown["settings"]["budget"] == {"usd": 2.0}
    assert [check["check"] for check in shown["settings"]["checks"]] == ["citations", "quality"]
    assert {member["name"]: member["role"] for member in shown["members"]}["editor"] == "supervisor"
    assert "editor" in shown["drawing"]
    assert "check quality · judge editor · threshold 0.9" in done("teams", "show", "strict")


def test_members_with_one_role_are_reported_where_the_team_is_loaded(teams: Path) -> None:
    for name in ("first", "second"):
        same = "Reads contracts for risks in liability, termination and payment."
        file = teams.parent / "specialists" / f"{name}.md"
        file.write_text(f"---\nname: {name}\ndescription: {same}\n---\n{same}\n")
    write(teams, "twins", "pattern: parallel\nmembers: [first, second]\n")
    notices = data("teams", "show", "twins")["notices"]
    assert any("first" in notice and "second" in notice for notice in notices)
    assert any("first" in line for line in done("teams", "show", "twins").splitlines() if line[:5] == "Note:")
    notices = data("teams", "show", "duo")["notices"]
    assert len(notices) == len(set(notices))


async def test_the_hall_gives_the_team_that_the_page_shows(teams: Path) -> None:
    write(teams, "plan", LOOP)
    async with Hall.open() as hall:
        built, spec = await hall.team("plan", model="openai:gpt-x")
    assert (built.member.name, built.pattern, spec.name) == ("plan", "graph", "plan")
    assert {agent.models[0].name for agent in built.agents} == {"openai:gpt-x"}


def test_a_pattern_that_the_team_cannot_have_is_a_usage_error(teams: Path) -> None:
    for args, said in {
        ("duo", "--pattern", "graph"): "has no steps",
        ("duo", "--pattern", "circle"): "there is no pattern 'circle'",
    }.items():
        result: Any = guildhall("teams", "show", *args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
