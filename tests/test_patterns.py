"""Members work side by side and one after the other, and nothing that was paid for is lost."""

import asyncio
from collections.abc import Callable

import pytest
from support import Books, given

from guildhall.agents import Agent, Message, Parallel, Pipeline, Run
from guildhall.agents.event import Finished, Said, Started
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, TooFew, UserError


async def test_parallel_members_work_at_the_same_time_and_the_synthesizer_gets_every_answer() -> None:
    both = asyncio.Barrier(2)

    class Meeting(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await both.wait()
            return await super().run(message, run)

    chair = StubMember("chair", "in sum")
    team = Parallel("team", [Meeting("ann", "yes"), Meeting("bob", "no")], chair)
    books = Books()
    answer = await given(team, "Well?", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "in sum"
    quotes = chair.messages[0].quotes
    assert [(quote.label, quote.text) for quote in quotes] == [("ann", "yes"), ("bob", "no")]
    assert [(said.who, said.to) for said in books.of(Said)] == [("team", "chair"), ("team", "chair")]
    assert [started.path for started in books.of(Started)] == ["team", "team/ann", "team/bob", "team/chair"]


async def test_a_failed_member_keeps_the_others_answers_and_is_never_quoted_as_an_answer() -> None:
    chair, state = StubMember("chair", "in sum"), RunState("r" * 32)
    team = Parallel("team", [StubMember("ann", "yes"), StubMember("bob", ValueError("broken"))], chair)
    answer = await given(team, "Well?", state=state)
    assert answer.text == "in sum"
    ann, bob = chair.messages[0].quotes
    assert not ann.failed
    assert bob.failed
    assert state.notices == ["1 of 2 members answered; no answer from bob"]


async def test_too_few_answers_fail_the_team_and_say_who_failed_why() -> None:
    team = Parallel("team", [StubMember("ann", "yes"), StubMember("bob", Failure("tired"))], need=2)
    with pytest.raises(TooFew, match="1 of 2 members answered and 2 are needed: bob: tired"):
        await given(team, "Well?")


async def test_each_stage_of_a_pipeline_sees_the_task_and_all_earlier_answers() -> None:
    stages = [StubMember(name, f"{name} said") for name in ("draft", "check", "edit")]
    answer = await given(Pipeline("line", stages), "Write it.")
    assert answer.text == "edit said"
    assert answer.sender == "line"
    last = stages[2].messages[0]
    assert last.text == "Write it."
    assert [quote.text for quote in last.quotes] == ["draft said", "check said"]


async def test_a_failing_stage_ends_the_pipeline() -> None:
    last = StubMember("edit")
    with pytest.raises(Failure, match="tired"):
        await given(Pipeline("line", [StubMember("draft", Failure("tired")), last]), "Write it.")
    assert last.calls == 0


async def test_patterns_nest_and_every_span_knows_who_worked_for_whom() -> None:
    model = ScriptedModel("a", "b", "c")
    agents = [Agent(name, "Answer.", [model]) for name in ("ann", "bob", "cid")]
    books = Books()
    inner = Pipeline("inner", agents[:2])
    await given(
        Parallel("outer", [inner, StubMember("stub")], agents[2]),
        "Go.",
        state=RunState("r" * 32, sinks=[books]),
    )
    assert {finished.path for finished in books.of(Finished)} == {
        "outer", "outer/inner", "outer/inner/ann", "outer/inner/bob", "outer/stub", "outer/cid",
    }  # fmt: skip


async def test_the_answer_leads_back_to_every_reply_it_rests_on() -> None:
    model, books = ScriptedModel("a", "b", "c"), Books()
    agents = [Agent(name, "Answer.", [model]) for name in ("ann", "bob", "cid")]
    answer = await given(
        Parallel("team", agents[:2], agents[2]), "Go.", state=RunState("r" * 32, sinks=[books])
    )
    replies = {event.id for event in books.events if event.kind == "replied"}
    assert set(answer.sources) == replies
    assert len(replies) == 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Pipeline("line", []), "line has no members"),
        (lambda: Parallel("team", []), "team has no members"),
        (lambda: Parallel("team", [StubMember("ann")], need=2), "2 answers of 1 members"),
        (lambda: Parallel("team", [StubMember("ann")], need=0), "0 answers of 1 members"),
        (lambda: Pipeline("line", [StubMember("ann"), "bob"]), "line has 'bob' for a member"),  # type: ignore[list-item]  # what is wrong
        (lambda: Parallel("team", [StubMember("ann")], "bob"), "team has 'bob' for a member"),  # type: ignore[arg-type]  # what is wrong
        (lambda: Agent("ann", "Answer.", []), "ann has no model to ask"),
        (lambda: Agent("ann", "Answer.", ["fast"]), "ann has 'fast' for a model"),  # type: ignore[list-item]  # what is wrong
        (lambda: Agent("ann", "Answer.", [ScriptedModel()], [len]), "make it one with @tool"),  # type: ignore[list-item]  # what is wrong
        (lambda: Agent("", "Answer.", [ScriptedModel()]), "an agent needs a name"),
        (lambda: Agent("ann", "Answer.", [ScriptedModel()], turns=0), "must be 1 or more"),
    ],
)  # fmt: skip
def test_what_is_put_together_wrongly_is_refused_at_once(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


async def test_a_reason_that_several_share_is_told_once() -> None:
    team = Parallel("team", [StubMember(name, Failure("no key")) for name in ("ann", "bob")])
    with pytest.raises(TooFew, match=r"needed: ann, bob: no key$"):
        await given(team, "Well?")


async def test_an_answer_that_is_no_message_fails_that_member_and_says_so() -> None:
    class Careless(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            return "fine"  # type: ignore[return-value]  # what is wrong

    books = Books()
    with pytest.raises(Failure, match="bob answered with 'fine', which is no Message"):
        await given(Careless("bob"), "Well?", state=RunState("r" * 32, sinks=[books]))
    assert [finished.outcome for finished in books.of(Finished)] == ["failed"]


@pytest.mark.parametrize("blank", ["", " \n\t"])
async def test_an_answer_without_a_word_counts_for_nothing(blank: str) -> None:
    members = [*(StubMember(name, blank) for name in ("ann", "bob")), StubMember("cyd", "In May.")]
    state = RunState("r" * 32)
    answer = await given(Parallel("team", members), "When?", state=state)
    assert answer.text == "## cyd\n\nIn May."
    assert "no answer from ann, bob" in state.notices[0]
    with pytest.raises(TooFew, match="the answer is empty"):
        await given(Parallel("team", members, need=2), "When?")
