"""What members write to each other, where they write too much, too little, too late or to nobody."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from support import Books, given

from guildhall.agents import Agent, Hall, Message, Run
from guildhall.agents.event import Decided, Said, Started
from guildhall.agents.kinds import Letter, Post
from guildhall.agents.patterns import PeerToPeer
from guildhall.agents.patterns.letters import MOST_LETTERS
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import TooFew


class Writer(StubMember):
    """A member of the user's own, that gives its posts as data."""

    private = True

    def __init__(self, name: str, *posts: Post, secret: bool = False) -> None:
        super().__init__(name)
        self.posts, self.secret = [*posts], secret

    async def run(self, message: Message, run: Run) -> Message:
        self.messages.append(message)
        run.private = run.private or self.secret
        said = self.posts.pop(0)
        return run.answer(message, said.said(), data=said)

    def shown(self, number: int) -> list[str]:
        return [quote.text for quote in self.messages[number].quotes if quote.kind != "specialist"]


def post(answer: str, *letters: Letter) -> Post:
    return Post(answer=answer, letters=letters)


def to(name: str, text: str, **more: Any) -> Letter:
    usual: dict[str, Any] = {"type": "info", "topic": "", "priority": 0}
    usual |= {"requires_response": False, "seconds": 0}
    return Letter(to=name, text=text, **(usual | more))


def state() -> tuple[RunState, Books]:
    books = Books()
    return RunState("r" * 32, sinks=[books]), books


@dataclass
class Clock:
    now: float

    def time(self) -> float:
        return self.now


async def test_a_letter_past_its_deadline_is_not_delivered_by_a_resumed_run_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, cut = Clock(1000), asyncio.Event()
    monkeypatch.setattr("guildhall.agents.patterns.peer_to_peer.time", clock)
    offer, news = to("bob", "the offer holds for a minute", seconds=60), to("bob", "news", seconds=3600)

    class Slow(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            if not cut.is_set():
                cut.set()
                await asyncio.Event().wait()
            return await super().run(message, run)

    def team(bob: Slow) -> PeerToPeer:
        model = ScriptedModel(post("a", offer, news).model_dump_json())
        return PeerToPeer("team", [Agent("ann", "Work.", [model]), bob])

    posted = asyncio.Event()

    def sink(event: object) -> None:
        if isinstance(event, Said):
            posted.set()

    books, bob = Books(), Slow("bob")
    async with Hall.open() as hall:
        work = asyncio.create_task(
            hall.run_team(team(bob), "Well?", cache="off", run_id="a" * 32, sinks=[sink])
        )
        await asyncio.wait_for(posted.wait(), 60)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        clock.now = 1100
        result = await hall.resume("a" * 32, team=team(bob), sinks=[books])
    texts = [quote.text for message in bob.messages for quote in message.quotes]
    assert news.text in texts
    assert offer.text not in texts
    (late,) = [event for event in books.of(Decided) if event.choice == "not delivered"]
    assert late.data["deadline"] == 1060
    assert any("its deadline was over" in notice for notice in result.notices)


async def test_an_empty_answer_beside_a_letter_does_not_wipe_out_the_full_one() -> None:
    ann = Writer("ann", post("42, because"), post(" ", to("bob", "ok")))
    bob = Writer("bob", post("b", to("ann", "Did you see this?")), post("b2"))
    answer = await given(PeerToPeer("team", [ann, bob]), "Well?")
    assert answer.text == "## ann\n\n42, because\n\n## bob\n\nb2"
    assert bob.shown(1)[-1] == "ok"


async def test_who_asks_before_it_answers_has_not_failed() -> None:
    ann = Writer("ann", post("", to("bob", "How much?", requires_response=True)), post("It costs 5."))
    bob = Writer("bob", post("b"), post("b", to("ann", "5", type="response")))
    run, _ = state()
    answer = await given(PeerToPeer("team", [ann, bob], need=2), "Well?", state=run)
    assert answer.text == "## ann\n\nIt costs 5.\n\n## bob\n\nb"
    assert ann.shown(1) == ["How much?", "5"]
    assert run.notices == []


async def test_who_never_gives_an_answer_has_none() -> None:
    members = [Writer("ann", post("")), Writer("bob", post("b"))]
    run, _ = state()
    assert (await given(PeerToPeer("team", members), "Well?", state=run)).text == "## bob\n\nb"
    assert run.notices == ["1 of 2 members answered; no answer from ann"]
    members = [Writer("ann", post("")), Writer("bob", post("b"))]
    with pytest.raises(TooFew, match="ann: it has given no answer"):
        await given(PeerToPeer("team", members, need=2), "Well?")


async def test_a_letter_to_nobody_costs_that_letter_and_nothing_else() -> None:
    ann = Writer("ann", post("a", to("zoe", "hello"), to("bob", "look")))
    bob = Writer("bob", post("b"), post("b2"))
    run, _ = state()
    answer = await given(PeerToPeer("team", [ann, bob]), "Well?", state=run)
    assert answer.text == "## ann\n\na\n\n## bob\n\nb2"
    assert bob.shown(1) == ["b", "look"]
    assert run.notices == ["ann wrote to zoe, who can get no letter of it"]


async def test_so_many_letters_are_delivered_at_once_and_no_more() -> None:
    letters = [to("all", f"number {n}") for n in range(MOST_LETTERS + 5)]
    bob = Writer("bob", post("b"), post("b2"))
    run, books = state()
    await given(PeerToPeer("team", [Writer("ann", post("a", *letters)), bob]), "Well?", state=run)
    assert bob.shown(1) == ["b", *(letter.text for letter in letters[:MOST_LETTERS])]
    assert len(books.of(Said)) == MOST_LETTERS
    assert run.notices == ["ann wrote 25 letters at once; the last 5 were not delivered"]


async def test_a_letter_about_an_error_is_no_failure_of_its_writer() -> None:
    ann = Writer("ann", post("a", to("all", "The build is broken.", type="error")), secret=True)
    bob, cid = Writer("bob", post("b"), post("b2")), Writer("cid", post("c"))
    wishes = {"bob": ["error"], "cid": ["info"]}
    run, books = state()
    await given(PeerToPeer("team", [ann, bob, cid], subscriptions=wishes), "Well?", state=run)
    letter = bob.messages[1].quotes[-1]
    assert (letter.text, letter.failed, letter.private) == ("The build is broken.", False, True)
    assert "- m1: error from ann" in bob.messages[1].brief
    assert [event.path for event in books.of(Started)].count("team/cid") == cid.calls == 1
