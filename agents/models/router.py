"""Which of several models is asked: the one whose tier suits the task, and then what it costs and can do."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, overload

from guildhall.memory.store.track import Tally

from ..config import TIERS, Preference, RouterConfig, Tier
from ..prices import Prices
from .base import Model
from .complexity import complexity
from .table import ModelRow
from .words import stems, synonyms

TYPICAL = (3_000, 800)
"""Tokens in and out of the call by which costs are compared."""
SHIFT = {"cost_sensitive": 0.15, "quality_priority": -0.15}
"""How far a preference moves both cuts: the more must a task ask for a stronger tier."""
FAVOURS = {
    "cost_sensitive": {"cost": 3.0, "spread": 0.25},
    "speed_priority": {"speed": 4.0, "spread": 0.25},
    "quality_priority": {"fit": 1.5},
}
"""How much more a preference counts some parts of the score; thrift and haste come before taking turns."""
_READ = 4_000
"""Characters of the task that are compared with the models' strengths."""
_FIT = {0: 1.0, 1: 0.65, 2: 0.4, -1: 0.3, -2: 0.0}
"""By how many tiers a model is above what is needed: too weak is worse than too strong."""
_FIT_FOR_QUALITY = {**_FIT, 1: 0.95, 2: 0.9}
_EXPECTED = (20, 0.95, 10.0)
"""Calls that every model is taken to have made, how many of them went well, and the seconds of one."""


@dataclass(frozen=True)
class Candidate:
    """A model, and the tiers that it stands for."""

    model: Model
    tiers: frozenset[Tier] = frozenset(TIERS)
    row: ModelRow | None = None

    @property
    def provider(self) -> str:
        return self.model.name.partition(":")[0]


@dataclass(frozen=True)
class Ranking:
    """The models for one task, the best first, and why."""

    models: tuple[Model, ...]
    reason: str
    data: dict[str, Any]
    """`complexity`, `tier`, and under `scores` each candidate's `score` with its parts; as JSON has them."""

    @property
    def choice(self) -> str:
        return self.models[0].name


