"""Members whose error rates are known, and the tasks on which they err."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from guildhall.agents import Message, Run
from guildhall.agents.kinds import Ballot, Challenge, Choice, Kind, Review, Score, Verdict

COLOURS = ("red", "blue", "green", "yellow", "black", "white", "brown")
_ANSWER = re.compile(r"^Answer: (\w+)$", re.MULTILINE)


@dataclass
class World:
    """One task: what is right, what those who work on it err by, and how often they were asked."""

    chance: Random
    options: Sequence[str] = COLOURS[:2]
    common: float = 0.0
    """How often one cause decides for all members whether they are right."""
    calls: int = 0
    right: str = field(init=False)
    kind_of_task: float = field(init=False)
    """From 0 to 1, the same for all who work on it."""
    _cause: float | None = field(init=False)
    _places: dict[int, asyncio.Event] = field(init=False, default_factory=dict)
    _place: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.right = self.chance.choice(self.options)
        self.kind_of_task = self.chance.random()
        self._cause = self.chance.random() if self.chance.random() < self.common else None

    def happens(self, share: float) -> bool:
        """Whether something happens that does in this share of all cases."""
        return self.chance.random() < share

    def answer(self, skill: float) -> str:
        """What somebody says who is right as often as this; by the common cause, where there is one."""
        if (self.chance.random() if self._cause is None else self._cause) < skill:
            return self.right
        return self.chance.choice([one for one in self.options if one != self.right])

    async def reached(self, place: int) -> None:
        """Wait until all before this place have answered, and were refused."""
        if place > self._place:
            await self._places.setdefault(place, asyncio.Event()).wait()

    def next_place(self) -> None:
        self._place += 1
        self._places.setdefault(self._place, asyncio.Event()).set()


class Tells(NamedTuple):
    """How well somebody tells what is wrong from what is right."""

    sensitivity: float
    """How often it refuses what is wrong."""
    specificity: float
    """How often it accepts what is right."""

    def accepts(self, world: World, answer: str) -> bool:
        return world.happens(self.specificity if answer == world.right else 1 - self.sensitivity)

    def __str__(self) -> str:
        return f"{self.sensitivity:.2f}/{self.specificity:.2f}"


class Mood(NamedTuple):
    """How somebody is disposed to a share of all tasks."""

    share: float
    skill: float
    """How often it is right."""
    sure: float = 0.5
    """How sure it says it is."""


Hears = Callable[["Worker", Sequence[str]], str]
"""What a worker holds after it has heard what others hold."""


@dataclass
class Worker:
    """Answers, votes, criticises and refutes, as well as it can."""

    world: World
    name: str
    moods: Sequence[Mood]
    by_task: bool = False
    """Whether the task decides in which mood it is, each time anew if not."""
    hears: Hears = lambda worker, _: worker.holds
    refutes: Tells | None = None
    """How well it does when it is asked to refute what all share."""
    place: int = 0
    """How many others are quicker."""
    holds: str = field(init=False, default="")

    async def run(self, message: Message, run: Run) -> Message:
        world, shown = self.world, {quote.label: quote.text for quote in message.quotes}
        world.calls += 1
        await world.reached(self.place)
        kind = run.wanted.kind if run.wanted else None
        if kind is Challenge and self.refutes is not None:
            refuted = not self.refutes.accepts(world, _held(shown["shared answer"]))
            return _typed(run, message, Challenge(refuted=refuted, reason="so it seems"))
        if kind is Ballot:
            return _typed(run, message, self._ballot(shown))
        if critiques := [text for label, text in shown.items() if label.startswith("critique")]:
            if "objection" in shown:  # it thinks anew, and by itself
                right = world.happens(self._mood().skill)
                self.holds = world.right if right else _other(world)
            else:
                self.holds = self.hears(self, [*map(_held, critiques)])
        elif not shown or "your last version" in shown:
            self.holds = world.answer(self._mood().skill)
        return run.answer(message, f"It seems so to me, call {world.calls}.\n\nAnswer: {self.holds}")

    def _ballot(self, shown: dict[str, str]) -> Ballot:
        mood = self._mood()
        best = [label for label, text in shown.items() if _held(text) == self.holds]
        return Ballot(
            ranking=tuple(best) or (self.world.answer(mood.skill),), confidence=mood.sure, reason=""
        )

    def _mood(self) -> Mood:
        left = self.world.kind_of_task if self.by_task else self.world.chance.random()
        for mood in self.moods:
            left -= mood.share
            if left < 0:
                return mood
        return self.moods[-1]


def gives_in(worker: Worker, heard: Sequence[str]) -> str:
    """What most hold, of an odd number of members with two options."""
    return max((held := [worker.holds, *heard]), key=held.count)


def weighs(tells: Tells) -> Hears:
    """Gives up what is wrong and keeps what is right as well as it can, where others hold something else."""

    def heard(worker: Worker, others: Sequence[str]) -> str:
        world, holds = worker.world, worker.holds
        if all(other == holds for other in others) or tells.accepts(world, holds):
            return holds
        return _other(world) if holds == world.right else world.right

    return heard


@dataclass
class Ranker:
    """Votes with a whole ranking, which has what is right in each place in this share of all cases."""

    world: World
    name: str
    places: Sequence[float]

    async def run(self, message: Message, run: Run) -> Message:
        world = self.world
        world.calls += 1
        [place] = world.chance.choices(range(len(self.places)), self.places)
        others = [one for one in world.options if one != world.right]
        world.chance.shuffle(others)
        ranking = (*others[:place], world.right, *others[place:])
        return _typed(run, message, Ballot(ranking=ranking, confidence=0.5, reason=""))


@dataclass
class Judge:
    """Chooses what is right in a share of the cases where there are right and wrong answers."""

    world: World
    skill: float
    name: str = "judge"

    async def run(self, message: Message, run: Run) -> Message:
        world = self.world
        world.calls += 1
        held = {quote.label: _held(quote.text) for quote in message.quotes}
        good = [label for label, answer in held.items() if answer == world.right]
        bad = [label for label, answer in held.items() if answer != world.right]
        chosen = world.chance.choice(good if good and (not bad or world.happens(self.skill)) else bad)
        return _typed(run, message, Verdict(winner=chosen, answer="", reason="so it seems", dissent=""))


@dataclass
class Critic:
    """Accepts what is right and refuses what is wrong, each in a share of the cases."""

    world: World
    tells: Tells
    name: str = "critic"
    fine: bool = False
    """Whether its score tells right from wrong though it refuses both."""

    async def run(self, message: Message, run: Run) -> Message:
        world = self.world
        world.calls += 1
        accepted = self.tells.accepts(world, _held(message.quotes[-1].text))
        if not accepted:
            world.next_place()
        if run.wanted is not None and run.wanted.kind is Score:
            good = self.fine and _held(message.quotes[-1].text) == world.right
            score = 1.0 if accepted else 0.6 if good else 0.4
            return _typed(run, message, Score(score=score, reason="so it seems"))
        return _typed(run, message, Review(accepted=accepted, reason="so it seems"))


def answered(answer: Message) -> str:
    """What the team holds to be right."""
    return answer.data.choice if isinstance(answer.data, Choice) else _held(answer.text)


def _held(text: str) -> str:
    found = _ANSWER.search(text)
    assert found is not None, text
    return found[1]


def _other(world: World) -> str:
    return world.chance.choice([one for one in world.options if one != world.right])


def _typed(run: Run, message: Message, data: Kind) -> Message:
    return run.answer(message, data.said(), data=data)
