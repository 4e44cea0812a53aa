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
from .under_way import UnderWay

Then = Literal["stop", "retry", "replan", "escalate"]


@dataclass(frozen=True)
class Watchdog:
    """What is noticed, and what is done then.

    `stop` fails the team, `retry` has it begin once more and `replan` its manager plan once more, both told
    what was noticed; `escalate` asks the user whether it goes on, and takes the answer if that comes before
    the user has said so. Where nobody is there, it goes on until something is noticed again, and the run
    then waits for the user. A second time it is stopped.
    """

    repeats: int = 3
    """So often one member gets the same from a tool that it calls with the same arguments, or is given or
    says the same, without anything new in between."""
    idle_seconds: float | None = 120.0
    """Without any progress. Waiting for a human, a slot or the budget is none of it, and neither is a tool
    at work or a model that has not begun to write: nothing can be seen of them; `seconds` bounds all."""
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
        self._under_way = UnderWay()
        self._stopped = 0.0
        """When the clock stopped, where the user is asked."""
        self._begin_to_count()

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

    def begin_anew(self) -> None:
        """Forget what was noticed, and how long it has taken; not what is in flight."""
        self._began = self._last = self._stopped = self._loop.time()
        self._begin_to_count()

    def _begin_to_count(self) -> None:
        self.why, self.evidence = "", ()
        self._seen: dict[Any, tuple[int, int]] = {}
        """How often something was, and how much that is new had come by then."""
        self._new: dict[str, Counter[str]] = {}
        """How much has come that is new, by the span and by whom it came."""
        self._known: set[Any] = set()
        self._called: dict[int, tuple[str, ev.Called]] = {}
        self._replies: set[Any] = set()
        self._given: dict[str, Any] = {}
        self._last_given: dict[Any, str] = {}
        self._forgiven: set[Any] = set()
        self._starts = 0
        self._starts_when_said: dict[Any, int] = {}

    def streamed(self, path: str) -> None:
        """A piece of a reply has come."""
        self._last = self._loop.time()
        if self._under_way.is_silent:
            self._under_way.streamed(path)
            self._wake()

    def __call__(self, event: ev.Event) -> None:
        self._keep_time(event)
        match event:
            case ev.Called():
                arguments = json.dumps(event.arguments, sort_keys=True, default=str)
                self._called[event.id] = (arguments, event)
            case ev.Returned():
                self._return(event)
            case ev.Started():
                self._start(event)
            case ev.Said():
                self._say(event)
            case ev.Finished():
                self._finish(event)

    # -- what repeats itself

    def _return(self, event: ev.Returned) -> None:
        """The same call counts again where it came to the same; several in one reply are one."""
        if (found := self._called.pop(event.called, None)) is None:
            return
        arguments, call = found
        caller, _, _ = call.path.rpartition("/")
        key = ("called", caller, call.tool, arguments, event.text)
        if call.reply and (key, call.reply) in self._replies:
            return
        self._replies.add((key, call.reply))
        self._come(caller, call.who, key)
        what = f"{call.who} called {call.tool} with {arguments[:200]}"
        self._again(key, call, what, new=self._new[caller].total())

    def _start(self, event: ev.Started) -> None:
        """The same message counts again once it was answered; several at once are a sample.

        Members that give no sources may be shown something new all the same, so it counts only where nobody
        else, nor they themselves where they are no agents, have said anything new since.
        """
        self._starts += 1
        above, _, _ = event.path.rpartition("/")
        key = ("given", above, event.who, event.task, event.brief, event.sources)
        if self._last_given.get(key, "") == "":
            new = self._new.get(above, Counter[str]())
            own = 0 if event.models else max(0, new[event.who] - 1)
            what = f"{event.who} was given the same message"
            self._again(key, event, what, new=new.total() - new[event.who] + own)
        self._last_given[key], self._given[event.path] = event.path, key

    def _say(self, event: ev.Said) -> None:
        """The same words count again once somebody was given something in between."""
        key = ("said", event.path, event.who, event.told, event.text)
        if self._starts_when_said.get(key) != self._starts:
            who = event.text.partition(":")[0] or event.who
            self._again(key, event, f"{who[:80]} said the same to {event.to}")
        self._starts_when_said[key] = self._starts

    def _end(self, key: Any, where: str, event: ev.Finished) -> None:
        """What a member was given has ended; asking one that has failed once more is no repetition."""
        if self._last_given.get(key) == event.path:
            self._last_given[key] = ""
        if event.outcome == "answered":
            self._come(where, event.who, event.text)
        elif event.outcome == "failed" and key not in self._forgiven:
            self._forgiven.add(key)
            times, new = self._seen[key]
            self._seen[key] = (times - 1, new)

    def _come(self, where: str, who: str, what: Any) -> None:
        """Note what has come, where it is another than all before."""
        if (where, who, what) not in self._known:
            self._known.add((where, who, what))
            self._new.setdefault(where, Counter())[who] += 1

    def _again(self, key: Any, event: ev.Event, what: str, *, new: int = 0) -> None:
        """Count it: from one again where there is more that is `new` than the last time."""
        times, before = self._seen.get(key, (0, new))
        times = times + 1 if new == before else 1
        self._seen[key] = (times, new)
        if times >= self._dog.repeats and not self.why:
            self.why, self.evidence = f"{what} {times} times", (event.id,)
            self._wake()

    def _finish(self, event: ev.Finished) -> None:
        above, _, _ = event.path.rpartition("/")
        if key := self._given.pop(event.path, None):
            self._end(key, above, event)
        if event.outcome == "answered" and above == self._path:
            self.answered.append(event.who)

    # -- what stands still

    def _keep_time(self, event: ev.Event) -> None:
        """Note progress, and have the clock stand while a human is asked."""
        way, now = self._under_way, self._loop.time()
        waited = isinstance(event, ev.Asked) and way.waits(event.path)
        if waited or not isinstance(event, ev.Asked | ev.Lost | ev.Decided):
            self._last = now
        asked = way.asks_user
        way.see(event)
        if way.asks_user and not asked:
            self._stopped = now
        elif asked and not way.asks_user:
            self._began, self._last = self._began + now - self._stopped, now
        self._wake()

    def _left(self) -> float:
        """Seconds until it is late, as things stand."""
        way = self._under_way
        if way.asks_user:
            return math.inf
        now, left = self._loop.time(), math.inf
        if self._dog.seconds is not None:
            left = self._began + self._dog.seconds - now
        if self._dog.idle_seconds is not None and not (way.is_silent or way.is_held_up):
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
