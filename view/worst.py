"""The worst case of a run, before it is started, in words that every face uses."""

from typing import TYPE_CHECKING

from .clean import money

if TYPE_CHECKING:
    from guildhall.agents.budget import Budget
    from guildhall.agents.estimate import Estimate, MemberEstimate


def at_most(member: "MemberEstimate") -> str:
    """What one member can take."""
    return _amount(member.calls, member.tokens, member.usd)


def worst_case(estimate: "Estimate") -> list[str]:
    """Lines on what the run can take, which budget holds it to that, and what is not known."""
    budget, priced = estimate.budget, [m.usd for m in estimate.members if m.usd is not None]
    calls = sum(member.calls for member in estimate.members)
    lines = [_amount(min(calls, budget.calls or calls), estimate.tokens, estimate.usd)]
    if limits := _limits(budget):
        over = budget.usd is not None and sum(priced) > budget.usd
        more = f"; its members could take {money(sum(priced))} without it" if over else ""
        lines.append(f"budget: {limits}{more}")
    if unpriced := sorted({member.model for member in estimate.members if member.usd is None}):
        strict = budget.usd is not None and not budget.by_default
        what = "which a budget in USD cannot hold" if strict else "which comes on top"
        lines.append(f"unknown: what {', '.join(unpriced)} costs, {what}")
    return lines


def _amount(calls: int, tokens: int, usd: float | None) -> str:
    cost = "cost unknown" if usd is None else money(usd)
    return f"{calls} call{'s' * (calls != 1)} · {tokens:,} tokens · {cost}"


def _limits(budget: "Budget") -> str:
    """The limits of the budget; empty if there is none."""
    whose = " (the default)" if budget.by_default else ""
    parts = [
        "" if budget.usd is None else f"${budget.usd:.2f}{whose}",
        "" if budget.calls is None else f"{budget.calls:,} calls",
        "" if budget.tokens is None else f"{budget.tokens:,} tokens",
        "" if budget.seconds is None else f"{budget.seconds:g} s",
    ]
    return ", ".join(filter(None, parts))
