"""Contradictions are looked for wherever members answer independently, and the key is refused elsewhere."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support import Books, given

from guildhall.agents import Agent, Debate, Hall, Member, Parallel, Pipeline, Swarm, Vote
from guildhall.agents.event import Decided, Started
from guildhall.agents.kinds import Challenge, Conflict, Side, Verdict
from guildhall.agents.pattern_specs import PATTERNS
from guildhall.agents.patterns import Graph, Quality, Settlement, Step, Supervised
from guildhall.agents.patterns.disputes import Dispute, by_majority, positions_of
from guildhall.agents.rules import PLAIN
from guildhall.agents.spec_types import TeamSpec
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import FileError, ProviderError

MAY, JUNE = "The deadline is 3 May 2026.", "The deadline is 9 June 2026."


def of_two() -> list[Member]:
    return [StubMember("ann", MAY), StubMember("bob", JUNE)]


@pytest.mark.parametrize(
    "make",
    [
        lambda members: Vote("team", members),
        lambda members: Debate("team", members, StubMember("judge")),
        lambda members: Swarm("team", members),
        lambda members: Swarm("team", members, StubMember("chair", "It is in May.")),
    ],
    ids=["vote", "debate", "swarm", "swarm with a synthesizer"],
)
async def test_independent_answers_are_compared_and_what_is_not_resolved_stands_in_the_answer(
    make: Callable[[Sequence[Member]], Member],
) -> None:
    books = Books()
    team = Supervised(make(of_two()), PLAIN, Settlement("majority", defend=False))
    answer = await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    [conflict] = [event for event in books.of(Decided) if event.what == "conflict"]
    assert conflict.choice == "unresolved"
    assert [side["who"] for side in conflict.data["sides"]] == ["ann", "bob"]
    assert "## Contradictions " in answer.text
    assert MAY.rstrip(".") in answer.text
    assert JUNE.rstrip(".") in answer.text


async def test_a_resumed_run_finds_again_what_contradicts_though_its_answers_come_at_once(
    project: Path,
) -> None:
    chair = ScriptedModel(ProviderError("auth", "there is no key"), "Some date.", name="chair")
    models = [ScriptedModel(MAY, name="ann"), ScriptedModel(JUNE, name="bob"), chair]
    members = [Agent(model.name, "Answer.", [model]) for model in models]
    steps = [Step("a", "ann", "Look."), Step("b", "bob", "Look."), Step("c", "chair", "Join.", ("a", "b"))]
    team = Supervised(Graph("team", members, steps), PLAIN, Settlement("majority", defend=False))
    async with Hall.open(project=project) as hall:
        failed = await hall.run_team(team, "When?")
        result = await hall.resume(failed.run_id, team=team)
    assert (failed.status, result.status) == ("failed", "done")
    [conflict] = result.conflicts
    assert [side.who for side in conflict.sides] == ["ann", "bob"]
    assert "## Contradictions" in result.answer
    for model in models:
        model.done()


async def test_each_side_may_defend_what_it_said_and_a_judge_decides() -> None:
    stands = Challenge(refuted=False, reason="so it is written").model_dump_json()
    members: list[Member] = [
        Agent(name, "Answer.", [ScriptedModel(says, says, stands)])
        for name, says in (("ann", MAY), ("bob", JUNE))
    ]
    verdict = Verdict(winner="B", answer="", reason="of two dates the later", dissent="")
    judge = Agent("umpire", "Judge.", [ScriptedModel(verdict.model_dump_json())])
    books = Books()
    team = Supervised(Vote("team", members, ties="first"), PLAIN, Settlement("judge", judge))
    answer = await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    [conflict] = [event for event in books.of(Decided) if event.what == "conflict"]
    assert conflict.choice == "bob"
    assert "What bob says holds, by judge umpire" in answer.text
    paths = [event.path for event in books.of(Started)]
    assert paths[-3:] == ["team/conflicts/ann", "team/conflicts/bob", "team/conflicts/umpire"]


async def test_what_a_revision_and_a_check_do_has_the_contradictions_before_it() -> None:
    judge = Agent("judge", "Judge.", [ScriptedModel(*['{"score": 0.1, "reason": "x"}'] * 2)])
    chair = StubMember("chair", "It is in May.")
    swarm = Swarm("team", of_two(), chair)
    team = Supervised(swarm, PLAIN, Settlement("majority", defend=False), [Quality(judge)])
    await given(team, "When?")
    assert chair.messages[-1].quotes[-3].label == "contradictions"


async def test_where_nothing_could_be_compared_it_is_said() -> None:
    state = RunState("r" * 32)
    line = Supervised(Pipeline("line", of_two()), PLAIN, Settlement("majority"))
    assert (await given(line, "When?", state=state)).text == JUNE
    [notice] = state.notices
    assert notice.startswith("no two members of line have answered without knowing of each other")


CONFLICTS = {"conflicts": {"rule": "majority"}}
KEYS = {"graph": {"steps": [{"id": "one", "member": "ann", "task": "Look."}]}}
REFUSED = ("first_valid", "group_chat", "handoff", "loop", "pipeline")


def spec(pattern: str, **more: object) -> TeamSpec:
    keys = {"name": "team", "description": "d", "members": ("ann", "bob"), **KEYS.get(pattern, {})}
    return PATTERNS[pattern].model_validate(keys | more)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_team_file_says_where_there_are_no_answers_to_compare(pattern: str) -> None:
    if pattern in REFUSED:
        with pytest.raises(ValueError, match=f"a {pattern} has no answers to compare: .*; delete it"):
            spec(pattern, **CONFLICTS)
    else:
        assert spec(pattern, **CONFLICTS).conflicts is not None


def test_ballots_over_options_are_no_answers_to_compare() -> None:
    with pytest.raises(ValueError, match="its members vote over options; delete it"):
        spec("vote", options=["May", "June"], **CONFLICTS)


def test_a_team_that_works_in_another_pattern_takes_its_rule_along_where_there_is_something_to_compare() -> (
    None
):
    team = spec("parallel", **CONFLICTS)
    assert PATTERNS["pipeline"].of(team).conflicts is None
    assert PATTERNS["vote"].of(team).conflicts == team.conflicts


async def test_the_file_is_refused_by_name_and_key(home: Path, project: Path) -> None:
    folder = project / ".guildhall" / "teams"
    folder.mkdir(parents=True)
    text = "---\nname: line\ndescription: d\npattern: pipeline\nmembers: [writer]\nconflicts: human\n---\n"
    (folder / "line.md").write_text(text)
    async with Hall.open(environ={}) as hall:
        with pytest.raises(FileError, match=r"line\.md.*conflicts: a pipeline has no answers to compare"):
            await hall.team("line")


async def test_a_checker_of_somebodys_own_that_raises_costs_no_answer() -> None:
    for error in (RuntimeError("socket closed"), ValueError("oops")):
        state = RunState("r" * 32)
        settlement = Settlement(checker=StubMember("checker", error))
        team = Supervised(Parallel("team", of_two()), PLAIN, settlement)
        assert "## Contradictions" in (await given(team, "When?", state=state)).text
        assert state.notices[0].startswith("checker did not look for contradictions, a rule did: ")


def test_the_larger_of_many_sides_is_no_majority() -> None:
    sides = [Side(who=name, says=f"It is {at}.") for at, name in enumerate(("ann", "bob", "cid", "dee"))]
    five = Conflict(about="it", sides=(*sides, Side(who="eve", says="It is 0.")))
    resolved = by_majority(Dispute(five, positions_of(five), ()))
    assert (resolved.choice, resolved.reason) == ("unresolved", "there is no majority: 2 to 1 to 1 to 1")
    three = Conflict(about="it", sides=(sides[0], sides[1], Side(who="eve", says="It is 0.")))
    assert by_majority(Dispute(three, positions_of(three), ())).choice == "ann, eve"
