"""Steps that wait for each other: each starts the moment its own needs are met, beside all others."""

import asyncio
import graphlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from guildhall.errors import NeedsInput, UserError

from ..message import Message

Needs = Mapping[str, Sequence[str]]
"""The ids of steps, each with those of the steps whose answers it needs."""
Take = Callable[[str, Mapping[str, Message]], Awaitable[Message]]
"""Takes a step, given what all before it have answered; what goes wrong is a message, too."""
Untaken = Callable[[str, Message], None]
"""Is told of each step that is not taken, and why."""
Back = Callable[[str, Mapping[str, Message]], str | None]
"""The step from which all up to this one is to be done again; None to go on."""
Fallen = Callable[[str, Sequence[Message]], None]
"""Is told of each step whose last round has failed, and what failed in it; the round before that stands."""


def check_needs(name: str, needs: Needs) -> None:
    """Raise UserError where a step needs one that is not there, or steps wait for each other."""
    for step, needed in needs.items():
        if missing := [need for need in needed if need not in needs]:
            there = ", ".join(list(needs)[:20])
            raise UserError(f"{name}: step {step!r} needs {', '.join(missing)}; there are: {there}")
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        circle = " -> ".join(error.args[1][:12]) + (" ..." if len(error.args[1]) > 12 else "")
        raise UserError(f"{name}: steps wait for each other: {circle}") from None


def between(needs: Needs, first: str, last: str) -> set[str]:
    """The steps on the ways from one to another, with both; nothing if there is no way."""
    after = {first}
    for step in graphlib.TopologicalSorter(needs).static_order():
        if after.intersection(needs[step]):
            after.add(step)
    return after & up_to(needs, last)


def up_to(needs: Needs, last: str) -> set[str]:
    """The step with all that must have ended before it."""
    found, rest = {last}, [last]
    while rest:
        new = {*needs[rest.pop()]} - found
        found |= new
        rest += new
    return found


def skipped(step: str, why: str) -> Message:
    """What stands for the answer of a step that had not to be taken."""
    return Message(sender=step, type="info", text=why)


async def carried_out(
    needs: Needs,
    take: Take,
    back: Back = lambda _, __: None,
    *,
    untaken: Untaken = lambda _, __: None,
    fallen: Fallen = lambda _, __: None,
    despite: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> dict[str, Message]:
    """What each step has come to, in the order of the ids.

    A step whose needs have failed is not taken, but for those `despite` whose failure it can be, and those
    for which another of its needs, which can be taken despite their failure, has answered; nor is one whose
    needs were all skipped. Whoever leaves out a step answers with `skipped`. Where a step has gone back and
    fails then, all goes on from what it had come to before.
    """
    schedule = _Schedule(needs, take, back, untaken=untaken, fallen=fallen, despite=despite)
    return await schedule.carried_out()


class _Schedule:
    def __init__(
        self, needs: Needs, take: Take, back: Back, *, untaken: Untaken, fallen: Fallen,
        despite: Mapping[str, Collection[str]],
    ) -> None:  # fmt: skip
        self._needs, self._take, self._back = needs, take, back
        self._tell_untaken, self._tell_fallen, self._despite = untaken, fallen, despite
        self._done: dict[str, Message] = {}
        self._whole: dict[str, dict[str, Message]] = {}
        """For each step that has gone back, what all up to it had come to then."""
        self._waits = {step: set(needed) for step, needed in needs.items()}
        self._followers: dict[str, list[str]] = {step: [] for step in needs}
        for step, needed in needs.items():
            for need in needed:
                self._followers[need].append(step)

    async def carried_out(self) -> dict[str, Message]:
        async with asyncio.TaskGroup() as group:
            self._start([step for step, needed in self._needs.items() if not needed], group)
        return {step: self._done[step] for step in self._needs}

    def _start(self, ready: Sequence[str], group: asyncio.TaskGroup) -> None:
        """Start the steps, and those behind the ones that are not taken."""
        rest = [*ready]
        while rest:
            step = rest.pop(0)
            if (untaken := self._untaken(step)) is None:
                group.create_task(self._taken(step, group))
            else:
                self._done[step] = untaken
                self._tell_untaken(step, untaken)
                rest += self._ended(step)

    async def _taken(self, step: str, group: asyncio.TaskGroup) -> None:
        self._done[step] = await self._take(step, self._done)
        if (first := self._back(step, self._done)) is None:
            self._start(self._ended(step), group)
            return
        ended, again = up_to(self._needs, step), between(self._needs, first, step)
        self._whole[step] = {one: self._done[one] for one in self._needs if one in ended}
        for one in again:
            del self._done[one]
            self._waits[one] = again.intersection(self._needs[one]) if one != first else set()
        self._start([first], group)

    def _ended(self, step: str) -> list[str]:
        """The steps that waited for nothing but this one, which is not done again."""
        whole = self._whole.pop(step, {})
        if whole and self._done[step].failed and not _waits(self._done[step]):
            now = {one: self._done[one] for one in whole}
            self._done |= whole
            bad = [answer for one, answer in now.items() if answer.failed and answer is not whole[one]]
            self._tell_fallen(step, bad)
        ready = []
        for follower in self._followers[step]:
            if step in (waits := self._waits[follower]):
                waits.remove(step)
                if not waits:
                    ready.append(follower)
        return ready

    def _untaken(self, step: str) -> Message | None:
        """What stands for the step's answer where it is not taken."""
        needed = self._needs[step]
        if bad := self._missing(step):
            names = ", ".join(answer.sender for answer in bad)
            text = f"not taken, because {names} has failed"
            data = next((answer.data for answer in bad if _waits(answer)), bad[0].data)
            return Message(sender=step, type="error", text=text, data=data)
        if needed and all(self._done[need].type == "info" for need in needed):
            return skipped(step, "all that it needs was skipped")
        return None

    def _missing(self, step: str) -> list[Message]:
        """What of its needs has failed, so that the step cannot go on from it, nor from a stand-in."""
        needed = {need: self._done[need] for need in self._needs[step]}
        if not (bad := {need: answer for need, answer in needed.items() if answer.failed}):
            return []
        stood_in = set[str]()
        rest = [need for need, answer in needed.items() if answer.type == "response"]
        while rest:  # who has answered stands in for those despite whose failure it is taken, and so on
            new = {*self._despite.get(rest.pop(), ())} - stood_in
            stood_in |= new
            rest += new
        met = stood_in.union(self._despite.get(step, ()))
        return [answer for need, answer in bad.items() if need not in met or _waits(answer)]


def _waits(answer: Message) -> bool:
    """Whether it is no failure yet: somebody waits for a human."""
    return isinstance(answer.data, NeedsInput)
