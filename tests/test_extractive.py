"""The model that is no LLM: what it picks, how it cites, what it computes and what it refuses."""

import asyncio

import pytest
from extracting import EXAMPLES, answer, bullets, document, normalised, reply, request
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.agents.message import ModelRequest, Quote, Usage
from guildhall.agents.models.extractive import ExtractiveModel
from guildhall.agents.models.material import EXTRACTED, NOTHING
from guildhall.agents.models.sentences import sentences, split
from guildhall.agents.models.words import stem


async def test_an_answer_quotes_the_sentence_and_cites_the_line_of_its_paragraph() -> None:
    found = bullets(await answer("What is the monthly rent?", document()))
    assert found[0] == ("The tenant pays 310 crowns a month.", "lease.md:8")


async def test_an_answer_says_that_it_was_extracted() -> None:
    assert (await answer("What is the rent?", document())).splitlines()[0] == EXTRACTED


async def test_a_reply_costs_nothing_and_streams_what_it_says() -> None:
    streamed: list[str] = []
    model = ExtractiveModel()
    got = await model.complete(request("What is the rent?", document()), streamed.append)
    assert "".join(streamed) == got.text
    assert (got.usage, got.model, model.name, got.calls) == (Usage(), "extractive", "extractive", ())


async def test_different_roles_pick_different_sentences() -> None:
    task = "Review the lease of the shed"
    careful = await answer(task, document(), role="You look at risk, fire, damage and insurance.")
    thrifty = await answer(task, document(), role="You look at rent, payments and money per month.")
    assert bullets(careful)[0] != bullets(thrifty)[0]


async def test_a_task_that_names_no_subject_is_answered_from_the_role() -> None:
    found = bullets(await answer("Please review this document.", document(), role="You look at fire risk."))
    assert found[0] == ("The insurer carries the risk of fire.", "lease.md:12")


async def test_the_same_request_gets_the_same_answer() -> None:
    report = document((EXAMPLES / "storage-report.md").read_text(encoding="utf-8"), "storage-report.md")
    first = await answer("What does a battery cost?", report, role="You analyse prices.")
    assert await answer("What does a battery cost?", report, role="You analyse prices.") == first


async def test_a_memory_is_cited_by_its_own_label_and_never_repeats_the_task() -> None:
    memory = Quote(
        label="memory:1f3a9c02",
        kind="memory",
        text=f"Task for research: What is the rent?\nOutcome: {EXTRACTED}\n\n- The rent is low. [old.md:3]",
    )
    assert bullets(await answer("What is the rent?", memory)) == [("The rent is low.", "memory:1f3a9c02")]


async def test_sentences_that_say_the_same_are_quoted_once() -> None:
    text = "\n\n".join(f"The monthly rent is {word} 310 crowns." for word in ["just", "only", "now"] * 3)
    assert len(bullets(await answer("How much is the rent?", document(text)))) == 1


async def test_a_heading_is_context_and_not_an_answer() -> None:
    found = bullets(await answer("What about ending?", document()))
    assert found
    assert all(label == "lease.md:12" for _, label in found)


async def test_what_bears_on_nothing_is_said_plainly() -> None:
    text = await answer("How tall is Mount Everest?", document())
    assert NOTHING in text
    assert not bullets(text)


@pytest.mark.parametrize("task", ["", "   \n", "the of and", "?!", "量子"])
async def test_odd_tasks_end_well(task: str) -> None:
    assert (await answer(task, document())).startswith(EXTRACTED)


async def test_without_anything_given_it_says_so() -> None:
    assert NOTHING in await answer("What is the rent?")
    assert NOTHING in (await reply(ModelRequest(turns=()))).text


async def test_code_alone_is_quoted_line_by_line() -> None:
    code = "```python\ndef rent(months):\n    return 310 * months\n\nprint(rent(2))\n```\n"
    found = bullets(await answer("What does rent return?", document(code, "rent.md")))
    assert ("return 310 * months", "rent.md:1") in found


