"""What all spans of one run share."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from guildhall.memory.memory import Memory
from guildhall.memory.store.runs import RunLog
from guildhall.memory.store.track import Tally
from guildhall.redact import logger

from . import event as ev
from .budget import Amount, Budget, Meter
from .config import CacheMode
from .message import Quote
from .models.base import Model
from .models.breaker import Breakers
from .models.guarded import Policy
from .models.replies import Replies
from .models.slots import Slots
from .prices import Prices

Sink = Callable[[ev.Event], None]
"""Sees every event in order. It takes the event and returns: one that must wait keeps a queue of its own."""
OnDelta = Callable[[str, int, str], None]
"""Sees text as it streams: path, attempt, text. A higher attempt takes back what earlier ones showed."""

log = logger(__name__)


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
    team_models: dict[str, Model] = field(default_factory=dict)
    """All that members of this run may ask, by name."""
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    replied: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Of a resumed run: the event of the reply at each path, and the model that gave it."""
    shown: dict[str, list[Quote]] = field(default_factory=dict)
    """Everything that members were shown, by its label; of one file there may be several parts."""
    models: set[str] = field(default_factory=set)
    """Models that have replied."""
    reused: int = 0
    """Replies that came from the cache."""
    notices: list[str] = field(default_factory=list)
    _samples: dict[str, set[int]] = field(default_factory=dict)

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
        for sink in self.sinks:
            try:
                sink(event)
            except Exception:
                log.exception("a sink failed; the run goes on")

    def count(self, model: str, seconds: float, spent: Amount, *, lost: int = 0) -> None:
        """Note how long a call took, and how it ended."""
        known = self.tallies.get(model, Tally())
        self.tallies[model] = known.plus(Tally(1, lost, seconds, spent.output, spent.usd))

    def withheld(self, labels: Iterable[str]) -> None:
        """Have the reader told of private memories that a member was not shown."""
        for label in labels:
            self.notice(f"{label} is private and was not shown to models that are not marked private")

    def notice(self, text: str) -> None:
        """Have the reader of the result told, once."""
        if text not in self.notices:
            self.notices.append(text)
