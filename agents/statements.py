"""What an answer states, sentence by sentence, in a form in which two statements can be compared."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from .models.material import said
from .models.words import COMMON, stem, synonyms
from .quantities import MARK, Day, Quantity, measured

MOST_STATEMENTS, MOST_OF_ALL, LONGEST = 200, 2_000, 1_000
"""Of one answer, of many together, and the characters of a sentence; what comes after is not looked at."""
MOST_AMOUNTS = 8
"""Of a statement; one with more of them is a table, where it is not clear what each is of."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A sentence, or a part of one that says something for itself."""

    text: str
    """The whole sentence."""
    words: frozenset[str]
    """The stems of what it speaks of."""
    all_words: frozenset[str]
    """With its names."""
    quantities: tuple[Quantity, ...]
    days: tuple[Day, ...]
    names: Mapping[str, str]
    """With the word before each, where it ends what is said; else with nothing."""
    poles: Mapping[str, bool]
    """Of pairs of opposite words those that stand here, and which of the two it is."""
    denied: bool
    definite: bool
    """Whether it is about one thing: `the paper`, `our server`."""
    scope: frozenset[str]
    """Where or of what the amount is that follows: `revenue in Asia was ...`."""
    once: bool
    """Whether it is of something that happens once, so that it has one date."""

    @property
    def firm(self) -> bool:
        """Whether it says so itself and of all: not what others claim, not of some only."""
        return not _UNSURE.search(self.text)

    def with_word(self, word: str, instead: str) -> "Statement":
        """The same, said with a word that means the contrary."""
        words = self.words - {word} | {instead}
        return replace(self, words=words, all_words=words.union(self.names), denied=not self.denied)


