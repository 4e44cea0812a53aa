"""How the members of a team had best work on a task, by rules that can be read."""

import re
from typing import Literal, NamedTuple, get_args

from .models.complexity import complexity

Way = Literal["one", "parallel", "hierarchy", "debate"]
WAYS: tuple[Way, ...] = get_args(Way)
COMPLEX = 0.5
"""Below this estimate, a task without parts is for one specialist alone."""
FEWEST_PARTS = 3
"""From so many parts on, an enumeration is work for several; two are often one thing and its twin."""
_LOOKED_AT = 4_000


class WayChosen(NamedTuple):
    """How to work, and what speaks for it."""

    way: Way
    reason: str
    sure: bool = True
    """Whether the rule suffices, or somebody had better be asked."""


_WHO = "we|i|our|the|they|my|it|he|she|people|schools?|cities|companies"
_JUDGEMENT = re.compile(
    rf"\b(?:(?<!how )(?<!where )(?<!when )should (?:{_WHO}|\w+ (?:ban|abolish|allow|be))|ought (?:{_WHO}|to)"
    r"|(?:is|are|was|were|would) it (?:better|worth|right|wrong|fair|wise|justified)|better (?:to|off)"
    r"|pros? (?:and|&) cons?|for and against|arguments? (?:for|against)|speaks? (?:for|against)"
    r"|each side|both sides|good or bad|right or wrong|yes or no|\w+ (?:vs\.?|versus) \w+"
    r"|justified\?|whether \w+ should"
    r"|(?:sollen|sollten|soll|dürfen) (?:wir|ich|die|der|das|man)|pro und contra|für und (?:gegen|wider)"
    r"|(?:was|welche argumente) sprech?(?:en|icht) (?:für|gegen)"
    r"|faut-il|devrait-on|devons-nous|vaut-il mieux|(?:le )?pour et (?:le )?contre)"
)
_EITHER = re.compile(r"\A[^.!?\n]{0,120}\b(?:or|oder|ou)\b[^.!?\n]{1,80}\?")
"""A short question that names two ways out."""
_WHICH_FACT = re.compile(
    r"\A\W*(?:is|are|was|were|did|does|what|when|where|who|how|why|which of|wer|wann|wo|was|quand|qui|où)\b"
)  # fmt: skip
_AFTER = re.compile(
    r"\b(?:(?:and |, )?(?:then|after (?:that|this|which)|afterwards|subsequently|finally|lastly)"
    r"|once (?:that|this|it) is|based on (?:that|this|those|these|it|them|the)|on (?:the basis|top) of"
    r"|build(?:ing|s)? on|from (?:it|that|them|those)|(?:using|use) (?:that|those|these|the results?)"
    r"|with (?:that|those|these) (?:results?|numbers?|findings?)|the (?:result|output)s? of"
    r"|(?:from|of|in|with) (?:the )?(?:step|part|point) (?:\d|one|two|three)"
    r"|dann|danach|anschließend|schließlich|darauf (?:aufbauend|basierend)"
    r"|auf (?:dieser|deren) (?:basis|grundlage)"
    r"|puis|ensuite|enfin|à partir de (?:ces|cela)|fondée?s? sur)\b"
)
_NUMBERED = re.compile(r"(?:^|[\s;])(?:\d{1,2}[.)]\s|step (?:\d+|one|two|three|four)\b)", re.MULTILINE)
_PHASES = re.compile(
    r"\b(?:design|implement|build|develop|create|test|document|migrate|plan|organi[sz]e|verify|roll out)\b"
)
_SIDE_BY_SIDE = re.compile(
    r"\b(?:independent(?:ly)?|in parallel|one by one|for each|each of|every one of|points? of view"
    r"|several (?:people|specialists|experts|views)|perspectives?|jede[nrs]? (?:der|einzelne)|einzeln"
    r"|unabhängig|aus sicht|chacune?|pour chaque)\b"
)
_ITEM = r"[^,.;:?!\n]{2,60}"
_LIST = re.compile(rf"(?:{_ITEM}, ){{1,8}}{_ITEM},? (?:and|und|et|or|oder|ou|plus|as well as) {_ITEM}")
_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|\"[^\"\n]*\"|“[^“”\n]*”|«[^«»\n]*»|„[^„“\n]*“", re.DOTALL
)  # fmt: skip


def way_of(task: str, *, material: int = 0) -> WayChosen:
    """How members had best work on the task: the simplest way that serves.

    `material` is about how many tokens come with it.
    """
    asked = _QUOTED.sub(" … ", task[:_LOOKED_AT]).casefold()
    level = complexity(task, material=material)
    return _in_parts(asked, level) or _alone(level)


def _in_parts(asked: str, level: float) -> WayChosen | None:
    """The way for a task that has parts, or two sides; None if neither is seen."""
    after = [found[0].strip(" ,") for found in _AFTER.finditer(asked)]
    after += [found[0].strip() for found in _NUMBERED.finditer(asked)][1:]
    if len(after) > 1 or (after and level >= COMPLEX):
        return WayChosen("hierarchy", f"parts that rest on others: {', '.join(dict.fromkeys(after[:4]))}")
    if found := _JUDGEMENT.search(asked) or (not _WHICH_FACT.match(asked) and _EITHER.match(asked)):
        return WayChosen("debate", f"a judgement with two sides: {' '.join(found[0].split())[:60]}")
    if len(phases := dict.fromkeys(_PHASES.findall(asked))) >= FEWEST_PARTS:
        return WayChosen("hierarchy", f"work in phases: {', '.join(phases)}")
    if after:
        reason = f"a part seems to rest on another ({after[0]}), in a task that is not complex ({level:.2f})"
        return WayChosen("hierarchy", reason, sure=False)
    if parts := _independent(asked):
        return WayChosen("parallel", f"parts that do not need each other: {parts}")
    return None


def _alone(level: float) -> WayChosen:
    if level < COMPLEX:
        return WayChosen("one", f"a complexity of {level:.2f}, and no parts")
    return WayChosen("one", f"a complexity of {level:.2f}, but no parts were found", sure=False)


def _independent(asked: str) -> str:
    """What shows that the task has parts that do not need each other, if anything does."""
    if found := _SIDE_BY_SIDE.search(asked):
        return found[0]
    listed = _LIST.search(asked)
    if listed and listed[0].count(",") + 2 >= FEWEST_PARTS:
        return " ".join(listed[0].split())[:80]
    return ""
