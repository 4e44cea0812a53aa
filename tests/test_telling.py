"""What goes to many is told once, and is known to have reached each of them."""

import pytest
from support import Books, given

from guildhall.agents import Member, Message, Run, Vote
from guildhall.agents.event import Decided, Finished, Said, Started
from guildhall.agents.kinds import Ballot
from guildhall.agents.patterns import Settlement, Supervised
from guildhall.agents.rules import PLAIN
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember
from guildhall.errors import Failure
from guildhall.view import View
from guildhall.view.why import why

MAY, JUNE = "The deadline is 3 May 2026.", "The deadline is 9 June 2026."


class Voter(StubMember):
    """Answers with its name, and ranks that of another first."""

    async def run(self, message: Message, run: Run) -> Message:
        if run.wanted is None:
            return await super().run(message, run)
        ballot = Ballot(ranking=(run.wanted.names[0],), confidence=0.5, reason="so it seems")
        return run.answer(message, ballot.said(), data=ballot)


async def held(team: Member) -> Books:
    books = Books()
    await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    return books


async def test_each_answer_that_is_voted_on_is_told_once_to_all_who_rank_it() -> None:
    names = [f"m{number}" for number in range(8)]
    books = await held(Vote("team", [Voter(name, f"Answer: {name}") for name in names]))
    said = books.of(Said)
    assert [one.text for one in said] == [f"{name}: Answer: {name}" for name in names]
    assert {one.told for one in said} == {tuple(names)}
    ballot = next(event for event in books.of(Finished) if event.path == "team/m5-ballot")
    links = why(books.events, str(ballot.id))
    assert {link.who for link in links if link.what == "answered"} == {*names}
    assert "passed on to m0, m1, m2 and 5 others" in {link.what for link in links}


async def test_who_failed_to_answer_is_told_of_no_answer() -> None:
    members = [Voter("ann", "May"), Voter("bob", "June"), StubMember("cid", Failure("asleep"))]
    books = await held(Vote("team", members))
    assert {one.told for one in books.of(Said)} == {("ann", "bob")}


async def test_a_viewer_is_shown_to_how_many_it_went() -> None:
    names = ("ann", "bob", "cid", "dan")
    books = await held(Vote("team", [Voter(name, f"Answer: {name}") for name in names]))
    view = View()
    for event in books.events:
        view(event)
    told = {item["to"] for item in view.items() if item["is"] == "message"}
    assert told == {"ann, bob, cid and 1 other"}


@pytest.mark.parametrize("told", [("bob", "cid"), ("bob",), ()])
async def test_whoever_was_told_what_another_said_is_not_independent_of_it(told: tuple[str, ...]) -> None:
    bob, cid = StubMember("bob", JUNE), StubMember("cid", JUNE)
    members = {member.name: member for member in (bob, cid)}

    class Line:
        name = "line"

        async def run(self, message: Message, run: Run) -> Message:
            said = await run.give(StubMember("ann", MAY), message)
            if told:
                run.said(said, *(members[name] for name in told))
            for member in members.values():
                said = await run.give(member, message)
            return said

    books = await held(Supervised(Line(), PLAIN, Settlement("majority", defend=False)))
    found = [event for event in books.of(Decided) if event.what == "conflict"]
    sides = sorted(side["who"] for event in found for side in event.data["sides"])
    assert sides == {2: [], 1: ["ann", "cid"], 0: ["ann", "bob", "cid"]}[len(told)]
    assert len(books.of(Started)) == 4
