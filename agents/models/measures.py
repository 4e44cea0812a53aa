"""Typed answers without an LLM: each is computed by a measure that its reason states."""

from collections.abc import Callable, Sequence
from functools import partial

from guildhall.errors import ProviderError

from ..kinds import (
    Ballot,
    Challenge,
    Contribution,
    Finding,
    Findings,
    Kind,
    Passing,
    Plan,
    PlanStep,
    Post,
    Review,
    Route,
    Score,
    Speaker,
    Verdict,
)  # fmt: skip
from ..message import Quote
from .material import Said, answers, candidates, said
from .ranking import ALIKE, NEARLY, alike, coverage, numbers
from .words import ASKING, GIVEN, stems, without

Extract = Callable[[], str]
"""What the model answers where free text is asked for."""


def measured(kind: type[Kind], task: str, quotes: Sequence[Quote], extract: Extract) -> Kind | None:
    """The answer of that kind, None for kinds that cannot be measured.

    Raises ProviderError where there is nothing to choose from.
    """
    ways: dict[type[Kind], Callable[[], Kind]] = {
        Plan: partial(plan, task, quotes),
        Route: partial(route, task, quotes),
        Verdict: partial(verdict, task, quotes),
        Score: partial(score, task, quotes),
        Review: partial(review, quotes),
        Ballot: partial(ballot, task, quotes),
        Challenge: partial(challenge, quotes),
        Speaker: partial(speaker, quotes),
        Passing: lambda: Passing(answer=extract(), to="", reason="no colleague was needed for an extract"),
        Post: lambda: Post(answer=extract(), letters=()),
        Contribution: partial(contribution, task, extract),
        Findings: partial(findings, quotes, extract),
    }
    return ways[kind]() if kind in ways else None


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
    ranked = _ranked("a verdict", task, quotes)
    winner, (support, near) = next(iter(ranked.items()))
    total = sum(support.values())
    against = [other for other, count in support.items() if not count]
    return Verdict(
        winner=winner,
        answer="",
        reason=f"{total} sentence{'' if total == 1 else 's'} of the other proposals support"
        f"{'s' if total == 1 else ''} it, and it has {near:.0%} of the task's words",
        dissent=f"{', '.join(against)}: no sentence in common with it" if against else "",
    )


def ballot(task: str, quotes: Sequence[Quote]) -> Ballot:
    """The proposals in the order in which a verdict would take them; an abstention where there are none."""
    if not answers(quotes):
        return Ballot(ranking=(), confidence=0.0, reason="there is no text of the options to compare")
    ranked = _ranked("a vote", task, quotes)
    near = next(iter(ranked.values()))[1]
    reason = "in the order of the sentences in which other proposals support them"
    return Ballot(ranking=tuple(ranked), confidence=round(near, 3), reason=reason)


def _ranked(what: str, task: str, quotes: Sequence[Quote]) -> dict[str, tuple[dict[str, int], float]]:
    """The proposals, the best first, each with its support by the others and its nearness to the task."""
    proposals = answers(quotes)
    if not proposals:
        raise _nothing(what, "proposals")
    parts = {one.label: list(said(one.text)) for one in proposals}
    support = {
        name: {
            other: sum(_supports(theirs, own) for theirs in parts[other]) for other in parts if other != name
        }
        for name, own in parts.items()
    }
    subject = _subject(task)
    near = {one.label: coverage(subject, stems(one.text)) for one in proposals}
    order = sorted(parts, key=lambda name: (sum(support[name].values()), near[name]), reverse=True)
    return {name: (support[name], near[name]) for name in order}


def review(quotes: Sequence[Quote]) -> Review:
    """Whether the answer that is quoted last says anything at all."""
    if not (given := answers(quotes)):
        raise _nothing("a review", "answers")
    found = len(list(said(given[-1].text)))
    reason = f"it says {found} thing{'' if found == 1 else 's'} that can be quoted; more is not measured"
    return Review(accepted=found > 0, reason=reason)


def challenge(quotes: Sequence[Quote]) -> Challenge:
    """Whether the material has a sentence that says nearly the same with other numbers."""
    shared = [one for quote in answers(quotes) for one in said(quote.text)]
    material = [one.sentence for one in candidates([quote for quote in quotes if quote.kind == "document"])]
    for one in shared:
        words, there = list(stems(one.text)), numbers(one.text)
        for sentence in material:
            other = there and sentence.text != one.text and numbers(sentence.text) != there
            if other and alike(words, list(stems(sentence.text))) >= NEARLY:
                return Challenge(refuted=True, reason=f"{sentence.text} [{sentence.label}]")
    return Challenge(refuted=False, reason="nothing in the material says the same with other numbers")


def speaker(quotes: Sequence[Quote]) -> Speaker:
    """The first who has not spoken; nobody, once all have."""
    spoken = {quote.label for quote in answers(quotes)}
    for quote in quotes:
        if quote.kind == "specialist" and quote.label not in spoken:
            return Speaker(speaker=quote.label, reason="has not spoken yet")
    return Speaker(speaker="", reason="everyone has spoken")


def contribution(task: str, extract: Extract) -> Contribution:
    """What was extracted, with its sources; the confidence is the share of the task's words in it."""
    text = extract()
    lines = list(said(text))
    found = coverage(_subject(task), (word for line in lines for word in stems(line.text)))
    sources = dict.fromkeys(label for line in lines for label in line.cites)
    return Contribution(
        answer=text, reasons=(), sources=tuple(sources), open_points=(), confidence=round(found, 3), claims=()
    )


def findings(quotes: Sequence[Quote], extract: Extract) -> Findings:
    """What was extracted, line by line, but for what has been noted already."""
    noted = "\n".join(quote.text for quote in answers(quotes))
    new = [one for one in said(extract()) if one.text not in noted]
    found = tuple(Finding(about="", text=one.text, sources=one.cites) for one in new)
    return Findings(findings=found[:20], done=True)


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
