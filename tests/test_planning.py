"""A plan is carried out as it was made, or goes back to who made it before anybody works."""

import asyncio
import json
from typing import Any

import pytest
from choosing import BOTH, catalog
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st
from managing import Working, managed, plan, step
from support import Books, given

from guildhall.agents import Agent, Message, Quote, Run
from guildhall.agents.budget import Budget, Meter
from guildhall.agents.event import Decided, Started
from guildhall.agents.kinds import Plan
from guildhall.agents.models.router import Candidate, Candidates
from guildhall.agents.patterns.hierarchy import Hierarchy
from guildhall.agents.patterns.planning import MOST_STEPS, Offer
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, TooFew

GOOD = plan(step("draft", "ann"))
BAD = [
    (plan(), "the plan has 0 steps; give 1 to 5"),
    (plan(*(step(f"s{n}", "ann") for n in range(6))), "the plan has 6 steps; give 1 to 5"),
    (plan(step("a", "zoe")), "step 'a' is for 'zoe', who is not there; there are: ann, bob"),
    (plan(step("a", "ann"), step("a", "bob")), "several steps have the id 'a'; give each its own"),
    (plan(step("a", "ann", "z")), "step 'a' needs z; there are: a"),
    (plan(step("a", "ann", "b"), step("b", "bob", "a")), "steps wait for each other: "),
    (plan(step("a", "ann", "a")), "steps wait for each other: a -> a"),
    (plan(step("a/b", "ann")), "'a/b' is no id of a step"),
    (plan(step("a", "ann", task=" ")), "step 'a' has no task"),
    (plan(step("a", "lee"), engage=[("lee", "a lawyer")]), "nobody can be engaged"),
    ("No plan today.", "Invalid JSON"),
    (json.dumps({"steps": [step("a", "ann", model="huge")], "engage": []}), "steps.0.model"),
]


def team(manager: Any, **more: Any) -> Hierarchy:
    return Hierarchy("team", [Working("ann"), Working("bob")], manager, **{"most_steps": 5, **more})


def prototype(*said: str) -> Agent:
    return Agent("temporary", "You are a specialist.", [ScriptedModel(*said)])


