"""Steps that a user laid out: who does what, after what, under which condition."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from guildhall.errors import BudgetRefused, Failure, UserError

from .. import event as ev
from ..kinds import Choice, Kind, Wanted
from ..message import Message
from ..run import Member, Run
from .briefing import also
from .condition import OF_EVERY_STEP, Condition, check_places, check_values, condition
from .schedule import between, carried_out, check_needs, skipped
from .together import (
    Part,
    check_count,
    check_members,
    check_names,
    concluded,
    kept,
    quoted,
    reasons,
    side_by_side,
    sources_of,
    unless_waiting,
)

MOST_STEPS, MOST_ROUNDS = 500, 20


@dataclass(frozen=True)
class Repeat:
    """A bounded way back: while `when` holds after the step, all from `to` up to it is done again."""

    to: str
    when: str
    most: int = 3
    """How many times all of it is done, the first one included."""


@dataclass(frozen=True)
class Step:
    """A piece of work for one member."""

    id: str
    member: str
    task: str
    needs: tuple[str, ...] = ()
    """The steps whose answers it is shown; it starts when they have ended."""
    when: str = ""
    """It is left out unless this holds; see condition.py."""
    repeat: Repeat | None = None
    output: type[Kind] | None = None
    """What its answer must be, so that conditions can look into it."""
    choices: tuple[str, ...] = ()
    """Its answer is one of these, as `STEP.choice`."""
    priority: int = 0

    @property
    def kind(self) -> type[Kind] | None:
        return Choice if self.choices else self.output


@dataclass(frozen=True)
class Graph:
    """Each step starts the moment its own needs are met; the answers of the last ones are the answer.

    A step whose needs have failed is not taken, unless its condition asks for that, or another of its needs
    has stood in for them. The team fails where fewer than `need` of the last steps have answered, or of all
    steps if a synthesizer joins them. When a later round of a way back fails, the graph goes on from the
    round before; where the budget has no room for that, what was done is the answer as it stands.
    """

    name: str
    members: Sequence[Member]
    steps: Sequence[Step]
    synthesizer: Member | None = None
    need: int = 1
    _conditions: Mapping[str, Condition] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        check_steps(self.name, list(check_names(self.name, self.members)), self.steps)
        check_count(self.name, "need", self.need, len(self.steps if self.synthesizer else self.last))
        texts = {
            text for step in self.steps for text in (step.when, step.repeat and step.repeat.when) if text
        }
        object.__setattr__(self, "_conditions", {text: condition(text) for text in texts})

    @cached_property
    def needs(self) -> dict[str, tuple[str, ...]]:
        return {step.id: step.needs for step in self.steps}

    def _despite(self) -> dict[str, set[str]]:
        """For each step those whose failure is no reason to leave it out: its condition looks at that."""
        return {
            step.id: {
                other for other, name in self._conditions[step.when].places if name in ("failed", "answered")
            }
            for step in self.steps
            if step.when
        }

    @property
    def last(self) -> list[str]:
        """The steps that no other one needs."""
        needed = {need for step in self.steps for need in step.needs}
        return [step.id for step in self.steps if step.id not in needed]

    @property
    def parts(self) -> Sequence[Part]:
        times = Counter[str]()
        for step in self.steps:
            times[step.member] += _times(step, self.steps, self.needs)
        once = Counter(step.member for step in self.steps)
        parts = [Part(one, times=times[one.name], usual=once[one.name]) for one in self.members]
        return [*parts, *([Part(self.synthesizer, "synthesizer")] if self.synthesizer else [])]

    async def run(self, message: Message, run: Run) -> Message:
        plan = [{"id": s.id, "who": s.member, "task": s.task, "needs": list(s.needs)} for s in self.steps]
        run.decided("plan", f"{len(self.steps)} steps", "as the team is laid out", data=plan)
        steps, members = {step.id: step for step in self.steps}, check_names(self.name, self.members)
        rounds, before = Counter[str](), dict[str, list[Message]]()
        answers_alone = self.last[0] if len(self.last) == 1 and self.synthesizer is None else ""

        async def take(id_: str, done: Mapping[str, Message]) -> Message:
            step = steps[id_]
            if step.when and not self._conditions[step.when].holds(done):
                return _left_out(step, run)
            shown = [done[need] for need in step.needs if done[need].type != "info"]
            shown += before.pop(id_, [])
            for one in shown:
                run.said(one, members[step.member])
            work = run.give(
                members[step.member],
                _given(step, message, run, shown),
                name=step.id,
                wanted=_wanted(step, shown) or (run.wanted if answers_alone == id_ else None),
                marked=True,
            )
            answer = await kept(work, step.id)
            return answer if answer.failed else answer.model_copy(update={"sender": step.id})

        def back(id_: str, done: Mapping[str, Message]) -> str | None:
            repeat = steps[id_].repeat
            if repeat is None or done[id_].failed or not self._conditions[repeat.when].holds(done):
                return None
            rounds[id_] += 1
            again = rounds[id_] < repeat.most
            reason = f"{repeat.when}, after round {rounds[id_]} of {repeat.most}"
            run.decided("step", repeat.to if again else "goes on", reason, evidence=done[id_].sources[-1:])
            if not again:
                return None
            for inner in between(self.needs, repeat.to, id_) - {id_}:
                rounds.pop(inner, None)
            before[repeat.to] = [done[one] for one in dict.fromkeys([repeat.to, id_])]  # what is to be better
            return repeat.to

        def untaken(id_: str, why: Message) -> None:
            _tell_left_out(steps[id_], why.text, run)

        def fallen(id_: str, bad: Sequence[Message]) -> None:
            whole = rounds[id_]
            why = f"round {whole + 1} has failed, so what round {whole} came to stands: {_told(bad)}"
            run.decided("step", "goes on", why)
            run.state.notice(f"{self.name}, {id_}: {why}")

        done = await carried_out(
            self.needs, take, back, untaken=untaken, fallen=fallen, despite=self._despite()
        )
        unless_waiting([*done.values()])
        return await self._answer(message, done, run)

    async def _answer(self, message: Message, done: Mapping[str, Message], run: Run) -> Message:
        """What the last steps have come to, or the synthesizer makes of all."""
        there = [answer for answer in done.values() if answer.type != "info"]
        if self.synthesizer is not None:
            return await concluded(message, there, run, synthesizer=self.synthesizer, need=self.need)
        last = [done[id_] for id_ in self.last if done[id_].type != "info"]
        if not last:
            raise Failure(f"{self.name}: every last step was left out, so there is no answer")
        if not (good := [answer for answer in last if not answer.failed]):
            if run.wanted is None and self._was_whole(done) and _unpaid(last):
                return self._as_it_stands(message, there, run)
            raise Failure(f"{self.name}: {reasons([one for one in there if one.failed])}")
        if len(last) == 1:
            return run.answer(message, good[0].text, data=good[0].data, sources=good[0].sources)
        return await concluded(message, last, run, synthesizer=None, need=self.need)

    def _was_whole(self, done: Mapping[str, Message]) -> bool:
        """Whether a round of something that can be done again has come to its end."""
        return any(step.repeat and done[step.id].type == "response" for step in self.steps)

    def _as_it_stands(self, message: Message, there: Sequence[Message], run: Run) -> Message:
        """All that was answered, since the budget has no room for the rest."""
        good = [answer for answer in there if not answer.failed]
        bad = _told([answer for answer in there if answer.failed])
        run.state.notice(f"{self.name} did not come to its end, so what was done stands as it is: {bad}")
        return run.answer(message, side_by_side(good), sources=sources_of(good))


def check_steps(name: str, members: Sequence[str], steps: Sequence[Step]) -> None:
    """Raise UserError where the steps cannot be carried out, whatever is answered."""
    if not 1 <= len(steps) <= MOST_STEPS:
        raise UserError(f"{name} has {len(steps)} steps; give 1 to {MOST_STEPS}")
    ids = [step.id for step in steps]
    if double := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        raise UserError(f"{name}: several steps are called {', '.join(double)}; rename one")
    for step in steps:
        if step.member not in members:
            raise UserError(
                f"{name}: step {step.id!r} is for {step.member!r}; the members are {', '.join(members)}"
            )
    needs = {step.id: step.needs for step in steps}
    check_needs(name, needs)
    fields = {step.id: (*(step.kind.model_fields if step.kind else ()), *OF_EVERY_STEP) for step in steps}
    for step in steps:
        for text in filter(None, (step.when, step.repeat.when if step.repeat else "")):
            check_places(looked := condition(text), fields)
            check_values(looked, lambda place: _kind_of(place, steps))
            for other, _ in looked.places:
                if not between(needs, other, step.id) or (text == step.when and other == step.id):
                    raise UserError(
                        f"{name}: step {step.id!r} looks at {other!r}, which need not have ended by then; "
                        f"put {other!r} into its needs"
                    )
        if step.repeat is not None:
            _check_repeat(name, step, step.repeat, needs)


def _kind_of(place: tuple[str, str], steps: Sequence[Step]) -> type | Sequence[str] | None:
    """What a field of a step's answer is: a type, or the words that it can be; None where that is open."""
    step = next(step for step in steps if step.id == place[0])
    if place[1] in OF_EVERY_STEP:
        return str if place[1] == "text" else bool
    if step.choices and place[1] == "choice":
        return step.choices
    kind = step.kind.model_fields[place[1]].annotation if step.kind else None
    return kind if kind in (str, float, bool) else None


