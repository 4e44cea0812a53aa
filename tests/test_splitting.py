"""A long text is split where its structure allows it, and the pieces are the text."""

import sys
from types import FrameType

import pytest
from ended import ended
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.agents.splitting import Above, Piece, beginning, split
from guildhall.agents.tokens import estimate

PARAGRAPH = "The parties meet in the spring of every year, and what they say is written down.\n\n"
BITS = [
    "# Head\n", "## Below\n", "word ", "A sentence. ", "\n", "\n\n", "```\n", "~~~ python\n", "| a | b |\n",
    "|---|---|\n", "漢字。", "😀", "- item\n", "Title\n=====\n", "---\n", "    code\n", "x" * 80, " ", "\t\n",
]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=80).map("".join), st.integers(16, 60))
def test_nothing_is_lost_no_piece_is_too_long_and_each_knows_its_line(text: str, most: int) -> None:
    pieces = split(text, most)
    assert "".join(piece.text for piece in pieces) == text
    line = 1
    for piece in pieces:
        assert piece.first_line == line
        assert estimate(piece.text) <= most
        line += piece.text.count("\n")


@settings(deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=80).map("".join), st.integers(16, 60))
def test_a_beginning_fits_and_what_fits_as_a_whole_is_its_own(text: str, most: int) -> None:
    first = beginning(text, most)
    assert text.startswith(first)
    assert first or not text
    assert estimate(first) <= most
    assert len(split(text, most)) > 1 or first == text


def test_the_beginning_ends_where_the_first_piece_does() -> None:
    text = "".join(f"## Section {number}\n\n{PARAGRAPH * number}" for number in range(30))
    for most in range(20, 400, 20):
        assert beginning(text, most) == split(text, most)[0].text


def test_the_beginning_of_a_long_text_is_found_with_no_more_work_than_that_of_a_short_one() -> None:
    def work(text: str) -> int:
        calls = 0

        def count(frame: FrameType, event: str, arg: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        beginning(text, 60)
        sys.setprofile(None)
        return calls

    assert work("a sentence. " * 50_000) <= work("a sentence. " * 500)


def test_what_fits_is_one_piece() -> None:
    assert split(PARAGRAPH, 50, first_line=7) == [Piece(PARAGRAPH, 7)]


def test_a_piece_begins_with_a_heading_and_knows_those_above_it() -> None:
    parts = [f"### Clause {number}\n\n{PARAGRAPH * 6}" for number in range(1, 5)]
    text = "# Contract\n\n## Duties\n\n" + "".join(parts)
    pieces = split(text, 350)
    assert [piece.text.split("\n")[0] for piece in pieces] == ["# Contract", "### Clause 3"]
    assert pieces[1].above == (Above(1, "# Contract"), Above(3, "## Duties"))
    assert text.split("\n")[pieces[1].first_line - 1] == "### Clause 3"


def test_a_heading_is_never_the_end_of_a_piece() -> None:
    text = "".join(f"{PARAGRAPH * 3}## Section {number}\n\n" for number in range(12)) + PARAGRAPH
    for most in range(80, 400, 20):
        for piece in split(text, most):
            assert not piece.text.rstrip().rpartition("\n")[2].startswith("#")


def test_a_table_and_a_block_of_code_are_not_cut_where_they_fit() -> None:
    table = "| name | weight |\n|---|---|\n" + "| pump | 12 kg |\n" * 8 + "\n"
    code = "```python\n" + "first = second\n\n" * 8 + "# no heading\n```\n\n"
    text = (PARAGRAPH * 5 + table + PARAGRAPH * 4 + code) * 6
    pieces = split(text, 260)
    assert len(pieces) > 6
    assert sum(piece.text.count(table) for piece in pieces) == 6
    assert sum(piece.text.count(code) for piece in pieces) == 6


def test_a_table_that_must_be_cut_keeps_its_columns_above_the_rows() -> None:
    text = "# Prices\n\n| name | price |\n|---|---|\n" + "| pump | 129 EUR |\n" * 60
    first, second, *_ = split(text, 250)
    assert first.above == ()
    assert second.above == (Above(1, "# Prices"), Above(3, "| name | price |"))
    assert second.text.startswith("| pump |")


def test_one_endless_line_is_cut_between_sentences_then_words_then_characters() -> None:
    sentences = split("It is one sentence of many. " * 40, 60)
    assert all(piece.text.endswith("many. ") for piece in sentences)
    words = split("word " * 200, 60)
    assert all(piece.text.endswith("word ") for piece in words)
    assert {piece.first_line for piece in (*sentences, *words)} == {1}
    assert max(estimate(piece.text) for piece in split("0" * 5_000, 60)) <= 60


def test_a_fence_that_is_never_closed_hides_no_headings() -> None:
    text = "```\n" + "".join(f"# Part {number}\n\n{PARAGRAPH * 4}" for number in range(6))
    assert all(piece.text.lstrip("`\n").startswith("# Part") for piece in split(text, 150))


def test_a_fence_is_closed_by_as_many_signs_or_more_and_not_by_fewer() -> None:
    code = "````\n# no heading\n```\n# nor this\n~~~~~\n  `````\n\n"
    text = (PARAGRAPH + code) * 12
    pieces = split(text, 120)
    assert sum(piece.text.count(code) for piece in pieces) == 12
    assert {piece.above for piece in pieces} == {()}


@pytest.mark.slow
def test_however_many_fences_stay_open_and_however_many_marks_follow_each_other_it_comes_to_an_end() -> None:
    program = """
from guildhall.agents.splitting import split
fences = "".join("`" * (3 + number % 7) + "py\\n" for number in range(50_000))
for text in (fences, "." * 400_000 + "x", "?!" * 200_000, '."' * 200_000, "." + '"' * 400_000 + "x"):
    pieces = split(text, 500)
    assert "".join(piece.text for piece in pieces) == text
    print(len(pieces) > 50)
"""
    assert ended(program).split() == ["True"] * 5
