"""The arithmetic of a rate holds for every time and cost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.memory.store.rate import Rate


@settings(deadline=None)
@given(
    allowance=st.floats(1, 100_000),
    asks=st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3)), max_size=40),
)
def test_no_window_of_time_holds_more_than_rate_and_burst(
    allowance: float, asks: list[tuple[float, float]]
) -> None:
    rate, now, tat, admitted = Rate(allowance), 1_800_000_000.0, 0.0, []
    for pause, part in asks:
        now, cost = now + pause, max(1.0, allowance * part)
        if rate.wait(tat, now, cost) <= 0:
            tat = rate.taken(tat, now, cost)
            admitted.append((now, cost))
    for first in range(len(admitted)):
        total = 0.0
        for at, cost in admitted[first:]:
            total += cost
            burst = max(allowance / 10, 1.0, cost)
            assert total <= (at - admitted[first][0]) / rate.unit + burst + 1e-4 * allowance


@settings(deadline=None)
@given(
    allowance=st.floats(0.1, 100_000),
    tat=st.floats(-1e3, 500),
    part=st.floats(0, 3),
    ahead=st.floats(0, 3),
)
def test_who_waits_as_long_as_told_is_admitted_and_what_is_left_for_others_only_adds(
    allowance: float, tat: float, part: float, ahead: float
) -> None:
    now, rate, cost = 1_800_000_000.0, Rate(allowance), max(1.0, allowance * part)
    wait = rate.wait(now + tat, now, cost)
    assert rate.wait(now + tat, now + max(0.0, wait) + 1e-5, cost) <= 0
    assert rate.wait(now + tat, now, cost, ahead=ahead * allowance) >= wait


@settings(deadline=None)
@given(
    allowance=st.floats(1000, 100_000),
    before=st.floats(0, 60),
    taken=st.integers(1, 2000),
    used=st.integers(0, 4000),
    later=st.floats(0, 100),
)
def test_a_correction_gives_back_what_was_not_used_and_no_more(
    allowance: float, before: float, taken: int, used: int, later: float
) -> None:
    now, rate = 1_800_000_000.0, Rate(allowance)
    refilled = rate.taken(now + before, now, taken)
    at_once = rate.corrected(refilled, now, taken - used, refilled)
    assert at_once == pytest.approx(rate.taken(now + before, now, used), abs=1e-3)
    afterwards = rate.corrected(refilled, now + later, taken - used, refilled)
    assert max(afterwards, now + later) >= max(at_once, now + later) - 1e-3
    assert afterwards >= now + later + (used - taken) * rate.unit - 1e-3 or used <= taken


def test_a_rate_that_was_used_under_a_clock_that_was_wrong_counts_for_nothing() -> None:
    rate = Rate(60)
    assert rate.wait(tat=1e12, now=1e9, cost=1) <= 0
    assert rate.taken(tat=1e12, now=1e9, cost=1) == 1e9 + 1
