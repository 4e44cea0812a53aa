"""The work passes from one member to the next with all that was said, and always comes to an answer."""

from pathlib import Path
from typing import Any

import pytest
from dying import Lines, whole_and_died_anywhere
from support import Books, given

from guildhall.agents import Agent, Budget, Member, Message, Run
from guildhall.agents.event import Decided, Said, Started
from guildhall.agents.kinds import Passing, Score, Wanted
from guildhall.agents.patterns import Handoff
from guildhall.agents.patterns.handoff import HandoffSpec
from guildhall.agents.specs import read_team
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, NeedsInput, UserError


def passing(answer: str, to: str = "", reason: str = "") -> str:
    return Passing(answer=answer, to=to, reason=reason).model_dump_json()


def agent(name: str, *said: str | Exception) -> Agent:
    return Agent(name, f"You are {name}.", [ScriptedModel(*said, name=name)], role=f"knows of {name}")


def told(member: Agent, number: int = 0) -> str:
    model = member.models[0]
    assert isinstance(model, ScriptedModel)
    return model.requests[number].turns[1].prompt()


def state() -> tuple[RunState, Books]:
    books = Books()
    return RunState("r" * 32, sinks=[books]), books


def handoffs(books: Books) -> list[tuple[str, str]]:
    return [(event.choice, event.reason) for event in books.of(Decided) if event.what == "handoff"]


async def test_the_next_one_gets_the_task_and_all_that_was_said_once_with_the_reasons() -> None:
    ann = agent("ann", passing("The invoice is of May.", "bob", "he keeps the books"))
    bob = agent("bob", passing("It was never paid.", "cid", "she may refund"))
    cid = agent("cid", passing("It is refunded."))
    run, books = state()
    answer = await given(Handoff("team", [ann, bob, cid]), "Where is my money?", state=run)
    assert answer.text == "It is refunded."
    assert answer.data is None
    last = told(cid)
    assert last.startswith("Where is my money?")
    for text in (
        "The invoice is of May.",
        "To bob: he keeps the books",
        "It was never paid.",
        "she may refund",
    ):
        assert last.count(text) == 1
    assert "knows of bob" in told(ann)
    assert handoffs(books) == [("bob", "he keeps the books"), ("cid", "she may refund")]
    assert [said.to for said in books.of(Said)] == ["bob", "cid"]
    replies = {event.id for event in books.events if event.kind == "replied"}
    assert set(answer.sources) == replies


async def test_who_can_answer_answers_and_nobody_else_is_asked() -> None:
    bob = StubMember("bob")
    answer = await given(Handoff("team", [agent("ann", passing("42")), bob]), "Well?")
    assert (answer.text, bob.calls) == ("42", 0)


async def test_free_text_is_an_answer() -> None:
    ann = agent("ann", passing("", "bob", "his field"))
    assert (await given(Handoff("team", [ann, StubMember("bob", "so")]), "Well?")).text == "so"


async def test_a_name_that_is_not_there_goes_back_to_the_model() -> None:
    ann = agent("ann", passing("a", "zoe", "so"), passing("a", "cid", "so"), passing("42"))
    team = Handoff("team", [ann, StubMember("bob"), StubMember("cid")], may_pass={"ann": ["bob"]})
    with pytest.raises(UserError, match="nobody"):
        Handoff("team", team.members, may_pass={"ann": ["bob"], "bob": []})
    assert (await given(team, "Well?")).text == "42"
    model = ann.models[0]
    assert isinstance(model, ScriptedModel)
    assert "there is no 'cid'; there are: bob" in model.requests[2].turns[-1].text


async def test_passes_are_bounded_and_who_has_it_last_answers() -> None:
    members = [
        agent("ann", passing("alpha beta", "bob", "r"), passing("gamma delta", "bob", "r")),
        agent("bob", passing("epsilon zeta", "ann", "r"), "the end"),
    ]
    answer = await given(Handoff("team", members, passes=3), "Well?")
    assert answer.text == "the end"
    assert "it cannot be passed on" in told(members[1], 1)
    assert "gamma delta" in told(members[1], 1)


