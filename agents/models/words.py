"""Words as they are compared: without endings, case and the words that every text has."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:(?:(?<=\d)[.,:](?=\d)|['’](?=[^\W\d_]))[^\W_]+)*")  # noqa: RUF001  typographic apostrophe
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")

COMMON = frozenset(
    """a about above after again against all almost also although always am among an and any are as
    at be became because been before being below between both but by came can cannot come could did
    do does doing done down during each either else ever every few for from further get gets getting
    go goes got had has have having he hence her here hers him his how however i if in into is it
    its itself just let like many may me might mine more most much must my neither no nor not now of
    off often on once one only or other our ours out over own per perhaps quite rather really s same
    shall she should since so some someone something still such t than that the their theirs them
    then there these they this those though through thus to together too under until up upon us very
    via was way we well were what whatever when where whether which while who whoever whom whose why
    will with within without would yes yet you your yours
    der die das den dem des ein eine einen einem einer und oder ist sind war wird werden nicht mit
    von zu zum zur auf für im in an bei aus wie was wer wann wo welche welcher welches es sie er wir
    le la les un une des et ou est sont du de dans pour par sur que qui quel quelle el los las una y
    o es son del en por para con como""".split()
)
"""Words of English and its neighbours that say nothing about the subject."""

ASKING = frozenset(
    """advise advice analyse analysis analyze answer answers ask asked assess assessment based bring
    brief check cite cited colleague colleagues consider describe detail details determine discuss
    draft evaluate examine expert explain extract find finding findings focus give given help
    highlight identify important inform information instructions investigate judge key kindly know
    list look main make mark marks material member members mention need note outline overview please
    point points prepare present provide question questions quote quoted read report reply
    research respond review role say says see show specialist state study sum summarise summarize
    summary synthesise synthesize task team tell thing things think understand use want work write
    written""".split()
)
"""Words that ask for an answer and do not name what it is about."""

MANNERS = frozenset(
    """accurate bracket brackets briefly bullet bullets careful clear clearly concise data fact facts
    follow good label labels line lines missing never paragraph plain plainly precise rest section
    sections sentence sentences short short-term uncertain uncertainty user words""".split()
)
"""Words of instructions that say how to answer, whatever the role."""

GIVEN = frozenset(
    """agreement article attached attachment book contract doc document documents file files letter
    memo page pages paper pdf source sources text""".split()
)
"""Words for what is asked about as a whole."""

_SYNONYMS = """allow permit; begin start commence; big large; bill invoice; buy purchase; buyer customer
    client; car vehicle; change alter amend modify; company firm; compensation damages credit reimburse;
    cost price fee charge; danger risk hazard threat; defect fault error flaw; dismiss fire; disclose
    reveal; duty obligation; employee staff worker personnel; end terminate expire cancel; fall drop
    decline decrease shrink; fast quick rapid; fix repair; forbid prohibit; goods product; help assist;
    job work; keep hold retain; last term duration run; late delay overdue; law legal statute; limit cap
    ceiling maximum; minimum least; own belong title property; pay settle; reason cause; rent lease;
    revenue income earnings; rise grow increase; salary wage; secret confidential; send ship deliver;
    supplier seller vendor; theft steal; wrong incorrect; yearly annual"""

_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_IRREGULAR = {
    **{name: str(number) for number, name in enumerate(_NUMBERS) if number > 1},
    **dict(
        pair.split(":")
        for pair in """began:begin begun:begin bought:buy brought:bring broke:break broken:break
        built:build chosen:choose chose:choose dealt:deal drawn:draw drew:draw fallen:fall fell:fall
        felt:feel fought:fight found:find froze:freeze frozen:freeze gave:give given:give
        grew:grow grown:grow held:hold kept:keep knew:know known:know laid:lay led:lead left:leave
        lent:lend lost:lose made:make meant:mean met:meet paid:pay ran:run risen:rise rose:rise
        said:say sent:send shown:show sold:sell sought:seek spent:spend spoken:speak spread:spread
        stood:stand stolen:steal stole:steal taken:take taught:teach thought:think told:tell used:use
        using:use usage:use
        took:take went:go won:win withdrew:withdraw withdrawn:withdraw wrote:write
        written:write men:man women:woman children:child people:person criteria:criterion
        feet:foot better:good best:good worse:bad worst:bad""".split()
    ),
}
# an ending, what stands in its place, how many letters must be left before it
_PLURALS = (
    ("'s", "", 1), ("’s", "", 1), ("sses", "ss", 1), ("ches", "ch", 2), ("shes", "sh", 2),  # noqa: RUF001  typographic apostrophe
    ("xes", "x", 2), ("ies", "y", 2), ("ss", "ss", 0), ("us", "us", 0), ("is", "is", 0),
    ("s", "", 3),
)  # fmt: skip
_ENDINGS = (
    ("isation", "ize", 3), ("ization", "ize", 3), ("ise", "ize", 4), ("ability", "able", 2),
    ("ibility", "ible", 2), ("ility", "le", 2), ("fulness", "ful", 3), ("iness", "y", 3),
    ("ness", "", 4), ("ement", "e", 4), ("ment", "", 3), ("ation", "ate", 3), ("ition", "ite", 3),
    ("ator", "ate", 3), ("ion", "", 4), ("ency", "ent", 3), ("ancy", "ant", 3), ("ence", "ent", 4),
    ("ance", "ant", 4), ("ally", "al", 3), ("ily", "y", 3), ("ity", "", 4), ("ly", "", 4),
    ("ied", "y", 2), ("eed", "ee", 1), ("ing", "", 3), ("ed", "", 3), ("ier", "y", 3),
    ("iest", "y", 3), ("est", "", 3), ("er", "", 3), ("able", "", 3), ("ible", "", 4),
    ("age", "", 4), ("ery", "er", 4), ("ive", "", 4), ("al", "", 4), ("ent", "", 5),
    ("ant", "", 4), ("ate", "", 4), ("at", "", 5), ("ite", "", 5), ("ful", "", 4), ("ure", "", 5),
    ("ify", "ific", 3),
)  # fmt: skip


def stems(text: str) -> Iterator[str]:
    """The stems of the words that say something, in order; scripts without spaces in pairs."""
    for found in _WORD.finditer(text.casefold()):
        word = found[0]
        if word.isascii() or not _NO_SPACES.search(word):
            if word not in COMMON:
                yield stem(word)
        else:
            yield from _pairs(word)


def synonyms(word: str) -> tuple[str, ...]:
    """The stems of everyday words that mean much the same as the word of this stem."""
    return _synonyms().get(word, ())


def without(words: Iterable[str], *vocabularies: frozenset[str]) -> list[str]:
    """The stems, each once, that no word of the vocabularies has."""
    dropped = {stem(word) for vocabulary in vocabularies for word in vocabulary}
    return [word for word in dict.fromkeys(words) if word not in dropped]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """What the forms of a word have in common: `deliver` of deliveries, delivered, delivery."""
    word = _IRREGULAR.get(word, word)
    if len(word) <= 3 or any(letter.isdigit() for letter in word):
        return word
    word = _shorter(word, _PLURALS)
    for _ in range(4):
        shorter = _shorter(word, _ENDINGS)
        if shorter == word:
            break
        word = _single(shorter)
    word = _single(word.removesuffix("e") if len(word) > 3 else word)
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


def _single(word: str) -> str:
    doubled = len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou"
    return word[:-1] if doubled else word


@lru_cache(maxsize=1)
def _synonyms() -> dict[str, tuple[str, ...]]:
    groups = [[stem(word) for word in group.split()] for group in _SYNONYMS.split(";")]
    return {word: tuple(other for other in group if other != word) for group in groups for word in group}


def _shorter(word: str, endings: tuple[tuple[str, str, int], ...]) -> str:
    for ending, instead, least in endings:
        if word.endswith(ending) and len(word) - len(ending) >= least:
            return word[: len(word) - len(ending)] + instead
    return word


def _pairs(word: str) -> Iterator[str]:
    end = 0
    for run in _IDEOGRAPHS.finditer(word):
        if run.start() > end:
            yield word[end : run.start()]
        end = run.end()
        signs = run[0]
        if len(signs) == 1:
            yield signs
        for at in range(len(signs) - 1):
            yield signs[at : at + 2]
    if end < len(word):
        yield word[end:]
