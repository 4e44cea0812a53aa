"""Members explore side by side from one notebook, until the turns, the budget or the ideas run out."""

import asyncio
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dying import Lines, whole_and_died_anywhere
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Member, Message, Run
from guildhall.agents.event import Decided, Said, Started
from guildhall.agents.kinds import Finding, Findings, Score, Wanted
from guildhall.agents.patterns import Parallel, Swarm
from guildhall.agents.patterns.swarm import SwarmSpec
from guildhall.agents.rules import Rules
from guildhall.agents.specs import read_team
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, NeedsInput, UserError


def found(*texts: str, done: bool = False, sources: tuple[str, ...] = ()) -> str:
    findings = tuple(Finding(about="", text=text, sources=sources) for text in texts)
    return Findings(findings=findings, done=done).model_dump_json()


NOTHING = found(done=True)


class Finds(StubMember):
    """Finds one thing after the other, then nothing."""

    def __init__(self, name: str, *said: str | Exception) -> None:
        super().__init__(name)
        self.said = [*said]

    async def run(self, message: Message, run: Run) -> Message:
        self.answer = self.said.pop(0) if self.said else NOTHING
        return await super().run(message, run)

    def saw(self, number: int) -> list[str]:
        return [quote.text for quote in self.messages[number].quotes]


def state(**budget: Any) -> tuple[RunState, Books]:
    books = Books()
    run = RunState("r" * 32, sinks=[books])
    run.meter.budget = Budget(**budget)
    return run, books


def agents(*names: str, **said: list[str]) -> list[Member]:
    return [Agent(name, "Look.", [ScriptedModel(*said[name], name=name)]) for name in names]


async def test_members_explore_at_once_and_go_on_from_what_the_others_found() -> None:
    begun = asyncio.Barrier(2)

    class Meeting(Finds):
        async def run(self, message: Message, run: Run) -> Message:
            if not self.messages:
                await begun.wait()
            return await super().run(message, run)

    ann, bob = Meeting("ann", found("A", "B"), found("E")), Meeting("bob", found("C"), found("D"))
    chair = StubMember("chair", "in sum")
    run, books = state()
    answer = await given(Swarm("team", [ann, bob], chair), "Well?", state=run)
    assert answer.text == "in sum"
    assert ann.saw(0) == bob.saw(0) == []
    assert ann.saw(1)[:2] == ["A", "B"]
    assert {"A", "B", "C"} <= set(bob.saw(1))
    quotes = chair.messages[0].quotes
    assert [quote.text for quote in quotes[:3]] == ["A", "B", "C"]
    assert {quote.text for quote in quotes} == {"A", "B", "C", "D", "E"}
    assert quotes[0].label == "finding 1 of ann"
    assert [said.text for said in books.of(Said) if said.to == "notebook"][:2] == ["ann: A", "ann: B"]


async def test_it_ends_when_nobody_has_anything_to_add_to_what_all_have_found() -> None:
    ann, bob = Finds("ann", found("A", done=True)), Finds("bob", NOTHING, found("B"))
    await given(Swarm("team", [ann, bob], turns=50), "Well?")
    assert (ann.calls, bob.calls) == (2, 3)
    assert ann.saw(1) == ["A", "B"]


async def test_turns_are_bounded() -> None:
    members = [Finds(name, *(found(f"{name}{n}") for n in range(20))) for name in ("ann", "bob")]
    await given(Swarm("team", members, turns=5), "Well?")
    assert sum(member.calls for member in members) == 5


async def test_copies_of_a_member_explore_under_names_of_their_own_and_are_told_apart() -> None:
    ann = Finds("ann", found("A"), found("B"), found("C"))
    run, books = state()
    answer = await given(Swarm("team", [ann], copies=3, turns=3), "Well?", state=run)
    assert answer.text == "- A (ann-1)\n- B (ann-2)\n- C (ann-3)"
    assert [event.path for event in books.of(Started)][1:] == ["team/ann-1", "team/ann-2", "team/ann-3"]
    assert len({message.brief for message in ann.messages}) == 3
    assert "number 2 of 3" in ann.messages[1].brief


