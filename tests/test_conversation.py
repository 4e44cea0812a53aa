"""A conversation is kept within its tokens: the newest whole, the oldest in short, decisions always."""

from dataclasses import replace

import pytest
from ended import ended

from guildhall.agents.tokens import estimate
from guildhall.memory.conversation import Turn, window

LONG = "It begins with the point. " + "Then it goes on about this and that at length. " * 60


def turns(many: int) -> list[Turn]:
    return [
        Turn(
            f"Question {n}?",
            f"Answer {n}. {LONG}",
            (f"vote of team: option {n}",),
            (("ann", f"View {n}. {LONG}"),),
        )
        for n in range(1, many + 1)
    ]


def test_what_fits_is_told_whole_with_who_said_what_in_short() -> None:
    text = window(
        [Turn("What is it?", "A hall.\n\nIt is old.", ("vote of team: yes",), (("ann", LONG),))],
        4_000,
        count=estimate,
    )
    assert text.startswith(
        "## Question 1: What is it?\n- Decided: vote of team: yes\n- ann said: It begins with"
    )
    assert text.endswith("A hall.\n\nIt is old.")
    assert "left out" not in text


def test_the_newest_answer_is_whole_and_of_the_oldest_the_first_sentences_are_left() -> None:
    text = window(turns(4), 1_600, count=estimate)
    assert estimate(text) <= 1_600
    assert text.rstrip().endswith(f"Answer 4. {LONG}".strip())
    assert "Answer 1. It begins with the point." in text
    assert text.count("tokens of this answer]") == 3


@pytest.mark.parametrize("tokens", [300, 500, 900, 2_000])
def test_decisions_are_kept_when_nothing_else_is(tokens: int) -> None:
    text = window(turns(5), tokens, count=estimate)
    assert estimate(text) <= tokens
    assert [f"option {n}" in text for n in range(1, 6)] == [True] * 5
    assert "left out" in text


def test_an_old_answer_is_whole_where_there_is_room_however_much_of_it_that_takes() -> None:
    long = Turn("Which engine?", LONG, ("db.engine is Postgres 17",))
    told = [long, Turn("And the cache?", "Redis.")]
    whole = window(told, 100_000, count=estimate)
    assert window(told, estimate(whole) + 10, count=estimate) == whole
    assert LONG.strip() in whole


def test_of_questions_that_are_left_out_the_decisions_stay() -> None:
    text = window(turns(40), 1_600, count=estimate)
    assert estimate(text) <= 1_600
    assert text.startswith("[left out: the first ")
    assert [f"option {n}\n" in text for n in range(1, 41)] == [True] * 40
    assert "## Question 1:" not in text


def test_a_window_that_is_too_small_for_all_questions_says_how_many_it_leaves_out() -> None:
    text = window(turns(40), 400, count=estimate)
    assert estimate(text) <= 400
    assert "[left out: the first " in text
    assert "option 40" in text


def test_the_newest_answer_is_cut_at_a_sentence_where_it_alone_is_too_long() -> None:
    text = window([Turn("Why?", LONG)], 300, count=estimate)
    assert estimate(text) <= 300
    told, _, note = text.partition("\n[left out: about ")
    assert told.endswith(".")
    assert note.endswith("tokens behind this]")


def test_an_answer_without_sentences_is_cut_however_long_it_is() -> None:
    program = """
from guildhall.agents.tokens import estimate
from guildhall.memory.conversation import Turn, window
for answer in ("." * 400_000 + "x", "?!" * 200_000 + "x", "." + '"' * 400_000 + "x"):
    print(estimate(window([Turn("Why?", answer)], 1_000, count=estimate)) <= 1_000)
"""
    assert ended(program).split() == ["True"] * 3


def test_an_old_answer_is_told_by_the_summary_that_a_model_has_written() -> None:
    old, new = turns(2)
    text = window([replace(old, summary="Option 1 is cheap and late."), new], 1_500, count=estimate)
    assert estimate(text) <= 1_500
    assert "Option 1 is cheap and late.\n[a summary, in place of an answer of about" in text
    assert "It begins with the point. Then" not in text.partition("## Question 2")[0]


@pytest.mark.parametrize("tokens", [10, 300, 2_000])
def test_what_is_to_be_kept_is_told_whole_however_little_room_there_is(tokens: int) -> None:
    kept = "The contract ends on 31 May, come what may."
    told = [replace(one, kept=(kept,)) if at < 2 else one for at, one in enumerate(turns(9))]
    text = window(told, tokens, count=estimate)
    assert text.startswith(f"- To be kept in mind: {kept}\n\n")
    assert text.count(kept) == 1
    assert estimate(text) <= max(tokens, 300)
