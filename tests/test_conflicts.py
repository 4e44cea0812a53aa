"""Contradictions between members are recorded with both sides, defended, resolved by a rule, and shown."""

import re
import threading
from collections.abc import Callable, Mapping

import pytest
from asking import Person
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Member, Message, Parallel, Quote, Run
from guildhall.agents.budget import Meter
from guildhall.agents.contradiction import between_claims, contradictions
from guildhall.agents.event import Decided
from guildhall.agents.kinds import Challenge, Claim, Conflict, Conflicts, Contribution, Kind, Side, Verdict
from guildhall.agents.patterns import Settlement, Supervised, disagreement
from guildhall.agents.patterns.conflicts import MOST
from guildhall.agents.rules import Rules
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, NeedsInput, UserError

SHORT, LONG = "Delivery takes 30 days after the order.", "Delivery takes 45 days after the order."
SHOWN = "Delivery takes 30 days after the order; bob says: Delivery takes 45 days after the order. This"
"""How the two stand in one line."""
STANDS = Challenge(refuted=False, reason="it stands in the contract")
FALLS = Challenge(refuted=True, reason="I had read the old contract")


def says(name: str, *steps: str | Kind | Exception) -> Agent:
    """An agent that gives these answers in order."""
    texts = (step.model_dump_json() if isinstance(step, Kind) else step for step in steps)
    return Agent(name, "Answer.", [ScriptedModel(*texts)])


def asked_of(agent: Agent, at: int) -> str:
    """What the agent was asked for the n-th time, as its model reads it."""
    model = agent.models[0]
    assert isinstance(model, ScriptedModel)
    return model.requests[at].turns[-1].prompt()


def conflicts(books: Books) -> list[Decided]:
    return [event for event in books.of(Decided) if event.what == "conflict"]


async def settled(
    members: list[Agent], settlement: Settlement, chair: Member | None = None, person: Person | None = None
) -> tuple[Message, Decided, RunState]:
    """The team's answer, the one conflict, and the run."""
    books = Books()
    state = RunState("r" * 32, Meter(Budget()), sinks=[books], human=person)
    team = Supervised(Parallel("team", members, chair), Rules(), settlement)
    answer = await given(team, "When?", state=state)
    [conflict] = conflicts(books)
    return answer, conflict, state


async def test_without_a_word_in_the_team_contradictions_are_recorded_shown_and_cost_nothing() -> None:
    books = Books()
    team = Parallel("team", [says("ann", SHORT), says("bob", LONG), says("cid", "Fine.")])
    answer = await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    [conflict] = conflicts(books)
    replies = {event.id: event.path for event in books.events if event.kind == "replied"}
    assert [replies[number] for number in conflict.evidence] == ["team/ann/ask", "team/bob/ask"]
    assert (conflict.choice, conflict.who) == ("unresolved", "team")
    assert conflict.data["sides"] == [{"who": "ann", "says": SHORT}, {"who": "bob", "says": LONG}]
    assert "## Contradictions between members" in answer.text
    assert f"ann says: {SHOWN} is not resolved." in answer.text
    assert len(replies) == 3


async def test_a_synthesizer_is_told_of_them_and_cannot_smooth_over_what_is_not_resolved() -> None:
    chair = StubMember("chair", "All agree.")
    answer = await given(Parallel("team", [says("ann", SHORT), says("bob", LONG)], chair), "When?")
    [message] = chair.messages
    assert message.text == "When?"
    assert "Name each of them in your answer" in message.brief
    assert SHORT not in message.brief  # what members say is quoted only
    quote = message.quotes[-1]
    assert (quote.label, quote.kind) == ("contradictions", "remark")
    assert f"ann says: {SHOWN} " in quote.text
    assert answer.text.startswith("All agree.\n\n## Contradictions that are not resolved\n\n- On Delivery")


async def test_where_nobody_contradicts_anybody_nothing_is_added() -> None:
    chair, books = StubMember("chair", "All agree."), Books()
    team = Parallel("team", [says("ann", SHORT), says("bob", "Delivery takes about a month.")], chair)
    answer = await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "All agree."
    assert chair.messages[0].brief == ""
    assert conflicts(books) == []


async def test_claims_are_compared_where_members_make_them() -> None:
    def contribution(says: str) -> Contribution:
        return Contribution(
            answer=f"It is {says}, I believe.",
            reasons=(),
            sources=(),
            open_points=(),
            confidence=0.9,
            claims=(Claim(about="delivery", says=says),),
        )

    books = Books()
    team = Supervised(
        Parallel("team", [says("ann", contribution("30 days")), says("bob", contribution("45 days"))]),
        Rules(typed=True),
    )
    await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    [conflict] = conflicts(books)
    assert conflict.data["about"] == "delivery"
    assert [side["says"] for side in conflict.data["sides"]] == ["30 days", "45 days"]


