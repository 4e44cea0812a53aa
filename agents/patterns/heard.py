"""What the members of a team have answered, as whoever looks after the team overhears it."""

import re
from typing import NamedTuple

from .. import event as ev
from ..message import Message


class Answer(NamedTuple):
    """What a member of the team has answered."""

    who: str
    text: str
    sources: tuple[int, ...]


class Heard:
    """Keeps what the members answer who are given something in these spans, in the order of their starts.

    The spans are those of one team's attempts; only the last attempt counts.
    """

    def __init__(self, *attempts: str) -> None:
        self._attempts = attempts
        self._found: dict[str, dict[str, Answer | None]] = {path: {} for path in attempts}
        self._alone: set[str] = set()
        """Where somebody was shown nothing of what others of the attempt had said."""
        self._given: dict[str, set[int]] = {}
        """What the first of each attempt was given to work from."""
        self._told: set[tuple[str, str]] = set()

    def __call__(self, event: ev.Event) -> None:
        if isinstance(event, ev.Said):
            self._told |= {(event.path, name) for name in event.told}
        above = event.path.rpartition("/")[0]
        if (found := self._found.get(above)) is None:
            return
        if isinstance(event, ev.Started):
            found[event.path] = None
            given = self._given.setdefault(above, {*event.sources})
            if given.issuperset(event.sources) and (above, event.who) not in self._told:
                self._alone.add(event.path)
        elif isinstance(event, ev.Finished) and event.path in found and event.outcome == "answered":
            found[event.path] = Answer(event.who, event.text, event.sources)

    def streamed(self, path: str) -> None: ...

    @property
    def attempt(self) -> str:
        """The span of the last attempt."""
        return next((path for path in reversed(self._attempts) if self._found[path]), self._attempts[0])

    def last(self) -> list[Answer]:
        """The last answer of each."""
        found = self._found[self.attempt]
        return list({one.who: one for one in found.values() if one is not None}.values())

    def independent(self) -> list[Message]:
        """The answers of those who were shown nothing of what others had said, whenever they began."""
        found = self._found[self.attempt]
        return [
            Message(sender=one.who, type="response", text=_SURE.sub("", one.text), sources=one.sources)
            for path, one in found.items()
            if path in self._alone and one is not None
        ]


_SURE = re.compile(r"\n\nConfidence: [01]\.\d\d\Z")
"""How sure a member is of a typed answer is nothing that another one could contradict."""
