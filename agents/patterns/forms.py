"""How a person gives a typed answer: what is asked in words made for people, and what the reply comes to.

A reply that could mean the contrary of what it begins with is none: it is asked for again.
"""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from ..kinds import (
    Ballot,
    Challenge,
    Choice,
    Conflicts,
    Contribution,
    Finding,
    Findings,
    Kind,
    Passing,
    Post,
    Review,
    Route,
    Score,
    Speaker,
    Verdict,
    Wanted,
)
from ..questions import MOST_OPTIONS
from .bus import TO_ALL

REASON = "the user says so"
_Fields = dict[str, Any]
_Names = Sequence[str]


class UnclearError(ValueError):
    """The reply is no such answer."""


class Form(NamedTuple):
    """How a person gives an answer of some kind."""

    asks: str = ""
    """What is asked."""
    hint: str = ""
    """How it is answered."""
    options: tuple[str, ...] = ()
    read: Callable[[str], BaseModel] | None = None
    """Raises UnclearError where the reply is no such answer."""


def form(wanted: Wanted | None) -> Form:
    """How a person gives what is wanted."""
    if wanted is None:
        return Form()
    kind, names = wanted.kind, tuple(wanted.names)
    if kind in _CHOICES:
        return _choice(wanted, names)
    if kind not in _WORDS:
        keys = ", ".join(f'"{key}": ...' for key in kind.model_fields)
        return Form("", f"Answer with JSON of this form: {{{keys}}}.", read=lambda said: _json(wanted, said))
    asks, hint, fields = _WORDS[kind]
    hint = hint.format(names=", ".join(names), first=names[0] if names else "name")
    return Form(asks, hint, read=lambda said: _made(wanted, fields(said.strip(), names)))


def _choice(wanted: Wanted, names: tuple[str, ...]) -> Form:
    """One of the names, or nobody where that can be."""
    asks, nobody, of = _CHOICES[wanted.kind]
    if nobody in names:  # somebody is called that
        nobody = f"({nobody})"
    options = (*names, nobody) if names and nobody else names

    def read(said: str) -> BaseModel:
        one = said.strip()
        return _made(wanted, of("" if nobody and one.casefold() == nobody else one))

    hint = f"Choose one: {', '.join(options)}." if options else "Answer with a name."
    offered = 2 <= len(options) <= MOST_OPTIONS  # too few or too many to choose from
    return Form(asks, hint, options if offered else (), read)


def _made(wanted: Wanted, fields: _Fields) -> BaseModel:
    try:
        return wanted.kind.model_validate(fields, context={"names": tuple(wanted.names)})
    except ValidationError as error:
        raise UnclearError from error


def _json(wanted: Wanted, said: str) -> BaseModel:
    try:
        return wanted.parsed(said)
    except ValidationError as error:
        place = error.errors(include_url=False)[0]["loc"]
        why = f"{'.'.join(map(str, place))!r} is missing or does not fit" if place else "it is no JSON"
        raise UnclearError(why) from error


# -- yes and no

_YES = re.compile(r"(?:y|yes|yep|yeah|ok|okay)(?:,? please)?[\s.!]*", re.IGNORECASE)
_NO = re.compile(
    r"(?:n|no|nope)(?:[\s.!]*$|\s*[,;:.!\u2013\u2014-]\s*(?P<why>.+))", re.IGNORECASE | re.DOTALL
)
"""`no problem` is none: it may mean yes."""


def _yes(said: str) -> tuple[bool, str]:
    """Whether the reply is a yes, and the reason of a no."""
    if _YES.fullmatch(said):
        return True, REASON
    if no := _NO.match(said):
        return False, (no["why"] or "").strip() or REASON
    raise UnclearError("it is neither a plain yes nor a plain no")


def _review(said: str, _: _Names) -> _Fields:
    accepted, reason = _yes(said)
    return {"accepted": accepted, "reason": reason}


def _challenge(said: str, _: _Names) -> _Fields:
    stands, reason = _yes(said)
    return {"refuted": not stands, "reason": reason}


# -- numbers, lists and letters