@dataclass(frozen=True)
class Candidates(Sequence[Model]):
    """The models that a member may ask; as a sequence in the order for a task of medium complexity."""

    candidates: tuple[Candidate, ...]
    role: Tier = "balanced"
    """What tasks of medium complexity need."""
    wished: bool = False
    """The tier was asked for, so no task moves it."""
    preference: Preference | None = None
    turn: str = ""
    """The provider whose turn it is, so that the members of a team differ."""
    config: RouterConfig = field(default_factory=RouterConfig)
    prices: Prices = field(default_factory=Prices)

    @overload
    def __getitem__(self, at: int) -> Model: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Model, ...]: ...
    def __getitem__(self, at: int | slice) -> Model | tuple[Model, ...]:
        return self._usual[at]

    def __len__(self) -> int:
        return len(self.candidates)

    def only(self, usable: Callable[[Model], bool]) -> "Candidates":
        """Those that are usable; all of them, if none is."""
        left = tuple(candidate for candidate in self.candidates if usable(candidate.model))
        return replace(self, candidates=left) if 0 < len(left) < len(self.candidates) else self

    def of_tier(self, tier: Tier) -> "Candidates":
        """Those of this tier first, whatever the task; not where one was asked for already."""
        return self if self.wished else replace(self, role=tier, wished=True)

    def ranked(self, task: str, *, material: int = 0, track: Mapping[str, Tally] | None = None) -> Ranking:
        """All candidates, the best for the task first: who comes next is asked when one gives up.

        `material` is about how many tokens come with the task, `track` how the models did so far.
        """
        level = complexity(task, material=material)
        tier = self._needed(level)
        scores = self._scores(tier, frozenset(stems(task[:_READ])), material, track or {})
        order = self._in_order(scores)
        rows = [
            {"model": candidate.model.name, "score": round(sum(parts.values()), 4), **parts}
            for candidate, parts in order
        ]
        data = {"complexity": round(level, 3), "tier": tier, "preference": self.preference, "scores": rows}
        models = tuple(candidate.model for candidate, _ in order)
        return Ranking(models, self._reason(level, tier, models), data)

    @cached_property
    def _usual(self) -> tuple[Model, ...]:
        if len(self.candidates) == 1:  # no prices need to be known
            return (self.candidates[0].model,)
        scores = self._scores(self.role, frozenset(), 0, {})
        return tuple(candidate.model for candidate, _ in self._in_order(scores))

    def _needed(self, level: float) -> Tier:
        if self.wished:
            return self.role
        shift = SHIFT.get(self.preference or "", 0.0)
        step = (level > self.config.complex + shift) - (level < self.config.simple + shift)
        return TIERS[min(max(TIERS.index(self.role) + step, 0), len(TIERS) - 1)]

    def _scores(
        self, tier: Tier, words: frozenset[str], material: int, track: Mapping[str, Tally]
    ) -> list[dict[str, float]]:
        """What each part, from 0 to 1, adds to the score of each candidate."""
        favours = FAVOURS.get(self.preference or "", {})
        weights = {name: value * favours.get(name, 1.0) for name, value in self.config.weights}
        scores = []
        for candidate, cost, speed in zip(self.candidates, self._cheapness(), self._quickness(), strict=True):
            fit, record = self._fit(candidate, tier, material), _record(track.get(candidate.model.name))
            parts = {
                "fit": fit,
                "strengths": _strengths(candidate.row, words),
                "cost": cost,
                "speed": speed,
                "record": record,
                "spread": fit * record * (candidate.provider == self.turn),  # its turn, if it is any good
            }
            scores.append({name: round(weights[name] * part, 4) for name, part in parts.items()})
        return scores

    def _in_order(self, scores: list[dict[str, float]]) -> list[tuple[Candidate, dict[str, float]]]:
        """The best first; of equals the one that was named first."""
        pairs = zip(self.candidates, scores, strict=True)
        return sorted(pairs, key=lambda pair: -round(sum(pair[1].values()), 9))

    def _fit(self, candidate: Candidate, tier: Tier, material: int) -> float:
        if candidate.row and candidate.row.context and material > candidate.row.context:
            return 0.0
        fits = _FIT_FOR_QUALITY if self.preference == "quality_priority" else _FIT
        return max(fits[TIERS.index(own) - TIERS.index(tier)] for own in candidate.tiers)

    def _cheapness(self) -> list[float]:
        usd = [
            self.prices.amount(candidate.model, *TYPICAL).usd if self.prices.knows(candidate.model) else None
            for candidate in self.candidates
        ]
        least = min((price for price in usd if price), default=1.0) / 10  # what is free is cheaper still
        return [1 - part for part in _within([None if p is None else max(p, least) for p in usd], apart=10)]

    def _quickness(self) -> list[float]:
        speeds = [candidate.row.speed if candidate.row else None for candidate in self.candidates]
        return _within(speeds, apart=4)

    def _reason(self, level: float, tier: Tier, models: Sequence[Model]) -> str:
        best = models[0].name
        if len(models) == 1:
            return f"{best} is the only one to ask"
        asks = f"the tier {tier} was asked for"
        if not self.wished:
            asks = f"a task of complexity {level:.2f} needs {tier} where the role is {self.role}"
        prefers = f", with {self.preference}" if self.preference else ""
        return f"{asks}{prefers}: {best} scores highest of {len(models)}"


def _within(values: Sequence[float | None], apart: float) -> list[float]:
    """Each value by its logarithm, the least as 0 and the greatest as 1; what is not known as one half.

    Where the greatest is not `apart` times the least, all are nearer to one half.
    """
    known = [math.log(value) for value in values if value]
    low, high = min(known, default=0.0), max(known, default=0.0)
    width = max(high - low, math.log(apart))
    return [0.5 + (math.log(value) - (low + high) / 2) / width if value else 0.5 for value in values]


def _strengths(row: ModelRow | None, words: frozenset[str]) -> float:
    """0 where none of its strengths is spoken of, near to 1 where several are."""
    known = {word for strength in (row.strengths if row else ()) for word in stems(strength)}
    hits = sum(1 for word in known if word in words or words.intersection(synonyms(word)))
    return hits / (hits + 1)


def _record(tally: Tally | None) -> float:
    """Near to 1 for a model whose calls all went well and fast; what is unknown is taken to be usual."""
    calls, rate, usual = _EXPECTED
    known = tally or Tally(0, 0, 0.0, 0, 0.0)
    total = known.calls + calls
    went_well = (known.calls - known.lost + calls * rate) / total
    seconds = (known.seconds + calls * usual) / total
    return 0.8 * went_well**2 + 0.2 * usual / (usual + seconds)
