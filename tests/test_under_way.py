"""Whether those at work in a span wait for the user, or for a slot or the budget, by what happens there."""

from collections.abc import Callable
from typing import Any

from guildhall.agents import event as ev
from guildhall.agents.patterns.under_way import UnderWay

QUESTION = (ev.Question, {"text": "Well?"})
WAITS = (ev.Decided, {"what": "budget", "choice": "waits"})
ASKED = (ev.Asked, {"model": "m", "attempt": 1, "reserved": {}})
ENDED = (ev.Finished, {"outcome": "cancelled", "text": ""})
Told = tuple[Callable[..., ev.Event], dict[str, Any]]


def after(*told: tuple[str, Told]) -> UnderWay:
    """What is under way once these have happened at these paths."""
    under_way = UnderWay()
    for number, (path, (kind, about)) in enumerate(told, 1):
        under_way.see(kind(id=number, run="r", path=path, who="x", at=0.0, **about))
    return under_way


def test_a_question_is_none_any_more_where_whoever_asked_has_ended() -> None:
    asking = ("team/ann/question", QUESTION)
    assert after(asking).asks_user
    assert not after(asking, ("team/ann", ENDED)).asks_user
    assert after(asking, ("team/an", ENDED)).asks_user


def test_work_is_held_up_while_all_calls_wait_and_none_is_in_flight() -> None:
    waiting, beside = ("team/ann/ask", WAITS), ("team/bob/ask", ASKED)
    lost = ("team/bob/ask", (ev.Lost, {"asked": 2, "error": "overloaded", "text": "", "spent": {}}))
    assert after(waiting).is_held_up
    assert not after(waiting, beside).is_held_up
    assert after(waiting, beside, lost).is_held_up
    assert not after(waiting, ("team/ann", ENDED)).is_held_up
    assert after(waiting, ("team/an", ENDED)).is_held_up


def test_a_call_that_has_waited_and_was_answered_holds_nothing_up() -> None:
    replied = (ev.Replied, {"asked": 2, "text": "", "model": "m", "usage": None, "spent": {}})
    there = after(("team/ann/ask", WAITS), ("team/ann/ask", ASKED), ("team/ann/ask", replied))
    assert (there.is_held_up, there.is_silent) == (False, False)


def test_a_call_is_silent_until_it_begins_to_write() -> None:
    there = after(("team/ann/ask", ASKED), ("team/ann/ask.2", ASKED))
    there.streamed("team/ann/ask")
    assert there.is_silent
    there.streamed("team/ann/ask.2")
    assert not there.is_silent