async def test_what_was_found_already_is_not_noted_twice() -> None:
    ann, bob = Finds("ann", found("The same.")), Finds("bob", found("the  SAME."), found("More"))
    answer = await given(Swarm("team", [ann, bob], turns=4), "Well?")
    assert answer.text == "- The same. (ann)\n- More (bob)"


async def test_findings_name_what_they_rest_on() -> None:
    ann = Finds("ann", found("It pays 5.", sources=("contract.md:3",)))
    assert (await given(Swarm("team", [ann], turns=1), "?")).text == "- It pays 5. [contract.md:3] (ann)"


async def test_free_text_is_a_finding() -> None:
    panel = Parallel("panel", [StubMember("x", "yes")])
    answer = await given(Swarm("team", [panel], turns=5), "Well?")
    assert answer.text == "- ## x\n\nyes (panel)"


async def test_the_newest_findings_are_shown_where_there_is_not_room_for_all_and_that_is_said() -> None:
    class Tight(Swarm):
        async def run(self, message: Message, run: Run) -> Message:
            run.rules = Rules(tokens=200)
            return await super().run(message, run)

    ann = Finds("ann", *(found(f"number {n}: " + "many words of it " * 20) for n in range(5)))
    chair = StubMember("chair", "in sum")
    run, books = state()
    await given(Tight("team", [ann], chair, turns=5), "Well?", state=run)
    assert [quote.label for quote in chair.messages[0].quotes] == ["finding 4 of ann", "finding 5 of ann"]
    said = books.of(Decided)[-1]
    assert (said.what, said.choice) == ("handover", "2 of 5 findings")
    assert said.data == [f"finding {n} of ann" for n in range(1, 4)]


@pytest.mark.parametrize("broken", [0, 1, 2])
async def test_whoever_fails_the_others_findings_stay(broken: int) -> None:
    names = ("ann", "bob", "cid")
    members = [Finds(name, found(f"of {name}")) for name in names]
    members[broken].said = [Failure("tired")]
    run, _ = state()
    answer = await given(Swarm("team", members), "Well?", state=run)
    assert answer.text == "\n".join(f"- of {name} ({name})" for name in names if name != names[broken])
    assert members[broken].calls == 1
    assert run.notices == [f"1 of 3 have failed: {names[broken]}"]


async def test_where_all_fail_the_team_fails_and_says_why() -> None:
    with pytest.raises(Failure, match="nothing was found: ann, bob: tired"):
        await given(Swarm("team", [StubMember(name, Failure("tired")) for name in ("ann", "bob")]), "?")


async def test_an_answer_that_is_no_findings_goes_back_to_the_model() -> None:
    (ann,) = agents("ann", ann=['{"findings": 3}', found("A", done=True)])
    assert (await given(Swarm("team", [ann]), "Well?")).text == "- A (ann)"


async def test_the_budget_ends_the_exploring_and_leaves_room_for_who_sums_up() -> None:
    members = agents("ann", "bob", ann=[found("A"), found("C")], bob=[found("B"), found("D")])
    (chair,) = agents("chair", chair=["in sum"])
    run, books = state(calls=4)
    answer = await given(Swarm("team", members, chair, turns=20), "Well?", state=run)
    assert answer.text == "in sum"
    assert (run.meter.spent.calls, books.balanced) == (4, True)
    assert run.notices == [
        "exploring ended with 3 findings: the budget has no room for more, but for whoever sums up"
    ]
    assert [event.choice for event in books.of(Decided)] == ["exploring ends"]