_NUMBER = re.compile(r"(\d+(?:[.,]\d+)?)\s*(%|/\s*\d+)?[\s,:;-]*(.*)", re.DOTALL)


def _score(said: str, _: _Names) -> _Fields:
    if not (found := _NUMBER.fullmatch(said)):
        raise UnclearError("it begins with no number")
    number, part = float(found[1].replace(",", ".")), found[2] or ""
    of = 100.0 if part == "%" else float(part.strip("/ ") or 1)
    score = number / of if of else -1.0
    if not 0 <= score <= 1:
        raise UnclearError(f"{found[1]}{part} is not from 0 to 1")
    return {"score": score, "reason": found[3] or REASON}


def _ballot(said: str, names: _Names) -> _Fields:
    nobody = said.casefold() == "abstain" and "abstain" not in names
    parts = [said] if nobody or _same(said, names) else re.split(r"\s*[>\n]\s*", said)
    ranking = [] if nobody else [_named(part, names) for part in parts]
    if len(set(ranking)) < len(ranking):
        raise UnclearError("it names one twice")
    return {"ranking": ranking, "confidence": 1.0, "reason": REASON}


def _passing(said: str, names: _Names) -> _Fields:
    if name := _same(said, names):
        raise UnclearError(f"begin with `{name}: ` to pass it on, or write more of an answer")
    to, rest = _addressed(said, names)
    return {"answer": rest if to else said, "to": to, "reason": REASON}


def _post(said: str, names: _Names) -> _Fields:
    """Lines that begin with a name begin a letter; what stands before the first is the answer."""
    own: list[str] = []
    letters: list[tuple[str, list[str]]] = []
    for line in said.splitlines():
        to, rest = _addressed(line, names)
        if to:
            letters.append((to, [rest]))
        else:
            (letters[-1][1] if letters else own).append(line)
    texts = [(to, "\n".join(lines).strip()) for to, lines in letters]
    if any(not text for _, text in texts):
        raise UnclearError("a letter is empty")
    return {"answer": "\n".join(own).strip(), "letters": [_letter(to, text) for to, text in texts]}


def _letter(to: str, text: str) -> _Fields:
    asks = text.endswith("?")
    return {
        "to": to, "type": "request" if asks else "info", "topic": "", "text": text, "priority": 0,
        "requires_response": asks and to != TO_ALL, "seconds": 0,
    }  # fmt: skip


def _findings(said: str, _: _Names) -> _Fields:
    lines = [line.strip().removeprefix("- ") for line in said.splitlines()]
    found = [] if said.casefold().strip(" .") in ("nothing", "none") else [one for one in lines if one]
    if len(found) > MOST_FINDINGS:
        raise UnclearError(f"there are {len(found)} lines")
    return {"findings": [Finding(about="", text=one, sources=()) for one in found], "done": True}


def _conflicts(said: str, names: _Names) -> _Fields:
    """`the price: ann: 5 euros; bob: 7 euros`."""
    if said.casefold().strip(" .") in ("none", "nothing"):
        return {"conflicts": []}
    return {"conflicts": [_conflict(line, names) for line in said.splitlines() if line.strip()]}


def _conflict(line: str, names: _Names) -> _Fields:
    about, _, rest = line.partition(":")
    sides = [one.partition(":") for one in rest.split(";")]
    if len(sides) < 2 or any(not says.strip() for *_, says in sides):
        raise UnclearError("a line needs a matter, and two names with what each says")
    said = [{"who": _named(who, names), "says": says.strip()} for who, _, says in sides]
    return {"about": about.strip(), "sides": said}


def _contribution(said: str, _: _Names) -> _Fields:
    empty: _Fields = dict.fromkeys(("reasons", "sources", "open_points", "claims"), ())
    return {"answer": said, "confidence": 1.0} | empty


# -- names

