"""After a run: what came of it, what was decided and learned and what is open, with where it came from."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from guildhall.errors import GuildhallError, UserError
from guildhall.memory.records import Hit, Record, Remembered

from . import event as ev
from . import lessons, scribe
from .choosing import parts_of
from .course import Course, Entry, gist
from .echo import own
from .kinds import Contribution
from .message import Message, cited
from .notebook import notes, still_open
from .remembering import LESSON, lineage, told
from .rules import PLAIN, Rules
from .run import Member, Run

MOST = 20
"""Decisions, lessons and open questions of one run, each."""
LONGEST_TASK, LONGEST_OUTCOME, LONGEST = 600, 2400, 1200
DAY = 86_400.0
NOTED = "decision of"
"""So begins the subject of what members have noted as decided."""


def outcome_subject(team: str, task: str) -> str:
    """What the outcome of that task by that team is remembered under."""
    return f"outcome of {team} {_digest(team, task)}"


def is_of_the_same(hit: Hit, team: str, task: str) -> bool:
    """Whether that is left of an earlier run of the same: with it, its requests would be other ones.

    A lesson is meant to change them.
    """
    record = hit.record
    same = record.subject == outcome_subject(team, task) or _tag(team, task) in record.tags
    return same and LESSON not in record.tags


def rules_of(member: Member) -> Rules:
    """What the member has settled for all that happens in it."""
    rules = getattr(member, "rules", PLAIN)
    return rules if isinstance(rules, Rules) else PLAIN


async def reflect(run: Run, member: Member, message: Message, answer: Message, course: Course) -> None:
    """Remember the run: the outcome takes the place of the same task's earlier one.

    It is done by rule, and better by the team's scribe. What came out of memory is not stored again, nor an
    extract that found nothing.
    """
    if run.state.memory is None or not (rules := rules_of(member)).remembers:
        return
    try:
        known = await told(run)
        about = _About(run, member, message.text, known)
        if run.state.models == {"extractive"}:
            entries = about.outcome(answer.text) if cited(about.own(answer.text)) else []
            await _keep(about, entries)
            return
        made = about.decisions(course, answer) + await about.noted()
        learned = lessons.lessons(course, message.text, about.own, about.lost) if run.state.lessons else []
        points = await about.open_points(course, answer)
        said = None
        if rules.scribe is not None and scribe.can_write(rules.scribe):
            shown = [*made, *learned, *about.open(points)]
            said = await scribe.minutes(run, rules.scribe, message, answer, course=course, by_rule=shown)
        if said is not None and rules.scribe is not None:
            by = rules.scribe.name
            written = scribe.entries(
                said, by, course.model_of(by), digest=about.digest, is_team=about.is_team
            )
            advised = [one.who for one in written if one.tag == LESSON and one.visibility == "private"]
            made = [one for one in written if one.tag != LESSON] or made
            learned = lessons.without(learned, advised)
            learned += [one for one in written if one.tag == LESSON] if run.state.lessons else []
            points = said.open_questions
        outcome = about.outcome(said.outcome if said else answer.text, rests_on=answer.text)
        await _keep(about, [*outcome, *made[:MOST], *learned[:MOST], *about.open(points)])
    except GuildhallError as error:
        run.state.notice(f"the outcome was not remembered: {error}")


class _About:
    """What is remembered of one run of one task."""

    def __init__(self, run: Run, member: Member, task: str, known: dict[str, Record]) -> None:
        self.run, self.team, self.task, self.known = run, member.name, task, known
        self.is_team = bool(parts_of(member))
        self.digest, self.tag = _digest(self.team, task), _tag(self.team, task)
        earlier = outcome_subject(self.team, task)  # this takes its place, so nothing is stored twice
        texts = [record.text for record in known.values() if record.subject != earlier]
        self.own = partial(own, known=texts)

    def lost(self, who: str) -> bool:
        """Whether somebody's side did not hold, where that was judged."""
        standing = self.run.state.standings.get(who)
        return standing is None or standing.held < standing.matters

    def outcome(self, said: str, rests_on: str = "") -> list[Entry]:
        if not (said := self.own(said)):
            return []
        text = (
            f"Task for {self.team}: {_cut(self.task, LONGEST_TASK)}\nOutcome: {_cut(said, LONGEST_OUTCOME)}"
        )
        models = ", ".join(sorted({model for model in self.run.state.models if model}))
        subject = outcome_subject(self.team, self.task)
        return [Entry(text, "outcome", "episode", subject, model=models, rests_on=rests_on or said)]

    def decisions(self, course: Course, answer: Message) -> list[Entry]:
        """What a judge, a vote or a rule has decided."""
        last = {(one.path, one.what, str(one.data.get("about", ""))): one for one in course.decided_by()}
        found = []
        for (path, what, about), one in last.items():
            by, why = str(one.data.get("by", "")), self.own(one.reason)
            if course.model_of(by) == "extractive":
                continue
            if what == "conflict":
                text = f"On {about}, {self.own(str(one.data.get('holds', ''))) or one.choice} holds"
                text += f" ({by}). {why} It was said: {_sides(one)}"
            else:
                came = self.own(course.text_at(path) or answer.text)
                text = f"On the task “{gist(self.task, 160)}”, the {what} was for {one.choice}"
                text += f" ({by or one.who}). {why} {came}"
            found.append(
                Entry(
                    text=gist(text, LONGEST), tag="decision", kind="decision",
                    subject=f"{what} of {self.team} {_digest(self.team, self.task, path, about)}",
                    who=by if by in course.members else "", model=course.model_of(by), event=one.id,
                    rests_on=text,
                )
            )  # fmt: skip
        return found

    async def noted(self) -> list[Entry]:
        """What members have noted as decided."""
        return [
            Entry(
                text=one.text[:LONGEST_OUTCOME], tag="decision", kind="decision", who=one.author,
                subject=f"{NOTED} {self.team} {_digest(self.team, self.task, one.text)}",
                rests_on=one.text,
            )
            for one in await notes(self.run)
            if one.kind == "decision" and self.own(one.text)
        ]  # fmt: skip

    async def open_points(self, course: Course, answer: Message) -> Sequence[str]:
        """What nobody has answered, as far as somebody says that; and contradictions that stand."""
        found = [note.text for note in still_open(await notes(self.run))]
        if isinstance(answer.data, Contribution):
            found += answer.data.open_points  # whoever has the last word knows what the others left open
        else:
            found += [point for one in self.run.state.contributions.values() for point in one.open_points]
            conflicts = {(one.path, str(one.data.get("about", ""))): one for one in course.of("conflict")}
            for (_, about), one in conflicts.items():
                if one.choice == "unresolved":
                    found.append(f"On {about}, members contradict each other: {_sides(one)}")
        return list(dict.fromkeys(point for one in found if (point := self.own(gist(one, 400)))))

    def open(self, points: Sequence[str]) -> list[Entry]:
        """All that is open of the task, in one record, in place of what was open of it before."""
        points = [point for one in points if (point := self.own(one))][:MOST]
        if not points:
            return []
        lines = "\n".join(f"- {point}" for point in points)
        text = f"{self._task('Open after the task for')}\n{lines}"
        return [Entry(text, "open question", "episode", self.open_subject, rests_on=lines)]

    @property
    def open_subject(self) -> str:
        return f"open questions of {self.team} {self.digest}"

    def _task(self, what: str) -> str:
        return f"{what} {self.team}: {_cut(self.task, LONGEST_TASK)}"


