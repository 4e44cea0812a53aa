"""Workers who contradict each other, in teams whose files say nothing of that."""

import json

import pytest
from every_pattern import EVERY, HEAD, Call, Office, Outcome, Sample, worked
from obliging import quotes_of

from guildhall.agents import Member
from guildhall.agents.event import Decided, Replied

SAYS = {"ann": "The pier of Larvik was built in 1887.", "bob": "The pier of Larvik was built in 1888."}
SMOOTH = "It is an old pier, and well worth a visit."
"""What whoever sums up says of it, as if all agreed."""
JOINED = [sample for sample in EVERY if str(sample) in ("parallel", "peer_to_peer", "hierarchy")]
joined = pytest.mark.parametrize("sample", JOINED, ids=str)


def said(call: Call, says: dict[str, str]) -> str | None:
    if call.who == HEAD:
        return None if call.kind else SMOOTH
    text = says.get(call.who, "Nobody knows who built it.")
    return json.dumps({"answer": text, "letters": []}) if call.kind == "Post" else text


def accepts_all(call: Call) -> str | None:
    return '{"accepted": true, "reason": ""}' if call.kind == "Review" else None


async def worked_on(sample: Sample, says: dict[str, str]) -> Outcome:
    office = Office(instead=lambda call: accepts_all(call) or said(call, says))
    return await worked(sample.team(office.model), sample.message, office)


def conflicts(outcome: Outcome) -> list[Decided]:
    return [event for event in outcome.books.of(Decided) if event.what == "conflict"]


@joined
async def test_a_contradiction_is_recorded_handed_over_and_shown_though_nobody_mentions_it(
    sample: Sample,
) -> None:
    outcome = await worked_on(sample, SAYS)
    assert outcome.answer is not None, outcome.error
    found = [one for one in conflicts(outcome) if {*said_by(one)} == {*SAYS.values()}]
    assert found
    assert found[0].choice == "unresolved"
    replies = {event.id: event.text for event in outcome.books.of(Replied)}
    for says in SAYS.values():
        assert any(says in replies[number] for number in found[0].evidence)
    last = outcome.office.asked[-1]
    assert (last.who, last.kind) == (HEAD, "")
    handed = [quote.text for quote in quotes_of(last.prompts[0]) if quote.label == "contradictions"]
    assert len(handed) == 1
    assert outcome.answer.text.startswith(SMOOTH)
    for says in SAYS.values():
        assert says.rstrip(".") in handed[0]
        assert says.rstrip(".") in outcome.answer.text
    assert "not resolved" in outcome.answer.text


@joined
async def test_workers_who_agree_are_not_said_to_contradict_each_other(sample: Sample) -> None:
    outcome = await worked_on(sample, dict.fromkeys(SAYS, SAYS["ann"]))
    assert conflicts(outcome) == []
    assert outcome.answer is not None
    assert outcome.answer.text == SMOOTH


@joined
async def test_two_teams_that_contradict_each_other_are_told_apart(sample: Sample) -> None:
    """Though the same name sums up in both."""
    office = Office(instead=lambda call: accepts_all(call) or said(call, {}))
    sides = {name: parallel(summing_up(text), name) for name, text in SAYS.items()}
    outcome = await worked(sample.of(sample.agents(office.model) | sides), sample.message, office)
    assert any({*said_by(one)} == {*SAYS.values()} for one in conflicts(outcome))


def parallel(office: Office, name: str) -> Member:
    return next(sample for sample in EVERY if str(sample) == "parallel").team(office.model, name)


def summing_up(says: str) -> Office:
    def said(call: Call) -> str:
        if call.who != HEAD:
            return "Somebody may know."
        return json.dumps({"answer": says, "letters": []}) if call.kind == "Post" else says

    return Office(instead=said)


def said_by(conflict: Decided) -> list[str]:
    return [side["says"] for side in conflict.data["sides"]]
