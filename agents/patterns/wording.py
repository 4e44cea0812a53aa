"""What an answer says as tokens in one form: only what is said alike in any hand is the same in it.

Case, articles, dots at the end, ways to write a number or an amount and to begin an answer are dropped;
order, signs and symbols stay.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

Tokens = tuple[str, ...]


@lru_cache(maxsize=1024)
def tokens(text: str) -> Tokens:
    """The numbers, words and symbols of the text, in order and in one form."""
    plain = _bare(unicodedata.normalize("NFC", text).translate(_TYPED))
    for pattern, instead in _ONE_FORM:
        plain = pattern.sub(instead, plain)
    return tuple(_in_one_form(plain)) or (text.strip(),)


def is_number(token: str) -> bool:
    return token[-1:].isdigit() and not token[0].isalpha()


def is_symbol(token: str) -> bool:
    return not any(map(str.isalnum, token))


def _bare(text: str) -> str:
    """Without what stands around all of it, and without marks of emphasis."""
    text = _EMPHASIS.sub(r"\2", text.strip())
    for pattern in _WRAPPED:
        if found := pattern.fullmatch(text):
            text = found[1].strip()
    return text


def _in_one_form(text: str) -> Iterator[str]:
    before = ""
    for found in _TOKEN.finditer(text):
        written = found[0]
        if written[-1].isdigit() and not written[0].isalpha() and written[0] != "_":
            money = _AMOUNT.match(text, found.end()) is not None
            before = _number(written, money=money, named=before[-1:].isalpha())
            yield before
            continue
        if _is_article(written, text[found.end() :], first=not before):
            continue
        of_amount = is_number(before)
        word = written if written in _NAMES else written.casefold()
        if of_amount and _is_unit(written):
            word = written
        elif of_amount and len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
            word = word[:-1]  # 30 days, of 30 day
        if word.endswith("n't"):
            yield from filter(None, (_HELPERS.get(word, word[:-3]), "not"))
        elif word == "cannot":
            yield from ("can", "not")
        else:
            yield _NUMBERS.get(word) or _MONEY.get(word, word)
        before = _NUMBERS.get(word, word)


def _is_article(written: str, after: str, *, first: bool) -> bool:
    """Whether it is one; an `A` can also be an option, a name or a grade."""
    if written.casefold() in ("the", "an"):
        return not written[1:].isupper()
    follows = _NEXT_WORD.match(after)
    if written not in ("a", "A") or follows is None or follows[1].casefold() in _NO_NOUN:
        return False
    return written == "a" or (first and follows[1].islower())


def _is_unit(written: str) -> bool:
    """Whether its case says something after a number: MB is not Mb, and mW not MW."""
    mixed = not (written.islower() or written.isupper() or written.istitle())
    short = written.casefold() not in ("am", "pm") and len(written) <= 2
    return written.isalpha() and (short or (mixed and len(written) <= 4))


def _number(text: str, *, money: bool, named: bool) -> str:
    """The number in one form. What may be a version, `3.10` or `Python 3.0`, or thousands keeps its zeros."""
    text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    text = f"0{text}" if text.startswith(".") else text.replace("-.", "-0.")
    whole, _, decimals = text.partition(".")
    if text.count(".") != 1 or decimals == "000":
        return text
    if money or whole in ("0", "-0") or not (decimals.strip("0") or named):
        return text.rstrip("0").rstrip(".")
    return text


_TYPED = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "−": "-", "–": "-", "—": "-",  # noqa: RUF001  as it is typed
     "×": "*", "·": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "\u00a0": " ", "\u202f": " "}  # noqa: RUF001  as it is typed
)  # fmt: skip
_WORD = r"[^\W\d]\w*(?:'\w+)*"
_TOKEN = re.compile(rf"(?<![\w)\].])-?(?:\d+(?:[.,:]\d+)*|\.\d+)|\d+(?:[.,:]\d+)*|{_WORD}|\S")
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|`{1,3}|_)(?=[^\s_*`])([^\n]{1,300}?)(?<=[^\s_*`])\1(?![\w*])")
_WRAPPED = (
    re.compile(r"\\boxed\{(.*)\}\.?"),
    re.compile(r"\$([^$]+)\$\.?"),
    re.compile(r"\"([^\W\d][^\"]*)\"\.?"),
    re.compile(r"\(([^()]*)\)\.?"),
    re.compile(r"\(?([A-Za-z])[).]"),
    re.compile(r"(?i:option|choice|answer) ([A-Za-z])\.?"),
)
"""What may stand around a whole answer."""
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_HE = "(?:it|he|she|they|you|we|i|that|this)"
_DOES = "is|are|was|were|do|does|did|should|has|have"
_ONE_FORM = [
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"^\s*[-*•]\s+(?=[^\n]*\n)|(?<=\n)[^\S\n]*[-*•]\s+", ""),  # bullets
        (r"^(?:(?:so|therefore),? )?(?:(?:the|my|our) )?(?:final |correct |right )?answer(?: is:?|:) ", ""),
        (r"^(?:it is|it's|that is|that's|they are|there is|there are|this is) ", ""),
        (rf"^(yes), {_HE} (?:{_DOES}|can|may|must|will)\W*$", r"\1"),
        (rf"^(no), {_HE} (?:(?:{_DOES}|can|may|must|will) ?not|(?:{_DOES}|ca|wo)n't)\W*$", r"\1"),
        (rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?(?=,? \d{{4}}\b|\W*$)", r"\2 \1"),
        (rf"\b(\d{{1,2}})(?:st|nd|rd|th) (?:of )?(?={_MONTH})", r"\1 "),
        (r"([$€£¥]|\b(?:EUR|USD|GBP|JPY)) ?(\d+(?:[.,]\d+)*)", r"\2 \1"),
        (r"\b(?:percent|per cent|pct)\b(?! point)", "%"),
        (r"(?<=\bno)\s*[,;:.-]\s*(?=\w)", " , "),  # `no, refund` is not `no refund`
        (r"(?<! )[,;:](?=\s|$)|(?<=[^\W\d_]),(?=[^\W\d_])", " "),
        (r"(?<=[\w)\]\"'%$€£¥])\.(?=\s|$)", " "),
        (r"(?<=[^\W\d_]{2})[!?]+(?=\s|$)", " "),  # `5!` is another number
        (r"(?<=[^\W\d_]{2})-(?=[^\W\d_]{2})", " "),
    )
]  # fmt: skip
"""What is written in several ways, and the one for all."""
_AMOUNT = re.compile(r"\s?[%$€£¥]|\s?(?:euros?|dollars?|EUR|USD|GBP|JPY)\b")
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_NEXT_WORD = re.compile(r"\s+([^\W\d_]{2,})")
_NO_NOUN = frozenset("is are was were and or nor over before after beats wins then than to in for if".split())
"""What follows an `A` that is no article."""
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
        sixteen seventeen eighteen nineteen twenty""".split()
    )
} | {
    word: str(10 * tens)
    for tens, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), 3)
}
_MONEY = {"eur": "€", "euro": "€", "usd": "$", "dollar": "$", "gbp": "£", "jpy": "¥", "yen": "¥"}
_NAMES = ("IT", "US", "WHO")
"""What is another word in small letters."""
_HELPERS = {"can't": "can", "won't": "will", "shan't": "shall"}