def _sides(conflict: ev.Decided) -> str:
    return "; ".join(f"{side.get('who')}: {side.get('says')}" for side in conflict.data.get("sides", ()))


async def _keep(about: _About, entries: Sequence[Entry]) -> None:
    """Remember them all at once, and close what is open no more."""
    spans = [about.run.span(one.tag, one.who or about.team) for one in entries]
    keeping = (_kept(about, span, one) for span, one in zip(spans, entries, strict=True))
    done, open_before = await asyncio.gather(asyncio.gather(*keeping), _open_before(about, entries))
    outcome = next((kept for kept, one in zip(done, entries, strict=True) if one.tag == "outcome"), None)
    if outcome is not None:
        for one in open_before:
            await _close(about, outcome, one)


async def _kept(about: _About, here: Run, entry: Entry) -> Remembered:
    here.team = about.team if about.is_team else ""
    visibility = entry.visibility if here.team or entry.visibility != "team" else "project"
    return await here.remember(
        entry.text,
        kind=entry.kind,
        subject=entry.subject,
        model=entry.model,
        visibility=visibility,
        place=f"event {entry.event}" if entry.event else "",
        derived_from=tuple(lineage(entry.rests_on, about.known)),
        tags=(f"team:{about.team}", entry.tag, about.tag),
        expires_at=time.time() + entry.days * DAY if entry.days is not None else None,
    )


async def _open_before(about: _About, entries: Sequence[Entry]) -> list[Record]:
    """What was open of the same task before, where there is an outcome now, and nothing is open."""
    memory, tags = about.run.state.memory, {one.tag for one in entries}
    if memory is None or "outcome" not in tags or "open question" in tags:
        return []
    found = await memory.timeline(about.open_subject, scope=about.run.state.scope)
    return [one for one in found if one.valid_to is None]


async def _close(about: _About, outcome: Remembered, before: Record) -> None:
    """Have the outcome take the place of what was open."""
    memory, scope = about.run.state.memory, about.run.state.scope
    assert memory is not None, "something was remembered"
    with suppress(UserError):  # the outcome is in quarantine, or for fewer: for the others that stays open
        await memory.settle(outcome.id, before.id, "supersede", scope=scope)


def _tag(team: str, task: str) -> str:
    return f"task:{_digest(team, task)}"


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest].rstrip()} …"
