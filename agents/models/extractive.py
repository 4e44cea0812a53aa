"""A model that is no LLM: it answers with sentences of what it was given, and their sources."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from guildhall.errors import ProviderError

from ..kinds import kind_of
from ..message import ModelReply, ModelRequest, Quote, Usage
from .base import OnText
from .material import (
    CONFLICT,
    EXTRACTED,
    FOUND_NOTHING,
    NO_ANSWER,
    NOTHING,
    answers,
    candidates,
    said,
)
from .measures import measured
from .ranking import NEARLY, Candidate, Query, alike, best, numbers
from .words import stems

PICKED = 5
"""Sentences that a member answers with."""
PICKED_FROM_ANSWERS = 6
LONG_TASK = 800
"""Characters of a task without quotes from which it is taken to bring its own text."""

SET_A_KEY = "set ANTHROPIC_API_KEY or OPENAI_API_KEY, or name a compatible server in GUILDHALL_BASE_URL"


@dataclass(frozen=True)
class ExtractiveModel:
    """Picks the sentences that answer best, by their words; the same every time, and free.

    Raises ProviderError: `unsupported` for images, PDFs and schemas other than the core's own kinds.
    """

    private: ClassVar[bool] = True
    """What it reads stays in this process."""

    @property
    def name(self) -> str:
        return "extractive"

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        text = await asyncio.to_thread(_reply, request)
        for line in text.splitlines(keepends=True):
            on_text(line)
        return ModelReply(text=text, usage=Usage(), model=self.name)


def _reply(request: ModelRequest) -> str:
    if files := [file.name for turn in request.turns for file in turn.attachments]:
        raise ProviderError(
            "unsupported",
            f"the built-in extractive model reads text only, and was given {', '.join(files)}; "
            f"{SET_A_KEY}, or give the text of the file",
        )
    role = "\n".join(turn.text for turn in request.turns if turn.role == "system")
    tasks = [turn for turn in request.turns if turn.role == "user"]
    quotes = list(dict.fromkeys(quote for turn in tasks for quote in turn.quotes))
    task = tasks[-1].text if tasks else ""
    if request.output is None:
        return _answer(task, role, quotes)
    kind = kind_of(request.output)
    answer = measured(kind, task, quotes, partial(_answer, task, role, quotes)) if kind else None
    if answer is None:
        title = request.output.get("title", "JSON")
        raise ProviderError(
            "unsupported",
            f"an answer of the form {title!r} needs an LLM: the built-in extractive model measures plans, "
            f"routes, votes, verdicts, scores and the like; {SET_A_KEY}",
        )
    return answer.model_dump_json()


def _answer(task: str, role: str, quotes: Sequence[Quote]) -> str:
    question, quotes = _own_text(task, quotes)
    colleagues = answers(quotes)
    picked = best(
        Query.of(question, role),
        candidates(quotes),
        limit=PICKED_FROM_ANSWERS if colleagues else PICKED,
        voters=len(colleagues),
    )
    lines = [EXTRACTED, "", *([_bullet(one, len(colleagues)) for one in picked] or [NOTHING])]
    if notes := [*_conflicts(picked), *_silent(quotes)]:
        lines += ["", *notes]
    return "\n".join(lines)


def _own_text(task: str, quotes: Sequence[Quote]) -> tuple[str, Sequence[Quote]]:
    """The question and what to answer it from, where a long task without quotes holds both."""
    question, _, text = task.strip().partition("\n\n")
    material = [quote for quote in quotes if quote.kind not in ("specialist", "conversation")]
    if len(task) < LONG_TASK or not text or material:
        return task, quotes
    return question, [Quote(label="task", kind="document", text=text), *quotes]


def _bullet(picked: Candidate, colleagues: int) -> str:
    sentence = picked.sentence
    line = f"- {sentence.text} [{sentence.label}]"
    if colleagues > 1 and picked.supporters:
        everyone = len(picked.supporters) == colleagues
        line += f" ({'all' if everyone else ', '.join(picked.supporters)})"
    return line


def _conflicts(picked: Sequence[Candidate]) -> list[str]:
    """Sentences of two sources that say nearly the same with other numbers."""
    found = []
    for at, one in enumerate(picked):
        for other in picked[at + 1 :]:
            first, second = one.sentence, other.sentence
            if first.label.partition(":")[0] == second.label.partition(":")[0]:
                continue
            if alike([*stems(first.text)], [*stems(second.text)]) >= NEARLY and (
                numbers(first.text) != numbers(second.text)
            ):
                found.append(
                    f"{CONFLICT} [{first.label}] and [{second.label}] say nearly the same "
                    "with different numbers."
                )
    return found


def _silent(quotes: Sequence[Quote]) -> list[str]:
    """Who of the colleagues has said nothing that could be used."""
    failed = [quote.label for quote in quotes if quote.kind == "answer" and quote.failed]
    empty = [quote.label for quote in answers(quotes) if not any(said(quote.text))]
    notes = []
    if failed:
        notes.append(f"{NO_ANSWER} {', '.join(failed)}.")
    if empty:
        notes.append(f"{FOUND_NOTHING} {', '.join(empty)}.")
    return notes
