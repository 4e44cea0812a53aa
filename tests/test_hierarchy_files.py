"""A manager and its workers as a team's file names them."""

from pathlib import Path

import pytest

from guildhall.agents import Hall
from guildhall.agents.agent import Agent
from guildhall.agents.config import Config
from guildhall.agents.discovery import Library
from guildhall.agents.models.catalog import Catalog
from guildhall.agents.patterns.hierarchy import Hierarchy
from guildhall.agents.patterns.hierarchy_spec import HierarchySpec
from guildhall.agents.patterns.parallel import ParallelSpec
from guildhall.agents.specs import read_team
from guildhall.agents.team import TeamBuilder
from guildhall.agents.tool import Tool
from guildhall.errors import FileError

TEAM = "---\nname: t\ndescription: d\npattern: hierarchy\n{}\n---\nBe quick.\n"
NOTES = "The lease runs for five years.\n\nThe tenant pays 310 crowns a month.\n"


def write(project: Path, kind: str, name: str, front: str, body: str = "Do it.") -> None:
    folder = project / ".guildhall" / f"{kind}s"
    folder.mkdir(exist_ok=True)
    text = f"---\nname: {name}\ndescription: {name} looks at the lease\n{front}\n---\n{body}\n"
    (folder / f"{name}.md").write_text(text)


async def nothing(*_: object) -> str:
    return ""


def test_a_team_file_says_all_that_a_hierarchy_can_be_told(project: Path, home: Path) -> None:
    for name in ("chief", "ann", "bob"):
        write(project, "specialist", name, "tools: []")
    keys = (
        "manager: chief\nmembers: [ann, bob]\nworkers: any\nmost_engaged: 2\nmost_steps: 9\nrevisions: 0\n"
        "replan: 2\nstall_seconds: 90\nneed: 2\nsynthesizer: bob"
    )
    (project / ".guildhall" / "teams").mkdir()
    (project / ".guildhall" / "teams" / "t.md").write_text(TEAM.format(keys))
    found = {name: Tool(name, name, {}, nothing) for name in ("read_file", "search_files", "recall", "save")}
    builder = TeamBuilder(Library(project, home), Catalog({}, Config()), found)
    team, spec = builder.team("t")
    assert isinstance(team, Hierarchy)
    assert isinstance(spec, HierarchySpec)
    assert [member.name for member in team.members] == ["ann", "bob"]
    assert team.manager.name == "chief"
    assert team.synthesizer is team.members[1]
    assert (team.most_engaged, team.most_steps, team.revisions, team.replan) == (2, 9, 0, 2)
    assert (team.stall_seconds, team.need) == (90.0, 2)
    assert isinstance(team.temporary, Agent)
    assert [one.name for one in team.temporary.tools] == ["read_file", "search_files", "recall"]
    assert team.temporary.instructions.endswith("Be quick.")
    assert team.temporary in builder.agents


def test_without_more_words_the_built_in_manager_leads_and_engages_nobody() -> None:
    spec = read_team(TEAM.format("members: [critic, writer]").encode())
    assert spec.everyone == ("critic", "writer", "manager")
    assert isinstance(spec, HierarchySpec)
    assert spec.workers == "members"


def test_any_team_can_be_led_by_a_manager() -> None:
    parallel = ParallelSpec(
        name="t", description="d", members=("critic", "writer"), synthesizer="editor", brief=""
    )
    spec = HierarchySpec.of(parallel)
    assert (spec.manager, spec.synthesizer, spec.members) == ("manager", "editor", ("critic", "writer"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("workers: all", ":6: workers: input should be 'members' or 'any'"),
        ("need: 21", ":6: need: 21 steps of at most 20"),
        ("most_steps: 61", ":6: most_steps: input should be less than or equal to 60"),
        ("stall_seconds: 0", ":6: stall_seconds: input should be greater than 0"),
        ("judge: critic", ":6: judge is no key of the pattern hierarchy"),
        ("manager: t", ":6: manager: 't' is the team itself"),
    ],
)
def test_what_a_file_says_wrongly_is_said_with_its_line(keys: str, said: str) -> None:
    with pytest.raises(FileError) as refused:
        read_team(TEAM.format(f"members: [critic]\n{keys}").encode())
    assert said in str(refused.value)


async def test_a_manager_of_managers_from_files_answers_without_any_key_and_knows_its_worst_case(
    project: Path, home: Path
) -> None:
    write(project, "specialist", "ann", "tools: []")
    write(project, "specialist", "bob", "tools: []")
    write(project, "team", "inner", "pattern: hierarchy\nmembers: [ann, bob]\nmost_steps: 2")
    write(project, "team", "outer", "pattern: hierarchy\nmembers: [inner, ann]\nworkers: any\nmost_steps: 3")
    async with Hall.open(home=home, project=project, environ={}) as hall:
        estimate = await hall.estimate("outer", "What does the tenant pay?", context=NOTES)
        result = await hall.run_team("outer", "What does the tenant pay?", context=NOTES)
        events = await hall.events(result.run_id)
    assert result.status == "done", result.error
    assert "310 crowns" in result.answer
    assert [source.label for source in result.sources]
    plans = [event for event in events if event.kind == "decided" and event.what == "plan"]
    assert [event.path for event in plans] == ["outer", "outer/step:step-1"]
    members = [member.name for member in estimate.members]
    assert members.count("temporary") == 1
    assert members.count("manager") == 2
