"""What members of a user's own may answer, and what patterns make of it; who is quicker decides nothing."""

import asyncio
from dataclasses import dataclass, field

import pytest
from support import Books, given

from guildhall.agents import Agent, Auto, Graph, Message, Parallel, Pipeline, Repeat, Run, Step
from guildhall.agents.event import Decided, Finished
from guildhall.agents.kinds import Route, Score, Speaker, Wanted
from guildhall.agents.pattern_specs import PATTERNS
from guildhall.agents.patterns import GroupChat
from guildhall.agents.specs import read_team
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure


@dataclass
class Own:
    """A member that answers with a message of its own making."""

    name: str
    answer: Message
    messages: list[Message] = field(default_factory=list)

    async def run(self, message: Message, run: Run) -> Message:
        self.messages.append(message)
        return self.answer


def plain(name: str, text: str = "said") -> Own:
    return Own(name, Message(sender="somebody", text=text))


async def test_a_message_that_says_it_is_an_error_is_a_failure_wherever_it_comes_from() -> None:
    broken, last = Own("far", Message(sender="far", type="error", text="it exploded")), StubMember("last")
    with pytest.raises(Failure, match="it exploded"):
        await given(Pipeline("line", [broken, last]), "Well?")
    assert last.calls == 0
    with pytest.raises(Failure, match="it exploded"):
        await given(broken, "Well?")
    state = RunState("r" * 32)
    await given(Parallel("team", [broken, StubMember("ann", "yes")]), "Well?", state=state)
    assert state.notices == ["1 of 2 members answered; no answer from far"]


async def test_a_plain_message_is_an_answer_to_every_pattern() -> None:
    ann, bob = plain("ann", "a"), plain("bob", "b")
    steps = [Step("first", "ann", "x"), Step("then", "bob", "y", ("first",), when="first.answered")]
    answer = await given(Graph("team", [ann, bob], steps), "Well?")
    assert (answer.text, answer.sender, answer.type) == ("b", "team", "response")
    assert [(quote.label, quote.text) for quote in bob.messages[0].quotes] == [("first", "a")]


async def test_a_step_can_stand_in_for_one_that_has_failed() -> None:
    def team(first: str | Exception) -> Graph:
        steps = [
            Step("first", "ann", "Try it."),
            Step("instead", "bob", "Do it by hand.", ("first",), when="first.failed"),
            Step(
                "last",
                "cid",
                "Hand it over.",
                ("first", "instead"),
                when="first.answered or instead.answered",
            ),
        ]
        return Graph("team", [StubMember("ann", first), StubMember("bob", "by hand"), cid], steps)

    cid = StubMember("cid", "done")
    assert (await given(team(Failure("no tool")), "Well?")).text == "done"
    assert [(quote.label, quote.failed) for quote in cid.messages[0].quotes] == [
        ("first", True), ("instead", False),
    ]  # fmt: skip
    assert (await given(team("by tool"), "Well?")).text == "done"
    assert [quote.label for quote in cid.messages[1].quotes] == ["first"]


async def test_nothing_holds_of_an_answer_that_is_not_there_not_even_that_it_differs() -> None:
    steps = [
        Step("first", "ann", "x"),
        Step("left", "ann", "y", ("first",), when="first.text == 'never'"),
        Step("other", "bob", "z", ("first", "left"), when="left.text != 'bug'"),
        Step("last", "ann", "w", ("first",)),
    ]
    bob = StubMember("bob")
    await given(Graph("team", [StubMember("ann", "a"), bob], steps), "Well?")
    assert bob.calls == 0


async def test_an_inner_way_back_begins_anew_with_each_outer_round() -> None:
    ann = StubMember("ann", "a")
    steps = [
        Step("a", "ann", "x"),
        Step("b", "ann", "y", ("a",), repeat=Repeat("a", "b.answered", most=2)),
        Step("c", "ann", "z", ("b",), repeat=Repeat("a", "c.answered", most=3)),
    ]
    await given(Graph("team", [ann], steps), "Well?")
    assert ann.calls == 3 * (2 * 2 + 1)


async def test_a_graph_with_one_last_step_can_be_asked_for_a_typed_answer() -> None:
    model = ScriptedModel("facts", '{"worker": "ann", "confidence": 1, "reason": "law"}')
    agents = [Agent("one", "x", [model]), Agent("two", "y", [model])]
    team = Graph("team", agents, [Step("facts", "one", "x"), Step("route", "two", "y", ("facts",))])
    answer = await Run(RunState("r" * 32)).give(team, Message(text="Who?"), wanted=Wanted(Route, ["ann"]))
    assert isinstance(answer.data, Route)


