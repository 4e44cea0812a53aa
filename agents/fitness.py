"""How well specialists fit a task, by rule: from their names, descriptions and capabilities."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from guildhall.errors import describe

from .choosing import workers
from .models.words import ASKING, COMMON, stem, stems, synonyms
from .trades import trades

if TYPE_CHECKING:
    from .run import Run

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
"""Gives each text a place, near to that of others which mean much the same."""
WORK, WORDS, MEANING = 1.0, 0.5, 1.0
"""What each part of a score counts: the kind of work, common words, nearness of meaning."""
SYNONYM = 0.5
"""What a word counts that means much the same as one of the task."""
NAME, CAPABILITY, DESCRIPTION = 2.0, 1.0, 0.7
"""What counts how much of that a specialist says of itself."""
CONTEXT = 0.2
"""What the context counts; the task counts 1."""


class Profile(NamedTuple):
    """What is known of a specialist."""

    name: str
    role: str = ""
    capabilities: tuple[str, ...] = ()

    @property
    def bare(self) -> bool:
        """Whether it has nothing but a name, so that only the name can speak for it."""
        return not (self.role.strip() or self.capabilities)


@dataclass(frozen=True)
class Fit:
    """A candidate's score, from 0 to 1, and what it is made of."""

    name: str
    score: float
    work: Mapping[str, float]
    """What each kind of work adds that both the task and the candidate speak of."""
    words: Mapping[str, float]
    """What each common word adds, by its stem."""
    meaning: float = 0.0
    """What nearness of meaning adds, where it is measured."""

    @property
    def reason(self) -> str:
        parts = [f"about {', '.join(_most(self.work))}"] if self.work else []
        parts += [f"words in common: {', '.join(_most(self.words))}"] if self.words else []
        parts += [f"near in meaning ({self.meaning:.2f})"] if self.meaning else []
        return "; ".join(parts) or "nothing in common with the task"

    @property
    def data(self) -> dict[str, Any]:
        """As it stands in an event."""
        parts = {"work": dict(self.work), "words": dict(self.words)}
        return {"name": self.name, "score": self.score, "meaning": self.meaning, **parts}


def fitness(
    task: str, candidates: Sequence[Profile], *, context: str = "", near: Sequence[float] = ()
) -> list[Fit]:
    """All candidates with their scores, the best first; of equals, the one that was named first.

    `near` is how near each is to the task in meaning, from 0 to 1, where an embedder says it.
    """
    profiles = [known(one) for one in candidates]
    work, words = _asked(task, context)
    rare_work = _rarity([one.work for one in profiles])
    rare_words = _rarity([one.words for one in profiles])
    fits = []
    for at, (candidate, has) in enumerate(zip(candidates, profiles, strict=True)):
        by_work = {
            trade: WORK * amount * has.work[trade] * rare_work[trade]
            for trade, amount in work.items()
            if trade in has.work
        }
        by_word = {
            word: WORDS * amount * has.words[word] * rare_words[word]
            for word, amount in words.items()
            if word in has.words
        }
        meaning = MEANING * max(0.0, near[at]) if near else 0.0
        total = sum(by_work.values()) + sum(by_word.values()) + meaning
        fits.append(
            Fit(candidate.name, round(1 - exp(-total), 3), _rounded(by_work), _rounded(by_word), meaning)
        )
    return sorted(fits, key=lambda fit: -fit.score)


def profile(member: Any) -> Profile:
    """What is known of a member or of its file; a team is for what those in it are for."""
    role = getattr(member, "role", "") or getattr(member, "description", "")
    capabilities = tuple(getattr(member, "capabilities", ()))
    if not role and not capabilities:
        inner = [one for one in workers(member) if one is not member]
        role = "; ".join(filter(None, (getattr(one, "role", "") for one in inner)))
        capabilities = tuple(word for one in inner for word in getattr(one, "capabilities", ()))
    return Profile(member.name, role, capabilities)


async def nearness(embed: Embed, task: str, candidates: Sequence[Profile], run: "Run") -> Sequence[float]:
    """How near each candidate is to the task in meaning; nothing, and a notice, if that cannot be told.

    It is in the journal, so that a resumed run takes the same way.
    """
    texts = [task, *("; ".join(filter(None, (one.role, *one.capabilities))) for one in candidates)]
    here, digest = run.span("embed"), run.digest(*texts)
    if (known := here.recorded(digest)) is None:
        try:
            asked, *places = await embed(texts)
            known = [round(_cosine(asked, place), 6) for place in places]
            if len(known) != len(candidates):
                raise ValueError(f"{len(known) + 1} places for {len(texts)} texts")
        except Exception as error:  # noqa: BLE001  an embedder of the user's own may raise anything
            run.state.notice(
                f"meaning was left out of the choice, since the embedder failed: {describe(error)}"
            )
            known = []
        await here.record(digest, known, wait=False)
    return [float(value) for value in known]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = sum(x * x for x in one) * sum(y * y for y in other)
    return sum(x * y for x, y in zip(one, other, strict=True)) / sqrt(lengths) if lengths else 0.0


class Known(NamedTuple):
    """A profile in the form in which it is compared."""

    work: Mapping[str, float]
    words: Mapping[str, float]


@lru_cache(maxsize=500)
def known(one: Profile) -> Known:
    """The profile as it is compared: the more kinds of work there are in it, the less each counts."""
    work, words = dict[str, float](), dict[str, float]()
    name = one.name.replace("-", " ").replace("_", " ")
    for text, counts in (
        (name, NAME), (one.role, DESCRIPTION), *((text, CAPABILITY) for text in one.capabilities),
    ):  # fmt: skip
        for trade, amount in trades(text).items():
            work[trade] = work.get(trade, 0.0) + counts * amount
        for word in set(stems(text)) - _EMPTY:
            words[word] = words.get(word, 0.0) + counts
    return Known(_scaled(work), {word: min(1.0, amount) for word, amount in words.items()})


def _asked(task: str, context: str) -> tuple[dict[str, float], dict[str, float]]:
    """Kinds of work and words that the task speaks of, and a little of those of the context."""
    work, words = dict(trades(task)), dict.fromkeys(set(stems(task)) - _EMPTY, 1.0)
    for word in list(words):
        for other in synonyms(word):
            words.setdefault(other, SYNONYM)
    if context:
        for trade, amount in trades(context[:500]).items():
            work[trade] = work.get(trade, 0.0) + CONTEXT * amount
        for word in set(stems(context[:500])) - _EMPTY:
            words.setdefault(word, CONTEXT)
    return work, dict(sorted(words.items()))


def _scaled(amounts: Mapping[str, float]) -> dict[str, float]:
    length = sqrt(sum(amount**2 for amount in amounts.values())) or 1.0
    return {key: amount / length for key, amount in amounts.items()}


def _rarity(all_: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """From 1 for what one candidate has alone, to less for what many have."""
    spread = Counter(key for one in all_ for key in one)
    most = log(1 + len(all_)) or 1.0
    return {key: log(1 + len(all_) / often) / most for key, often in spread.items()}


def _most(parts: Mapping[str, float]) -> list[str]:
    return sorted(parts, key=lambda key: (-parts[key], key))[:5]


def _rounded(parts: Mapping[str, float]) -> dict[str, float]:
    return {key: round(amount, 3) for key, amount in parts.items() if round(amount, 3)}


_EMPTY = frozenset(stem(word) for word in ASKING | COMMON)
"""Stems of words that say nothing of what the work is."""
