"""What holds of every pattern, whatever it is: over the small teams of every_pattern.py."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from every_pattern import (
    BROKEN,
    EVERY,
    HEAD,
    NAMES,
    Call,
    Office,
    Outcome,
    Sample,
    authors_in,
    check_books,
    check_passed_on,
    check_prompts,
    worked,
)  # fmt: skip
from interrupted import died_and_gone_on
from obliging import WORD, obliging

from guildhall.agents import Budget, Hall, Run
from guildhall.agents.budget import Meter
from guildhall.agents.choosing import workers
from guildhall.agents.commission import Built
from guildhall.agents.estimate import estimated
from guildhall.agents.event import Decided, Replied
from guildhall.agents.kinds import Contribution, Verdict, Wanted
from guildhall.agents.pattern_specs import PATTERNS
from guildhall.agents.patterns import Debate, Hierarchy, Loop, Pipeline
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.prices import Prices
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember
from guildhall.errors import Failure, ProviderError, UserError

WITHIN = 1.0
"""Seconds in which a cancelled run has ended."""
NO_JSON = "This is no JSON."
every = pytest.mark.parametrize("sample", EVERY, ids=str)


async def whole(sample: Sample) -> Outcome:
    """The run when nothing goes wrong."""
    office = Office()
    return await worked(sample.team(office.model), sample.message, office)


def error(call: Call) -> ProviderError:
    return ProviderError("invalid_request", f"{BROKEN} of {call.who}")


def failing_at(number: int) -> Office:
    return Office(instead=lambda call: error(call) if call.number == number else None)


def unreadable(who: str, kind: str) -> Office:
    return Office(instead=lambda call: NO_JSON if (call.who, call.kind) == (who, kind) else None)


def test_every_pattern_has_a_team_here() -> None:
    assert {sample.pattern for sample in EVERY} == PATTERNS.keys()


@every
async def test_a_team_answers_and_everybody_in_it_was_asked(sample: Sample) -> None:
    outcome = await whole(sample)
    assert outcome.answer is not None, outcome.error
    assert (outcome.answer.sender, bool(outcome.answer.text)) == ("team", True)
    assert outcome.failed == {}
    check_books(outcome)


@every
async def test_everybody_gets_all_that_it_needs_and_nothing_else(sample: Sample) -> None:
    office = (await whole(sample)).office
    said = {word: who for who, text in office.said for word in WORD.findall(text)}
    for call in office.asked:
        check_prompts(sample, call.who, call.prompts, said)
    last = [call for call in office.asked if call.who == sample.last][-1]
    assert authors_in(last.prompts, said) >= set(sample.shown.split())


@every
@pytest.mark.slow
async def test_a_cancel_ends_the_run_at_once_whoever_is_at_work(sample: Sample) -> None:
    for number in range(1, len((await whole(sample)).office.asked) + 1):
        office, state = Office(stuck_at=number), RunState("r" * 32, Meter(Budget(calls=100)))
        outcome = Outcome.of(office, state)
        work = asyncio.create_task(Run(state).give(sample.team(office.model), sample.message))
        stuck = asyncio.create_task(office.stuck.wait())
        await asyncio.wait([work, stuck], return_when=asyncio.FIRST_COMPLETED)
        assert stuck.done() or not work.exception()
        work.cancel()
        done, _ = await asyncio.wait([work], timeout=WITHIN)
        assert done
        asked = len(office.asked)
        await asyncio.sleep(0)
        assert work.cancelled() or not stuck.done()
        assert len(office.asked) == asked
        check_books(outcome)
        stuck.cancel()


@every
@pytest.mark.parametrize("who", [*NAMES, HEAD])
async def test_a_member_that_fails_is_named_and_costs_the_others_nothing(sample: Sample, who: str) -> None:
    office = Office(instead=lambda call: error(call) if call.who == who else None)
    outcome = await worked(sample.team(office.model), sample.message, office)
    if not any(call.who == who for call in office.asked):
        return  # the team did not need it
    assert (outcome.answer is None) == (who in sample.needed.split()), outcome.told
    assert BROKEN in outcome.failed[who]
    if outcome.answer is None:
        assert isinstance(outcome.error, Failure)
        assert BROKEN in str(outcome.error)
    check_passed_on(office)
    check_books(outcome)


@every
async def test_who_has_the_last_word_and_fails_loses_nothing_of_what_was_paid_for(sample: Sample) -> None:
    last = (await whole(sample)).office.asked[-1]
    outcome = await worked(sample.team((office := failing_at(last.number)).model), sample.message, office)
    assert BROKEN in outcome.failed[last.who]
    assert outcome.answer is not None or last.who != HEAD, outcome.error
    check_passed_on(office)
    check_books(outcome)


@every
@pytest.mark.slow
async def test_no_single_call_that_fails_is_taken_for_an_answer(sample: Sample) -> None:
    for number in range(1, len((await whole(sample)).office.asked) + 1):
        office = failing_at(number)
        outcome = await worked(sample.team(office.model), sample.message, office)
        assert outcome.answer or isinstance(outcome.error, Failure)
        assert any(BROKEN in why for why in outcome.failed.values())
        check_passed_on(office)
        check_books(outcome)


@every
@pytest.mark.slow
async def test_whenever_the_budget_ends_it_holds_and_what_was_answered_is_kept(sample: Sample) -> None:
    for calls in range(1, len((await whole(sample)).office.asked)):
        office = Office()
        outcome = await worked(sample.team(office.model), sample.message, office, budget=Budget(calls=calls))
        assert outcome.state.meter.spent.calls == len(office.asked) <= calls
        kept = [event.text for event in outcome.books.of(Replied)]
        assert sorted(kept) == sorted(said for _, said in office.said)
        if outcome.answer is None:
            assert isinstance(outcome.error, Failure)
            assert f"{calls} of {calls} calls are spent" in str(outcome.error) or "budget" in str(
                outcome.error
            )
        else:  # it says what is missing; a first answer that is valid lacks nothing
            assert outcome.state.notices or sample.pattern == "first_valid"
        check_passed_on(office)
        check_books(outcome)


def typed(outcome: Outcome) -> Iterator[tuple[str, str]]:
    yield from dict.fromkeys((call.who, call.kind) for call in outcome.office.asked if call.kind)


@every
async def test_a_typed_answer_that_stays_invalid_is_named_and_never_dropped(sample: Sample) -> None:
    for who, kind in typed(await whole(sample)):
        office = unreadable(who, kind)
        outcome = await worked(sample.team(office.model), sample.message, office)
        assert kind in outcome.failed[who]
        assert who in outcome.told or kind in outcome.told
        assert outcome.answer or isinstance(outcome.error, Failure)
        check_books(outcome)


@every
async def test_a_typed_answer_that_is_mended_counts(sample: Sample) -> None:
    def slow_to_learn(call: Call) -> str | None:
        return NO_JSON if call.kind and len(call.prompts) < 3 else obliging(*call[:2], call.prompts[:1])

    office = Office(instead=slow_to_learn)
    outcome = await worked(sample.team(office.model), sample.message, office)
    assert outcome.answer is not None, outcome.error
    assert outcome.failed == {}
    check_books(outcome)


@every
async def test_no_run_calls_more_than_was_estimated(sample: Sample) -> None:
    """At the worst: every typed answer is right at the third try, and nothing is ever good enough."""

    def hard_to_please(call: Call) -> str | None:
        if call.kind and len(call.prompts) < 3:
            return NO_JSON
        return '{"accepted": false, "reason": "No."}' if call.kind == "Review" else None

    office = Office(instead=hard_to_please)
    team = sample.team(office.model)
    agents = tuple({id(one): one for one in workers(team)}.values())
    built = Built(team, sample.pattern, "", Budget(), agents=agents)
    plan = estimated(built, sample.message, Budget(), Prices(), {})
    outcome = await worked(team, sample.message, office)
    most = {member.name: member.calls for member in plan.members}
    asked = [call.who for call in office.asked]
    assert {who: asked.count(who) for who in set(asked) if asked.count(who) > most[who]} == {}
    assert outcome.state.meter.spent.tokens <= plan.tokens


# -- a team in the place of a member that gives a typed answer

LAID_OUT = ("vote-options",)
"""Teams whose answer has a form of its own, so that they can give no other."""
as_asked = pytest.mark.parametrize("sample", [one for one in EVERY if str(one) not in LAID_OUT], ids=str)
laid_out = pytest.mark.parametrize("sample", [one for one in EVERY if str(one) in LAID_OUT], ids=str)
OTHERS = (StubMember("eve", "It was 1887."), StubMember("fay", "Nobody can know that."))


@as_asked
@pytest.mark.parametrize("kind", [Verdict, Contribution])
async def test_a_team_gives_a_typed_answer(sample: Sample, kind: type[Verdict | Contribution]) -> None:
    office = Office()
    wanted = Wanted(kind, ["proposal A", "proposal B", "proposal C"] if kind is Verdict else ())
    outcome = await worked(sample.team(office.model), sample.message, office, wanted=wanted)
    assert outcome.answer is not None, outcome.error
    assert isinstance(outcome.answer.data, kind)
    assert kind.__name__ in {call.kind for call in office.asked}


@as_asked
async def test_a_team_is_the_judge_of_a_debate(sample: Sample) -> None:
    office = Office()
    debate = Debate("talk", OTHERS, sample.team(office.model, "jury"))
    outcome = await worked(debate, sample.message, office)
    *_, verdict = [event for event in outcome.books.of(Decided) if event.what == "verdict"]
    assert verdict.path == "talk"
    assert verdict.data["by"] == "jury"
    assert verdict.choice in ("eve", "fay")


@as_asked
@pytest.mark.slow
async def test_a_team_is_the_critic_the_checker_and_the_manager_of_others(sample: Sample) -> None:
    office = Office()
    crew = sample.team(office.model, "crew")
    loop = await worked(Loop("loop", OTHERS, crew, rounds=1), sample.message, office)
    scores = [event for event in loop.books.of(Decided) if (event.path, event.what) == ("loop", "score")]
    assert [(event.data["by"], event.data["score"] is None) for event in scores] == [("crew", False)]
    checked = Pipeline("line", OTHERS, checks={"eve": Acceptance(crew, "It is about a pier.")})
    assert (await worked(checked, sample.message, office)).answer is not None
    managed = await worked(Hierarchy("firm", OTHERS, crew), sample.message, office)
    assert managed.answer is not None or "gave no plan that can be carried out" in managed.told


@laid_out
async def test_a_team_that_cannot_give_a_typed_answer_says_so(sample: Sample) -> None:
    office = Office()
    debate = Debate("talk", OTHERS, sample.team(office.model, "jury"))
    outcome = await worked(debate, sample.message, office)
    assert "jury gave no verdict" in outcome.told
    managed = await worked(
        Hierarchy("firm", OTHERS, sample.team(office.model, "crew")), sample.message, office
    )
    assert isinstance(managed.error, Failure)
    assert "crew" in str(managed.error)


# -- a run whose process dies


@every
@pytest.mark.slow
async def test_a_run_that_died_half_way_comes_to_the_same_and_pays_nothing_twice(
    sample: Sample, tmp_path: Path
) -> None:
    team = sample.team
    await died_and_gone_on(lambda office: team(office.model), sample.task, sample.notes, tmp_path, parts=2)


@every
@pytest.mark.slow
async def test_a_run_that_died_at_any_reply_comes_to_the_same(sample: Sample, tmp_path: Path) -> None:
    team = sample.team
    await died_and_gone_on(lambda office: team(office.model), sample.task, sample.notes, tmp_path)


# -- the built-in teams


@pytest.mark.parametrize("team", ["research", "review", "landscape", "decision"])
@pytest.mark.slow
async def test_a_built_in_team_works_in_every_pattern_without_a_key(team: str, project: Path) -> None:
    (project / "contract.md").write_text("# Supply\n\nThe buyer pays within 30 days of the invoice.\n")
    task, files = "When must the buyer pay an invoice?", [project / "contract.md"]
    async with Hall.open(environ={}) as hall:
        for pattern in PATTERNS:
            if pattern == "graph":
                with pytest.raises(UserError, match=f"{team} has no steps, which the pattern graph needs"):
                    await hall.run_team(team, task, pattern=pattern, files=files)
                continue
            plan = await hall.estimate(team, task, pattern=pattern, files=files)
            result = await hall.run_team(team, task, pattern=pattern, files=files)
            assert (pattern, result.status, result.error) == (pattern, "done", "")
            assert result.pattern == pattern
            assert "The buyer pays within 30 days of the invoice. [contract.md:3]" in result.answer
            assert 0 < result.usage.calls <= sum(member.calls for member in plan.members)
