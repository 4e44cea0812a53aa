"""A question to the user is answered once, by the user alone, whatever becomes of the process that asks."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from asking import Asks, Person
from fake_models import FakeModels, Says, fake_models
from support import Books, Waiting

from guildhall.agents import (
    Agent,
    Budget,
    Hall,
    Member,
    Message,
    ModelReply,
    Parallel,
    Pipeline,
    ToolCall,
    ToolContext,
    tool,
)
from guildhall.agents.event import Answered, Finished, Question, RunFinished
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, RunRefused, UserError


def over_http(name: str, server: FakeModels) -> Agent:
    return Agent(
        name, f"You are {name}.", [OpenAICompatibleModel("m", base_url=f"{server.url}/v1", api_key="k")]
    )


async def test_who_is_there_answers_and_the_run_goes_on(home: Path) -> None:
    person, books = Person(["y"]), Books()
    async with Hall.open() as hall:
        result = await hall.run_team(Asks(), "Pay.", human=person, sinks=[books])
    assert (result.status, result.answer, result.questions) == ("done", "clerk was told yes", ())
    [question], [answered] = books.of(Question), books.of(Answered)
    assert (question.text, question.options, question.name) == (
        "May we pay?",
        ("yes", "no"),
        person.asked[0].id,
    )
    assert (answered.question, answered.text, answered.by) == (question.id, "yes", "user")


async def test_where_nobody_is_there_the_run_pauses_and_says_what_it_asks(home: Path) -> None:
    books = Books()
    async with Hall.open() as hall:
        result = await hall.run_team(Asks(), "Pay.", sinks=[books])
        [question] = result.questions
        assert (question.who, question.text, question.options) == ("clerk", "May we pay?", ("yes", "no"))
        assert (await hall.find(result.run_id)).status == result.status == "needs_input"
        assert [event.outcome for event in books.of(RunFinished) + books.of(Finished)] == ["waiting"] * 2
        with pytest.raises(RunRefused, match=rf"clerk asks: May we pay\?.*guildhall answer .* {question.id}"):
            await hall.resume(result.run_id, team=Asks())
        done = await hall.answer(result.run_id, "no", team=Asks())
    assert (done.status, done.answer, done.questions) == ("done", "clerk was told no", ())


async def test_the_answer_outlives_the_process_and_nothing_is_asked_or_paid_twice(home: Path) -> None:
    with fake_models(lambda body, api: Says("paid for")) as server:

        def team() -> Member:
            return Pipeline("line", [over_http("first", server), Asks(), over_http("last", server)])

        async with Hall.open() as hall:
            paused = await hall.run_team(team(), "Pay.", cache="off")
        assert (paused.status, len(server.requests)) == ("needs_input", 1)
        async with Hall.open() as hall:
            result = await hall.answer("", "yes", team=team())
            again = [event for event in await hall.events(paused.run_id) if isinstance(event, Question)]
        assert (result.status, result.answer, len(server.requests)) == ("done", "paid for", 2)
    assert len({event.name for event in again}) == 1
    assert result.usage.calls == 2


async def test_of_two_answers_at_the_same_time_one_counts_and_the_other_is_told(home: Path) -> None:
    async with Hall.open() as hall, Hall.open() as other:
        paused = await hall.run_team(Asks(options=()), "Pay.")
        ends = await asyncio.gather(
            *(
                each.answer(paused.run_id, word, team=Asks(options=()))
                for each, word in ((hall, "one"), (other, "two"))
            ),
            return_exceptions=True,
        )
        result = await hall.result(paused.run_id)
    [refused] = [end for end in ends if isinstance(end, RunRefused)]
    [done] = [end for end in ends if not isinstance(end, BaseException)]
    assert result.answer in ("clerk was told one", "clerk was told two")
    assert done.status in ("done", "running")
    assert "answered already" in str(refused) or "asks nothing" in str(refused)


async def test_another_process_answers_while_somebody_is_asked_here(home: Path) -> None:
    person = Person()
    async with Hall.open() as hall, Hall.open() as other:
        work = asyncio.create_task(hall.run_team(Asks(), "Pay.", human=person, run_id="a" * 32))
        await person.begun.wait()
        there = await other.result("a" * 32)
        assert (there.status, [question.id for question in there.questions]) == (
            "running",
            [person.asked[0].id],
        )
        assert (await other.answer("aaaa", "yes")).status in ("running", "done")
        assert (await work).answer == "clerk was told yes"
        await person.left.wait()


async def test_an_answer_that_comes_while_others_are_at_work_is_gone_on_with(home: Path) -> None:
    go_on, asked, books = asyncio.Event(), asyncio.Event(), Books()
    model = Waiting(let_go=go_on)

    def note(event: object) -> None:
        if isinstance(event, Question):
            asked.set()

    async with Hall.open() as hall, Hall.open() as other:
        team = Parallel("both", [Asks(), Agent("slow", "Be slow.", [model])])
        work = asyncio.create_task(hall.run_team(team, "Pay.", run_id="b" * 32, sinks=[books, note]))
        await asked.wait()
        assert (await other.answer("b" * 32, "yes")).status == "running"
        go_on.set()
        result = await work
    assert (result.status, model.calls) == ("done", 1)
    assert "clerk was told yes" in result.answer
    assert books.balanced
    assert len(books.of(RunFinished)) == 2


async def test_the_others_come_to_their_end_before_the_run_pauses(home: Path) -> None:
    others = [StubMember("ann", "first"), StubMember("bob", Failure("no idea"))]
    async with Hall.open() as hall:
        team = Parallel("all", [Asks(), *others])
        result = await hall.run_team(team, "Pay.")
        said = {part.member: part.status for part in result.contributions}
        assert said == {"clerk": "waiting", "ann": "answered", "bob": "failed"}
        done = await hall.answer(result.run_id, "yes", team=team)
    assert "clerk was told yes" in done.answer
    assert "no answer from bob" in " ".join(done.notices)


async def test_of_several_open_questions_the_one_that_is_answered_is_named(home: Path) -> None:
    def team() -> Member:
        inner = [Parallel(name, [Asks(name=f"{name}-asks", text=f"{name}?")]) for name in ("east", "west")]
        return Parallel("both", inner, need=2)

    async with Hall.open() as hall:
        paused = await hall.run_team(team(), "Pay.")
        east, west = sorted(paused.questions, key=lambda question: question.who)
        with pytest.raises(RunRefused, match=rf"asks 2 questions.*{east.id}|{west.id}"):
            await hall.answer(paused.run_id, "yes", team=team())
        with pytest.raises(UserError, match="no open question"):
            await hall.answer(paused.run_id, "please", question="yes", team=team())
        half = await hall.answer(paused.run_id, "yes", question=west.id[:5], team=team())
        assert (half.status, [question.id for question in half.questions]) == ("needs_input", [east.id])
        done = await hall.answer(paused.run_id, "no", team=team())
    assert "east-asks was told no" in done.answer
    assert "west-asks was told yes" in done.answer


async def test_an_answer_without_a_run_reaches_no_run_by_accident(home: Path) -> None:
    async with Hall.open() as hall:
        first, second = [await hall.run_team(Asks(), "Pay.") for _ in range(2)]
        with pytest.raises(RunRefused, match=f"2 runs wait.*guildhall answer {second.run_id[:12]}"):
            await hall.answer("", "yes", team=Asks())
        await hall.cancel(second.run_id)
        assert (await hall.answer("", "yes", team=Asks())).run_id == first.run_id


async def test_only_what_is_offered_can_be_answered(home: Path) -> None:
    async with Hall.open() as hall:
        paused = await hall.run_team(Asks(options=("north", "nowhere", "south")), "Go.")
        for text, said in (
            ("perhaps", "none of the answers"),
            ("no", "north or nowhere"),
            ("  ", "is empty"),
        ):
            with pytest.raises(UserError, match=said):
                await hall.answer(paused.run_id, text)
        done = await hall.answer(paused.run_id, " NOR ", team=Asks(options=("north", "nowhere", "south")))
        assert done.answer == "clerk was told north"
        with pytest.raises(RunRefused, match="asks nothing: it is done"):
            await hall.answer(paused.run_id, "south")
        with pytest.raises(RunRefused, match="no run waits"):
            await hall.answer("", "south")


@pytest.mark.parametrize(("options", "told"), [(("yes", "no"), "no"), ((), "None"), (("a", "b"), "None")])
@pytest.mark.slow
async def test_at_its_deadline_an_approval_is_no_and_any_other_has_no_answer(
    options: tuple[str, ...], told: str, home: Path
) -> None:
    books = Books()
    async with Hall.open() as hall:
        result = await hall.run_team(
            Asks(options=options, timeout=0.2), "Pay.", human=Person(), sinks=[books]
        )
    assert result.answer == f"clerk was told {told}"
    assert [answered.by for answered in books.of(Answered)] == ["deadline"]


async def test_a_deadline_that_passed_while_nothing_was_at_work_counts_too(home: Path) -> None:
    async with Hall.open() as hall:
        paused = await hall.run_team(Asks(timeout=3600), "Pay.")
        with closing(sqlite3.connect(home / "guildhall.db", isolation_level=None)) as db:
            db.execute("UPDATE questions SET deadline = deadline - 7200")
        with pytest.raises(
            RunRefused, match=r"deadline .* has passed, and it counts as no.*guildhall resume"
        ):
            await hall.answer(paused.run_id, "yes")
        assert (await hall.result(paused.run_id)).questions == ()
        with pytest.raises(RunRefused, match="no run waits"):
            await hall.answer("", "yes")
        result = await hall.resume(paused.run_id, team=Asks(timeout=3600))
    assert result.answer == "clerk was told no"


async def test_a_run_is_cancelled_while_it_waits_and_asks_again_when_it_is_resumed(home: Path) -> None:
    person, books = Person(), Books()
    async with Hall.open() as hall:
        work = asyncio.create_task(
            hall.run_team(Asks(), "Pay.", human=person, run_id="c" * 32, sinks=[books])
        )
        await person.begun.wait()
        assert (await hall.cancel("c" * 32)).status == "cancelled"
        assert (await work).status == "cancelled"
        assert [answered.by for answered in books.of(Answered)] == ["nobody"]
        with pytest.raises(RunRefused, match="it is cancelled; `guildhall resume"):
            await hall.answer("c" * 32, "yes")
        again = await hall.resume("c" * 32, team=Asks())
        assert [question.id for question in again.questions] == [person.asked[0].id]
        assert (await hall.cancel("c" * 32)).status == "cancelled"
        assert (
            await hall.resume("c" * 32, team=Asks(), human=Person(["yes"]))
        ).answer == "clerk was told yes"


async def test_a_question_of_other_words_needs_another_answer(home: Path) -> None:
    async with Hall.open() as hall:
        paused = await hall.run_team(Asks(text="May we pay 5?"), "Pay.")
        await hall.cancel(paused.run_id)
        again = await hall.resume(paused.run_id, team=Asks(text="May we pay 5000?"))
        assert again.questions[0].id != paused.questions[0].id
        with pytest.raises(RunRefused, match="nobody waits for an answer"):
            await hall.answer(paused.run_id, "yes", question=paused.questions[0].id)


async def test_a_question_with_other_options_takes_the_place_of_the_one_before(home: Path) -> None:
    def team(*options: str) -> Parallel:
        return Parallel("team", [Asks("ann"), Asks("bob", options=options)])

    async with Hall.open() as hall:
        paused = await hall.run_team(team("left", "right"), "Go.")
        [ann, bob] = paused.questions
        again = await hall.answer(paused.run_id, "yes", question=ann.id, team=team("up", "down"))
        assert bob.options == ("left", "right")
        assert [one.options for one in again.questions] == [("up", "down")]
        done = await hall.answer(paused.run_id, "up", team=team("up", "down"))
    assert done.answer == "## ann\n\nann was told yes\n\n## bob\n\nbob was told up"


async def test_a_tool_asks_before_it_acts_and_the_others_called_beside_it_are_not_cut_short(
    home: Path,
) -> None:
    done: list[str] = []

    @tool(risk="write", idempotent=False)
    async def pay(context: ToolContext, euros: int) -> str:
        """Pay an invoice."""
        if not await context.run.approved(f"May I pay {euros} euros?"):
            return "it was not allowed"
        done.append(f"paid {euros}")
        return "paid"

    @tool(risk="write", idempotent=False)
    async def file_it() -> str:
        """File the invoice."""
        await asyncio.sleep(0)
        done.append("filed")
        return "filed"

    calls = (ToolCall(id="1", name="pay", arguments={"euros": 5}), ToolCall(id="2", name="file_it"))
    clerk = Agent("clerk", "Pay.", [ScriptedModel(ModelReply(calls=calls), "All is done.")], [pay, file_it])
    async with Hall.open() as hall:
        paused = await hall.run_team(clerk, "Pay it.")
        assert (paused.questions[0].text, done) == ("May I pay 5 euros?", ["filed"])
        result = await hall.answer(paused.run_id, "yes", team=clerk)
    assert (result.answer, done) == ("All is done.", ["filed", "paid 5"])


@pytest.mark.slow
async def test_no_time_of_the_run_goes_by_while_only_a_human_is_waited_for(home: Path) -> None:
    person = Person()
    agent = Agent("quick", "Be quick.", [ScriptedModel("done")])
    async with Hall.open() as hall, Hall.open() as other:
        team = Pipeline("line", [Asks(), agent])
        budget = Budget(seconds=0.3)
        work = asyncio.create_task(hall.run_team(team, "Pay.", human=person, run_id="d" * 32, budget=budget))
        await person.begun.wait()
        await asyncio.wait({work}, timeout=1.0)  # longer than the run may take, and than its grace
        await other.answer("d" * 32, "yes")
        result = await work
    assert (result.status, result.answer) == ("done", "done")
    assert result.seconds < 0.3


async def test_a_face_that_fails_is_one_where_nobody_is(home: Path) -> None:
    async def broken(question: object) -> str:
        raise OSError("the terminal is gone")

    async with Hall.open() as hall:
        assert (await hall.run_team(Asks(), "Pay.", human=broken)).status == "needs_input"
        assert (await hall.run_team(Asks(), "Pay.", human=Person([None]))).status == "needs_input"


async def test_options_and_times_that_cannot_be_are_refused(home: Path) -> None:
    class Wrong(StubMember):
        async def run(self, message: Message, run: object) -> Message:
            for options in (("one",), ("a", "A"), ("", "b"), "yes"):
                with pytest.raises(UserError, match="options"):
                    await run.question("?", options=options)  # type: ignore[attr-defined]  # a Run
            with pytest.raises(UserError, match="is empty"):
                await run.question(" \n")  # type: ignore[attr-defined]  # a Run
            with pytest.raises(UserError, match="timeout"):
                await run.question("?", timeout=0)  # type: ignore[attr-defined]  # a Run
            return Message(text="ok")

    async with Hall.open() as hall:
        assert (await hall.run_team(Wrong("w"), "Ask.")).answer == "ok"
