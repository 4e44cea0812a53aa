"""What keeps those who work in a span: calls in flight, the user, a slot or the budget."""

from .. import event as ev
from ..paths import is_below

_WAITS = ("limit", "budget")
"""What a call waits for that is no fault of whoever makes it."""


class UnderWay:
    """What is in flight at and below a span, and for what is waited there, by the events that it is told."""

    def __init__(self) -> None:
        self._flying: set[int] = set()
        self._silent: dict[int, str] = {}
        """Where calls are in flight of which nothing has been seen yet."""
        self._waiting: set[str] = set()
        """Where calls wait for a slot or for the budget."""
        self._questions: dict[int, str] = {}

    @property
    def asks_user(self) -> bool:
        return bool(self._questions)

    @property
    def is_held_up(self) -> bool:
        """Whether all that is under way waits for a slot or for the budget."""
        return bool(self._waiting) and not self._flying

    @property
    def is_silent(self) -> bool:
        """Whether a tool is at work, or a model that has not begun to write."""
        return bool(self._silent)

    def waits(self, path: str) -> bool:
        """Whether the call there waits for a slot or for the budget."""
        return path in self._waiting

    def streamed(self, path: str) -> None:
        """A piece of the reply there has come."""
        self._silent = {call: where for call, where in self._silent.items() if where != path}

    def see(self, event: ev.Event) -> None:
        match event:
            case ev.Asked() | ev.Called():
                self._flying.add(event.id)
                self._silent[event.id] = event.path
                self._waiting.discard(event.path)
            case ev.Replied() | ev.Lost():
                self._land(event.asked)
            case ev.Returned():
                self._land(event.called)
            case ev.Decided() if event.what in _WAITS and event.choice == "waits":
                self._waiting.add(event.path)
            case ev.Question():
                self._questions[event.id] = event.path
            case ev.Answered():
                self._questions.pop(event.question, None)
            case ev.Finished():
                self._end(event.path)

    def _land(self, call: int) -> None:
        self._flying.discard(call)
        self._silent.pop(call, None)

    def _end(self, path: str) -> None:
        """Nothing is waited for any more in the span that has ended."""
        self._waiting = {one for one in self._waiting if not is_below(one, path)}
        self._questions = {id_: one for id_, one in self._questions.items() if not is_below(one, path)}
