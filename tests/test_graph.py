"""A graph takes its steps in the order that was laid out, leaves out what does not apply, and goes back."""

import asyncio
from typing import Any

import pytest
from support import Books, given

from guildhall.agents import Agent, Member, Message, Pipeline, Run
from guildhall.agents.event import Decided, Finished, Started
from guildhall.agents.kinds import Score
from guildhall.agents.patterns import Graph, Repeat, Step
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, NeedsInput, TooFew, UserError

DIAMOND = (
    Step("a", "ann", "Begin."),
    Step("b", "bob", "Go left.", ("a",)),
    Step("c", "cid", "Go right.", ("a",)),
    Step("d", "dee", "End.", ("b", "c")),
)
SCORES = ['{"score": 0.4, "reason": "short"}', '{"score": 0.9, "reason": ""}']


def people(**answers: str | Exception) -> list[StubMember]:
    said: dict[str, str | Exception] = {name: f"{name} said" for name in ("ann", "bob", "cid", "dee")}
    return [StubMember(name, answer) for name, answer in (said | answers).items()]


async def taken(team: Member, task: str = "Do it.") -> tuple[Message, Books]:
    books = Books()
    return await given(team, task, state=RunState("r" * 32, sinks=[books])), books


def outcomes(books: Books) -> dict[str, str]:
    return {one.path.removeprefix("team/"): one.outcome for one in books.of(Finished) if "/" in one.path}


async def test_each_step_is_given_the_task_its_part_and_the_answers_that_it_needs() -> None:
    members = people()
    answer, books = await taken(Graph("team", members, DIAMOND), "Write a poem.")
    assert answer.text == "dee said"
    [first], [left], [last] = (members[at].messages for at in (0, 1, 3))
    assert "Write a poem." in first.text
    assert "Begin." in first.text
    assert "Go left." in left.text
    assert [(quote.label, quote.text) for quote in left.quotes] == [("a", "ann said")]
    assert [(quote.label, quote.text) for quote in last.quotes] == [("b", "bob said"), ("c", "cid said")]
    [plan] = [one for one in books.of(Decided) if one.what == "plan"]
    assert [(step["id"], step["needs"]) for step in plan.data][1:3] == [("b", ["a"]), ("c", ["a"])]


