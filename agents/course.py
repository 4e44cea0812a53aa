"""The course of a run: what of its events can be remembered when it is over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from guildhall.memory.records import Kind, Visibility

from . import event as ev

_DECIDED = ("verdict", "vote", "conflict", "check", "score", "challenge")
_NO_FAULT = ("cancelled", "interrupted", "private")
"""How calls end that say nothing of their models."""


@dataclass(frozen=True)
class Entry:
    """Something that is to be remembered of a run."""

    text: str
    tag: str
    """What it is: outcome, decision, lesson, open question."""
    kind: Kind
    subject: str
    who: str = ""
    """Whose it is; the team's, if nobody is named."""
    model: str = ""
    visibility: Visibility = "project"
    event: int = 0
    """Where it happened."""
    days: float | None = None
    """For how long it holds."""
    rests_on: str = ""
    """The text whose citations say what it rests on."""


class Use(NamedTuple):
    """How a tool was used once."""

    who: str
    tool: str
    arguments: dict[str, Any]
    failed: bool
    text: str
    event: int


class Loss(NamedTuple):
    """How a call of a model has failed."""

    model: str
    error: str
    text: str
    event: int


class Course:
    """A sink that keeps what was decided, who said what on which model, and what failed."""

    def __init__(self, before: Iterable[ev.Event] = ()) -> None:
        self.decided: list[ev.Decided] = []
        self.uses: list[Use] = []
        self.losses: list[Loss] = []
        self._finished: dict[str, ev.Finished] = {}
        self._started: dict[str, str] = {}
        self._replied: dict[int, ev.Replied] = {}
        self._called: dict[int, ev.Called] = {}
        self._asked: dict[int, str] = {}
        self._models: dict[str, str] = {}
        for event in before:
            self(event)

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.RunStarted():  # a resumed run gives to everybody, and decides, anew
                self.decided, self._finished, self._started = [], {}, {}
            case ev.Started():
                self._started[event.path] = event.who
            case ev.Finished():
                self._finished[event.path] = event
            case ev.Decided() if event.what in _DECIDED:
                self.decided.append(event)
            case ev.Asked():
                self._asked[event.id] = event.model
            case ev.Replied():
                self._replied[event.id] = event.model_copy(update={"text": ""})
                self._models[event.who] = event.model
            case ev.Lost() if event.error not in _NO_FAULT:
                model = self._asked.get(event.asked, "")
                self.losses.append(Loss(model, event.error, event.text, event.id))
            case ev.Called():
                self._called[event.id] = event
            case ev.Returned() if (call := self._called.pop(event.called, None)) is not None:
                text = event.text[:500]
                self.uses.append(Use(event.who, call.tool, call.arguments, event.failed, text, event.id))

    def of(self, *what: str) -> Iterator[ev.Decided]:
        """What was decided of these kinds, in order."""
        return (one for one in self.decided if one.what in what and isinstance(one.data, dict))

    def decided_by(self) -> Iterator[ev.Decided]:
        """The verdicts and votes, and the conflicts that were resolved."""
        return (one for one in self.of("verdict", "vote", "conflict") if one.choice != "unresolved")

    def model_of(self, who: str) -> str:
        """The model that it was last on; nothing, where it was on none."""
        return self._models.get(who, "")

    def text_at(self, path: str) -> str:
        """What was answered there."""
        found = self._finished.get(path)
        return found.text if found is not None and found.outcome == "answered" else ""

    def author(self, of: str, evidence: Iterable[int], path: str) -> str:
        """Whoever made the answer that is called so there; nobody, where a team did as a whole."""
        if of in self.members:
            return of
        step = next((who for at, who in self._started.items() if at == f"{path}/step:{of}"), "")
        replies = (self._replied[source].who for source in evidence if source in self._replied)
        return step or next(replies, "")

    def answer_of(self, evidence: Iterable[int]) -> str:
        """What the member answered whose reply that was."""
        paths = (self._replied[source].path for source in evidence if source in self._replied)
        return next((self.text_at(path.rpartition("/")[0]) for path in paths), "")

    @property
    def members(self) -> dict[str, str]:
        """What each who is no team has answered last, in the order in which they began."""
        teams = {path.rpartition("/")[0] for path in self._started}
        return {who: self.text_at(path) for path, who in self._started.items() if path not in teams}


def gist(text: str, longest: int) -> str:
    """The beginning of the text, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[:longest].rstrip()} …"
