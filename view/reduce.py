"""Events and streamed text become items, which is what every face shows of a run.

Fields beside `id` and `is` (a text is always `text`, with in `cut` the number of characters left out):

    run       team pattern task status began ended seconds budget sources cited notices hidden text, amounts
    member    name role task status doing model above team began ended error, amounts
    step      name who task needs status lane                                                 (of a plan)
    reply     who lane at model attempt status error reason event cached text
    tool      who lane at tool arguments why status event text
    memory    who lane at verb records texts text
    message   who lane at to type text
    decision  who lane at what choice data evidence text
    question  who lane at name options deadline answer by event text

A question is answered under its `name`; until it is, its `answer` is null.
Statuses are waiting, working, done, failed, cancelled, skipped, of a run interrupted where nobody works on it
any more; of a reply writing, done, lost. A new attempt takes back the text of the one before it; a reply that
is `cached` was not asked for again. While a member waits for a slot or for its share of the budget, what it
is `doing` begins with `waits: ` and says for what.

Amounts are calls, tokens, cached (tokens), usd, unpriced, the number of calls whose price is not known, and
reused, the number of replies from the cache. `lane` and `above` are ids of members: a member has one lane
however often it runs, apart from its namesakes in other teams.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from guildhall.agents import event as ev
from guildhall.agents.budget import Amount
from guildhall.errors import RETRYABLE

from .clean import clean, one_line, several
from .items import MOST, Item, Items, Patch, Snapshot
from .replays import Replays
from .summary import summary

_ENDED = {
    "answered": "done", "failed": "failed", "cancelled": "cancelled", "skipped": "skipped",
    "waiting": "waiting",
}  # fmt: skip
_NUMBER = re.compile(r"\.\d+$")
_SPENT = ("calls", "tokens", "cached", "usd", "unpriced")
_NOTHING: Item = {"calls": 0, "tokens": 0, "cached": 0, "usd": 0.0, "unpriced": 0, "reused": 0}


class View:
    """One run as it is shown. It is a sink of events and takes deltas with `text`, from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._id, self._items, self._replays = "", Items(), Replays()
        self._at, self._last = 0.0, 0  # when the last event was, and its id
        self._lanes: dict[str, str] = {}  # the span of a member, and its lane
        self._open: dict[str, set[str]] = {}  # a lane, and the spans in which its member is at work
        self._spoke: dict[str, str] = {}  # the spans of members that a model replied to, and its last reply
        about = {"is": "run", "team": "", "pattern": "", "task": "", "status": "waiting"}
        when: Item = {"began": None, "ended": None, "seconds": None, "budget": {}}
        rests: Item = {"sources": [], "cited": [], "notices": []}
        self._items.put("run", **about, **when, **_NOTHING, **rests, hidden=0, text="", cut=0)

    def __call__(self, event: ev.Event) -> None:
        """Take the next event. Kinds that it does not know are for newer views.

        A run that is gone on with tells all that was before once more: what was taken is left out.
        """
        with self._lock:
            take = getattr(self, f"_{event.kind}", None)
            if take is None or event.id <= self._last:
                return
            self._id, self._at, self._last = clean(event.run), event.at, event.id
            take(event)

    def text(self, path: str, attempt: int, text: str) -> None:
        """Take more of the reply that is being written at `path`."""
        with self._lock:
            if (id_ := _reply(path)) not in self._items:
                return
            reply = self._items[id_]
            if reply["attempt"] == attempt and reply["status"] == "writing":
                self._items.write(id_, text)

    def since(self, seq: int) -> Patch | Snapshot:
        """All that happened after `seq` in one patch, or else a snapshot."""
        with self._lock:
            return self._items.since(seq, run=self._id, at=self._clock())

    def cut_short(self) -> None:
        """Show that nobody works on the run any more, though it has not ended."""
        with self._lock:
            if self._items["run"]["status"] == "working":
                self._interrupt()
                self._items.put("run", status="interrupted", ended=self._at)

    @property
    def run_id(self) -> str:
        """The id of the run; empty before its first event."""
        return self._id

    def items(self) -> list[Item]:
        """The items as they are now, in the order in which they came up; the run is the first."""
        with self._lock:
            return self._items.copies()

    def summary(self) -> str:
        """One line for a terminal or a progress notification: who is doing what, calls, cost and time."""
        return summary(self.items(), now=self._clock())

    def _new(self, id_: str, what: str, event: ev.Event, text: str, /, **fields: Any) -> None:
        """An item about one event, unless there are too many."""
        if self._full(id_):
            return
        about = {"is": what, "at": event.at, "who": event.who, "lane": self._lane(event.path)}
        self._items.put(id_, **about, **fields)
        self._items.write(id_, text, anew=True)

    def _full(self, id_: str) -> bool:
        """Whether there is no room for this item; it is counted then."""
        full = id_ not in self._items and len(self._items) >= MOST
        if full:
            self._items.put("run", hidden=self._items["run"]["hidden"] + 1)
        return full

    def _span(self, path: str) -> str:
        """The span of the member that is at work at `path`: the nearest at or above it."""
        while path and path not in self._lanes:
            path = path.rpartition("/")[0]
        return path

    def _lane(self, path: str) -> str | None:
        return self._lanes.get(self._span(path))

    def _doing(self, event: ev.Event, what: str, **fields: Any) -> None:
        lane = self._lane(event.path)
        if lane and self._open[lane]:
            self._items.put(lane, doing=what, **fields)

    def _spend(self, path: str, spent: Amount, *, reused: bool = False) -> None:
        more = _amounts(spent) | {"reused": int(reused)}
        for id_ in filter(None, ("run", self._lane(path))):
            self._items.put(id_, **{name: self._items[id_][name] + more[name] for name in more})

    def _step(self, path: str, status: str) -> None:
        """The member at `path` works on the step of its team's plan that the span is named after."""
        above, _, name = path.rpartition("/")
        id_ = _step_id(self._lane(above), _NUMBER.sub("", name).removeprefix("step:"))
        if id_ in self._items:
            self._items.put(id_, status=status)

    def _run_started(self, event: ev.RunStarted) -> None:
        self._replays.begin()
        if event.resumed:
            self._interrupt()
        budget = {unit: getattr(event.budget, unit) for unit in ("usd", "tokens", "calls", "seconds")}
        about = {"team": event.team, "pattern": event.pattern, "task": event.task}
        when = {"began": event.at, "ended": None, "seconds": None, "budget": budget}
        self._items.put("run", status="working", **about, **when)
        self._items.write("run", "", anew=True)

    def _interrupt(self) -> None:
        """Whatever was at work in the sitting before this one is not any more."""
        for item in self._items:
            if item["is"] == "reply" and item["status"] == "writing":
                self._items.put(item["id"], status="lost", error="interrupted")
            elif item["is"] == "member" and item["status"] == "working":
                self._items.put(item["id"], status="waiting", doing="")
            elif item["is"] in ("step", "tool") and item["status"] == "working":
                self._items.put(item["id"], status="waiting" if item["is"] == "step" else "failed")
        self._open = {lane: set() for lane in self._open}

    def _run_finished(self, event: ev.RunFinished) -> None:
        ended = {"status": _ENDED[event.outcome], "ended": event.at, "seconds": event.seconds}
        cited = [source.model_dump() for source in event.cited]
        rests = {"cited": cited, "notices": list(event.notices)}
        self._items.put("run", **ended, **rests, **_amounts(event.spent))
        self._items.write("run", event.text, anew=True)
        for item in self._items if event.outcome != "waiting" else ():
            if item["is"] == "question" and item["answer"] is None:
                self._items.put(item["id"], answer="", by="nobody")

    def _started(self, event: ev.Started) -> None:
        above = self._lane(event.path.rpartition("/")[0])
        lane = f"{above or 'm:'}/{clean(event.who)}"
        if self._full(lane):
            return
        if above:
            self._items.put(above, team=True, doing="")
        if lane not in self._items:
            team = not above and bool(self._items["run"]["pattern"])  # others show by whom they start
            about = {"is": "member", "name": event.who, "above": above, "team": team}
            self._items.put(lane, **about, **_NOTHING, began=event.at, model="")
        self._lanes[event.path] = lane
        self._open.setdefault(lane, set()).add(event.path)
        work = {"task": one_line(event.task, 600), "role": event.role, "ended": None, "error": ""}
        self._items.put(lane, status="working", doing="starting", **work)
        if event.models and not self._items[lane]["model"]:
            self._items.put(lane, model=event.models[0])
        self._step(event.path, "working")

    def _finished(self, event: ev.Finished) -> None:
        self._step(event.path, status := _ENDED[event.outcome])
        if "/" not in event.path:
            self._items.put("run", sources=[f"e{source}" for source in event.sources])
        if (lane := self._lanes.get(event.path)) is None:
            return
        self._open[lane].discard(event.path)
        if status == "done" and not self._items[lane]["team"]:
            if event.path not in self._spoke:
                self._new_reply(event, event.text, status="done", event=f"e{event.id}")
            else:
                self._read(self._spoke[event.path], event.text)
        if event.outcome == "failed":
            self._items.put(lane, error=event.text)
        if not self._open[lane]:
            doing = "waiting for you" if status == "waiting" else ""
            self._items.put(lane, status=status, doing=doing, ended=event.at)

    def _read(self, id_: str, said: str) -> None:
        """Show a typed answer as its readers see it."""
        text = self._items[id_]["text"] if id_ in self._items else ""
        if text.lstrip().startswith(("{", "```")) and text != clean(said):
            self._items.write(id_, said, anew=True)

    def _new_reply(self, at: ev.Event, text: str, /, **fields: Any) -> None:
        blank = {"model": "", "attempt": 1, "error": "", "reason": "", "event": "", "cached": False}
        self._new(_reply(at.path), "reply", at, text, **blank | fields)

    def _asked(self, event: ev.Asked) -> None:
        after: Item = {}
        if event.attempt > 1 and (id_ := _reply(event.path)) in self._items:
            after = {name: self._items[id_][name] for name in ("error", "reason")}
        about = {"model": event.model, "attempt": event.attempt, "status": "writing"}
        self._new_reply(event, "", **about, **after)
        doing = "writing" if event.attempt == 1 else f"writing, attempt {event.attempt}"
        self._doing(event, doing, model=event.model)

    def _replied(self, event: ev.Replied) -> None:
        id_, at = _reply(event.path), {"model": event.model, "status": "done", "event": f"e{event.id}"}
        if event.cached:  # nothing was asked before it
            self._new_reply(event, event.text, **at, cached=True)
        elif id_ in self._items:
            reply = self._items[id_]
            self._items.put(id_, **at)
            if reply["cut"] or reply["text"] != clean(event.text):
                self._items.write(id_, event.text, anew=True)
        self._spoke[self._span(event.path)] = id_
        self._spend(event.path, event.spent, reused=event.cached)
        self._doing(event, "thinking", model=event.model)

    def _lost(self, event: ev.Lost) -> None:
        if (id_ := _reply(event.path)) in self._items:
            self._items.put(id_, status="lost", error=event.error, reason=event.text)
        self._doing(event, "waiting to try again" if event.error in RETRYABLE else "")
        self._spend(event.path, event.spent)

    def _called(self, event: ev.Called) -> None:
        about = {"tool": event.tool, "arguments": _arguments(event.arguments), "why": event.why}
        self._new(f"e{event.id}", "tool", event, "", **about, status="working", event="")
        self._doing(event, event.tool)

    def _returned(self, event: ev.Returned) -> None:
        if (id_ := f"e{event.called}") in self._items:
            self._items.put(id_, status="failed" if event.failed else "done", event=f"e{event.id}")
            self._items.write(id_, event.text, anew=True)
        self._doing(event, "thinking")

    def _said(self, event: ev.Said) -> None:
        if self._replays.repeats(event):
            return
        self._new(f"e{event.id}", "message", event, event.text, to=several(event.told), type=event.type)

    def _recalled(self, event: ev.Recalled) -> None:
        about = {"records": list(event.records), "texts": [one_line(text) for text in event.texts]}
        self._new(f"e{event.id}", "memory", event, event.query, verb="recalled", **about)

    def _remembered(self, event: ev.Remembered) -> None:
        about: Item = {"verb": "remembered", "records": [event.record], "texts": []}
        self._new(f"e{event.id}", "memory", event, event.text or event.record, **about)

    def _question(self, event: ev.Question) -> None:
        about = {"name": event.name, "options": list(event.options), "deadline": event.deadline}
        state = {"answer": None, "by": "", "event": f"e{event.id}"}
        self._new(f"q:{clean(event.path)}", "question", event, event.text, **about, **state)
        self._doing(event, "waiting for you")

    def _answered(self, event: ev.Answered) -> None:
        if (id_ := f"q:{clean(event.path)}") in self._items:
            self._items.put(id_, answer=event.text, by=event.by, event=f"e{event.id}")
        self._doing(event, "thinking")

    def _decided(self, event: ev.Decided) -> None:
        if event.choice == "waits":
            self._waits(event)
        if self._replays.repeats(event):
            return
        steps = list(_steps(event.data)) if event.what == "plan" else []
        about = {"what": event.what, "choice": event.choice, "data": None if steps else event.data}
        evidence = [f"e{source}" for source in event.evidence]
        self._new(f"e{event.id}", "decision", event, event.reason, **about, evidence=evidence)
        if steps:
            self._plan(self._lane(event.path), steps)

    def _waits(self, event: ev.Decided) -> None:
        """Have the lane say for what its member waits, until it asks."""
        model, _, why = event.reason.partition(": ") if event.what == "limit" else ("", "", event.reason)
        about = {"model": model} if why and model else {}
        self._doing(event, f"waits: {why or model}", **about)

    def _plan(self, lane: str | None, steps: list[Item]) -> None:
        """Show the steps, in place of those of an earlier plan that are not in this one."""
        plan = {_step_id(lane, str(step["id"])): step for step in steps}
        for item in self._items:
            old = item["is"] == "step" and item["lane"] == lane and item["id"] not in plan
            if old and item["status"] == "waiting":
                self._items.put(item["id"], status="skipped")
        for id_, step in plan.items():
            if not self._full(id_):
                about = {name: step.get(name) or "" for name in ("who", "task")}
                place = {"is": "step", "name": str(step["id"]), "lane": lane}
                needs = step.get("needs") or []
                self._items.put(id_, **place, **about, needs=needs, status="waiting")


def _reply(path: str) -> str:
    return f"r:{clean(path)}"


def _step_id(lane: str | None, name: str) -> str:
    return f"s:{lane or ''}/{clean(name)}"


def _steps(data: Any) -> Iterator[Item]:
    """The steps in the data of a plan, whatever else is in it."""
    for step in data if isinstance(data, list | tuple) else ():
        if isinstance(step, dict) and "id" in step:
            yield step


def _amounts(amount: Amount) -> Item:
    return {name: getattr(amount, name) for name in _SPENT}


def _arguments(arguments: dict[str, Any]) -> str:
    parts = (
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in arguments.items()
    )
    return one_line(", ".join(parts))
