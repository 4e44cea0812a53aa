"""Amounts and dates that stand in a sentence, made comparable: 30 days and one month, 2 pm and 14:00."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isclose
from typing import Literal, NamedTuple

from .models.words import COMMON, stem

Bound = Literal["exact", "least", "most", "about", "between"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value of some unit, or the range that it is in; durations are in minutes, lengths in metres."""

    low: float
    high: float
    unit: str
    written: str
    """The unit as it is in the text: two that differ need not agree to the last digit."""
    bound: Bound = "exact"
    step: float = 0.0
    """What the last digit counts that is not rounded away."""

    def agrees(self, other: "Quantity") -> bool:
        """Whether both can be true of one thing."""
        if self.bound == other.bound and self.bound in ("least", "most"):
            return self._near(self._limit, other, other._limit)  # noqa: SLF001  one of our own
        if self.low <= other.high and other.low <= self.high:
            return True
        return self._near(self.low, other, other.low) or self._near(self.high, other, other.high)

    @property
    def _limit(self) -> float:
        return self.low if self.bound == "least" else self.high

    def _near(self, value: float, other: "Quantity", theirs: float) -> bool:
        if isclose(value, theirs, rel_tol=1e-6):
            return True
        if self.written != other.written:
            return isclose(value, theirs, rel_tol=0.05)
        return abs(value - theirs) <= max(self.step, other.step) / 2


