"""What a provider or its SDK reports, as a ProviderError that says what to do."""

import math
import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from guildhall.errors import RETRYABLE, ProviderError, ProviderErrorKind
from guildhall.redact import redact

from .clients import CONNECT_SECONDS, Service

_SIGNS: tuple[tuple[ProviderErrorKind, str], ...] = (
    ("quota", r"insufficient_quota|billing_(error|hard_limit|not_active)"),
    ("rate_limit", r"rate_limit_(exceeded|error)|rate limit (reached|exceeded)"),
    ("rate_limit", r"(quota|rate.?limit).*(retry|try again) in \d"),
    ("quota", r"billing|current quota|credit balance|insufficient (balance|credit)"),
    ("invalid_request", r"max_(completion_|output_)?tokens\W.{0,60}too large"),
    ("context", r"prompt is too long|context.?(length|window|size|limit)|maximum context|too_large"),
    ("auth", r"api.?key.?(not.?valid|invalid)|(invalid|incorrect).api.?key|authentication_|permission_"),
    ("not_found", r"model_not_found|not_found_error"),
    ("overloaded", r"overloaded"),
    ("refused", r"content_(filter|policy)|invalid_prompt|\w_policy|policy_violation"),
    ("rate_limit", r"rate_limit"),
)
"""Codes and phrases that say more than the status; the first that is found decides.

What says that it passes comes before `billing`: a rate limit may tell how to buy a higher one.
"""

