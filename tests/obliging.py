"""What somebody says who does as any pattern asks: the same each time for the same prompt."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

_QUOTED = re.compile(
    r"^<(quoted-[0-9a-f]{8}) (\w+) ([^\n]*?)( \(no answer\))?>\n(.*?)\n</\1>", re.DOTALL | re.MULTILINE
)
_MARK = re.compile(r"quoted-[0-9a-f]{8}")
_WAITS = re.compile(r"^- m\d+: \w+ from ([\w-]+)[^\n]*waits for your response", re.MULTILINE)
_THERE_ARE = re.compile(r"there are: ([^;.\n]+)")
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
WORD = re.compile(rf"\b(?:[{_CONSONANTS}][{_VOWELS}]){{6}}\b")
"""What only one has said, and only once."""
MENDED = "It is mended."


class Shown(NamedTuple):
    """A quote as it stands in a prompt."""

    kind: str
    label: str
    failed: bool
    text: str


def quotes_of(prompt: str) -> list[Shown]:
    return [Shown(kind, label, bool(no), text) for _, kind, label, no, text in _QUOTED.findall(prompt)]


def without_quotes(prompt: str) -> str:
    return _QUOTED.sub("", prompt)


def word_of(who: str, prompt: str) -> str:
    """A word that nobody else says, and nobody says to another prompt."""
    digest = hashlib.sha256(f"{who} {_MARK.sub('', prompt)}".encode()).digest()
    return "".join(_CONSONANTS[one % 14] + _VOWELS[one // 16 % 5] for one in digest[:6])


class Asked(NamedTuple):
    """What somebody is asked."""

    who: str
    prompts: Sequence[str]

    @property
    def whole(self) -> str:
        return "\n".join(self.prompts)

    @property
    def word(self) -> str:
        return word_of(self.who, self.whole)

    @property
    def share(self) -> float:
        return round(sum(self.word.encode()) % 10 / 10, 2)

    @property
    def quotes(self) -> list[Shown]:
        return quotes_of(self.whole)

    @property
    def answers(self) -> list[Shown]:
        return [quote for quote in self.quotes if quote.kind == "answer" and not quote.failed]

    @property
    def offered(self) -> list[str]:
        """Those who can be named; who named somebody else is told."""
        if told := _THERE_ARE.search(self.prompts[-1]):
            return [name.strip() for name in told[1].split(",")]
        return [quote.label for quote in self.quotes if quote.kind == "specialist"]

    def labels(self, begin: str) -> list[str]:
        return list(dict.fromkeys(quote.label for quote in self.quotes if quote.label.startswith(begin)))

    @property
    def listed(self) -> list[str]:
        """Options that stand in the prompt, each in a line of its own or all in one."""
        own = without_quotes(self.whole)
        if one_of := re.search(r"Choose one of these: (.*)", own):
            return one_of[1].split(", ")
        return re.findall(r"^- ([\w ]+)(?::.*)?$", own, re.MULTILINE)


def obliging(who: str, kind: str, prompts: Sequence[str]) -> str:
    """The reply to a request for that kind of answer (`Plan`), or for a text."""
    asked = Asked(who, prompts)
    return _TYPED[kind](asked) if kind in _TYPED else _text(asked)


def _text(asked: Asked) -> str:
    if "NOT MINE" in without_quotes(asked.whole):
        return "NOT MINE: somebody else knows more."
    return f"It is {asked.word}. {MENDED if asked.labels('objection') else ''}".strip()


def _plan(asked: Asked) -> dict[str, Any]:
    if asked.labels("plan"):
        return {"steps": [_step(f"again-{asked.word}", asked.offered[-1])], "engage": []}
    engage = [{"name": "extra", "role": "a diver"}] if "you may engage up to" in asked.whole else []
    first, *others = [*asked.offered, *(one["name"] for one in engage)]
    steps = [_step("first", first, acceptance=MENDED)]
    steps += [_step(f"beside-{at}", other, priority=at) for at, other in enumerate(others[:3])]
    return {"steps": [*steps, _step("last", first, *(step["id"] for step in steps))], "engage": engage}


def _step(id_: str, worker: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "worker": worker, "task": f"Do {id_}.", "needs": needs, "priority": 0, "model": "",
            "expected": "", "acceptance": "", **more}  # fmt: skip


def _post(asked: Asked) -> dict[str, Any]:
    waiting = _WAITS.findall(asked.whole)
    to = waiting or asked.offered[:1] * ("Nobody has written" in asked.whole)
    letters = [
        {"to": one, "type": "response" if waiting else "request", "topic": "", "priority": 0, "seconds": 0,
         "text": f"Of this: {asked.word}.", "requires_response": not waiting}
        for one in dict.fromkeys(to)
    ]  # fmt: skip
    return {"answer": f"It is {asked.word}.", "letters": letters}


def _review(asked: Asked) -> dict[str, Any]:
    wanted = [without_quotes(asked.whole), *(one.text for one in asked.quotes if one.label == "acceptance")]
    good = MENDED not in "".join(wanted) or MENDED in asked.answers[-1].text
    return {"accepted": good, "reason": "" if good else "Mend it."}


def _verdict(asked: Asked) -> dict[str, Any]:
    labels = asked.labels("proposal ")
    return {"winner": labels[-1] if labels else "", "answer": "" if labels else f"It is {asked.word}.",
            "reason": f"for {asked.word}", "dissent": ""}  # fmt: skip


def _choice(asked: Asked) -> dict[str, Any]:
    options = asked.listed or asked.labels("answer ") or asked.offered
    return {"choice": options[ord(asked.word[0]) % len(options)], "reason": f"for {asked.word}"}


def _passing(asked: Asked) -> dict[str, Any]:
    to = asked.offered[0] if asked.offered and len(asked.answers) < 2 else ""
    return {"answer": f"It is {asked.word}.", "to": to, "reason": "that one knows more" if to else ""}


def _findings(asked: Asked) -> dict[str, Any]:
    finding = {"about": "", "text": f"It is {asked.word}.", "sources": []}
    return {"findings": [finding], "done": len(asked.answers) >= 2}


def _json(make: Callable[[Asked], dict[str, Any]]) -> Callable[[Asked], str]:
    return lambda asked: json.dumps(make(asked))


_TYPED: dict[str, Callable[[Asked], str]] = {
    "Plan": _json(_plan),
    "Route": _json(lambda asked: {"worker": asked.offered[0], "confidence": 0.9, "reason": asked.word}),
    "Verdict": _json(_verdict),
    "Score": _json(lambda asked: {"score": asked.share, "reason": f"for {asked.word}"}),
    "Review": _json(_review),
    "Ballot": _json(
        lambda asked: {"ranking": asked.labels("answer ") or asked.listed, "confidence": asked.share,
                       "reason": f"for {asked.word}"}),
    "Choice": _json(_choice),
    "Challenge": _json(lambda asked: {"refuted": asked.share < 0.5, "reason": f"for {asked.word}"}),
    "Speaker": _json(
        lambda asked: {"speaker": "" if len(asked.answers) > 2 else asked.offered[0], "reason": asked.word}),
    "Passing": _json(_passing),
    "Post": _json(_post),
    "Findings": _json(_findings),
    "Contribution": _json(
        lambda asked: {"answer": f"It is {asked.word}.", "reasons": [], "sources": [], "open_points": [],
                       "confidence": asked.share, "claims": []}),
    "Conflicts": _json(lambda _: {"conflicts": []}),
}  # fmt: skip
