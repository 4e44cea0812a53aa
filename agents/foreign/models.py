"""The models of other assistants, and the tiers of ours that stand for them."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..config import TIERS, Config, Tier
from ..message import Effort
from ..models.table import Table
from .imported import Draft
from .text import tidy

_FAMILIES: Mapping[str, Tier] = {"haiku": "fast", "sonnet": "balanced", "opus": "strong"}
"""What Claude's models are called for short."""
_SMALL = frozenset("flash lite mini nano small tiny".split())
"""Words by which providers tell their quick and cheap models from the others."""
_HOSTS_OWN = ("", "auto", "default", "inherit")
_EFFORTS: Mapping[str, Effort] = {
    "none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high",
    "max": "high",
}  # fmt: skip


def tier(draft: Draft, given: Any, *, key: str = "model") -> Tier | None:
    """The tier that stands for the model, or for the first of several for which there is one."""
    wishes = [tidy(one) for one in given] if isinstance(given, list) else [tidy(given)]
    for wish in wishes[:20]:
        if found := _tier(wish):
            draft.maps(key, wish, found)
            return found
    if all(wish.lower() in _HOSTS_OWN for wish in wishes):
        if given is not None:
            draft.drops(key, given, "the host's own model is meant; here the task decides")
    else:
        draft.drops(key, given, "nothing tells which tier it belongs to; the task decides")
    return None


def effort(draft: Draft, given: Any, *, key: str = "effort") -> Effort | None:
    """How hard to think, in our words."""
    if given is None:
        return None
    found = _EFFORTS.get(tidy(given).lower())
    if found:
        draft.maps(key, given, found)
    else:
        draft.drops(key, given, f"it can be {', '.join(dict.fromkeys(_EFFORTS.values()))}")
    return found


def turns(draft: Draft, given: Any, *, key: str) -> int | None:
    """How many times it may ask its model."""
    text = tidy(given)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not int(text):
        if given is not None:
            draft.drops(key, given, "it is no whole number above 0")
        return None
    most = min(int(text), 100)
    draft.maps(key, given, f"max_turns {most}")
    return most


def _tier(model: str) -> Tier | None:
    name = model.lower()[:200]
    if name in TIERS:
        return next(tier for tier in TIERS if tier == name)
    if found := _known().get(re.split("[/:]", name)[-1]):
        return found
    words = re.findall("[a-z]+", name)
    for word in words:
        if word in _FAMILIES:
            return _FAMILIES[word]
    return "fast" if _SMALL.intersection(words) else None


@cache
def _known() -> Mapping[str, Tier]:
    """The tiers of the models that are in the table which is shipped."""
    return {row.name.lower(): row.tier for row in Table(Config()).rows.values() if row.tier}
