from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from guildhall.errors import Failure, NeedsInput, UserError, describe

from ..agent import Agent
from ..kinds import Plan, PlanStep, Review, Wanted
from ..message import Message, Quote
from ..models.router import Candidates
from ..run import Member, Run
from ..spec_types import no_planner
from .checks import sent_back
from .human import Human
from .planning import (
    MOST_STEPS,
    Offer,
    as_data,
    planned,
    to_integrate,
    to_plan,
    to_replan,
    to_review,
    to_work,
)
from .schedule import carried_out
from .stall import in_time
from .together import (
    Part,
    check_count,
    check_members,
    check_names,
    concluded,
    kept,
    quoted,
    reasons,
    typed,
    unless_waiting,
)

MOST_ENGAGED, MOST_REVISIONS, MOST_REPLANS = 10, 5, 3


@dataclass(frozen=True)
class Hierarchy:
    """A manager plans the task as steps for the members, sees that they are done, and makes one answer.

    A step starts the moment those it needs have ended. Its answer goes back to its worker where the manager
    does not accept it; when steps have failed, the manager plans once more what is left to do. The team
    fails where it gives no plan that can be carried out, or fewer than `need` steps were done.
    """

    name: str
    members: Sequence[Member]
    manager: Member
    temporary: Agent | None = None
    """What specialists are made of whom the manager engages for the task; None: it can engage nobody."""
    revisions: int = 1
    """How often a step is done again whose answer was not accepted."""
    replan: int = 1
    stall_seconds: float | None = None
    """A worker that takes longer for a step is stopped, and the step has failed; waiting for the user, a slot
    or the budget is no time of its own."""
    need: int = 1
    synthesizer: Member | None = None
    """Makes one answer of all; None: the manager does."""
    most_engaged: int = 3
    most_steps: int = 20
    """Of one plan."""

    def __post_init__(self) -> None:
        check_members(self.name, [*self.members, self.manager])
        check_members(self.name, self.members)
        check_names(self.name, self.members)
        if isinstance(self.manager, Human):
            raise UserError(f"{self.name}: {no_planner(self.manager.name)}")
        if self.synthesizer is not None:
            check_members(self.name, [self.synthesizer])
        check_count(self.name, "revisions", self.revisions, MOST_REVISIONS, least=0)
        check_count(self.name, "replan", self.replan, MOST_REPLANS, least=0)
        check_count(self.name, "most_engaged", self.most_engaged, MOST_ENGAGED)
        check_count(self.name, "most_steps", self.most_steps, MOST_STEPS)
        check_count(self.name, "need", self.need, self.most_steps)
        if self.stall_seconds is not None and not 0 < self.stall_seconds < float("inf"):
            raise UserError(f"{self.name}: stall_seconds is {self.stall_seconds!r}; give seconds, or None")
        if changing := [tool.name for tool in getattr(self.temporary, "tools", ()) if tool.risk != "read"]:
            raise UserError(
                f"{self.name}: a specialist who is engaged can only read, and has {', '.join(changing)}; "
                "give the tool to a member"
            )

    @property
    def parts(self) -> Sequence[Part]:
        plans = 1 + self.replan
        works = plans * self.most_steps * (1 + self.revisions)
        asked = 2 * plans + works + (self.synthesizer is None)  # planned, reviewed, integrated
        shared: dict[str, Any] = {"times": works, "among": works, "any_tier": True}
        workers = [Part(member, **shared) for member in self.members]
        temporary = [Part(self.temporary, "temporary", **shared, usual=0)] if self.temporary else []
        last = [Part(self.synthesizer, "synthesizer")] if self.synthesizer else []
        usual = 1 + len(workers) + (self.synthesizer is None)  # a step for each of them, which it checks
        return [Part(self.manager, "manager", times=asked, usual=usual), *workers, *temporary, *last]

    async def run(self, message: Message, run: Run) -> Message:
        work = _Work(self, message, run)
        await work.begin()
        for _ in range(self.replan):
            if not work.missing or not await work.go_on():
                break
        last = self.synthesizer or self.manager
        given = to_integrate(message, work.plan(), work.given_up)
        return await concluded(given, work.answers, run, synthesizer=last, need=self.need)


