"""Typed answers without an LLM: each is computed by a measure that its reason states."""

from collections.abc import Sequence

from guildhall.errors import ProviderError

from ..kinds import Kind, Plan, PlanStep, Route, Score, Verdict
from ..message import Quote
from .material import Said, answers, said
from .ranking import ALIKE, alike, coverage
from .words import ASKING, GIVEN, stems, without


def measured(kind: type[Kind], task: str, quotes: Sequence[Quote]) -> Kind:
    """The answer of that kind. Raises ProviderError where there is nothing to choose from."""
    if kind is Plan:
        return plan(task, quotes)
    if kind is Route:
        return route(task, quotes)
    if kind is Verdict:
        return verdict(task, quotes)
    return score(task, quotes)


def plan(task: str, quotes: Sequence[Quote]) -> Plan:
    """One step for each specialist whose description shares a word with the task, else for each."""
    matches = _matches(task, quotes)
    workers = [one.label for one, shared in matches if shared] or [one.label for one, _ in matches]
    steps = (
        PlanStep(
            id=f"step-{number}", worker=worker, task=task, needs=(), priority=0, model="", expected="",
            acceptance="",
        )
        for number, worker in enumerate(workers, 1)
    )  # fmt: skip
    return Plan(steps=tuple(steps), engage=())


def route(task: str, quotes: Sequence[Quote]) -> Route:
    """The specialist whose description shares most words with the task, else the first."""
    worker, shared = max(_matches(task, quotes), key=lambda match: len(match[1]))
    if not shared:
        reason = "no description shares a word with the task; this is the first who was offered"
    else:
        reason = f"its description shares most words with the task: {', '.join(shared)}"
    share = len(shared) / max(1, len(_subject(task)))
    return Route(worker=worker.label, confidence=round(share, 3), reason=reason)


def verdict(task: str, quotes: Sequence[Quote]) -> Verdict:
    """The proposal whose sentences the other proposals support most, then the one nearest the task."""
    proposals = answers(quotes)
    if not proposals:
        raise _nothing("a verdict", "proposals")
    parts = {one.label: list(said(one.text)) for one in proposals}
    support = {
        name: {
            other: sum(_supports(theirs, own) for theirs in parts[other]) for other in parts if other != name
        }
        for name, own in parts.items()
    }
    subject = _subject(task)
    near = {one.label: coverage(subject, stems(one.text)) for one in proposals}
    winner = max(parts, key=lambda name: (sum(support[name].values()), near[name]))
    total = sum(support[winner].values())
    against = [other for other, count in support[winner].items() if not count]
    return Verdict(
        winner=winner,
        answer="",
        reason=f"{total} sentence{'' if total == 1 else 's'} of the other proposals support"
        f"{'s' if total == 1 else ''} it, and it has {near[winner]:.0%} of the task's words",
        dissent=f"{', '.join(against)}: no sentence in common with it" if against else "",
    )


def score(task: str, quotes: Sequence[Quote]) -> Score:
    """The share of the task's words that the answer has."""
    subject = _subject(task)
    there = {word for quote in answers(quotes) for one in said(quote.text) for word in stems(one.text)}
    covered = coverage(subject, there)
    missing = [word for word in subject if word not in there]
    reason = f"the answer has {len(subject) - len(missing)} of the task's {len(subject)} words"
    if missing:
        reason += f"; not there (in their stems): {', '.join(missing[:12])}"
    return Score(score=round(covered, 3), reason=reason)


def _matches(task: str, quotes: Sequence[Quote]) -> list[tuple[Quote, list[str]]]:
    """Each specialist with the words that its name and description share with the task."""
    subject = _subject(task)
    specialists = [quote for quote in quotes if quote.kind == "specialist"]
    if not specialists:
        raise _nothing("a plan or a route", "specialists")
    words = [(one, set(stems(f"{one.label} {one.text}"))) for one in specialists]
    return [(one, [word for word in subject if word in there]) for one, there in words]


def _subject(task: str) -> list[str]:
    """The words of the task that name its subject; all of them where none does."""
    words = list(stems(task))
    return without(words, ASKING, GIVEN) or without(words)


def _supports(theirs: Said, own: Sequence[Said]) -> bool:
    words = list(stems(theirs.text))
    return any(theirs.text == one.text or alike(words, list(stems(one.text))) >= ALIKE for one in own)


def _nothing(what: str, of: str) -> ProviderError:
    return ProviderError("unsupported", f"{what} needs {of} to choose from, and none were quoted")
