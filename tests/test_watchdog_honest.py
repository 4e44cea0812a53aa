"""Work that leads on is left alone by a watchdog, though it looks alike from outside."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from support import given
from virtual_time import virtual_time
from watching import SOON, watched

from guildhall.agents import (
    Agent,
    GroupChat,
    Loop,
    Message,
    ModelReply,
    ModelRequest,
    Parallel,
    Run,
    ToolCall,
    Usage,
    tool,
)
from guildhall.agents.kinds import Score
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import Supervised, Watchdog
from guildhall.agents.rules import Rules
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import Failure


@dataclass
class Own:
    """A member of somebody's own: it says what it is made to say, and names no sources."""

    name: str
    says: Callable[[int], str]
    calls: int = 0

    async def run(self, message: Message, run: Run) -> Message:
        self.calls += 1
        await asyncio.sleep(0)
        return run.answer(message, self.says(self.calls)).model_copy(update={"sources": ()})


def calls(name: str, *arguments: dict[str, object]) -> list[ModelReply]:
    """Replies that call the tool of that name, one after the other."""
    return [
        ModelReply(calls=(ToolCall(id=f"{name}{at}", name=name, arguments=one),))
        for at, one in enumerate(arguments)
    ]


async def test_members_without_sources_are_given_the_same_brief_as_often_as_others_bring_news() -> None:
    writer = Own("writer", lambda number: f"version {number}")
    critic = Own("critic", lambda number: Score(score=number / 10, reason="more").model_dump_json())
    loop = watched(Loop("loop", [writer], critic, bar=0.55, rounds=6), Watchdog())
    assert (await given(loop, "Write.")).text == "version 6"
    chat = GroupChat("chat", [Own("a", lambda n: f"a, {n}"), Own("b", lambda n: f"b, {n}")], rounds=8)
    assert (await given(watched(chat, Watchdog()), "Talk.")).text == "b, 4"


async def test_a_tool_that_is_polled_counts_only_where_it_says_the_same() -> None:
    states = iter(["25%", "50%", "75%", "done"])

    @tool
    def build_status() -> str:
        """Where the build is."""
        return next(states)

    model = ScriptedModel(*calls("build_status", {}, {}, {}, {}), "It is built.")
    team = watched(Agent("ci", "Build.", [model], [build_status]), Watchdog())
    assert (await given(team, "Go.")).text == "It is built."


@tool
def edit(line: int) -> str:
    """Change a line."""
    return f"line {line} is changed"


@tool
def run_tests() -> str:
    """Run all tests."""
    return "1 failed"


async def test_tests_that_still_fail_after_another_change_are_no_repetition_and_without_one_they_are() -> (
    None
):
    steps = [step for line in range(4) for step in (*calls("edit", {"line": line}), *calls("run_tests", {}))]
    coder = Agent("coder", "Mend it.", [ScriptedModel(*steps, "I give up.")], [edit, run_tests])
    assert (await given(watched(coder, Watchdog()), "Go.")).text == "I give up."
    idler = Agent("idler", "Mend.", [ScriptedModel(*calls("run_tests", *[{}] * 9), "x")], [edit, run_tests])
    with pytest.raises(Failure, match=r"idler called run_tests with \{\} 3 times"):
        await given(watched(idler, Watchdog()), "Go.")


async def test_the_same_call_several_times_in_one_reply_is_one() -> None:
    at_once = ModelReply(calls=tuple(ToolCall(id=str(at), name="run_tests") for at in range(4)))
    coder = Agent("coder", "Mend it.", [ScriptedModel(at_once, "It fails.")], [run_tests])
    assert (await given(watched(coder, Watchdog()), "Go.")).text == "It fails."


class Thinks:
    """A model that streams nothing, and answers after a while."""

    name = "thinks"
    price = (1.0, 1.0)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        await asyncio.sleep(6 * SOON)
        return ModelReply(text="well thought", usage=Usage(), model=self.name)


async def test_a_model_that_thinks_and_a_tool_that_takes_long_have_limits_of_their_own() -> None:
    @tool
    async def long_tests() -> str:
        """Run all tests."""
        await asyncio.sleep(6 * SOON)
        return "all green"

    dog = Watchdog(idle_seconds=2 * SOON)
    model = ScriptedModel(*calls("long_tests", {}), "green")
    with virtual_time():
        assert (await given(watched(Agent("a", "Think.", [Thinks()]), dog), "Go.")).text == "well thought"
        assert (await given(watched(Agent("a", "Test.", [model], [long_tests]), dog), "Go.")).text == "green"


async def test_a_model_that_stops_in_the_middle_of_its_text_is_noticed() -> None:
    class Stops(Thinks):
        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            on_text("I was about to")
            await asyncio.Event().wait()
            raise AssertionError

    with pytest.raises(Failure, match="nothing has come of it"):
        await given(watched(Agent("a", "Write.", [Stops()]), Watchdog(idle_seconds=SOON)), "Go.")


async def test_a_member_that_is_asked_for_a_text_after_it_gave_no_contribution_repeats_nothing() -> None:
    model = ScriptedModel(*["no JSON"] * 3, "an answer")
    team = Supervised(
        Parallel("team", [Agent("a", "Answer.", [model])]), Rules(typed=True), watchdog=Watchdog(repeats=2)
    )
    assert "an answer" in (await given(team, "Go.")).text
