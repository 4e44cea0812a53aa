"""Why a run said what it said: from any event, or any words of an answer, back to the task."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from guildhall.agents import event as ev
from guildhall.agents.message import cited
from guildhall.errors import UserError

from .clean import one_line, several, tame
from .trail import Trail

_NUMBER = re.compile(r"\s*[#e]?(\d{1,12})\s*")
_WORDS = re.compile(r"\w+")
_BEFORE = 80
"""Characters that are shown before the words that were asked for."""


@dataclass(frozen=True)
class Link:
    """One event of the chain; all texts are clean."""

    event: int
    who: str
    what: str
    """What happened, in a word or two: `replied`, `was given`, `decided: route`."""
    text: str
    because: tuple[int, ...]
    """The numbers of the events that led to it, the newest first."""
    sources: tuple[tuple[str, str], ...] = ()
    """Labels of what it quotes, each with what stands there, as far as that is known."""
    says_it: bool = False
    """Whether it has the words that were asked for."""

    def to_json(self) -> dict[str, Any]:
        sources = [{"label": label, "text": text} for label, text in self.sources]
        told: dict[str, Any] = tame(asdict(self) | {"sources": sources})
        return told


def why(events: Sequence[ev.Event], asked: str, *, files: Sequence[str] = ()) -> list[Link]:
    """All that led to the event of that number, or to the newest answer with those words, the newest first.

    `files` are the names of what the run was given. Raises UserError where no event is meant.
    """
    trail, known = Trail(events), _known(events, files)
    start, words = _meant(trail, asked)
    rest, links = [start], dict[int, Link]()
    while rest:
        if (event := rest.pop()).id not in links:
            causes = trail.causes(event)
            links[event.id] = _link(event, causes, words, _sources(event, known, files))
            rest += causes
    return [links[number] for number in sorted(links, reverse=True)]


def _meant(trail: Trail, asked: str) -> tuple[ev.Event, str]:
    """The event, and the words by which it was found, if it was by words."""
    number = _NUMBER.fullmatch(asked)
    if number and (event := trail.events.get(int(number[1]))):
        return event, ""
    words = _words(asked)
    saying = [event for event in trail.events.values() if words and words in _words(_all_said(event))]
    if not saying:
        raise UserError(
            f"no event of this run is or says {asked!r:.200}; give a number from 1 to "
            f"{max(trail.events, default=0)}, or words of an answer as they stand there"
        )
    answers = [event for event in saying if isinstance(event, ev.RunFinished | ev.Finished)]
    return (answers or saying)[-1], words


def _link(
    event: ev.Event, causes: Sequence[ev.Event], words: str, sources: Iterator[tuple[str, str]]
) -> Link:
    what, text = _told(event)
    return Link(
        event=event.id,
        who="the run" if isinstance(event, ev.RunFinished) else one_line(event.who, 80),
        what=what,
        text=_around(words, text),
        because=tuple(cause.id for cause in reversed(causes)),
        sources=tuple((one_line(label, 120), one_line(text, 200)) for label, text in sources),
        says_it=bool(words) and words in _words(_all_said(event)),
    )


def _known(events: Sequence[ev.Event], files: Sequence[str]) -> dict[str, str]:
    """The labels of all that was given, recalled, returned by tools or cited, with what stands there."""
    known = dict.fromkeys(files, "")
    for event in events:
        match event:
            case ev.Recalled():
                known.update(zip(event.records, event.texts, strict=False))
            case ev.Returned() if not event.failed:
                for line in event.text.splitlines():
                    known.update({label: line.partition(f"[{label}]")[2] for label in cited(line)[:1]})
            case ev.RunFinished():
                known.update({source.label: source.text for source in event.cited})
    return known


def _sources(event: ev.Event, known: Mapping[str, str], files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What an answer quotes, what memory gave, and what the run was given."""
    labels: Sequence[str] = ()
    match event:
        case ev.RunFinished():
            labels = [source.label for source in event.cited]
        case ev.Replied() | ev.Finished():
            labels = [one for one in cited(event.text) if one in known or one.rpartition(":")[0] in known]
        case ev.Recalled():
            labels = event.records
        case ev.RunStarted():
            labels = files
    return ((label, known.get(label, "")) for label in labels)


def _told(event: ev.Event) -> tuple[str, str]:
    """What happened, and its text."""
    return _TOLD[event.kind](event)


_TOLD: dict[str, Callable[[Any], tuple[str, str]]] = {
    "run_started": lambda event: ("went on with the task" if event.resumed else "asked", event.task),
    "run_finished": lambda event: (event.outcome, event.text),
    "started": lambda event: ("was given", event.task),
    "finished": lambda event: (event.outcome, event.text),
    "asked": lambda event: (
        "asked the model", event.model + f", attempt {event.attempt}" * (event.attempt > 1)
    ),
    "replied": lambda event: ("replied" + " from the cache" * event.cached, event.text),
    "lost": lambda event: ("got no reply", f"{event.error}: {event.text}"),
    "called": lambda event: ("called", f"{event.tool}({_listed(event.arguments)})" + _since(event.why)),
    "returned": lambda event: ("was told of a failure" if event.failed else "was told", event.text),
    "said": lambda event: (f"passed on to {several(event.told)}", event.text),
    "recalled": lambda event: ("recalled", event.query),
    "remembered": lambda event: ("remembered", event.text),
    "question": lambda event: ("asked a human", event.text),
    "answered": lambda event: ("was answered", event.text),
    "decided": lambda event: (f"decided: {event.what}", event.choice + _since(event.reason)),
}  # fmt: skip


def _listed(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _since(reason: str) -> str:
    return f", since {reason}" if reason else ""


def _around(words: str, text: str) -> str:
    """One line of the text, from where the words stand, if they do."""
    found = words and re.search(r"\W+".join(words.split()), text, re.IGNORECASE)
    if not found or found.start() < _BEFORE:
        return one_line(text)
    return one_line("… " + text[found.start() - _BEFORE // 2 :].partition(" ")[2])


def _all_said(event: ev.Event) -> str:
    """Everything by which the event can be found."""
    if isinstance(event, ev.Recalled):
        return " ".join((event.query, *event.texts))
    return _told(event)[1]


def _words(text: str) -> str:
    """The words alone, so that marks of any kind between them, or a line's end, make no difference."""
    return " ".join(_WORDS.findall(text)).casefold()
