"""Steps at random, some of which fail, are skipped or go back: what is taken rests on what has answered."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.agents.message import Message
from guildhall.agents.patterns.schedule import Needs, between, carried_out, skipped, up_to

Outcome = Literal["response", "error", "info"]
MOST_BACK = 3
"""How often a step goes back, at most."""


@dataclass
class Course:
    """Takes steps as it was told, and sees at each that all is there which it rests on."""

    needs: Needs
    despite: Mapping[str, set[str]]
    loops: Mapping[str, str]
    outcomes: Sequence[Outcome]
    turns: Sequence[int]
    taken: Counter[str] = field(default_factory=Counter)
    went_back: Counter[str] = field(default_factory=Counter)
    whole: dict[str, dict[str, Message]] = field(default_factory=dict)
    """For each step that went back and is not yet through, what all up to it had come to."""
    stands: dict[str, dict[str, Message]] = field(default_factory=dict)

    async def take(self, step: str, done: Mapping[str, Message]) -> Message:
        needed = {need: done[need] for need in self.needs[step]}
        for need, answer in needed.items():
            assert not answer.failed or need in self.despite[step] or self.stood_in(need, step, done)
        assert not needed or any(answer.type != "info" for answer in needed.values())
        assert step not in done
        self.taken[step] += 1
        number = self.taken[step]
        about = int(step[1:]) * 7 + number * 3
        for _ in range(self.turns[about % len(self.turns)]):
            await asyncio.sleep(0)
        outcome = self.outcomes[about % len(self.outcomes)]
        if outcome == "info":
            return skipped(step, f"skipped {number}")
        return Message(sender=step, type=outcome, text=f"{outcome} {number}")

    def stood_in(self, failed: str, step: str, done: Mapping[str, Message]) -> bool:
        """Whether a need of the step has answered which rests on the failure, be it by way of others."""
        for need in self.needs[step]:
            seen, rest = {need}, [need] if done[need].type == "response" else []
            while rest:
                new = self.despite[rest.pop()] - seen
                seen |= new
                rest += new
            if failed in seen - {need}:
                return True
        return False

    def back(self, step: str, done: Mapping[str, Message]) -> str | None:
        if step not in self.loops or done[step].failed or self.went_back[step] >= MOST_BACK:
            return None
        self.went_back[step] += 1
        for others in (self.whole, self.stands):
            for other in between(self.needs, self.loops[step], step):
                others.pop(other, None)
        self.whole[step] = {one: done[one] for one in up_to(self.needs, step)}
        return self.loops[step]

    def fallen(self, step: str, bad: Sequence[Message]) -> None:
        assert bad
        assert all(answer.failed for answer in bad)
        whole = self.whole.pop(step)
        self.stands = {one: kept for one, kept in self.stands.items() if one not in whole} | {step: whole}

    async def done(self) -> dict[str, Message]:
        return await carried_out(self.needs, self.take, self.back, fallen=self.fallen, despite=self.despite)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    rng, count = random.Random(draw(st.integers(0, 2**32))), draw(st.integers(1, 30))
    needs: dict[str, list[str]] = {}
    for number in range(count):
        near = [*needs][-6:]
        needs[f"s{number}"] = rng.sample(near, min(len(near), rng.randint(0, 3)))
    despite = {step: {need for need in needed if rng.random() < 0.4} for step, needed in needs.items()}
    loops: dict[str, str] = {}
    for step in rng.sample([*needs], min(count, 3)):
        first = rng.choice(sorted(up_to(needs, step)))
        again = between(needs, first, step)
        behind = {other for other in needs if step in up_to(needs, other)}
        if all(other in again | behind or not again.intersection(needs[other]) for other in needs):
            loops[step] = first
    kinds: list[Outcome] = ["response", "response", "response", "response", "error", "info"]
    outcomes = [rng.choice(kinds) for _ in range(rng.choice((1, 5, 11)))]
    return Course(needs, despite, loops, outcomes, [rng.randint(0, 4) for _ in range(5)])


@settings(max_examples=100, deadline=None)
@given(courses())
def test_whatever_fails_each_step_rests_on_answers_and_a_whole_round_is_kept(course: Course) -> None:
    done = asyncio.run(course.done())
    assert list(done) == list(course.needs)
    most = MOST_BACK * sum(map(len, (between(course.needs, *loop[::-1]) for loop in course.loops.items())))
    assert sum(course.taken.values()) <= len(course.needs) + most
    for step, whole in course.stands.items():
        assert {one: done[one] for one in whole} == whole
        assert not done[step].failed
    for step in course.went_back:
        if not any(
            step in between(course.needs, first, last) for last, first in course.loops.items() if last != step
        ):
            assert not done[step].failed  # once it had answered, that is never lost


@settings(max_examples=50, deadline=None)
@given(courses())
def test_the_same_steps_come_to_the_same_however_they_are_timed(course: Course) -> None:
    ways = []
    for turns in ([0], [3, 0, 2, 5, 1]):
        again = Course(course.needs, course.despite, course.loops, course.outcomes, turns)
        done = asyncio.run(again.done())
        ways.append(({step: answer.text for step, answer in done.items()}, again.taken))
    assert ways[0] == ways[1]
