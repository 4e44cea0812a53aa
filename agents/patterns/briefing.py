"""How a pattern says what is to be done, and gets a typed answer as a message that can be passed on."""

from collections.abc import Coroutine, Mapping
from typing import Any

from guildhall.errors import Failure, UserError

from ..handover import handed_over
from ..kinds import Kind, Wanted
from ..message import Message, Quote
from ..run import Member, Run
from .together import contributed, relabelled, typed


def also(message: Message, brief: str, *quotes: Quote, person: str = "") -> Message:
    """The message with this to be done about it beside what had to be done already, and more to work from.

    A `person` is told that in place of the brief, where the kind of answer that is wanted does not say it.
    """
    brief = "\n\n".join(filter(None, [message.brief, brief]))
    person = "\n\n".join(filter(None, [message.person, person]))
    return message.briefed(brief, *quotes, person=person)


def labelled(shown: Mapping[str, Message], run: Run) -> tuple[Quote, ...]:
    """The answers under these labels, within the tokens that the team allows to be handed over."""
    return relabelled(dict(zip(shown, handed_over(shown.values(), run), strict=True)))


def give_for(
    run: Run, member: Member, message: Message, wanted: Wanted | None, *, name: str = ""
) -> Coroutine[Any, Any, Message]:
    """The member's answer, with what is wanted as its data. It is started now; raises Failure without it."""
    given = run.give(member, message, name=name, wanted=wanted)
    return given if wanted is None else _with_data(given, wanted)


def answered(run: Run, member: Member, message: Message, *, name: str = "") -> Coroutine[Any, Any, Message]:
    """What could be the team's own answer: typed, where that is to be. It is started now."""
    if run.wanted is not None:
        return give_for(run, member, message, run.wanted, name=name)
    return contributed(run, member, message, name=name)


async def _with_data(given: Coroutine[Any, Any, Message], wanted: Wanted) -> Message:
    answer = await given
    try:
        data = typed(answer, wanted.kind, wanted.names)
    except Failure as failure:
        vars(failure)["private"] = answer.private
        raise
    text = data.said() if isinstance(data, Kind) else answer.text
    return answer.model_copy(update={"data": data, "text": text})


def check_share(team: str, what: str, given: Any) -> None:
    """Raise UserError where a measure is none from 0 to 1."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise UserError(f"{team}: {what} is {given!r:.80}; give a number from 0 to 1")
