"""What a run that was gone on with did again without a call, since its journal had the answers."""

from collections.abc import Iterator, Sequence

from guildhall.agents import event as ev
from guildhall.agents.paths import down_to

_CALLS = (ev.Asked, ev.Replied, ev.Lost)


class Replays:
    """What was decided and passed on so far, to tell when a later sitting does so once more."""

    def __init__(self) -> None:
        self._earlier, self._here = set[int](), set[int]()

    def begin(self) -> None:
        """A sitting begins."""
        self._earlier |= self._here

    def repeats(self, event: ev.Event) -> bool:
        """Whether an earlier sitting has done just so; it is remembered of this one."""
        if (same := _what(event)) is None:
            return False
        self._here.add(hash(same))
        return hash(same) in self._earlier


def without_replays(events: Sequence[ev.Event]) -> Iterator[ev.Event]:
    """The events, without what was decided and passed on in an earlier sitting just so, and without the
    choices of models that were not asked then."""
    idle, replays = {event.id for event in _idle_choices(events)}, Replays()
    for event in events:
        if isinstance(event, ev.RunStarted):
            replays.begin()
        if not replays.repeats(event) and event.id not in idle:
            yield event


def _what(event: ev.Event) -> tuple[object, ...] | None:
    """What a replay says once more in the same words."""
    if isinstance(event, ev.Decided):
        return event.path, event.who, event.what, event.choice, event.reason
    return (event.path, event.who, event.told, event.text) if isinstance(event, ev.Said) else None


def _idle_choices(events: Sequence[ev.Event]) -> Iterator[ev.Decided]:
    """The choices of models by members who then answered without a call."""
    chosen: dict[str, ev.Decided] = {}
    for event in events:
        if isinstance(event, ev.Decided) and event.what == "model":
            chosen[event.path] = event
        elif isinstance(event, _CALLS):
            for path in down_to(event.path):
                chosen.pop(path, None)
        elif isinstance(event, ev.Finished) and event.path in chosen and event.outcome == "answered":
            yield chosen.pop(event.path)