@pytest.mark.parametrize(("bad", "words"), BAD)
async def test_a_plan_that_cannot_be_carried_out_goes_back_with_the_words_before_any_worker_is_called(
    bad: str, words: str
) -> None:
    boss, model = managed(bad, GOOD)
    books = Books()
    answer = await given(team(boss), "Write it.", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "made of ann did draft"
    attempt, objection = model.planned[1].turns[-2:]
    assert (attempt.role, attempt.text) == ("assistant", bad)
    assert words in objection.text
    assert [started.path for started in books.of(Started)] == [
        "team", "team/boss", "team/step:draft", "team/boss.2",
    ]  # fmt: skip


@pytest.mark.parametrize(("bad", "words"), BAD)
async def test_a_manager_that_is_no_agent_is_told_once_and_then_the_team_fails(bad: str, words: str) -> None:
    boss, workers = StubMember("boss", bad), [Working("ann"), Working("bob")]
    with pytest.raises(Failure, match="boss gave no plan that can be carried out") as failed:
        await given(Hierarchy("team", workers, boss, most_steps=5), "Write it.")
    assert words in str(failed.value)
    first, second = boss.messages
    assert second.text == first.text == "Write it."
    assert [quote.text for quote in second.quotes[len(first.quotes) :]][:1] == [bad]
    assert words in second.quotes[-1].text
    assert not any(worker.calls for worker in workers)


async def test_a_manager_that_never_gives_a_plan_fails_the_team_before_any_worker_is_called() -> None:
    boss, model = managed(plan())
    workers = [Working("ann"), Working("bob")]
    with pytest.raises(Failure, match="boss gave no valid Plan in 3 tries"):
        await given(Hierarchy("team", workers, boss), "Write it.")
    assert len(model.planned) == 3
    assert not any(worker.calls for worker in workers)


@pytest.mark.parametrize(
    ("engage", "words"),
    [
        ([("lee", "a lawyer"), ("mia", "a doctor"), ("kim", "a cook")], "engages 3 specialists; at most 2"),
        ([("ann", "a lawyer")], "somebody called 'ann' already"),
        ([("boss", "a lawyer")], "somebody called 'boss' already"),
        ([("lee", "a lawyer"), ("lee", "a doctor")], "somebody called 'lee' already"),
        ([("lee", " ")], "say what 'lee' is, in one line"),
        ([("lee", "a lawyer\nwho obeys")], "say what 'lee' is, in one line"),
        ([("lee", "x" * 201)], "say what 'lee' is, in one line"),
        ([("tax lawyer", "a lawyer")], "'tax lawyer' is no name for a specialist"),
    ],
)
async def test_who_is_engaged_wrongly_goes_back_to_the_manager(
    engage: list[tuple[str, str]], words: str
) -> None:
    boss, model = managed(plan(step("a", "ann"), engage=engage), GOOD)
    await given(team(boss, temporary=prototype(), most_engaged=2), "Write it.")
    assert words in model.planned[1].turns[-1].text


def test_all_that_is_wrong_with_a_plan_is_said_at_once() -> None:
    bad = Plan.model_validate_json(plan(step("a", "zoe"), step("a", "ann", task="")))
    wrong = Offer(["ann"]).wrong_with(bad)
    for words in ("several steps have the id 'a'", "'zoe', who is not there", "step 'a' has no task"):
        assert words in wrong
    assert Offer(["ann"]).most == MOST_STEPS


def test_a_finished_step_can_be_needed_and_is_not_planned_again() -> None:
    offer = Offer(["ann"], done=["draft"], least=0)
    assert offer.wrong_with(Plan.model_validate_json(plan(step("edit", "ann", "draft")))) == ""
    assert offer.wrong_with(Plan(steps=(), engage=())) == ""
    again = offer.wrong_with(Plan.model_validate_json(plan(step("draft", "ann"))))
    assert again.startswith("step 'draft' is finished; leave it out")


async def test_the_manager_is_shown_who_there_is_and_plans_the_task_itself() -> None:
    boss, model = managed(GOOD)
    ann = Agent("ann", "Write.", [ScriptedModel("a draft")], role="writes", capabilities=["letters"])
    await given(Hierarchy("team", [ann, Working("bob")], boss, most_steps=7), "Write it.")
    asked = model.planned[0].turns[1]
    assert asked.text == "Write it."
    assert "7 at most" in asked.brief
    assert "Nobody else can be engaged" in asked.brief
    assert [(quote.label, quote.text) for quote in asked.quotes] == [
        ("ann", "writes; letters"),
        ("bob", "bob"),
    ]


async def test_a_worker_gets_its_step_the_whole_task_and_the_answers_it_needs() -> None:
    edit = step("edit", "bob", "draft", "facts", expected="A page.", priority=7)
    boss, _ = managed(plan(step("draft", "ann"), step("facts", "ann"), step("other", "ann"), edit))
    workers = [Working("ann"), bob := Working("bob")]
    document = Quote(label="notes.md", kind="document", text="One fact.")
    message = Message(text="Write it.", priority=2, quotes=(document,))
    state = RunState("r" * 32, Meter(Budget()))
    await Run(state).give(Hierarchy("team", workers, boss), message)
    work = bob.messages[0]
    assert work.text == "Do edit.\n\nTo give: A page."
    assert work.priority == 9
    assert [(quote.label, quote.kind, quote.text) for quote in work.quotes] == [
        ("notes.md", "document", "One fact."),
        ("team", "task", "Write it."),
        ("draft", "answer", "ann did draft"),
        ("facts", "answer", "ann did facts"),
    ]
    assert "no others" in work.brief


@pytest.mark.parametrize(("tier", "name"), [("fast", "p:small"), ("strong", "p:big")])
async def test_a_step_takes_the_tier_it_is_planned_for_where_its_worker_has_a_choice(
    tier: str, name: str
) -> None:
    small, big = ScriptedModel("done", name="p:small"), ScriptedModel("done", name="p:big")
    open_ = Candidates((Candidate(small, frozenset({"fast"})), Candidate(big, frozenset({"strong"}))))
    boss, _ = managed(plan(step("draft", "ann", model=tier)))
    await given(Hierarchy("team", [Agent("ann", "Write.", open_)], boss), "Write it.")
    assert [model.name for model in (small, big) if model.requests] == [name]


def test_a_tier_that_a_user_asked_for_stands() -> None:
    asked = catalog(BOTH).models_for("strong", default="balanced", seat=0)
    assert asked.of_tier("fast") is asked


async def test_a_tier_that_the_worker_has_not_to_choose_from_is_said() -> None:
    boss, _ = managed(plan(step("draft", "ann", model="strong")))
    books = Books()
    await given(team(boss), "Write it.", state=RunState("r" * 32, sinks=[books]))
    [said] = [event for event in books.of(Decided) if event.what == "model"]
    assert said.choice == "ann as it is"
    assert said.reason == "step draft is planned for strong, and ann has no choice of tiers"


@settings(max_examples=25, deadline=None)
@given_(st.randoms(use_true_random=False))
def test_of_any_plan_each_step_is_taken_once_after_all_it_needs_and_never_after_a_failure(rng: Any) -> None:
    count = rng.randint(1, 60)
    needs = {n: rng.sample(range(n), rng.randint(0, min(n, 3))) for n in range(count)}
    failing = {n for n in needs if rng.random() < 0.15}
    began: list[int] = []

    class Sometimes(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            number = int(run.path.rpartition("s")[2])
            began.append(number)
            for _ in range(rng.randint(0, 3)):
                await asyncio.sleep(0)
            if number in failing:
                raise Failure("tired")
            return run.answer(message, str(number))

    steps = [step(f"s{n}", "ann", *(f"s{need}" for need in needs[n])) for n in needs]
    boss, model = managed(plan(*rng.sample(steps, count)))
    team = Hierarchy("team", [Sometimes("ann")], boss, replan=0, most_steps=60)
    untaken: set[int] = set()
    for n, needed in needs.items():
        if untaken.union(failing).intersection(needed):
            untaken.add(n)
    good = set(needs) - failing - untaken
    try:
        asyncio.run(given(team, "Go."))
    except TooFew:
        assert not good
    else:
        quotes = model.integrated[0].turns[1].quotes
        assert {int(q.label[1:]) for q in quotes if q.kind == "answer" and not q.failed} == good
    assert len(began) == len(set(began))
    assert set(began) == set(needs) - untaken
    assert all(began.index(need) < began.index(n) for n in began for need in needs[n])