async def test_going_round_without_anything_new_is_noticed_and_ended() -> None:
    ann = agent("ann", passing("It concerns the contract of May.", "bob", "his field"))
    bob = agent("bob", passing("The contract of May concerns it.", "ann", "her field"), "I answer.")
    run, books = state()
    answer = await given(Handoff("team", [ann, bob]), "Well?", state=run)
    assert answer.text == "I answer."
    assert handoffs(books)[-1] == ("stays", "ann has had it, and nothing new was found since")


async def test_it_may_come_back_with_something_new() -> None:
    ann = agent("ann", passing("Which contract?", "bob", "his field"), passing("Then it is valid."))
    bob = agent("bob", passing("Signed in Hamburg on Friday by both parties.", "ann", "her field"))
    run, books = state()
    answer = await given(Handoff("team", [ann, bob]), "Well?", state=run)
    assert answer.text == "Then it is valid."
    assert [choice for choice, _ in handoffs(books)] == ["bob", "ann"]


@pytest.mark.parametrize(
    "found",
    ["It is 42.", "No.", "-3", "✓", "The number of parcels on 3 May, which you need for the invoice, is 4.2"],
)
async def test_what_is_short_or_a_number_can_be_new(found: str) -> None:
    asks = "I need the number of parcels on 3 May for the invoice, 4 or 2"
    ann = agent("ann", passing(asks, "bob", "he counts"), passing("The invoice."))
    bob = agent("bob", passing(found, "ann", "you asked"))
    answer = await given(Handoff("team", [ann, bob]), "Write the invoice, which is 3", state=state()[0])
    assert answer.text == "The invoice."


async def test_an_answer_without_a_word_is_none() -> None:
    ann = agent("ann", passing("a", "bob", "so"), "done")
    bob = agent("bob", passing(" "))
    run, _ = state()
    assert (await given(Handoff("team", [ann, bob]), "Well?", state=run)).text == "done"
    assert run.notices == ["bob has failed: it has given no answer"]


