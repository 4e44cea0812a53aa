"""What patterns share: failures as messages, and answers that are passed on without loss."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from guildhall.errors import TooFew, UserError, describe

from ..message import Message
from ..run import Member, Run


def check_members(team: str, members: Sequence[Member]) -> None:
    """Raise UserError if somebody of them is no member, or there is nobody."""
    if not members:
        raise UserError(f"{team} has no members; give it one or more")
    for member in members:
        if not hasattr(member, "run") or not isinstance(getattr(member, "name", None), str):
            raise UserError(f"{team} has {member!r:.80} for a member, which has no name and no run method")


async def all_answers(answers: Sequence[Coroutine[Any, Any, Message]], names: Sequence[str]) -> list[Message]:
    """All answers, made at once, in the order given; an error message in place of each that failed."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_kept(answer, name)) for answer, name in zip(answers, names, strict=True)]
    return [task.result() for task in tasks]


async def concluded(
    message: Message, answers: Sequence[Message], run: Run, *, synthesizer: Member | None, need: int
) -> Message:
    """One answer made of all, if at least `need` of them are answers; else TooFew."""
    failed = [answer for answer in answers if answer.failed]
    good = [answer for answer in answers if not answer.failed]
    if failed:
        names = ", ".join(answer.sender for answer in failed)
        run.state.notice(f"{len(good)} of {len(answers)} members answered; no answer from {names}")
    if len(good) < need:
        raise TooFew(
            f"{len(good)} of {len(answers)} members answered and {need} are needed: {_reasons(failed)}"
        )
    if synthesizer is None:
        text = "\n\n".join(f"## {answer.sender}\n\n{answer.text}" for answer in good)
        sources = (source for answer in good for source in answer.sources)
        return run.answer(message, text, sources=tuple(dict.fromkeys(sources)))
    for answer in answers:
        run.said(answer, synthesizer)
    return await run.give(synthesizer, message.with_quotes(*(answer.as_quote() for answer in answers)))


async def _kept(answer: Coroutine[Any, Any, Message], who: str) -> Message:
    """The answer, or an error message: one failure never costs the others what they have paid for."""
    try:
        return await answer
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        return _failed(who, error)  # it was its own, not ours
    except Exception as error:  # noqa: BLE001  a member of the user's own may raise anything
        return _failed(who, error)


def _failed(who: str, error: BaseException) -> Message:
    return Message(sender=who, type="error", text=describe(error), private=getattr(error, "private", False))


def _reasons(failed: Sequence[Message]) -> str:
    """Who failed why; each reason once."""
    names: dict[str, list[str]] = {}
    for answer in failed:
        names.setdefault(answer.text, []).append(answer.sender)
    return "; ".join(f"{', '.join(who)}: {why}" for why, who in names.items())[:1000]