_STATUS: dict[int, ProviderErrorKind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    405: "not_found",
    407: "auth",
    408: "timeout",
    409: "server",
    413: "context",
    425: "server",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_CODES: dict[str, ProviderErrorKind] = {
    "invalid_request_error": "invalid_request",
    "timeout_error": "timeout",
}
"""Types of errors that come within a stream, where there is no status."""

_WHAT: dict[ProviderErrorKind, str] = {
    "auth": "{title} rejects the key: check {key_name}, and what this key may use",
    "quota": "{title} reports no credit for this key: add credit, or use another provider",
    "rate_limit": "{title} takes no more requests at the moment: try again later, or use another model",
    "overloaded": "{title} is overloaded: try again later, or use another model",
    "server": "{title} failed: try again later, or use another model",
    "timeout": "{title} took too long: try again later, or use another model",
    "context": "the request is longer than the model of {title} takes: give it less text or fewer files",
    "not_found": "{title} has no such model or address: check the name of the model and {url_name}",
    "refused": "{title} declined the request: put it differently, or use another provider",
    "invalid_request": "{title} rejects the request as it is: change what it names, or use another model",
}
_WHAT_STATUS: dict[int, str] = {
    407: "the proxy before {title} wants another user name or password: check HTTP_PROXY and HTTPS_PROXY",
}
"""Where the status says more than the kind."""
_LATER: frozenset[ProviderErrorKind] = frozenset({"rate_limit", "overloaded"})
"""Kinds whose text may say when to try again."""
_MOST_TEXT = 4_000
"""Characters of what a provider says that are looked at."""
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_CONNECTION = frozenset({"APIConnectionError", "TransportError", "OSError", "ClientError"})
_NO_CONNECTION = frozenset({"ConnectionTimeoutError"})
_NOT_SENT = _NO_CONNECTION | {"ConnectError", "ClientConnectorError", "ConnectionRefusedError", "gaierror"}
_UNREADABLE = frozenset({"BadStatusLine", "InvalidHeader", "LineTooLong"})
_TIMEOUT = frozenset({"TimeoutError", "TimeoutException"})


def failure(error: Exception, service: Service) -> ProviderError:
    """The ProviderError for whatever came out of an SDK or out of reading its answer.

    Errors are told apart by the names of their classes: importing both SDKs for this would cost seconds.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        headers = getattr(getattr(error, "response", None), "headers", {})
        return told(service, getattr(error, "body", None), status=status, headers=headers)
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    root = chain[-1]
    if getattr(root, "status", None) == 407:  # a proxy's, before a connection that is encrypted
        return told(service, None, status=407)
    names, roots, all_names = _names(error), _names(root), set().union(*map(_names, chain))
    why = redact(" ".join(f"{type(root).__name__}: {root}".split()))[:200]
    if isinstance(root, UnicodeEncodeError):
        return ProviderError(
            "invalid_request", f"the request is not valid Unicode ({why}): remove such characters"
        )
    if all_names & _NO_CONNECTION:
        why = f"none within {CONNECT_SECONDS:g} s"
    elif roots & _TIMEOUT:
        return ProviderError("timeout", f"{_place(service)} took too long to answer ({why})")
    if names & _CONNECTION and not roots & _UNREADABLE:
        text = f"the connection to {_place(service)} failed ({why}): check the network and {service.url_name}"
        return ProviderError("connection", text, sent=not all_names & _NOT_SENT)
    return ProviderError("bad_response", f"{_place(service)} sent what cannot be read ({why}): try again")


def told(
    service: Service, body: Any, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ProviderError:
    """The ProviderError for an error that the provider reports, with a status or within a stream.

    Within a stream the code may be the status that the error would have had before it.
    """
    codes, text = _parts(body)
    headers = headers or {}
    if status is None and (found := re.search(r"\b[45]\d\d\b", codes)):
        status = int(found[0])
    kind = _kind(status, codes, text, headers.get("x-should-retry"))
    told_as = "server" if kind == "invalid_request" and (status or 0) >= 500 else kind
    what = _WHAT_STATUS.get(status or 0, _WHAT[told_as]).format_map(vars(service))
    if status is not None and 300 <= status < 400:
        where = " ".join(headers.get("location", "another address").split())[:200]
        what = f"{service.title} redirects to {where}, which is not followed, since it would get the request"
        what, text = f"{what}: if you trust it, set {service.url_name} to it", ""
    said = redact(" ".join(text.split()))[:300]
    return ProviderError(
        kind,
        redact(what) + (f" ({status})" if status else "") + (f"; it says: {said}" if said else ""),
        retry_after=_retry_after(headers, text if kind in _LATER else "") if kind in RETRYABLE else None,
    )


def complains_of(error: ProviderError, parts: Iterable[str]) -> set[str]:
    """The parts of the request that the provider names where it rejects the request."""
    if error.kind != "invalid_request":
        return set()
    _, text = _parts(getattr(error.__cause__, "body", None))
    named = f"{getattr(error.__cause__, 'param', None) or ''} {text}".lower()
    return {part for part in parts if re.search(rf"\b{part}(?:ed|ing)?\b", named)}


def _kind(status: int | None, codes: str, text: str, should_retry: str | None) -> ProviderErrorKind:
    words = f"{codes} {text}" if status is None or 400 <= status < 500 else codes
    words = " ".join(words.lower().split())
    kind = next((kind for kind, sign in _SIGNS if re.search(sign, words)), None)
    if kind is None:
        kind = _by_status(status) if status else _CODES.get(codes.partition(" ")[0], "server")
    if should_retry == "false" and kind in ("server", "overloaded"):
        return "invalid_request"
    if should_retry == "true" and kind == "invalid_request":
        return "server"
    return kind


def _by_status(status: int) -> ProviderErrorKind:
    if status >= 500:
        return _STATUS.get(status, "server")
    return _STATUS.get(status, "not_found" if status < 400 else "invalid_request")


def _parts(body: Any) -> tuple[str, str]:
    """The codes and the beginning of the text of an error's body, in the shapes that providers use."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and isinstance(body.get("error"), dict | str):
        body = body["error"]
    if not isinstance(body, dict):
        text = body if isinstance(body, str) else ""
        return "", "" if text.lstrip().startswith("<") else text[:_MOST_TEXT]
    codes = " ".join(str(body[key])[:100] for key in ("type", "code", "status") if body.get(key))
    return codes, str(body.get("message") or body.get("detail") or "")[:_MOST_TEXT]


def _retry_after(headers: Mapping[str, str], text: str) -> float | None:
    """Seconds until the provider wants to be asked again."""
    for value, unit in ((headers.get("retry-after-ms"), 1e-3), (headers.get("retry-after"), 1.0)):
        try:
            seconds = float(value or "nan") * unit
        except ValueError:
            seconds = _until(value or "")
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    if found := re.search(r"(?:retry|try again) in ((?:\d+(?:\.\d+)? ?(?:ms|[smh]))+)", text.lower()):
        parts = re.findall(r"([\d.]+) ?(ms|[smh])", found[1])
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    return None


def _until(date: str) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return math.nan


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _place(service: Service) -> str:
    title = service.title
    return redact(title if service.base_url in title else f"{title} ({service.base_url})")