def share(answers: int) -> int:
    """How much is looked at of each of so many answers."""
    return min(MOST_STATEMENTS, max(1, MOST_OF_ALL // max(1, answers)))


def statements(answer: str, most: int = MOST_STATEMENTS) -> list[Statement]:
    """What is said in an answer, without its tables and code, and without what it quotes."""
    found: list[Statement] = []
    for one in said(_LEFT_OUT.sub(" ", answer)):
        if _NO_STATEMENT.match(one.text):
            continue
        found += _of_sentence(one.text[:LONGEST])
        if len(found) >= most:
            break
    return found[:most]


@lru_cache(maxsize=5_000)
def _of_sentence(sentence: str) -> Sequence[Statement]:
    """What it says; the same again for one that was said before."""
    return [stated(part, sentence) for part in _parts(_QUOTED.sub(" ", sentence))]


@lru_cache(maxsize=5_000)
def stated(part: str, text: str = "") -> Statement:
    """The statement that is made in this part of a text."""
    quantities, days, rest = measured(uncited(part))
    if _MY_COUNT.match(part):
        quantities = tuple(one for one in quantities if not one.unit.startswith("count"))
    rest = _EMPHASIS.sub("", rest)
    if len(quantities) + len(days) > MOST_AMOUNTS:
        quantities, days = (), ()
    rest = _UP_OR_DOWN.sub(lambda found: "increase" if found[1] == "up" else "decrease", rest)
    words, names, signs = set[str](), dict[str, str](), dict[str, set[bool]]()
    for at, found in enumerate(_WORD.finditer(rest)):
        word = found[0]
        low = word.casefold()
        root = _root(low)
        if pole := _POLES.get(root):
            signs.setdefault(pole[0], set()).add(pole[1])
        elif _is_name(word, first=at == 0):
            names[low] = _stands(rest, found) if low not in names else ""
        elif low not in COMMON and low not in _UNSAID and not low.endswith(_NOT):
            words.add(root)
    return Statement(
        text=text or part,
        words=frozenset(words),
        all_words=frozenset(words).union(names),
        quantities=quantities,
        days=days,
        names=names,
        poles={pair: signs[pair] == {True} for pair in sorted(signs) if len(signs[pair]) == 1},
        denied=len(_DENIAL.findall(rest)) % 2 == 1,
        scope=_scope(rest.partition(MARK)[0]),
        definite=bool(_DEFINITE.match(rest)),
        once=bool(_ONCE & words),
    )


def uncited(text: str) -> str:
    """The text without what it cites, which is no part of what it says."""
    return _CITED.sub("", text)


def matter_of(words: str) -> frozenset[str]:
    """The stems of a few words that name a matter."""
    return frozenset(root for _, root in tokens(words)) or frozenset({words.casefold().strip()})


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """The words of the text that say something, each with its stem or as the name that it is."""
    for at, found in enumerate(_WORD.finditer(text)):
        low = found[0].casefold()
        if low not in COMMON:
            yield found[0], low if _is_name(found[0], first=at == 0) else _root(low)


def _parts(sentence: str) -> Iterator[str]:
    """What stands between the joints of the sentence; a part of a word or two stays with the one before."""
    waiting, subject = "", next((word for word, _ in tokens(sentence)), "")
    begun = ["", *_JOINT.findall(sentence)]
    for joint, part in zip(begun, _JOINT.split(sentence), strict=True):
        if _RELATIVE.fullmatch(joint):
            continue
        if joint.strip() == "and":  # it has no subject of its own
            part = f"{subject} {part}"  # noqa: PLW2901  it stays the part
        if waiting and sum(1 for _ in tokens(part)) > 1 and sum(1 for _ in tokens(waiting)) > 1:
            yield waiting
            waiting = part
        else:
            waiting = f"{waiting} {part}".strip()
    if waiting:
        yield waiting


def _is_name(word: str, *, first: bool) -> bool:
    if any(letter.isupper() or letter.isdigit() for letter in word[1:]):
        return True
    return word[0].isupper() and not first and len(word) > 1


def _stands(text: str, found: re.Match[str]) -> str:
    """The word before a name with which a statement ends, but for one more word."""
    before = _BEFORE.search(text[max(0, found.start() - 12) : found.start()])
    return before[1].lower() if before and _ENDS.match(text, found.end()) else ""


def _scope(before: str) -> frozenset[str]:
    """What stands behind a preposition before the first amount."""
    words = " ".join(found[1] for found in _SCOPE.finditer(before)).casefold().split()
    return frozenset(words) | frozenset(map(_root, words))


@lru_cache(maxsize=20_000)
def _root(word: str) -> str:
    """The same for words of everyday that mean much the same."""
    root = stem(word)
    return min((root, *synonyms(root)))


_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")  # noqa: RUF001  typographic apostrophe
_LEFT_OUT = re.compile(
    r"^ *(```|~~~).*?^ *\1[^\n]*$|\b\w{1,20}://[^\s)\]>]+|</?[a-zA-Z][^<>]*>", re.MULTILINE | re.DOTALL
)
"""Code, addresses and tags."""
_QUOTED = re.compile(r"[\"“„]\w+ \w+ [^\"“”\n]*[\"”“]")
_CITED = re.compile(r"\s*\[[^\[\]\n]*(?::[\w-]+|\.[A-Za-z]\w{0,4})\](?!\()")
_JOINT = re.compile(
    r"[;:]\s+|\s+[–—-]\s+|,?\s+(?:but|while|whereas|although|though)\s+"  # noqa: RUF001  dashes
    r"|,\s+(?:and|so|which|who|whose|because|since|as|yet|where|or)\s+"
    r"|\s+and\s+(?=(?:is|are|was|were|has|have|had|can|cannot|must|may|will|do|does|did|[a-z]{3,}(?:s|ed))\s)",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r",\s+(?:which|who|whose|where)\s+", re.IGNORECASE)
"""What follows speaks of something that only the words before it name."""
_NO_STATEMENT = re.compile(r"\W*(?:confidence|score|rating|grade|severity)\b|\s*\||.*[{}]", re.IGNORECASE)
"""How sure or content somebody is, rows of tables, and data."""
_EMPHASIS = re.compile(r"(?<!\w)_+|_+(?!\w)")
_MY_COUNT = re.compile(r"\W*(?:there (?:is|are|was|were)|(?:i|we) \w+|here (?:is|are))\b", re.IGNORECASE)
"""How a list of one's own is announced."""
_SCOPE = re.compile(
    r"\b(?:in|for|of|at|on|under|with|by)\s+(?:the |an? |our |its )?(\w+(?: \w+)?)", re.IGNORECASE
)
_UP_OR_DOWN = re.compile(r"\b(?:went|goes|gone|go) (up|down)\b")
_NOT = ("n't", "n’t")  # noqa: RUF001  typographic apostrophe
_UNSAID = frozenset(
    "not never no non cannot without neither nor none nobody nothing hardly nicht nie least around roughly "
    "approximately approx nearly circa exactly total".split()
)
"""Words of denial and of limits, which are no part of the matter."""
_DENIAL = re.compile(
    r"\b(?:(?<!or )not(?! only| even| just| more than| less than)|no(?! doubt| more than| less than| later)"
    r"|never|non|cannot|without(?! doubt| a doubt)|neither|none|nobody|nothing|hardly|lacks?|fail(?:s|ed)? to"
    r")\b|n['’]t\b",  # noqa: RUF001  typographic apostrophe
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:claim(?:s|ed)?|alleged(?:ly)?|wrote|asserts?|promis(?:es|ed)|rumou?r|myth|formerly|previously"
    r"|used to|earlier (?:estimate|draft|version)|might|could|perhaps|possibly|some(?:times)?|partly"
    r"|in parts?|instead of|rather than|not (?:all|every|always|necessarily)|would have"
    r"|if .{1,40}\bwere)\b|\?$",
    re.IGNORECASE,
)
_DEFINITE = re.compile(r"\W*(?:the|our|its|this|that|their|my|your|his|her)\b", re.IGNORECASE)
_BEFORE = re.compile(r"\b(is|are|was|were|by|in|at|the|to|with|under|on|from|for)\s+$", re.IGNORECASE)
_ENDS = re.compile(
    r"(?:[ -](?!(?:and|or)\b)\w+)?\s*(?:[,.;:!?)]|$|\s(?:and|which|so|but|where|since|because)\b)"
)


def _poles() -> dict[str, tuple[str, bool]]:
    found = {}
    for line in _OPPOSITES.splitlines():
        positive, _, negative = line.partition("|")
        for word in positive.split():
            found[_root(word)] = (positive.split()[0], True)
        for word in negative.split():
            found[_root(word)] = (positive.split()[0], False)
    return found


_OPPOSITES = """increase rise grow climb high gain | decrease fall shrink reduce low decline
allow legal lawful | forbid forbidden prohibit ban illegal unlawful disallow
mandatory compulsory obligatory require | optional voluntary
safe | unsafe dangerous
accept approve | reject refuse
exclusive | nonexclusive
open | closed
succeed pass | fail
profitable | unprofitable
true correct | false wrong incorrect
valid | invalid
possible feasible | impossible infeasible
include | exclude
support endorse | oppose
positive | negative
enable | disable
sufficient adequate | insufficient inadequate
strong | weak
cheap | expensive
fast | slow
public | private
active | inactive
temporary | permanent
free | paid
improve | worsen deteriorate
surplus profit | deficit loss
guilty | innocent
full | empty
early | late"""
_POLES = _poles()
_ONCE = frozenset(
    _root(word)
    for word in """deadline due founded build born publish release plan schedule effect expire begin start
    open sign launch end elect appoint establish die move ship deliver vote hold close""".split()
)
