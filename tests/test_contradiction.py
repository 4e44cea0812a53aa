"""Contradictions are found by rule: most of those that were seeded, and hardly any where there are none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ended import ended

from guildhall.agents.contradiction import MOST_FOUND, between_claims, contradictions, joined_by
from guildhall.agents.kinds import Claim, Conflict
from guildhall.agents.quantities import measured

DATA = Path(__file__).parent.parent / "benchmarks" / "data"
DOCS = Path(__file__).parent.parent / "docs"


class Score(NamedTuple):
    seeded: int
    clean: int
    found: int
    false_alarms: int


def named(conflict: Conflict, on: Sequence[str]) -> bool:
    """Whether two different sides of the conflict say what was seeded."""
    says = [side.says.casefold() for side in conflict.sides]
    first, second = (words.casefold() for words in on)
    return any(
        first in one and second in other
        for at, one in enumerate(says)
        for number, other in enumerate(says)
        if at != number
    )


def scored(name: str) -> Score:
    lines = (DATA / f"contradictions_{name}.jsonl").read_text("utf-8").splitlines()
    cases: list[dict[str, Any]] = [json.loads(line) for line in lines]
    seeded = found = false_alarms = 0
    for case in cases:
        conflicts = contradictions(case["answers"])
        right = [
            one for one in conflicts if case["contradict"] and ("on" not in case or named(one, case["on"]))
        ]
        seeded += case["contradict"]
        found += bool(right)
        false_alarms += len(conflicts) - len(right)
    return Score(seeded, len(cases) - seeded, found, false_alarms)


@pytest.mark.parametrize(
    ("name", "size", "least"), [("tuning", (28, 32), 25), ("held_out", (28, 32), 20), ("blind", (30, 30), 0)]
)
def test_seeded_contradictions_are_found_with_hardly_any_false_alarm(
    name: str, size: tuple[int, int], least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blind cases are longer, and by somebody else: a rule sees through no free paraphrase."""
    score = scored(name)
    with capsys.disabled():
        print(
            f"\ncontradictions, {name}: {score.found} of {score.seeded} seeded found, {score.false_alarms} "
            f"false alarms in {score.seeded + score.clean} cases"
        )
    assert (score.seeded, score.clean) == size
    assert score.found >= least
    assert score.false_alarms <= 1


def test_no_case_stands_in_both_halves() -> None:
    halves = [
        {json.dumps(json.loads(line)["answers"]) for line in (DATA / name).read_text("utf-8").splitlines()}
        for name in ("contradictions_tuning.jsonl", "contradictions_held_out.jsonl")
    ]
    assert not halves[0] & halves[1]


def test_a_conflict_names_its_matter_and_everybody_who_is_on_a_side() -> None:
    (conflict,) = contradictions(
        {
            "ann": "I read it twice. Delivery takes 30 days after the order.",
            "bob": "Delivery takes 45 days after the order, which is long.",
            "cid": "Nothing is said of returns.",
            "dee": "After the order delivery takes 30 days.",
        }
    )
    assert conflict.about == "Delivery takes order"
    assert [side.who for side in conflict.sides] == ["ann", "bob", "dee"]
    assert conflict.sides[1].says == "Delivery takes 45 days after the order, which is long."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It asks no model.", "Beyond 60 seconds, the next model is asked."),
        ("A run for which nobody gave a limit in USD has one.", "A limit is given for the run of a file."),
        ("Values are not modified.", "Strings and other values are modified before they are stored."),
        ('{"version": {"major": 3, "minor": 14}}', '{"version": {"major": 2, "minor": 4}}'),
    ],
)
def test_who_denies_something_else_of_the_same_thing_contradicts_nobody(one: str, other: str) -> None:
    assert contradictions({"ann": one, "bob": other}) == []


def test_what_both_cite_is_no_word_that_they_have_in_common() -> None:
    (conflict,) = contradictions(
        {
            "ann": "Delivery takes 30 days [supply-agreement.md:43].",
            "bob": "Delivery takes 45 days [supply-agreement.md:47], they say.",
        }
    )
    assert conflict.about == "Delivery takes"
    assert [side.says[-5:] for side in conflict.sides] == [":43].", " say."]
    cited = "[the-supply-agreement-of-may.md:{}]"
    answers = {"ann": f"Rent is not due {cited.format(4)}.", "bob": f"Interest is due {cited.format(9)}."}
    assert contradictions(answers) == []


def test_a_denial_with_emphasis_is_one() -> None:
    assert contradictions({"ann": "Backups are encrypted.", "bob": "Backups are _not_ encrypted."})