class Day(NamedTuple):
    """A date, a weekday or a time of day, as far as it is given."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    minute: int | None = None
    """Of the day."""

    def agrees(self, other: "Day") -> bool:
        pairs = zip(self, other, strict=True)
        return all(one == two for one, two in pairs if one is not None and two is not None)

    def comparable(self, other: "Day") -> bool:
        """Whether some part is given of both."""
        return any(one is not None and two is not None for one, two in zip(self, other, strict=True))


MARK = "\0"


class Measured(NamedTuple):
    quantities: tuple[Quantity, ...]
    days: tuple[Day, ...]
    rest: str
    """The text without them; `MARK` stands where an amount was."""


_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen \
sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORTH = (
    {word: float(number) for number, word in enumerate(_ONES)}
    | {word: 20.0 + 10 * number for number, word in enumerate(_TENS)}
    | {"a": 1.0, "an": 1.0, "dozen": 12.0, "hundred": 100.0}
)
_SCALES = {
    "hundred": 1e2, "k": 1e3, "thousand": 1e3, "million": 1e6, "m": 1e6, "mn": 1e6, "mio": 1e6,
    "billion": 1e9, "bn": 1e9, "trillion": 1e12,
}  # fmt: skip
_TABLES: dict[str, dict[str, float]] = {
    "time": {
        "ms millisecond": 1 / 60_000, "s sec second": 1 / 60, "min minute": 1, "h hr hour": 60, "day": 1_440,
        "week": 10_080, "month": 43_830, "year": 525_960, "decade": 5_259_600,
    },
    "length": {
        "mm millimetre millimeter": 1e-3, "cm centimetre centimeter": 1e-2, "metre meter": 1,
        "km kilometre kilometer": 1e3, "mile": 1609.344, "foot": 0.3048, "inch": 0.0254,
    },
    "mass": {"mg milligram": 1e-6, "g gram": 1e-3, "kg kilo kilogram": 1, "tonne": 1e3},
    "volume": {"ml millilitre milliliter": 1e-3, "l litre liter": 1},
    "data": {"kb kilobyte": 1e3, "mb megabyte": 1e6, "gb gigabyte": 1e9, "tb terabyte": 1e12},
    "energy": {"wh": 1e-3, "kwh": 1, "mwh": 1e3},
    "power": {"kw kilowatt": 1, "mw megawatt": 1e3, "gw gigawatt": 1e6},
    "%": {"% percent": 1},
    "point": {"point": 1},
    "degree": {"° °c degree": 1},
    "sound": {"db decibel": 1},
    "EUR": {"€ eur euro": 1}, "USD": {"$ usd dollar": 1}, "GBP": {"£ gbp pound": 1},
    "CHF": {"chf franc": 1}, "JPY": {"¥ jpy yen": 1},
}  # fmt: skip
_UNITS = {
    word: (dimension, factor)
    for dimension, table in _TABLES.items()
    for words, factor in table.items()
    for word in words.split()
}
"""What a unit measures, and how much of that it is."""
_MONTHS = "january february march april may june july august september october november december".split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

_DIGITS = r"\d{1,3}(?:[,\u202f']\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORDED = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_ONES[1:10])}))?|{'|'.join(_ONES[1:])}"
    r"|(?:a |one )?(?:hundred|dozen))"
)
_VALUE = rf"(?:{_DIGITS}|\b{_WORDED}\b)"
_SCALE = r"(?:\s?(?:hundred|thousand|million|billion|trillion|mn|mio|bn)\b|[km]\b(?!\w))"
_MARK = r"(?:[€$£¥]|\b(?:USD|EUR|GBP|CHF|JPY)\b)"
_UNIT = (
    r"per ?cent\b|percent\b|%|°C?|cubic met(?:re|er)s?\b|square (?:met(?:re|er)|feet|foot)s?\b"
    r"|[€$£]|[a-zA-Z]+"
)
_AMOUNT = re.compile(
    rf"(?P<between>\bbetween )?(?P<mark>{_MARK})?\s?(?<![\w/#.])(?<![A-Za-z]-)(?P<one>{_VALUE})"
    rf"(?P<scale>{_SCALE})?"
    rf"(?:\s?(?(between)and|(?:-|–|to))\s?(?:{_MARK}\s?)?(?P<two>{_VALUE})(?P<scale2>{_SCALE})?)?"  # noqa: RUF001  dashes of ranges
    rf"(?:[\s-]?(?P<unit>{_UNIT}))?",
    re.IGNORECASE,
)
_AND_A_HALF = re.compile(
    r"\b(?P<one>an?|one|two|three|\d+) (?P<unit>hour|day|week|month|year)s? and a half\b"
    r"|\bhalf (?:an? )(?P<half>hour|day|week|month|year)\b",
    re.IGNORECASE,
)
_FRACTION = re.compile(
    r"\b(?:(?P<many>two|three) )?(?:an? |one )?(?P<part>half|thirds?|quarters?|fifths?)"
    r"(?= of (?:the|all|our|its|his|her|their|those|these|them|it)\b)",
    re.IGNORECASE,
)
_LONE = re.compile(
    r"\b(?P<one>an?) (?P<unit>second|minute|hour|day|week|fortnight|month|year|decade)\b(?! (?:later|ago))",
    re.IGNORECASE,
)
_MONTH = rf"(?P<{{}}>(?:{'|'.join(_MONTHS)})|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?)"
_DATE = re.compile(
    rf"\b(?P<iso>\d{{4}}-\d\d-\d\d)\b|\b(?P<dotted>\d{{1,2}}\.\d{{1,2}}\.\d{{4}})\b"
    rf"|\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH.format('m1')}(?:,? (?P<y1>\d{{4}}))?\b"
    rf"|\b{_MONTH.format('m2')} (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<y2>\d{{4}})\b)?"
    rf"|\b{_MONTH.format('m3')} (?P<y3>\d{{4}})\b"
    rf"|\b(?P<m4>{'|'.join(name.capitalize() for name in _MONTHS)})\b(?<!\bMay)"
    rf"|\b(?P<weekday>{'|'.join(_DAYS)})s?\b"
    r"|\b(?P<h1>\d{1,2})[:.](?P<min1>[0-5]\d)(?: ?(?P<pm1>[ap])\.?m\b)?(?![.\d])"
    r"(?! ?(?:%|percent|million|billion|[kmgt]?b\b|[kc]?m\b))"
    r"|\b(?P<h2>\d{1,2}) ?(?P<pm2>[ap])\.?m\b"
    r"|\b(?P<year>(?:1[0-9]|20)\d\d)\b(?![,.]\d)"
    r"(?!\s?(?:%|[a-z]*(?:byte|gram|met|euro|dollar|people|litre)))",
    re.IGNORECASE,
)
_BOUNDS: tuple[tuple[Bound, re.Pattern[str]], ...] = tuple(
    (bound, re.compile(rf"(?:{words})\s*(?:the |an? |of )*$", re.IGNORECASE))  # type: ignore[misc]  # the keys are Bounds
    for bound, words in {
        "most": r"\b(?:up to|at most|no more than|not more than|under|below|less than|fewer than|maximum of"
        r"|not exceed|within|no later than)",
        "least": r"\b(?:at least|no less than|not less than|more than|over|above|minimum of|from|exceeds?)|>",
        "about": r"\b(?:about|around|roughly|approximately|approx\.?|some|nearly|almost|circa|ca\.?|close to)"
        r"|~",
    }.items()
)  # fmt: skip
_NUMBERED = re.compile(
    r"\b(?:clause|section|article|chapter|page|step|phase|version|figure|table|no|nr|number|level|part|line"
    r"|item|rule|annex|appendix|room|type|class|python|v|q|§)\.?\s*(\d+(?:\.\d+)*[a-z]?)\b",
    re.IGNORECASE,
)
"""Numbers that name something."""
_LAST_WORD = re.compile(r"[^\W\d_]+(?=\W?\s*$)")
_GIVES = re.compile(
    r"(?:reach|equal|total|cost|average|number|amount|pay|score|than|least|most|about|around)"
)
"""Words before an amount whose unit is not said."""


@lru_cache(maxsize=5_000)
def measured(text: str) -> Measured:
    """The amounts and dates of the text."""
    quantities: list[Quantity] = []
    days: list[Day] = []

    def named(found: re.Match[str]) -> str:
        return found[0].replace(" ", "").replace(".", "point").translate(_NO_DIGITS)

    def day(found: re.Match[str]) -> str:
        if (one := _day(found)) is None:
            return found[0]
        days.append(one)
        return " "

    def amount(one: Quantity | None, found: re.Match[str]) -> str:
        if one is None:
            return found[0]
        quantities.append(one)
        return f" {MARK} "

    text = _NUMBERED.sub(named, text)
    text = _DATE.sub(day, text)
    text = _AND_A_HALF.sub(lambda found: amount(_halves(found), found), text)
    text = _FRACTION.sub(lambda found: amount(_fraction(found), found), text)
    text = _LONE.sub(lambda found: amount(_lone(found), found), text)
    rest, at = [], 0
    for found in _AMOUNT.finditer(text):
        before = text[max(0, found.start() - 30) : found.start()]
        rest.append(text[at : found.start()])
        at = found.end()
        if _is_label(found, before):
            rest.append(f" No{found[0].strip().translate(_NO_DIGITS)} ")
            continue
        one, counted = _amount(found, before)
        rest.append(f" {MARK} {counted} ")
        quantities.append(one)
    return Measured(tuple(quantities), tuple(days), "".join([*rest, text[at:]]))


def differing(one: Sequence[Quantity], other: Sequence[Quantity]) -> bool:
    """Whether two texts give the same kind of amount, and neither has what the other gives."""
    for unit in dict.fromkeys(quantity.unit for quantity in one):
        ours = [quantity for quantity in one if quantity.unit == unit]
        theirs = [quantity for quantity in other if quantity.unit == unit]
        if theirs and _alone(ours, theirs) and _alone(theirs, ours):
            return True
    return False


def other_days(one: Iterable[Day], other: Sequence[Day]) -> bool:
    """Whether two texts give comparable dates of which none agree."""
    pairs = [(ours, theirs) for ours in one for theirs in other if ours.comparable(theirs)]
    return bool(pairs) and not any(ours.agrees(theirs) for ours, theirs in pairs)


def _alone(ours: Sequence[Quantity], theirs: Sequence[Quantity]) -> bool:
    return any(not any(one.agrees(two) for two in theirs) for one in ours)


_NO_DIGITS = str.maketrans("0123456789", "abcdefghij")


def _value(text: str) -> tuple[float, float]:
    """The value, and what its last digit counts that is not a zero."""
    if text[0].isdigit():
        plain = re.sub(r"[,'\u202f]", "", text)
        value = float(plain)
        _, dot, decimals = plain.partition(".")
        if dot:
            return value, 10.0 ** -len(decimals)
        zeros = len(plain) - len(plain.rstrip("0"))
        return value, 10.0**zeros if value >= 1000 and zeros > 1 else 0.0
    words = re.split(r"[- ]", text.lower())
    if words[-1] in ("hundred", "dozen"):
        return _WORTH[words[-1]], 0.0
    return sum(_WORTH[word] for word in words), 0.0


def _is_label(found: re.Match[str], before: str) -> bool:
    """Whether the number tells apart things of one name: `option 2`, `room 14`."""
    counted = found["unit"] and found["unit"].casefold() not in COMMON
    if found["mark"] or found["scale"] or found["two"] or counted:
        return False
    word = _LAST_WORD.search(before.casefold())
    return word is not None and word[0] not in COMMON and not _GIVES.match(word[0])


def _amount(found: re.Match[str], before: str) -> tuple[Quantity, str]:
    """The amount, and what it counts where that is no unit."""
    one, step = _value(found["one"])
    two, _ = _value(found["two"]) if found["two"] else (one, 0.0)
    last = _SCALES.get((found["scale2"] or "").strip().lower(), 1.0)
    scale = _SCALES.get((found["scale"] or "").strip().lower(), last)
    dimension, factor, counted = _unit(found["mark"], found["unit"] or "")
    low, high = sorted((one * scale * factor, two * (last if found["two"] else scale) * factor))
    bound: Bound = "between" if found["two"] else "exact"
    for name, words in _BOUNDS if bound == "exact" else ():
        if words.search(before):
            bound = name
            break
    if bound == "about":
        low, high = low * 0.9, high * 1.1
    if bound == "most":
        low = -inf
    if bound == "least":
        high = inf
    unit = (found["unit"] or "").lower()
    written = dimension if found["mark"] or counted else unit.removesuffix("s") if len(unit) > 2 else unit
    return Quantity(low, high, dimension, written, bound, step * scale * factor), counted


def _unit(mark: str | None, unit: str) -> tuple[str, float, str]:
    """The dimension, what one of the unit is in it, and the word that is no unit."""
    if mark:
        return (*_UNITS[mark.lower()], unit)
    low = unit.lower()
    if low.startswith("cubic"):
        return "volume", 1000.0, ""
    if low.startswith("square"):
        return "area", 1.0 if "met" in low else 0.0929, ""
    low = low.replace("per cent", "percent").replace("percent", "%")
    if low in ("feet", "inches"):
        low = {"feet": "foot", "inches": "inch"}[low]
    for word in (low, low.removesuffix("s")):
        if word in _UNITS:
            return (*_UNITS[word], "")
    return f"count {stem(low)}" if low else "count", 1.0, unit


def _halves(found: re.Match[str]) -> Quantity:
    unit = (found["unit"] or found["half"]).lower()
    many = 0.5
    if found["one"]:
        many += float(found["one"]) if found["one"].isdigit() else _WORTH[found["one"].lower()]
    dimension, factor = _UNITS[unit]
    return Quantity(many * factor, many * factor, dimension, f"half {unit}")


def _fraction(found: re.Match[str]) -> Quantity:
    many = _WORTH[found["many"].lower()] if found["many"] else 1.0
    part = {"h": 50.0, "t": 100 / 3, "q": 25.0, "f": 20.0}[found["part"][0].lower()]
    return Quantity(many * part * 0.97, many * part * 1.03, "%", "part", "about")


def _lone(found: re.Match[str]) -> Quantity | None:
    unit = found["unit"].lower()
    before = found.string[: found.start()].rstrip().lower()
    if unit == "fortnight" or not before.endswith(
        ("within", "for", "lasts", "takes", "about", "least", "to")
    ):
        return None  # `10 euros a month`: a rate
    dimension, factor = _UNITS[unit]
    return Quantity(factor, factor, dimension, f"a {unit}")


def _day(found: re.Match[str]) -> Day | None:
    if iso := found["iso"]:
        return Day(*map(int, iso.split("-")))
    if dotted := found["dotted"]:
        return Day(*map(int, reversed(dotted.split("."))))
    for number in "1234":
        if name := found[f"m{number}"]:
            given = found.groupdict()
            year, day = given.get(f"y{number}"), given.get(f"d{number}")
            month = next(at for at, full in enumerate(_MONTHS, 1) if full.startswith(name.lower()[:3]))
            verb = name == "may"
            return None if verb else Day(int(year) if year else None, month, int(day) if day else None)
    if name := found["weekday"]:
        return Day(weekday=_DAYS.index(name.lower()))
    return Day(int(found["year"])) if found["year"] else _time(found)


def _time(found: re.Match[str]) -> Day | None:
    hour, minute, half = found["h1"] or found["h2"], found["min1"] or "0", found["pm1"] or found["pm2"]
    if int(hour) > 24 or (found["h1"] and "." in found[0] and not half):
        return None
    hours = int(hour) % 12 + (12 if (half or "").lower() == "p" else 0) if half else int(hour)
    return Day(minute=60 * hours + int(minute))
