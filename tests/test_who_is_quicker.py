"""Where members work side by side, what each may be shown does not depend on who is quicker."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from support import Books, given

from guildhall.agents import Agent, Member, Message, ModelReply, ModelRequest, Run
from guildhall.agents.event import Decided, Started
from guildhall.agents.kinds import Finding, Findings, Letter, Post
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import PeerToPeer, Swarm
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember


@dataclass
class Order:
    """Who is to go first: the others' answers wait until that one has given its last."""

    first: str
    last: int
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def turn(self, name: str, number: int) -> None:
        if name != self.first:
            await self.done.wait()
            for _ in range(50):  # until the team has taken what the first one said
                await asyncio.sleep(0)
        elif number == self.last:
            self.done.set()


@dataclass
class Public:
    """A model that is not marked private."""

    name: str
    order: Order
    said: Sequence[str]
    requests: list[ModelRequest] = field(default_factory=list)
    price: tuple[float, float] | None = None

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.requests.append(request)
        number = len(self.requests)
        await self.order.turn(self.name, number)
        return ModelReply(text=self.said[number - 1], model=self.name)

    @property
    def shown(self) -> list[list[str]]:
        """What others said, of each time it was asked."""
        return [
            [quote.text for quote in request.turns[-1].quotes if quote.kind != "specialist"]
            for request in self.requests
        ]


class Secret(StubMember):
    """A member that works on private data of its own."""

    private = True

    def __init__(self, order: Order, *said: str) -> None:
        super().__init__("secret")
        self.order, self.said = order, [*said]

    async def run(self, message: Message, run: Run) -> Message:
        run.private = True
        self.answer = self.said.pop(0)
        await self.order.turn(self.name, self.calls + 1)
        return await super().run(message, run)


def found(*texts: str, done: bool = True) -> str:
    findings = tuple(Finding(about="", text=text, sources=()) for text in texts)
    return Findings(findings=findings, done=done).model_dump_json()


def post(answer: str, *letters: Letter) -> str:
    return Post(answer=answer, letters=letters).model_dump_json()


def to(name: str, text: str, *, requires_response: bool = False) -> Letter:
    more: dict[str, Any] = {"requires_response": requires_response, "seconds": 0}
    return Letter(to=name, type="info", topic="", text=text, priority=0, **more)


async def swarm(first: str) -> tuple[Public, RunState, Message]:
    """Of a public and a private explorer, of whom one has ended before the other has said anything."""
    order = Order(first, 1 if first == "secret" else 2)
    open_ = Public("open", order, [found("Open one", done=False), found("Open two")])
    secret = Secret(order, found("Secret"), found())
    run = RunState("r" * 32)
    team = Swarm("team", [Agent("open", "Look.", [open_]), secret])
    return open_, run, await given(team, "Well?", state=run)


@pytest.mark.parametrize("first", ["secret", "open"])
async def test_explorers_who_may_not_see_what_is_private_go_on_without_it(first: str) -> None:
    model, run, answer = await swarm(first)
    assert model.shown == [[], ["Open one"]]
    assert {*answer.text.splitlines()} == {"- Open one (open)", "- Open two (open)", "- Secret (secret)"}
    assert answer.private
    assert [notice for notice in run.notices if "failed" in notice] == []


async def test_it_is_said_what_an_explorer_was_not_shown() -> None:
    _, run, _ = await swarm("secret")
    assert run.notices == [
        "finding 1 of secret is private and was not shown to models that are not marked private"
    ]


@pytest.mark.parametrize("first", ["secret", "open"])
async def test_what_is_found_without_private_data_is_shown_though_it_was_found_with_it_too(
    first: str,
) -> None:
    order = Order(first, 1)
    open_ = Public("open", order, [found("It leaks")])
    other = Public("other", Order("other", 1), [found("Rust"), found()])
    team = Swarm("team", [
        Agent("open", "Look.", [open_]), Secret(order, found("It leaks"), found()),
        Agent("other", "Look.", [other]),
    ], turns=6)  # fmt: skip
    open_.said = [*open_.said, found()]
    await given(team, "Well?")
    assert sorted(other.shown[-1]) == ["It leaks", "Rust"]


@pytest.mark.parametrize("first", ["secret", "ann"])
@pytest.mark.parametrize("letters", [[], [to("bob", "the secret")], [to("all", "the secret")]])
async def test_letters_between_peers_are_as_private_as_their_writer(
    first: str, letters: list[Letter]
) -> None:
    order = Order(first, 1)
    ann = Public("ann", order, [post("a", to("bob", "look")), post("a2")])
    bob = Public("bob", Order("bob", 1), [post("b"), post("b2")])
    run = RunState("r" * 32, sinks=[books := Books()])
    members: list[Member] = [Agent(model.name, "Work.", [model]) for model in (ann, bob)]
    answer = await given(PeerToPeer("team", [*members, Secret(order, post("s", *letters))]), "?", state=run)
    assert bob.shown == [[], ["b", "look"]]
    assert ann.shown == [[]]
    assert answer.text == "## ann\n\na\n\n## bob\n\nb2\n\n## secret\n\ns"
    paths = sorted(event.path for event in books.of(Started))
    assert paths == ["team", "team/ann", "team/bob", "team/bob.2", "team/secret"]
    lost = [event.reason for event in books.of(Decided) if event.choice == "not delivered"]
    assert len(lost) == len(letters)
    assert all("may not be shown to" in reason for reason in lost)


async def test_who_asks_somebody_that_may_not_see_it_is_told_and_does_not_wait() -> None:
    order = Order("secret", 1)
    ann = Public("ann", order, [post("a")])
    secret = Secret(order, post("s", to("ann", "Is 5 right?", requires_response=True)), post("alone"))
    answer = await given(PeerToPeer("team", [Agent("ann", "Work.", [ann]), secret]), "Well?")
    assert answer.text == "## ann\n\na\n\n## secret\n\nalone"
    assert secret.messages[1].quotes[-1].text == "m1 is private; ann may not see it"


async def test_who_waited_in_vain_is_not_shown_a_private_last_answer() -> None:
    order = Order("ann", 1)
    ann = Public(
        "ann", order, [post("a", to("secret", "What is it?", requires_response=True)), post("alone")]
    )
    secret = Secret(order, post("s"), post("the secret"))
    run = RunState("r" * 32)
    answer = await given(PeerToPeer("team", [Agent("ann", "Work.", [ann]), secret]), "Well?", state=run)
    assert answer.text == "## ann\n\nalone\n\n## secret\n\nthe secret"
    assert ann.shown[1] == ["a", "What is it?"]
    assert any("the last answer of secret is private" in notice for notice in run.notices)
