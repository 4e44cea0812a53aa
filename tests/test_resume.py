"""A run whose process is killed goes on where it was, and nothing that was paid for is paid again."""

import asyncio
import json
import random
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Fault, Request, Says, fake_models
from resume_child import RUN
from support import Books

from guildhall.agents import (
    Agent,
    Budget,
    Hall,
    Message,
    ModelReply,
    Parallel,
    Pipeline,
    Quote,
    Run,
    Swarm,
    ToolCall,
    ToolContext,
    tool,
)
from guildhall.agents.event import Asked, Decided, Lost, Replied
from guildhall.agents.kinds import Finding, Findings
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import ProviderError, RunRefused

CHILD = Path(__file__).parent / "resume_child.py"
DOWN = ProviderError("auth", "there is no key")


@dataclass
class Trial:
    kept: bool
    """Every reply that was shown is on disk, and what is on disk is a beginning."""
    status: str
    result: dict[str, Any]
    paid_twice: int
    unseen: int
    """Calls that had been sent when the process was killed, and whose reply nobody had been shown."""
    closed_once: bool
    decided: list[str]


async def start(home: Path, server: FakeModels, mode: str, change: str = "") -> "subprocess.Popen[str]":
    command = [sys.executable, str(CHILD), str(home), server.url, mode, change]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    return process