async def test_steps_that_do_not_wait_for_each_other_work_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    class Meeting(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await both.wait()
            return await super().run(message, run)

    members = [StubMember("ann"), Meeting("bob"), Meeting("cid"), StubMember("dee")]
    answer, _ = await taken(Graph("team", members, DIAMOND))
    assert answer.text == "done"


async def test_spans_are_named_after_steps_and_one_member_can_take_several() -> None:
    steps = [Step("one", "ann", "First."), Step("two", "ann", "Second.", ("one",))]
    answer, books = await taken(Graph("team", (ann := people()[:1]), steps))
    assert [one.path for one in books.of(Started)] == ["team", "team/one", "team/two"]
    assert ann[0].calls == 2
    assert answer.text == "ann said"


@pytest.mark.parametrize("bad", ["ann", "bob", "cid", "dee"])
async def test_whichever_step_fails_nothing_is_built_on_it_and_the_team_says_who_failed(bad: str) -> None:
    members = people(**{bad: Failure("tired")})
    step = {"ann": "a", "bob": "b", "cid": "c", "dee": "d"}[bad]
    with pytest.raises(Failure, match=f"{step}: tired"):
        await taken(Graph("team", members, DIAMOND))
    calls = {member.name: member.calls for member in members}
    behind = {"ann": ("bob", "cid", "dee"), "bob": ("dee",), "cid": ("dee",), "dee": ()}[bad]
    assert calls == {name: int(name not in behind) for name in calls}
    assert all("tired" not in quote.text for one in members for m in one.messages for quote in m.quotes)


async def test_of_several_last_steps_as_many_must_answer_as_the_team_needs() -> None:
    steps = [Step("a", "ann", "x"), Step("b", "bob", "y"), Step("c", "cid", "z")]
    members = people(bob=Failure("tired"))
    answer, _ = await taken(Graph("team", members, steps, need=2))
    assert answer.text == "## a\n\nann said\n\n## c\n\ncid said"
    with pytest.raises(TooFew, match="2 of 3 members answered and 3 are needed: b: tired"):
        await taken(Graph("team", members, steps, need=3))


async def test_a_synthesizer_sees_what_every_step_has_come_to() -> None:
    chair = StubMember("chair", "in sum")
    answer, _ = await taken(Graph("team", people(cid=Failure("tired")), DIAMOND, chair))
    assert answer.text == "in sum"
    quotes = {quote.label: quote.failed for quote in chair.messages[0].quotes}
    assert quotes == {"a": False, "b": False, "c": True, "d": True}


def triage(*choices: str) -> Graph:
    models = {name: ScriptedModel(f"{name} it") for name in ("fix", "build", "tell")}
    steps = [
        Step("triage", "sorter", "Sort it.", choices=("bug", "feature")),
        Step("fix", "fix", "Fix it.", ("triage",), when='triage.choice == "bug"'),
        Step("build", "build", "Build it.", ("triage",), when='triage.choice == "feature"'),
        Step("tell", "tell", "Tell them.", ("fix", "build")),
    ]
    agents = [Agent(name, "Work.", [model]) for name, model in models.items()]
    return Graph("team", [Agent("sorter", "Sort.", [ScriptedModel(*choices)]), *agents], steps)


async def test_a_choice_decides_which_way_is_taken_and_the_other_is_left_out() -> None:
    answer, books = await taken(triage('{"choice": "Bug", "reason": "it crashes"}'))
    assert answer.text == "tell it"
    assert outcomes(books) == {
        "triage": "answered", "fix": "answered", "build": "skipped", "tell": "answered",
    }  # fmt: skip
    [why] = [one.text for one in books.of(Finished) if one.outcome == "skipped"]
    assert why == 'left out, since this does not hold: triage.choice == "feature"'


async def test_a_choice_that_was_not_offered_goes_back_with_those_that_are() -> None:
    team = triage('{"choice": "wish", "reason": ""}', '{"choice": "feature", "reason": ""}')
    _, books = await taken(team)
    assert outcomes(books)["build"] == "answered"
    sorter: Any = team.members[0]
    assert "there are: bug, feature" in sorter.models[0].requests[1].turns[-1].text


async def test_a_step_that_gives_no_valid_answer_has_failed_and_nothing_is_built_on_it() -> None:
    with pytest.raises(Failure, match=r"triage: .*sorter gave no valid Choice in 3 tries"):
        await taken(triage("a bug", "bug!", "a bug indeed"))


async def test_the_teams_answer_is_that_of_its_last_step_data_and_all() -> None:
    rater = Agent("ann", "Rate.", [ScriptedModel(SCORES[1])])
    answer, _ = await taken(Graph("team", [rater], [Step("rate", "ann", "Rate it.", output=Score)]))
    assert answer.data == Score(score=0.9, reason="")
    assert answer.text == "0.90: "


async def test_where_every_last_step_is_left_out_there_is_no_answer() -> None:
    steps = [Step("a", "ann", "x"), Step("b", "bob", "y", ("a",), when="a.failed")]
    with pytest.raises(Failure, match="every last step was left out"):
        await taken(Graph("team", people(), steps))


def improving(*scores: str, most: int = 3) -> tuple[Graph, ScriptedModel, ScriptedModel]:
    writer, rater = ScriptedModel(*(f"draft {n}" for n in range(1, 9))), ScriptedModel(*scores)
    steps = [
        Step("draft", "writer", "Draft it."),
        Step("rate", "rater", "Rate it.", ("draft",), output=Score,
             repeat=Repeat("draft", "rate.score < 0.8", most)),
        Step("send", "sender", "Send it.", ("draft", "rate")),
    ]  # fmt: skip
    agents: list[Member] = [Agent("writer", "Write.", [writer]), Agent("rater", "Rate.", [rater])]
    agents.append(StubMember("sender"))
    return Graph("team", agents, steps), writer, rater


async def test_a_way_back_is_taken_while_its_condition_holds_and_shows_what_was_wrong() -> None:
    team, writer, rater = improving(*SCORES)
    _, books = await taken(team)
    assert (len(writer.requests), len(rater.requests)) == (2, 2)
    assert [one.path for one in books.of(Started)] == [
        "team", "team/draft", "team/rate", "team/draft.2", "team/rate.2", "team/send",
    ]  # fmt: skip
    again = writer.requests[1].turns[1].quotes
    assert [(quote.label, quote.text) for quote in again] == [("draft", "draft 1"), ("rate", "0.40: short")]
    sender: Any = team.members[2]
    assert [quote.text for quote in sender.messages[0].quotes] == ["draft 2", "0.90: "]
    [back] = [one for one in books.of(Decided) if one.what == "step"]
    assert (back.choice, back.reason) == ("draft", "rate.score < 0.8, after round 1 of 3")
    asked = next(one for one in books.events if one.id == back.evidence[0])
    assert asked.path == "team/rate/ask"


async def test_a_way_back_ends_after_its_rounds_and_the_graph_goes_on() -> None:
    team, writer, _ = improving(SCORES[0], SCORES[0], most=2)
    _, books = await taken(team)
    assert len(writer.requests) == 2
    assert [one.choice for one in books.of(Decided) if one.what == "step"] == ["draft", "goes on"]
    assert outcomes(books)["send"] == "answered"


async def test_no_way_back_is_taken_from_a_step_that_failed() -> None:
    steps = [Step("a", "ann", "x"), Step("b", "bob", "y", ("a",), repeat=Repeat("a", "b.failed"))]
    members = people(bob=Failure("tired"))
    with pytest.raises(Failure, match="b: tired"):
        await taken(Graph("team", members, steps))
    assert [member.calls for member in members[:2]] == [1, 1]


async def test_a_step_of_higher_priority_asks_with_it() -> None:
    steps = [Step("a", "ann", "x", priority=5), Step("b", "bob", "y")]
    members = people()
    await taken(Graph("team", members, steps))
    assert [member.messages[0].priority for member in members[:2]] == [5, 0]


async def test_a_step_that_waits_for_a_human_pauses_the_team_once_the_others_have_ended() -> None:
    class Asking(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            raise NeedsInput("Which one?", "q1")

    members = [StubMember("ann"), Asking("bob"), cid := StubMember("cid"), dee := StubMember("dee")]
    with pytest.raises(NeedsInput):
        await taken(Graph("team", members, DIAMOND))
    assert (cid.calls, dee.calls) == (1, 0)


async def test_a_cancel_ends_every_step_at_work() -> None:
    both, books = asyncio.Barrier(3), Books()

    class Stuck(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await both.wait()
            await asyncio.Event().wait()
            return await super().run(message, run)

    members = [StubMember("ann"), Stuck("bob"), Stuck("cid"), dee := StubMember("dee")]
    team = Graph("team", members, DIAMOND)
    working = asyncio.create_task(given(team, "Go.", state=RunState("r" * 32, sinks=[books])))
    await both.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert outcomes(books) == {"a": "answered", "b": "cancelled", "c": "cancelled"}
    assert dee.calls == 0


async def test_a_team_can_take_a_step() -> None:
    line = Pipeline("bob", [StubMember("x"), StubMember("y", "end of the line")])
    steps = [Step("a", "ann", "x"), Step("b", "bob", "y", ("a",))]
    answer, books = await taken(Graph("team", [StubMember("ann"), line], steps))
    assert answer.text == "end of the line"
    assert "team/b/y" in [one.path for one in books.of(Started)]


def test_how_often_members_are_asked_at_most_is_known_beforehand() -> None:
    team, _, _ = improving(most=4)
    assert [(part.member.name, part.times) for part in team.parts] == [
        ("writer", 4), ("rater", 4), ("sender", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "team has 0 steps; give 1 to 500"),
        ([Step(f"s{n}", "ann", "x") for n in range(501)], "team has 501 steps"),
        ([Step("a", "ann", "x"), Step("a", "bob", "y")], "several steps are called a; rename one"),
        ([Step("a", "eve", "x")], "step 'a' is for 'eve'; the members are ann, bob"),
        ([Step("a", "ann", "x", ("b",)), Step("b", "bob", "y", ("a",))], "wait for each other: "),
        ([Step("a", "ann", "x", ("z",))], "step 'a' needs z; there are: a"),
        ([Step("a", "ann", "x"), Step("b", "ann", "y", when="a.failed")], "put 'a' into its needs"),
        ([Step("a", "ann", "x", when="a.failed")], "looks at 'a', which need not have ended"),
        ([Step("a", "ann", "x"), Step("b", "ann", "y", ("a",), when="a.score > 1")], "a has no 'score'"),
        ([Step("a", "ann", "x", repeat=Repeat("z", "a.failed"))], "goes back to 'z', which is not before it"),
        ([Step("a", "ann", "x", repeat=Repeat("a", "a.failed", 1))], "a whole number from 2 to 20"),
        ([Step("a", "ann", "x", repeat=Repeat("a", "a.failed", 21))], "a whole number from 2 to 20"),
        (
            [
                Step("a", "ann", "x"),
                Step("b", "ann", "y", ("a",), repeat=Repeat("a", "b.failed")),
                Step("c", "bob", "z", ("a",)),
            ],
            "step 'c' needs a, which may be done again; let it need 'b' too",
        ),
    ],
)
def test_steps_that_cannot_be_carried_out_are_refused_at_once(steps: list[Step], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Graph("team", people(), steps)


@pytest.mark.parametrize("need", [0, 2, True])
def test_a_graph_cannot_need_more_answers_than_it_has_last_steps(need: int) -> None:
    with pytest.raises(UserError, match="need is "):
        Graph("team", people(), DIAMOND, need=need)
