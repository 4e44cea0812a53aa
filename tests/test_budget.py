"""Budgets hold however many members ask at once."""

import asyncio
import random

import pytest
from support import Books, Waiting, given

from guildhall.agents import Agent, Budget, Parallel
from guildhall.agents.budget import Meter
from guildhall.agents.event import Decided, Lost
from guildhall.agents.state import RunState
from guildhall.errors import BudgetRefused, TooFew


def panel(model: Waiting) -> Parallel:
    return Parallel("panel", [Agent(f"member{i}", "Answer.", [model]) for i in range(20)])


def run_state(budget: Budget, books: Books) -> RunState:
    return RunState("r" * 32, Meter(budget), sinks=[books])


async def test_twenty_members_against_a_budget_for_five_calls_make_five_calls_and_keep_five_answers() -> None:
    model, books = Waiting(), Books()
    state = run_state(Budget(calls=5), books)
    answer = await given(panel(model), "Say it.", state=state)
    assert model.calls == 5
    assert answer.text.count("answer ") == 5
    assert "5 of 20 members answered" in state.notices[0]
    assert books.balanced
    assert state.meter.held.calls == 0
    assert state.meter.spent.calls == 5


async def test_failed_calls_count_and_leave_nothing_reserved() -> None:
    model, books = Waiting(fails=frozenset({2, 4})), Books()
    state = run_state(Budget(calls=5), books)
    answer = await given(panel(model), "Say it.", state=state)
    assert (model.calls, answer.text.count("answer ")) == (5, 3)
    assert books.balanced
    assert state.meter.held == type(state.meter.held)()


@pytest.mark.parametrize("seed", range(20))
async def test_a_cancelled_run_closes_every_call_and_holds_nothing(seed: int) -> None:
    rng = random.Random(seed)
    model, books = Waiting(let_go=asyncio.Event()), Books()
    state = run_state(Budget(calls=5), books)
    work = asyncio.create_task(given(panel(model), "Say it.", state=state))
    for _ in range(rng.randrange(12)):
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert books.balanced
    assert model.calls <= 5
    assert state.meter.held.calls == 0
    assert {lost.error for lost in books.of(Lost)} <= {"cancelled"}


async def test_a_budget_in_usd_reserves_the_worst_case_and_settles_what_was_used() -> None:
    model, books = Waiting(), Books()
    agent = Agent("one", "Answer.", [model], max_output=100)
    state = run_state(Budget(usd=0.001), books)
    await given(agent, "Say it.", state=state)
    assert state.meter.spent.usd == pytest.approx(15 / 1e6)
    poor = run_state(Budget(usd=0.00001), Books())
    with pytest.raises(BudgetRefused, match=r"may take \$0\..* larger budget of usd"):
        await given(agent, "Say it.", state=poor)


async def test_a_call_waits_while_only_reservations_of_others_are_in_its_way() -> None:
    model = Waiting()
    agents = [Agent(f"member{i}", "Answer.", [model], max_output=1000) for i in range(6)]
    state = run_state(Budget(tokens=2400), Books())
    answer = await given(Parallel("panel", agents, need=6), "Say it.", state=state)
    assert answer.text.count("answer ") == 6


@pytest.mark.parametrize(
    ("name", "what_to_write"),
    [
        ("openai:new", r'in config\.toml as \[model."openai:new"\] price = '),
        ("other:model", r"as the model's own price = \(input, output\)"),
    ],
)
async def test_an_unknown_price_under_a_budget_in_usd_is_refused_with_what_to_write(
    name: str, what_to_write: str
) -> None:
    agent = Agent("one", "Answer.", [Waiting(name=name, price=None)])
    with pytest.raises(BudgetRefused, match=what_to_write):
        await given(agent, "Say it.", budget=Budget(usd=1))


async def test_seconds_end_a_call_that_is_under_way() -> None:
    agent = Agent("one", "Answer.", [Waiting(let_go=asyncio.Event())])
    with pytest.raises(BudgetRefused, match="seconds are over"):
        await given(agent, "Say it.", budget=Budget(seconds=0.05))


async def test_depth_refuses_a_team_that_nests_too_deep() -> None:
    inner = Parallel("inner", [Agent("one", "Answer.", [Waiting()])])
    outer = Parallel("outer", [Parallel("middle", [inner])])
    with pytest.raises(TooFew, match="deeper than the 2 levels"):
        await given(outer, "Say it.", budget=Budget(depth=2))


async def test_under_a_budget_in_usd_a_model_of_known_price_is_preferred_and_that_is_said() -> None:
    unknown, known, books = Waiting(name="other:model", price=None), Waiting(), Books()
    agent = Agent("one", "Answer.", [unknown, known])
    await given(agent, "Say it.", state=run_state(Budget(usd=1), books))
    assert (unknown.calls, known.calls) == (0, 1)
    assert [decided.choice for decided in books.of(Decided)] == ["waiting"]
