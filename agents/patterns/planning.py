"""What a manager plans with: who there is, what is wrong with a plan, and what each worker is given of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from guildhall.errors import Failure, UserError

from ..kinds import Plan, PlanStep, Wanted
from ..message import Message, Quote
from ..run import Member, Run
from .briefing import also
from .checks import sent_back
from .schedule import check_needs
from .together import as_specialists, quoted

MOST_STEPS = 60
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHOWN = 10
"""Problems of one plan that are told at once."""
_ROLE = 200
"""Characters in which it is said what an engaged specialist is."""


@dataclass(frozen=True)
class Offer:
    """What a plan can be made of."""

    workers: Sequence[str]
    engage: int = 0
    """How many specialists it may add."""
    taken: Sequence[str] = ()
    """Names that nobody who is engaged can have, beside those of the workers."""
    done: Sequence[str] = ()
    """The ids of steps that are finished: others can need them, and none can have their place."""
    least: int = 1
    most: int = MOST_STEPS
    """Steps."""

    @property
    def wanted(self) -> Wanted:
        return Wanted(Plan, check=self.wrong_with)

    def read(self, answer: Message) -> tuple[Plan | None, str]:
        """The plan that the answer is, and what is wrong with it."""
        if isinstance(answer.data, Plan):
            return answer.data, self.wrong_with(answer.data)
        try:
            plan = self.wanted.parsed(answer.text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        assert isinstance(plan, Plan)
        return plan, ""

    def wrong_with(self, plan: Plan) -> str:
        """Why the plan cannot be carried out, in words for who made it; empty if it can."""
        problems = [*self._number(plan), *self._engaged(plan), *self._steps(plan)]
        if not problems:  # a step can be waited for only where ids say which one it is
            try:
                check_needs("the plan", dict.fromkeys(self.done, ()) | {s.id: s.needs for s in plan.steps})
            except UserError as error:
                problems = [str(error)]
        return "; ".join(problems[:_SHOWN])

    def _number(self, plan: Plan) -> Iterator[str]:
        if not self.least <= (count := len(plan.steps)) <= self.most:
            yield f"the plan has {count} steps; give {self.least} to {self.most}"

    def _engaged(self, plan: Plan) -> Iterator[str]:
        if len(plan.engage) > self.engage:
            allowed = f"at most {self.engage}" if self.engage else "nobody can be engaged: leave it empty"
            yield f"the plan engages {len(plan.engage)} specialists; {allowed}"
        names = [one.name for one in plan.engage]
        for name in dict.fromkeys(names):
            if not _ID.fullmatch(name):
                yield f"{name!r:.80} is no name for a specialist; take letters, digits, - and _"
            if name in (*self.workers, *self.taken) or names.count(name) > 1:
                yield f"there is somebody called {name!r:.80} already; engage nobody twice"
        for one in plan.engage:
            if not one.role.strip() or len(one.role) > _ROLE or not one.role.isprintable():
                yield f"say what {one.name!r:.80} is, in one line of at most {_ROLE} characters"

    def _steps(self, plan: Plan) -> Iterator[str]:
        ids = [step.id for step in plan.steps]
        for id_ in dict.fromkeys(ids):
            if not _ID.fullmatch(id_):
                yield f"{id_!r:.80} is no id of a step; take letters, digits, - and _"
            if ids.count(id_) > 1:
                yield f"several steps have the id {id_!r:.80}; give each its own"
            if id_ in self.done:
                yield f"step {id_!r} is finished; leave it out, and name it under needs where it is needed"
        workers = [*self.workers, *(one.name for one in plan.engage)]
        for step in plan.steps:
            if step.worker not in workers:
                there = ", ".join(workers)
                yield f"step {step.id!r:.80} is for {step.worker!r:.80}, who is not there; there are: {there}"
            if not step.task.strip():
                yield f"step {step.id!r:.80} has no task"


async def planned(run: Run, manager: Member, message: Message, offer: Offer) -> tuple[Plan, Message]:
    """A plan that can be carried out, and the answer it came with.

    An agent is told what is wrong with a plan until its tries are over; whoever is none is told once.
    Raises Failure.
    """
    given, wrong = message, ""
    for _ in range(2):
        answer = await run.give(manager, given, wanted=offer.wanted)
        plan, wrong = offer.read(answer)
        if plan is not None and not wrong:
            return plan, answer
        given = sent_back(message, answer, wrong)
    raise Failure(f"{manager.name} gave no plan that can be carried out: {wrong}", kind="bad_response")


def to_plan(message: Message, members: Sequence[Member], offer: Offer) -> Message:
    """What a manager is asked first."""
    engage = _ENGAGE.format(most=offer.engage) if offer.engage else _ENGAGE_NOBODY
    return also(message, f"{_PLAN.format(most=offer.most)}\n\n{engage}", *as_specialists(members))


def to_replan(
    message: Message, members: Sequence[Member], offer: Offer, plan: Quote, results: Sequence[Quote]
) -> Message:
    """What a manager is asked when steps of its plan have failed."""
    return also(to_plan(message, members, offer), _REPLAN, plan, *results)


def to_integrate(message: Message, plan: Quote, given_up: Sequence[Message]) -> Message:
    """What is asked last, but for the answers; with what had failed in earlier plans."""
    return also(
        message, _INTEGRATE, plan, *(one.as_remark(one.as_quote().text).as_quote() for one in given_up),
        person=_INTEGRATE_IN_PERSON,
    )  # fmt: skip


def to_work(
    step: PlanStep, message: Message, shown: Sequence[Message], run: Run, *, role: str = "", private: bool
) -> Message:
    """The step as its worker is given it: with the task that it is part of, and the answers it needs.

    It is `private` if the plan is.
    """
    lines = [f"You are engaged as this: {role}." if role else "", step.task]
    lines += [f"To give: {step.expected}"] if step.expected.strip() else []
    text, priority = "\n\n".join(filter(None, lines)), message.priority + step.priority
    given = message.model_copy(update={"text": text, "priority": priority, "private": private})
    whole = "\n\n".join(filter(None, [message.text, message.brief]))
    if whole == step.task:  # a plan that divides nothing
        return given.briefed("", *quoted(shown, run))
    quotes = (_task(run.who, whole, private=message.private), *quoted(shown, run))
    return given.briefed(_WORK, *quotes, person=_WORK_IN_PERSON)


def to_review(step: PlanStep, given: Message, answer: Message) -> Message:
    """What a manager is asked about the answer to a step."""
    criteria = _task("acceptance", step.acceptance, private=given.private or answer.private)
    return given.briefed(_REVIEW, criteria, answer.as_quote())


def as_data(plan: Plan) -> list[dict[str, Any]]:
    """The steps of the plan as they stand in its event."""
    return [
        {
            "id": step.id, "who": step.worker, "task": step.task, "needs": list(step.needs),
            "priority": step.priority, "model": step.model, "expected": step.expected,
            "acceptance": step.acceptance,
        }
        for step in plan.steps
    ]  # fmt: skip


def _task(label: str, text: str, *, private: bool) -> Quote:
    return Quote(label=label, kind="task", text=text, private=private)


_PLAN = """\
Do not do this yourself: plan how the specialists who are quoted do it. Take as few steps as serve, {most} \
at most; where one specialist alone is enough, one step is the best plan.