async def test_a_step_with_choices_keeps_what_the_team_around_it_wants() -> None:
    model = ScriptedModel('{"choice": "yes", "reason": "so"}')
    team = Graph("team", [Agent("ann", "x", [model])], [Step("s", "ann", "Say.", choices=("yes", "no"))])
    await Run(RunState("r" * 32)).give(team, Message(text="Well?", brief="In one word."))
    brief = model.requests[0].turns[1].brief
    assert brief.startswith("In one word.")
    assert "yes, no" in brief


async def test_a_name_that_nobody_has_fails_the_answer_and_not_the_team() -> None:
    data = Speaker(speaker="nobody-there", reason="so")
    chair = Own("chair", Message(sender="chair", text="nobody-there", data=data))
    state = RunState("r" * 32)
    chat = GroupChat("chat", [StubMember("ann", "a"), StubMember("bob", "b")], chair, rounds=2)
    assert (await given(chat, "Well?", state=state)).type == "response"
    assert any("chair could not say who is next" in notice for notice in state.notices)


@pytest.mark.parametrize("first", ["private", "public"])
async def test_what_a_step_may_be_shown_does_not_depend_on_who_is_quicker(first: str) -> None:
    """A private answer taints the steps that see it, and no others, however early it comes."""
    ended = {name: asyncio.Event() for name in ("private", "public")}

    @dataclass
    class Secret:
        name: str = "keeper"

        async def run(self, message: Message, run: Run) -> Message:
            if first == "public":
                await ended["public"].wait()
            return run.answer(message, "the secret").model_copy(update={"private": True})

    @dataclass
    class Open:
        name: str = "opener"

        async def run(self, message: Message, run: Run) -> Message:
            if first == "private":
                await ended["private"].wait()
            return run.answer(message, "what all may know")

    def note(event: object) -> None:
        if isinstance(event, Finished):
            for name, who in (("private", "team/p"), ("public", "team/q")):
                if event.path == who:
                    ended[name].set()

    model = ScriptedModel("shown", name="public")
    model.private = False  # as a model of a provider is
    last = Agent("last", "x", [model])
    steps = [Step("p", "keeper", "x"), Step("q", "opener", "y"), Step("r", "last", "z", ("q",))]
    state = RunState("r" * 32, sinks=[note])
    answer = await given(Graph("team", [Secret(), Open(), last], steps), "Well?", state=state)
    assert "shown" in answer.text
    assert answer.private
    assert "the secret" not in model.requests[0].model_dump_json()


async def test_one_alone_works_where_a_task_is_simple_also_if_nobody_seems_right() -> None:
    books = Books()
    people = [StubMember("ann", "4"), StubMember("bob", "5")]
    answer = await given(Auto("team", people, {}), "2 + 2?", state=RunState("r" * 32, sinks=[books]))
    assert answer.text == "4"
    assert [people[0].calls, people[1].calls] == [1, 0]
    assert [one.choice for one in books.of(Decided) if one.what == "pattern"] == ["one"]


def test_another_pattern_takes_over_what_fits_of_pinned_models_and_of_the_watchdog() -> None:
    head = "---\nname: t\ndescription: d\nmembers: [ann, bob, cid]\n"
    joined = read_team(f"{head}synthesizer: eve\nmodels: {{eve: fast, ann: strong}}\n---\n".encode())
    planned = read_team(f"{head}pattern: hierarchy\nwatchdog: {{then: replan}}\n---\n".encode())
    for name, kind in PATTERNS.items():
        if name != "graph":
            assert kind.of(joined).models.get("ann") == "strong"
            watchdog = kind.of(planned).watchdog
            assert watchdog is not None
            assert watchdog.then == ("replan" if "manager" in kind.ROLES else "retry")


def test_scores_are_read_whatever_they_are_fenced_in() -> None:
    assert Wanted(Score).parsed('```json\n{"score": 0.5, "reason": ""}\n```') == Score(score=0.5, reason="")


async def test_in_a_team_within_a_team_a_label_means_one_of_its_own() -> None:
    inner = StubMember("judge", "inner")
    team = Parallel("inner", [StubMember("ann", "inner says"), StubMember("bob", "b")], inner)
    await given(Pipeline("outer", [StubMember("ann", "outer said"), team]), "Well?")
    quotes = [(quote.label, quote.text) for quote in inner.messages[0].quotes]
    assert quotes == [("earlier ann", "outer said"), ("ann", "inner says"), ("bob", "b")]
