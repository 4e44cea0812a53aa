"""Notices a team that repeats itself, comes to a standstill, or takes too long."""

import asyncio
import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, get_args

from guildhall.errors import UserError

from .. import event as ev
from .together import check_count

Then = Literal["stop", "retry", "replan", "escalate"]
_WAITS = ("limit", "budget")
"""What a call waits for that is no fault of the team."""


@dataclass(frozen=True)
class Watchdog:
    """What is noticed, and what is done then.

    `stop` fails the team, `retry` has it begin once more and `replan` its manager plan once more, both told
    what was noticed; `escalate` asks the user whether it goes on. A second time it is stopped.
    """

    repeats: int = 3
    """So often one member calls a tool with the same arguments, or is given or says the same."""
    idle_seconds: float | None = 120.0
    """Without any progress; waiting for a human, a slot or the budget is none of it."""
    seconds: float | None = None
    """For all of it, without the time that a human takes."""
    then: Then = "stop"

    def __post_init__(self) -> None:
        if self.then not in get_args(Then):
            allowed = ", ".join(get_args(Then))
            raise UserError(f"the watchdog is to {self.then!r:.80}; it can {allowed}")
        check_count("the watchdog", "repeats", self.repeats, 100, least=2)
        for what in ("idle_seconds", "seconds"):
            given = getattr(self, what)
            number = isinstance(given, int | float) and not isinstance(given, bool)
            if given is not None and not (number and 0 < given < math.inf):
                raise UserError(f"the watchdog's {what} is {given!r:.80}; give a number above 0")


class Watch:
    """Sees what happens at and below one span of a run, from the time that it is made."""

    def __init__(self, dog: Watchdog, path: str) -> None:
        self.why = ""
        """What was noticed."""
        self.evidence: tuple[int, ...] = ()
        self.answered: list[str] = []
        """The members of the team that have answered."""
        self._dog, self._path = dog, path
        self._loop = asyncio.get_running_loop()
        self._began = self._last = self._loop.time()
        self._change: asyncio.Future[None] = self._loop.create_future()
        self._flying: set[int] = set()
        self._waiting: set[str] = set()
        self._questions: dict[int, str] = {}
        self._stopped = 0.0
        self._seen: Counter[Any] = Counter()
        self._last_given: dict[Any, str] = {}
        self._given: dict[str, Any] = {}
        self._starts = 0
        self._starts_when_said: dict[Any, int] = {}

    async def noticed(self, work: "asyncio.Task[Any]") -> str:
        """What is noticed while the work goes on; nothing if it ends before."""
        while not (self.why or work.done()):
            self._change = self._loop.create_future()
            left = self._left()
            if left <= 0:
                self._late()
                break
            timeout = None if math.isinf(left) else left
            await asyncio.wait({work, self._change}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return "" if work.done() else self.why

    def streamed(self, path: str) -> None:
        """A piece of a reply has come."""
        if self._is_below(path, self._path):
            self._last = self._loop.time()

    def __call__(self, event: ev.Event) -> None:
        if not self._is_below(event.path, self._path):
            return
        if not isinstance(event, ev.Asked | ev.Lost | ev.Decided):
            self._last = self._loop.time()
        match event:
            case ev.Asked() | ev.Called():
                self._fly(event)
            case ev.Replied() | ev.Lost():
                self._flying.discard(event.asked)
            case ev.Returned():
                self._flying.discard(event.called)
            case ev.Decided() if event.what in _WAITS and event.choice == "waits":
                self._waiting.add(event.path)
                self._wake()
            case ev.Question():
                self._asks(event.id, event.path)
            case ev.Answered():
                self._is_answered({event.question})
            case ev.Started():
                self._start(event)
            case ev.Said():
                self._say(event)
            case ev.Finished():
                self._finish(event)

    # -- what repeats itself

    def _fly(self, event: ev.Asked | ev.Called) -> None:
        self._flying.add(event.id)
        if event.path in self._waiting:
            self._waiting.discard(event.path)
            self._last = self._loop.time()
            self._wake()
        if isinstance(event, ev.Called):
            arguments = json.dumps(event.arguments, sort_keys=True, default=str)
            key = ("called", event.path.rpartition("/")[0], event.tool, arguments)
            self._again(key, event, f"{event.who} called {event.tool} with {arguments[:200]}")

    def _start(self, event: ev.Started) -> None:
        """The same message counts again once it was answered; several at once are a sample."""
        self._starts += 1
        above, _, _ = event.path.rpartition("/")
        key = ("given", above, event.who, event.task, event.brief, event.sources)
        if key not in self._last_given or self._last_given[key] == "":
            self._again(key, event, f"{event.who} was given the same message")
        self._last_given[key], self._given[event.path] = event.path, key

    def _say(self, event: ev.Said) -> None:
        """The same words count again once somebody was given something in between."""
        key = ("said", event.path, event.who, event.to, event.text)
        if self._starts_when_said.get(key) != self._starts:
            who = event.text.partition(":")[0] or event.who
            self._again(key, event, f"{who[:80]} said the same to {event.to}")
        self._starts_when_said[key] = self._starts

    def _again(self, key: Any, event: ev.Event, what: str) -> None:
        self._seen[key] += 1
        if self._seen[key] >= self._dog.repeats and not self.why:
            self.why, self.evidence = f"{what} {self._seen[key]} times", (event.id,)
            self._wake()

    # -- what stands still

    def _finish(self, event: ev.Finished) -> None:
        if (key := self._given.pop(event.path, None)) and self._last_given.get(key) == event.path:
            self._last_given[key] = ""
        if event.outcome == "answered" and event.path.rpartition("/")[0] == self._path:
            self.answered.append(event.who)
        self._waiting = {path for path in self._waiting if not self._is_below(path, event.path)}
        self._is_answered({one for one, path in self._questions.items() if self._is_below(path, event.path)})

    def _asks(self, question: int, path: str) -> None:
        """The clock stands while a human is asked."""
        if not self._questions:
            self._stopped = self._loop.time()
        self._questions[question] = path
        self._wake()

    def _is_answered(self, questions: set[int]) -> None:
        if not (there := questions & self._questions.keys()):
            return
        for question in there:
            del self._questions[question]
        if not self._questions:
            stood = self._loop.time() - self._stopped
            self._began, self._last = self._began + stood, self._loop.time()
        self._wake()

    def _left(self) -> float:
        """Seconds until it is late, as things stand."""
        if self._questions:
            return math.inf
        now, left = self._loop.time(), math.inf
        if self._dog.seconds is not None:
            left = self._began + self._dog.seconds - now
        if self._dog.idle_seconds is not None and (self._flying or not self._waiting):
            left = min(left, self._last + self._dog.idle_seconds - now)
        return left

    def _late(self) -> None:
        dog, now = self._dog, self._loop.time()
        if dog.seconds is not None and now >= self._began + dog.seconds:
            self.why = f"it has taken more than {dog.seconds:g} seconds"
        else:
            self.why = f"nothing has come of it for {dog.idle_seconds:g} seconds"

    def _wake(self) -> None:
        if not self._change.done():
            self._change.set_result(None)

    @staticmethod
    def _is_below(path: str, above: str) -> bool:
        return path == above or path.startswith(f"{above}/") or not above