@pytest.mark.slow
def test_the_documentation_of_one_author_does_not_contradict_itself() -> None:
    pages = {page.name: page.read_text("utf-8")[:20_000] for page in DOCS.glob("*.md")}
    assert len(pages) > 5
    assert [(one.about, one.sides) for one in contradictions(pages)] == []


def test_who_corrects_what_it_quotes_contradicts_nobody() -> None:
    answers = {
        "ann": "The brochure says the battery lasts 20 hours. In our test the battery lasted 12 hours.",
        "bob": "In the test the battery lasted 12 hours.",
    }
    assert contradictions(answers) == []


def test_claims_on_one_matter_that_differ_are_a_conflict_however_the_matter_is_written() -> None:
    found = between_claims(
        {
            "ann": [Claim(about="delivery time", says="30 days"), Claim(about="price", says="1,200 euros")],
            "bob": [Claim(about="Time of delivery", says="45 days"), Claim(about="price", says="€ 1,200")],
        }
    )
    assert [(one.about, [side.says for side in one.sides]) for one in found] == [
        ("delivery time", ["30 days", "45 days"])
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("30 days", "one month"),
        ("allowed", "not forbidden"),
        ("12%", "12 percent"),
        ("two years", "24 months"),
        ("2 pm", "14:00"),
        ("Lyon", "in Lyon"),
        ("1.2 million dollars", "$1,200,000"),
    ],
)
def test_claims_that_come_to_the_same_are_no_conflict(one: str, other: str) -> None:
    claims = {"ann": [Claim(about="it", says=one)], "bob": [Claim(about="it", says=other)]}
    assert between_claims(claims) == []


def test_who_says_the_same_as_a_side_joins_it() -> None:
    claims = {
        "ann": [Claim(about="delivery", says="Delivery takes 30 days.")],
        "bob": [Claim(about="delivery", says="Delivery takes 45 days.")],
    }
    (conflict,) = between_claims(claims)
    joined = joined_by(conflict, {"ann": "", "bob": "", "cid": "All in all, delivery takes 45 days."})
    assert [side.who for side in joined.sides] == ["ann", "bob", "cid"]


@pytest.mark.parametrize(
    ("text", "unit", "low", "high"),
    [
        ("within 30 days", "time", float("-inf"), 43_200),
        ("two to four days", "time", 2_880, 5_760),
        ("an hour and a half", "time", 90, 90),
        ("between 4 and 5 percent", "%", 4, 5),
        ("at least twenty-five kg", "mass", 25, float("inf")),
        ("€ 18,500", "EUR", 18_500, 18_500),
        ("3.8 million euros", "EUR", 3_800_000, 3_800_000),
        ("140 nurses", "count nurs", 140, 140),
    ],
)
def test_amounts_are_read_with_their_units_and_bounds(text: str, unit: str, low: float, high: float) -> None:
    (quantity,) = measured(text).quantities
    assert (quantity.unit, quantity.low, quantity.high) == (unit, low, high)


@pytest.mark.parametrize(
    "text", ["Option 2 is better.", "See clause 9.", "HTTP/1.1", "version 3.1", "answer 7"]
)
def test_a_number_that_names_something_is_no_amount(text: str) -> None:
    assert measured(text).quantities == ()


@pytest.mark.slow
def test_a_thousand_findings_are_compared() -> None:
    program = """
from guildhall.agents.contradiction import between_claims, contradictions
from guildhall.agents.kinds import Claim

def sides(found):
    return sorted((len(one.sides) for one in found), reverse=True)[:3]

text = "In part {0} the price of item {0} was {1} dollars in 20{2}. " * 12
other = {f"part {n}": text.format(n, n * 3, 10 + n % 90) for n in range(1_000)}
print(len(contradictions(other)))
same = {f"part {n}": f"The price of the pump is {n * 3 + 7} dollars." for n in range(1_000)}
print(sides(contradictions(same))[0] > 990)
apart = {**other, "part 7": "Delivery takes 30 days after the order.",
         "part 993": "Delivery takes 45 days after the order."}
print([[side.who for side in one.sides] for one in contradictions(apart)])
claims = {f"part {n}": [Claim(about=f"price of item {n}", says="5 EUR"), Claim(about="notice period",
          says=f"{30 + n % 2} days")] for n in range(1_000)}
print(sides(between_claims(claims)))
"""
    assert ended(program).splitlines() == ["0", "True", "[['part 7', 'part 993']]", "[1000]"]


def test_of_very_many_contradictions_some_are_told() -> None:
    one = " ".join(f"The pump number {n} of the {place} weighs 5 kg." for n in range(15) for place in PLACES)
    found = contradictions({"ann": one, "bob": one.replace("5 kg", "7 kg")})
    assert len(found) == MOST_FOUND


PLACES = "hall tower gate roof fence belt crane tank".split()
