"""Steps start the moment their own needs are met, and each of them once in a round."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from guildhall.agents.message import Message
from guildhall.agents.patterns.schedule import (
    Needs,
    between,
    carried_out,
    check_needs,
    skipped,
)
from guildhall.errors import UserError

DIAMOND: Needs = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


@dataclass
class Taking:
    """Takes steps: answers each at once, or when its gate is opened; some fail, some are skipped."""

    bad: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    gates: Mapping[str, asyncio.Event] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, step: str, done: Mapping[str, Message]) -> Message:
        self.begun.append(step)
        self.more.set()
        if step in self.gates:
            await self.gates[step].wait()
        self.ended.append(step)
        if step in self.bad:
            return Message(sender=step, type="error", text="tired")
        if step in self.left_out:
            return skipped(step, "not now")
        return Message(sender=step, type="response", text=f"{step}{self.begun.count(step)}")

    async def has_begun(self, *steps: str) -> None:
        while not {*steps} <= {*self.begun}:
            self.more.clear()
            await self.more.wait()


async def test_what_needs_nothing_starts_at_once_and_the_rest_in_order() -> None:
    taking = Taking()
    done = await carried_out(DIAMOND, taking)
    assert taking.begun[0] == "a"
    assert taking.begun[3] == "d"
    assert sorted(taking.begun) == ["a", "b", "c", "d"]
    assert list(done) == ["a", "b", "c", "d"]


async def test_a_step_waits_for_its_own_needs_and_for_no_others() -> None:
    needs: Needs = {"slow": [], "quick": [], "behind": ["quick"], "last": ["slow", "behind"]}
    gates = {"slow": asyncio.Event()}
    taking = Taking(gates=gates)
    working = asyncio.create_task(carried_out(needs, taking))
    await taking.has_begun("behind")
    assert "last" not in taking.begun
    gates["slow"].set()
    await working
    assert taking.begun[-1] == "last"


async def test_steps_that_can_work_side_by_side_do() -> None:
    needs: Needs = {"a": [], **{f"s{number}": ["a"] for number in range(20)}}
    gate = asyncio.Event()
    taking = Taking(gates={f"s{number}": gate for number in range(20)})
    working = asyncio.create_task(carried_out(needs, taking))
    await taking.has_begun(*needs)
    assert taking.ended == ["a"]
    gate.set()
    await working


async def test_what_needs_a_failed_step_is_not_taken_and_says_why() -> None:
    taking = Taking(bad=("b",))
    done = await carried_out({**DIAMOND, "e": ["d"]}, taking)
    assert sorted(taking.begun) == ["a", "b", "c"]
    assert done["b"].text == "tired"
    assert done["d"].failed
    assert done["d"].text == "not taken, because b has failed"
    assert done["e"].text == "not taken, because d has failed"


async def test_a_step_is_skipped_where_all_it_needs_was_and_taken_where_some_was() -> None:
    done = await carried_out(DIAMOND, both := Taking(left_out=("b", "c")))
    assert done["d"].type == "info"
    assert "d" not in both.begun
    done = await carried_out(DIAMOND, one := Taking(left_out=("b",)))
    assert done["d"].type == "response"
    assert "d" in one.begun


async def test_going_back_does_all_between_again_and_what_follows_only_once() -> None:
    needs: Needs = {"a": [], "b": ["a"], "c": ["b"], "side": ["a"], "after": ["c", "side"]}
    taking = Taking()

    def back(step: str, done: Mapping[str, Message]) -> str | None:
        return "b" if step == "c" and taking.begun.count("c") < 3 else None

    done = await carried_out(needs, taking, back)
    assert [taking.begun.count(step) for step in needs] == [1, 3, 3, 1, 1]
    assert (done["b"].text, done["c"].text) == ("b3", "c3")
    assert taking.begun[-1] == "after"


async def test_going_back_over_a_diamond_does_each_of_its_steps_once_more() -> None:
    taking = Taking()

    def back(step: str, done: Mapping[str, Message]) -> str | None:
        return "a" if step == "d" and taking.begun.count("d") < 2 else None

    await carried_out({**DIAMOND, "e": ["d"]}, taking, back)
    assert {step: taking.begun.count(step) for step in "abcde"} == {"a": 2, "b": 2, "c": 2, "d": 2, "e": 1}


async def test_a_step_that_is_done_again_does_not_wait_again_for_what_is_not() -> None:
    taking = Taking()

    def back(step: str, done: Mapping[str, Message]) -> str | None:
        return "a" if step == "b" and taking.begun.count("b") < 2 else None

    done = await carried_out({"a": [], "aside": [], "b": ["a", "aside"]}, taking, back)
    assert {step: answer.text for step, answer in done.items()} == {"a": "a2", "aside": "aside1", "b": "b2"}


async def test_where_ways_back_overlap_all_up_to_the_step_is_as_it_was_in_the_last_whole_round() -> None:
    needs: Needs = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["a", "d"]}
    ways, told = {("d", 1): "b", ("c", 2): "a"}, list[str]()

    class Tiring(Taking):
        async def __call__(self, step: str, done: Mapping[str, Message]) -> Message:
            self.bad = ("d",) if self.begun.count("d") else ()
            return await super().__call__(step, done)

    taking = Tiring()

    def back(step: str, done: Mapping[str, Message]) -> str | None:
        return None if done[step].failed else ways.get((step, taking.begun.count(step)))

    def fallen(step: str, bad: Sequence[Message]) -> None:
        told.append(f"{step}: {', '.join(one.text for one in bad)}")

    done = await carried_out(needs, taking, back, fallen=fallen)
    assert "".join(taking.begun) == "abcd" + "bc" + "abcd" + "e"
    assert [answer.text for answer in done.values()] == ["a1", "b1", "c1", "d1", "e1"]
    assert told == ["d: tired"]


async def test_a_cancel_ends_every_step_that_is_at_work() -> None:
    gate = asyncio.Event()
    needs: Needs = {f"s{number}": [] for number in range(5)}
    taking = Taking(gates=dict.fromkeys(needs, gate))
    working = asyncio.create_task(carried_out(needs, taking))
    await taking.has_begun(*needs)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert taking.ended == []


async def test_no_steps_are_done_at_once() -> None:
    assert await carried_out({}, Taking()) == {}


async def test_a_long_chain_of_steps_that_are_not_taken_needs_no_stack() -> None:
    needs: Needs = {"s0": [], **{f"s{number}": [f"s{number - 1}"] for number in range(1, 5_000)}}
    done = await carried_out(needs, Taking(bad=("s0",)))
    assert all(answer.failed for answer in done.values())


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ({"a": ["b"], "b": ["a"]}, "t: steps wait for each other: "),
        ({"a": ["a"]}, "wait for each other: a -> a"),
        ({f"s{n}": [f"s{(n + 1) % 300}"] for n in range(300)}, r"wait for each other: .* \.\.\.$"),
        ({"a": [], "b": ["c"]}, "t: step 'b' needs c; there are: a, b"),
    ],
)
def test_steps_that_can_never_start_are_refused(needs: Needs, words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        check_needs("t", needs)
    assert len(str(refused.value)) < 300


def test_between_two_steps_are_those_on_any_way_from_one_to_the_other() -> None:
    needs: Needs = {**DIAMOND, "e": ["d"], "aside": ["a"]}
    assert between(needs, "a", "d") == {"a", "b", "c", "d"}
    assert between(needs, "b", "d") == {"b", "d"}
    assert between(needs, "a", "a") == {"a"}
    assert between(needs, "d", "a") == set()
    assert between(needs, "aside", "d") == set()
