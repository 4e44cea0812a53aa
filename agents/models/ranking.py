"""Sentences in the order in which they answer a task, by the words that they share with it."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log

from .sentences import Sentence
from .words import ASKING, GIVEN, MANNERS, stems, synonyms, without

SATURATION = 0.8
LENGTH = 0.15
"""BM25's k1 and b; b is small because sentences differ less in length than documents do."""
BEFORE, AFTER, ABOVE = 0.25, 0.25, 0.3
"""What a word counts in the sentence before, in the one after, and in the headings."""
FITS = 1.25
"""The factor for a sentence that has the kind of thing asked for: a number, a date, a reason."""
SYNONYM = 0.8
"""What a word counts that means much the same as one of the task which the text does not use."""
WHOLE = 0.3
"""What a word counts that names the whole of what was given, such as `contract`."""
SUPPORT = 0.3
"""What it adds if all colleagues picked the sentence; the best match with the task counts 1."""
ROLE = 0.3
"""What the role adds at most where the task's words are all in the text; up to 1 where few are."""
VAGUE = 0.4
"""Below this share of the task's words in the best sentence, the role alone may pick sentences."""
ALIKE = 0.65
"""The share of common words from which two sentences say the same."""
NEARLY = 0.5
"""The share from which two sentences with different numbers may contradict each other."""

