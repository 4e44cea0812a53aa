"""What led to an event: what it names, or else whatever its path and the order of events point to.

Events name what they rest on where they can: a reply its call, an answer its replies, a decision its
evidence. Paths say who worked for whom.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from guildhall.agents import event as ev

Found = Iterator[ev.Event | None]
_BEGUN = (ev.Started, ev.RunStarted)
_ROUND = re.compile(r"\.\d+$")


class Trail:
    """The events of a run. A span here is that of a member; what happens in spans within it counts to it."""

    def __init__(self, events: Sequence[ev.Event]) -> None:
        self.events = {event.id: event for event in events}
        self._spans = {event.path for event in events if isinstance(event, _BEGUN)}
        self._at: dict[str, list[ev.Event]] = {}
        self._within: dict[str, list[ev.Event]] = {}
        for event in events:
            self._at.setdefault(event.path, []).append(event)
            if event.path:
                self._within.setdefault(self._above(event.path), []).append(event)

    def causes(self, event: ev.Event) -> list[ev.Event]:
        """What led to the event, each once, the oldest first; nothing led to the first start of the run."""
        find = getattr(self, f"_{event.kind}", self._owner)
        found = [cause for cause in find(event) if cause is not None and cause.id < event.id]
        found = found or [cause for cause in self._owner(event) if cause is not None]
        return [self.events[number] for number in sorted({cause.id for cause in found})]

    # -- by the kind of the event

    def _run_started(self, event: ev.RunStarted) -> Found:
        yield self._last(self._at[""], event, ev.RunStarted)

    def _run_finished(self, event: ev.RunFinished) -> Found:
        yield self._begun("", event)
        yield self._last(self._within.get("", ()), event, ev.Finished)

    def _finished(self, event: ev.Finished) -> Found:
        """Replies, decisions, and the answers of those who worked for the member."""
        begun = self._last(self._at[event.path], event, ev.Started)
        if begun is None:  # it was left out
            yield from self._started(event)
            return
        yield begun
        yield from self._named(event.sources)
        inside = [one for one in self._in(event.path) if begun.id < one.id]
        yield from (one for one in inside if isinstance(one, ev.Decided | ev.Answered))
        for below in self._ended(event.path, event, since=begun.id):
            rests_on = not event.sources or not below.sources or {*event.sources} & {*below.sources}
            if event.outcome != "answered" or (below.outcome == "answered" and rests_on):
                yield below
        if not event.sources:
            yield from (one for one in self._in(event.path) if isinstance(one, ev.Replied | ev.Lost))

    def _started(self, event: ev.Started | ev.Finished) -> Found:
        """Whoever gave it, what was passed on to it, and what had been decided by then."""
        above = self._above(event.path)
        begun = self._begun(above, event)
        yield begun
        yield from (one for one in self._in(above, begun) if isinstance(one, ev.Decided | ev.Answered))
        if not above:
            yield from (one for one in self._in(above, begun) if isinstance(one, ev.Recalled))
        said = self._said_to(event, above)
        yield from said
        needs = self._needs(event, above)
        if needs is not None or not said:
            for ended in self._ended(above, event, since=begun.id if begun else 0):
                if needs is None or _step(ended.path) in needs:
                    yield ended

    def _asked(self, event: ev.Asked | ev.Replied) -> Found:
        """What the member was given and had found out by then, and why it is asked once more."""
        yield from self._owner(event)
        yield from (one for one in self._at[event.path] if isinstance(one, ev.Decided | ev.Lost))
        known = (ev.Replied, ev.Returned, ev.Recalled, ev.Answered)
        member = self._above(event.path)
        yield from (one for one in self._in(member) if isinstance(one, known))
        yield from (one for one in self._at.get(member, ()) if isinstance(one, ev.Decided))

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
        for one in self._in(self._above(event.path)):
            if event.called < one.id and f"{one.path}/".startswith(f"{event.path}/"):
                yield one

    def _said(self, event: ev.Said) -> Found:
        """The answer that was passed on, and what it rests on."""
        yield from self._named(event.sources)
        for ended in self._ended(event.path, event):
            if event.text in (f"{name}: {ended.text}" for name in (ended.who, _step(ended.path))):
                yield ended

    def _answered(self, event: ev.Answered) -> Found:
        yield from self._named([event.question])

    def _decided(self, event: ev.Decided) -> Found:
        """Its evidence; where it names none, what those who worked in the span had said by then."""
        yield from self._owner(event)
        yield from self._named(event.evidence)
        if not event.evidence:
            yield from self._ended(event.path, event)

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
        return self._last(self._at.get(path, ()), event, *_BEGUN)

    def _last(self, among: Sequence[ev.Event], event: ev.Event, *kinds: type[Any]) -> ev.Event | None:
        """The last event of those kinds before this one."""
        return next((one for one in reversed(among) if one.id < event.id and isinstance(one, kinds)), None)

    def _in(self, path: str, begun: ev.Event | None = None) -> Iterator[ev.Event]:
        """What happened in the span and its spans that are no member's, since it began."""
        since = begun.id if begun else 0
        for one in (*self._at.get(path, ()), *self._within.get(path, ())):
            if one.id > since and (one.path == path or one.path not in self._spans):
                yield one

    def _ended(self, path: str, event: ev.Event, *, since: int = 0) -> list[ev.Finished]:
        """How each who worked in the span had ended by then."""
        last = dict[str, ev.Finished]()
        for one in self._within.get(path, ()):
            if isinstance(one, ev.Finished) and since < one.id < event.id:
                last[one.path] = one
        return [*last.values()]

    def _said_to(self, event: ev.Event, above: str) -> list[ev.Event]:
        """What was passed on to the member since it was last given something."""
        earlier = [one for one in self._within.get(above, ()) if one.who == event.who]
        before = self._last(earlier, event, ev.Started)
        return [
            one for one in self._in(above, before)
            if isinstance(one, ev.Said) and one.id < event.id
            and (one.to == event.who or one.type == "broadcast")
        ]  # fmt: skip

    def _needs(self, event: ev.Event, team: str) -> list[str] | None:
        """The steps that this one needs, by the newest plan that it is in; None where it is in none."""
        plans = [one.data for one in self._in(team) if isinstance(one, ev.Decided) and one.what == "plan"]
        for plan in reversed(plans):
            for step in plan if isinstance(plan, list | tuple) else ():
                if isinstance(step, dict) and _step(str(step.get("id"))) == _step(event.path):
                    return [_step(str(need)) for need in step.get("needs") or ()]
        return None


def _step(path: str) -> str:
    """The step that a span is named after, in whichever round: `draft` of `team/draft.2`."""
    return _ROUND.sub("", path.rpartition("/")[2]).replace(".", "-")
