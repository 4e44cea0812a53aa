"""What the extractive model answers to patterns that want a vote, a review, a challenge or a speaker."""

from typing import TypeVar

import pytest
from extracting import colleague, document, reply, request, specialist

from guildhall.agents.kinds import (
    Ballot,
    Challenge,
    Choice,
    Contribution,
    Findings,
    Kind,
    Passing,
    Post,
    Review,
    Speaker,
)
from guildhall.agents.message import Quote
from guildhall.agents.models.material import NOTHING
from guildhall.errors import ProviderError

K = TypeVar("K", bound=Kind)
RENT = "- The tenant pays 310 crowns a month. [lease.md:8]"


async def given(kind: type[K], task: str, *quotes: Quote) -> K:
    asked = request(task, *quotes, output=kind.model_json_schema())
    return kind.model_validate_json((await reply(asked)).text)


async def test_a_ballot_ranks_the_proposals_by_what_others_support() -> None:
    proposals = (colleague("A", "- Boats are blue. [x.md:1]"), colleague("B", RENT), colleague("C", RENT))
    ballot = await given(Ballot, "What does the tenant pay?", *proposals)
    assert ballot.ranking[-1] == "A"
    assert set(ballot.ranking) == {"A", "B", "C"}


async def test_a_ballot_about_names_alone_is_an_abstention() -> None:
    assert (await given(Ballot, "Red or blue?", document())).ranking == ()


async def test_a_review_accepts_an_answer_that_says_something() -> None:
    assert (await given(Review, "What does the tenant pay?", colleague("ann", RENT))).accepted
    assert not (await given(Review, "What does the tenant pay?", colleague("ann", NOTHING))).accepted


async def test_a_shared_answer_is_refuted_by_a_sentence_with_other_numbers() -> None:
    shared = colleague("shared", "- The tenant pays 320 crowns a month.")
    found = await given(Challenge, "What does the tenant pay?", document(), shared)
    assert found.refuted
    assert "[lease.md:8]" in found.reason
    assert not (await given(Challenge, "What is paid?", document(), colleague("shared", RENT))).refuted


async def test_the_next_speaker_is_the_first_who_has_not_spoken() -> None:
    offered = (specialist("ann", "Law."), specialist("bob", "Rent."))
    assert (await given(Speaker, "The rent?", *offered)).speaker == "ann"
    assert (await given(Speaker, "The rent?", *offered, colleague("ann", RENT))).speaker == "bob"
    spoken = (colleague("ann", RENT), colleague("bob", RENT))
    assert (await given(Speaker, "The rent?", *offered, *spoken)).speaker == ""


async def test_an_extract_passes_nothing_on_and_writes_no_letters() -> None:
    passing = await given(Passing, "What does the tenant pay?", document())
    assert passing.to == ""
    assert "310 crowns" in passing.answer
    post = await given(Post, "What does the tenant pay?", document())
    assert "310 crowns" in post.answer
    assert post.letters == ()


async def test_a_contribution_names_the_sources_of_its_extract() -> None:
    contribution = await given(Contribution, "What does the tenant pay?", document())
    assert "lease.md:8" in contribution.sources
    assert 0 < contribution.confidence <= 1


async def test_findings_are_the_lines_that_nobody_has_noted() -> None:
    first = await given(Findings, "What does the tenant pay?", document())
    assert any("310 crowns" in one.text and "lease.md:8" in one.sources for one in first.findings)
    noted = colleague("ann", first.said())
    again = await given(Findings, "What does the tenant pay?", document(), noted)
    assert again.done
    assert not any("310 crowns" in one.text for one in again.findings)


async def test_a_choice_between_words_needs_an_llm() -> None:
    with pytest.raises(ProviderError, match="needs an LLM"):
        await given(Choice, "Bug or feature?", document())