class _Work:
    """How far the work on one task is."""

    def __init__(self, team: Hierarchy, message: Message, run: Run) -> None:
        self._team, self._message, self._run = team, message, run
        self._workers = check_names(team.name, team.members)
        self._engaged: dict[str, str] = {}
        """What each is who was engaged, by name."""
        self._steps: dict[str, PlanStep] = {}
        """Those of the newest plan, and those that were done before it."""
        self._private = False
        self._done: dict[str, Message] = {}
        self.missing: dict[str, Message] = {}
        """The steps of the newest plan that have failed, or were not taken."""
        self.given_up: list[Message] = []
        """Those of earlier plans."""

    @property
    def answers(self) -> list[Message]:
        return [*self._done.values(), *self.missing.values()]

    def plan(self) -> Quote:
        """What has been planned, but for what a later plan has replaced."""
        plan = Plan(steps=tuple(self._steps.values()), engage=())
        return Quote(label="plan", kind="task", text=plan.said(), private=self._private)

    async def begin(self) -> None:
        """Carry out the manager's plan."""
        offer = self._offer(least=self._team.need)
        given = to_plan(self._message, [*self._workers.values()], offer)
        plan, answer = await planned(self._run, self._team.manager, given, offer)
        await self._carry_out(plan, answer, "")

    async def go_on(self) -> bool:
        """Carry out another plan for what is missing; False where the manager has none."""
        run, manager, failed = self._run, self._team.manager, [*self.missing.values()]
        offer = self._offer(least=0)
        results = quoted(self.answers, run)
        given = to_replan(self._message, [*self._workers.values()], offer, self.plan(), results)
        try:
            plan, answer = await planned(run, manager, given, offer)
        except NeedsInput:
            raise
        except Exception as error:  # noqa: BLE001  what is done is not lost, whatever a manager raises
            run.state.notice(f"{manager.name} could not plan anew: {describe(error)}")
            return False
        why = f"after {reasons(failed)}"
        if not plan.steps:
            run.decided("plan", "nothing more", why, evidence=answer.sources[-1:], data=[])
            return False
        failed = [one.model_copy(update={"text": one.as_quote().text}) for one in self.missing.values()]
        run.state.notice(f"{manager.name} has planned anew what was left to do, after {reasons(failed)}")
        self.given_up += self.missing.values()
        await self._carry_out(plan, answer, why)
        return True

    def _offer(self, *, least: int) -> Offer:
        team = self._team
        engage = team.most_engaged - len(self._engaged) if team.temporary else 0
        taken = [one.name for one in (team.manager, team.synthesizer) if one is not None]
        return Offer([*self._workers], engage, taken, [*self._done], least=least, most=team.most_steps)

    async def _carry_out(self, plan: Plan, answer: Message, why: str) -> None:
        engaged = self._engage(plan)
        self._run.decided(
            "plan",
            f"{len(plan.steps)} step{'s' * (len(plan.steps) > 1)}",
            "; ".join(filter(None, [why, engaged])) or f"as {self._team.manager.name} has planned",
            evidence=answer.sources[-1:],
            data=as_data(plan),
        )
        steps = {step.id: step for step in plan.steps}
        self._steps = {id_: step for id_, step in self._steps.items() if id_ in self._done} | steps
        self._private |= answer.private
        needs = {id_: [need for need in step.needs if need in steps] for id_, step in steps.items()}

        async def take(id_: str, done: Mapping[str, Message]) -> Message:
            return await kept(self._taken(steps[id_], done), id_)

        def untaken(id_: str, why: Message) -> None:
            self._run.decided("step", f"{id_} is not taken", why.text)

        results = await carried_out(needs, take, untaken=untaken)
        unless_waiting([*results.values()])
        self._done |= {id_: result for id_, result in results.items() if not result.failed}
        self.missing = {id_: result for id_, result in results.items() if result.failed}

    def _engage(self, plan: Plan) -> str:
        """Whom the plan has engaged, who can be given steps from now on."""
        for one in plan.engage:
            assert self._team.temporary is not None  # no plan passes that engages somebody without it
            self._workers[one.name] = replace(self._team.temporary, name=one.name, role=one.role)
            self._engaged[one.name] = one.role
        return "; ".join(f"engaged {one.name}: {one.role}" for one in plan.engage)

    async def _taken(self, step: PlanStep, done: Mapping[str, Message]) -> Message:
        """The step's answer, once the manager has accepted it. Raises Failure."""
        worker, known = self._of_tier(step), {**self._done, **done}
        shown = [known[need] for need in dict.fromkeys(step.needs)]
        for one in shown:
            self._run.said(one, worker)
        given = to_work(
            step, self._message, shown, self._run,
            role=self._engaged.get(step.worker, ""), private=self._message.private or self._private,
        )  # fmt: skip
        answer = await self._in_time(step, worker, given)
        wrong = await self._objection(step, given, answer)
        for _ in range(self._team.revisions):
            if not wrong:
                break
            answer = await self._in_time(step, worker, sent_back(given, answer, wrong))
            wrong = await self._objection(step, given, answer)
        if wrong:
            failure = Failure(f"{worker.name} gave an answer that was not accepted: {wrong}", kind="check")
            vars(failure)["private"] = answer.private  # the objection may quote it
            raise failure
        return answer.model_copy(update={"sender": step.id})

    def _of_tier(self, step: PlanStep) -> Member:
        """The step's worker, asking models of the step's tier where it has a choice."""
        worker = self._workers[step.worker]
        if not step.model:
            return worker
        if isinstance(worker, Agent) and isinstance(worker.models, Candidates) and not worker.models.wished:
            return replace(worker, models=worker.models.of_tier(step.model))
        reason = f"step {step.id} is planned for {step.model}, and {worker.name} has no choice of tiers"
        self._run.decided("model", f"{worker.name} as it is", reason)
        return worker

    async def _in_time(self, step: PlanStep, worker: Member, given: Message) -> Message:
        """The worker's answer. Raises Failure where it stalls; on a resumed run, without asking again."""
        run, seconds, name = self._run, self._team.stall_seconds, f"step:{step.id}"
        if seconds is None:
            return await run.give(worker, given, name=name, marked=True)
        clock, digest = run.span(f"clock:{step.id}"), run.digest(name)
        if clock.recorded(digest) is not None:
            run.span(name, worker.name)  # so that the next one has the path that it had
        else:
            work = partial(run.give, worker, given, name=name, marked=True)
            if (answer := await in_time(work, seconds, run)) is not None:
                return answer
            await clock.record(digest, {"failed": "stalled"})
        why = f"{worker.name} had no answer after {seconds:g} seconds"
        run.decided("watchdog", f"step {step.id} stopped", why)
        raise Failure(why, kind="stalled")

    async def _objection(self, step: PlanStep, given: Message, answer: Message) -> str:
        """What the manager has against the answer; nothing where there is nothing to be checked."""
        if answer.failed or not step.acceptance.strip():
            return ""
        run, manager, wrong = self._run, self._team.manager, ""
        given = to_review(step, given, answer)
        try:  # the path says which step it is of: others are reviewed at the same time
            run.said(answer, manager)
            said = await run.give(manager, given, name=f"check:{step.id}", wanted=Wanted(Review), marked=True)
            review = typed(said, Review)
            choice, reason = ("passed" if review.accepted else "not passed"), review.reason
            wrong = "" if review.accepted else review.reason.strip() or "it is not what was asked for"
        except NeedsInput:
            raise
        except Exception as error:  # noqa: BLE001  an answer is not lost because nobody could check it
            choice, reason = "not checked", describe(error)
            run.state.notice(f"the answer to step {step.id} was not checked: {reason}")
        run.decided(
            "check",
            choice,
            reason,
            evidence=answer.sources[-1:],
            data={"check": "acceptance", "of": step.id},
        )
        return wrong
