"""A manager plans, members do the steps, and what goes wrong costs no more than it has to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from limiting import Process, until
from managing import Managing, Working, labels, managed, never, plan, step
from support import Books, given

from guildhall.agents import Agent, Message, ModelReply, ModelRequest, Run, tool
from guildhall.agents.event import Asked, Decided, Finished, Said, Started
from guildhall.agents.kinds import Review, Wanted
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns.hierarchy import Hierarchy
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, NeedsInput, TooFew, UserError

LINE = plan(step("facts", "ann"), step("draft", "bob", "facts"))


def decided(books: Books, what: str) -> list[Any]:
    return [event for event in books.of(Decided) if event.what == what]


async def test_the_manager_makes_one_answer_of_all_steps_and_all_of_it_is_told() -> None:
    boss, model = managed(LINE)
    books, bob = Books(), Working("bob")
    team = Hierarchy("team", [Working("ann"), bob], boss)
    answer = await given(team, "Write it.", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "made of ann did facts, bob did draft"
    assert model.integrated[0].turns[1].text == "Write it."
    assert [event.path for event in books.of(Started)] == [
        "team", "team/boss", "team/step:facts", "team/step:draft", "team/boss.2",
    ]  # fmt: skip
    assert [(said.to, said.text) for said in books.of(Said)] == [
        ("bob", "facts: ann did facts"), ("boss", "facts: ann did facts"), ("boss", "draft: bob did draft"),
    ]  # fmt: skip
    [event] = decided(books, "plan")
    reply = next(event for event in books.events if event.kind == "replied")
    assert (event.choice, event.reason, event.evidence) == ("2 steps", "as boss has planned", (reply.id,))
    assert event.data[1] == {
        "id": "draft", "who": "bob", "task": "Do draft.", "needs": ["facts"], "priority": 0, "model": "",
        "expected": "", "acceptance": "",
    }  # fmt: skip


async def test_a_step_starts_the_moment_its_own_needs_are_met() -> None:
    begun = asyncio.Event()

    async def wait_for_the_third(message: Message) -> None:
        if message.text == "Do slow.":
            await begun.wait()  # a barrier between layers would wait for ever
        if message.text == "Do third.":
            begun.set()

    line = [step("first", "bob"), step("second", "bob", "first"), step("third", "bob", "second")]
    boss, _ = managed(plan(step("slow", "ann"), *line))
    members = [Working(name, before=wait_for_the_third) for name in ("ann", "bob")]
    answer = await given(Hierarchy("team", members, boss), "Go.")
    assert answer.text == "made of ann did slow, bob did first, bob did second, bob did third"


async def test_contradicting_answers_reach_whoever_integrates_whole_with_the_word_to_name_them() -> None:
    boss, model = managed(plan(step("one", "ann"), step("two", "bob")))
    members = [StubMember("ann", "It is 5 days."), StubMember("bob", "It is 9 days.")]
    await given(Hierarchy("team", members, boss), "How long?")
    asked = model.integrated[0].turns[1]
    answers = [(quote.label, quote.text) for quote in asked.quotes if quote.kind == "answer"]
    assert answers == [("one", "It is 5 days."), ("two", "It is 9 days.")]
    assert "name the contradiction and both sides" in asked.brief


async def test_a_synthesizer_integrates_in_place_of_the_manager_and_gives_what_is_wanted() -> None:
    boss, model = managed(LINE)
    last = Agent("editor", "Edit.", [ScriptedModel('{"accepted": true, "reason": "all there"}')])
    team = Hierarchy("team", [Working("ann"), Working("bob")], boss, synthesizer=last)
    answer = await Run(RunState("r" * 32)).give(team, Message(text="Go."), wanted=Wanted(Review))
    assert answer.data == Review(accepted=True, reason="all there")
    assert model.integrated == []


async def test_an_answer_that_is_not_accepted_goes_back_to_its_worker_with_the_objection() -> None:
    boss, model = managed(
        plan(step("draft", "ann", acceptance="It has a title.")),
        objection=lambda answer: "" if "title" in answer else "there is no title",
    )

    class Learning(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            self.answer = "with a title" if self.calls else "plain"
            return await super().run(message, run)

    ann, books = Learning("ann"), Books()
    answer = await given(Hierarchy("team", [ann], boss), "Write it.", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "made of with a title"
    first, again = ann.messages
    assert again.text == first.text
    assert [quote.text for quote in again.quotes[-2:]] == ["plain", "there is no title"]
    assert [event.choice for event in decided(books, "check")] == ["not passed", "passed"]
    assert decided(books, "check")[0].data == {"check": "acceptance", "of": "draft"}
    asked = model.reviewed[0].turns[1]
    assert asked.text == "Do draft."
    assert [(quote.label, quote.text) for quote in asked.quotes[-2:]] == [
        ("acceptance", "It has a title."), ("ann", "plain"),
    ]  # fmt: skip


@pytest.mark.parametrize("revisions", [0, 2])
async def test_a_step_that_is_never_accepted_has_failed_after_its_revisions(revisions: int) -> None:
    boss, model = managed(
        plan(step("draft", "ann", acceptance="It is good."), step("other", "bob")),
        objection=lambda answer: "it is not good",
    )
    ann, state = Working("ann"), RunState("r" * 32)
    team = Hierarchy("team", [ann, Working("bob")], boss, revisions=revisions, replan=0)
    answer = await given(team, "Write it.", state=state)
    assert ann.calls == len(model.reviewed) == 1 + revisions
    assert answer.text == "made of bob did other, lacking draft"
    assert state.notices == ["1 of 2 members answered; no answer from draft"]
    [failed] = [quote for quote in model.integrated[0].turns[1].quotes if quote.failed]
    assert failed.text == "ann gave an answer that was not accepted: it is not good"


@pytest.mark.parametrize("review", ["Fine with me.", Failure("no more reviews")])
async def test_an_answer_that_cannot_be_checked_is_kept_and_that_is_said(review: str | Exception) -> None:
    boss, _ = managed(plan(step("draft", "ann", acceptance="It is good.")), given={"review": review})
    state, books = RunState("r" * 32), Books()
    state.sinks = [books]
    answer = await given(Hierarchy("team", [Working("ann")], boss), "Write it.", state=state)
    assert answer.text == "made of ann did draft"
    assert state.notices[0].startswith("the answer to step draft was not checked: ")
    assert [event.choice for event in decided(books, "check")] == ["not checked"]


async def test_a_failed_step_is_planned_anew_once_and_what_is_done_is_kept() -> None:
    first = plan(step("facts", "ann"), step("draft", "bad", "facts"), step("edit", "bob", "draft"))
    second = plan(step("draft", "bob", "facts"), step("edit", "bob", "draft"))
    boss, model = managed(first, second)
    ann, bob, bad = Working("ann"), Working("bob"), Working("bad", Failure("tired"))
    state, books = RunState("r" * 32), Books()
    state.sinks = [books]
    answer = await given(Hierarchy("team", [ann, bob, bad], boss), "Write it.", state=state)
    assert answer.text == "made of ann did facts, bob did draft.2, bob did edit"
    assert (ann.calls, bad.calls, bob.calls) == (1, 1, 2)
    assert labels(bob.messages[0]) == ["facts"]
    asked = model.planned[1].turns[1]
    results = [(quote.label, quote.text, quote.failed) for quote in asked.quotes if quote.kind == "answer"]
    assert results == [
        ("facts", "ann did facts", False),
        ("draft", "tired", True),
        ("edit", "not taken, because draft has failed", True),
    ]
    assert "- draft (bad, after facts): Do draft." in next(q.text for q in asked.quotes if q.label == "plan")
    again = decided(books, "plan")[1]
    assert again.reason == "after draft: tired; edit: not taken, because draft has failed"
    [notice] = state.notices
    assert notice == (
        "boss has planned anew what was left to do, "
        "after draft: tired; edit: not taken, because draft has failed"
    )
    remarks = [quote.text for quote in model.integrated[0].turns[1].quotes if quote.kind == "remark"]
    assert remarks == ["tired", "not taken, because draft has failed"]
    [plan_shown] = [quote.text for quote in model.integrated[0].turns[1].quotes if quote.label == "plan"]
    assert [line.split(":")[0] for line in plan_shown.splitlines()] == [
        "- facts (ann)", "- draft (bob, after facts)", "- edit (bob, after draft)",
    ]  # fmt: skip


@pytest.mark.parametrize("second", [plan(), "No plan.", Failure("no more plans")])
async def test_without_another_plan_the_answer_is_made_of_what_there_is(second: str | Exception) -> None:
    boss, _ = managed(plan(step("good", "ann"), step("lost", "bad")), second)
    state = RunState("r" * 32)
    team = Hierarchy("team", [Working("ann"), Working("bad", ValueError("broken"))], boss)
    answer = await given(team, "Go.", state=state)
    assert answer.text == "made of ann did good, lacking lost"
    assert state.notices[-1] == "1 of 2 members answered; no answer from lost"


async def test_a_team_that_fails_again_is_not_planned_a_third_time_and_says_what_is_missing() -> None:
    boss, model = managed(plan(step("lost", "bad")))
    with pytest.raises(TooFew, match="0 of 1 members answered and 1 are needed: lost: tired"):
        await given(Hierarchy("team", [Working("bad", Failure("tired"))], boss), "Go.")
    assert len(model.planned) == 2


async def test_fewer_steps_than_are_needed_are_no_plan() -> None:
    boss, model = managed(plan(step("one", "ann")), plan(step("one", "ann"), step("two", "ann")))
    await given(Hierarchy("team", [Working("ann")], boss, need=2), "Go.")
    assert "the plan has 1 steps; give 2 to 20" in model.planned[1].turns[-1].text


async def test_a_step_that_stalls_is_stopped_and_planned_anew() -> None:
    stopped = asyncio.Event()

    async def stall(message: Message) -> None:
        try:
            await never()
        finally:
            stopped.set()

    boss, _ = managed(plan(step("slow", "ann")), plan(step("quick", "bob")))
    books = Books()
    team = Hierarchy("team", [Working("ann", before=stall), Working("bob")], boss, stall_seconds=0.02)
    answer = await given(team, "Go.", state=RunState("r" * 32, sinks=[books]))
    assert stopped.is_set()
    assert answer.text == "made of bob did quick"
    assert [event.choice for event in decided(books, "watchdog")] == ["step slow stopped"]
    ends = {event.path: event.outcome for event in books.of(Finished)}
    assert ends["team/step:slow"] == "cancelled"
    assert ends["team"] == "answered"


async def test_a_specialist_is_engaged_for_its_step_and_only_as_many_as_are_allowed() -> None:
    model = ScriptedModel("It is legal.", "It is safe.")
    temporary = Agent("temporary", "You are a specialist.", [model])
    first = plan(step("law", "lee"), step("lost", "bad"), engage=[("lee", "a patent lawyer")])
    second = plan(step("safety", "mia"), engage=[("mia", "a physician"), ("kim", "a cook")])
    third = plan(step("safety", "mia"), engage=[("mia", "a physician")])
    boss, boss_model = managed(first, second, third)
    books = Books()
    members = [Working("bad", Failure("tired"))]
    team = Hierarchy("team", members, boss, temporary=temporary, most_engaged=2)
    answer = await given(team, "Check it.", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "made of It is legal., It is safe."
    assert "engages 2 specialists; at most 1" in boss_model.planned[2].turns[-1].text
    assert [q.label for q in boss_model.planned[1].turns[1].quotes if q.kind == "specialist"] == [
        "bad",
        "lee",
    ]
    lee = next(event for event in books.of(Started) if event.path == "team/step:law")
    assert (lee.who, lee.role) == ("lee", "a patent lawyer")
    asked = model.requests[0]
    assert "patent" not in asked.turns[0].text  # a manager's words are never instructions of the system
    assert asked.turns[1].text == "You are engaged as this: a patent lawyer.\n\nDo law."
    assert decided(books, "plan")[0].reason == "engaged lee: a patent lawyer"


def test_who_is_engaged_can_change_nothing() -> None:
    @tool(risk="write")
    def save(text: str) -> str:
        """Save it."""
        return text

    boss, _ = managed()
    temporary = Agent("temporary", "Write.", [ScriptedModel()], [save])
    with pytest.raises(UserError, match="can only read, and has save"):
        Hierarchy("team", [StubMember("ann")], boss, temporary=temporary)


async def test_a_step_that_waits_for_a_human_pauses_the_team_once_the_others_have_ended() -> None:
    boss, model = managed(plan(step("ask", "human"), step("work", "ann"), step("after", "ann", "ask")))
    ann = Working("ann")
    team = Hierarchy("team", [ann, Working("human", NeedsInput("Which one?", "q1"))], boss)
    with pytest.raises(NeedsInput, match="Which one"):
        await given(team, "Go.")
    assert (ann.calls, len(model.planned), len(model.integrated)) == (1, 1, 0)


async def test_where_calls_must_wait_those_of_steps_with_a_higher_priority_go_first(here: Process) -> None:
    boss, _ = managed(plan(*(step(f"s{n}", "ann", priority=p) for n, p in enumerate([0, -5, 5, 1]))))

    class Limited(ScriptedModel):
        identity = "worker"  # models without one have no limits

    model, books = Limited(*["done"] * 4, name="worker"), Books()
    held = await here.slots.take("worker", tokens=1, on_wait=here.reasons.append)
    team = Hierarchy("team", [Agent("ann", "Work.", [model])], boss)
    state = RunState("r" * 32, sinks=[books], slots=here.slots)
    work = asyncio.create_task(given(team, "Go.", state=state))
    await until(lambda: len(here.slots._lines["worker"]) == 4)
    held.free()
    await work
    assert [request.turns[1].text for request in model.requests] == ["Do s2.", "Do s3.", "Do s0.", "Do s1."]


@dataclass
class Rounds:
    """Models that all answer at once, when nobody has anything left to do but wait: how often is the length
    of the chain of calls that a user waits for."""

    rounds: int = 0
    waiting: list[asyncio.Event] = field(default_factory=list)

    def model(self, inner: Any) -> Any:
        rounds = self

        class Timed:
            name = inner.name
            price = (1.0, 1.0)

            async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
                rounds.waiting.append(turn := asyncio.Event())
                await turn.wait()
                reply: ModelReply = await inner.complete(request, on_text)
                return reply

        return Timed()

    async def counted(self, work: "asyncio.Task[Message]") -> int:
        while not work.done():
            for _ in range(100):
                await asyncio.sleep(0)
            self.rounds += bool(self.waiting)
            ready, self.waiting = self.waiting, []
            for turn in ready:
                turn.set()
        return self.rounds


@pytest.mark.parametrize(("acceptance", "calls"), [("", 6), ("It is good.", 7)])
async def test_a_plan_of_twelve_steps_and_depth_four_is_waited_for_six_calls_and_one_more_for_each_check(
    acceptance: str, calls: int
) -> None:
    places = [(row, column) for row in range(4) for column in range(3)]
    steps = [step(f"s{r}{c}", "ann", *([f"s{r - 1}{c}"] if r else [])) for r, c in places]
    steps[4]["acceptance"] = acceptance
    rounds = Rounds()
    boss = Agent("boss", "Manage.", [rounds.model(Managing([plan(*steps)]))])
    ann = Agent("ann", "Work.", [rounds.model(ScriptedModel(*["done"] * 12))])
    work = asyncio.create_task(given(Hierarchy("team", [ann], boss), "Go."))
    assert await rounds.counted(work) == calls
    assert work.result().text.count("done") == 12


async def test_reviews_have_their_steps_in_their_paths_so_that_no_timing_moves_them() -> None:
    boss, _ = managed(plan(step("a", "ann", acceptance="ok"), step("b", "ann", acceptance="ok")))
    books = Books()
    await given(Hierarchy("team", [Working("ann")], boss), "Go.", state=RunState("r" * 32, sinks=[books]))
    asked = {event.path for event in books.of(Asked)}
    assert asked == {"team/boss/ask", "team/check:a/ask", "team/check:b/ask", "team/boss.2/ask"}


def test_everybody_takes_part_as_often_as_can_be() -> None:
    boss, _ = managed()
    temporary = Agent("temporary", "Work.", [ScriptedModel()])
    team = Hierarchy("team", [StubMember("ann")], boss, temporary=temporary, most_steps=5)
    assert [(part.member.name, part.role, part.times) for part in team.parts] == [
        ("boss", "manager", 25), ("ann", "member", 20), ("temporary", "temporary", 20),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda boss: Hierarchy("team", [], boss), "team has no members"),
        (lambda boss: Hierarchy("team", [StubMember("ann")], "boss"), "has 'boss' for a member"),  # type: ignore[arg-type]  # what is wrong
        (lambda boss: Hierarchy("team", [StubMember("ann")] * 2, boss), "several members called ann"),
        (lambda boss: Hierarchy("team", [StubMember("ann")], boss, revisions=9), "revisions is 9"),
        (lambda boss: Hierarchy("team", [StubMember("ann")], boss, replan=-1), "replan is -1"),
        (lambda boss: Hierarchy("team", [StubMember("ann")], boss, most_steps=61), "most_steps is 61"),
        (lambda boss: Hierarchy("team", [StubMember("ann")], boss, need=21), "need is 21"),
        (lambda boss: Hierarchy("team", [StubMember("ann")], boss, stall_seconds=0), "stall_seconds is 0"),
    ],
)  # fmt: skip
def test_what_is_put_together_wrongly_is_refused(make: Callable[[Any], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(managed()[0])