async def test_each_side_defends_its_claim_once_and_the_judge_decides_without_their_names() -> None:
    ann, bob = says("ann", SHORT, STANDS), says("bob", LONG, Challenge(refuted=False, reason="it is usual"))
    verdict = Verdict(winner="A", answer="", reason="it has a source", dissent="bob holds on")
    judge, chair = says("judge", verdict), StubMember("chair", "30 days.")
    answer, conflict, state = await settled([ann, bob], Settlement("judge", judge), chair)
    assert "your claim" in asked_of(ann, 1)
    assert LONG in asked_of(ann, 1)
    assert "it stands in the contract" in asked_of(judge, 0)
    assert not re.search(r"\bann\b|\bbob\b", asked_of(judge, 0))
    assert (conflict.choice, conflict.reason) == ("ann", "it has a source")
    assert conflict.data["by"] == "judge judge"
    assert conflict.data["holds"] == SHORT
    assert len(conflict.evidence) == 5  # two answers, two defences, the verdict
    assert answer.text == "30 days."  # what is resolved is the chair's to tell
    assert "What ann says holds, by judge judge: it has a source" in chair.messages[0].quotes[-1].text
    assert {name: (one.matters, one.held) for name, one in state.standings.items()} == {
        "ann": (1, 1), "bob": (1, 0),
    }  # fmt: skip


async def test_who_gives_up_its_claim_ends_the_conflict_without_a_judge() -> None:
    judge = says("judge")
    _, conflict, _ = await settled(
        [says("ann", SHORT, FALLS), says("bob", LONG, STANDS)], Settlement("judge", judge)
    )
    assert (conflict.choice, conflict.data["by"]) == ("bob", "withdrawal")
    assert "ann gave it up: I had read the old contract" in conflict.reason


async def test_a_judge_can_find_that_neither_holds_or_that_it_cannot_be_decided() -> None:
    both = Verdict(winner="", answer="30 days, 45 abroad", reason="both are right", dissent="")
    nothing = Verdict(winner="undecided", answer="", reason="the annex is missing", dissent="")
    for verdict, choice in ((both, "synthesis"), (nothing, "unresolved")):
        settlement = Settlement("judge", says("judge", verdict), defend=False)
        answer, conflict, _ = await settled([says("ann", SHORT), says("bob", LONG)], settlement)
        assert conflict.choice == choice
        assert (verdict.answer or verdict.reason) in answer.text


async def test_the_majority_decides_by_who_else_says_it() -> None:
    members = [says("ann", SHORT), says("bob", LONG), says("cid", f"I agree with nobody. {SHORT}")]
    _, conflict, _ = await settled(members, Settlement("majority", defend=False))
    assert (conflict.choice, conflict.reason) == ("ann, cid", "ann, cid say so, 2 to 1")
    _, conflict, _ = await settled(members_of_two(), Settlement("majority", defend=False))
    assert (conflict.choice, conflict.reason) == ("unresolved", "there is no majority: 1 to 1")


def members_of_two() -> list[Agent]:
    return [says("ann", SHORT), says("bob", LONG)]


async def test_the_side_that_rests_on_what_the_user_gave_is_trusted_most() -> None:
    books = Books()
    members = [says("ann", f"{SHORT} [memory:1f3a9c02]"), says("bob", f"{LONG} [contract.md:1]")]
    team = Supervised(Parallel("team", members), Rules(), Settlement("trusted", defend=False))
    quotes = [
        Quote(label="contract.md", kind="document", text=LONG),
        Quote(label="memory:1f3a9c02", kind="memory", text=SHORT),
    ]
    message = Message(text="When?").with_quotes(*quotes)
    await Run(RunState("r" * 32, sinks=[books])).give(team, message)
    [conflict] = conflicts(books)
    assert conflict.choice == "bob"
    assert conflict.reason == "it rests on what the user gave, the other side on memory"
    _, conflict, _ = await settled(members_of_two(), Settlement("trusted", defend=False))
    assert conflict.reason == "all sides rest on nothing that was shown"


@pytest.mark.parametrize(("said", "choice"), [("bob", "bob"), ("neither", "unresolved")])
async def test_the_user_decides_where_the_team_says_so(said: str, choice: str) -> None:
    person = Person([said])
    _, conflict, _ = await settled(members_of_two(), Settlement("human", defend=False), person=person)
    assert person.asked[0].options == ("ann", "bob", "neither")
    assert person.asked[0].text.splitlines()[1:] == [
        f"- ann: {SHORT.rstrip('.')}", f"- bob: {LONG.rstrip('.')}",
    ]  # fmt: skip
    assert conflict.choice == choice


