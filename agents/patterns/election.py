"""From ballots to a winner: the count, how a tie was broken, and what is said of both."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from guildhall.memory.store.standing import weight_of

from ..kinds import Choice, Wanted
from ..message import Message, Quote
from ..run import Member, Run
from .agreement import gist, groups
from .briefing import also, give_for, labelled
from .counting import Count, Rule, counted
from .together import all_answers, sources_of

Weigh = Literal["confidence", "standing"]
Ties = Literal["judge", "first", "status_quo"]


class Matter(NamedTuple):
    """What is voted on, and the votes."""

    options: tuple[str, ...]
    votes: dict[str, Message]
    """What each voter said: a ballot, or an answer that counts as one."""
    answers: dict[str, Message] = {}  # noqa: RUF012  never changed
    """What the options stand for, where they are answers."""
    authors: dict[str, list[str]] = {}  # noqa: RUF012  never changed
    """Who gave which answer."""
    by_ballot: bool = False
    """Whether the votes are ballots."""

    @property
    def rankings(self) -> dict[str, tuple[str, ...]]:
        """What each voter is for, the best first; nothing where it abstains."""
        if self.by_ballot:
            return {voter: vote.data.ranking for voter, vote in self.votes.items()}
        return {voter: (label,) for label, voters in self.authors.items() for voter in voters}

    @property
    def confidence(self) -> dict[str, float]:
        """How sure each voter says it is, where it was asked."""
        return {voter: vote.data.confidence for voter, vote in self.votes.items()} if self.by_ballot else {}

    def counted(self, rule: Rule, weigh: Weigh, records: Mapping[str, float]) -> Count:
        sure = {voter: weight_of(confidence) for voter, confidence in self.confidence.items()}
        weights = records if weigh == "standing" else sure
        return counted(rule, self.options, self.rankings, weights)

    def shown(self, place: int, run: Run) -> tuple[list[str], tuple[Quote, ...]]:
        """The options as the voter at that place sees them, none of them first for all."""
        start = place % len(self.options)
        order = [*self.options[start:], *self.options[:start]]
        return order, labelled({label: self.answers[label] for label in order if label in self.answers}, run)


def over_answers(answers: Mapping[str, Message]) -> Matter:
    """The matter whose options are the different answers, each given by whoever gave one that is equal."""
    voters, there = list(answers), list(answers.values())
    found = {f"answer {number}": group for number, group in enumerate(groups(there), 1)}
    return Matter(
        options=tuple(found),
        votes=dict(answers),
        answers={label: there[group[0]] for label, group in found.items()},
        authors={label: [voters[at] for at in group] for label, group in found.items()},
    )


class Tie(NamedTuple):
    """How a tie was broken."""

    between: tuple[str, ...]
    winner: str
    why: str
    rule: Ties
    judged: Message | None = None


async def broken(
    message: Message,
    matter: Matter,
    count: Count,
    run: Run,
    *,
    ties: Ties,
    judge: Member | None,
    status_quo: str,
) -> Tie:
    """The winner among those with most votes."""
    between, tied = count.leaders, f"a tie of {', '.join(count.leaders)}"
    if ties == "status_quo":
        return Tie(between, status_quo, f"{tied}, so it stays as it is: {status_quo}", ties)
    if ties == "judge" and judge is not None:
        order, quotes = matter._replace(options=between).shown(0, run)
        person = f"It comes to this: {tied}. You decide."
        given = also(message, brief(_TIE, [] if quotes else order), *quotes, person=person)
        [answer] = await all_answers([give_for(run, judge, given, Wanted(Choice, between))], [judge.name])
        if not answer.failed:
            why = f"{tied}, which {judge.name} has decided: {answer.data.reason}"
            return Tie(between, answer.data.choice, why, ties, answer)
        run.state.notice(f"{judge.name} did not break the tie, so the first of them has won")
    return Tie(between, between[0], f"{tied}, and it is the first of them in order", "first")


def brief(text: str, options: Sequence[str]) -> str:
    """The text with the options where they are not quoted."""
    return "\n".join([text, *(f"- {option}" for option in options)])


def told(
    count: Count, winner: str, rule: Rule, weigh: Weigh, tie: Tie | None, *, missing: Sequence[str] = ()
) -> str:
    """The result in a sentence."""
    points, total = count.points[winner], count.total
    if rule == "borda":
        said = f"{points:g} of {total:g} points (Borda)"
    elif rule == "weighted":
        said = f"{points:.2f} of {total:.2f}, weighted by {weigh}"
    else:
        said = f"{points:g} of {total:g} votes"
        said += "" if tie else ", more than half" if count.has_majority else ", the most but not half"
    if count.abstained:
        said += f"; abstained: {', '.join(count.abstained)}"
    if missing:
        said += f"; no vote from {', '.join(missing)}"
    return f"{said}; {tie.why}" if tie else said


def outcome(
    message: Message, matter: Matter, winner: str, result: str, run: Run, *, tie: Tie | None
) -> Message:
    """The team's answer: the option or the answer that won, how, and what others were for."""
    judged = [tie.judged] if tie and tie.judged else []
    sources = sources_of([*matter.answers.values(), *matter.votes.values(), *judged])
    if not matter.answers:
        lines = [f"- {voter}: {vote.text}" for voter, vote in matter.votes.items()]
        text = f"**{winner}**: {result}.\n\n" + "\n".join(lines)
        return run.answer(message, text, data=Choice(choice=winner, reason=result), sources=sources)
    own = matter.answers[winner]
    who = {label: ", ".join(voters) for label, voters in matter.authors.items()}
    text = f"{own.text}\n\n**Vote:** for the answer of {who[winner]}: {_by_authors(result, who)}."
    if others := [label for label in matter.options if label != winner]:
        lines = [f"- {who[label]}: {_short(gist(matter.answers[label]))}" for label in others]
        text += "\n\nOther answers:\n\n" + "\n".join(lines)
    return run.answer(message, text, data=own.data, sources=sources)


def _by_authors(text: str, who: Mapping[str, str]) -> str:
    """The text for those who know the answers by their authors."""

    def named(found: re.Match[str]) -> str:
        return f"the answer of {who[found[0]]}" if found[0] in who else found[0]

    return re.sub(r"\banswer \d+\b", named, text)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rsplit(' ', 1)[0]} ..."


SHOWN = 300
"""Characters of an answer that has not won; the whole is in the run."""
_TIE = (
    "A vote on the task above ended in a tie, and you decide it. Choose one of what is quoted or listed by "
    "its label, for reasons that lie in the matter and not in the order."
)
