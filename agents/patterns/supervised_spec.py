"""How what a team's file says of conflicts, checks and the watchdog becomes what does it."""

from collections import Counter
from dataclasses import replace

from ..rules import PLAIN, Ruled
from ..run import Member
from ..spec_types import Cast, CheckSpec, ConflictSpec, TeamSpec
from .checks import Acceptance, Check, Policy, Quality
from .citations import Citations
from .conflicts import Settlement
from .supervised import Supervised
from .watchdog import Watchdog


def supervised(team: Member, spec: TeamSpec, cast: Cast) -> Member:
    """The team as it works by what its file says; itself, where that says nothing of it."""
    rules = spec.rules(cast)
    if not (spec.conflicts or spec.checks or spec.watchdog):
        return team if rules == PLAIN else Ruled(team, rules)
    dog = Watchdog(**spec.watchdog.model_dump()) if spec.watchdog else None
    settlement = _settlement(spec.conflicts, cast) if spec.conflicts else None
    checks = _checks(spec.checks, cast)
    return Supervised(team, rules, settlement, checks, spec.on_failed_check or "revise", dog)


def _settlement(spec: ConflictSpec, cast: Cast) -> Settlement:
    judge = cast.named(spec.judge) if spec.rule == "judge" else None
    checker = cast.named(spec.checker, "balanced") if spec.checker else None
    return Settlement(spec.rule, judge, checker, spec.defend)


def _checks(specs: tuple[CheckSpec, ...], cast: Cast) -> list[Check]:
    """The checks in order; of several of one kind, each has a number."""
    made: list[Check] = []
    seen = Counter[str]()
    for spec in specs:
        seen[spec.check] += 1
        name = spec.check if seen[spec.check] == 1 else f"{spec.check}.{seen[spec.check]}"
        made.append(replace(_check(spec, cast), name=name))
    return made


def _check(spec: CheckSpec, cast: Cast) -> Quality | Policy | Citations | Acceptance:
    if spec.check == "citations":
        return Citations()
    if spec.check == "policy":
        return Policy(spec.forbid, spec.rules or "", cast.named(spec.judge) if spec.rules else None)
    judge = cast.named(spec.judge)
    if spec.check == "acceptance":
        return Acceptance(judge, spec.criteria or "")
    return Quality(judge, spec.threshold, spec.criteria or "")
