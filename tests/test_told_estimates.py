"""How the shell and a notebook say what a run would take."""

from guildhall.agents.budget import Budget
from guildhall.agents.estimate import Estimate, MemberEstimate, Usual
from guildhall.jupyter_ext.show import estimate as in_notebook
from guildhall.view.worst import usually, worst_case


def told(budget: Budget, usd: float | None = 0.4, calls: int = 40, tokens: int = 10**9) -> list[str]:
    """What is said of a run with that worst case."""
    return worst_case(of(budget, usd, calls, tokens))


def of(budget: Budget, usd: float | None, calls: int, tokens: int) -> Estimate:
    usual = Usual(calls=3, tokens=9_049, usd=0.01)
    member = MemberEstimate(
        name="ann", role="", model="made:good", usual=usual, calls=calls, tokens=tokens, usd=usd
    )
    return Estimate(
        team="duo", pattern="auto", way="debate (two sides)", members=(member,), budget=budget, usual=usual,
        calls=calls, tokens=tokens, usd=usd,
    )  # fmt: skip


def test_a_bound_that_the_budget_sets_is_said_to_be_that() -> None:
    default = Budget(usd=1.0, by_default=True)
    assert told(default) == ["40 calls · $0.4000", "budget: $1.00 (the default)"]
    assert told(default, usd=1.0)[1:] == ["the budget of $1.00 (the default) stops it"]
    assert told(Budget(usd=1.0, calls=40))[1:] == ["the budget of 40 calls stops it", "budget: $1.00"]
    assert told(Budget(calls=50, seconds=60))[1:] == ["budget: 50 calls, 60 s"]
    assert told(Budget(tokens=10**9)) == [
        "40 calls · 1,000,000,000 tokens · $0.4000",
        "the budget of 1,000,000,000 tokens stops it",
    ]
    assert told(Budget())[1:] == []
    assert told(default, usd=None)[0] == "40 calls · cost unknown"


def test_the_usual_case_is_said_as_roughly_as_it_is_known() -> None:
    assert usually(Usual(calls=1, tokens=9_049, usd=0.01)) == "1 call · about 9,000 tokens · $0.0100"
    assert usually(Usual(calls=2, tokens=40, usd=None)) == "2 calls · about 40 tokens · cost unknown"
    assert usually(Usual(calls=2, tokens=40, usd=0.01, unpriced=1)).endswith("over $0.0100")
    assert usually(Usual(calls=0, tokens=0, usd=0.0)) == "not asked"


def test_only_the_models_whose_price_is_not_known_are_named() -> None:
    [priced] = of(Budget(), None, 40, 90).members
    other = priced.model_copy(update={"model": "made:odd", "usd": None, "unpriced": ("own:standin",)})
    both = of(Budget(), None, 40, 90).model_copy(update={"members": (priced, other)})
    assert worst_case(both)[1:] == ["unknown: what own:standin costs, which comes on top"]


def test_a_notebook_shows_the_usual_case_by_member_and_the_worst_below() -> None:
    text = in_notebook(of(Budget(calls=40), 0.4, 40, 10**9))["text/plain"]
    assert text.splitlines()[2].split() == ["ann", "made:good", "3", "9,049", "$0.0100"]
    assert text.splitlines()[3:] == [
        "way: debate (two sides)",
        "usually: 3 calls · about 9,000 tokens · $0.0100",
        "at most: 40 calls · $0.4000",
        "the budget of 40 calls stops it",
    ]
