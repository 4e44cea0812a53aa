"""What to do about an error, in terms of what a host has: tools, resources, a configuration of its own."""

import re
from collections.abc import Iterable

from guildhall.hosts import ADDRESSES, KEYS

from .hosts import where_variables_go

_RUN = r"(?P<run>[0-9a-f]{8,32})"
_HERE = (
    (rf"`guildhall resume {_RUN}`", r"get_run(run_id='\g<run>', resume=true)"),
    (rf"`guildhall watch {_RUN}` shows it", r"get_run(run_id='\g<run>') waits for it"),
    (rf"`guildhall cancel {_RUN}`", r"cancel_run(run_id='\g<run>')"),
    (rf"`guildhall answer {_RUN}` answers", r"the user, with `guildhall answer \g<run> TEXT`, answers"),
    (r"`guildhall run TEAM TASK` makes one", "run_team makes one"),
    (r"`guildhall runs` lists", "the resource runs://recent, or `guildhall runs`, lists"),
    (r"`guildhall recall` shows", "the tool recall shows"),
    (r",? or limit calls or tokens instead", ", or call again without budget_usd"),
)
"""What a shell can do and a host does otherwise; what only the user can do stays a command for them."""
_VARIABLE = re.compile(rf"\b({'|'.join(map(re.escape, (*KEYS, *ADDRESSES)))})\b")


def usable(text: str) -> str:
    """The error with fixes that can be had over MCP."""
    for command, here in _HERE:
        text = re.sub(command, here, text)
    return text


def where_it_goes(host: str, errors: Iterable[str]) -> str:
    """Where this host keeps the variables that the errors name; empty where they name none."""
    found = dict.fromkeys(name for error in errors for name in _VARIABLE.findall(error))
    return where_variables_go(host, [*found]) if found else ""
