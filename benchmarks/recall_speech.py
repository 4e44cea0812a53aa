"""How the people of a made data set put what they say and ask."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

OPENED, ASIDE, CLOSED = 0.3, 0.22, 0.15
"""How often something is said around what matters."""


class Speech:
    """Each person of a project has a style, in which most of what is meant gets something around it."""

    def __init__(
        self, bank: Mapping[str, Any], slots: Mapping[str, Any], people: Sequence[str], chance: Random
    ) -> None:
        self._slots, self._people, self._asides, self._chance = slots, people, bank["asides"], chance
        styles = list(bank["styles"].values())
        self._style = {who: chance.choice(styles) for who in people}

    def text(self, template: str, values: Mapping[str, str]) -> str:
        """The sentence with these values, and any of those that are not given."""
        any_of = {name: self._chance.choice(each) for name, each in self._slots.items()}
        return capital(template.format(**{"A": self._chance.choice(self._people), **any_of, **values}))

    def styled(self, who: str, text: str, *, plain: bool) -> str:
        """The text as the speaker puts it; agents, and where the words matter all, say it as it stands."""
        if plain or who not in self._style:
            return text
        style, chance = self._style[who], self._chance
        if chance.random() < OPENED and (opener := chance.choice(style["openers"])):
            begins_anew = opener.endswith((". ", ": ")) or text.startswith(("I ", "I'"))
            text = opener + (text if begins_anew else text[0].lower() + text[1:])
        if chance.random() < ASIDE and len(text) > 12:
            text += " " + self.text(chance.choice(self._asides), {})
        if chance.random() < CLOSED:
            text += chance.choice(style["closers"])
        return text.lower().rstrip(".") if style.get("lower") else text

    def drawn(self, slots: Mapping[str, Any]) -> dict[str, str]:
        """One of the values of each: of a list, or a number of `5..60`."""
        return {name: self._one_of(value) for name, value in slots.items()}

    def _one_of(self, value: str | list[str]) -> str:
        if isinstance(value, list):
            return self._chance.choice(value)
        low, high = value.split("..")
        return str(self._chance.randint(int(low), int(high)))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def mistyped(chance: Random, query: str) -> str:
    """The query with two letters of a long word swapped."""
    words = query.split(" ")
    long = [at for at, word in enumerate(words) if len(word) > 5 and word.isalpha()]
    if long:
        at = chance.choice(long)
        word, swap = words[at], chance.randint(1, len(words[at]) - 3)
        words[at] = word[:swap] + word[swap + 1] + word[swap] + word[swap + 2 :]
    return " ".join(words)