_TO = re.compile(r"(?P<to>to\s+)?(?P<name>[^:\n]{1,80}?)\s*:\s*(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_BARE_TO = re.compile(r"to\s+(?P<name>[^:\n]+?)[\s.!]*", re.IGNORECASE)


def _addressed(said: str, names: _Names) -> tuple[str, str]:
    """Whom `ann: ...` or `to ann: ...` is for, and the rest; nobody where it is for no one."""
    if bare := _BARE_TO.fullmatch(said):
        return _same(bare["name"], names), ""
    if not (found := _TO.fullmatch(said)):
        return "", said
    if name := _same(found["name"], names) or _same(f"{found['to'] or ''}{found['name']}", names):
        return name, found["rest"].strip()
    near = get_close_matches(found["name"], names, n=1)
    if found["to"] and near:  # it may be a slip of the pen
        raise UnclearError(f"there is no {found['name']!r:.80}; did you mean {near[0]}?")
    return "", said


def _same(said: str, names: _Names) -> str:
    """The name that this is, if it is one."""
    bare = said.strip().strip("[]").strip().casefold()
    return next((name for name in names if name.casefold() == bare), "")


def _named(said: str, names: _Names) -> str:
    bare = said.strip().casefold()
    near = [name for name in names if bare and name.casefold().startswith(bare)]
    if name := _same(said, names) or (near[0] if len(near) == 1 else ""):
        return name
    if names or not bare:
        raise UnclearError(f"there is no {said.strip()!r:.80}")
    return said.strip()


MOST_FINDINGS = 20
_CHOICES: dict[type[BaseModel], tuple[str, str, Callable[[str], _Fields]]] = {
    Choice: ("Choose one of what is offered.", "", lambda one: {"choice": one, "reason": REASON}),
    Route: (
        "Say who is to do the task.", "",
        lambda one: {"worker": one, "confidence": 1.0, "reason": REASON},
    ),
    Verdict: (
        "Decide which of those shown below holds.", "",
        lambda one: {"winner": one, "answer": "", "reason": REASON, "dissent": ""},
    ),
    Speaker: (
        "Say who speaks next in the conversation on the task.", "nobody",
        lambda one: {"speaker": one, "reason": REASON},
    ),
}  # fmt: skip
"""What is asked, the answer that names nobody, and the fields that a name comes to."""
_WORDS: dict[type[BaseModel], tuple[str, str, Callable[[str, _Names], _Fields]]] = {
    Review: (
        "See whether the answer shown below can be accepted.",
        "Answer `yes`, or `no: ` and what has to change.", _review,
    ),
    Challenge: (
        "See whether what is shown below stands, or something is wrong with it.",
        "Answer `yes` if it stands, or `no: ` and what speaks against it.", _challenge,
    ),
    Score: (
        "Say how good the answer shown below is.",
        "Answer with a number from 0 to 1, or a percentage, and what is lacking: `0.7 too long`.", _score,
    ),
    Ballot: (
        "Vote.",
        (
            "Answer with a name, with several in order, the best first (`b > a`), or with `abstain`. "
            "You can vote for: {names}."
        ),
        _ballot,
    ),
    Passing: (
        "The work on the task has come to you: give the answer, or pass it on.",
        (
            "Write the answer. Or begin with a name and a colon, and say all that the next one has to know: "
            "`{first}: ...`. It can pass to: {names}."
        ),
        _passing,
    ),
    Post: (
        "You work on the task side by side with others. Say all that you have to say to it by now.",
        (
            "Write your answer. A line that begins with a name and a colon begins a letter: `{first}: ...`; "
            "you get a reply to one that ends in a question mark. You can write to: {names}."
        ),
        _post,
    ),
    Findings: (
        "Several explore the task side by side. Say what you find out about it, and only what is new.",
        f"Write one finding a line, {MOST_FINDINGS} at most, or `nothing`.", _findings,
    ),
    Contribution: ("", "", _contribution),
    Conflicts: (
        "Say where the answers shown below contradict each other.",
        (
            "Write one contradiction a line, as `the price: ann: 5 euros; bob: 7 euros`, or `none`. "
            "Those who answered: {names}."
        ),
        _conflicts,
    ),
}  # fmt: skip
"""What is asked, how it is answered, and the fields that a reply comes to."""
KINDS: frozenset[type[Kind]] = frozenset({*_CHOICES, *_WORDS})  # type: ignore[arg-type]  # all are of the core
"""Those whose words say all that a pattern has to tell a model."""
