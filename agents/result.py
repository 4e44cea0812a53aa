"""What a run comes to, for those who asked: from its events, live or stored."""

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import SerializeAsAny, ValidationError

from . import event as ev
from .budget import NOTHING, Amount
from .event import Source
from .message import Frozen
from .questions import OpenQuestion

Status = Literal["done", "failed", "cancelled", "interrupted", "needs_input", "running"]
_STATUS: dict[str, Status] = {
    "answered": "done", "failed": "failed", "cancelled": "cancelled", "waiting": "needs_input",
}  # fmt: skip


class Contribution(Frozen):
    """What one member said, on which model."""

    member: str
    work: str = ""
    """What it was asked for, where its team has a name for that: `analyst-critique`, `step:draft`."""
    model: str = ""
    text: str = ""
    status: Literal["working", "answered", "failed", "cancelled", "skipped", "waiting"]
    error: str = ""


class Claimed(Frozen):
    """One side of a conflict."""

    who: str
    says: str


class Disagreement(Frozen):
    """Something on which members contradicted each other, and what became of it."""

    about: str
    sides: tuple[Claimed, ...]
    choice: str
    """Whose side holds, `synthesis` where none does alone, or `unresolved`."""
    holds: str = ""
    """What holds."""
    by: str = ""
    """The rule by which it was resolved."""
    reason: str = ""

    def __str__(self) -> str:
        sides = "; ".join(f"{side.who}: {side.says}" for side in self.sides)
        return f"{self.about}: {sides} ({self.choice}{f', by {self.by}' if self.by else ''})"


class Checked(Frozen):
    """One check of an answer, as it came out last."""

    check: str
    of: str
    """Whose answer."""
    outcome: Literal["passed", "not passed", "not made"]
    reason: str = ""

    def __str__(self) -> str:
        why = f": {self.reason}" if self.outcome != "passed" else ""
        return f"{self.check} of {self.of} {self.outcome}{why}"


