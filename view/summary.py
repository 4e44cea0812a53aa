"""A run in one line."""

from collections.abc import Sequence

from .clean import from_cache, money, one_line
from .items import Item

_NAMED = 3
"""Members at work that the line names."""


def summary(items: Sequence[Item], *, now: float) -> str:
    """Who is doing what, how many are done, calls, cost and time; `items` are those of a view."""
    run = items[0]
    members = [item for item in items if item["is"] == "member" and not item["team"]]
    doing = [f"{item['name']} ({item['doing']})" for item in members if item["status"] == "working"]
    more = f" and {len(doing) - _NAMED} more" if len(doing) > _NAMED else ""
    asking = [item["who"] for item in items if is_open(item)]
    done, failed = (sum(item["status"] == status for item in members) for status in ("done", "failed"))
    limit = run["budget"].get("usd")
    known = run["usd"] or not run["unpriced"]
    minutes, seconds = divmod(int(elapsed(run, now=now)), 60)
    parts = [
        f"{one_line(run['team'], 60) or 'run'}: {run['status']}",
        one_line(", ".join(doing[:_NAMED]) + more, 200),
        *(f"{one_line(who, 60)} asks you" for who in asking),
        f"{done} of {len(members)} done" + (f", {failed} failed" if failed else ""),
        f"{run['calls']} call" + ("s" if run["calls"] != 1 else ""),
        money(run["usd"], run["unpriced"]) + (f" of ${limit:.2f}" if limit and known else ""),
        from_cache(run["reused"]),
        f"{minutes}:{seconds:02}",
    ]
    return " · ".join(filter(None, parts))


def is_open(item: Item) -> bool:
    """Whether it is a question that waits for an answer."""
    return bool(item["is"] == "question" and item["answer"] is None)


def elapsed(run: Item, *, now: float) -> float:
    """Seconds that the run has been at work, or was if it has ended."""
    if run["began"] is None:
        return 0.0
    return float(run["seconds"] or max(0.0, (run["ended"] or now) - run["began"]))
