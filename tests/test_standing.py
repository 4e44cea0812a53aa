"""Who was right before is kept where somebody else has judged, and weighed where members vote."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cutting import Stuck, cut_short
from support import given

from guildhall.agents import Agent, Hall, Message, Pipeline, Run
from guildhall.agents.patterns import Debate, Vote
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.memory.store.database import Database
from guildhall.memory.store.standing import FADES, Standing, Standings

VERDICT = json.dumps({"winner": "proposal B", "answer": "", "reason": "shown", "dissent": ""})


async def kept(folder: Path, *added: tuple[str, dict[str, Standing]]) -> dict[str, Standing]:
    """What is on disk of the project `here` after these were added, one after the other."""
    db = await asyncio.to_thread(Database, folder / "guildhall.db")
    for number, (scope, standings) in enumerate(added):
        Standings(db).add(scope, standings, run="r" * 32, path=f"judged.{number}", digest="d", value={})
    await asyncio.to_thread(db.close)
    db = await asyncio.to_thread(Database, folder / "guildhall.db")
    found = await Standings(db).all("here")
    await asyncio.to_thread(db.close)
    return found


def debaters() -> list[StubMember]:
    return [
        StubMember("ann", "It is red."),
        StubMember("bob", "It is blue."),
        StubMember("cid", "It is blue."),
    ]


async def test_records_are_summed_by_member_within_a_project(home: Path) -> None:
    one = {"ann": Standing(3, 2), "bob": Standing(1, 0)}
    found = await kept(home, ("here", one), ("here", {"ann": Standing(1, 1)}), ("there", one))
    assert found == {"ann": Standing(4, 3), "bob": Standing(1, 0)}


async def test_old_matters_fade_so_that_who_got_better_is_seen_to(home: Path) -> None:
    bad, good = {"ann": Standing(FADES - 1, 0)}, {"ann": Standing(20, 20)}
    found = (await kept(home, ("here", bad), *[("here", good)] * 20))["ann"]
    assert found.matters < FADES
    assert found.share > 0.6


def test_a_vote_weighs_by_what_was_right_and_nobody_counts_as_infallible_or_for_nothing() -> None:
    weights = [Standing(100, held).weight for held in (0, 50, 70, 90, 100)]
    assert weights == sorted(weights)
    assert weights[0] > 0
    assert Standing(10_000, 10_000).weight == Standing(1_000, 1_000).weight
    assert Standing().share == pytest.approx(2 / 3)


async def test_a_verdict_is_noted_of_every_side_and_what_members_agree_on_by_themselves_is_not() -> None:
    state = RunState("r" * 32)
    await given(Debate("team", debaters(), StubMember("judge", VERDICT)), "Which?", state=state)
    assert state.standings == {"ann": Standing(1, 0), "bob": Standing(1, 1), "cid": Standing(1, 1)}
    state = RunState("r" * 32)
    await given(Debate("team", debaters(), StubMember("judge", "?")), "Which?", state=state)
    await given(Vote("vote", debaters()), "Which?", state=state)
    assert state.standings == {}


async def test_later_runs_vote_by_what_earlier_ones_have_judged(home: Path) -> None:
    ranked = {"ann": "red", "bob": "blue"}
    voters = [
        StubMember(name, json.dumps({"ranking": [one], "confidence": 0.5, "reason": ""}))
        for name, one in ranked.items()
    ]
    vote = Vote("vote", voters, ["red", "blue"], rule="weighted", weigh="standing")
    async with Hall.open() as hall:
        before = await hall.run_team(vote, "Which?")
        await hall.run_team(Debate("team", debaters(), StubMember("judge", VERDICT)), "Which?")
        after = await hall.run_team(vote, "Which?")
    async with Hall.open() as hall:
        reopened = await hall.run_team(vote, "Which?")
    assert before.answer.startswith("**red**")  # the first of a tie
    assert after.answer.startswith("**blue**")
    assert reopened.answer.startswith("**blue**")


async def test_a_resumed_run_votes_by_the_records_with_which_it_began(home: Path) -> None:
    def ballot(one: str) -> str:
        return json.dumps({"ranking": [one], "confidence": 0.5, "reason": ""})

    def team(*models: ScriptedModel) -> Vote:
        each = zip(("ann", "bob"), models * (2 // len(models)), strict=True)
        members = [Agent(name, f"{name} votes.", [model]) for name, model in each]
        return Vote("vote", members, ["red", "blue"], rule="weighted", weigh="standing")

    async with Hall.open() as hall:
        stuck = Stuck(ballot("red"))
        await cut_short(hall, team(stuck), stuck, home, "a" * 32)
        await hall.run_team(Debate("team", debaters(), StubMember("judge", VERDICT)), "Which?")
        resumed = await hall.resume("a" * 32, team=team(ScriptedModel(ballot("blue"))))
        new = await hall.run_team(team(ScriptedModel(ballot("red")), ScriptedModel(ballot("blue"))), "Which?")
    assert resumed.answer.startswith("**red**")
    assert new.answer.startswith("**blue**")


async def test_a_run_that_is_gone_on_with_notes_its_verdict_once(home: Path) -> None:
    class Broken(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            if self.calls == 0:
                self.messages.append(message)
                raise ValueError("broken")
            return await super().run(message, run)

    team = Pipeline("line", [Debate("team", debaters(), StubMember("judge", VERDICT)), Broken("last")])
    async with Hall.open() as hall:
        failed = await hall.run_team(team, "Which?")
        again = await hall.resume(failed.run_id, team=team)
        scope = hall.scope
    assert (failed.status, again.status) == ("failed", "done")
    db = await asyncio.to_thread(Database, home / "guildhall.db")
    assert (await Standings(db).all(scope))["bob"] == Standing(1, 1)
    await asyncio.to_thread(db.close)


async def test_what_was_judged_is_on_disk_before_the_run_ends_and_counted_once_when_it_goes_on(
    home: Path,
) -> None:
    stuck = Stuck()
    debate = Debate("team", debaters(), StubMember("judge", VERDICT))

    def team(last: ScriptedModel) -> Pipeline:
        return Pipeline("line", [debate, Agent("last", "Says the last word.", [last])])

    async with Hall.open() as hall:
        work = asyncio.create_task(hall.run_team(team(stuck), "Which?", run_id="a" * 32))
        await stuck.stuck.wait()
        with closing(sqlite3.connect(home / "guildhall.db")) as db:
            while not db.execute("SELECT 1 FROM journal WHERE path LIKE '%/judged'").fetchone():
                await asyncio.sleep(0.005)  # it is written by a thread
            known = dict(db.execute("SELECT member, held FROM standing").fetchall())
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        resumed = await hall.resume("a" * 32, team=team(ScriptedModel("so it is")))
        scope = hall.scope
    assert known == {"ann": 0, "bob": 1, "cid": 1}
    assert resumed.status == "done"
    store = await asyncio.to_thread(Database, home / "guildhall.db")
    assert (await Standings(store).all(scope))["bob"] == Standing(1, 1)
    await asyncio.to_thread(store.close)


async def test_what_was_judged_at_one_place_of_a_run_is_counted_once(home: Path) -> None:
    db = await asyncio.to_thread(Database, home / "guildhall.db")
    for digest in ("before", "after"):
        Standings(db).add("here", {"ann": Standing(1, 1)}, run="r", path="judged", digest=digest, value={})
    await asyncio.to_thread(db.close)
    assert await kept(home) == {"ann": Standing(1, 1)}
