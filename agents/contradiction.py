"""Contradictions between what several members say, found by rule and without a model.

Two statements are of one matter where nearly all of their words are the same. They contradict each other if
they then give another amount, date or name, if one denies what the other says, or if they use opposite words.
A rule cannot see through a free paraphrase, so it misses some; what it finds is meant to be right.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import nlargest
from itertools import combinations, product

from .kinds import Claim, Conflict, Side
from .models.ranking import alike
from .quantities import differing, other_days
from .statements import Statement, matter_of, share, stated, statements, tokens, uncited

SAME_VALUE, SAME_VIEW = 0.34, 0.5
"""The share of common words from which two statements are of one matter, if only one of them has others:
where they give an amount, and where one denies the other."""
NEARLY_SAME = 0.75
"""The share from which they are, though each has words of its own."""
MOST_COMPARED, LEAST_COMPARED, MOST_WITH_A_WORD = 20_000, 10, 100
"""Pairs that are compared in all, but so many of each statement, of so many with each of its words."""
MOST_FOUND, MOST_SIDES = 100, 30
"""How many contradictions are told, and by how many sides of each it is seen who says the same."""


def contradictions(answers: Mapping[str, str]) -> list[Conflict]:
    """What members contradict each other on, by what each has answered; no more than `MOST_FOUND`."""
    said = _Said(answers)
    found: list[dict[str, Statement]] = []
    for one, first, other, second in said.pairs():
        if first is second or not opposed(first, second) or said.by(one, second) or said.by(other, first):
            continue
        for sides in found:
            if sides.get(one) is first or sides.get(other) is second:
                sides.setdefault(one, first)
                sides.setdefault(other, second)
                break
        else:
            if len(found) == MOST_FOUND:
                break
            found.append({one: first, other: second})
    return [_conflict(sides, said) for sides in found]


def between_claims(claims: Mapping[str, Sequence[Claim]]) -> list[Conflict]:
    """What members contradict each other on, by the claims that they make about the same matter."""
    most, matters = share(len(claims)), _Matters()
    for who, made in claims.items():
        for claim in made[:most]:
            matters.of(matter_of(claim.about)).setdefault(who, []).append(claim)
    found = []
    for by_member in matters.claims:
        unlike = [*{tuple(claim.says for claim in made): made for made in by_member.values()}.values()]
        if any(_differ(one, other) for one, other in combinations(unlike[:MOST_SIDES], 2)):
            sides = tuple(Side(who=who, says=made[0].says) for who, made in by_member.items())
            found.append(Conflict(about=next(iter(by_member.values()))[0].about, sides=sides))
    return found[:MOST_FOUND]


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


def joined(conflicts: Iterable[Conflict], answers: Mapping[str, str]) -> list[Conflict]:
    """The conflicts with those who say the same as one of the sides, and were not named."""
    said, found = _Said(answers), []
    for one in conflicts:
        there = {side.who for side in one.sides}
        same = said.agreeing([stated(side.says) for side in one.sides])
        more = (Side(who=who, says=own.text) for who, own in same.items() if who not in there)
        found.append(Conflict(about=one.about, sides=(*one.sides, *more)))
    return found


def joined_by(conflict: Conflict, answers: Mapping[str, str]) -> Conflict:
    """The same for one conflict."""
    return joined([conflict], answers)[0]


@lru_cache(maxsize=5_000)
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
        found = _one_matter(aligned, other, SAME_VIEW) and _denies(aligned, other)
    elif days:
        found = one.once and other.once and _one_matter(one, other, SAME_VALUE)
    else:
        found = _one_matter(one, other, SAME_VIEW) and _same_place(one, other)
    return found and one.firm and other.firm


class _Said:
    """What all members state, in order, and which words stand where."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        most = share(len(answers))
        self.members = [*answers]
        self._own = {who: statements(text, most) for who, text in answers.items()}
        self._all = [(member, one) for member, own in enumerate(self._own.values()) for one in own]
        self._where: dict[str, list[int]] = defaultdict(list)
        for at, (_, one) in enumerate(self._all):
            for word in one.all_words:
                self._where[word].append(at)

    def pairs(self) -> Iterator[tuple[str, Statement, str, Statement]]:
        """The statements of two members that have words in common, with who makes them, in order.

        Of a statement that has words in common with very many, those that have most of them.
        """
        most = max(LEAST_COMPARED, MOST_COMPARED // (len(self._all) or 1))
        end = 0
        for member, own in enumerate(self._own.values()):
            start, end = end, end + len(own)
            near = [(at, other) for at in range(start, end) for other in self._alike(at, end, most)]
            for at, other in sorted(near, key=lambda pair: (self._all[pair[1]][0], *pair)):
                whose, second = self._all[other]
                yield self.members[member], self._all[at][1], self.members[whose], second

    def by(self, who: str, other: Statement) -> bool:
        """Whether the member says so, too."""
        return any(_agrees(one, other) for one in self._own[who])

    def agreeing(self, sides: Sequence[Statement]) -> dict[str, Statement]:
        """Who says the same as one of the sides, and the first statement in which that is said."""
        sides = sides[:MOST_SIDES]
        near = {at for side in sides for at in self._near(side, 0)}
        same: dict[str, Statement] = {}
        for member, one in (self._all[at] for at in sorted(near)):
            who = self.members[member]
            if who not in same and any(_agrees(one, side) for side in sides):
                same[who] = one
        return same

    def _alike(self, at: int, start: int, most: int) -> Iterable[int]:
        one = self._all[at][1]
        few = len(one.all_words) < 3
        near = {other: shared for other, shared in self._near(one, start).items() if shared > 1 or few}
        return nlargest(most, near, key=lambda other: (near[other], -other))

    def _near(self, one: Statement, start: int) -> Counter[int]:
        """From there on, in which statements words of this one stand, and how many; of a word that is in very
        many, in the first of them."""
        shared = Counter[int]()
        for word in one.all_words:
            where = self._where.get(word, ())
            begin = bisect_left(where, start)
            shared.update(where[begin : begin + MOST_WITH_A_WORD])
        return shared


class _Matters:
    """What claims are about; those of nearly the same words are about one matter."""

    def __init__(self) -> None:
        self.claims: list[dict[str, list[Claim]]] = []
        self._words: list[frozenset[str]] = []
        self._where: dict[str, list[int]] = defaultdict(list)

    def of(self, words: frozenset[str]) -> dict[str, list[Claim]]:
        """The claims about the first matter that has nearly these words, which may be a new one."""
        # whatever has as many of the words in common has at least one of any few
        rare = sorted(words, key=lambda word: len(self._where[word]))
        near = {at for word in rare[: int(len(words) * (1 - NEARLY_SAME)) + 1] for at in self._where[word]}
        for at in sorted(near):
            if alike(self._words[at], words) >= NEARLY_SAME:
                return self.claims[at]
        for word in words:
            self._where[word].append(len(self.claims))
        self._words.append(words)
        self.claims.append({})
        return self.claims[-1]


def _conflict(sides: Mapping[str, Statement], said: _Said) -> Conflict:
    """The conflict, with those who say the same as one of its sides."""
    everyone = {**said.agreeing([*sides.values()]), **sides}
    common = frozenset.intersection(*(one.all_words for one in sides.values()))
    first = next(iter(sides.values()))
    text = uncited(first.text)
    about = [word for word, root in tokens(text) if root in common]
    return Conflict(
        about=" ".join(dict.fromkeys(about)) or text,
        sides=tuple(Side(who=who, says=everyone[who].text) for who in said.members if who in everyone),
    )


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


def _denies(one: Statement, other: Statement) -> bool:
    """Whether one denies just what the other says, where no opposite words tell: of their words, names
    counted, more than twice as many are in both than in one alone."""
    ours, theirs = (each.all_words.union(each.poles) for each in (one, other))
    opposites = one.poles.keys() & other.poles.keys()
    return bool(opposites) or len(ours & theirs) > 2 * len((ours ^ theirs) - _LIGHT)


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
