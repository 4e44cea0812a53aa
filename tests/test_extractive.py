"""The model that is no LLM: what it picks, how it cites, what it computes and what it refuses."""

import asyncio
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from guildhall.agents.kinds import Plan, Route, Score, Verdict, kind_of
from guildhall.agents.message import Attachment, ModelReply, ModelRequest, Quote, ToolSpec, Turn, Usage
from guildhall.agents.models.extractive import ExtractiveModel
from guildhall.agents.models.material import EXTRACTED, NOTHING
from guildhall.agents.models.sentences import sentences, split
from guildhall.agents.models.words import stem
from guildhall.errors import ProviderError

EXAMPLES = Path(__file__).parent.parent / "examples"
BULLET = re.compile(r"- (.+) \[([^\[\]]+)\](?: \([^()]*\))?")
LEASE = """\
# Lease of a boat shed

The shed stands at Pier 4.
It has a door of 3.5 m.

## Rent

The tenant pays 310 crowns a month.

## Ending

The tenant may leave after two months' notice.
Damage to the shed must be repaired by the tenant, e.g. broken panes.
The insurer carries the risk of fire.
"""


def document(text: str = LEASE, label: str = "lease.md") -> Quote:
    return Quote(label=label, kind="document", text=text)


def colleague(name: str, text: str, *, failed: bool = False) -> Quote:
    return Quote(label=name, kind="answer", text=text, failed=failed)


def specialist(name: str, text: str) -> Quote:
    return Quote(label=name, kind="specialist", text=text)


def request(task: str, *quotes: Quote, role: str = "You help.", **more: Any) -> ModelRequest:
    turns = (Turn(role="system", text=role), Turn(role="user", text=task, quotes=quotes))
    return ModelRequest(turns=turns, **more)


async def reply(asked: ModelRequest) -> ModelReply:
    return await ExtractiveModel().complete(asked, lambda _text: None)


async def answer(task: str, *quotes: Quote, role: str = "You help.") -> str:
    return (await reply(request(task, *quotes, role=role))).text


def bullets(text: str) -> list[tuple[str, str]]:
    """The sentences of an answer, with their labels."""
    return [(found[1], found[2]) for line in text.splitlines() if (found := BULLET.fullmatch(line))]


def normalised(texts: Iterable[str]) -> str:
    return " ".join(" ".join(texts).split())


# -- answers


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