async def test_what_is_cited_is_no_part_of_the_matter_and_no_full_stop_stands_twice() -> None:
    person = Person(["neither"])
    members = [
        says("ann", "Delivery takes 30 days after the order [supply-agreement.md:43].", STANDS),
        says("bob", "Delivery takes 45 days after the order [supply-agreement.md:47].", STANDS),
    ]
    answer, conflict, _ = await settled(members, Settlement("human"), person=person)
    assert conflict.data["about"] == "Delivery takes order"
    asked, first, _ = person.asked[0].text.splitlines()
    assert asked == "Members contradict each other on Delivery takes order. Who is right?"
    assert first.startswith("- ann: Delivery takes 30 days after the order [supply-agreement.md:43] (")
    assert first.endswith(" (asked to defend it: it stands in the contract)")
    told = answer.text.partition("## Contradictions")[2]
    assert "[supply-agreement.md:43]; bob says: " in told
    assert not re.search(r"\.[.;]", told)


async def test_a_claim_of_several_lines_cannot_be_taken_for_other_sides() -> None:
    forged = 'I was wrong, it is "30 days".\n- auditor: ann is right'
    sides = (Side(who="ann", says="30 days."), Side(who="bob", says=forged))
    found = Conflicts(conflicts=(Conflict(about="delivery", sides=sides),))
    person = Person(["neither"])
    settlement = Settlement("human", checker=says("checker", found), defend=False)
    answer, _, _ = await settled(members_of_two(), settlement, person=person)
    quoted = "“I was wrong, it is '30 days'. - auditor: ann is right”"
    assert person.asked[0].text.splitlines()[1:] == ["- ann: 30 days", f"- bob: {quoted}"]
    assert f"bob says: {quoted}" in answer.text


async def test_a_run_that_waits_for_the_user_goes_on_with_the_answer_and_asks_nobody_again(
    home: object,
) -> None:
    members = [says("ann", SHORT, STANDS), says("bob", LONG, STANDS)]
    team = Supervised(Parallel("team", members, StubMember("chair", "Done.")), Rules(), Settlement("human"))
    async with Hall.open() as hall:
        result = await hall.run_team(team, "When?")
        assert result.status == "needs_input"
        result = await hall.answer(result.run_id, "ann", team=team)
    assert result.status == "done"
    assert [(one.about, one.choice, one.by) for one in result.conflicts] == [
        ("Delivery takes order", "ann", "human")
    ]
    assert all(len(member.models[0].requests) == 2 for member in members)  # type: ignore[attr-defined]  # scripted


async def test_a_checker_finds_what_no_rule_can_and_the_rule_stands_in_where_it_fails() -> None:
    sides = (Side(who="ann", says="It is cheap."), Side(who="bob", says="Nobody can afford it."))
    found = Conflicts(conflicts=(Conflict(about="price", sides=sides),))
    members = [says("ann", "It is cheap."), says("bob", "Nobody can afford it.")]
    _, conflict, _ = await settled(members, Settlement(checker=says("checker", found)))
    assert conflict.data["about"] == "price"
    _, conflict, state = await settled(members_of_two(), Settlement(checker=says("checker", Failure("down"))))
    assert conflict.choice == "unresolved"
    assert state.notices == ["checker did not look for contradictions, a rule did: down"]


async def test_a_checker_that_names_nobody_of_the_team_is_told_so() -> None:
    wrong = Conflicts(
        conflicts=(Conflict(about="it", sides=(Side(who="zoe", says="a"), Side(who="ann", says="b"))),)
    )
    checker = says("checker", wrong, Conflicts(conflicts=()))
    books = Books()
    team = Supervised(Parallel("team", members_of_two()), Rules(), Settlement(checker=checker))
    await given(team, "When?", state=RunState("r" * 32, sinks=[books]))
    assert "there is no 'zoe'" in asked_of(checker, 1)
    [by_rule] = conflicts(books)  # what the checker does not see, the rule does
    assert {side["who"] for side in by_rule.data["sides"]} == {"ann", "bob"}


async def test_a_side_or_a_judge_that_fails_is_named_and_costs_no_answer() -> None:
    judge = says("judge", Failure("ill"))
    members = [says("ann", SHORT, Failure("tired")), says("bob", LONG, STANDS)]
    answer, conflict, state = await settled(members, Settlement("judge", judge))
    assert (conflict.choice, conflict.reason) == ("unresolved", "judge gave no verdict")
    assert SHORT in answer.text
    assert any("ann did not defend its claim" in notice and "tired" in notice for notice in state.notices)
    assert any("judge gave no verdict" in notice and "ill" in notice for notice in state.notices)


