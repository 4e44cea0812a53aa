"""What tests of the extractive model share: a lease to read, requests, and how its answers are read."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from guildhall.agents.message import ModelReply, ModelRequest, Quote, Turn
from guildhall.agents.models.extractive import ExtractiveModel

EXAMPLES = Path(__file__).parent.parent / "examples"
BULLET = re.compile(r"- (.+) \[([^\[\]]+)\](?: \([^()]*\))?")
LEASE = """\
# Lease of a boat shed

The shed stands at Pier 4.
It has a door of 3.5 m.

## Rent

The tenant pays 310 crowns a month.

## Ending

The tenant may leave after two months' notice.
Damage to the shed must be repaired by the tenant, e.g. broken panes.
The insurer carries the risk of fire.
"""


def document(text: str = LEASE, label: str = "lease.md") -> Quote:
    return Quote(label=label, kind="document", text=text)


def colleague(name: str, text: str, *, failed: bool = False) -> Quote:
    return Quote(label=name, kind="answer", text=text, failed=failed)


def specialist(name: str, text: str) -> Quote:
    return Quote(label=name, kind="specialist", text=text)


def request(task: str, *quotes: Quote, role: str = "You help.", **more: Any) -> ModelRequest:
    turns = (Turn(role="system", text=role), Turn(role="user", text=task, quotes=quotes))
    return ModelRequest(turns=turns, **more)


async def reply(asked: ModelRequest) -> ModelReply:
    return await ExtractiveModel().complete(asked, lambda _text: None)


async def answer(task: str, *quotes: Quote, role: str = "You help.") -> str:
    return (await reply(request(task, *quotes, role=role))).text


def bullets(text: str) -> list[tuple[str, str]]:
    """The sentences of an answer, with their labels."""
    return [(found[1], found[2]) for line in text.splitlines() if (found := BULLET.fullmatch(line))]


def normalised(texts: Iterable[str]) -> str:
    return " ".join(" ".join(texts).split())


# -- answers
