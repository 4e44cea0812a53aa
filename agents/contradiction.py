"""Contradictions between what several members say, found by rule and without a model.

Two statements are of one matter where nearly all of their words are the same. They contradict each other if
they then give another amount, date or name, if one denies what the other says, or if they use opposite words.
A rule cannot see through a free paraphrase, so it misses some; what it finds is meant to be right.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product

from .kinds import Claim, Conflict, Side
from .models.ranking import alike
from .quantities import differing, other_days
from .statements import Statement, matter_of, stated, statements, tokens

SAME_VALUE, SAME_VIEW = 0.34, 0.5
"""The share of common words from which two statements are of one matter, if only one of them has others:
where they give an amount, and where one denies the other."""
NEARLY_SAME = 0.75
"""The share from which they are, though each has words of its own."""


def contradictions(answers: Mapping[str, str]) -> list[Conflict]:
    """What members contradict each other on, by what each has answered."""
    said = {who: statements(text) for who, text in answers.items()}
    found: list[dict[str, Statement]] = []
    for one, other in combinations(said, 2):
        for first, second in _near(said[one], said[other]):
            if not opposed(first, second) or _says(said[one], second) or _says(said[other], first):
                continue
            for sides in found:
                if sides.get(one) is first or sides.get(other) is second:
                    sides.setdefault(one, first)
                    sides.setdefault(other, second)
                    break
            else:
                found.append({one: first, other: second})
    return [_conflict(sides, said) for sides in found]


def between_claims(claims: Mapping[str, Sequence[Claim]]) -> list[Conflict]:
    """What members contradict each other on, by the claims that they make about the same matter."""
    matters: dict[frozenset[str], dict[str, list[Claim]]] = {}
    for who, made in claims.items():
        for claim in made:
            words = matter_of(claim.about)
            matter = next((known for known in matters if alike(known, words) >= NEARLY_SAME), words)
            matters.setdefault(matter, {}).setdefault(who, []).append(claim)
    found = []
    for by_member in matters.values():
        if any(_differ(one, other) for one, other in combinations(by_member.values(), 2)):
            sides = tuple(Side(who=who, says=made[0].says) for who, made in by_member.items())
            found.append(Conflict(about=next(iter(by_member.values()))[0].about, sides=sides))
    return found


def same_claim(one: str, other: str) -> bool:
    """Whether what is said twice of one matter comes to the same."""
    first, second = stated(one), stated(other)
    if differing(first.quantities, second.quantities) or other_days(first.days, second.days):
        return False
    if _disagree(first, second):
        return False
    if first.quantities and second.quantities:
        return True
    if _other_names(first, second):
        return False
    ours, theirs = first.all_words, second.all_words
    return ours <= theirs or theirs <= ours or alike(ours, theirs) >= 0.5


def same_matter(one: Conflict, other: Conflict) -> bool:
    """Whether both are of one matter."""
    first, second = matter_of(one.about), matter_of(other.about)
    return alike(first, second) >= 0.5 or first <= second or second <= first


def joined_by(conflict: Conflict, answers: Mapping[str, str]) -> Conflict:
    """The conflict with those who say the same as one of its sides, and were not named."""
    there = {side.who for side in conflict.sides}
    sides = [stated(side.says) for side in conflict.sides]
    more = []
    for who, text in answers.items():
        own = statements(text) if who not in there else ()
        if same := _agreeing(own, sides):
            more.append(Side(who=who, says=same.text))
    return Conflict(about=conflict.about, sides=(*conflict.sides, *more))


def opposed(one: Statement, other: Statement) -> bool:
    """Whether the two cannot both be true."""
    aligned = _aligned(one, other)
    values, view = differing(one.quantities, other.quantities), _disagree(aligned, other)
    days, names = other_days(one.days, other.days), _other_names(one, other)
    if (values or view) + days + names != 1:
        return False  # at another time or place another value is no contradiction
    if values:
        found = _one_matter(aligned, other, SAME_VALUE) and not _other_scope(one, other)
    elif view:
        found = _one_matter(aligned, other, SAME_VIEW)
    elif days:
        found = one.once and other.once and _one_matter(one, other, SAME_VALUE)
    else:
        found = _one_matter(one, other, SAME_VIEW) and _same_place(one, other)
    return found and one.firm and other.firm


def _conflict(sides: Mapping[str, Statement], said: Mapping[str, Sequence[Statement]]) -> Conflict:
    """The conflict, with those who say the same as one of its sides."""
    everyone = dict(sides)
    for who, own in said.items():
        if who not in everyone and (same := _agreeing(own, sides.values())):
            everyone[who] = same
    common = frozenset.intersection(*(one.all_words for one in sides.values()))
    first = next(iter(sides.values()))
    about = [word for word, root in tokens(first.text) if root in common]
    return Conflict(
        about=" ".join(dict.fromkeys(about)) or first.text,
        sides=tuple(Side(who=who, says=everyone[who].text) for who in said if who in everyone),
    )


def _near(ours: Sequence[Statement], theirs: Sequence[Statement]) -> Iterator[tuple[Statement, Statement]]:
    """The pairs that have words in common."""
    where: dict[str, list[int]] = defaultdict(list)
    for at, statement in enumerate(theirs):
        for word in statement.all_words:
            where[word].append(at)
    for one in ours:
        shared = Counter(at for word in one.all_words for at in where.get(word, ()))
        few = len(one.all_words) < 3
        yield from ((one, theirs[at]) for at, count in sorted(shared.items()) if count > 1 or few)


def _says(own: Sequence[Statement], theirs: Statement) -> bool:
    return any(_agrees(one, theirs) for one in own)


def _agreeing(own: Iterable[Statement], sides: Iterable[Statement]) -> Statement | None:
    return next((one for one, side in product(own, sides) if _agrees(one, side)), None)


def _agrees(one: Statement, other: Statement) -> bool:
    """Whether the one says of the same matter what the other says."""
    if one.all_words.isdisjoint(other.all_words) or not _one_matter(one, other, SAME_VALUE):
        return False
    if _disagree(one, other) or _other_names(one, other):
        return False
    units, mine = ({quantity.unit for quantity in each.quantities} for each in (other, one))
    if units and (not units & mine or differing(one.quantities, other.quantities)):
        return False
    if other.days and (not one.days or other_days(one.days, other.days)):
        return False
    return bool(units or other.days) or one.poles.keys() == other.poles.keys()


def _disagree(one: Statement, other: Statement) -> bool:
    """Whether one denies what the other says, or they use opposite words."""
    turned = one.denied != other.denied
    both = one.poles.keys() & other.poles.keys()
    return any((one.poles[pair] != other.poles[pair]) != turned for pair in both) if both else turned


def _aligned(one: Statement, other: Statement) -> Statement:
    """The one with `unsafe` as a denial of `safe`, where that is what the other says."""
    for word in sorted(one.words - other.words):  # in the same order in every process
        for prefix in _DENYING:
            if (bare := word.removeprefix(prefix)) != word and bare in other.words - one.words:
                return one.with_word(word, bare)
            if (full := prefix + word) in other.words - one.words:
                return one.with_word(word, full)
    return one


_DENYING = ("un", "in", "im", "il", "ir", "dis")


def _other_names(one: Statement, other: Statement) -> bool:
    return bool(one.names.keys() - other.names.keys()) and bool(other.names.keys() - one.names.keys())


def _other_scope(one: Statement, other: Statement) -> bool:
    """Whether one gives its amount of a part of what the other speaks of."""
    return bool(
        (one.scope & one.all_words) - other.all_words or (other.scope & other.all_words) - one.all_words
    )


def _same_place(one: Statement, other: Statement) -> bool:
    """Whether the names in which they differ end two statements that are about one definite thing."""
    ours = {one.names[name] for name in one.names.keys() - other.names.keys()}
    theirs = {other.names[name] for name in other.names.keys() - one.names.keys()}
    return one.definite and other.definite and bool((ours & theirs) - {""})


def _one_matter(one: Statement, other: Statement, least: float) -> bool:
    shared = one.all_words & other.all_words
    if not shared:
        return False
    ours = one.words - shared - _LIGHT | one.poles.keys() - other.poles.keys()
    theirs = other.words - shared - _LIGHT | other.poles.keys() - one.poles.keys()
    share = len(shared) / (len(shared) + len(ours) + len(theirs))
    if ours and theirs:
        return share >= NEARLY_SAME and len(ours) != len(theirs)
    return share >= least and (len(shared) > 1 or (least < SAME_VIEW and not (ours or theirs)))


def _differ(one: Sequence[Claim], other: Sequence[Claim]) -> bool:
    return not any(same_claim(first.says, second.says) for first, second in product(one, other))


_LIGHT = matter_of(
    "reach stand amount come total run take last need cost hold cover include contain have usual most mainly "
    "chiefly alone now still already current today set give planned lies located roughly overall likely due"
)
"""Words that are no matter of their own."""
