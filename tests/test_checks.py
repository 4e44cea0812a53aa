"""What a team's answer has to keep before it leaves: it is checked, revised once, and then said not to."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from asking import Person
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Member, Message, Parallel, Pipeline, Quote, Run
from guildhall.agents.budget import Meter
from guildhall.agents.event import Decided, Started
from guildhall.agents.kinds import Kind, Review, Score
from guildhall.agents.patterns import Citations, Policy, Quality, Settlement, Supervised
from guildhall.agents.patterns.checks import Check
from guildhall.agents.patterns.supervised import OnFailed
from guildhall.agents.rules import PLAIN, Rules
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, UserError

GOOD, BAD = Score(score=0.9, reason="all is there"), Score(score=0.4, reason="no price")
CONTRACT = Quote(
    label="contract.md", kind="document", text="# Terms\n\nPayment is due in 30 days.\nNo interest."
)


def says(name: str, *steps: str | Kind | Exception) -> Agent:
    """An agent that gives these answers in order."""
    texts = (step.model_dump_json() if isinstance(step, Kind) else step for step in steps)
    return Agent(name, "Answer.", [ScriptedModel(*texts)])


def asked_of(agent: Agent, at: int) -> str:
    model = agent.models[0]
    assert isinstance(model, ScriptedModel)
    return model.requests[at].turns[-1].prompt()


def checks(books: Books) -> list[tuple[str, str]]:
    return [(event.data["check"], event.choice) for event in books.of(Decided) if event.what == "check"]


def team_of(
    *members: Member, chair: Member | None = None, check: Check | list[Check], on_failed: OnFailed = "revise"
) -> Supervised:
    """A parallel team with that check."""
    checks = check if isinstance(check, list) else [check]
    return Supervised(Parallel("team", members, chair), PLAIN, None, checks, on_failed)


async def found(check: Check, text: str, *shown: Quote) -> str:
    """What the check finds wrong with the text in a run in which that was shown."""
    run = Run(RunState("r" * 32), "team", "team")
    run.show(shown)
    return await check(Message(text="When?"), Message(sender="team", text=text), run)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Payment is due in 30 days. [contract.md:3]", ""),
        ("Payment is due in 30 days. [contract.md:3-4]", ""),
        ("It is [contract.md], [memory:1f3a] and [ann] who say so [1] [sic] [see below].", ""),
        ("See [the site](https://example.com) and [readme.md](readme.md), at [12:30]. [contract.md]", ""),
        ("Both. [contract.md:3; contract.md:4]", ""),
        ("Payment is due in 30 days. [contract.md:40]", "[contract.md:40] was not shown to anybody"),
        ("Payment is due. [offer.md:3]", "[offer.md:3] was not shown to anybody"),
        ("Payment is due. [contract.md:3, offer.pdf]", "[offer.pdf] was not shown to anybody"),
        ("It says “payment is due in\n30 days” in [contract.md:3].", ""),
        ('It says "Payment is due ... No interest." [contract.md:3]', ""),
        ('It says "no interest ... payment is due" [contract.md:3]', "does not stand in [contract.md:3]"),
        ('It says "payment is due in 14 days" [contract.md:3]', "'payment is due in 14 days' does not stand"),
        ('The so-called "fair price" [contract.md:3]', ""),
        ('"This is not quoted from anything at all."\n\nPayment is due. [contract.md:3]', ""),
        ("Payment is due in 30 days.", "nothing is cited, and there was something to cite: contract.md"),
    ],
)
async def test_what_is_cited_must_have_been_shown_and_what_is_quoted_must_stand_there(
    text: str, wrong: str
) -> None:
    memory = Quote(label="memory:1f3a", kind="memory", text="They pay late.")
    said = await found(Citations(), text, CONTRACT, memory)
    assert wrong in said
    assert bool(said) == bool(wrong)


@pytest.mark.parametrize(
    ("forbid", "text", "wrong"),
    [
        (["guarantee"], "We guaranteed a profit.", "it must not say 'guarantee'"),
        (["guarantee"], "There is no warrant.", ""),
        (
            ["no risk", "free"],
            "There is NO\nRISKS at all, and it is free.",
            "it must not say 'no risk', 'free'",
        ),
        (["no risk"], "No, the risk is high.", ""),
    ],
)
async def test_forbidden_words_are_found_in_all_their_forms(forbid: list[str], text: str, wrong: str) -> None:
    assert await found(Policy(forbid), text) == wrong


async def test_rules_in_words_are_seen_to_by_a_member_that_is_not_asked_where_words_decide() -> None:
    judge = says("judge", Review(accepted=False, reason="that is legal advice"))
    team = team_of(
        StubMember("ann", "Sue them."), check=Policy(rules="no legal advice", judge=judge), on_failed="fail"
    )
    with pytest.raises(
        Failure, match="the answer of team did not pass: policy: that is legal advice"
    ) as failure:
        await given(team, "What now?")
    assert failure.value.kind == "check"
    assert "The rules: no legal advice" in asked_of(judge, 0)
    silent = says("judge")
    team = team_of(
        StubMember("ann", "Sue them."), check=Policy(["sue"], "no legal advice", silent), on_failed="return"
    )
    assert (await given(team, "What now?")).text == "## ann\n\nSue them."


async def test_an_answer_that_passes_leaves_as_it_is() -> None:
    books = Books()
    team = team_of(StubMember("ann", "10 euros"), check=[Quality(says("critic", GOOD)), Citations()])
    answer = await given(team, "How much?", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "## ann\n\n10 euros"
    assert checks(books) == [("quality", "passed"), ("citations", "passed")]
    [score] = [event for event in books.of(Decided) if event.what == "score"]
    assert (score.choice, score.data["threshold"]) == ("0.90", 0.7)


async def test_a_failing_answer_is_revised_once_by_who_made_it_with_all_it_was_made_of() -> None:
    critic, books = says("critic", BAD, GOOD), Books()
    chair = says("chair", "It costs money.", "It costs 10 euros.")
    team = team_of(
        StubMember("ann", "10 euros"), StubMember("bob", Failure("ill")), chair=chair, check=Quality(critic)
    )
    state = RunState("r" * 32, sinks=[books])
    answer = await given(team, "How much?", state=state)
    assert answer.text == "It costs 10 euros."
    asked = asked_of(chair, 1)
    assert asked.startswith("How much?")
    for words in ("10 euros", "It costs money.", "scored 0.40, and 0.7 is needed: no price"):
        assert words in asked
    assert checks(books) == [("quality", "not passed"), ("quality", "passed")]
    assert [one.path for one in books.of(Started)] == [
        "team", "team/ann", "team/bob", "team/chair", "team/checks/critic", "team/checks/chair",
        "team/checks/critic.2",
    ]  # fmt: skip
    assert state.notices == ["1 of 2 members answered; no answer from bob"]


async def test_the_last_stage_revises_a_pipeline_and_a_team_without_a_last_word_works_again() -> None:
    first, last = says("first", "draft"), says("last", "long", "short")
    line = Supervised(Pipeline("line", [first, last]), PLAIN, None, [Quality(says("critic", BAD, GOOD))])
    assert (await given(line, "Write it.")).text == "short"
    ann, bob = says("ann", "a", "a better"), says("bob", "b", "b better")
    team = team_of(ann, bob, check=Quality(says("critic", BAD, GOOD)))
    assert "a better" in (await given(team, "Write it.")).text
    assert "no price" in asked_of(bob, 1)


async def test_what_still_does_not_pass_is_returned_and_said_not_to_have_passed(home: Path) -> None:
    chair, critic = says("chair", "v1", "v2"), says("critic", BAD, BAD)
    team = team_of(StubMember("ann"), chair=chair, check=Quality(critic))
    async with Hall.open() as hall:
        result = await hall.run_team(team, "How much?")
        stored = await hall.result(result.run_id)
    assert (result.status, result.answer) == ("done", "v2")
    assert result.notices == (
        "the answer of team did not pass: quality: scored 0.40, and 0.7 is needed: no price",
    )
    assert [(one.check, one.of, one.outcome) for one in result.checks] == [("quality", "team", "not passed")]
    assert stored.to_json() == result.to_json()
    assert result.to_json()["checks"][0]["reason"] == "scored 0.40, and 0.7 is needed: no price"


async def test_a_result_says_nothing_of_checks_where_there_were_none(home: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team(Parallel("team", [StubMember("ann")]), "How much?")
    assert not {"checks", "conflicts"} & result.to_json().keys()


async def test_contradictions_are_shown_in_a_revised_answer_too() -> None:
    chair = says("chair", "v1", "v2")
    members = [StubMember("ann", "Delivery takes 30 days."), StubMember("bob", "Delivery takes 45 days.")]
    team = Supervised(
        Parallel("team", members, chair), Rules(), Settlement(), [Quality(says("critic", BAD, GOOD))]
    )
    answer = await given(team, "When?")
    assert answer.text.startswith("v2\n\n## Contradictions that are not resolved")
    assert "contradictions" in asked_of(chair, 1)


@pytest.mark.parametrize(
    ("said", "text"), [("take it", "v1"), ("revise it", "v2"), ("refuse it", None), (None, None)]
)
async def test_the_user_decides_on_an_answer_where_the_team_says_so(
    said: str | None, text: str | None
) -> None:
    person = Person([said]) if said else None
    chair, critic = says("chair", "v1", "v2"), says("critic", BAD, GOOD)
    team = team_of(StubMember("ann"), chair=chair, check=Quality(critic), on_failed="escalate")
    state = RunState("r" * 32, Meter(Budget()), human=person)
    if text is None and said:
        with pytest.raises(Failure, match="did not pass"):
            await given(team, "How much?", state=state)
    elif text is None:
        with pytest.raises(Exception, match="team asks: The answer of team did not pass"):
            await given(team, "How much?", state=state)
    else:
        assert (await given(team, "How much?", state=state)).text == text
    if person:
        assert "no price" in person.asked[0].text


async def test_a_check_that_cannot_be_made_costs_no_answer_and_revises_nothing() -> None:
    async def broken(message: Message, answer: Message, run: Run) -> str:
        raise ValueError("oops")

    chair, books = says("chair", "v1"), Books()
    state = RunState("r" * 32, sinks=[books])
    team = team_of(StubMember("ann"), chair=chair, check=[Quality(says("critic", Failure("ill"))), broken])
    assert (await given(team, "How much?", state=state)).text == "v1"
    assert checks(books) == [("quality", "not made"), ("broken", "not made")]
    assert "quality: could not be made: ill; broken: could not be made: ValueError: oops" in state.notices[0]


async def test_a_revision_that_fails_leaves_the_answer_that_was_paid_for() -> None:
    chair, state = says("chair", "v1", Failure("out of ideas")), RunState("r" * 32)
    team = team_of(StubMember("ann"), chair=chair, check=Quality(says("critic", BAD)))
    assert (await given(team, "How much?", state=state)).text == "v1"
    assert state.notices == [
        "the answer of team could not be revised: out of ideas",
        "the answer of team did not pass: quality: scored 0.40, and 0.7 is needed: no price",
    ]


async def test_a_reviser_that_raises_anything_and_a_judge_that_cancels_itself_cost_no_answer() -> None:
    class Breaks(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            if self.calls:
                raise RuntimeError("socket closed")
            return await super().run(message, run)

    state = RunState("r" * 32)
    team = team_of(StubMember("ann"), chair=Breaks("chair", "v1"), check=Quality(says("critic", BAD)))
    assert (await given(team, "How much?", state=state)).text == "v1"
    assert state.notices[0] == "the answer of team could not be revised: RuntimeError: socket closed"

    class Leaves(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            raise asyncio.CancelledError

    team = team_of(StubMember("ann"), check=Quality(Leaves("critic")))
    assert (await given(team, "How much?")).text == "## ann\n\ndone"


async def test_a_budget_that_ends_before_the_check_keeps_the_answer() -> None:
    books = Books()
    state = RunState("r" * 32, Meter(Budget(calls=1)), sinks=[books])
    team = team_of(StubMember("ann"), chair=says("chair", "v1"), check=Quality(says("critic")))
    assert (await given(team, "How much?", state=state)).text == "v1"
    assert checks(books) == [("quality", "not made")]
    assert books.balanced


async def test_a_score_that_is_none_goes_back_to_the_judge() -> None:
    critic = says("critic", "quite good", GOOD)
    team = team_of(StubMember("ann"), check=Quality(critic))
    assert (await given(team, "How much?")).text == "## ann\n\ndone"


TEAM = """---
name: quotes
description: Prices things.
pattern: parallel
members: [researcher, analyst]
synthesizer: synthesizer
checks:
  - {check: quality, threshold: 0.8, judge: critic, criteria: a price is named}
  - {check: policy, forbid: [guarantee], rules: no legal advice, judge: critic}
  - citations