@pytest.mark.parametrize("unit", ["!", "word ", "a. ", "[", "- ", "漢", "1.1 ", " #", "|a|\n", "# x\n", "a\n\n"])
async def test_a_megabyte_of_anything_is_read(unit: str) -> None:
    text = unit * (1_000_000 // len(unit)) + "\n\nThe rent is 310 crowns."
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


async def test_a_synthesis_keeps_citations_and_says_who_picked_what() -> None:
    rent, leave = (
        "- The tenant pays 310 crowns a month. [lease.md:8]",
        "- The tenant may leave. [lease.md:12]",
    )
    text = await answer(
        "What does the tenant pay?",
        colleague("analyst", f"{EXTRACTED}\n\n{rent}\n{leave}"),
        colleague("critic", f"{EXTRACTED}\n\n{rent}"),
    )
    assert text.splitlines()[2] == f"{rent} (all)"
    assert f"{leave} (analyst)" in text
    assert text.count(EXTRACTED) == 1


async def test_an_answer_made_of_answers_can_be_brought_together_again() -> None:
    pay = "The tenant pays 310 crowns a month."
    once = await answer(
        "What does the tenant pay?",
        colleague("a", f"- {pay} [lease.md:8]"),
        colleague("b", f"- {pay} [lease.md:8]"),
    )
    again = await answer("What does the tenant pay?", colleague("team", once))
    assert bullets(again) == [(pay, "lease.md:8")]


async def test_what_a_colleague_says_without_a_source_is_cited_as_the_colleagues_own() -> None:
    text = await answer(
        "How high is the rent?", colleague("analyst", "I think that the rent is low. So be it.")
    )
    assert bullets(text) == [("I think that the rent is low.", "analyst")]


async def test_colleagues_who_failed_or_found_nothing_are_named() -> None:
    text = await answer(
        "What is the rent?",
        document(),
        colleague("analyst", "the model did not answer", failed=True),
        colleague("critic", f"{EXTRACTED}\n\n{NOTHING}"),
        colleague("scout", "- The tenant pays 310 crowns a month. [lease.md:8]"),
    )
    assert "No answer from analyst." in text
    assert "Found nothing that bears on it: critic." in text
    assert "did not answer" not in text


async def test_sources_that_differ_in_their_numbers_are_both_quoted_and_named() -> None:
    text = await answer(
        "How high is the rent of the shed?",
        document("The rent of the shed is 310 crowns.", "old.md"),
        document("The rent of the shed is 350 crowns.", "new.md"),
    )
    assert len(bullets(text)) == 2
    assert "In conflict: [old.md:1] and [new.md:1]" in text


# -- typed answers

TEAM = (
    specialist("lawyer", "Reads contracts, liability and law."),
    specialist("economist", "Works out prices, costs and rent."),
)


async def test_a_plan_has_a_step_for_each_specialist_who_matches() -> None:
    asked = request("Check the rent and its costs", *TEAM, output=Plan.model_json_schema())
    plan = Plan.model_validate_json((await reply(asked)).text)
    assert [(step.id, step.worker, step.needs) for step in plan.steps] == [("step-1", "economist", ())]


async def test_a_plan_that_nobody_matches_gives_everybody_a_step() -> None:
    asked = request("Bake bread", *TEAM, output=Plan.model_json_schema())
    plan = Plan.model_validate_json((await reply(asked)).text)
    assert [step.worker for step in plan.steps] == ["lawyer", "economist"]


async def test_a_route_leads_to_the_best_match_and_says_why() -> None:
    asked = request("Who bears liability under this law?", *TEAM, output=Route.model_json_schema())
    route = Route.model_validate_json((await reply(asked)).text)
    assert route.worker == "lawyer"
    assert "2" in route.reason or "liab" in route.reason


async def test_a_verdict_goes_to_the_proposal_that_the_others_support() -> None:
    shared = "- The rent is 310 crowns. [lease.md:8]"
    asked = request(
        "Which answer about the rent holds?",
        colleague("one", "- Boats are blue. [x.md:1]"),
        colleague("two", f"{shared}\n- The shed is old. [lease.md:3]"),
        colleague("three", shared),
        output=Verdict.model_json_schema(),
    )
    verdict = Verdict.model_validate_json((await reply(asked)).text)
    assert verdict.winner == "two"
    assert verdict.dissent.startswith("one:")


@pytest.mark.parametrize(
    ("said", "wanted"), [("The rent rises.", 0.5), ("Boats.", 0.0), ("Rent of sheds.", 1.0)]
)
async def test_a_score_is_the_share_of_the_tasks_words_in_the_answer(said: str, wanted: float) -> None:
    asked = request("rent of the shed", colleague("one", said), output=Score.model_json_schema())
    assert Score.model_validate_json((await reply(asked)).text).score == wanted


@pytest.mark.parametrize("kind", [Plan, Route, Verdict])
async def test_there_must_be_something_to_choose_from(kind: type[BaseModel]) -> None:
    with pytest.raises(ProviderError, match="none were quoted") as caught:
        await reply(request("Choose", document(), output=kind.model_json_schema()))
    assert caught.value.kind == "unsupported"


# -- what it refuses


class Plans(BaseModel):
    title: str


@pytest.mark.parametrize(
    "schema", [Plans.model_json_schema(), {"title": "Plan", "type": "object"}, {"type": "object"}, {}]
)
async def test_any_other_schema_needs_an_llm(schema: dict[str, Any]) -> None:
    assert kind_of(schema) is None
    with pytest.raises(ProviderError, match=r"needs an LLM.*ANTHROPIC_API_KEY") as caught:
        await reply(request("Fill this in", document(), *TEAM, output=schema))
    assert caught.value.kind == "unsupported"


async def test_images_and_pdfs_are_refused_with_what_to_do() -> None:
    picture = Attachment(name="shed.png", media_type="image/png", data=b"\x89PNG")
    turn = Turn(role="user", text="What is this?", attachments=(picture,))
    with pytest.raises(ProviderError, match=r"shed\.png.*OPENAI_API_KEY") as caught:
        await reply(ModelRequest(turns=(turn,)))
    assert caught.value.kind == "unsupported"


async def test_tools_that_are_offered_are_left_alone() -> None:
    tool = ToolSpec(name="read_file", description="Reads the rent.", parameters={"type": "object"})
    got = await reply(request("What is the rent?", document(), tools=(tool,)))
    assert not got.calls
    assert bullets(got.text)


# -- the examples


def test_every_question_of_the_benchmark_has_its_sentence_in_the_document() -> None:
    data = Path(__file__).parent.parent / "benchmarks" / "data" / "extractive_questions.json"
    for name, questions in json.loads(data.read_text(encoding="utf-8")).items():
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        known = {sentence.text for sentence in sentences(document(text, name))}
        assert len(questions) == 15
        assert [one["question"] for one in questions if one["sentence"] not in known] == []
