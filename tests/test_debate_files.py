"""Debates, votes, races and loops as files lay them out, and over the members of any team."""

from pathlib import Path
from typing import Any

import pytest

from guildhall.agents import Hall, Member
from guildhall.agents.patterns import Debate, FirstValid, Loop, Vote
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.specs import read_team
from guildhall.agents.team import TeamBuilder
from guildhall.errors import FileError

DOCUMENT = """The lease runs for three years.

The tenant may end the lease with three months' notice.

The landlord may end the lease with six months' notice.
"""


def text(keys: str, members: str = "analyst, editor") -> str:
    return f"---\nname: mine\ndescription: d\nmembers: [{members}]\n{keys}\n---\n"


async def built(project: Path, keys: str, **more: str) -> Any:
    (project / ".guildhall" / "teams").mkdir(exist_ok=True)
    (project / ".guildhall" / "teams" / "mine.md").write_text(text(keys, **more))
    return await of_library("mine")


async def of_library(name: str, pattern: str | None = None) -> Member:
    async with Hall.open() as hall:
        await hall.catalog.ready()
        return TeamBuilder(hall.library, hall.catalog, hall.tools()).team(name, pattern=pattern)[0]


async def test_a_file_lays_out_a_debate(project: Path) -> None:
    team = await built(
        project, "pattern: debate\njudge: critic\nrounds: 2\nagreement: 0.9\nchallenge: false\nswap: true"
    )
    assert [member.name for member in team.members] == ["analyst", "editor"]
    assert (team.judge.name, team.rounds, team.agreement) == ("critic", 2, 0.9)
    assert (team.challenge, team.swap) == (False, True)
    assert [(part.role, part.times) for part in team.parts] == [("member", 5), ("member", 5), ("judge", 3)]


async def test_a_file_lays_out_a_vote(project: Path) -> None:
    keys = "pattern: vote\noptions: [stay, go]\nrule: borda\nties: status_quo\nstatus_quo: stay\nneed: 2"
    team = await built(project, keys)
    assert (team.options, team.rule, team.judge, team.status_quo) == (("stay", "go"), "borda", None, "stay")
    team = await built(project, "pattern: vote", members="analyst")
    assert (len(team.voters), team.judge.name) == (5, "judge")


async def test_a_file_lays_out_a_race(project: Path) -> None:
    team = await built(project, "pattern: first_valid\naccept: names a date")
    assert isinstance(team.check, Acceptance)
    assert (team.check.checker.name, team.check.criteria) == ("critic", "names a date")
    assert (await built(project, "pattern: first_valid")).check is None


async def test_a_file_lays_out_a_loop(project: Path) -> None:
    team = await built(project, "pattern: loop\ncritic: fact-checker\nbar: 0.9\nrounds: 4")
    assert (team.critic.name, team.bar, team.rounds) == ("fact-checker", 0.9, 4)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("pattern: debate\nrounds: 11", "file:6: rounds: Input should be less than or equal to 10"),
        ("pattern: debate\nagreement: 2", "file:6: agreement: "),
        ("pattern: vote\noptions: [one]", "file:6: options: 1 given; give 2 to 50"),
        ("pattern: vote\nties: status_quo", "status_quo: '' is not one of the options"),
        ("pattern: vote\nneed: 3", "file:6: need: 3 votes of 2; at most 2"),
        ("pattern: vote\nrule: most", "file:6: rule: "),
        ("pattern: loop\nbar: 80", "file:6: bar: "),
        ("pattern: first_valid\nrounds: 2", "rounds is no key of the pattern first_valid, but of"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_with_its_line(keys: str, problem: str) -> None:
    with pytest.raises(FileError) as caught:
        read_team(text(keys).encode())
    assert problem.casefold() in str(caught.value).casefold()


@pytest.mark.parametrize("pattern", ["debate", "vote", "first_valid", "loop"])
async def test_any_team_can_work_so_and_without_a_language_model_too(pattern: str, project: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team(
            "review", "How can the lease be ended?", context=DOCUMENT, pattern=pattern
        )
    assert result.status == "done"
    assert "three months' notice" in result.answer


@pytest.mark.parametrize("pattern", ["debate", "group_chat", "vote", "peer_to_peer"])
async def test_a_team_of_copies_is_as_many_members_in_any_other_pattern(pattern: str, project: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team(
            "brainstorm", "How can the lease be ended?", context=DOCUMENT, pattern=pattern
        )
    assert (result.status, result.pattern) == ("done", pattern)
    scouts = {part.member for part in result.contributions if part.member.startswith("scout")}
    assert scouts == {"scout-1", "scout-2", "scout-3", "scout-4"}
    assert not [notice for notice in result.notices if "overlap" in notice]


async def test_copies_of_a_member_in_another_pattern_use_the_model_that_it_is_given(project: Path) -> None:
    (project / ".guildhall" / "teams").mkdir()
    keys = "pattern: swarm\ncopies: 2\nmodels: {analyst: extractive}"
    (project / ".guildhall" / "teams" / "mine.md").write_text(text(keys, members="analyst"))
    async with Hall.open() as hall:
        built, spec = await hall.team("mine", pattern="debate")
    assert spec.models == {"analyst-1": "extractive", "analyst-2": "extractive"}
    assert [agent.name for agent in built.agents] == ["analyst-1", "analyst-2", "judge"]


async def test_the_roles_are_the_team_s_own_or_the_built_in_ones(project: Path) -> None:
    debate = await of_library("review", "debate")
    assert isinstance(debate, Debate)
    assert debate.judge.name == "judge"
    loop = await of_library("review", "loop")
    assert isinstance(loop, Loop)
    assert loop.critic.name == "critic"
    assert "critic" not in [member.name for member in loop.members]
    race, vote = await of_library("review", "first_valid"), await of_library("review", "vote")
    assert isinstance(race, FirstValid)
    assert isinstance(vote, Vote)
    assert "critic" in [member.name for member in race.members]
