"""What led to an event: what it names, or else whatever its path and the order of events point to.

Events name what they rest on where they can: a reply its call, an answer its replies, a decision its
evidence. Paths say who worked for whom.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

from guildhall.agents import event as ev
from guildhall.agents.paths import is_below

E = TypeVar("E", bound=ev.Event)
Found = Iterator[ev.Event | None]
_BEGUN = (ev.Started, ev.RunStarted)
_NEXT = ("speaker", "route", "handoff", "handover")
"""What is decided about whoever is given something next, and about nobody who comes after."""
_ROUND = re.compile(r"\.\d+$")


class Trail:
    """The events of a run. A span here is that of a member; what happens in spans within it counts to it.

    It is made for runs of thousands of members: all that it looks up is kept by span, in the order of ids.
    """

    def __init__(self, events: Sequence[ev.Event]) -> None:
        self.events = {event.id: event for event in sorted(events, key=_id)}
        self._spans = {event.path for event in events if isinstance(event, _BEGUN)}
        self._at: dict[str, list[ev.Event]] = defaultdict(list)
        self._starts: dict[str, list[ev.Event]] = defaultdict(list)
        self._given: dict[tuple[str, str], list[ev.Event]] = defaultdict(list)
        """Starts in a span, by who was given something."""
        self._inside: dict[str, list[ev.Event]] = defaultdict(list)
        """What happened in a span, and in spans within it that are no member's."""
        self._of_kind: dict[tuple[str, type[Any]], list[ev.Event]] = defaultdict(list)
        self._ends: dict[str, list[ev.Finished]] = defaultdict(list)
        """Of those who worked in a span."""
        self._of_step: dict[tuple[str, str], list[ev.Finished]] = defaultdict(list)
        self._told: dict[tuple[str, int], list[ev.Finished]] = defaultdict(list)
        """By what is said where they are passed on."""
        self._plans: dict[str, list[tuple[int, dict[str, set[str]]]]] = defaultdict(list)
        """The plans of a span: the event of each, and what its steps need."""
        self._newest: dict[str, list[int]] = {}
        self._passing: dict[str, list[ev.Event]] = defaultdict(list)
        self._lasting: dict[str, list[ev.Event]] = defaultdict(list)
        """What was decided or answered in a span: about whoever comes next alone, and all else."""
        self._begun_last: dict[str, list[int]] = defaultdict(list)
        """For each end in a span, when the last began of those who had ended by then."""
        for event in self.events.values():
            self._add(event)

    def _add(self, event: ev.Event) -> None:
        above = self._above(event.path)
        span = event.path if event.path in self._spans else above
        self._at[event.path].append(event)
        self._inside[span].append(event)
        self._of_kind[span, type(event)].append(event)
        if isinstance(event, ev.Decided | ev.Answered):
            passes = isinstance(event, ev.Decided) and event.what in _NEXT
            (self._passing if passes else self._lasting)[span].append(event)
        if isinstance(event, _BEGUN):
            self._starts[event.path].append(event)
            self._given[above, event.who].append(event)
        elif isinstance(event, ev.Finished) and event.path:
            begun = self._begun(event.path, event)
            self._begun_last[above].append(max([*self._begun_last[above][-1:], begun.id if begun else 0]))
            self._ends[above].append(event)
            self._of_step[above, _step(event.path)].append(event)
            for text in _as_said(event):
                self._told[above, hash(text)].append(event)
        elif isinstance(event, ev.Decided) and event.what == "plan":
            self._plans[span].append((event.id, _needs(event.data)))

    def causes(self, event: ev.Event) -> list[ev.Event]:
        """What led to the event, each once, the oldest first; nothing led to the first start of the run."""
        find = getattr(self, f"_{event.kind}", self._owner)
        found = [cause for cause in find(event) if cause is not None and cause.id < event.id]
        found = found or [cause for cause in self._owner(event) if cause is not None]
        return [self.events[number] for number in sorted({cause.id for cause in found})]

    # -- by the kind of the event

    def _run_started(self, event: ev.RunStarted) -> Found:
        yield self._begun("", event)

    def _run_finished(self, event: ev.RunFinished) -> Found:
        yield self._begun("", event)
        yield _last(self._ends[""], event)

    def _finished(self, event: ev.Finished) -> Found:
        """Replies, decisions, and the answers of those who worked for the member."""
        begun = self._begun(event.path, event)
        if begun is None:  # it was left out
            yield from self._started(event)
            return
        yield begun
        yield from self._named(event.sources)
        yield from self._in(event.path, ev.Decided, ev.Answered, since=begun.id)
        sources = {*event.sources}
        for below in _each_last(_between(self._ends[event.path], begun.id, event.id)):
            rests_on = not sources or not below.sources or not sources.isdisjoint(below.sources)
            if event.outcome != "answered" or (below.outcome == "answered" and rests_on):
                yield below
        if not sources:
            yield from self._in(event.path, ev.Replied, ev.Lost)

    def _started(self, event: ev.Started | ev.Finished) -> Found:
        """Whoever gave it, what was passed on to it, and what had been decided by then; of other steps of a
        plan, only of those that it needs."""
        above = self._above(event.path)
        begun, steps = self._begun(above, event), self._steps(event, above)
        since = begun.id if begun else 0
        yield begun
        for one in _between(self._lasting[above], since, event.id):
            if steps is None or _step_of(one) in ("", *steps):
                yield one
        yield from _between(self._passing[above], max(since, self._gone_on(above, event)), event.id)
        if not above:
            yield from self._in(above, ev.Recalled, since=since, before=event.id)
        said = self._said_to(event, above)
        yield from said
        if steps is not None:
            yield from self._answers_to(above, steps, since, event)
        elif not said:
            yield from self._ended(above, since, event)

    def _asked(self, event: ev.Asked | ev.Replied) -> Found:
        """What the member was given and had found out by then, and why it is asked once more."""
        yield from self._owner(event)
        yield from (one for one in self._at[event.path] if isinstance(one, ev.Decided | ev.Lost))
        member = self._above(event.path)
        known = (ev.Replied, ev.Returned, ev.Recalled, ev.Answered)
        yield from self._in(member, *known, before=event.id)
        yield from (one for one in self._in(member, ev.Decided, before=event.id) if one.path == member)

    def _replied(self, event: ev.Replied) -> Found:
        if event.cached:
            yield from self._asked(event)
        yield from self._named([event.asked])

    def _lost(self, event: ev.Lost) -> Found:
        yield from self._named([event.asked])

    def _called(self, event: ev.Called) -> Found:
        yield from self._named((event.reply, *event.inputs))

    def _returned(self, event: ev.Returned) -> Found:
        """The call, and what happened in the tool."""
        yield from self._named([event.called])
        for one in _between(self._inside[self._above(event.path)], event.called, event.id):
            if is_below(one.path, event.path):
                yield one

    def _said(self, event: ev.Said) -> Found:
        """The answer that was passed on, and what it rests on."""
        yield from self._named(event.sources)
        ended = _between(self._told[event.path, hash(event.text)], 0, event.id)
        yield from (one for one in _each_last(ended) if event.text in _as_said(one))

    def _answered(self, event: ev.Answered) -> Found:
        yield from self._named([event.question])

    def _decided(self, event: ev.Decided) -> Found:
        """Its evidence; where it names none, what those who worked in the span had said by then."""
        yield from self._owner(event)
        yield from self._named(event.evidence)
        if not event.evidence:
            step = _step_of(event)
            yield from (
                self._answers_to(event.path, [step], 0, event) if step else self._ended(event.path, 0, event)
            )

    def _owner(self, event: ev.Event) -> Found:
        """What the member was given in whose span it happened; the run's start, if in nobody's."""
        path = event.path if event.path in self._spans else self._above(event.path)
        while path and self._begun(path, event) is None:
            path = self._above(path)
        yield self._begun(path, event)

    # -- what they share

    def _above(self, path: str) -> str:
        """The span of the member that is at work around the path; empty for the run itself."""
        while (path := path.rpartition("/")[0]) and path not in self._spans:
            pass
        return path

    def _named(self, numbers: Iterable[int]) -> Found:
        return (self.events.get(number) for number in numbers)

    def _begun(self, path: str, event: ev.Event) -> ev.Event | None:
        return _last(self._starts[path], event)

    def _in(
        self, span: str, *kinds: type[Any], since: int = 0, before: int | None = None
    ) -> Iterator[ev.Event]:
        """What happened in the span and its spans that are no member's."""
        for kind in kinds:
            yield from _between(self._of_kind[span, kind], since, before)

    def _gone_on(self, span: str, event: ev.Event) -> int:
        """When the last began of those who had ended in the span by then: what was decided before about
        whoever came next was about them."""
        ended = bisect_left(self._ends[span], event.id, key=_id)
        return self._begun_last[span][ended - 1] if ended else 0

    def _ended(self, span: str, since: int, event: ev.Event) -> list[ev.Finished]:
        """Who had ended in the span by then; those whom one of them knew of are found by way of that one."""
        there = self._ends[span]
        if span not in self._newest:
            self._newest[span] = [0, *accumulate((self._knew_of(span, one) for one in there), max)]
        newest = self._newest[span][bisect_left(there, event.id, key=_id)]
        return _each_last(_between(there, max(since, newest), event.id))

    def _knew_of(self, span: str, ended: ev.Finished) -> int:
        """From which event on those who end are unknown to this one; 0 if it was not given all of them."""
        begun = self._begun(ended.path, ended)
        if begun is None or self._steps(begun, span) is not None or self._said_to(begun, span):
            return 0
        return begun.id

    def _answers_to(self, span: str, steps: Iterable[str], since: int, event: ev.Event) -> Found:
        for step in steps:
            yield from _each_last(_between(self._of_step[span, step], since, event.id))

    def _said_to(self, event: ev.Event, above: str) -> list[ev.Event]:
        """What was passed on to the member since it was last given something."""
        before = _last(self._given[above, event.who], event)
        said = self._in(above, ev.Said, since=before.id if before else 0, before=event.id)
        return [
            one for one in said
            if isinstance(one, ev.Said) and (event.who in one.told or one.type == "broadcast")
        ]  # fmt: skip

    def _steps(self, event: ev.Event, team: str) -> set[str] | None:
        """The step and those that it needs, by the newest plan that it is in; None where it is in none."""
        own = _step(event.path)
        for number, needs in reversed(self._plans[team]):
            if number < event.id and own in needs:
                return {own, *needs[own]}
        return None


