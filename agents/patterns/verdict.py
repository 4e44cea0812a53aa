"""How a debate ends: with an answer that nobody could refute, with a verdict, or without one."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from ..kinds import Verdict, Wanted
from ..message import Message
from ..run import Member, Run
from .agreement import SAME, likeness, measured
from .briefing import also, give_for, labelled
from .standing import judged
from .together import all_answers, failed, side_by_side, sources_of


def shared_answer(
    message: Message, proposals: Mapping[str, Message], typical: str, challenge: Message, run: Run
) -> Message:
    """The answer that all share and one has tried in vain to refute."""
    one, reason = proposals[typical], challenge.data.reason
    why = f"All {len(proposals)} proposals agree, and the attempt to refute them failed: {reason}"
    sources = sources_of([*proposals.values(), challenge])
    return run.answer(message, f"{one.text}\n\n**Why:** {why}", data=one.data, sources=sources)


async def judged_answer(
    message: Message,
    proposals: Mapping[str, Message],
    run: Run,
    *,
    judge: Member,
    authors: Mapping[str, Member],
    swap: bool,
) -> Message:
    """The winner with the judge's reasons, or what the judge makes of several proposals."""
    looks = await _looks(message, proposals, run, judge=judge, swap=swap)
    answer = looks[-1]
    if answer.failed:
        return _unjudged(message, proposals, run, answer, {one: authors[one].name for one in proposals})
    verdict: Verdict = answer.data
    names = {label: authors[label].name for label in proposals}
    seen = [look.data.winner or "a synthesis" for look in looks if not look.failed]
    reason = verdict.reason
    if len(set(seen)) > 1:
        reason = f"with the order of the proposals the judge changed from {seen[0]} to {seen[1]}; {reason}"
    run.decided(
        "verdict",
        names.get(verdict.winner, "a synthesis"),
        reason,
        evidence=answer.sources[-1:],
        data={"by": judge.name, "authors": names, "looks": seen, **verdict.model_dump()},
    )
    if verdict.winner:
        winner = proposals[verdict.winner]
        sides = {names[label]: likeness(winner, one) >= SAME for label, one in proposals.items()}
        await judged(run, sides)
    text, data = _said(verdict, proposals, names, run)
    notes = [f"**Why:** {verdict.reason}", f"**Against it:** {verdict.dissent}" * bool(verdict.dissent)]
    text = "\n\n".join([text, *(_with_names(note, names) for note in notes if note)])
    return run.answer(message, text, data=data, sources=sources_of([*proposals.values(), answer]))


async def _looks(
    message: Message, proposals: Mapping[str, Message], run: Run, *, judge: Member, swap: bool
) -> list[Message]:
    """The judge's verdicts, of which the last counts: one for each order, and a third where these differ."""
    labels = list(proposals)
    wanted = Wanted(Verdict, labels)
    for one in proposals.values():
        run.said(one, judge)

    async def looked(*shown: Mapping[str, Message], brief: str) -> list[Message]:
        brief += _NO_SYNTHESIS if run.wanted else ""
        given = [also(message, brief, *labelled(quotes, run)) for quotes in shown]
        work = [give_for(run, judge, one, wanted) for one in given]
        return [_usable(one) for one in await all_answers(work, [judge.name] * len(work))]

    orders = [proposals, {label: proposals[label] for label in reversed(labels)}]
    looks = await looked(*(orders if swap else orders[:1]), brief=_JUDGE)
    good = [look for look in looks if not look.failed]
    if len(good) < len(looks) and good:
        run.state.notice(f"{judge.name} gave a verdict in one order of the proposals only")
        return good
    if len(good) > 1 and good[0].data.winner != good[1].data.winner:
        said = {"first verdict": good[0].as_remark(), "second verdict": good[1].as_remark()}
        [third] = await looked({**proposals, **said}, brief=f"{_JUDGE} {_AGAIN}")
        if third.failed:
            run.state.notice(
                f"{judge.name} changed its mind with the order of the proposals; the first counts"
            )
            return [good[1], good[0]]
        return [*good, third]
    return looks


def _usable(answer: Message) -> Message:
    """The verdict, or an error message where it names neither a winner nor an answer."""
    if answer.failed or answer.data.winner or answer.data.answer.strip():
        return answer
    return failed(answer.sender, ValueError(f"a verdict without a winner: {answer.data.reason[:200]}"))


def _said(
    verdict: Verdict, proposals: Mapping[str, Message], names: Mapping[str, str], run: Run
) -> tuple[str, BaseModel | None]:
    """The answer in text and, where the team's is to be typed, as data."""
    written = _with_names(verdict.answer, names)
    if verdict.winner:
        winner = proposals[verdict.winner]
        added = f"\n\n**The judge adds:** {written}" if written.strip() else ""
        return winner.text + added, winner.data
    if run.wanted is not None:
        try:
            data = run.wanted.parsed(verdict.answer)
        except ValidationError:
            typical = [*proposals.values()][measured([*proposals.values()]).typical]
            run.state.notice(
                "the judge's synthesis is not of the kind that is wanted: a proposal is in its place"
            )
            return typical.text, typical.data
        return verdict.answer, data
    return written, None


def _unjudged(
    message: Message,
    proposals: Mapping[str, Message],
    run: Run,
    failure: Message,
    names: Mapping[str, str],
) -> Message:
    """The proposal that is nearest to all others, and the others beside it: all of it was paid for.

    Why there is no verdict is a notice, and no part of the answer, which others are told and may remember.
    """
    labels, answers = list(proposals), list(proposals.values())
    found = measured(answers)
    label, one = labels[found.typical], answers[found.typical]
    none, why = f"{failure.sender} gave no verdict", failure.as_quote().text[:300].rstrip(" .")
    run.state.notice(f"{none}: {why}. The answer is the proposal that is nearest to the others")
    run.decided(
        "verdict", names[label], f"{none}; this proposal is nearest to the others, by {found.how}",
        evidence=one.sources[-1:],
        data={"by": "", "winner": label, "authors": dict(names),
              "likeness": dict(zip(labels, found.likeness, strict=True))},
    )  # fmt: skip
    others = side_by_side(answer for answer in answers if answer is not one)
    text = f"{one.text}\n\n**No verdict was given.** What others propose:\n\n{others}"
    return run.answer(message, text, data=one.data, sources=sources_of(answers))


def _with_names(text: str, names: Mapping[str, str]) -> str:
    """What the judge wrote of labels, for readers who know the members by name."""

    def named(found: re.Match[str]) -> str:
        name = names.get(f"proposal {found[1]}")
        return f"{found[0]} ({name})" if name else found[0]

    return re.sub(r"\b[Pp]roposal ([A-Z])\b(?!(?<=I) [a-z])", named, text)


_JUDGE = (
    "Several proposals for the task above are quoted; who made them is not said and does not matter. Decide "
    "by what is right and shown, not by length, order or tone. Name the winner by its label. Only where none "
    "is right as it stands, name no winner and give the answer yourself, made of what is right in them, in "
    "full. Say why, and what speaks against your verdict."
)
_AGAIN = (
    "Two verdicts that contradict each other are quoted last; they came of the same proposals in two "
    "orders. See which of their reasons hold."
)
_NO_SYNTHESIS = " Here the answer has a fixed form, so one of the proposals has to win."
