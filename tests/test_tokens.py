"""The estimate of tokens is near what a tokenizer counts, seldom below, and adds up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.agents.tokens import bound, estimate, weight

COUNTED = [
    pytest.param(
        "The supplier shall deliver the goods within thirty days of the order. If it does not, the buyer may "
        "withdraw from the contract and claim damages for what it has lost by then.\n",
        432,
        id="English",
    ),
    pytest.param(
        "def total(rows: list[Row]) -> float:\n"
        '    """The sum of all rows."""\n'
        "    return sum(row.price * row.count for row in rows if not row.cancelled)\n",
        444,
        id="Python",
    ),
    pytest.param(
        "Der Lieferant liefert die Ware innerhalb von dreißig Tagen. Tut er das nicht, kann der Käufer vom "
        "Vertrag zurücktreten und Ersatz des Schadens verlangen.\n",
        396,
        id="German",
    ),
    pytest.param(
        "Поставщик обязан передать товар в течение тридцати дней. Если он этого не сделает, покупатель "
        "вправе отказаться от договора.\n",
        360,
        id="Russian",
    ),
    pytest.param(
        "供应商应当在三十天内交付货物。如果没有交付，买方可以解除合同，并要求赔偿损失。\n",  # noqa: RUF001  Chinese
        360,
        id="Chinese",
    ),
    pytest.param(
        "供給者は三十日以内に商品を引き渡すものとする。引き渡さない場合、買主は契約を解除することができる。\n",
        468,
        id="Japanese",
    ),
    pytest.param(
        '{"id": 4711, "name": "pump", "price": {"amount": 129.5, "currency": "EUR"}, '
        '"tags": ["new", "heavy"]}\n',
        468,
        id="JSON",
    ),
    pytest.param(
        "2024-01-03,17.25,4831,0.003\n2024-01-04,18.75,4790,0.004\n2024-01-05,16.5,5102,0.003\n",
        648,
        id="numbers",
    ),
    pytest.param(
        "| part | weight | price |\n|---|---|---|\n| pump | 12 kg | 129 EUR |\n| valve | 2 kg | 17 EUR |\n",
        432,
        id="table",
    ),
]
"""Texts, and how many tokens o200k makes of twelve of them behind each other."""


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_the_estimate_is_not_below_what_a_tokenizer_counts_and_not_far_above(text: str, tokens: int) -> None:
    assert tokens <= estimate(text * 12) <= 1.7 * tokens
    assert 0.75 * tokens <= weight(text * 12) <= 1.3 * tokens
    assert tokens <= bound(text * 12)


@settings(deadline=None)
@given(st.text(), st.text())
def test_texts_that_are_joined_weigh_no_more_than_apart(one: str, other: str) -> None:
    assert weight(one + other) <= weight(one) + weight(other) + 1e-9


@settings(deadline=None)
@given(st.text())
def test_the_estimate_is_never_above_the_bound(text: str) -> None:
    assert 0 <= estimate(text) <= bound(text)


def test_lone_surrogates_and_nothing_are_texts_too() -> None:
    assert estimate("") == 0
    assert estimate("\ud800 a") > 0