def _id(event: ev.Event) -> int:
    return event.id


def _between(events: Sequence[E], since: int, before: int | None) -> Sequence[E]:
    """Those after the one event and before the other."""
    end = len(events) if before is None else bisect_left(events, before, key=_id)
    return events[bisect_right(events, since, key=_id) : end]


def _last(events: Sequence[E], event: ev.Event) -> E | None:
    """The last one before this event."""
    end = bisect_left(events, event.id, key=_id)
    return events[end - 1] if end else None


def _each_last(events: Iterable[E]) -> list[E]:
    """The last of each path."""
    return [*{event.path: event for event in events}.values()]


def _step(path: str) -> str:
    """The step that a span is named after, in whichever round: `draft` of `team/step:draft.2`."""
    return _ROUND.sub("", path.rpartition("/")[2].removeprefix("step:").removeprefix("check:"))


def _step_of(event: ev.Event) -> str:
    """The step that a decision is about; empty where it says none."""
    about = event.data if isinstance(event, ev.Decided) else None
    return _in_paths(about.get("of") or "") if isinstance(about, dict) else ""


def _needs(plan: Any) -> dict[str, set[str]]:
    """What each step of the plan needs."""
    steps = [step for step in plan if isinstance(step, dict)] if isinstance(plan, list | tuple) else []
    return {_in_paths(step.get("id")): {*map(_in_paths, step.get("needs") or ())} for step in steps}


def _in_paths(name: Any) -> str:
    """A step's name as it is in paths."""
    return str(name).replace(".", "-")


def _as_said(event: ev.Finished) -> Iterator[str]:
    """What is said of the answer where it is passed on: by its author, or by its step."""
    return (f"{name}: {event.text}" for name in (event.who, _step(event.path)))
