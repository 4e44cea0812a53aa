"""What a run takes, before it is started, in words that every face uses."""

from typing import TYPE_CHECKING

from .clean import money

if TYPE_CHECKING:
    from collections.abc import Collection

    from guildhall.agents.budget import Budget
    from guildhall.agents.estimate import Estimate, Usual


def usually(usual: "Usual") -> str:
    """What is taken where all goes well."""
    if not usual.calls:
        return "not asked"
    tokens = round(usual.tokens, -2) or usual.tokens
    return f"{_calls(usual.calls)} · about {tokens:,} tokens · {_cost(usual.usd, usual.unpriced)}"


def worst_case(estimate: "Estimate") -> list[str]:
    """Lines on what the run can take, which budget stops it there, and what is not known."""
    budget, priced = estimate.budget, [m.usd for m in estimate.members if m.usd is not None]
    tokens = f"{estimate.tokens:,} tokens" if budget.tokens else ""
    lines = [" · ".join(filter(None, [_calls(estimate.calls), tokens, _cost(estimate.usd)]))]
    usd = sum(priced) if estimate.usd is None else estimate.usd
    taken = {"usd": usd, "calls": estimate.calls, "tokens": estimate.tokens, "seconds": 0}
    stops = [unit for unit, most in taken.items() if most >= (getattr(budget, unit) or float("inf"))]
    if stopped := _limits(budget, stops):
        lines.append(f"the budget of {stopped} stops it")
    if others := _limits(budget, taken.keys() - stops):
        lines.append(f"budget: {others}")
    if unpriced := sorted({name for member in estimate.members for name in member.unpriced}):
        strict = budget.usd is not None and not budget.by_default
        what = "which a budget in USD cannot hold" if strict else "which comes on top"
        lines.append(f"unknown: what {', '.join(unpriced)} costs, {what}")
    return lines


def _calls(calls: int) -> str:
    return f"{calls:,} call{'s' * (calls != 1)}"


def _cost(usd: float | None, unpriced: int = 0) -> str:
    return "cost unknown" if usd is None else money(usd, unpriced)


def _limits(budget: "Budget", units: "Collection[str]") -> str:
    """The limits of the budget in these units; empty if there is none."""
    said = {
        "usd": "" if budget.usd is None else f"${budget.usd:.2f}{' (the default)' * budget.by_default}",
        "calls": "" if budget.calls is None else f"{budget.calls:,} calls",
        "tokens": "" if budget.tokens is None else f"{budget.tokens:,} tokens",
        "seconds": "" if budget.seconds is None else f"{budget.seconds:g} s",
    }
    return ", ".join(text for unit, text in said.items() if text and unit in units)