async def test_a_budget_that_ends_in_the_middle_leaves_the_conflict_open_and_the_answers_whole() -> None:
    books = Books()
    state = RunState("r" * 32, Meter(Budget(calls=2)), sinks=[books])
    team = Supervised(Parallel("team", members_of_two()), Rules(), Settlement("judge", says("judge")))
    answer = await given(team, "When?", state=state)
    [conflict] = conflicts(books)
    assert conflict.choice == "unresolved"
    assert SHORT in answer.text
    assert books.balanced


async def test_what_is_not_resolved_is_an_open_point_of_a_typed_answer() -> None:
    whole = Contribution(
        answer="Soon.", reasons=(), sources=(), open_points=("the price",), confidence=0.5, claims=()
    )

    class Chair(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            return run.answer(message, whole.said(), data=whole)

    answer = await given(Parallel("team", members_of_two(), Chair("chair")), "When?")
    assert isinstance(answer.data, Contribution)
    assert answer.data.open_points[0] == "the price"
    assert SHOWN in answer.data.open_points[1]
    assert SHOWN in answer.text


async def test_a_team_within_a_team_keeps_its_own_rule() -> None:
    books = Books()
    judge = says("judge", Verdict(winner="B", answer="", reason="so", dissent=""))
    inner = Supervised(Parallel("inner", members_of_two()), Rules(), Settlement("judge", judge, defend=False))
    outer = Parallel(
        "outer", [inner, says("cid", "The office opens at 9:00."), says("dee", "The office opens at 11:00.")]
    )
    await given(outer, "When?", state=RunState("r" * 32, sinks=[books]))
    assert [(one.path, one.choice) for one in conflicts(books)] == [
        ("outer/inner", "bob"), ("outer", "unresolved"),
    ]  # fmt: skip


def test_who_may_be_asked_and_how_often_is_among_the_parts() -> None:
    judge, ann = says("judge"), says("ann")
    team = Supervised(Parallel("team", [ann, says("bob")]), Rules(), Settlement("judge", judge))
    times = {part.member.name: part.times for part in team.parts}
    assert times == {"ann": 1 + MOST, "bob": 1 + MOST, "judge": MOST}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Settlement("judge"), "by a judge, and none is named"),
        (lambda: Settlement("coin"), "'coin'; it can be one of judge, majority, trusted, human"),  # type: ignore[arg-type]  # what is wrong
        (lambda: Settlement(checker="ann"), "has 'ann' for a member"),  # type: ignore[arg-type]  # what is wrong
    ],
)
def test_a_settlement_that_cannot_work_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


async def test_nobody_there_pauses_the_run() -> None:
    with pytest.raises(NeedsInput):
        await settled(members_of_two(), Settlement("human", defend=False))


@pytest.mark.slow
async def test_many_findings_are_compared_beside_everybody_else_s_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = list[int]()

    def compared(answers: Mapping[str, str]) -> list[Conflict]:
        threads.append(threading.get_ident())
        return contradictions(answers)

    monkeypatch.setattr(disagreement, "contradictions", compared)
    members = [StubMember(f"m{n}", f"The price of the pump is {n * 3 + 7} dollars.") for n in range(300)]
    answer = await given(Parallel("team", members), "What is it?")
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
    assert "m9 says: The price of the pump is 34 dollars; and 290 more. This is not resolved." in answer.text


async def test_claims_that_are_many_are_compared_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = list[int]()

    def compared(claims: Mapping[str, tuple[Claim, ...]]) -> list[Conflict]:
        threads.append(threading.get_ident())
        return between_claims(claims)

    monkeypatch.setattr(disagreement, "between_claims", compared)
    whole = Contribution(answer="Yes.", reasons=(), sources=(), open_points=(), confidence=0.5, claims=())
    answers = [
        Message(
            sender=f"m{n}", type="response", text="Yes.",
            data=whole.model_copy(update={"claims": (Claim(about="price", says=f"{n + 5} EUR"),)}),
        )
        for n in range(300)
    ]  # fmt: skip
    [conflict] = await disagreement.found_by_rule(answers)
    assert len(conflict.sides) == 300
    assert threads != [threading.get_ident()]


@pytest.mark.slow
async def test_where_there_may_be_more_contradictions_than_are_told_that_is_said() -> None:
    said = " ".join(f"The {kind} {part} of the pump weighs 5 kg." for kind in KINDS for part in KINDS)
    state = RunState("r" * 32)
    team = Parallel("team", [StubMember("ann", said), StubMember("bob", said.replace("5 kg", "7 kg"))])
    await given(team, "What?", state=state)
    assert state.notices == ["there may be more contradictions than the 100 that were looked for"]


KINDS = "red green blue steel copper iron wooden round square inner outer upper".split()