async def test_where_the_budget_has_no_room_for_who_sums_up_the_findings_are_the_answer() -> None:
    members = agents("ann", ann=[found("A"), found("B")])
    (chair,) = agents("chair", chair=[])
    inner = Swarm("inner", members, turns=2)
    run, books = state(calls=2)
    answer = await given(Swarm("team", [inner], chair, turns=1), "Well?", state=run)
    assert answer.text == "- - A (ann)\n- B (ann) (inner)"
    assert books.balanced
    assert "chair could not sum up: no room for another call" in run.notices[-1]


async def test_a_refusal_ends_the_exploring_and_not_the_run() -> None:
    members = agents("ann", "bob", ann=[found("A")], bob=[])
    run, _ = state(calls=1)
    answer = await given(Swarm("team", members), "Well?", state=run)
    assert answer.text == "- A (ann)"
    assert "exploring ended with 1 findings: the budget has no room" in run.notices[0]


async def test_nothing_is_begun_while_a_member_waits_for_a_human() -> None:
    ann = Finds("ann", found("A"), found("B"))
    with pytest.raises(NeedsInput):
        await given(Swarm("team", [StubMember("bob", NeedsInput("Which?", "q1")), ann]), "Well?")
    assert ann.calls == 1


async def test_cancelling_it_cancels_all_who_are_at_work() -> None:
    begun, ended = asyncio.Barrier(4), list[str]()

    class Endless(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            try:
                await begun.wait()
                return await asyncio.Event().wait()  # type: ignore[return-value]  # it never ends
            finally:
                ended.append(run.path)

    work = asyncio.create_task(given(Swarm("team", [Endless("ann")], copies=3), "Go."))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert sorted(ended) == ["team/ann-1", "team/ann-2", "team/ann-3"]


async def test_it_can_be_asked_for_a_typed_answer() -> None:
    score = Score(score=0.5, reason="half")
    (chair,) = agents("chair", chair=[score.model_dump_json()])
    team = Swarm("team", [Finds("ann", found("A"))], chair)
    answer = await Run(RunState("r" * 32)).give(team, Message(text="Well?"), wanted=Wanted(Score))
    assert answer.data == score


async def test_findings_are_in_the_notebook_of_the_run_once_though_it_was_resumed(home: Path) -> None:
    members = agents("ann", "bob", ann=[found("A"), NOTHING], bob=[found("B"), NOTHING])
    chair = StubMember("chair", Failure("asleep"))
    team = Swarm("team", members, Parallel("end", [chair]), turns=4)
    async with Hall.open() as hall:
        first = await hall.run_team(team, "Well?", budget=Budget(calls=9))
        chair.answer = "in sum"
        again = await hall.resume(first.run_id, team=team, budget=Budget(calls=20))
    assert (first.answer, again.answer) == ("- A (ann)\n- B (bob)", "## chair\n\nin sum")
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        rows = db.execute("SELECT number, task, kind, author, text FROM notebook").fetchall()
    assert rows == [(1, "team", "finding", "ann", "A"), (2, "team", "finding", "bob", "B")]


def counting(numbers: Iterator[int]) -> Swarm:
    """Two who always find something, and one who says how much was found."""
    find = [lambda request: found(f"fact {next(numbers)}")] * 50
    sums = [lambda request: f"of {len(request.turns[-1].quotes)}"] * 5
    ann, bob = (Agent(name, f"You are {name}.", [ScriptedModel(*find, name=name)]) for name in ("ann", "bob"))
    return Swarm("team", [ann, bob], Agent("chair", "Sum up.", [ScriptedModel(*sums)]), turns=30)


@pytest.mark.parametrize(("more", "answer", "calls"), [(1, "of 5", 6), (2, "of 6", 8), (60, "of 30", 32)])
async def test_what_was_found_stays_where_it_is_gone_on_with_under_a_larger_budget(
    more: int, answer: str, calls: int
) -> None:
    numbers = itertools.count(1)
    async with Hall.open() as hall:
        first = await hall.run_team(counting(numbers), "Well?", budget=Budget(calls=6), cache="off")
        again = await hall.resume(first.run_id, team=counting(numbers), budget=Budget(calls=6 + more))
        same = await hall.resume(first.run_id, team=counting(numbers), budget=Budget(calls=6 + more))
    assert (first.answer, first.usage.calls) == ("of 5", 6)
    assert (again.answer, again.usage.calls) == (answer, calls)
    assert (same.answer, same.usage.calls) == (answer, calls)


async def test_what_was_found_without_a_limit_stays_where_there_is_one_later() -> None:
    numbers = itertools.count(1)
    async with Hall.open() as hall:
        first = await hall.run_team(counting(numbers), "Well?", cache="off")
        again = await hall.resume(first.run_id, team=counting(numbers), budget=Budget(calls=31))
    assert (first.answer, first.usage.calls) == (again.answer, again.usage.calls) == ("of 30", 31)


def test_the_turns_are_shared_by_all() -> None:
    team = Swarm("team", [StubMember("ann"), StubMember("bob")], StubMember("chair"), turns=9, copies=2)
    parts = [(part.member.name, part.times, part.among) for part in team.parts]
    assert parts == [("ann", 7, 9), ("bob", 7, 9), ("chair", 1, 0)]


@pytest.mark.parametrize("budget", [None, Budget(calls=5)])
@pytest.mark.slow
async def test_a_run_that_died_anywhere_takes_the_same_way_and_pays_nothing_twice(
    budget: Budget | None, tmp_path: Path
) -> None:
    ann, bob = [found("A", "B"), found("C")], [found("D"), NOTHING]
    lines = Lines({"ann": ann, "bob": bob, "chair": ["in sum"]})

    def team(lines: Lines) -> Swarm:
        names = ("ann", "bob", "chair")
        *members, chair = (Agent(name, f"You are {name}.", [lines.model(name)]) for name in names)
        return Swarm("team", members, chair)

    assert (await whole_and_died_anywhere(team, lines, tmp_path, budget=budget)).answer == "in sum"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"turns": 1}, "turns is 1; give a whole number from 2"),
        ({"copies": 0}, "copies is 0"),
        ({"copies": 3, "turns": 5}, "turns is 5; give a whole number from 6"),
        ({"synthesizer": "chair"}, "'chair' for a member"),
    ],
)
def test_what_cannot_work_is_refused_at_once(more: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Swarm("team", [StubMember("ann"), StubMember("bob")], **more)


FILE = "---\nname: t\ndescription: d\npattern: swarm\nmembers: [ann, bob]\n{}\n---\nBe brief.\n"


def test_a_team_file_can_say_all_of_it() -> None:
    spec = read_team(FILE.format("turns: 30\ncopies: 5\nsynthesizer: editor").encode())
    assert isinstance(spec, SwarmSpec)
    assert (spec.turns, spec.copies, spec.synthesizer) == (30, 5, "editor")


def test_a_team_file_with_too_few_turns_is_refused() -> None:
    with pytest.raises(FileError, match="turns: 9 for 10 explorers"):
        read_team(FILE.format("turns: 9\ncopies: 5").encode())


async def test_what_explorers_contradict_each_other_on_is_told_to_whoever_sums_up_and_shown() -> None:
    ann, bob = (
        Finds(who, found(f"The pier was built in {year}.")) for who, year in (("ann", 1887), ("bob", 1888))
    )
    chair, (run, books) = StubMember("chair", "It was built long ago."), state()
    answer = await given(Swarm("team", [ann, bob], chair), "When was the pier built?", state=run)
    [conflict] = [event for event in books.of(Decided) if event.what == "conflict"]
    assert {side["who"] for side in conflict.data["sides"]} == {"ann", "bob"}
    assert "contradictions" in [quote.label for quote in chair.messages[0].quotes]
    assert "1887" in answer.text
    assert "1888" in answer.text
