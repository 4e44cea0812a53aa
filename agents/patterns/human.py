"""A member that is no model: whoever sits at the face."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ValidationError

from guildhall.errors import Failure, UserError

from ..kinds import (
    Ballot,
    Challenge,
    Choice,
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
from ..message import Message, Quote
from ..questions import MOST_OPTIONS, asked, brief, check_timeout
from ..run import Run

TRIES = 3
"""Answers that may be of no use, and the last of them fails."""
SHORT = 500
"""Characters that are shown of what somebody else has said."""


@dataclass(frozen=True)
class Human:
    """A member that asks the user, and answers with what the user says.

    Where nobody is there, the run pauses until the user has answered. Raises Failure with the kind
    `no_answer` where nobody does within `timeout` seconds, a day if not said; a review is a no then.
    """

    name: str
    role: str = ""
    """What it is for, in a line."""
    instructions: str = ""
    """What to bear in mind, shown with every question."""
    timeout: float | None = None
    capabilities: Sequence[str] = ()
    """Words and phrases by which work is matched to it."""
    private: ClassVar[bool] = True
    """What the user is shown stays with the user."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise UserError(f"a human needs a name; given is {self.name!r:.80}")
        check_timeout(self.timeout)

    async def run(self, message: Message, run: Run) -> Message:
        run.show(message.quotes)
        form, problem = _form(run.wanted), ""
        for _ in range(TRIES):
            text = _question(problem, message, self.instructions, form.hint)
            reply = await asked(run.span("question"), text, form.options, self.timeout)
            sources = tuple(dict.fromkeys((*message.sources, reply.source)))
            if reply.text is None:
                return self._silent(message, run, sources)
            try:
                data = form.read(reply.text) if form.read else None
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                problem = f"That cannot be used: {'.'.join(map(str, first['loc']))}: {first['msg']}".strip()
                continue
            said = data.said() if isinstance(data, Kind) else reply.text
            return run.answer(message, said, data=data, sources=sources)
        raise Failure(f"{self.name} gave no answer that can be used: {problem}", kind="bad_response")

    def _silent(self, message: Message, run: Run, sources: tuple[int, ...]) -> Message:
        if run.wanted is not None and run.wanted.kind is Review:
            review = Review(accepted=False, reason=f"{self.name} did not answer in time, which counts as no")
            return run.answer(message, review.said(), data=review, sources=sources)
        raise Failure(f"{self.name} did not answer in time", kind="no_answer")


def _question(problem: str, message: Message, instructions: str, hint: str) -> str:
    """What the user is shown: the task as it is, and everything else in short."""
    said = [_line(quote) for quote in message.quotes]
    if said:
        said.insert(0, "To work from, in short:")
    files = f"Files: {', '.join(file.name for file in message.attachments)}" if message.attachments else ""
    parts = [problem, message.text, message.brief, instructions, files, "\n".join(said), hint]
    return "\n\n".join(filter(None, parts))


def _line(quote: Quote) -> str:
    """A quote on one line, so that nothing in it looks like more than that."""
    if quote.kind == "document":
        return f"- {brief(quote.label)}, {quote.text.count(chr(10)) + 1:,} lines"
    return f"- {brief(quote.label)}{' (no answer)' * quote.failed}: {brief(quote.text, SHORT)}"


class _Form(NamedTuple):
    """How a human gives an answer of some kind."""

    hint: str = ""
    options: tuple[str, ...] = ()
    read: Callable[[str], BaseModel] | None = None
    """Raises ValidationError where the text is no such answer."""


def _form(wanted: Wanted | None) -> _Form:
    if wanted is None:
        return _Form()
    kind, names = wanted.kind, tuple(wanted.names)

    def made(fields: dict[str, Any]) -> BaseModel:
        return kind.model_validate(fields, context={"names": names})

    if kind in _WORDS:
        hint, fields = _WORDS[kind]
        return _Form(hint, read=lambda said: made(fields(said)))
    if kind not in _CHOICES:
        keys = ", ".join(kind.model_fields)
        return _Form(f"Answer with JSON that has the keys {keys}.", read=wanted.parsed)
    hint, nobody, of = _CHOICES[kind]
    options = (*names, nobody) if names and nobody else names
    if not 2 <= len(options) <= MOST_OPTIONS:  # too few or too many to choose from
        hint, options = f"{hint} {', '.join(options)}".strip(), ()
    return _Form(hint, options, lambda said: made(of("" if said == nobody else said)))


_REASON = "the user says so"
_YES = re.compile(r"(?:y|yes|ok|okay)[\s.!]*", re.IGNORECASE)
_NO = re.compile(r"(?:n|no)[\s.!]*(?:$|[,;:.-]\s*)", re.IGNORECASE)
_NUMBER = re.compile(r"(\d+(?:[.,]\d+)?)\s*(%|/\s*\d+)?[\s,:;-]*(.*)", re.DOTALL)


def _review(said: str) -> dict[str, Any]:
    no = _NO.match(said)
    reason = said[no.end() :] if no else said
    accepted = bool(_YES.fullmatch(said))  # yes, but ... is none
    return {"accepted": accepted, "reason": (not accepted and reason) or _REASON}


def _challenge(said: str) -> dict[str, Any]:
    return {"refuted": not _NO.match(said), "reason": said}


def _score(said: str) -> dict[str, Any]:
    if not (found := _NUMBER.fullmatch(said)):
        return {"score": said, "reason": _REASON}
    number, part = float(found[1].replace(",", ".")), found[2] or ""
    of = 100.0 if part == "%" else float(part.strip("/ ") or 1)
    return {"score": number / of if of else said, "reason": found[3] or _REASON}


_Fields = Callable[[str], dict[str, Any]]
_CHOICES: dict[type[BaseModel], tuple[str, str, _Fields]] = {
    Choice: ("Choose one.", "", lambda one: {"choice": one, "reason": _REASON}),
    Route: ("Who is to do this?", "", lambda one: {"worker": one, "confidence": 1.0, "reason": _REASON}),
    Verdict: (
        "Which one holds?", "",
        lambda one: {"winner": one, "answer": "", "reason": _REASON, "dissent": ""},
    ),
    Speaker: ("Who speaks next?", "nobody", lambda one: {"speaker": one, "reason": _REASON}),
    Ballot: (
        "For which do you vote?", "abstain",
        lambda one: {"ranking": [one] if one else [], "confidence": 1.0, "reason": _REASON},
    ),
}  # fmt: skip
"""What the user is asked, the answer that names nobody, and the fields that a name comes to."""
_WORDS: dict[type[BaseModel], tuple[str, _Fields]] = {
    Review: ("Answer yes if that is so; else say what has to change.", _review),
    Challenge: ("Answer no if nothing speaks against it; else say what does.", _challenge),
    Score: ("Answer with a number from 0 to 1 or a percentage, and what is lacking.", _score),
    Contribution: (
        "",
        lambda said: {
            "answer": said, "reasons": (), "sources": (), "open_points": (), "confidence": 1.0, "claims": (),
        },
    ),
    Passing: ("", lambda said: {"answer": said, "to": "", "reason": _REASON}),
    Post: ("", lambda said: {"answer": said, "letters": ()}),
    Findings: ("", lambda said: {"findings": (Finding(about="", text=said, sources=()),), "done": True}),
}  # fmt: skip
"""What the user is told to write, and the fields that this comes to."""