class UsageTotals(Frozen):
    """What the run used. `cost_usd` is that of the calls whose price is known, None if there are none."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = 0.0
    unpriced_calls: int = 0
    """Calls of models whose price is not known; what they cost comes on top."""
    reused_replies: int = 0
    """Replies that came from the cache and cost nothing."""

    @classmethod
    def of(cls, spent: Amount, reused: int = 0) -> "UsageTotals":
        return cls(
            calls=spent.calls,
            input_tokens=spent.input,
            output_tokens=spent.output,
            cached_tokens=spent.cached,
            cost_usd=None if spent.unpriced and not spent.usd else round(spent.usd, 9),
            unpriced_calls=spent.unpriced,
            reused_replies=reused,
        )


class Result(Frozen):
    """The answer of a run, who said what, what it rests on, and what it cost."""

    run_id: str
    status: Status
    team: str
    pattern: str = ""
    task: str = ""
    answer: str = ""
    data: SerializeAsAny[Any] = None
    """The typed output of the team, where it has one."""
    sources: tuple[Source, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    usage: UsageTotals = UsageTotals()
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
    conflicts: tuple[Disagreement, ...] = ()
    checks: tuple[Checked, ...] = ()
    error: str = ""
    questions: tuple[OpenQuestion, ...] = ()
    """What the user is asked, where the run waits for that; `Hall.answer` answers, or `guildhall answer`."""

    def _repr_markdown_(self) -> str:
        """The answer, as a notebook shows it."""
        return self.answer or f"{self.team} {self.status}: {self.error}"

    def to_json(self) -> dict[str, Any]:
        """The result as plain values; what there need not be only where there is some of it."""
        may_be_empty = ("error", "data", "questions", "conflicts", "checks")
        left_out = {"task"} | {name for name in may_be_empty if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=left_out)


@dataclass
class Collector:
    """A sink that keeps what a result is made of."""

    run_id: str = ""
    team: str = ""
    pattern: str = ""
    task: str = ""
    spent: Amount = NOTHING
    began: float = 0.0
    last: float = 0.0
    ended: ev.RunFinished | None = None
    seen: int = 0
    """The id of the last event."""
    _members: dict[str, Contribution] = field(default_factory=dict)
    _teams: set[str] = field(default_factory=set)
    _models: dict[str, str] = field(default_factory=dict)
    _reused: int = 0
    _conflicts: dict[tuple[str, str], Disagreement] = field(default_factory=dict)
    _checks: dict[tuple[str, str, str], Checked] = field(default_factory=dict)

    def __call__(self, event: ev.Event) -> None:
        self.last, self.seen = event.at, event.id
        match event:
            case ev.RunStarted():
                self.run_id, self.team, self.pattern = event.run, event.team, event.pattern
                self.task, self.ended = event.task, None
                self.began = self.began or event.at
                self._members, self._teams = {}, set()  # a resumed run gives to everybody anew
                self._conflicts, self._checks = {}, {}
            case ev.RunFinished():
                self.ended, self.spent = event, event.spent
            case ev.Started():
                self._teams.add(event.path.rpartition("/")[0])
                model = event.models[0] if event.models else ""
                work = _work(event.path, event.who)
                self._members[event.path] = Contribution(
                    member=event.who, work=work, model=model, status="working"
                )
            case ev.Finished():
                self._finished(event)
            case ev.Decided(what="conflict" | "check", data=dict()):
                self._decided(event, event.data)
            case ev.Replied() | ev.Lost():
                self.spent += event.spent
                if isinstance(event, ev.Replied):
                    self._reused += event.cached
                    self._models[event.path.rpartition("/")[0]] = event.model

    def result(self, *, status: Status | None = None, data: Any = None) -> Result:
        """The result so far; `status` says how things are where the run has not finished."""
        ended = self.ended
        status = _STATUS.get(ended.outcome, "failed") if ended else status or "running"
        text = ended.text if ended else ""
        return Result(
            run_id=self.run_id,
            status=status,
            team=self.team,
            pattern=self.pattern,
            task=self.task,
            answer=text if status == "done" else "",
            data=data,
            sources=ended.cited if ended else (),
            contributions=self.contributions(),
            usage=UsageTotals.of(self.spent, self._reused),
            seconds=round(ended.seconds if ended else self.last - self.began, 3),
            notices=ended.notices if ended else (),
            conflicts=tuple(self._conflicts.values()),
            checks=tuple(self._checks.values()),
            error="" if status == "done" else text,
        )

    def contributions(self) -> tuple[Contribution, ...]:
        """What each member said; teams are left out, since their members are there."""
        return tuple(said for path, said in self._members.items() if path not in self._teams)

    def _finished(self, event: ev.Finished) -> None:
        said = self._members.get(event.path)
        model = self._models.get(event.path) or (said.model if said else "")
        good = event.outcome == "answered"
        self._members[event.path] = Contribution(
            member=event.who,
            work=_work(event.path, event.who),
            model=model,
            text=event.text if good else "",
            status=event.outcome,
            error="" if good else event.text,
        )

    def _decided(self, event: ev.Decided, data: dict[str, Any]) -> None:
        """Keep a conflict or a check; where it came up before in the same place, this is how it is now."""
        with suppress(ValidationError):  # a pattern of somebody's own may mean something else
            if event.what == "conflict":
                found = Disagreement.model_validate(data | {"choice": event.choice, "reason": event.reason})
                self._conflicts[event.path, found.about] = found
            else:
                check = Checked.model_validate(data | {"outcome": event.choice, "reason": event.reason})
                self._checks[event.path, check.check, check.of] = check


def _work(path: str, who: str) -> str:
    name = re.sub(r"\.\d+$", "", path.rpartition("/")[2])
    return "" if name == who else name


def called_off(run: str, events: Iterable[ev.Event]) -> ev.RunFinished:
    """The end of a run that nobody works on, and nobody is to go on with."""
    collector = collect(events)
    return ev.RunFinished(
        id=collector.seen + 1, run=run, path="", who="user", at=time.time(), outcome="cancelled",
        text="cancelled", spent=collector.spent, seconds=collector.result().seconds,
    )  # fmt: skip


def collect(events: Iterable[ev.Event]) -> Collector:
    """What the events come to."""
    collector = Collector()
    for event in events:
        collector(event)
    return collector
