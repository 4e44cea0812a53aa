"""A run that continues another one knows what was asked and answered there, at every face."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from fake_models import FakeModels
from shell import TASK, data, guildhall

from guildhall.agents import Agent, Hall, Message, Run, follow_up
from guildhall.agents.message import Quote
from guildhall.agents.notebook import noted
from guildhall.agents.patterns import Parallel
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.agents.tokens import estimate
from guildhall.errors import Failure, NameUnknown, RunRefused, UserError


def conversation(member: StubMember) -> list[Quote]:
    return [quote for quote in member.messages[-1].quotes if quote.kind == "conversation"]


async def test_a_follow_up_is_shown_the_task_the_answer_and_who_said_what(home: Path) -> None:
    member = StubMember("expert", "It is 30 days.")
    async with Hall.open() as hall:
        first = await hall.run_team(
            Parallel("team", [StubMember("ann", "Ann says 30."), StubMember("bob", "Bob agrees.")], member),
            "What is the notice period?",
        )
        second = await hall.run_team(member, "And in writing?", continue_from=first.run_id)
    assert second.status == "done"
    [quote] = conversation(member)
    assert quote.label == f"run:{first.run_id[:8]}"
    assert quote.text.split("\n") == [
        "## Question 1: What is the notice period?",
        "- ann said: Ann says 30.",
        "- bob said: Bob agrees.",
        "",
        "It is 30 days.",
    ]


async def test_a_follow_up_of_a_follow_up_knows_the_whole_conversation(home: Path) -> None:
    member = StubMember("expert", "Yes.")
    async with Hall.open() as hall:
        run = await hall.run_team(member, "First?")
        for task in ("Second?", "Third?"):
            run = await hall.run_team(member, task, continue_from=run.run_id[:10])
    [quote] = conversation(member)
    assert quote.text.count("Yes.") == 2
    assert quote.text.index("Question 1: First?") < quote.text.index("Question 2: Second?")


async def test_nothing_for_an_id_means_the_newest_run(home: Path) -> None:
    member = StubMember("expert", "Yes.")
    async with Hall.open() as hall:
        first = await hall.run_team(member, "First?")
        await hall.run_team(member, "Second?", continue_from="")
    [quote] = conversation(member)
    assert quote.label == f"run:{first.run_id[:8]}"


async def test_a_run_that_is_not_known_or_has_no_answer_cannot_be_continued(home: Path) -> None:
    member = StubMember("expert", Failure("tired"))
    async with Hall.open() as hall:
        with pytest.raises(NameUnknown, match="there is no run 'nobody'"):
            await hall.run_team(member, "Well?", continue_from="nobody")
        failed = await hall.run_team(member, "Well?")
        with pytest.raises(RunRefused, match=r"has failed and has no answer .* `guildhall resume"):
            await hall.run_team(member, "And?", continue_from=failed.run_id)
        with pytest.raises(UserError, match="continue_from is 7; it can be the id of a run"):
            await hall.run_team(member, "And?", continue_from=7)  # type: ignore[arg-type]  # what is wrong
        assert len(await hall.runs()) == 1


async def test_a_run_that_is_at_work_cannot_be_continued_yet(home: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            begun.set()
            await go_on.wait()
            return await super().run(message, run)

    async with Hall.open() as hall:
        work = asyncio.create_task(hall.run_team(Slow("slow"), "Well?", run_id="c" * 32))
        await begun.wait()
        with pytest.raises(RunRefused, match="is running and has no answer"):
            await hall.run_team(StubMember("expert"), "And?", continue_from="c" * 32)
        go_on.set()
        await work


async def test_what_was_private_stays_private_in_a_follow_up(home: Path) -> None:
    private, public = ScriptedModel("The sum is 7."), ScriptedModel("no")
    public.private = False
    async with Hall.open() as hall:
        first = await hall.run_team(Agent("ann", "Answer.", [private]), "The sum?", private=True)
        with pytest.raises(UserError, match=f"run:{first.run_id[:8]} is private"):
            await hall.run_team(Agent("bob", "Answer.", [public]), "Why?", continue_from=first.run_id)
    assert public.requests == []


async def test_a_resumed_follow_up_sees_what_it_saw_before(home: Path) -> None:
    asked = ScriptedModel("Because.", name="asked")
    async with Hall.open() as hall:
        first = await hall.run_team(StubMember("expert", "Yes."), "Is it so?")
        broken = Parallel(
            "team", [Agent("ann", "Answer.", [asked]), StubMember("bob", Failure("no"))], need=2
        )
        failed = await hall.run_team(broken, "Why?", continue_from=first.run_id)
        bob = StubMember("bob", "Just so.")
        mended = Parallel("team", [Agent("ann", "Answer.", [asked]), bob], need=2)
        result = await hall.resume(failed.run_id, team=mended)
    assert result.status == "done"
    assert len(asked.requests) == 1
    assert "Is it so?" in conversation(bob)[0].text


async def test_the_extractive_model_answers_a_follow_up_from_what_was_said_before(project: Path) -> None:
    async with Hall.open() as hall:
        first = await hall.ask(
            "analyst", "What is the notice period?", context="The notice period is 30 days. It rains in June."
        )
        second = await hall.ask("analyst", "How long is the notice period?", continue_from=first.run_id)
    assert f"The notice period is 30 days. [run:{first.run_id[:8]}]" in second.answer
    assert [source.kind for source in second.sources] == ["conversation"]


async def test_a_run_that_memory_made_private_is_private_in_its_follow_up(home: Path) -> None:
    async with Hall.open() as hall:
        await hall.remember("The sum of the contract is 7.", private=True)
        ann = Agent("ann", "Answer.", [ScriptedModel("It is 7.")])
        first = await hall.run_team(ann, "What is the sum of the contract?")
        public = ScriptedModel("no")
        public.private = False
        with pytest.raises(UserError, match=f"run:{first.run_id[:8]} is private"):
            await hall.run_team(Agent("bob", "Answer.", [public]), "Why?", continue_from=first.run_id)


async def test_what_was_told_of_a_run_is_known_after_that_run_is_gone(home: Path) -> None:
    member = StubMember("expert", "Yes.")
    async with Hall.open() as hall:
        first = await hall.run_team(member, "First?")
        second = await hall.run_team(member, "Second?", continue_from=first.run_id)
        with closing(sqlite3.connect(home / "guildhall.db")) as db:
            db.execute("DELETE FROM runs WHERE id = ?", (first.run_id,))
            db.commit()
        await hall.run_team(member, "Third?", continue_from=second.run_id)
    assert "First?" in conversation(member)[0].text


async def test_a_decision_of_a_run_is_known_in_its_follow_up(home: Path) -> None:
    class Deciding(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            run.decided("vote", "the blue one", "3 of 4 are for it")
            run.decided("model", "a strong one")
            return await super().run(message, run)

    member = Deciding("board", "Blue it is.")
    async with Hall.open() as hall:
        first = await hall.run_team(member, "Which?")
        await hall.run_team(member, "Why?", continue_from=first.run_id)
    lines = conversation(member)[0].text.split("\n")
    assert lines[1] == "- Decided: vote of board: the blue one (3 of 4 are for it)"
    assert lines.count(lines[1]) == 1
    assert "strong" not in "".join(lines)


@pytest.mark.usefixtures("harbour")
def test_the_command_continues_a_run_by_the_beginning_of_its_id(server: FakeModels) -> None:
    first = data("run", "duo", TASK, "--file", "notes.md")
    data("ask", "reader", "And what then?", "--continue", first["run_id"][:8])
    asked = str(server.requests[-1].body)
    assert f"conversation run:{first['run_id'][:8]}" in asked
    assert TASK in asked
    refused = guildhall("run", "duo", TASK, "--continue", "nobody")
    assert (refused.exit_code, "there is no run 'nobody'" in refused.stderr) == (2, True)


@pytest.mark.usefixtures("harbour")
def test_a_dry_run_counts_what_is_continued_and_asks_nobody(server: FakeModels) -> None:
    first = data("run", "duo", TASK, "--file", "notes.md")
    before = len(server.requests)
    plain = data("run", "duo", TASK, "--dry-run")
    more = data("run", "duo", TASK, "--dry-run", "--continue", first["run_id"])
    assert plain["tokens"] < more["tokens"]
    assert len(server.requests) == before


def test_a_notebook_names_the_run_to_continue() -> None:
    from guildhall.jupyter_ext.arguments import parsed
    from guildhall.jupyter_ext.magics import TeamMagics, _options

    given = parsed(TeamMagics.team, "research --continue 1f3a9c02")
    assert _options(given)["continue_from"] == "1f3a9c02"
    assert _options(parsed(TeamMagics.team, 'research --continue ""'))["continue_from"] == ""
    assert _options(parsed(TeamMagics.ask, "critic --continue ''"))["continue_from"] == ""


async def test_what_was_said_before_is_shortened_beside_everybody_else_s_work(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[int]()

    def counting(text: str) -> int:
        threads.add(threading.get_ident())
        return estimate(text)

    monkeypatch.setattr(follow_up, "estimate", counting)
    async with Hall.open() as hall:
        first = await hall.run_team(StubMember("expert", "Yes. " * 9_000), "First?")
        await hall.run_team(StubMember("expert"), "Why?", continue_from=first.run_id)
    assert threads
    assert threading.get_ident() not in threads


async def test_what_matters_most_of_an_old_run_is_told_in_every_follow_up(home: Path) -> None:
    class Keeps(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await run.remember("The contract ends on 31 May.", importance=0.9)
            await run.remember("The pen is blue.", importance=0.8)
            await run.remember("Bob is ill.", importance=1.0, visibility="private")
            return await super().run(message, run)

    long, reader = "It goes on and on about this. " * 400, StubMember("reader", "Yes.")
    async with Hall.open() as hall:
        run = await hall.run_team(Keeps("expert", long), "First?")
        for number in range(2, 8):
            run = await hall.run_team(
                StubMember("expert", long), f"Number {number}?", continue_from=run.run_id
            )
        await hall.run_team(reader, "Well?", continue_from=run.run_id)
    [quote] = conversation(reader)
    assert quote.text.startswith("- To be kept in mind: The contract ends on 31 May.\n\n")
    assert "pen is blue" not in quote.text
    assert "Bob is ill" not in quote.text


class Noting(StubMember):
    async def run(self, message: Message, run: Run) -> Message:
        await noted(
            run, "Invoices are due within 30 days.", kind="decision", task="", author="bob", private=False
        )
        return await super().run(message, run)


async def test_what_members_noted_as_decided_is_told_however_long_the_conversation_is(home: Path) -> None:
    member = StubMember("bob", "Then so be it.")
    async with Hall.open() as hall:
        run = await hall.run_team(Noting("bob", "Fine. " * 10), "Settle the invoices?")
        for number in range(4):
            long = StubMember("bob", f"Answer {number}. {'word ' * 2_500}.")
            run = await hall.run_team(long, f"Question {number}?", continue_from=run.run_id)
        await hall.run_team(member, "And now?", continue_from=run.run_id)
    [quote] = conversation(member)
    assert "Invoices are due within 30 days." in quote.text


class Remembering(StubMember):
    async def run(self, message: Message, run: Run) -> Message:
        await run.remember("Launches begin at the ninth pad, so the project says.")
        return await super().run(message, run)


async def test_what_a_follow_up_remembers_is_trusted_as_little_as_what_the_first_was_told(home: Path) -> None:
    async with Hall.open() as hall:
        await hall.remember("The rocket launches from pad nine.", trust=0.5)
        asked = StubMember("ann", "From there.")
        first = await hall.run_team(asked, "Where does the rocket launch from?")
        await hall.run_team(Remembering("bob", "Done."), "Thank you.", continue_from=first.run_id)
        [record] = [hit.record for hit in await hall.recall("launches begin") if "ninth" in hit.record.text]
    assert record.trust == 0.5
