"""What all spans of one run share."""

import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from guildhall.memory.memory import Memory
from guildhall.memory.records import Record
from guildhall.memory.store.notebook import Notes
from guildhall.memory.store.questions import Question, Questions
from guildhall.memory.store.runs import RunLog
from guildhall.memory.store.standing import Standing, Standings
from guildhall.memory.store.track import Tally
from guildhall.redact import logger

from . import event as ev
from .budget import Amount, Budget, Meter
from .config import CacheMode
from .kinds import Contribution
from .message import Quote
from .models.base import Model
from .models.breaker import Breakers
from .models.guarded import Policy
from .models.replies import Replies
from .models.slots import Slots
from .notebook import Notebook
from .paths import down_to, is_below
from .prices import Prices

Sink = Callable[[ev.Event], None]
"""Sees every event in order. It takes the event and returns: one that must wait keeps a queue of its own."""
OnDelta = Callable[[str, int, str], None]
"""Sees text as it streams: path, attempt, text. A higher attempt takes back what earlier ones showed."""
Channel = Callable[[Question], Awaitable[str | None]]
"""Puts a question to the person at the face; None is that nobody answers it now. Cancelled, it takes back
what it shows."""

log = logger(__name__)


class Observer(Protocol):
    """Sees what happens in a run, and is part of it."""

    def __call__(self, event: ev.Event) -> None: ...

    def streamed(self, path: str) -> None:
        """A piece of the reply at that path has come."""
        ...


@dataclass
class RunState:
    """What all spans of one run share."""

    id: str
    meter: Meter = field(default_factory=lambda: Meter(Budget()))
    sinks: Sequence[Sink] = ()
    on_delta: OnDelta | None = None
    log: RunLog | None = None
    """None: nothing is written, and the run cannot be resumed."""
    memory: Memory | None = None
    scope: str = "default"
    host: str = "python"
    recalls_private: bool = True
    """Whether who asked may be told what private memories say."""
    prices: Prices = field(default_factory=Prices)
    policy: Policy = field(default_factory=Policy)
    questions: Questions | None = None
    """None: a question is answered by `human` or not at all."""
    human: Channel | None = None
    """None: nobody is there, and the run pauses where a human is asked."""
    notes: Notes | None = None
    """None: what members note for each other is not on disk."""
    unanswered: Collection[Question] = ()
    """Of a resumed run: the questions that it had not gone on from."""
    waiting: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What ends the waiting for the user, by the path of each span that has paused for that."""
    slots: Slots | None = None
    """None: calls of models are not limited."""
    replies: Replies | None = None
    """None: what is asked twice is paid for twice."""
    cache: CacheMode = "use"
    breakers: Breakers = field(default_factory=Breakers)
    track: Mapping[str, Tally] = field(default_factory=dict)
    """How the calls of each model had ended before this run."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    """How they end in this run."""
    standing: Mapping[str, Standing] = field(default_factory=dict)
    """How often each member's side had held before this run, where something was judged."""
    standings: dict[str, Standing] = field(default_factory=dict)
    """The same of this run."""
    records: Standings | None = None
    """None: they are kept for this run only."""
    team_models: dict[str, Model] = field(default_factory=dict)
    """All that members of this run may ask, by name."""
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    replied: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Of a resumed run: the event of the reply at each path, and the model that gave it."""
    lessons: bool = True
    """Whether members are told what they had done wrong before, and it is remembered."""
    owners: frozenset[str] = frozenset()
    """The agents that remember something for themselves alone."""
    conversation: Sequence[Quote] = ()
    """What was asked and answered in the runs that this one continues."""
    recalled: dict[str, Record] = field(default_factory=dict)
    """What memory has told this run, by label."""
    heard: dict[str, float] = field(default_factory=dict)
    """The tools that have told this run something, and how far each is trusted."""
    contributions: dict[str, Contribution] = field(default_factory=dict)
    """The typed answers of members, by the paths of their spans."""
    shown: dict[str, list[Quote]] = field(default_factory=dict)
    """Everything that members were shown, by its label; of one file there may be several parts."""
    models: set[str] = field(default_factory=set)
    """Models that have replied."""
    reused: int = 0
    """Replies that came from the cache."""
    notices: list[str] = field(default_factory=list)
    _samples: dict[str, set[int]] = field(default_factory=dict)
    _observers: dict[str, list[Observer]] = field(default_factory=dict)
    """By the span that each observes."""
    _overheard: bool = False
    """Whether observers are told of streamed text."""

    @cached_property
    def notebook(self) -> Notebook:
        """What members of this run note for each other."""
        return Notebook(self.id, self.notes)

    def sample(self, digest: str) -> int:
        """A number that no other request of that digest has in this run, in any of its sittings."""
        if (taken := self._samples.get(digest)) is None:
            taken = self._samples[digest] = set(self.log.samples(digest) if self.log is not None else ())
        number = len(taken)
        while number in taken:
            number += 1
        taken.add(number)
        return number

    def tell(self, event: ev.Event) -> None:
        """Show the event to every sink; one that fails stops nothing."""
        everybody: Sequence[Sink] = (*self.sinks, *self._watching(event.path))
        for sink in everybody:
            try:
                sink(event)
            except Exception:
                log.exception("a sink failed; the run goes on")

    @contextmanager
    def observed(self, path: str, observer: Observer) -> Iterator[None]:
        """Have it see meanwhile what happens at and below that path; unlike a sink it may act on that."""
        self._overhear()
        there = self._observers.setdefault(path, [])
        there.append(observer)
        try:
            yield
        finally:
            there.remove(observer)
            if not there:
                del self._observers[path]

    def _watching(self, path: str) -> list[Observer]:
        """Who observes that path or one above it, the outermost first."""
        return [one for above in down_to(path) for one in self._observers.get(above, ())]

    def _overhear(self) -> None:
        """Have observers told of streamed text too."""
        if self._overheard:
            return
        self._overheard = True
        face: OnDelta | None = self.on_delta

        def heard(path: str, attempt: int, text: str) -> None:
            for one in self._watching(path):
                one.streamed(path)
            if face is not None:
                face(path, attempt, text)

        self.on_delta = heard

    def call_off(self, path: str) -> None:
        """Have nobody wait for the user any more at that path or below."""
        for one in [one for one in self.waiting if is_below(one, path)]:
            self.waiting.pop(one)()

    def count(self, model: str, seconds: float, spent: Amount, *, lost: int = 0) -> None:
        """Note how long a call took, and how it ended."""
        known = self.tallies.get(model, Tally())
        self.tallies[model] = known.plus(Tally(1, lost, seconds, spent.output, spent.usd))

    def judged(self, member: str, *, held: bool) -> None:
        """Note that a matter was decided, and whether this member's side held."""
        self.standings[member] = self.standings.get(member, Standing()).plus(Standing(1, int(held)))

    def hears(self, tool: str, trust: float) -> None:
        """Note that a tool has told this run something."""
        self.heard[tool] = trust

    @property
    def least_trusted(self) -> tuple[str, float]:
        """The tool that is trusted least of those that this run has heard, and how far."""
        return min(self.heard.items(), key=lambda one: (one[1], one[0]), default=("", 1.0))

    def withheld(self, labels: Iterable[str]) -> None:
        """Have the reader told of private memories that a member was not shown."""
        for label in labels:
            self.notice(f"{label} is private and was not shown to models that are not marked private")

    def notice(self, text: str) -> None:
        """Have the reader of the result told, once."""
        if text not in self.notices:
            self.notices.append(text)
