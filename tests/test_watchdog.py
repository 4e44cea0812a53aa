"""A team that repeats itself, stands still or takes too long is noticed; who waits is left alone."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from asking import Asks, Person
from support import Books, given
from virtual_time import virtual_time
from watching import SOON, Hangs, looks, noticed, watched

from guildhall.agents import (
    Agent,
    Budget,
    Hall,
    Member,
    Message,
    Parallel,
    Pipeline,
    Run,
)
from guildhall.agents import event as ev
from guildhall.agents.budget import Meter
from guildhall.agents.event import Called, Decided, Finished
from guildhall.agents.patterns import Supervised, Watchdog
from guildhall.agents.patterns.watchdog import Watch
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, NeedsInput, UserError


async def test_a_member_that_calls_a_tool_with_the_same_arguments_again_and_again_is_stopped() -> None:
    books = Books()
    team = watched(Parallel("team", [looks(1, 1, 1, 1, 1), StubMember("bob", "here")]), Watchdog())
    with pytest.raises(
        Failure, match=r"team was stopped by its watchdog: ann called look .* 3 times; bob had answered"
    ) as failure:
        await given(team, "Look.", state=RunState("r" * 32, sinks=[books]))
    assert failure.value.kind == "watchdog"
    [event] = noticed(books)
    assert (event.choice, event.path) == ("stop", "team")
    assert event.evidence == (books.of(Called)[2].id,)
    assert event.data == {"answered": ["bob"]}
    assert {one.path: one.outcome for one in books.of(Finished)}["team/ann"] == "cancelled"
    assert books.balanced


async def test_other_arguments_and_other_tasks_are_no_repetition() -> None:
    ann = looks(1, 2, 3, 1, 2, 3)
    line = watched(Pipeline("line", [ann, looks(1, 1, name="bob")]), Watchdog())
    assert (await given(line, "Look.")).text == "done"


@dataclass
class Nags:
    """Gives its member the same message, over and over, and says so or not."""

    member: Member
    times: int
    says: bool = False
    at_once: bool = False
    name: str = "nags"

    @property
    def members(self) -> list[Member]:
        return [self.member]

    async def run(self, message: Message, run: Run) -> Message:
        if self.at_once:
            for answer in [run.give(self.member, message) for _ in range(self.times)]:
                await answer
        for number in range(0 if self.at_once else self.times):
            given = message.briefed(f"Round {number}." if self.says else "Go on.")
            answered = await run.give(self.member, given)
            if self.says:
                run.said(answered, self.member)
            await asyncio.sleep(0)
        return run.answer(message, "enough")


async def test_the_same_message_to_the_same_member_is_noticed_and_the_same_words_are() -> None:
    with pytest.raises(Failure, match="bob was given the same message 3 times"):
        await given(watched(Nags(StubMember("bob"), 5), Watchdog()), "Go.")
    with pytest.raises(Failure, match="bob said the same to bob 4 times"):
        await given(watched(Nags(StubMember("bob"), 5, says=True), Watchdog(repeats=4)), "Go.")


async def test_what_is_asked_several_times_at_once_is_a_sample_and_no_repetition() -> None:
    team = watched(Nags(StubMember("bob"), 5, at_once=True), Watchdog())
    assert (await given(team, "Go.")).text == "enough"


@pytest.mark.parametrize(
    ("dog", "why"),
    [
        (Watchdog(idle_seconds=SOON), "nothing has come of it for 0.02 seconds"),
        (Watchdog(seconds=SOON, idle_seconds=None), "it has taken more than 0.02 seconds"),
    ],
)
async def test_a_team_that_stands_still_or_takes_too_long_is_stopped(dog: Watchdog, why: str) -> None:
    ann = Hangs("ann")
    with virtual_time(), pytest.raises(Failure, match=f"{why}; bob had answered"):
        await given(watched(Parallel("team", [ann, StubMember("bob")]), dog), "Go.")
    assert ann.cut_short == 1


async def test_waiting_for_a_human_is_no_standing_still(home: Path) -> None:
    class Late(Person):
        async def __call__(self, question: object) -> str | None:
            await asyncio.sleep(5 * SOON)
            return await super().__call__(question)  # type: ignore[arg-type]  # as it comes

    state = RunState("r" * 32, Meter(Budget()), human=Late(["yes"]))
    team = watched(Parallel("team", [Asks()]), Watchdog(idle_seconds=SOON, seconds=2 * SOON))
    with virtual_time():
        assert "clerk was told yes" in (await given(team, "Go.", state=state)).text


@dataclass
class Feed:
    """Shows a watch events as a run would, and says whether it would bark."""

    dog: Watchdog = field(default_factory=lambda: Watchdog(idle_seconds=SOON))
    ids: int = 0

    def __post_init__(self) -> None:
        self.watch = Watch(self.dog, "team")
        self.state = RunState("r" * 32)
        self.observing = ExitStack()
        self.observing.enter_context(self.state.observed("team", self.watch))

    def __call__(self, kind: Callable[..., ev.Event], path: str, **fields: object) -> int:
        self.ids += 1
        self.state.tell(kind(id=self.ids, run="r", path=path, who="ann", at=0.0, **fields))
        return self.ids

    async def barks(self) -> bool:
        work = asyncio.create_task(asyncio.sleep(4 * SOON))
        with virtual_time():
            return bool(await self.watch.noticed(work))


async def test_waiting_for_a_slot_is_no_standing_still_unless_another_call_has_stopped_writing() -> None:
    feed = Feed()
    feed(Decided, "team/ann/ask", what="limit", choice="waits")
    assert not await feed.barks()
    feed = Feed()
    feed(Decided, "team/ann/ask", what="limit", choice="waits")
    feed(ev.Asked, "team/bob/ask", model="m", attempt=1, reserved={})
    feed.watch.streamed("team/bob/ask")
    assert await feed.barks()


async def test_the_time_for_which_a_call_waited_is_none_in_which_nothing_came_of_it() -> None:
    feed = Feed()
    with virtual_time():
        feed(Decided, "team/ann/ask", what="limit", choice="waits")
        await asyncio.sleep(5 * SOON)
        asked = feed(ev.Asked, "team/ann/ask", model="m", attempt=1, reserved={})
        feed(ev.Lost, "team/ann/ask", asked=asked, error="overloaded", text="", spent={})
        assert await feed.watch.noticed(asyncio.create_task(asyncio.sleep(SOON / 2))) == ""


async def test_what_happens_elsewhere_is_no_business_of_the_watchdog() -> None:
    feed = Feed()
    for _ in range(3):
        feed(Called, "team-two/ann/tool:look", tool="look", arguments={})
    feed(ev.Question, "team-two/clerk/question", text="?")
    assert await feed.barks()
    assert "nothing has come of it" in feed.watch.why


async def test_text_that_streams_is_progress() -> None:
    feed = Feed(Watchdog(idle_seconds=2 * SOON))

    async def streams() -> None:
        for _ in range(8):
            await asyncio.sleep(SOON)
            feed.watch.streamed("team/ann/ask")

    with virtual_time():
        assert await feed.watch.noticed(asyncio.create_task(streams())) == ""


async def test_what_streams_reaches_the_face_and_whoever_observes_that_path_or_one_above_it() -> None:
    shown: list[str] = []
    state = RunState("r" * 32, on_delta=lambda path, attempt, text: shown.append(text))
    seen: dict[str, set[str]] = {path: set() for path in ("", "ann", "ann/ask", "ann/tool", "an", "bob")}

    class Ears:
        def __init__(self, path: str) -> None:
            self.path = path

        def __call__(self, event: ev.Event) -> None:
            seen[self.path].add(event.path)

        def streamed(self, path: str) -> None:
            seen[self.path].add(f"text of {path}")

    with ExitStack() as stack:
        for path in seen:
            stack.enter_context(state.observed(path, Ears(path)))
        await given(Agent("ann", "Answer.", [ScriptedModel("one two")]), "Go.", state=state)
    assert "".join(shown) == "one two"
    of_ask = {"ann/ask", "text of ann/ask"}
    whole = of_ask | {"ann"}
    nobody: set[str] = set()
    assert [*seen.values()] == [whole, whole, of_ask, nobody, nobody, nobody]
    await given(Agent("bob", "Answer.", [ScriptedModel("three")]), "Go.", state=state)
    assert seen["bob"] == nobody  # it has been observed only meanwhile


async def test_cancelling_the_run_cancels_the_work_and_is_no_notice() -> None:
    ann, books = Hangs("ann"), Books()
    task = asyncio.create_task(
        given(
            watched(Parallel("team", [ann]), Watchdog(then="retry")),
            "Go.",
            state=RunState("r" * 32, sinks=[books]),
        )
    )
    while not ann.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ann.cut_short == 1
    assert noticed(books) == []


async def test_an_error_of_the_team_is_the_teams_own() -> None:
    with pytest.raises(ValueError, match="broken"):
        await given(watched(StubMember("ann", ValueError("broken")), Watchdog()), "Go.")
    with pytest.raises(NeedsInput):
        await given(watched(Parallel("team", [Asks()]), Watchdog()), "Go.")


async def test_a_team_file_names_the_watchdog_and_only_a_manager_replans(home: Path, project: Path) -> None:
    folder = project / ".guildhall" / "teams"
    folder.mkdir(parents=True)
    text = (
        "---\nname: busy\ndescription: Works.\npattern: parallel\nmembers: [researcher]\n"
        "watchdog: {repeats: 4, idle_seconds: 30, seconds: 600, then: retry}\n---\n"
    )
    (folder / "busy.md").write_text(text)
    async with Hall.open(environ={}) as hall:
        built, _ = await hall.team("busy")
        assert isinstance(built.member, Supervised)
        assert built.member.watchdog == Watchdog(4, 30, 600, "retry")
        (folder / "busy.md").write_text(text.replace("retry", "replan"))
        with pytest.raises(FileError, match="a parallel has no manager who could replan"):
            await hall.team("busy")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Watchdog(repeats=1), "repeats is 1; give a whole number from 2 to 100"),
        (lambda: Watchdog(seconds=0), "seconds is 0; give a number above 0"),
        (lambda: Watchdog(idle_seconds=float("nan")), "idle_seconds is nan"),
        (lambda: Watchdog(then="bark"), "to 'bark'; it can stop, retry, replan, escalate"),  # type: ignore[arg-type]  # what is wrong
    ],
)
def test_a_watchdog_that_cannot_work_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()
