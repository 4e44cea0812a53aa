"""What a run would do, what that usually takes, and what it could take at most, before anything is spent."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from guildhall.memory.store.track import Tally

from .agent import Agent
from .budget import NOTHING, Amount, Budget
from .choosing import Chosen, chosen, parts_of
from .choosing import workers as workers_of
from .commission import Built
from .message import Frozen, Message
from .models.router import Candidates
from .patterns.auto import Auto
from .patterns.human import Human
from .patterns.together import Part
from .prices import Prices
from .rules import Rules
from .tokens import raised
from .tool import LONGEST_RESULT
from .windows import context_of, needed

MOST_LEVELS = 64
REPLY = 600
"""Tokens of a reply, as it usually is."""


class Usual(Frozen):
    """What is taken where all goes well: nothing is done twice, no tool is called, replies are of usual
    length, and each call is shown one of every colleague."""

    calls: int
    tokens: int
    usd: float | None
    """Of the calls whose price is known; None if there are none."""
    unpriced: int = 0
    """Calls of models whose price is not known; what they cost comes on top."""


class MemberEstimate(Frozen):
    """One member, the model that would be asked first, and what its calls usually take, and at most."""

    name: str
    role: str
    model: str
    why: str = ""
    """Why this model, where there was a choice."""
    fallback: tuple[str, ...] = ()
    """The models that would be asked next, in order."""
    usual: Usual
    calls: int
    """At most, when each is answered at the first attempt. Without tools it asks again only where a reply
    was cut at its limit, or was not what it had to be."""
    tokens: int
    """At most, of all these calls."""
    usd: float | None
    """At most, of all these calls; None where a price is not known."""
    unpriced: tuple[str, ...] = ()
    """The models that these calls can go to whose price is not known."""
    scores: Any = None
    """Of all candidates, as the router has them."""


class Estimate(Frozen):
    """The members in the order in which they were built, and the usual and the worst case of the run."""

    team: str
    pattern: str
    way: str = ""
    """Where the way of working together is chosen for each task, the one for this task, and why."""
    members: tuple[MemberEstimate, ...]
    budget: Budget
    usual: Usual
    calls: int
    """The most that the run can make: what its members can, or its budget, whichever is less. So it is with
    tokens and USD."""
    tokens: int
    usd: float | None
    notices: tuple[str, ...] = ()


def estimated(
    built: Built, message: Message, budget: Budget, prices: Prices, track: Mapping[str, Tally]
) -> Estimate:
    """The usual case, and the worst: every member is given the message and the answers of all others."""
    times, usual = Counter[int](), Counter[int]()
    given, any_tier = dict[int, Message](), set[int]()
    for part in turns_of(built.member, message):
        times[id(part.member)] += part.times
        usual[id(part.member)] += part.usual
        given[id(part.member)] = part.given or message
        any_tier |= {id(part.member)} if part.any_tier else set()
    answers = sum(agent.max_output * max(1, times[id(agent)]) for agent in built.agents)
    choose = partial(chosen, message=message, prices=prices, track=track, priced=budget.strict)
    workers = [
        _worker(
            agent, choose(agent.models), given.get(id(agent), message), prices,
            answers=answers, any_tier=id(agent) in any_tier,
        )
        for agent in built.agents
    ]  # fmt: skip
    colleagues = sum(usual[id(agent)] > 0 for agent in built.agents) - 1
    members = tuple(
        worker.estimate(max(1, times[id(worker.agent)]), usual[id(worker.agent)], colleagues, prices)
        for worker in workers
    )
    most = _together(built.member, message, {id(worker.agent): worker.once for worker in workers})
    calls, tokens, usd = most.calls, most.tokens, None if most.unpriced else most.usd
    if budget.calls is not None:
        calls = min(calls, budget.calls)
        tokens = min(tokens, budget.calls * max((worker.dearest.tokens for worker in workers), default=0))
        dollars = max((worker.dearest.usd for worker in workers), default=0.0)
        usd = None if usd is None else min(usd, budget.calls * dollars)
    if budget.tokens is not None:
        tokens = min(tokens, budget.tokens)
    if budget.usd is not None and not (budget.by_default and usd is None):
        usd = budget.usd if usd is None else min(usd, budget.usd)
    return Estimate(
        team=built.member.name, pattern=built.pattern, way=_way(built.member, message), members=members,
        budget=budget, usual=_usual(members), calls=calls, tokens=tokens, usd=usd,
        notices=tuple(dict.fromkeys((*built.notices, *_asks_the_user(built.member)))),
    )  # fmt: skip


def _usual(members: Sequence[MemberEstimate]) -> Usual:
    """What all of them usually take together."""
    asked = [member.usual for member in members if member.usual.calls]
    costs = [usual.usd for usual in asked if usual.usd is not None]
    return Usual(
        calls=sum(usual.calls for usual in asked),
        tokens=sum(usual.tokens for usual in asked),
        usd=round(sum(costs), 6) if costs or not asked else None,
        unpriced=sum(usual.unpriced for usual in asked),
    )


def _way(member: Any, message: Message) -> str:
    """How the team works on this message, where that is chosen for each."""
    while inner := getattr(member, "team", None):
        member = inner
    return member.foreseen(message) if isinstance(member, Auto) else ""


def _asks_the_user(member: object) -> list[str]:
    """That the run waits for people, who take no tokens."""
    names = dict.fromkeys(worker.name for worker in workers_of(member) if isinstance(worker, Human))
    return [f"{name} is you: the run asks you, and waits for your answer" for name in names]


def turns_of(member: Any, message: Message, times: int = 1, usual: int = 1, depth: int = 0) -> Iterator[Part]:
    """Who works in the team on this message, and how often each is given something."""
    parts = _parts(member, message, depth) if depth < MOST_LEVELS else []
    for part in parts:
        at_most, usually, given = times * part.times, usual * part.usual, part.given or message
        if inner := [*turns_of(part.member, given, at_most, usually, depth + 1)]:
            yield from inner
        else:
            yield part._replace(times=at_most, usual=usually, given=given)
    if not parts and not depth:
        yield Part(member, times=times, usual=usual)


def _parts(member: Any, message: Message, depth: int) -> list[Part]:
    for_message, own = getattr(member, "parts_for", None), getattr(member, "parts", None)
    parts: Sequence[Part] = for_message(message) if for_message else own or ()
    if own is None:
        parts = [Part(one, times=times) for one, times in parts_of(member)]
    if not isinstance(rules := getattr(member, "rules", None), Rules):
        return [*parts]
    scribe = [Part(rules.scribe, "scribe")] if rules.scribe is not None and not depth else []
    if rules.typed:  # who gives no typed answer is asked for text
        parts = [part._replace(times=2 * part.times, among=2 * part.among) for part in parts]
    return [*parts, *scribe]


def _together(member: Any, message: Message, once: Mapping[int, Amount], depth: int = 0) -> Amount:
    """The most that a team can take: of those who share a number of turns, the dearest has them all."""
    parts = _parts(member, message, depth) if depth < MOST_LEVELS else []
    if not parts:
        return once.get(id(member), NOTHING)
    alone, shared = NOTHING, dict[int, list[Amount]]()
    for part in parts:
        most = _together(part.member, part.given or message, once, depth + 1)
        if part.among:
            shared.setdefault(part.among, []).append(most)
        else:
            alone += most.times(part.times)
    return sum((_dearest(amounts).times(often) for often, amounts in shared.items()), alone)


def _dearest(amounts: Sequence[Amount]) -> Amount:
    """The most of each kind that one of them takes."""
    fields = Amount.__dataclass_fields__
    return Amount(**{name: max(getattr(one, name) for one in amounts) for name in fields})


@dataclass(frozen=True)
class _Worker:
    """An agent, and what it takes to give it something once."""

    agent: Agent
    choice: Chosen
    given: Message
    calls: int
    once: Amount
    dearest: Amount
    """Its last call."""
    unpriced: tuple[str, ...]

    def estimate(self, times: int, usual: int, colleagues: int, prices: Prices) -> MemberEstimate:
        (models, ranking), most = self.choice, self.once.times(times)
        takes = raised(needed(self.agent, self.given)) + colleagues * REPLY
        takes = int(min(takes, context_of(self.agent)))
        usually = prices.amount(models[0], takes, min(REPLY, self.agent.max_output)).times(usual)
        return MemberEstimate(
            name=self.agent.name,
            role=self.agent.role,
            model=models[0].name,
            why=ranking.reason if ranking else "",
            fallback=tuple(model.name for model in models[1:]),
            usual=Usual(calls=usual, tokens=usually.tokens, usd=_dollars(usually), unpriced=usually.unpriced),
            calls=self.calls * times,
            tokens=most.tokens,
            usd=_dollars(most),
            unpriced=self.unpriced,
            scores=ranking.data if ranking else None,
        )


def _dollars(amount: Amount) -> float | None:
    return None if amount.unpriced else round(amount.usd, 6)


def _worker(
    agent: Agent, choice: Chosen, message: Message, prices: Prices, *, answers: int, any_tier: bool
) -> _Worker:
    """The agent, given the message with the `answers` of all; each turn sees what came of those before it."""
    models = [choice[0][0]]
    if any_tier and isinstance(agent.models, Candidates):
        models = [candidate.model for candidate in agent.models.candidates]
    request, window = agent.first_request(message), context_of(agent)
    calls = agent.turns if agent.tools else min(agent.turns, agent.tries)
    once = dearest = NOTHING
    for turn in range(calls):
        taken = request.input_bound() + answers + turn * (agent.max_output + LONGEST_RESULT)
        taken = int(min(taken, max(window, request.input_bound())))  # no call takes more than its model can
        dearest = _dearest([prices.amount(model, taken, agent.max_output) for model in models])
        once += dearest
    unpriced = tuple(dict.fromkeys(model.name for model in models if not prices.knows(model)))
    return _Worker(agent, choice, message, calls, once, dearest, unpriced)
