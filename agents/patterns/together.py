"""What patterns share: who takes part, failures as messages, and answers that are passed on without loss."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from guildhall.errors import BudgetRefused, Failure, NeedsInput, TooFew, UserError, describe

from ..handover import handed_over
from ..kinds import Contribution, Wanted
from ..message import Message, Quote
from ..run import Member, Run
from .disagreement import look

K = TypeVar("K", bound=BaseModel)


class Part(NamedTuple):
    """A member's part in a team."""

    member: Member
    role: str = "member"
    """What it is there for: member, judge, manager, synthesizer ..."""
    times: int = 1
    """How often it is given something, at most, while the team works on one message."""
    given: Message | None = None
    """What it is given at most, where that is not the whole message."""
    among: int = 0
    """How often all parts that have this number are given something together, at most; 0 is for no limit."""
    any_tier: bool = False
    """Whether it may be asked with models of another tier than its own."""
    usual: int = 1
    """How often it is given something where all goes well."""


class Team(Member, Protocol):
    """A member made of members. Whoever asks what a team may cost or see walks over its parts."""

    @property
    def parts(self) -> Sequence[Part]: ...


def check_members(team: str, members: Sequence[Member], *, least: int = 1) -> None:
    """Raise UserError if somebody of them is no member, there are too few, or two have one name."""
    if not members:
        raise UserError(f"{team} has no members; give it one or more")
    for member in members:
        if not hasattr(member, "run") or not isinstance(getattr(member, "name", None), str):
            raise UserError(f"{team} has {member!r:.80} for a member, which has no name and no run method")
    if len(members) < least:
        raise UserError(
            f"{team} has {len(members)} member{'s' * (len(members) > 1)} and needs {least} or more"
        )


def check_names(team: str, members: Sequence[Member]) -> dict[str, Member]:
    """The members by name. Raises UserError where two have the same."""
    names = [member.name for member in members]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{team} has several members called {', '.join(double)}; rename one")
    return dict(zip(names, members, strict=True))


def check_count(team: str, what: str, given: Any, most: int, *, least: int = 1) -> None:
    """Raise UserError where a number of something is out of bounds."""
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise UserError(f"{team}: {what} is {given!r:.80}; give a whole number from {least} to {most}")


async def asked(run: Run, member: Member, message: Message, kind: type[K], names: Sequence[str] = ()) -> K:
    """The typed answer of the member, in which only `names` are named.

    Raises Failure where the member does not give one, a team whose last word is free text for instance.
    """
    return typed(await run.give(member, message, wanted=Wanted(kind, names)), kind, names)


def typed(answer: Message, kind: type[K], names: Sequence[str] = ()) -> K:
    """What the answer says as that kind, in which only `names` are named. Raises Failure."""
    text = answer.data.model_dump_json() if isinstance(answer.data, kind) else answer.text
    try:
        parsed = Wanted(kind, names).parsed(text)
    except ValidationError:
        text = f"{answer.sender} gave no {kind.__name__}, which was asked for: {answer.text[:200]}"
        raise Failure(text, kind="bad_response") from None
    assert isinstance(parsed, kind)
    return parsed


def contributed(
    run: Run, member: Member, message: Message, *, name: str = ""
) -> Coroutine[Any, Any, Message]:
    """The member's answer, with its reasons and sources apart where the team wants that and a model can.

    It is started now, as with `run.give`; one who gives no Contribution is asked again for a text.
    """
    if not run.rules.typed:
        return run.give(member, message, name=name)
    name = name or member.name
    first = run.give(member, message, name=name, wanted=Wanted(Contribution))
    again = run.span(f"{name}-text").path.rpartition("/")[2]  # a name for the second time, free of timing
    return _contributed(first, run, member, message, again)


async def _contributed(
    first: Coroutine[Any, Any, Message], run: Run, member: Member, message: Message, again: str
) -> Message:
    try:
        return await first
    except Failure as error:
        if error.kind not in ("unsupported", "bad_response"):
            raise
        run.state.notice(f"{member.name} gave no Contribution and was asked for a text: {describe(error)}")
    return await run.give(member, message, name=again)


