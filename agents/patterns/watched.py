"""A team at work under a watchdog, and what is done when it has noticed something."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, NamedTuple

from guildhall.errors import Failure, GuildhallError

from ..message import Message, Quote
from ..run import Member, Run
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
    outcome = await _attempt(team, dog, message, run, run)
    if isinstance(outcome, Message):
        return outcome
    if outcome.then == GO_ON:
        return await team.run(message, run)
    if outcome.then != STOP:
        brief = _PLAN_AGAIN if outcome.then == "replan" else _TRY_AGAIN
        noticed = Quote(label="watchdog", kind="remark", text=outcome.why, private=run.private)
        given = message.briefed("\n\n".join(filter(None, [message.brief, brief])), noticed)
        outcome = await _attempt(team, replace(dog, then="stop"), given, _another(run), run)
        if isinstance(outcome, Message):
            return outcome
    raise Failure(f"{team.name} was stopped by its watchdog: {outcome.why}", kind="watchdog")


async def _attempt(team: Member, dog: Watchdog, message: Message, span: Run, run: Run) -> Message | Notice:
    """The answer of the team at work in `span`, or what has ended it."""
    here = run.span("watchdog")
    if (known := here.recorded(here.digest(here.who))) is not None:
        run.private = here.private = run.private or known["private"]
        if known["then"] == "escalate":
            return Notice(known["why"], await _user_says(here, known["why"]), run.private)
        return Notice(known["why"], known["then"], run.private)
    watch = Watch(dog, span.path)
    run.state.observe(watch)
    notice, problem = Notice("", GO_ON, False), None
    try:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(_ended(team.run(message, span)))
            if await watch.noticed(work):
                if dog.then != "escalate":  # else it goes on while the user is asked
                    work.cancel()
                run.private |= span.private
                try:
                    notice = await _noticed(watch, dog, here, run)
                except GuildhallError as error:  # nobody is there to be asked
                    problem = error
                if problem or notice.then != GO_ON:
                    work.cancel()
    finally:
        run.state.ignore(watch)
        run.private |= span.private
    if problem:
        raise problem
    if notice.then != GO_ON:
        return notice
    answer, failure = work.result()
    if failure is not None:
        raise failure
    assert answer is not None
    return answer


async def _ended(work: Coroutine[Any, Any, Message]) -> tuple[Message | None, BaseException | None]:
    """The answer or the error, so that no error of the team is mistaken for one of the watchdog."""
    try:
        return await work, None
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        return None, error  # it was its own
    except Exception as error:  # noqa: BLE001  a member of the user's own may raise anything
        return None, error


async def _noticed(watch: Watch, dog: Watchdog, here: Run, run: Run) -> Notice:
    """What is done about it, once that is on disk and told."""
    why = watch.why
    if watch.answered:
        why += f"; {', '.join(dict.fromkeys(watch.answered))} had answered"
    here.private = run.private
    await _record(here, why, dog.then)
    run.decided("watchdog", dog.then, why, evidence=watch.evidence, data={"answered": watch.answered})
    if dog.then != "escalate":
        return Notice(why, dog.then, run.private)
    says = await _user_says(here, why)
    run.decided("watchdog", says, "the user says so")
    return Notice(why, says, run.private)


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


def _another(run: Run) -> Run:
    """A span for the same once more, so that nothing in it stands where something was recorded before."""
    span = run.span("again")
    span.wanted, span.rules = run.wanted, run.rules
    span._public, span._files = run._public, run._files  # noqa: SLF001  what is public stays so
    return span


_TRY_AGAIN = (
    "This was tried before, and came to nothing: what was noticed is quoted as watchdog. Do not do again "
    "what did not lead on; take another way, or say what is missing."
)
_PLAN_AGAIN = (
    "A plan for this was carried out before, and came to nothing: what was noticed is quoted as watchdog. "
    "Plan it in another way."
)