async def test_text_without_spaces_is_searched_too() -> None:
    text = "電池の寿命は十年です。価格は三百円です。工場は北にあります。"
    assert bullets(await answer("価格はいくらですか", document(text, "電池.md")))[0] == (
        "価格は三百円です。",
        "電池.md:1",
    )


async def test_a_long_task_without_quotes_is_answered_from_its_own_text() -> None:
    filler = "\n\n".join(f"Paragraph {number} is about weather and boats." for number in range(30))
    found = bullets(await answer(f"What is the rent?\n\n{filler}\n\nThe rent is 310 crowns."))
    assert found[0][0] == "The rent is 310 crowns."


@pytest.mark.parametrize(
    "unit", ["!", "word ", "a. ", "[", "- ", "漢", "1.1 ", " #", "|a|\n", "# x\n", "a\n\n"]
)
@pytest.mark.slow
async def test_a_long_document_of_anything_is_read(unit: str) -> None:
    text = unit * (300_000 // len(unit)) + "\n\nThe rent is 310 crowns."
    found = bullets(await answer("What is the rent?", document(text)))
    assert found[0][0] == "The rent is 310 crowns."


PIECES = st.sampled_from(
    [
        *"rent|Dr. Who|3.5 m|The shed|e.g.|.|!|?\n|\n\n|\n- |\n1. |# |\n|```|> |[x:1]|(so)|*|漢字。|\t|2.1 "
        "|\n---\n|https://a.example/b?c=1.".split("|"),
        "| a |",
        "|---|",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=60).map(" ".join))
def test_every_sentence_stands_in_the_text_as_it_is_quoted(text: str) -> None:
    for sentence in sentences(document(text)):
        assert sentence.text in normalised([text])


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400), st.lists(PIECES, max_size=40).map(" ".join))
def test_every_bullet_stands_in_what_was_given(loose: str, text: str) -> None:
    given_text = f"{text}\n\n{loose}"
    # not on a loop of pytest's hook: hypothesis calls the test many times, and wants it plain
    said = asyncio.run(answer("rent of the shed? Dr. Who 3.5", document(given_text, "x")))
    for bullet in bullets(said):
        assert bullet[0] in normalised([given_text])


# -- sentences


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Dr. Ilse pays 1.25 per cent. Mr. Rennard does not.", 2),
        ("See https://a.example/b.html?x=1. It says more.", 2),
        ("It costs e.g. 3.5 crowns, cf. No. 7 of the list.", 1),
        ('Really? Yes! He said "no." Then he left.', 4),
        ("(Incoterms 2020). The Supplier pays.", 2),
        ("価格は三百円です。工場は北にあります。", 2),
        ("no end here", 1),
        ("", 0),
    ],
)
def test_text_is_split_at_the_ends_of_sentences(text: str, wanted: int) -> None:
    assert len(list(split(text))) == wanted


def test_markdown_is_read_by_its_structure() -> None:
    text = (
        "Title\n=====\n\n- first item\n  goes on\n- second item\n\n"
        "| Size | Price |\n|---|---|\n| small | 3 |\n\n"
        "The discount is\n1.25 per cent.\n2.1 A clause. 2.2 No clause.\n"
    )
    read = [(one.text, one.columns, one.headings) for one in sentences(document(text))]
    assert read == [
        ("first item goes on", "", ("Title",)),
        ("second item", "", ("Title",)),
        ("small | 3", "Size | Price", ("Title",)),
        ("The discount is 1.25 per cent.", "", ("Title",)),
        ("2.1 A clause.", "", ("Title",)),
        ("2.2 No clause.", "", ("Title",)),
    ]


@pytest.mark.parametrize(
    "forms",
    [
        "deliver delivers delivery deliveries delivered",
        "terminate terminated termination",
        "liable liability",
        "pay paid payment",
        "store storage",
        "agree agreed agreement",
        "supply supplier supplies",
        "certify certified certificate",
    ],
)
def test_the_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


# -- bringing answers together
