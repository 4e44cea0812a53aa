"""The arithmetic of a rate holds for every time and cost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.memory.store.rate import LONGEST_OWED, Rate


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
    at_once = rate.corrected(refilled, now, taken, used=used, refilled=refilled)
    assert at_once == pytest.approx(rate.taken(now + before, now, used), abs=1e-3)
    afterwards = rate.corrected(refilled, now + later, taken, used=used, refilled=refilled)
    assert max(afterwards, now + later) >= max(at_once, now + later) - 1e-3
    assert afterwards >= now + later + (used - taken) * rate.unit - 1e-3 or used <= taken


@settings(deadline=None)
@given(
    allowance=st.floats(10, 100_000),
    calls=st.lists(
        st.tuples(st.integers(1, 200_000), st.floats(0, 1.5), st.floats(0, 900)), min_size=1, max_size=12
    ),
)
def test_what_calls_really_use_holds_the_rate_however_large_they_were_estimated(
    allowance: float, calls: list[tuple[int, float, float]]
) -> None:
    began = now = 1_800_000_000.0
    rate, tat, total = Rate(allowance), 0.0, 0.0
    for cost, part, seconds in calls:
        used = min(cost * part, 1_000 * allowance)
        now += max(0.0, rate.wait(tat, now, cost))
        burst = max(allowance / 10, 1.0)
        assert total <= (now - began) / rate.unit + burst + 1e-4 * allowance
        tat = refilled = rate.taken(tat, now, cost)
        now += seconds
        tat = rate.corrected(tat, now, cost, used=used, refilled=refilled)
        total += used


@settings(deadline=None)
@given(allowance=st.floats(1, 1_000), cost=st.integers(1, 1_000_000), used=st.integers(0, 1_000_000))
def test_no_more_is_given_back_than_was_taken(allowance: float, cost: int, used: int) -> None:
    rate, now = Rate(allowance), 1_800_000_000.0
    refilled = rate.taken(0, now, cost)
    after = rate.corrected(refilled, now, cost, used=used, refilled=refilled)
    assert after >= now + min(used * rate.unit, LONGEST_OWED) - 1e-3


def test_what_a_server_says_was_used_stops_a_model_for_a_day_at_most() -> None:
    rate, now = Rate(60), 1_800_000_000.0
    refilled = rate.taken(0, now, 1)
    assert rate.corrected(refilled, now, 1, used=10**15, refilled=refilled) <= refilled + LONGEST_OWED
