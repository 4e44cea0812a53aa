"""Everything that can go wrong, drawn once.

GuildhallError
├── UserError            what was given cannot be used; nothing was called and nothing was spent
│   ├── FileError        a specialist, team or configuration file, with its line
│   ├── NameUnknown      no team, specialist, pattern, model or run of that name
│   ├── PathRefused      a path that a file tool must not open
│   └── RunRefused       the run is at work elsewhere, has ended, or its team has changed
├── StoreError           the disk: read-only, full, damaged, or written by a newer version
├── Failure              one member could not answer; its team goes on without it
│   ├── BudgetRefused    the budget has no room for another call
│   ├── ProviderError    a model's provider failed, by kind
│   └── TooFew           a team has fewer answers than it needs
└── NeedsInput           a human is asked, and nobody is there: the run pauses until it is answered

Messages say what was given, what is allowed, and what to do next.
"""

from asyncio import CancelledError
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal

from guildhall.redact import redact

ProviderErrorKind = Literal[
    "auth",  # the key is missing or wrong
    "quota",  # the account has no credit left
    "rate_limit",  # too many requests; later
    "overloaded",  # the provider is busy; later
    "server",  # the provider failed
    "timeout",  # no whole reply within the deadline
    "connection",  # the provider could not be reached, or hung up
    "truncated",  # the stream ended without a stop reason
    "max_tokens",  # the reply was cut at the limit of output tokens
    "context",  # the request is longer than the model's context
    "refused",  # the model declined to answer
    "too_big",  # the reply is larger than is taken
    "bad_response",  # the reply cannot be read
    "bad_tool_call",  # a call of a tool that was not offered, or with unreadable arguments
    "not_found",  # no such model or address
    "invalid_request",  # the provider rejects the request as it is
    "unsupported",  # the model cannot take what it was given: an image, a file, a schema
    "circuit_open",  # the model has failed several times in a row, and rests
    "private",  # what was to be sent must not go to this model
]
"""Why a model call ended without a reply."""

RETRYABLE: frozenset[ProviderErrorKind] = frozenset(
    {"rate_limit", "overloaded", "server", "timeout", "connection", "truncated", "bad_response"}
)
"""Kinds that may pass when the same call is made again."""

UNBILLED: frozenset[ProviderErrorKind] = frozenset(
    {
        "auth",
        "quota",
        "rate_limit",
        "overloaded",
        "not_found",
        "invalid_request",
        "context",
        "unsupported",
        "circuit_open",
        "private",
    }
)
"""Kinds where the request was turned away before any work was done."""


class GuildhallError(Exception):
    """The root of all errors of this package; `code` is a word that programs can test."""

    code = "error"


class UserError(GuildhallError):
    code = "invalid_input"


class FileError(UserError):
    """`code` says what is wrong in a word, `line` where (counted from 1, 0 for the whole file)."""

    def __init__(self, code: str, problem: str, *, path: str = "", line: int = 0) -> None:
        place = ":".join([path or "file", *([str(line)] if line else [])])
        super().__init__(f"{place}: {problem}")
        self.code, self.problem, self.path, self.line = code, problem, path, line

    def at(self, path: str, line: int = 0) -> "FileError":
        """The same error with its file named."""
        return FileError(self.code, self.problem, path=path, line=self.line or line)


class NameUnknown(UserError):
    code = "unknown_name"

    def __init__(self, what: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        known = sorted(known)
        if near := get_close_matches(name, known, n=3):
            there = f"; did you mean {' or '.join(near)}?"
        else:
            there = f"; there are: {_listed(known)}." if known else "."
        super().__init__(f"there is no {what} {name!r}{there} {hint}".rstrip(" ."))


class PathRefused(UserError):
    code = "path_refused"


class RunRefused(UserError):
    code = "run_refused"


class StoreError(GuildhallError):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Failure(GuildhallError):
    """One member could not answer; `kind` says why in a word."""

    def __init__(self, text: str, *, kind: str = "failed") -> None:
        super().__init__(text)
        self.kind = self.code = kind


class BudgetRefused(Failure):
    """`unit` is what has run out: usd, tokens, calls or seconds."""

    def __init__(self, text: str, unit: str = "") -> None:
        super().__init__(text, kind="budget")
        self.unit = unit


class ProviderError(Failure):
    """`kind` is a ProviderErrorKind; `retry_after` is in seconds, where the provider said so.

    `sent` is False where the request never left this machine. `usage` is what the provider counted for
    the call, and `partial` the text of a reply that was cut at its limit: both were paid for.
    """

    kind: ProviderErrorKind

    def __init__(
        self,
        kind: ProviderErrorKind,
        text: str,
        *,
        retry_after: float | None = None,
        sent: bool = True,
        partial: str = "",
    ) -> None:
        super().__init__(text[:500], kind=kind)
        self.retry_after, self.sent, self.partial = retry_after, sent, partial
        self.usage: Any = None

    @property
    def retryable(self) -> bool:
        return self.kind in RETRYABLE

    @property
    def billed(self) -> bool:
        """Whether the provider may charge for what it had done before the call failed."""
        return self.sent and self.kind not in UNBILLED


class TooFew(Failure):
    def __init__(self, text: str) -> None:
        super().__init__(text, kind="too_few")


class NeedsInput(GuildhallError):
    """`question` is the id under which it is answered."""

    code = "needs_input"

    def __init__(self, text: str, question: str) -> None:
        super().__init__(text)
        self.question = question


def describe(error: BaseException) -> str:
    """The error in one line, without secrets, the same when it happens and when it is replayed."""
    if isinstance(error, CancelledError):
        return "cancelled"
    if isinstance(error, GuildhallError):
        return " ".join(redact(str(error)).split())
    return redact(f"{type(error).__name__}: {error}").replace("\n", " ")[:500]


def _listed(names: list[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