- Each step is the work of one specialist and says all that is to be done. Whoever takes it sees the whole \
task, and of the other steps only the answers of those it needs.
- All steps that need no others begin at once. Let a step need another only where it works from its answer.
- A higher priority is for steps that much else waits for. Leave the model empty unless the step is clearly \
easier (fast) or harder (strong) than what that specialist usually does.
- Say what the answer is to consist of. Give an acceptance only where a mistake would spoil what comes \
after: you will be asked whether the answer meets it, which takes time."""
_ENGAGE = (
    "Where nobody quoted can do a step, you may engage up to {most} more specialists for it: give each a "
    "name and what they are in a line. They read, and can change nothing."
)
_ENGAGE_NOBODY = "Nobody else can be engaged."
_REPLAN = """\
You have planned this before. Your plan is quoted, with what its steps have come to: some have no answer. \
Plan what is left to do.

- Finished steps stay as they are and are not planned again; new steps can need them by their ids.
- What failed must not fail in the same way again: give it to somebody else, divide it, or find another way.
- Give no steps where the answers that are there are enough, or nothing else would help."""
_INTEGRATE = """\
The plan for this is quoted, with the answers of its steps. Make of them the one answer to the whole task.

- Where answers contradict each other, name the contradiction and both sides.
- A step without an answer is a gap: say what is missing because of it, and do not fill it. So it is with a \
step of an earlier plan that has failed, where nothing in the plan takes its place; such are quoted as \
remarks.
- Keep the sources that the answers cite."""
_WORK = "This is one step of a larger task, which is quoted: do this step, and no others."
_WORK_IN_PERSON = "This is your step of a larger task, which is shown below."
_INTEGRATE_IN_PERSON = "The plan for the task and the answers of its steps are shown below. Make one answer."
_REVIEW = (
    "The text above is a step that somebody was given. By what it is seen that it is done is quoted as "
    "acceptance, and its answer is quoted last. See whether the answer meets that. Say what has to change "
    "where it does not; do not do the work yourself."
)
