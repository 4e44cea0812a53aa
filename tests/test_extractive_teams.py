"""The extractive model at work with colleagues: answers made of answers, and typed requests."""

import json
from pathlib import Path
from typing import Any

import pytest
from extracting import EXAMPLES, answer, bullets, colleague, document, reply, request, specialist
from pydantic import BaseModel

from guildhall.agents.kinds import Plan, Route, Score, Verdict, kind_of
from guildhall.agents.message import Attachment, ModelRequest, ToolSpec, Turn
from guildhall.agents.models.material import EXTRACTED, NOTHING
from guildhall.agents.models.sentences import sentences
from guildhall.errors import ProviderError


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