async def all_answers(answers: Sequence[Coroutine[Any, Any, Message]], names: Sequence[str]) -> list[Message]:
    """All answers, made at once, in the order given; an error message in place of each that failed.

    Raises NeedsInput where somebody waits for a human, once the others have ended.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(kept(answer, name)) for answer, name in zip(answers, names, strict=True)]
    return unless_waiting([task.result() for task in tasks])


async def kept(answer: Coroutine[Any, Any, Message], who: str) -> Message:
    """The answer, or an error message: one failure never costs the others what they have paid for."""
    try:
        return await answer
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        return failed(who, error)  # it was its own, not ours
    except Exception as error:  # noqa: BLE001  a member of the user's own may raise anything
        return failed(who, error)


def failed(who: str, error: BaseException) -> Message:
    """The error as a message, which no pattern passes on as an answer."""
    told = error if isinstance(error, NeedsInput | BudgetRefused) else None
    private = getattr(error, "private", False)
    return Message(sender=who, type="error", text=describe(error), data=told, private=private)


def unless_waiting(answers: Sequence[Message]) -> list[Message]:
    """The answers. Raises NeedsInput if one of them is that somebody waits for a human."""
    for answer in answers:
        if isinstance(answer.data, NeedsInput):
            raise answer.data
    return list(answers)


async def concluded(
    message: Message, answers: Sequence[Message], run: Run, *, synthesizer: Member | None, need: int
) -> Message:
    """One answer made of all, if at least `need` of them are answers; else TooFew.

    What they contradict each other on is named in it.
    """
    good = enough(answers, run, need)
    settled = await (run.rules.settle or look)(message, good, run)
    if synthesizer is None:
        answer = run.answer(message, side_by_side(good), sources=sources_of(good))
        return settled.shown_in(answer, whole=True)
    for answer in answers:
        run.said(answer, synthesizer)
    given = settled.told_in(message.with_quotes(*quoted(answers, run)))
    if run.wanted is not None:
        return settled.shown_in(await run.give(synthesizer, given, wanted=run.wanted))
    joined = await kept(run.give(synthesizer, given), synthesizer.name)
    if not unless_waiting([joined])[0].failed:
        return settled.shown_in(joined)
    why = joined.as_quote().text[:300]  # what was paid for is an answer without it
    run.state.notice(f"{synthesizer.name} could not join the answers, which stand as they are: {why}")
    answer = run.answer(message, side_by_side(good), sources=sources_of(good))
    return settled.shown_in(answer, whole=True)


def quoted(answers: Iterable[Message], run: Run) -> tuple[Quote, ...]:
    """The answers as they are handed over to another member, within the tokens that the team allows."""
    return tuple(answer.as_quote() for answer in handed_over(answers, run))


def enough(answers: Sequence[Message], run: Run, need: int) -> list[Message]:
    """Those that are answers, and a notice of those that are not. Raises TooFew below `need`."""
    good, bad = [one for one in answers if not one.failed], [one for one in answers if one.failed]
    if bad:
        names = ", ".join(dict.fromkeys(answer.sender for answer in bad))
        run.state.notice(f"{len(good)} of {len(answers)} members answered; no answer from {names}")
    if len(good) < need:
        raise TooFew(f"{len(good)} of {len(answers)} members answered and {need} are needed: {reasons(bad)}")
    return good


def reasons(failures: Sequence[Message]) -> str:
    """Who failed why; each reason once."""
    names: dict[str, list[str]] = {}
    for answer in failures:
        names.setdefault(answer.text, []).append(answer.sender)
    return "; ".join(f"{', '.join(who)}: {why}" for why, who in names.items())[:1000]


def side_by_side(answers: Iterable[Message]) -> str:
    """The answers below each other, each with its author."""
    return "\n\n".join(f"## {answer.sender}\n\n{answer.text}" for answer in answers)


def sources_of(answers: Iterable[Message]) -> tuple[int, ...]:
    """The events that any of the answers rests on, each once."""
    return tuple(dict.fromkeys(source for answer in answers for source in answer.sources))


def as_specialists(members: Iterable[Member]) -> tuple[Quote, ...]:
    """Who can be chosen from, as it is shown to whoever chooses."""
    return tuple(Quote(label=member.name, kind="specialist", text=about(member)) for member in members)


def about(member: Any) -> str:
    """What the member is for, and what it can do."""
    abilities: Sequence[str] = getattr(member, "capabilities", ())
    said = [getattr(member, "role", ""), ", ".join(abilities)]
    if not any(said) and (parts := getattr(member, "parts", ())):
        said = [f"a team of {', '.join(dict.fromkeys(part.member.name for part in parts))}"]
        said += [getattr(part.member, "role", "") for part in parts]
    return "; ".join(filter(None, said))[:1000] or member.name


def relabelled(answers: Mapping[str, Message]) -> tuple[Quote, ...]:
    """The answers under these labels in place of their authors' names."""
    return tuple(answer.as_quote(label) for label, answer in answers.items())
