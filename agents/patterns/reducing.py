"""One answer of what was found in many parts; in groups first, where it is more than one member takes."""

import asyncio
from collections.abc import Sequence

from guildhall.errors import Failure

from ..division import LEAST, NoRoomError, Share, in_shares
from ..handover import handed_over
from ..message import Message, Quote
from ..run import Member, Run
from ..tokens import SAFETY
from ..windows import needed, room, shown
from .briefing import also
from .together import all_answers, concluded, sources_of

MOST_LEVELS = 8
SHRINKS = 0.9
"""What was put together takes no more than this of what it took before, or it is not worth to go on."""


async def reduced(
    message: Message, found: Sequence[Message], run: Run, *, synthesizer: Member, window: int
) -> Message:
    """The synthesizer's answer from all findings.

    Where they are longer than its window of tokens, it first puts them together in groups, and these again,
    with the sources of all. What does not become shorter so is handed over by its importance.
    """
    asked = also(message, _ANSWER, person=_ANSWER_IN_PERSON)
    left = room(window) - needed(synthesizer, asked, run.wanted)
    if run.rules.tokens is not None:
        left = min(left, room(run.rules.tokens))
    if left < LEAST:
        raise Failure(
            f"the task and its instructions leave {synthesizer.name} no room for findings in a window of "
            f"{window:,} tokens: give a larger one"
        )
    for level in range(1, MOST_LEVELS + 1):
        if (before := _weight(found)) <= left:
            break
        found = await _joined(message, found, run, synthesizer=synthesizer, left=left, level=level)
        if _weight(found) > SHRINKS * before:
            break
    if _weight(found) > left:
        around = sum(shown(one.as_quote().model_copy(update={"text": ""})) for one in found)
        found = handed_over(found, run, most=max(LEAST, int((left - around) * SAFETY)))
    return await concluded(asked, found, run, synthesizer=synthesizer, need=1)


async def _joined(
    message: Message, found: Sequence[Message], run: Run, *, synthesizer: Member, left: float, level: int
) -> list[Message]:
    """The findings, put together in as few groups as there is room for; a group stays if that fails."""
    try:
        groups = await asyncio.to_thread(list, in_shares([one.as_quote() for one in found], (), left))
    except NoRoomError:
        return [*found]
    reason = f"the findings of {len(found)} parts are longer than {synthesizer.name} takes at once"
    evidence = sources_of(found)
    run.decided("step", f"findings in {len(groups)} groups first", reason, evidence=evidence[-len(found) :])
    for one in found:
        run.said(one, synthesizer)
    names = [f"join-{level}-{number}" for number in range(1, len(groups) + 1)]
    given = [
        run.give(synthesizer, also(message, _JOIN, *group.quotes, person=_JOIN_IN_PERSON), name=name)
        for group, name in zip(groups, names, strict=True)
    ]
    joined: list[Message] = []
    for group, answer in zip(groups, await all_answers(given, names), strict=True):
        if answer.failed:
            run.state.notice(f"{answer.sender}: findings could not be put together: {answer.as_quote().text}")
            joined += map(_as_message, group.quotes)
        else:
            joined.append(answer.model_copy(update={"sender": _label(group)}))
    return joined


def _weight(found: Sequence[Message]) -> float:
    return sum(shown(one.as_quote()) for one in found)


def _label(group: Share) -> str:
    """`part 1 to part 7`, from the labels of the first and the last."""
    first, last = group.quotes[0].label, group.quotes[-1].label
    first, last = first.partition(" (")[0].partition(" to ")[0], last.partition(" (")[0].rpartition(" to ")[2]
    return first if first == last else f"{first} to {last}"


def _as_message(quote: Quote) -> Message:
    return Message(
        sender=quote.label, type="response", text=quote.text, sources=quote.sources, private=quote.private
    )


_ANSWER = """\
What there is to read was divided into parts, and what was found in each is quoted under the number of the
part. Do the task from these findings, as one who has read everything: put together what belongs together,
and cite the sources that the findings cite. Where parts contradict each other, say so and name both. Say
what is missing."""
_JOIN = """\
What there is to read was divided into parts, and what was found in some of them is quoted. There is too much
of it to do the task at once, so this is a step before: put these findings together, as short as you can
without losing anything that bears on the task. Keep every fact with its names and figures and with its
sources in brackets, and keep contradictions; leave out only what is said twice or has no bearing. Do not do
the task yet."""
_ANSWER_IN_PERSON = "What was found in each part of the material is shown below. Make the answer of it."
_JOIN_IN_PERSON = (
    "What was found in some parts of the material is shown below. Put it together, shorter, and lose nothing."
)
