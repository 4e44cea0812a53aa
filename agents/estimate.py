"""What a run would do, and what it could cost at most, before anything is spent."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from guildhall.memory.store.track import Tally

from .agent import Agent
from .budget import NOTHING, Amount, Budget
from .choosing import Chosen, chosen, parts_of, workers
from .commission import Built
from .message import Frozen, Message
from .patterns.human import Human
from .prices import Prices
from .tool import LONGEST_RESULT

MOST_LEVELS = 64


class MemberEstimate(Frozen):
    """One member, the model that would be asked first, and what its calls can take at most."""

    name: str
    role: str
    model: str
    why: str = ""
    """Why this model, where there was a choice."""
    fallback: tuple[str, ...] = ()
    """The models that would be asked next, in order."""
    calls: int
    """At most, when each is answered at the first attempt. Without tools it asks again only where a reply
    was cut at its limit, or was not what it had to be."""
    tokens: int
    """At most, of all these calls."""
    usd: float | None
    """At most, of all these calls; None where the price of the model is not known."""
    scores: Any = None
    """Of all candidates, as the router has them."""


class Estimate(Frozen):
    """The members in the order in which they were built, and the worst case of the run."""

    team: str
    pattern: str
    members: tuple[MemberEstimate, ...]
    budget: Budget
    tokens: int
    usd: float | None
    """The most that the run can cost: what its members can take, or its budget, whichever is less."""
    notices: tuple[str, ...] = ()


def estimated(
    built: Built, message: Message, budget: Budget, prices: Prices, track: Mapping[str, Tally]
) -> Estimate:
    """The worst case, with every member given the message and the answers of all others."""
    times, given = Counter[int](), dict[int, Message]()
    for worker, often, most_given in turns_of(built.member, message):
        times[id(worker)] += often
        given[id(worker)] = most_given
    answers = sum(agent.max_output * max(1, times[id(agent)]) for agent in built.agents)
    choose = partial(chosen, message=message, prices=prices, track=track, priced=budget.strict)
    pairs = [
        _member(
            agent, choose(agent.models), given.get(id(agent), message), prices,
            answers=answers, times=max(1, times[id(agent)]),
        )
        for agent in built.agents
    ]  # fmt: skip
    members = tuple(member for member, _ in pairs)
    most = sum((Amount(member.calls, member.tokens, usd=member.usd or 0.0) for member in members), NOTHING)
    tokens, usd = most.input, most.usd if all(member.usd is not None for member in members) else None
    if budget.calls is not None:
        tokens = min(tokens, budget.calls * max((dearest.tokens for _, dearest in pairs), default=0))
        dollars = max((dearest.usd for _, dearest in pairs), default=0.0)
        usd = None if usd is None else min(usd, budget.calls * dollars)
    if budget.tokens is not None:
        tokens = min(tokens, budget.tokens)
    if budget.usd is not None and not (budget.by_default and usd is None):
        usd = budget.usd if usd is None else min(usd, budget.usd)
    return Estimate(
        team=built.member.name, pattern=built.pattern, members=members, budget=budget, tokens=tokens, usd=usd,
        notices=tuple(dict.fromkeys((*built.notices, *_asks_the_user(built.member)))),
    )  # fmt: skip


def _asks_the_user(member: object) -> list[str]:
    """That the run waits for people, who take no tokens."""
    names = dict.fromkeys(worker.name for worker in workers(member) if isinstance(worker, Human))
    return [f"{name} is you: the run asks you, and waits for your answer" for name in names]


def turns_of(
    member: object, message: Message, times: int = 1, depth: int = 0
) -> Iterator[tuple[object, int, Message]]:
    """Who works in the team on this message, how often each is given something at most, and what."""
    parts = _parts(member, message) if depth < MOST_LEVELS else []
    for part, more, given in parts:
        yield from turns_of(part, given, times * more, depth + 1)
    if not parts:
        yield member, times, message


def _parts(member: Any, message: Message) -> list[tuple[Any, int, Message]]:
    if (for_message := getattr(member, "parts_for", None)) is None:
        return [(part, times, message) for part, times in parts_of(member)]
    return [(part.member, part.times, part.given or message) for part in for_message(message)]


def _member(
    agent: Agent, choice: Chosen, message: Message, prices: Prices, *, answers: int, times: int
) -> tuple[MemberEstimate, Amount]:
    """The member, `times` given something with the `answers` of all, and the dearest call: its last one."""
    models, ranking = choice
    request = agent.first_request(message)
    calls = agent.turns if agent.tools else min(agent.turns, agent.tries)
    most = dearest = NOTHING
    for turn in range(calls):  # each sees the replies and results of those before it
        taken = request.input_bound() + answers + turn * (agent.max_output + LONGEST_RESULT)
        dearest = prices.amount(models[0], taken, agent.max_output)
        most += dearest
    most = most.times(times)
    member = MemberEstimate(
        name=agent.name,
        role=agent.role,
        model=models[0].name,
        why=ranking.reason if ranking else "",
        fallback=tuple(model.name for model in models[1:]),
        calls=calls * times,
        tokens=most.tokens,
        usd=None if most.unpriced else round(most.usd, 6),
        scores=ranking.data if ranking else None,
    )
    return member, dearest