_AMOUNT = re.compile(r"\d|%|\b(?:half|third|quarter|two|three|four|five|six|seven|eight|nine|ten|twelve)\b")
_TIME = re.compile(
    r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|january|february|march|april"
    r"|june|july|august|september|october|november|december|(?:19|20)\d\d|\d\d?:\d\d)\b",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"[$€£¥]|\b(?:EUR|USD|GBP|CHF|JPY|per cent|percent|crowns?|dollars?|euros?|pounds?|free of charge)\b|%"
)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|caused?|causes|therefore|reasons?|when|led to|after|owing)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[\w,;:)] )(?:[A-Z]\w+|\*\*[A-Z]\w+) [A-Z&]")
_KINDS = (
    (re.compile(r"\bhow (?:long|soon|quick\w*|old|often)\b|\bwhen\b|\bwhat time|\bdeadline|\bdate\b"), _TIME),
    (re.compile(r"\bhow (?:much|expensive|dear)\b|\bcosts?\b|\bprices?\b|\bfees?\b|\bpay\b"), _MONEY),
    (re.compile(r"\bhow (?:many|much|far|fast|large|big|high|great)\b|\bmaximum\b|\bminimum\b"), _AMOUNT),
    (re.compile(r"\bwhat (?:share|percentage|number|proportion|rate)\b|\bpercent"), _AMOUNT),
    (re.compile(r"\b(?:most|least|\w{3,}est)\b"), re.compile(r"\b(?:most|least|\w{3,}est)\b")),
    (re.compile(r"\bwho(?:se|m)?\b"), _NAME),
    (re.compile(r"\bwhy\b|\breasons?\b|\bcauses?d?\b"), _REASON),
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence with the colleagues that picked it."""

    sentence: Sentence
    supporters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: words with weights, of the task and of the role."""

    task: Mapping[str, float]
    role: Mapping[str, float]
    fits: tuple[re.Pattern[str], ...] = ()
    subject: tuple[str, ...] = ()
    """Words that name what the task is about; none in `Review this contract`."""

    @classmethod
    def of(cls, task: str, role: str = "") -> "Query":
        words = list(stems(task))
        subject = without(words, ASKING, GIVEN)
        weights = {word: 1.0 if word in subject else WHOLE for word in without(words, ASKING)}
        rest = without(stems(role), ASKING, GIVEN, MANNERS)
        low = task.casefold()
        return cls(
            task=weights,
            role={word: 1.0 for word in rest if word not in weights},
            fits=tuple(wanted for asked, wanted in _KINDS if asked.search(low)),
            subject=tuple(subject),
        )


def best(query: Query, candidates: Sequence[Candidate], *, limit: int, voters: int = 0) -> list[Candidate]:
    """At most `limit` sentences that bear on the query, the best first, none that says the same again."""
    texts = [list(stems(candidate.sentence.text)) for candidate in candidates]
    if voters > 1:
        # who brings answers together weighs what was found; it does not search by its own role
        query = replace(query, role={})
    scores = _Scores(query, candidates, texts).all()
    if not scores:
        return []
    top = max(scores.values())
    totals = {
        at: score / top + (SUPPORT * len(candidates[at].supporters) / voters if voters else 0.0)
        for at, score in scores.items()
    }
    ranked = sorted(totals, key=lambda at: (-totals[at], at))
    chosen: list[int] = []
    for at in ranked:
        if len(chosen) == limit:
            break
        if not any(_same(candidates, texts, at, other) for other in chosen):
            chosen.append(at)
    return [candidates[at] for at in chosen]


def alike(one: Collection[str], other: Collection[str]) -> float:
    """The share of words that two texts have in common, of 1."""
    first, second = set(one), set(other)
    return len(first & second) / len(first | second) if first and second else 0.0


def numbers(text: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(text))


def coverage(words: Iterable[str], text: Iterable[str]) -> float:
    """The share of the words that the text has, of 1."""
    wanted, there = set(words), set(text)
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _same(candidates: Sequence[Candidate], texts: Sequence[list[str]], one: int, other: int) -> bool:
    if alike(texts[one], texts[other]) < ALIKE:
        return False
    # two that differ in their numbers contradict each other, or are two rows of a table
    return numbers(candidates[one].sentence.text) == numbers(candidates[other].sentence.text)


class _Scores:
    """BM25 over the sentences as documents, where the words around a sentence count a little too."""

    def __init__(self, query: Query, candidates: Sequence[Candidate], texts: Sequence[list[str]]) -> None:
        self.query, self.texts = query, texts
        self.sentences = [candidate.sentence for candidate in candidates]
        there = {word for text in texts for word in text}
        self.wanted = {**query.task}
        for word in query.subject:
            for other in synonyms(word) if word not in there else ():
                self.wanted.setdefault(other, SYNONYM)
        wanted = self.wanted.keys() | query.role.keys()
        self.counts = [Counter(word for word in text if word in wanted) for text in texts]
        spread = Counter(word for count in self.counts for word in count)
        many = len(texts)
        self.rarity = {word: log(1 + (many - spread[word] + 0.5) / (spread[word] + 0.5)) for word in wanted}
        self.mean = sum(map(len, texts)) / (many or 1) or 1.0
        self.near = [self._near(at) for at in range(many)]

    def all(self) -> dict[int, float]:
        """The scores of the sentences that bear on the query; none if its subject is nowhere."""
        role = _scaled([self._matches(at, self.query.role) for at in range(len(self.texts))])
        if not self.query.subject:
            shared = _scaled(self._shared())
            scores = [one + 0.5 * other for one, other in zip(role, shared, strict=True)]
            return {at: score for at, score in enumerate(scores) if score > 0}
        task = [self._task(at) for at in range(len(self.texts))]
        if not (most := max(task, default=0.0)):
            return {}
        ideal = sum(self.rarity[word] for word in self.query.subject)
        # the less of the task is in the text, the more the role decides
        clear = min(1.0, most / ideal)
        share = ROLE + (1 - ROLE) * (1 - clear) ** 2
        return {
            at: one + share * other
            for at, (one, other) in enumerate(zip(_scaled(task), role, strict=True))
            if one or (other and clear < VAGUE)
        }

    def _task(self, at: int) -> float:
        score = self._matches(at, self.wanted)
        if score:
            score *= FITS ** sum(bool(fit.search(self.sentences[at].text)) for fit in self.query.fits)
        return score

    def _matches(self, at: int, weights: Mapping[str, float]) -> float:
        dampened = SATURATION * (1 - LENGTH + LENGTH * len(self.texts[at]) / self.mean)
        return sum(
            weights[word] * self.rarity[word] * often * (SATURATION + 1) / (often + dampened)
            for word, often in self.near[at].items()
            if word in weights
        )

    def _near(self, at: int) -> dict[str, float]:
        """How often each word of the query is in the sentence, and in part what stands around it."""
        near: dict[str, float] = dict(self.counts[at])
        sentence = self.sentences[at]
        for other, part in ((at - 1, BEFORE), (at + 1, AFTER)):
            if 0 <= other < len(self.counts) and _adjoin(sentence, self.sentences[other]):
                for word in self.counts[other]:
                    near[word] = near.get(word, 0.0) + part
        for word in _heading_stems((*sentence.headings[-2:], sentence.columns)):
            if word in self.rarity:
                near[word] = near.get(word, 0.0) + ABOVE
        return near

    def _shared(self) -> list[float]:
        """How much of what a sentence speaks of is spoken of elsewhere too."""
        spread = Counter(word for text in self.texts for word in set(text))
        return [
            sum(log(spread[word]) for word in sorted(set(text))) / (len(text) or 1) ** 0.5
            for text in self.texts
        ]


def _scaled(scores: Sequence[float]) -> list[float]:
    most = max(scores, default=0.0) or 1.0
    return [score / most for score in scores]


def _adjoin(one: Sentence, other: Sentence) -> bool:
    return not one.columns and (one.label, one.block) == (other.label, other.block)


@lru_cache(maxsize=1000)
def _heading_stems(headings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(stems(" ".join(headings))))
