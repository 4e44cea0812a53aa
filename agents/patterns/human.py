"""A member that is no model: whoever sits at the face."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from guildhall.errors import Failure, UserError

from ..kinds import Kind, Review
from ..message import CONTEXT, Message, Quote
from ..questions import SILENT, asked, brief, check_timeout
from ..run import Run
from .forms import KINDS, Form, UnclearError, form

TRIES = 5
"""Answers that may be of no use, and the last of them fails."""
SHORT, SHORTER = 500, 200
"""Characters of what was talked of before, and of a memory: neither is what is asked about."""


@dataclass(frozen=True)
class Human:
    """A member that asks the user, and answers with what the user says.

    Where nobody is there, the run pauses until the user has answered. Raises Failure with the kind
    `no_answer` where nobody does within `timeout` seconds, a day if not said: what wants a yes has none.
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
        way, problem = form(run.wanted), ""
        for _ in range(TRIES):
            text = self._question(problem, way, message, run)
            reply = await asked(run.span("question"), text, way.options, self.timeout)
            sources = tuple(dict.fromkeys((*message.sources, reply.source)))
            if reply.text is None:
                counts = ", which counts as no" * (run.wanted is not None and run.wanted.kind is Review)
                raise Failure(f"{self.name} did not answer in time{counts}", kind=SILENT)
            try:
                data = way.read(reply.text) if way.read else None
            except UnclearError as error:
                why = f": {error}" if str(error) else ""
                problem = f"{brief(reply.text, 80)!r} is no answer to this{why}."
                continue
            said = data.said() if isinstance(data, Kind) else reply.text
            return run.answer(message, said, data=data, sources=sources)
        raise Failure(f"{self.name} gave no answer that can be used: {problem}", kind="bad_response")

    def _question(self, problem: str, way: Form, message: Message, run: Run) -> str:
        """Who asks what and how it is answered, then the task, and then all that is to be judged, whole."""
        told = run.wanted is not None and run.wanted.kind in KINDS  # the form says what is to be done
        head = [problem, self._who_asks(run), way.asks, message.person or ("" if told else message.brief)]
        above = "\n".join(filter(None, [*head, way.hint]))
        files = [file.name for file in message.attachments]
        parts = [
            f"{above}\n\nThe task:" if above else "",
            message.text,
            f"Bear in mind:\n\n{self.instructions}" if self.instructions.strip() else "",
            *_shown(message.quotes, files),
        ]
        return "\n\n".join(filter(None, parts))

    def _who_asks(self, run: Run) -> str:
        """The team that is at work, if there is one, and as whom it asks."""
        team, _, below = run.path.partition("/")
        return f"The team {team} asks you{f' as {self.name}' * (self.name != 'human')}." if below else ""


def _shown(quotes: Sequence[Quote], files: Sequence[str]) -> Iterator[str]:
    """What there is to work from: what members say whole and line by line, what was known before in short."""
    for quote in quotes:
        if quote.kind in ("answer", "remark", "task") or quote.label == CONTEXT:
            yield _whole(quote)
    documents = [_document(quote) for quote in quotes if quote.kind == "document" and quote.label != CONTEXT]
    if there := [*documents, *files]:
        yield f"Files of this run, for you to open: {'; '.join(there)}"
    for kind, title, most in (
        ("specialist", "Who is there:", SHORT),
        ("conversation", "Talked of before, in short:", SHORT),
        ("memory", "From memory, in short:", SHORTER),
    ):
        if of_kind := [quote for quote in quotes if quote.kind == kind]:
            yield "\n".join([title, *(_in_short(quote, most) for quote in of_kind)])


def _whole(quote: Quote) -> str:
    """The text with a mark before each line, so that nothing in it looks like more than that."""
    lines = [f"> {line}".rstrip() for line in quote.text.splitlines()]
    return "\n".join([f"{brief(quote.label)}{' (no answer)' * quote.failed}:", *lines])


def _in_short(quote: Quote, most: int) -> str:
    label, text = brief(quote.label), brief(quote.text, most)
    return f"- {label}" if text == label else f"- {label}: {text}"


def _document(quote: Quote) -> str:
    """Its name, with the lines of a part of it."""
    first, last = quote.first_line, quote.last_line
    return (
        f"{brief(quote.label)} (lines {first:,} to {last:,})"
        if first > 1
        else f"{brief(quote.label)} ({last:,} lines)"
    )
