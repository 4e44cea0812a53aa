"""What patterns share: failures as messages, and answers that are passed on without loss."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from guildhall.errors import TooFew, describe

from ..message import Message
from ..run import Member, Run


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
        who = "; ".join(f"{answer.sender}: {answer.text}" for answer in failed)
        run.state.notice(f"{len(good)} of {len(answers)} members answered. {who}")
    if len(good) < need:
        who = "; ".join(f"{answer.sender}: {answer.text}" for answer in failed)
        raise TooFew(f"{len(good)} of {len(answers)} members answered and {need} are needed: {who}"[:1000])
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
        return Message(sender=who, type="error", text=describe(error))  # it was its own, not ours
    except Exception as error:  # noqa: BLE001  a member of the user's own may raise anything
        return Message(sender=who, type="error", text=describe(error))
