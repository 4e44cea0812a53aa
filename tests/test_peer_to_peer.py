"""Members write to each other: who reads what, who waits for whom, and what happens when it goes wrong."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from dying import Lines, whole_and_died_anywhere
from support import Books, given

from guildhall.agents import Agent, Budget, Message, Run
from guildhall.agents.event import Decided, Said, Started
from guildhall.agents.kinds import Letter, Post
from guildhall.agents.patterns import Parallel, PeerToPeer
from guildhall.agents.patterns.peer_to_peer import PeerToPeerSpec
from guildhall.agents.specs import read_team
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, NeedsInput, TooFew, UserError


def post(answer: str, *letters: Letter) -> str:
    return Post(answer=answer, letters=letters).model_dump_json()


def to(name: str, text: str, **more: Any) -> Letter:
    usual: dict[str, Any] = {
        "type": "info",
        "topic": "",
        "priority": 0,
        "requires_response": False,
        "seconds": 0,
    }
    return Letter(to=name, text=text, **(usual | more))


def ask(name: str, text: str) -> Letter:
    return to(name, text, type="request", requires_response=True)


def agent(name: str, *said: str | Exception) -> Agent:
    return Agent(name, f"You are {name}.", [ScriptedModel(*said, name=name)], role=f"knows of {name}")


def told(member: Agent, number: int) -> str:
    """What the member was shown the time of that number, counted from 0."""
    model = member.models[0]
    assert isinstance(model, ScriptedModel)
    return model.requests[number].turns[1].prompt()


def state() -> tuple[RunState, Books]:
    books = Books()
    return RunState("r" * 32, sinks=[books]), books


def decisions(books: Books, choice: str) -> list[Decided]:
    return [event for event in books.of(Decided) if event.choice == choice]


async def test_a_question_is_answered_by_letter_and_the_last_answer_of_each_counts() -> None:
    ann = agent("ann", post("perhaps", ask("bob", "How much?")), post("It costs 5."))
    bob = agent("bob", post("I know prices."), post("I know prices.", to("ann", "5", type="response")))
    run, books = state()
    answer = await given(PeerToPeer("team", [ann, bob]), "What does it cost?", state=run)
    assert answer.text == "## ann\n\nIt costs 5.\n\n## bob\n\nI know prices."
    assert "knows of bob" in told(ann, 0)
    assert "m1: request from ann, who waits for your response" in told(bob, 1)
    assert "How much?" in told(bob, 1)
    last = told(ann, 1)
    assert "m2: response from bob, in response to m1" in last
    assert last.count("How much?") == last.count("perhaps") == 1
    letters = [(said.to, said.type, said.text) for said in books.of(Said)]
    assert letters == [("bob", "request", "ann: How much?"), ("ann", "response", "bob: 5")]
    assert decisions(books, "waits")[0].data == {"waits": {"ann": ("bob",)}}


async def test_all_begin_at_the_same_time_and_whoever_has_post_goes_on_beside_the_others() -> None:
    slow_may_end, begun = asyncio.Event(), asyncio.Barrier(3)

    class Slow(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await begun.wait()
            await slow_may_end.wait()
            return await super().run(message, run)

    class Writer(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            if not self.messages:
                await begun.wait()
            else:
                slow_may_end.set()
            return await super().run(message, run)

    ann, bob = Writer("ann", post("a", to("bob", "look"))), Writer("bob", post("b"))
    answer = await given(PeerToPeer("team", [ann, bob, Slow("cid", "c")]), "Go.")
    assert (ann.calls, bob.calls) == (1, 2)
    assert "## cid\n\nc" in answer.text


async def test_who_cannot_write_letters_has_answered_those_who_wait_for_it() -> None:
    ann = agent("ann", post("perhaps", ask("panel", "Is it so?")), post("It is so."))
    panel = Parallel("panel", [StubMember("x", "yes"), StubMember("y", "yes, too")])
    answer = await given(PeerToPeer("team", [ann, panel]), "Well?")
    assert "It is so." in answer.text
    assert "yes, too" in told(ann, 1)


async def test_a_letter_past_its_deadline_is_reported_and_not_delivered() -> None:
    ann = agent("ann", post("a", to("bob", "too late", seconds=1e-9), to("bob", "still good", seconds=3600)))
    bob = agent("bob", post("b"), post("b2"))
    run, books = state()
    await given(PeerToPeer("team", [ann, bob]), "Well?", state=run)
    assert "still good" in told(bob, 1)
    assert "too late" not in told(bob, 1)
    late = decisions(books, "not delivered")
    assert [event.reason for event in late] == [
        "m1 from ann to bob: its deadline was over when it would have been read"
    ]
    assert any("m1 from ann to bob" in notice for notice in run.notices)


async def test_letters_of_a_higher_priority_are_read_first() -> None:
    ann = agent("ann", post("a", to("bob", "by the way"), to("bob", "fire", priority=9)))
    bob = agent("bob", post("b"), post("b2"))
    await given(PeerToPeer("team", [ann, bob]), "Well?")
    assert told(bob, 1).index("fire") < told(bob, 1).index("by the way")


async def test_a_letter_to_all_reaches_those_who_want_it() -> None:
    ann = agent("ann", post("a", to("all", "it rose", topic="prices", type="broadcast")))
    bob, cid = agent("bob", post("b")), agent("cid", post("c"), post("c2"))
    await given(PeerToPeer("team", [ann, bob, cid], subscriptions={"bob": ["law"]}), "Well?")
    assert "it rose" in told(cid, 1)


async def test_members_who_wait_for_each_other_are_noticed_and_go_on_with_what_there_is() -> None:
    ann = agent("ann", post("a", ask("bob", "First you.")), post("a alone"))
    bob = agent("bob", post("b", ask("cid", "First you.")), post("b alone"))
    cid = agent("cid", post("c", ask("ann", "First you.")), post("c alone"))
    run, books = state()
    answer = await given(PeerToPeer("team", [ann, bob, cid]), "Well?", state=run)
    assert answer.text == "## ann\n\na alone\n\n## bob\n\nb alone\n\n## cid\n\nc alone"
    (deadlock,) = decisions(books, "deadlock")
    assert set(deadlock.data["circle"]) == {"ann", "bob", "cid"}
    assert "You waited for bob, from whom no response will come" in told(ann, 1)
    assert "m3: request from cid, who waits" in told(ann, 1)
    assert [notice for notice in run.notices if "waited for each other" in notice]


async def test_who_is_never_answered_goes_on_with_the_others_last_answers() -> None:
    ann = agent("ann", post("a", ask("bob", "Why?")), post("a2"))
    bob = agent("bob", post("b"), post("because"))
    run, books = state()
    await given(PeerToPeer("team", [ann, bob]), "Well?", state=run)
    assert "because" in told(ann, 1)
    assert "no response will come" in told(ann, 1)
    assert [event.reason.partition(",")[0] for event in decisions(books, "goes on")] == ["ann waits for bob"]


async def test_turns_are_bounded_and_what_was_not_read_is_said() -> None:
    class Chatty(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            self.answer = post(f"turn {self.calls}", to("bob" if self.name == "ann" else "ann", "and you?"))
            return await super().run(message, run)

    run, _ = state()
    team = PeerToPeer("team", [Chatty("ann"), Chatty("bob")], turns=7)
    await given(team, "Well?", state=run)
    assert sum(member.calls for member in team.members if isinstance(member, Chatty)) == 7
    assert [(part.times, part.among) for part in team.parts] == [(6, 7), (6, 7)]
    assert [notice for notice in run.notices if notice.startswith("the 7 turns were used; not read: m")]


@pytest.mark.parametrize("broken", [0, 1, 2])
async def test_whoever_fails_the_others_answer_and_do_not_wait_for_it(broken: int) -> None:
    names = ("ann", "bob", "cid")
    other = names[(broken + 1) % 3]

    def member(name: str) -> Any:
        if name == names[broken]:
            return StubMember(name, Failure("tired"))
        return agent(name, post("waiting", ask(names[broken], "Well?")), post("done"), post("done"))

    members = [member(name) for name in names]
    run, books = state()
    chair = StubMember("chair", "in sum")
    answer = await given(PeerToPeer("team", members, chair), "Well?", state=run)
    assert answer.text == "in sum"
    assert "2 of 3 members answered" in run.notices[-1]
    quotes = {quote.label: quote for quote in chair.messages[0].quotes}
    assert quotes[other].text == "done"
    assert quotes[names[broken]].failed
    assert not decisions(books, "deadlock") + decisions(books, "goes on")


async def test_an_answer_stands_though_its_member_fails_later() -> None:
    ann = agent("ann", post("a", to("bob", "look")))
    bob = agent("bob", post("b"), Failure("tired"))
    run, _ = state()
    answer = await given(PeerToPeer("team", [ann, bob], need=2), "Well?", state=run)
    assert "## bob\n\nb" in answer.text
    assert run.notices == ["bob has failed after an answer, which stands: tired"]


async def test_too_few_answers_fail_the_team() -> None:
    team = PeerToPeer("team", [agent("ann", post("a")), StubMember("bob", Failure("tired"))], need=2)
    with pytest.raises(TooFew, match="bob: tired"):
        await given(team, "Well?")


async def test_a_letter_to_nobody_goes_back_to_the_model() -> None:
    wrong = post("a").replace('"letters":[]', f'"letters":[{to("zoe", "hi").model_dump_json()}]')
    ann = agent("ann", wrong, post("right"))
    answer = await given(PeerToPeer("team", [ann, agent("bob", post("b"))]), "Well?")
    assert "right" in answer.text
    model = ann.models[0]
    assert isinstance(model, ScriptedModel)
    assert "there is no 'zoe'; there are: bob, all" in model.requests[1].turns[-1].text


async def test_nothing_is_begun_while_a_member_waits_for_a_human() -> None:
    ann, bob = StubMember("ann", post("a", to("bob", "look"))), StubMember("bob", NeedsInput("Which?", "q1"))
    with pytest.raises(NeedsInput):
        await given(PeerToPeer("team", [ann, bob]), "Well?")
    assert (ann.calls, bob.calls) == (1, 1)


async def test_the_budget_ends_in_the_middle_and_paid_answers_stay() -> None:
    ann = agent("ann", post("a", to("bob", "look")))
    bob = agent("bob", post("b"), post("never"))
    books = Books()
    run = RunState("r" * 32, sinks=[books])
    run.meter.budget = Budget(calls=2)
    answer = await given(PeerToPeer("team", [ann, bob]), "Well?", state=run)
    assert answer.text == "## ann\n\na\n\n## bob\n\nb"
    assert books.balanced
    assert "no room for another call" in run.notices[0]


async def test_cancelling_it_cancels_all_who_are_at_work() -> None:
    begun = asyncio.Barrier(3)
    ended: list[str] = []

    class Endless(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            try:
                await begun.wait()
                return await asyncio.Event().wait()  # type: ignore[return-value]  # it never ends
            finally:
                ended.append(self.name)

    work = asyncio.create_task(given(PeerToPeer("team", [Endless("ann"), Endless("bob")]), "Go."))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert sorted(ended) == ["ann", "bob"]


async def test_a_run_that_died_anywhere_takes_the_same_way_and_pays_nothing_twice(tmp_path: Path) -> None:
    late = to("bob", "too late", seconds=1e-9)
    lines = Lines(
        {
            "ann": [post("a", ask("bob", "How much?"), late), post("It costs 5.")],
            "bob": [post("b"), post("b2", to("ann", "5", type="response"), to("cid", "look"))],
            "cid": [post("c", to("ann", "hello", seconds=60)), post("c2")],
        }
    )

    def team(lines: Lines) -> PeerToPeer:
        names = ("ann", "bob", "cid")
        return PeerToPeer("team", [Agent(name, f"You are {name}.", [lines.model(name)]) for name in names])

    whole = await whole_and_died_anywhere(team, lines, tmp_path)
    assert whole.answer.startswith("## ann\n\nIt costs 5.\n\n## bob\n\nb2")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ann, bob: PeerToPeer("team", [ann]), "1 member and needs 2 or more"),
        (lambda ann, bob: PeerToPeer("team", [ann, ann]), "several members called ann"),
        (lambda ann, bob: PeerToPeer("team", [ann, StubMember("all")]), "means everybody"),
        (lambda ann, bob: PeerToPeer("team", [ann, bob], turns=1), "turns is 1; give a whole number from 2"),
        (lambda ann, bob: PeerToPeer("team", [ann, bob], need=3), "need is 3"),
        (lambda ann, bob: PeerToPeer("team", [ann, bob], subscriptions={"zoe": ["x"]}), "'zoe' subscribes"),
        (lambda ann, bob: PeerToPeer("team", [ann, bob], subscriptions={"ann": "x"}), "give a list"),
        (lambda ann, bob: PeerToPeer("team", [ann, bob], subscriptions={"ann": ["ann"]}), "its own letters"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_once(make: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(StubMember("ann"), StubMember("bob"))


FILE = "---\nname: t\ndescription: d\npattern: peer_to_peer\nmembers: [ann, bob]\n{}\n---\nBe brief.\n"


def test_a_team_file_can_say_all_of_it() -> None:
    spec = read_team(FILE.format("turns: 9\nneed: 2\nsubscriptions:\n  bob: [prices, error]").encode())
    assert isinstance(spec, PeerToPeerSpec)
    assert (spec.turns, spec.need, spec.subscriptions) == (9, 2, {"bob": ("prices", "error")})


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("need: 3", "3 answers of 2 members"),
        ("turns: 1", "turns"),
        ("subscriptions:\n  zoe: [x]", "'zoe' subscribes and is no member"),
        ("subscriptions:\n  ann: [ann]", "its own letters"),
    ],
)
def test_a_team_file_that_cannot_work_is_refused(lines: str, words: str) -> None:
    with pytest.raises(FileError, match=words):
        read_team(FILE.format(lines).encode())


async def test_all_start_in_an_order_free_of_timing() -> None:
    run, books = state()
    team = PeerToPeer("team", [StubMember(name, post(name)) for name in ("cid", "ann", "bob")])
    await given(team, "Go.", state=run)
    assert [event.path for event in books.of(Started)] == ["team", "team/cid", "team/ann", "team/bob"]