async def test_who_passes_to_nobody_keeps_it_and_answers() -> None:
    class Wild(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            answer = await super().run(message, run)
            told = Passing(answer="so far", to="zoe", reason="why not")
            return answer if self.calls > 1 else run.answer(message, told.said(), data=told)

    ann, bob = Wild("ann", "the end"), StubMember("bob")
    run, books = state()
    assert (await given(Handoff("team", [ann, bob]), "Well?", state=run)).text == "the end"
    assert handoffs(books) == [("stays", "there is no 'zoe' to whom it could pass")]
    assert (ann.messages[1].quotes[-1].text, bob.calls) == ("so far\n\nTo zoe: why not", 0)


async def test_where_the_first_fails_it_goes_on_to_the_next_who_may_have_it() -> None:
    members: list[Member] = [StubMember(name, Failure("tired")) for name in ("ann", "cid")]
    bob, dan = StubMember("bob", "never"), agent("dan", passing("fine"))
    run, books = state()
    may_pass = {"ann": ["cid"], "cid": ["dan"], "dan": ["bob"]}
    answer = await given(Handoff("team", [*members, bob, dan], may_pass=may_pass), "Well?", state=run)
    assert (answer.text, bob.calls) == ("fine", 0)
    assert handoffs(books) == [
        ("cid", "it goes on, because ann has failed: tired"),
        ("dan", "it goes on, because cid has failed: tired"),
    ]


async def test_however_it_goes_they_are_given_no_more_together_than_they_say() -> None:
    members = [
        agent("ann", passing("one", "bob", "so"), Failure("ill")),
        agent("bob", passing("two", "cid", "so"), Failure("ill")),
        agent("cid", Failure("ill")),
    ]
    team = Handoff("team", members, passes=2)
    run, books = state()
    with pytest.raises(Failure, match="ill"):
        await given(team, "Well?", state=run)
    assert {part.among for part in team.parts} == {len(books.of(Started)) - 1} == {5}


async def test_it_comes_back_from_who_fails_and_that_one_is_offered_no_more() -> None:
    ann = agent("ann", passing("a", "bob", "his field"), passing("more", "cid", "hers then"))
    cid = agent("cid", passing("done"))
    run, books = state()
    members: list[Member] = [ann, StubMember("bob", Failure("tired")), cid]
    answer = await given(Handoff("team", members), "Well?", state=run)
    assert answer.text == "done"
    assert run.notices == ["bob has failed: tired"]
    assert handoffs(books)[1] == ("ann", "it goes back, because bob has failed: tired")
    again = told(ann, 1)
    assert "specialist bob" not in again
    assert "answer bob (no answer)" in again


@pytest.mark.parametrize("broken", ["ann", "both"])
async def test_where_nobody_is_left_the_team_fails_and_says_why(broken: str) -> None:
    said = [passing("a", "bob", "so"), Failure("ill")] if broken == "both" else [Failure("ill")]
    members: list[Member] = [agent("ann", *said), StubMember("bob", Failure("tired"))]
    with pytest.raises(Failure, match="ann: ill"):
        await given(Handoff("team", members), "Well?")


async def test_who_waits_for_a_human_pauses_it() -> None:
    with pytest.raises(NeedsInput):
        await given(Handoff("team", [StubMember("ann", NeedsInput("Which?", "q1")), StubMember("bob")]), "?")


async def test_the_budget_ends_in_the_middle() -> None:
    members = [agent("ann", passing("a", "bob", "so")), agent("bob", passing("b"))]
    run, books = state()
    run.meter.budget = Budget(calls=1)
    with pytest.raises(Failure, match="no room for another call"):
        await given(Handoff("team", members), "Well?", state=run)
    assert books.balanced


async def test_it_can_be_asked_for_a_typed_answer_and_keeps_what_others_want_done() -> None:
    score = Score(score=0.5, reason="half")
    ann = agent("ann", passing("a", "bob", "so"))
    bob = agent("bob", passing("half good"), score.model_dump_json())
    message = Message(text="Well?").briefed("Rate it.")
    answer = await Run(RunState("r" * 32)).give(Handoff("team", [ann, bob]), message, wanted=Wanted(Score))
    assert answer.data == score
    assert "half good" in told(bob, 1)
    assert "Rate it." in told(ann)


async def test_a_run_that_died_anywhere_takes_the_same_way_and_pays_nothing_twice(tmp_path: Path) -> None:
    lines = Lines(
        {
            "ann": [passing("first words", "bob", "his field"), passing("third thing entirely")],
            "bob": [passing("second matter here", "ann", "her field")],
        }
    )

    def team(lines: Lines) -> Handoff:
        return Handoff("team", [Agent(name, "Work.", [lines.model(name)]) for name in ("ann", "bob")])

    assert (await whole_and_died_anywhere(team, lines, tmp_path)).answer == "third thing entirely"


async def test_the_work_begins_with_the_first_member() -> None:
    run, books = state()
    await given(Handoff("team", [StubMember("zoe"), StubMember("ann")]), "Well?", state=run)
    assert [event.path for event in books.of(Started)] == ["team", "team/zoe"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"members": 1}, "1 member and needs 2 or more"),
        ({"passes": 0}, "passes is 0"),
        ({"may_pass": {"zoe": ["ann"]}}, "'zoe' is no member"),
        ({"may_pass": {"ann": ["zoe"]}}, "'zoe' is no member"),
        ({"may_pass": {"ann": ["ann"]}}, "ann may pass to itself"),
        ({"may_pass": {"ann": "bob"}}, "give a list of names"),
        ({"may_pass": {"ann": ["bob"], "bob": ["ann"]}}, "nobody can pass to cid, and it begins with ann"),
    ],
)
def test_what_cannot_work_is_refused_at_once(more: dict[str, Any], words: str) -> None:
    members = [StubMember(name) for name in ("ann", "bob", "cid")][: more.pop("members", 3)]
    with pytest.raises(UserError, match=words):
        Handoff("team", members, **more)


FILE = "---\nname: t\ndescription: d\npattern: handoff\nmembers: [ann, bob]\n{}\n---\nBe brief.\n"


def test_a_team_file_can_say_all_of_it() -> None:
    spec = read_team(FILE.format("passes: 3\nmay_pass:\n  ann: [bob]\n  bob: []").encode())
    assert isinstance(spec, HandoffSpec)
    assert (spec.passes, spec.may_pass) == (3, {"ann": ("bob",), "bob": ()})


def test_a_team_file_with_a_member_whom_nobody_can_reach_is_refused() -> None:
    with pytest.raises(FileError, match="may_pass: nobody can pass to bob"):
        read_team(FILE.format("may_pass:\n  ann: []").encode())