async def finish(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, out
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def refused(request: Request) -> bool:
    return "/400" in str(request.body["model"])


async def killed_and_resumed(home: Path, server: FakeModels, kill_after: int, delay: float) -> Trial:
    """A run killed once the server has seen `kill_after` requests and `delay` seconds have gone."""
    server.requests.clear()
    process = await start(home, server, "begin")
    await asyncio.to_thread(server.wait_for, lambda seen: len(seen.requests) >= kill_after)
    await asyncio.sleep(delay)
    process.kill()
    out, _ = await asyncio.to_thread(process.communicate)
    acknowledged = {
        line.split()[1] for line in out.splitlines(keepends=True) if re.match(r"replied .*\n", line)
    }
    await asyncio.to_thread(server.wait_for, lambda seen: seen.in_flight == 0)
    unseen = sum(not refused(request) for request in server.requests) - len(acknowledged)
    async with Hall.open(home=home, project=home, environ={}) as hall:
        status = (await hall.find(RUN)).status
    with sqlite3.connect(home / "guildhall.db") as db:
        journal = {path for (path,) in db.execute("SELECT path FROM journal")}
        ids = [number for (number,) in db.execute("SELECT id FROM events ORDER BY id")]
    db.close()
    kept = acknowledged <= journal and ids == list(range(1, len(ids) + 1))
    result = await finish(await start(home, server, "resume"))
    async with Hall.open(home=home, project=home, environ={}) as hall:
        events = await hall.events(RUN)
    asked = Counter(event.id for event in events if isinstance(event, Asked))
    closed = Counter(event.asked for event in events if isinstance(event, Replied | Lost))
    paid = Counter(r.sha for r in server.requests if not (r.end is None or r.hung_up or refused(r)))
    twice = sum(count - 1 for count in paid.values())
    decided: list[str] = [event.what for event in events if isinstance(event, Decided)]
    return Trial(kept, status, result, twice, unseen, asked == closed, decided)


async def check(tmp_path: Path, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    with fake_models(latency=0.05, jitter=1) as server:
        right = await finish(await start(tmp_path / "right", server, "begin"))
        calls = len(server.requests)
        assert right["calls"] == calls == 9
        for number in range(rounds):
            trial = await killed_and_resumed(
                tmp_path / str(number), server, rng.randint(1, calls), rng.uniform(0, 0.06)
            )
            assert trial.result["answer"] == right["answer"]
            assert trial.kept
            assert trial.status in ("interrupted", "done")
            assert trial.paid_twice <= trial.unseen
            assert trial.closed_once
            assert trial.decided == []


@pytest.mark.deadline(120)
@pytest.mark.slow
async def test_a_killed_run_is_resumed_with_the_right_answer_and_pays_nothing_twice(tmp_path: Path) -> None:
    await check(tmp_path, rounds=1, seed=11)


@pytest.mark.slow
@pytest.mark.deadline(900)
async def test_fifty_killed_runs_are_resumed_with_the_right_answer(tmp_path: Path) -> None:
    await check(tmp_path, rounds=50, seed=7)


async def test_a_changed_request_is_asked_anew_and_that_is_said(home: Path) -> None:
    def team(words: str, *said: str | Exception) -> Parallel:
        model = ScriptedModel("kept", *said)
        return Parallel("team", [Agent(name, words, [model]) for name in ("ann", "bob")], need=2)

    books = Books()
    async with Hall.open() as hall:
        failed = await hall.run_team(team("Be long.", ProviderError("auth", "no key")), "Well?")
        again = await hall.resume(failed.run_id, team=team("Be brief.", "new"), force=True, sinks=[books])
    assert again.status == "done"
    assert "asked anew" in [decided.choice for decided in books.of(Decided)]


async def test_a_failed_run_tries_again_only_what_had_failed(home: Path) -> None:
    good = ScriptedModel("kept")
    bad = ScriptedModel(ProviderError("auth", "no key"), "found the key")

    def team() -> Parallel:
        return Parallel("team", [Agent("ann", "Answer.", [good]), Agent("bob", "Answer.", [bad])], need=2)

    async with Hall.open() as hall:
        failed = await hall.run_team(team(), "Well?")
        assert failed.status == "failed"
        again = await hall.resume(failed.run_id, team=team())
    assert again.status == "done"
    assert "kept" in again.answer
    assert "found the key" in again.answer
    assert again.usage.calls == 3
    good.done()


async def test_a_run_that_is_done_tries_again_who_had_failed(home: Path) -> None:
    ann, bob = (ScriptedModel(*script, name=name) for name, script in (("ann", ["A"]), ("bob", [DOWN, "B"])))
    chair = ScriptedModel(DOWN, "In sum.", name="chair")
    one, two, last = (Agent(model.name, "Work.", [model]) for model in (ann, bob, chair))
    team = Parallel("many", [one, two], last)
    async with Hall.open() as hall:
        first = await hall.run_team(team, "Well?")
        again = await hall.resume(first.run_id, team=team)
        stored = await hall.resume(first.run_id, team=team)
    assert (first.status, first.answer) == ("done", "## ann\n\nA")
    assert (again.status, again.answer) == ("done", "In sum.")
    assert [quote.text for quote in chair.requests[-1].turns[-1].quotes] == ["A", "B"]
    assert stored.answer == "In sum."
    for model in (ann, bob, chair):
        model.done()


async def test_a_fuller_answer_counts_though_somebody_has_failed_on_the_way(home: Path) -> None:
    found = [
        Findings(findings=(Finding(about="it", text=f"Number {n} is {n * 7}.", sources=()),), done=n > 2)
        for n in range(4)
    ]
    ann = ScriptedModel(*(one.model_dump_json() for one in found), name="ann")
    bob, chair = ScriptedModel(DOWN, name="bob"), ScriptedModel("One.", "All of them.", name="chair")
    one, two, last = (Agent(model.name, "Work.", [model]) for model in (ann, bob, chair))
    team = Swarm("many", [one, two], last, turns=6)
    async with Hall.open() as hall:
        first = await hall.run_team(team, "Well?", budget=Budget(calls=2))
        again = await hall.resume(first.run_id, team=team, budget=Budget(calls=40))
    assert (first.answer, again.answer) == ("One.", "All of them.")
    assert [one.status for one in again.contributions if one.member == "bob"] == ["failed"]


async def test_a_write_that_was_in_flight_is_not_repeated_without_asking(home: Path) -> None:
    paid = asyncio.Event()

    @tool(risk="write", idempotent=False)
    async def pay(euros: int) -> str:
        """Pay an invoice."""
        paid.set()
        await asyncio.Event().wait()
        return "paid"

    model = ScriptedModel(ModelReply(calls=(ToolCall(id="1", name="pay", arguments={"euros": 5}),)))
    clerk = Agent("clerk", "Pay.", [model], [pay])
    async with Hall.open() as hall:
        work = asyncio.create_task(hall.run_team(clerk, "Pay it.", run_id="a" * 32))
        await paid.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert (await hall.find("a" * 32)).status == "cancelled"
        again = await hall.resume("a" * 32, team=clerk)
    assert again.status == "failed"
    assert "doing it twice may do harm" in again.error


async def test_what_a_tool_had_shown_can_still_be_cited_after_a_resume(home: Path) -> None:
    @tool
    def look(context: ToolContext) -> str:
        """Look at the notes."""
        context.run.show([Quote(label="notes.md", kind="document", text="One fact.")])
        return "[notes.md:1] One fact."

    look_once = ModelReply(calls=(ToolCall(id="1", name="look"),))
    model = ScriptedModel(look_once, ProviderError("auth", "no key"), "It is so [notes.md:1].")
    clerk = Agent("clerk", "Look.", [model], [look])
    async with Hall.open() as hall:
        failed = await hall.run_team(clerk, "Well?")
        again = await hall.resume(failed.run_id, team=clerk)
    assert [(source.label, source.text) for source in again.sources] == [("notes.md:1", "One fact.")]
    model.done()


async def test_a_run_at_work_is_not_taken_over(home: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            begun.set()
            await go_on.wait()
            return await super().run(message, run)

    async with Hall.open() as hall:
        member = Slow("slow")
        work = asyncio.create_task(hall.run_team(member, "Well?", run_id="b" * 32))
        await begun.wait()
        async with Hall.open() as other:
            assert (await other.find("b" * 32)).status == "running"
            with pytest.raises(RunRefused, match="at work in a living process"):
                await other.resume("b" * 32, team=member)
        go_on.set()
        assert (await work).status == "done"


async def test_a_team_file_that_has_changed_is_refused_or_forced(project: Path) -> None:
    agents = project / ".guildhall"
    for folder in ("specialists", "teams"):
        (agents / folder).mkdir()
    specialist = agents / "specialists" / "ann.md"
    specialist.write_text("---\nname: ann\ndescription: one\n---\nAnswer briefly.\n")
    (agents / "teams" / "duo.md").write_text("---\nname: duo\ndescription: d\nmembers: [ann, critic]\n---\n")
    begun = asyncio.Event()

    def cancel_when_begun(event: object) -> None:
        begun.set()

    async with Hall.open() as hall:
        work = asyncio.create_task(
            hall.run_team("duo", "Well?", context="A fact.", sinks=[cancel_when_begun])
        )
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        specialist.write_text("---\nname: ann\ndescription: one\n---\nAnswer at length.\n")
        with pytest.raises(RunRefused, match="files of duo have changed"):
            await hall.resume()
        books = Books()
        forced = await hall.resume(force=True, sinks=[books])
    assert forced.status == "done"
    assert books.balanced


async def test_a_reply_that_was_gone_on_with_is_not_paid_again(home: Path) -> None:
    broken = True

    def says(body: dict[str, object], api: str) -> Says | Fault:
        if body["model"] == "second":
            return Fault("400") if broken else Says("The end.")
        went_on = "Go on exactly" in str(body)
        return Says(" and the rest.") if went_on else Says("The first part", stop="max_tokens")

    with fake_models(says) as server:

        def asking(model: str) -> Agent:
            asked = OpenAICompatibleModel(model, base_url=f"{server.url}/v1", api_key="none")
            return Agent(model, "Go on.", [asked])

        team = Pipeline("line", [asking("first"), asking("second")])
        async with Hall.open(home=home) as hall:
            failed = await hall.run_team(team, "Say it.", cache="off")
            before, broken = len(server.requests), False
            result = await hall.resume(failed.run_id, team=team)
        assert [request.body["model"] for request in server.requests[before:]] == ["second"]
    assert (failed.status, result.answer) == ("failed", "The end.")


async def test_a_larger_budget_of_one_kind_leaves_the_others_as_they_were(home: Path) -> None:
    price = '[model."openai-compatible:fake"]\nprice = { input = 1.0, output = 10.0 }\n'
    home.mkdir()
    (home / "config.toml").write_text(price)
    usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    with fake_models(lambda body, api: Says("done", usage=usage)) as server:
        asked = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        team = Pipeline("line", [Agent(f"m{n}", f"You are {n}.", [asked], max_output=1000) for n in range(6)])
        async with Hall.open(home=home) as hall:
            short = await hall.run_team(team, "Say it.", budget=Budget(usd=0.035, calls=2), cache="off")
            longer = await hall.resume(short.run_id, team=team, budget=Budget(calls=20))
            again = await hall.resume(short.run_id, team=team)
    assert [result.usage.calls for result in (short, longer, again)] == [2, 3, 3]
    assert "usd" in longer.error.lower() or "$" in longer.error
    assert (again.usage.cost_usd or 1) <= 0.035


@pytest.mark.slow
async def test_a_reply_that_was_paid_for_stays_though_the_seconds_ended_while_it_was_kept(home: Path) -> None:
    with fake_models(lambda body, api: "paid") as server:
        asked = OpenAICompatibleModel("fake", base_url=f"{server.url}/v1", api_key="none")
        agent = Agent("only", "Say it.", [asked], memory=False)
        async with Hall.open(home=home) as hall:
            await hall.run_team(agent, "Warm up.", cache="off")
            with closing(sqlite3.connect(home / "guildhall.db", isolation_level=None)) as busy:

                def block(event: object) -> None:
                    if isinstance(event, Asked):
                        busy.execute("BEGIN IMMEDIATE")

                working = asyncio.create_task(
                    hall.run_team(agent, "Say it.", cache="off", budget=Budget(seconds=0.5), sinks=[block])
                )
                await asyncio.to_thread(server.wait_for, lambda it: len(it.requests) == 2)
                await asyncio.wait([working], timeout=1.0)
                busy.execute("ROLLBACK")
            late = await working
            result = await hall.resume(late.run_id, team=agent, budget=Budget(seconds=60))
        assert len(server.requests) == 2
    assert (late.status, result.answer) == ("failed", "paid")
