"""Graphs at random: whatever fails, is left out, goes back or is cancelled, the same things hold."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import Books

from guildhall.agents import Agent, Amount, Budget, Message, ModelReply, ModelRequest, Run, Usage
from guildhall.agents.budget import Meter
from guildhall.agents.event import Decided, Finished, Lost, Replied, RunFinished, Started
from guildhall.agents.kinds import Score
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import Graph, Repeat, Step
from guildhall.agents.patterns.schedule import between
from guildhall.agents.state import RunState
from guildhall.errors import Failure, ProviderError, UserError

MOST_NODES = 60
WITHIN = 1.0
"""Seconds in which a cancelled run has ended."""
CONDITIONS = ("{}.answered", "{}.failed", "{}.score < 0.5", "not {}.score > 0.2", "'e' in {}.text")


@dataclass
class Moody:
    """A model that fails at some calls, takes some turns of the loop, and scores as it was told."""

    failing: frozenset[int]
    scores: list[float]
    steps: list[int]
    name: str = "moody"
    private = True
    price = (1.0, 1.0)
    calls: int = 0

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.calls += 1
        number = self.calls
        for _ in range(self.steps[number % len(self.steps)]):
            await asyncio.sleep(0)
        if number in self.failing:
            raise ProviderError("invalid_request", "as it was told")
        text = f"reply {number}"
        if request.output is not None:
            text = f'{{"score": {self.scores[number % len(self.scores)]}, "reason": "so"}}'
        return ModelReply(text=text, usage=Usage(input=10, output=5), model=self.name)


@dataclass(frozen=True)
class Case:
    team: Graph
    model: Moody

    def __repr__(self) -> str:
        return f"Case({[*self.team.steps]}, {self.model})"


@st.composite
def cases(draw: st.DrawFn, most: int = MOST_NODES) -> Case:
    """A graph of up to `most` steps that is in order, with failures, conditions and ways back."""
    count, rng = draw(st.integers(1, most)), random.Random(draw(st.integers(0, 2**32)))
    model = Moody(
        frozenset(rng.sample(range(1, count + 1), min(count, rng.choice((0, 0, 1, 3))))),
        [rng.choice((0.0, 0.3, 0.7, 1.0)) for _ in range(5)],
        [rng.randint(0, 4) for _ in range(7)],
    )
    steps: list[Step] = []
    for number in range(count):
        near = [step.id for step in steps[-8:]]
        needs = tuple(rng.sample(near, min(len(near), rng.randint(0, 3))))
        when = rng.choice(("", "", *CONDITIONS)).format(needs[0]) if needs else ""
        steps.append(Step(f"s{number}", f"m{number % 3}", "Do it.", needs, when, output=Score))
    for number in rng.sample(range(count), min(count, 3)):  # some go back, to whom they need or to themselves
        step = steps[number]
        repeat = Repeat(rng.choice((step.id, *step.needs)), f"{step.id}.score < 0.5", rng.randint(2, 3))
        tried = [*steps]
        tried[number] = replace(step, repeat=repeat)
        with contextlib.suppress(UserError):  # somebody needs what would be done again
            _graph(model, tried)
            steps = tried
    return Case(_graph(model, steps), model)


def _graph(model: Moody, steps: list[Step]) -> Graph:
    members = [Agent(f"m{number}", "Work.", [model], memory=False, max_output=10) for number in range(3)]
    return Graph("team", members, steps)


@dataclass
class Trial:
    books: Books
    meter: Meter
    answer: Message | BaseException

    def ids(self, kind: type[Started] | type[Finished]) -> list[str]:
        """The spans of the steps, in order."""
        return [one.path for one in self.books.of(kind) if one.path.count("/") == 1]


async def carried_out(case: Case, *, budget: Budget | None = None, cancel_after: int | None = None) -> Trial:
    books, meter = Books(), Meter(budget or Budget())
    enough = asyncio.Event()

    def count(event: object) -> None:
        if cancel_after is not None and len(books.events) >= cancel_after:
            enough.set()

    state = RunState("r" * 32, meter, sinks=[books, count])
    working = asyncio.create_task(_kept(case.team, Run(state)))
    if cancel_after is not None:
        waiting = asyncio.create_task(enough.wait())
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        working.cancel()
    async with asyncio.timeout(WITHIN if cancel_after is not None else 20):
        await asyncio.wait([working])
    return Trial(books, meter, asyncio.CancelledError() if working.cancelled() else working.result())


async def _kept(team: Graph, run: Run) -> Message | BaseException:
    try:
        return await run.give(team, Message(text="All of it."))
    except Failure as error:
        return error


def check(case: Case, trial: Trial) -> None:
    """What holds of every graph, however it ended."""
    books = trial.books
    assert books.balanced
    assert trial.meter.held == Amount()
    spent = [event.spent for event in books.of(Lost) + books.of(Replied)]
    assert trial.meter.spent.calls == sum(one.calls for one in spent) == case.model.calls
    assert Counter(trial.ids(Started)) <= Counter(trial.ids(Finished))  # what began has ended
    assert max(Counter(trial.ids(Finished)).values(), default=0) <= 1  # each once in its round
    rounds = Counter(path.rpartition("/")[2].partition(".")[0] for path in trial.ids(Finished))
    limits = {part.member.name: part.times for part in case.team.parts}
    for name, most in limits.items():
        assert sum(rounds[step.id] for step in case.team.steps if step.member == name) <= most
    check_order(case.team, books)


def check_order(team: Graph, books: Books) -> None:
    """Whoever begins has all that it needs, done in the same round where that is done in rounds."""
    begun: dict[str, list[int]] = {step: [] for step in team.needs}
    ended: dict[str, list[int]] = {step: [] for step in team.needs}
    for event in books.events:
        step = event.path.rpartition("/")[2].partition(".")[0]
        if step in team.needs and event.path.count("/") == 1 and isinstance(event, Started | Finished):
            for need in team.needs[step] if isinstance(event, Started) else ():
                assert len(begun[need]) <= len(ended[need])  # nobody is at work on it
            if isinstance(event, Started) or len(begun[step]) == len(ended[step]):  # or it is left out
                begun[step].append(event.id)
            if isinstance(event, Finished):
                ended[step].append(event.id)
    loops = [between(team.needs, step.repeat.to, step.id) for step in team.steps if step.repeat]
    for step, needed in team.needs.items():
        for need in needed:
            if all((need in loop) == (step in loop) for loop in loops):
                rounds = zip(ended[need], begun[step], strict=False)  # one that is not taken leaves no event
                assert len(ended[need]) != len(ended[step]) or all(one < other for one, other in rounds)


def run(case: Case, **options: object) -> Trial:
    async def guarded() -> Trial:
        async with asyncio.timeout(25):
            return await carried_out(case, **options)  # type: ignore[arg-type]  # those of carried_out

    return asyncio.run(guarded())


def several(examples: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, suppress_health_check=slow)


@several(60)
@given(cases())
@pytest.mark.slow
def test_every_step_is_answered_at_most_once_a_round_and_after_what_it_needs(case: Case) -> None:
    trial = run(case)
    check(case, trial)
    failed = {one.path for one in trial.books.of(Finished) if one.outcome == "failed"}
    if not failed and isinstance(trial.answer, BaseException):
        assert "every last step was left out" in str(trial.answer)
    if not case.model.failing:
        assert not failed - {"team"}


@several(40)
@given(cases(), st.integers(1, 30))
@pytest.mark.slow
def test_no_budget_is_ever_exceeded(case: Case, calls: int) -> None:
    trial = run(case, budget=Budget(calls=calls, tokens=calls * 400))
    check(case, trial)
    assert trial.meter.spent.calls <= calls
    assert trial.meter.spent.tokens <= calls * 400


@several(60)
@given(cases(), st.integers(1, 200))
@pytest.mark.slow
def test_a_cancel_at_any_moment_ends_within_a_second_and_leaves_nothing_open(case: Case, after: int) -> None:
    trial = run(case, cancel_after=after)
    check(case, trial)
    assert not trial.books.of(RunFinished)


@several(25)
@given(cases(20))
@pytest.mark.slow
def test_the_same_graph_takes_the_same_way_however_its_steps_are_timed(case: Case) -> None:
    if case.model.failing:
        return
    ways = []
    for steps in ([0], [3, 0, 2, 5, 1]):
        model = Moody(frozenset(), [0.3], steps)
        trial = run(Case(_graph(model, [*case.team.steps]), model))
        decided = [one.choice for one in trial.books.of(Decided)]
        ways.append((sorted(trial.ids(Finished)), sorted(decided)))
    assert ways[0] == ways[1]


@pytest.mark.parametrize("count", [500])
def test_the_largest_graph_is_carried_out(count: int) -> None:
    steps = [Step(f"s{n}", f"m{n % 3}", "Do it.", (f"s{n - 1}",) if n % 2 else ()) for n in range(count)]
    model = Moody(frozenset(), [1.0], [0])
    trial = run(Case(_graph(model, steps), model))
    assert model.calls == count
    assert isinstance(trial.answer, Message)