on_failed_check: return
conflicts: {rule: judge, judge: critic}
---
"""


def write(project: Path, text: str) -> None:
    folder = project / ".guildhall" / "teams"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quotes.md").write_text(text)


async def test_a_team_file_names_checks_and_what_is_done_about_conflicts(home: Path, project: Path) -> None:
    write(project, TEAM)
    async with Hall.open(environ={}) as hall:
        built, spec = await hall.team("quotes")
        result = await hall.run_team(
            "quotes", "What does a bridge cost?", context="A bridge costs 4 million euros."
        )
    assert isinstance(built.member, Supervised)
    quality, policy, citations = built.member.checks
    assert isinstance(quality, Quality)
    assert (quality.threshold, quality.criteria, quality.judge.name) == (0.8, "a price is named", "critic")
    assert isinstance(policy, Policy)
    assert isinstance(citations, Citations)
    assert built.member.on_failed == "return"
    assert built.member.conflicts is not None
    assert built.member.conflicts.judge is quality.judge
    assert spec.everyone == ("researcher", "analyst", "synthesizer", "critic")
    assert result.status == "done"
    assert [one.check for one in result.checks] == ["citations", "quality", "policy"] or len(
        result.checks
    ) == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("threshold: 0.8", "forbid: [x]", "forbid is no key of the check quality; allowed are threshold"),
        ("forbid: [guarantee], rules: no legal advice, ", "", "a policy needs words to forbid, or rules"),
        ("- citations", "- spelling", "citations"),
        ("threshold: 0.8", "threshold: 8", "less than or equal to 1"),
        ("judge: critic, criteria", "judge: nobody-there, criteria", "nobody-there"),
        ("rule: judge", "rule: coin", "'judge', 'majority', 'trusted' or 'human'"),
        ("on_failed_check: return", "on_failed_check: shout", "'revise', 'return', 'escalate' or 'fail'"),
    ],
)  # fmt: skip
async def test_a_team_file_that_cannot_be_checked_by_is_refused(
    home: Path, project: Path, old: str, new: str, words: str
) -> None:
    assert old in TEAM
    write(project, TEAM.replace(old, new))
    async with Hall.open(environ={}) as hall:
        with pytest.raises(FileError, match=words):
            await hall.team("quotes")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Quality(StubMember("ann"), 7), "threshold of quality is 7"),
        (Policy, "policy forbids nothing"),
        (lambda: Policy(["..."]), "each must have a word in it"),
        (lambda: Policy(rules="be nice"), "no judge to see to them"),
        (lambda: team_of(StubMember("ann"), check=[], on_failed="shout"), "on_failed_check is 'shout'"),  # type: ignore[arg-type]  # what is wrong
        (lambda: Supervised("ann", PLAIN), "has 'ann' for a member"),  # type: ignore[arg-type]  # what is wrong
    ],
)
def test_checks_that_cannot_work_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


def test_those_who_check_and_revise_are_among_the_parts() -> None:
    chair, critic = StubMember("chair"), StubMember("critic")
    team = team_of(StubMember("ann"), chair=chair, check=Quality(critic))
    assert {part.member.name: part.times for part in team.parts} == {"ann": 1, "chair": 2, "critic": 2}
    team = team_of(StubMember("ann"), check=Quality(critic))
    assert {part.member.name: part.times for part in team.parts} == {"ann": 2, "critic": 2}
