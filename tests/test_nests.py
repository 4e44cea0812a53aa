"""Teams of teams at random: whatever is nested in what, fails, runs out or is cancelled, the same holds."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from every_pattern import (
    BROKEN,
    EVERY,
    HEAD,
    NAMES,
    NOTES,
    Call,
    Office,
    Outcome,
    Sample,
    agent,
    check_books,
    check_passed_on,
)  # fmt: skip
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from interrupted import died_and_gone_on

from guildhall.agents import Budget, Member, Message, Quote, Run
from guildhall.agents.budget import Meter
from guildhall.agents.choosing import workers
from guildhall.agents.commission import Built
from guildhall.agents.estimate import estimated
from guildhall.agents.event import Asked, Event, Finished, Lost, Replied, Started
from guildhall.agents.prices import Prices
from guildhall.agents.state import RunState
from guildhall.errors import Failure, ProviderError

WITHIN = 3.0
"""Seconds in which a cancelled run has ended: hundredths of one, but the machine may be busy elsewhere."""
DEPTH = 3
MOST_TEAMS = 5
MOST_CALLS = 150
FAULTS: tuple[Exception | str, ...] = (
    ProviderError("invalid_request", BROKEN), ProviderError("context", BROKEN),
    ProviderError("refused", BROKEN), Failure(BROKEN), "", "No JSON.", "{}",
)  # fmt: skip
QUOTES = (Quote(label="notes.md", kind="document", text=NOTES),)


@dataclass(frozen=True)
class Nest:
    """A team some of whose members are teams."""

    sample: Sample
    teams: "Mapping[str, Nest]" = field(default_factory=dict)

    def __repr__(self) -> str:
        inner = ", ".join(f"{who}={team!r}" for who, team in self.teams.items())
        return f"{self.sample}({inner})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def team(self, office: Office, name: str = "team", seat: str = "") -> Member:
        members: dict[str, Member] = {}
        for who in (*NAMES, HEAD, "extra"):
            place = f"{seat}/{who}"
            if who in self.teams:
                members[who] = self.teams[who].team(office, who, place)
            else:
                members[who] = agent(who, office.model(place))
        return self.sample.of(members, name)


@st.composite
def nests(draw: st.DrawFn, depth: int = DEPTH, most: int = MOST_TEAMS) -> Nest:
    sample = draw(st.sampled_from(EVERY))
    if not sample.label and draw(st.integers(0, 4)) == 0:
        sample = sample.supervised
    teams: dict[str, Nest] = {}
    for who in draw(st.permutations((*NAMES, HEAD))) if depth > 1 else ():
        if most > 1 and draw(st.integers(0, 2)) == 0:
            teams[who] = draw(nests(depth - 1, most // 2))
            most -= 1
    return Nest(sample, teams)


@dataclass(frozen=True)
class Trial:
    """A nest, what goes wrong at which of its calls, and how much it may spend."""

    nest: Nest
    faults: Mapping[int, Exception | str]
    budget: Budget

    @property
    def office(self) -> Office:
        def fault(call: Call) -> Exception | str | None:
            found = self.faults.get(call.number)
            if isinstance(found, ProviderError):  # an error is raised once
                return ProviderError(found.kind, f"{BROKEN} of call {call.number}")
            return found

        return Office(instead=fault)


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    most = st.sampled_from((MOST_CALLS, MOST_CALLS, 60, 25, 10))
    calls = draw(most)
    faults = draw(st.dictionaries(st.integers(1, calls), st.sampled_from(FAULTS), max_size=12))
    tokens = draw(st.sampled_from((None, None, 400_000, 100_000)))
    return Trial(draw(nests()), faults, Budget(calls=calls, tokens=tokens))


def at_most(quick: int, *, slow: bool) -> settings:
    """So many examples, and many more in the slow suite."""
    return settings(
        max_examples=20 * quick if slow else quick, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], derandomize=not slow,
    )  # fmt: skip


@given(trials())
@at_most(30, slow=False)
@pytest.mark.slow
def test_whatever_is_nested_and_fails_the_books_are_right(trial: Trial) -> None:
    asyncio.run(ended(trial))


@pytest.mark.slow
@given(trials())
@at_most(30, slow=True)
def test_many_nests_that_fail(trial: Trial) -> None:
    asyncio.run(ended(trial))


@given(trials(), st.integers(1, 300))
@at_most(30, slow=False)
def test_wherever_a_nest_is_cancelled_it_ends_at_once(trial: Trial, at: int) -> None:
    asyncio.run(cancelled(trial, at))


@pytest.mark.slow
@given(trials(), st.integers(1, 1500))
@at_most(30, slow=True)
def test_many_nests_that_are_cancelled(trial: Trial, at: int) -> None:
    asyncio.run(cancelled(trial, at))


@pytest.mark.slow
@pytest.mark.parametrize("outer", EVERY, ids=str)
async def test_every_pattern_works_in_every_place_of_every_other(outer: Sample) -> None:
    for inner in EVERY:
        for who in (NAMES[0], NAMES[-1], HEAD):
            await ended(Trial(Nest(outer, {who: Nest(inner)}), {}, Budget(calls=MOST_CALLS)), tasks=1)


QUICKER = ("swarm", "peer_to_peer")
"""Patterns in which who is quicker counts."""


@pytest.mark.slow
@given(nests(most=3), st.integers(2, 4))
@at_most(3, slow=True)
def test_a_nest_that_died_goes_on_from_what_there_was(nest: Nest, parts: int) -> None:
    assume("first_valid" not in repr(nest))  # of whom a winner has beaten, the answers are not used
    same_way = not any(pattern in repr(nest) for pattern in QUICKER)
    with TemporaryDirectory() as folder:
        asyncio.run(
            died_and_gone_on(
                nest.team,
                nest.sample.task,
                NOTES,
                Path(folder),
                parts=parts,
                same_way=same_way,
                budget=Budget(calls=2 * MOST_CALLS),
            )
        )


async def ended(trial: Trial, *, tasks: int = 1) -> None:
    outcome, work = begun(trial)
    async with asyncio.timeout(60):
        await asyncio.wait([work])
    assert not work.cancelled()
    if (error := work.exception()) is not None:
        assert isinstance(error, Failure), repr(error)
        assert str(error)
    check(outcome, tasks)


async def cancelled(trial: Trial, at: int) -> None:
    outcome, work = begun(trial)

    def cancel_there(event: Event) -> None:
        if event.id == at:
            work.cancel()

    outcome.state.sinks = [*outcome.state.sinks, cancel_there]
    if len(outcome.books.events) >= at:  # the run's start is told at once, before anybody is at work
        await asyncio.sleep(0)
        work.cancel()
    reached = asyncio.create_task(there(outcome, work, at))
    async with asyncio.timeout(60):
        await reached
    done, _ = await asyncio.wait([work], timeout=WITHIN)
    assert done
    if not work.cancelled():  # it had ended before, or one who was cancelled made the others fail
        assert work.exception() is None or isinstance(work.exception(), Failure)
    asked = len(outcome.office.asked)
    await asyncio.sleep(0)
    assert len(outcome.office.asked) == asked
    check(outcome)


async def there(outcome: Outcome, work: "asyncio.Task[Message]", at: int) -> None:
    """Return when the event has happened, or the run has ended before it."""
    while len(outcome.books.events) < at and not work.done():
        await asyncio.sleep(0)


def begun(trial: Trial) -> "tuple[Outcome, asyncio.Task[Message]]":
    office = trial.office
    outcome = Outcome.of(office, RunState("r" * 32, Meter(trial.budget)))
    team = trial.nest.team(office)
    message = Message(text=trial.nest.sample.task, quotes=QUOTES)
    return outcome, asyncio.create_task(Run(outcome.state).give(team, message))


def check(outcome: Outcome, tasks: int = 1) -> None:
    """What holds at the end of any run; `tasks` are those of the test itself."""
    assert len(asyncio.all_tasks()) == tasks
    check_books(outcome)
    check_passed_on(outcome.office)
    spent, budget = outcome.state.meter.spent, outcome.state.meter.budget
    assert budget.tokens is None or spent.tokens <= budget.tokens
    books = outcome.books
    begun = Counter(event.path for event in books.of(Started))
    ended = [event for event in books.of(Finished) if event.outcome != "skipped"]
    assert begun == Counter(event.path for event in ended)
    assert set(begun.values()) <= {1}
    assert set(Counter((event.path, event.attempt) for event in books.of(Asked)).values()) <= {1}
    closed = Counter(event.asked for event in books.events if isinstance(event, Replied | Lost))
    assert closed == Counter(event.id for event in books.of(Asked))


@given(nests())
@at_most(30, slow=False)
@pytest.mark.slow
def test_no_nest_calls_more_than_was_estimated(nest: Nest) -> None:
    office = Office()
    team = nest.team(office)
    agents = tuple({id(one): one for one in workers(team)}.values())
    message = Message(text=nest.sample.task, quotes=QUOTES)
    plan = estimated(Built(team, "", "", Budget(), agents=agents), message, Budget(), Prices(), {})
    state = RunState("r" * 32, Meter(Budget(calls=MOST_CALLS)))
    with_limits = asyncio.run(counted(team, message, state))
    assert with_limits <= sum(member.calls for member in plan.members)


async def counted(team: Member, message: Message, state: RunState) -> int:
    with suppress(Failure):
        await Run(state).give(team, message)
    return state.meter.spent.calls
