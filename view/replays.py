"""What a run that was gone on with did again without a call, since its journal had the answers."""

from collections.abc import Iterator, Sequence

from guildhall.agents import event as ev
from guildhall.agents.paths import down_to

_CALLS = (ev.Asked, ev.Replied, ev.Lost)


def without_replays(events: Sequence[ev.Event]) -> Iterator[ev.Event]:
    """The events, without what was decided and passed on in an earlier sitting just so, and without the
    choices of models that were not asked then."""
    idle = {event.id for event in _idle_choices(events)}
    known, here = set[tuple[object, ...]](), set[tuple[object, ...]]()
    for event in events:
        if isinstance(event, ev.RunStarted):
            known |= here
        if (same := _what(event)) is not None:
            here.add(same)
            if same in known or event.id in idle:
                continue
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
