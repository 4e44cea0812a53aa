"""Whether what an answer cites and quotes is really there."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from ..conduct import sources_of
from ..message import Message, cited
from ..run import Run


@dataclass(frozen=True)
class Citations:
    """What an answer cites must have been shown in this run, and what it quotes must stand there."""

    name: str = "citations"

    async def __call__(self, message: Message, answer: Message, run: Run) -> str:  # noqa: ARG002  a Check
        unknown = [label for label in _cited(answer.text) if not _stands(label, run)]
        wrong = [f"[{label}] was not shown to anybody" for label in dict.fromkeys(unknown)]
        for words, label in _quotations(answer.text):
            if label not in unknown and not _is_in(words, label, run):
                wrong.append(f"{words[:80]!r} does not stand in [{label}]")
        return "; ".join(wrong[:20])


def _cited(text: str) -> list[str]:
    """What is cited: labels that name a place or a file, and names of what was shown."""
    labels = (label.strip() for group in cited(_LINK.sub(" ", text)) for label in re.split(r"[;,]", group))
    return [label for label in labels if _LABEL.fullmatch(label)]


def _stands(label: str, run: Run) -> bool:
    """Whether it was shown; a range of lines was where its first line was."""
    return any(source.label == label for source in sources_of(f"[{label}]", run.state))


def _quotations(text: str) -> Iterator[tuple[str, str]]:
    """Words in quotation marks with the label that follows them in the same sentence."""
    for found in _QUOTATION.finditer(_LINK.sub(" ", text)):
        if len(found["words"].split()) < 3:  # a word or two are marked for other reasons, too
            continue
        for label in (one.strip() for one in re.split(r"[;,]", found["label"])):
            if _LABEL.fullmatch(label):
                yield found["words"], label
                break


def _is_in(words: str, label: str, run: Run) -> bool:
    """Whether the quotation stands in what was shown under that name; `...` stands for what was left out."""
    name = label if label in run.state.shown else label.rpartition(":")[0]
    there = " ".join(_plain(quote.text) for quote in run.state.shown.get(name, ()))
    at = 0
    for piece in re.split(r"\[?(?:\.\.\.|…)\]?", words):
        bare = _plain(piece).strip(" .,;:")
        at = there.find(bare, at)
        if at < 0:
            return False
        at += len(bare)
    return True


def _plain(text: str) -> str:
    """The text as quotations are compared: without marks of print, emphasis and breaks of lines."""
    text = unicodedata.normalize("NFKC", text).translate(_PRINT)
    return " ".join(text.casefold().split())


_LINK = re.compile(r"\[[^\[\]\n]*\]\([^()\s]*\)")
_LABEL = re.compile(r"(?![\d.]+:)[^\[\]\s:][^\[\]]*:[\w-]+|[\w./-]+\.[A-Za-z][A-Za-z0-9]{0,4}")
"""`contract.md:12`, `memory:1f3a9c02`, `contract.md`; not `12:30`."""
_QUOTATION = re.compile(
    r"[\"“„«](?P<words>[^\"“”„«»\n]{5,2000})[\"”“»][^\[\]\"“”„«»\n]{0,80}?\[(?P<label>[^\[\]\n]{1,200})\]"
)
_PRINT = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "*": "", "_": "", "`": ""}  # noqa: RUF001  what is printed
)
