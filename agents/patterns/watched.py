"""A team at work under a watchdog, and what is done when it has noticed something."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from guildhall.errors import Failure, GuildhallError

from ..message import Message, Quote
from ..run import Member, Run
from .briefing import also
from .watchdog import Watch, Watchdog

GO_ON, STOP = "go on", "stop"


class Notice(NamedTuple):
    """What has ended an attempt, and what is done then."""

    why: str
    then: str
    private: bool


async def watched(team: Member, dog: Watchdog, message: Message, run: Run) -> Message:
    """The team's answer. Raises Failure with the kind `watchdog` where it was stopped.

    What was noticed is in the journal: a resumed run, in which nothing takes time, takes the same way.
    """
    here, later, again = run.span("watchdog"), run.span("watchdog"), aside(run, "again")
    last = _Watching(replace(dog, then="stop"), later)
    outcome = first = await _attempt(team, message, run, run, [_Watching(dog, here), last])
    if isinstance(first, Notice) and first.then in ("retry", "replan"):
        brief = _PLAN_AGAIN if first.then == "replan" else _TRY_AGAIN
        noticed = Quote(label="watchdog", kind="remark", text=first.why, private=run.private)
        given = also(message, brief, noticed, person=_AGAIN_IN_PERSON)
        again.private |= run.private
        outcome = await _attempt(team, given, again, run, [last])
    if isinstance(outcome, Message):
        return outcome
    why = outcome.why
    if isinstance(first, Notice) and outcome is not first:
        why = f"it was tried twice, {f'first {first.why}, then' if first.why != why else 'each time'} {why}"
    raise Failure(f"{team.name} was stopped by its watchdog: {why}", kind="watchdog")


def aside(run: Run, name: str) -> Run:
    """A span for more of the team's work, whose paths do not depend on what was done in its own."""
    span = run.span(name)
    span.wanted, span.rules = run.wanted, run.rules
    span._public, span._files = run._public, run._files  # noqa: SLF001  what is public stays so
    return span


class _Watching(NamedTuple):
    """A watchdog, and the span in which it keeps what it has noticed."""

    dog: Watchdog
    here: Run


async def _attempt(
    team: Member, message: Message, span: Run, run: Run, watching: Sequence[_Watching]
) -> Message | Notice:
    """The answer of the team at work in `span`, or what has ended it.

    Each of those that are watching takes over where the one before it has let the team go on.
    """
    for at, (_, here) in enumerate(watching):
        if (known := await _known(here, run)) is None:
            watching = watching[at:]
            break
        if known.then != GO_ON:
            return known
    try:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(_ended(team.run(message, span)))
            ended = await _looked_after(work, watching, span, run)
            if ended is not None:
                work.cancel()
    finally:
        run.private |= span.private
    if isinstance(ended, Notice):
        run.state.call_off(span.path)  # who had paused there for the user waits no more
        return ended
    if ended is not None:
        raise ended
    answer, failure = work.result()
    if failure is not None:
        raise failure
    assert answer is not None
    return answer


async def _known(here: Run, run: Run) -> Notice | None:
    """What was noticed before the run was cut short, with what the user has said to it since."""
    if (known := here.recorded(here.digest(here.who))) is None:
        return None
    run.private = here.private = run.private or known["private"]
    then = await _user_says(here, known["why"]) if known["then"] == "escalate" else known["then"]
    return Notice(known["why"], then, run.private)


async def _looked_after(
    work: "asyncio.Task[_Ended[Message]]", watching: Sequence[_Watching], span: Run, run: Run
) -> Notice | GuildhallError | None:
    """What is to end the work; None where it has ended by itself."""
    watch = Watch(watching[0].dog, span.path)
    with run.state.observed(span.path, watch):
        for dog, here in watching:
            if not await watch.noticed(work):
                break
            run.private |= span.private
            try:
                notice = await _noticed(watch, dog, here, work, run)
            except GuildhallError as error:  # nobody is there to be asked
                return error
            if notice.then != GO_ON:
                return notice
            watch.begin_anew()
    return None


T = TypeVar("T")
_Ended = tuple[T | None, BaseException | None]


async def _ended(work: Coroutine[Any, Any, T]) -> _Ended[T]:
    """The answer or the error, so that no error of the team is mistaken for one of the watchdog."""
    try:
        return await work, None
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        return None, error  # it was its own
    except Exception as error:  # noqa: BLE001  a member of the user's own may raise anything
        return None, error


async def _noticed(
    watch: Watch, dog: Watchdog, here: Run, work: "asyncio.Task[_Ended[Message]]", run: Run
) -> Notice:
    """What is done about it, once that is on disk and told. Raises NeedsInput where nobody can be asked."""
    why = watch.why
    if watch.answered:
        why += f"; {', '.join(dict.fromkeys(watch.answered))} had answered"
    here.private = run.private
    await _record(here, why, dog.then)
    run.decided("watchdog", dog.then, why, evidence=watch.evidence, data={"answered": watch.answered})
    if dog.then != "escalate":
        return Notice(why, dog.then, run.private)
    if run.state.human is None:  # it may be a moment from its end
        watch.begin_anew()
        await watch.noticed(work)
    says = None if work.done() else await _unless_ended(work, _user_says(here, why))
    if says is None or work.done():
        await _record(here, why, GO_ON)
        run.decided("watchdog", GO_ON, "it has come to its end before the user has said anything")
        return Notice(why, GO_ON, run.private)
    run.decided("watchdog", says, "the user says so")
    return Notice(why, says, run.private)


async def _unless_ended(work: "asyncio.Task[Any]", asking: Coroutine[Any, Any, str]) -> str | None:
    """What the user says; None, and the question is withdrawn, where the work has ended before."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_ended(asking))
        await asyncio.wait({task, work}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
    if task.cancelled():
        return None
    says, error = task.result()
    if error is not None and not work.done():
        raise error
    return says


async def _user_says(here: Run, why: str) -> str:
    """Whether the team is to go on; who says nothing in time says no."""
    text = f"The watchdog of {here.who} has noticed: {why}. Is {here.who} to go on?"
    if await here.question(text, options=[GO_ON, STOP]) == GO_ON:
        return GO_ON
    await _record(here, why, STOP)
    return STOP


async def _record(here: Run, why: str, then: str) -> None:
    value: dict[str, Any] = {"why": why, "then": then, "private": here.private}
    if then == STOP:  # as a failure it is tried again where the whole run had failed and is gone on with
        value |= {"failed": "watchdog", "text": why}
    await here.record(here.digest(here.who), value)


_TRY_AGAIN = (
    "This was tried before, and came to nothing: what was noticed is quoted as watchdog. Do not do again "
    "what did not lead on; take another way, or say what is missing."
)
_PLAN_AGAIN = (
    "A plan for this was carried out before, and came to nothing: what was noticed is quoted as watchdog. "
    "Plan it in another way."
)
_AGAIN_IN_PERSON = "This was tried before and came to nothing; what was noticed is shown below."
