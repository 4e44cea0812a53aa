"""What an answer cites and quotes is looked up where it says; what only looks like a citation is not."""

import pytest

from guildhall.agents import Message, Quote, Run
from guildhall.agents.kinds import Choice
from guildhall.agents.patterns import Citations
from guildhall.agents.state import RunState

LINES = [
    "The fee is 10 euros.",
    "",
    "It is due",
    "in 30 days.",
    *["", "Filler."] * 20,
    "",
    "The term is 2 years.",
]
CONTRACT = Quote(label="contract.md", kind="document", text="\n".join(LINES))
TERM = len(LINES)
OPENS, CLOSES = "\u2018", "\u2019"
"""Single marks as they are printed."""


def shown() -> Run:
    run = Run(RunState("r" * 32), "team", "team")
    run.show([CONTRACT, Quote(label="annex", kind="document", text="Nothing else.")])
    return run


async def wrong(text: str) -> str:
    return await Citations()(Message(text="What?"), Message(sender="team", text=text), shown())


def printed(words: str) -> str:
    return f"{OPENS}{words}{CLOSES}"


@pytest.mark.parametrize(
    "text",
    [
        "Use xs[start:end], items[i:j] and row[self.index].",
        "Use `xs[start:end]`, `[a:b]` and `rows[data.items:3]`.",
        "```python\nreturn rows[a:b] + load[offer.md:3]\n```",
        "~~~\nx = [offer.md]\n~~~\nThat is all.",
        "As it says in `[contract.md:1]`, and in the [annex:1].",
        "Between [start:end] and [i:3].",
    ],
)
async def test_code_is_no_citation(text: str) -> None:
    assert await wrong(f"It says what is due [contract.md:1].\n\n{text}") == ""


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("It is so [offer.md:3].", "offer.md:3"),
        ("It is so[offer.md:3].", "offer.md:3"),
        ("It is so `[offer.md:3]`.", "offer.md:3"),
        ("It is so [appendix:3].", "appendix:3"),
        ("It is so [annex:9].", "annex:9"),
        ("```\ncode\n```\nIt is so [memory:12345678].", "memory:12345678"),
    ],
)
async def test_what_was_shown_to_nobody_is_found_beside_code(text: str, label: str) -> None:
    assert await wrong(text) == f"[{label}] was not shown to anybody"


async def test_a_quotation_has_to_stand_in_the_paragraph_of_the_line_and_else_it_is_said_where() -> None:
    assert await wrong(f'"The term is 2 years" [contract.md:{TERM}].') == ""
    assert await wrong('"It is due in 30 days" [contract.md:4].') == ""
    assert await wrong('"The fee ... is due in 30 days" [contract.md:1].') == ""
    assert await wrong('"It is due in 30 days" [contract.md:1-4].') == ""
    assert await wrong('"The term is 2 years" [contract.md].') == ""
    assert await wrong('"The term is 2 years" [contract.md:1].') == (
        f"'The term is 2 years' does not stand in [contract.md:1]; it stands in [contract.md:{TERM}]"
    )
    assert await wrong('"The term is 3 years" [contract.md:1].') == (
        "'The term is 3 years' does not stand in [contract.md:1]"
    )


async def test_quotations_in_single_marks_are_looked_up_too_and_apostrophes_are_none() -> None:
    assert await wrong("It says 'the fee is 10 euros' [contract.md:1].") == ""
    assert await wrong(f"It says {printed('the fee is 10 euros')} [contract.md:1].") == ""
    assert "does not stand in [contract.md:1]" in await wrong(
        "It says 'the fee is 99 euros' [contract.md:1]."
    )
    said = await wrong(f"It says {printed('they don' + CLOSES + 't pay it')} [contract.md:1].")
    assert "does not stand in [contract.md:1]" in said
    assert (
        await wrong("The parties' fee isn't what the users' tariff of the '90s says [contract.md:1].") == ""
    )


@pytest.mark.parametrize(
    "block",
    [
        f"> The term is {{}} years. [contract.md:{TERM}]",
        f"> The term\n> is {{}} years.\n> — [contract.md:{TERM}]",
        f"It says:\n\n> The term is {{}} years.\n\n— [contract.md:{TERM}]",
        f"> The fee is 10 euros. [contract.md:1]\n> The term is {{}} years. [contract.md:{TERM}]",
    ],
)
async def test_what_stands_in_a_block_quote_is_looked_up_like_what_stands_in_quotation_marks(
    block: str,
) -> None:
    assert await wrong(block.format(2)) == ""
    assert f"does not stand in [contract.md:{TERM}]" in await wrong(block.format(3))


async def test_a_block_quote_that_itself_quotes_says_the_rest_in_its_own_words() -> None:
    assert await wrong('> Mind the fee: "The fee is 10 euros" [contract.md:1].') == ""
    assert "does not stand in" in await wrong('> Mind the fee: "The fee is 99 euros" [contract.md:1].')


async def test_an_answer_in_words_has_to_cite_something_of_what_was_shown() -> None:
    assert await wrong("The fee is 10 euros.") == (
        "nothing is cited, and there was something to cite: contract.md, annex"
    )
    assert await wrong("The [annex] says nothing of it.") == ""
    chosen = Message(sender="team", text="10", data=Choice(choice="10", reason="so it says"))
    assert await Citations()(Message(text="What?"), chosen, shown()) == ""
    nothing_shown = Run(RunState("r" * 32), "team", "team")
    assert await Citations()(Message(text="What?"), Message(sender="team", text="10."), nothing_shown) == ""
