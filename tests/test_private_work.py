"""What counts as private in a team depends on what was seen, and on nothing else: not on who is quicker,
not on which attempt it is, and not on how a member gives its answer."""

import asyncio
from dataclasses import dataclass, field

import pytest
from managing import managed, plan, step
from support import given
from virtual_time import virtual_time
from watching import SOON, watched

from guildhall.agents import Agent, Hierarchy, Member, Message, ModelReply, ModelRequest, Quote, Run
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import Watchdog
from guildhall.agents.state import RunState
from guildhall.errors import Failure

CODE = Quote(label="safe", kind="document", text="The code is 4711.", private=True)
LAW = Quote(label="law", kind="document", text="Codes expire.")


@dataclass
class Public:
    """A model that is not marked private, and answers when it is let go on."""

    name: str = "public"
    price: tuple[float, float] | None = None
    requests: list[ModelRequest] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        self.requests.append(request)
        await self.let_go.wait()
        return ModelReply(text=f"answer {len(self.requests)}", model=self.name)


@dataclass
class Secret:
    """Works on private data of its own; says so to nobody but its span."""

    name: str = "secret"
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    private = True

    async def run(self, message: Message, run: Run) -> Message:
        await self.let_go.wait()
        run.show([CODE])
        return Message(text="It is 4711.")


def two() -> tuple[Public, Secret]:
    """Both of whom answer at once."""
    model, secret = Public(), Secret()
    model.let_go.set()
    secret.let_go.set()
    return model, secret


async def test_an_answer_is_private_where_its_member_saw_private_data_though_it_does_not_say_so() -> None:
    _, secret = two()
    assert (await given(secret, "Which code?")).private


async def test_what_was_given_before_is_passed_on_to_others_after_private_data_was_seen() -> None:
    model, secret = two()

    class Line:
        name = "line"

        async def run(self, message: Message, run: Run) -> Message:
            await run.give(secret, message)
            return await run.give(Agent("open", "Read.", [model]), message)

    answer = await Run(RunState("r" * 32)).give(Line(), Message(text="How old?", quotes=(LAW,)))
    assert answer.text == "answer 1"
    assert [quote.text for quote in model.requests[0].turns[-1].quotes] == [LAW.text]


async def test_what_a_team_knows_from_its_first_attempt_is_private_in_the_second() -> None:
    model, secret = two()
    told: list[str] = []

    class Line:
        name = "line"

        async def run(self, message: Message, run: Run) -> Message:
            if not told:
                told.append((await run.give(secret, message)).text)
                await asyncio.Event().wait()
            return await run.give(Agent("open", "Read.", [model]), Message(text=f"Check: {told[0]}"))

    team = watched(Line(), Watchdog(idle_seconds=SOON, then="retry"))
    with virtual_time(), pytest.raises(Failure, match="public is not marked private"):
        await given(team, "Which code?")
    assert told == ["It is 4711."]
    assert model.requests == []


@pytest.mark.parametrize("stall_seconds", [None, 60.0])
@pytest.mark.parametrize("first", ["open", "secret"])
async def test_steps_that_need_no_private_step_are_done_whoever_is_quicker(
    first: str, stall_seconds: float | None
) -> None:
    model, secret = Public(), Secret()
    quick, slow = (model, secret) if first == "open" else (secret, model)
    boss, managing = managed(
        plan(step("code", "secret"), step("law", "open"), step("more", "open", "law", acceptance="ok"))
    )
    managing.private = True  # type: ignore[attr-defined]  # of a model
    workers: list[Member] = [Agent("open", "Read.", [model]), secret]
    team = Hierarchy("team", workers, boss, replan=0, stall_seconds=stall_seconds)
    work = asyncio.create_task(given(team, "Which code?"))
    quick.let_go.set()
    for _ in range(200):  # until the quick one has done all that it can
        await asyncio.sleep(0)
    slow.let_go.set()
    answer = await work
    assert answer.text == "made of It is 4711., answer 1, answer 2"
    assert answer.private
    assert len(model.requests) == 2
    assert not any(turn.private for request in model.requests for turn in request.turns)


async def test_what_a_private_answer_is_checked_by_is_private_as_well() -> None:
    _, secret = two()
    boss, managing = managed(plan(step("code", "secret", acceptance="It names 4711.")))
    managing.private = True  # type: ignore[attr-defined]  # of a model
    await given(Hierarchy("team", [secret], boss), "Which code?")
    [review] = managing.reviewed
    shown = {quote.text: quote.private for quote in review.turns[-1].quotes}
    assert shown == {"Which code?": False, "It names 4711.": True, "It is 4711.": True}
