"""Whether what an answer cites and quotes is really there."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..conduct import sources_of
from ..kinds import Contribution
from ..message import Message, cited
from ..run import Run


@dataclass(frozen=True)
class Citations:
    """What an answer cites must have been shown in this run, and what it quotes must stand there.

    Where documents were shown, an answer in words has to cite something.
    """

    name: str = "citations"

    async def __call__(self, message: Message, answer: Message, run: Run) -> str:  # noqa: ARG002  a Check
        text = _LINK.sub(" ", _FENCED.sub(" ", answer.text))
        labels = _cited(text, run)
        if not labels and (given := _uncited(answer, run)):
            return f"nothing is cited, and there was something to cite: {', '.join(given[:10])}"
        wrong = [f"[{label}] was not shown to anybody" for label in labels if not _stands(label, run)]
        for words, label in _quotations(text, run):
            if not _is_at(words, label, run):
                there = next((f"; it stands in [{one}]" for one in _places(words, label, run)), "")
                wrong.append(f"{words[:80]!r} does not stand in [{label}]{there}")
        return "; ".join(wrong[:20])


def _cited(text: str, run: Run) -> list[str]:
    """What is cited: what names a place or a file, and no piece of code."""
    found = []
    for group in _BRACKETS.finditer(_CODE.sub(r" \g<alone> ", text)):
        looks_like_one = _PLACE if group["before"] else _LABEL
        found += [
            label
            for label in _labels(group["label"])
            if looks_like_one.fullmatch(label) or _name(label) in run.state.shown
        ]
    return list(dict.fromkeys(found))


def _uncited(answer: Message, run: Run) -> list[str]:
    """The documents that an answer could have cited which cites nothing in its text."""
    in_words = answer.data is None or isinstance(answer.data, Contribution)
    if not in_words or any(label in run.state.shown for label in cited(answer.text)):
        return []
    return [label for label, quotes in run.state.shown.items() if quotes[0].kind == "document"]


def _labels(group: str) -> list[str]:
    return [label.strip() for label in re.split(r"[;,]", group)]


def _name(label: str) -> str:
    """What is cited, without the place in it."""
    return label.rpartition(":")[0]


def _stands(label: str, run: Run) -> bool:
    """Whether it was shown; a range of lines was where its first line was."""
    return any(source.label == label for source in sources_of(f"[{label}]", run.state))


def _quotations(text: str, run: Run) -> Iterator[tuple[str, str]]:
    """What is marked as quoted, with the label that follows it, if that was shown."""
    marked = [(one["words"], one["label"]) for one in _QUOTATION.finditer(text)]
    marked += [(one["words"], one["label"]) for one in _IN_SINGLE.finditer(text)]
    for words, group in (*marked, *_blocks(text)):
        if len(words.split()) < LEAST_WORDS:
            continue
        for label in _labels(group):
            if (_LABEL.fullmatch(label) or _name(label) in run.state.shown) and _stands(label, run):
                yield words, label
                break


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """What stands in block quotes, with the label behind it: in the block, or first on the next line."""
    for block in _BLOCK.finditer(text):
        lines = "\n".join(line.lstrip(" \t>") for line in block["lines"].splitlines())
        if _QUOTATION.search(lines):  # which is what it quotes
            continue
        at = 0
        for found in _BRACKETS.finditer(whole := f"{lines}\n{block['label'] or ''}"):
            yield whole[at : found.start("label") - 1].strip(_AROUND), found["label"]
            at = found.end()


def _is_at(words: str, label: str, run: Run) -> bool:
    """Whether the quotation begins in what the label names: a whole, or the paragraphs of these lines."""
    if label in run.state.shown:
        return any(_begins_in(words, [quote.text]) for quote in run.state.shown[label])
    first, _, last = label.rpartition(":")[2].partition("-")
    for quote in run.state.shown.get(_name(label), ()):
        parts = [*quote.paragraphs()]
        if not first.isdecimal() or quote.kind != "document":
            if _begins_in(words, [quote.text]):
                return True
            continue
        until = int(last) if last.isdecimal() else int(first)
        begins = [int(part.label.rpartition(":")[2]) for part in parts]
        at = max((place for place, line in enumerate(begins) if line <= int(first)), default=len(parts))
        cited = sum(line <= until for line in begins[at:])
        if _begins_in(words, [part.text for part in parts[at:]], cited):
            return True
    return False


def _places(words: str, label: str, run: Run) -> Iterator[str]:
    """Where else the quotation stands in what is cited."""
    for quote in run.state.shown.get(_name(label), ()):
        yield from (part.label for part in quote.paragraphs() if _begins_in(words, [part.text]))


def _begins_in(words: str, texts: Sequence[str], first: int = 1) -> bool:
    """Whether the quotation stands in the texts and begins in the `first` of them.

    In a quotation, `...` stands for what was left out.
    """
    there = " ".join(map(_plain, texts))
    room, at = len(" ".join(map(_plain, texts[:first]))), 0
    for number, piece in enumerate(re.split(r"\[?(?:\.\.\.|…)\]?", words)):
        bare = _plain(piece).strip(" .,;:")
        at = there.find(bare, at)
        if at < 0 or (number == 0 and at >= room):
            return False
        at += len(bare)
    return True


def _plain(text: str) -> str:
    """The text as quotations are compared: without marks of print, emphasis and breaks of lines."""
    text = unicodedata.normalize("NFKC", text).translate(_PRINT)
    return " ".join(text.casefold().split())


LEAST_WORDS = 3
"""Of a quotation that is looked up; a word or two are marked for other reasons, too."""
_LINK = re.compile(r"\[[^\[\]\n]*\]\([^()\s]*\)")
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`(?:(?P<alone>\[[^`\[\]\n]*\])|[^`\n]+)`")
"""What is marked as code; brackets alone can be a citation all the same."""
_BRACKETS = re.compile(r"(?P<before>[\w)\]]?)\[(?P<label>[^\[\]\n]{1,200})\]")
_FILE = r"[^\[\]\s:]*[\w-]\.[A-Za-z][A-Za-z0-9]{0,4}"
_LINES = r"\d+(?:-\d+)?"
_LABEL = re.compile(rf"{_FILE}(?::[\w-]+)?|(?![\d.]+:)[^\[\]\s:][^\[\]:]+:{_LINES}|memory:[\w-]+")
"""`contract.md:12`, `contract.md`, `annex:12`, `memory:1f3a9c02`; not `12:30`, `start:end` or `i:3`."""
_PLACE = re.compile(rf"{_FILE}:{_LINES}|memory:[\w-]+")
"""What no piece of code has in brackets right behind a name."""
_UNTIL_LABEL = r"[^\[\]\"“”„«»\n]{0,80}?\[(?P<label>[^\[\]\n]{1,200})\]"
_QUOTATION = re.compile(rf"[\"“„«](?P<words>[^\"“”„«»\n]{{5,2000}})[\"”“»]{_UNTIL_LABEL}")
_IN_SINGLE = re.compile(
    rf"(?<![\w'’])['‘](?=\S)(?P<words>(?:[^'‘’\"“”\n]|(?<=\w)['’](?=\w)){{5,2000}})(?<=\S)['’](?!\w){_UNTIL_LABEL}"  # noqa: RUF001  as it is printed
)
_BLOCK = re.compile(
    r"^(?P<lines>(?:[ \t]*>[^\n]*(?:\n|\Z))+)(?:[ \t]*\n)?(?:[\s–—-]{0,8}(?P<label>\[[^\[\]\n]{1,200}\]))?",  # noqa: RUF001  dashes
    re.MULTILINE,
)
_AROUND = ' \n\t"“”„«».,;:–—-'  # noqa: RUF001  marks of print
_PRINT = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "*": "", "_": "", "`": ""}  # noqa: RUF001  what is printed
)