def _check_repeat(name: str, step: Step, repeat: Repeat, needs: Mapping[str, Sequence[str]]) -> None:
    check_count(name, f"repeat.most of step {step.id!r}", repeat.most, MOST_ROUNDS, least=2)
    again = between(needs, repeat.to, step.id) if repeat.to in needs else set()
    if not again:
        raise UserError(f"{name}: step {step.id!r} goes back to {repeat.to!r}, which is not before it")
    for other, needed in needs.items():
        inner = again.intersection(needed) - {step.id}
        if other not in again and inner and not between(needs, step.id, other):
            raise UserError(
                f"{name}: step {other!r} needs {', '.join(sorted(inner))}, which may be done again; let it "
                f"need {step.id!r} too, where that ends"
            )


def _times(step: Step, steps: Sequence[Step], needs: Mapping[str, Sequence[str]]) -> int:
    """How often the step is taken at most."""
    times = 1
    for other in steps:
        if other.repeat and step.id in between(needs, other.repeat.to, other.id):
            times *= other.repeat.most
    return times


def _given(step: Step, message: Message, run: Run, shown: Sequence[Message]) -> Message:
    """The team's task with the step's part of it, and what it works from."""
    text = f"{message.text}\n\nYour part: {step.task}"
    part = message.model_copy(update={"text": text, "priority": message.priority + step.priority})
    if step.choices:
        part = also(part, f"Choose one of these: {', '.join(step.choices)}")
    return part.with_quotes(*quoted(shown, run))


def _wanted(step: Step, shown: Sequence[Message]) -> Wanted | None:
    if step.kind is None:
        return None
    return Wanted(step.kind, step.choices or [answer.sender for answer in shown if not answer.failed])


def _unpaid(answers: Sequence[Message]) -> bool:
    return any(isinstance(answer.data, BudgetRefused) for answer in answers)


def _told(failures: Sequence[Message]) -> str:
    """Who failed why, for all to see."""
    return "; ".join(f"{one.sender}: {one.as_quote().text}" for one in failures)[:300]


def _left_out(step: Step, run: Run) -> Message:
    why = f"left out, since this does not hold: {step.when}"
    _tell_left_out(step, why, run)
    return skipped(step.id, why)


def _tell_left_out(step: Step, why: str, run: Run) -> None:
    """Have it known that the step is not taken."""
    run.span(step.id, step.member).emit(ev.Finished, outcome="skipped", text=why)
