"""Keys that are known by how they begin, and what tells a key from a word."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

_CAMEL_CASE = re.compile(rb"(?:[A-Z]{0,5}[a-z]{2,}+|[A-Z]{1,5}(?![A-Za-z])|[^A-Za-z]++)++")

_JOINTS = b"+/-_"
_HEX = b"0123456789abcdef" + _JOINTS


class Shape(NamedTuple):
    """A kind of key that is known by its beginning."""

    kind: str
    mark: bytes
    pattern: re.Pattern[bytes]
    before: bytes = b""
    """Beside letters and digits, what may not stand in front of it."""
    check: Callable[[bytes], bool] | None = None


def changes(text: bytes) -> int:
    """How often the text goes from one of lower case, upper case and digits to another."""
    kinds = [1 if 97 <= byte <= 122 else 2 if 65 <= byte <= 90 else 3 for byte in text if chr(byte).isalnum()]
    return sum(a != b for a, b in pairwise(kinds))


def has_digit(key: bytes) -> bool:
    return re.search(rb"\d", key) is not None


def is_random(key: bytes) -> bool:
    """Whether the letters and digits are in no order that words, names or dates have."""
    key = key[:200]
    return len(key) >= 20 and changes(key) >= 0.25 * len(key) and not _CAMEL_CASE.fullmatch(key)


def is_words(run: bytes) -> bool:
    """Whether a run of letters of base64 is words in lower case, or a hexadecimal number."""
    return run.islower() and (run.translate(None, _JOINTS).isalpha() or not run.translate(None, _HEX))


def _shape(
    kind: str, mark: str, rest: str, before: bytes = b"", check: Callable[[bytes], bool] | None = None
) -> Shape:
    return Shape(kind, mark.encode(), re.compile((re.escape(mark) + rest).encode()), before, check)


def _is_no_name(key: bytes) -> bool:
    """Whether what begins with `sk-` is a key, not `sk-learn-compatible-estimators`."""
    body = key[3:]
    return not (b"-" in body or b"_" in body) or (changes(body) >= 3 and has_digit(body))


def _is_mixed(key: bytes) -> bool:
    return changes(key) >= 6 and has_digit(key)


_END = r"(?![0-9A-Za-z])"
SHAPES = (
    _shape("anthropic", "sk-ant-", r"[\w-]{16,}+"),
    *(_shape("openai", f"sk-{owner}-", r"[\w-]{20,}+") for owner in ("proj", "svcacct", "admin")),
    _shape("openai", "sk-", r"[\w-]{20,}+", b"_-", _is_no_name),
    *(_shape("aws", mark, rf"[0-9A-Z]{{16}}{_END}") for mark in ("AKIA", "ASIA")),
    _shape("aws", "ABSK", r"[A-Za-z0-9+/]{100,}+=*", b"_-/+", is_random),
    *(_shape("github", f"gh{kind}_", r"[A-Za-z0-9]{36,}+") for kind in "pousr"),
    _shape("github", "github_pat_", r"\w{22,}+", check=has_digit),
    *(_shape("gitlab", f"gl{kind}-", r"[\w-]{20,}+") for kind in ("pat", "rt", "dt", "ptt", "cbt", "soat")),
    _shape("google", "AIza", r"[\w-]{35}"),
    _shape("google", "GOCSPX-", r"[\w-]{20,}+"),
    _shape("google", "ya29.", r"[\w-]{30,}+"),
    _shape("google", "1//0", r"[\w-]{60,}+", b"_-/:+", is_random),
    _shape("slack", "xox", r"[abceoprs]-[0-9A-Za-z-]{10,}+", check=has_digit),
    _shape("slack", "xapp-", r"\d-[0-9A-Za-z-]{20,}+"),
    _shape("slack", "services/T", r"\w{6,}/B\w{6,}/\w{16,}+"),
    *(_shape("stripe", f"{kind}_{mode}_", r"[0-9A-Za-z]{16,}+")
      for kind in ("sk", "rk") for mode in ("live", "test")),
    _shape("stripe", "whsec_", r"[0-9A-Za-z+/=]{24,}+"),
    _shape("huggingface", "hf_", r"[A-Za-z0-9]{30,}+"),
    _shape("groq", "gsk_", r"[A-Za-z0-9]{40,}+"),
    _shape("xai", "xai-", r"[A-Za-z0-9]{40,}+"),
    _shape("perplexity", "pplx-", r"[A-Za-z0-9]{40,}+"),
    _shape("nvidia", "nvapi-", r"[\w-]{40,}+"),
    _shape("cerebras", "csk-", r"[A-Za-z0-9]{40,}+"),
    _shape("replicate", "r8_", r"[A-Za-z0-9]{30,}+"),
    _shape("fireworks", "fw_", r"[A-Za-z0-9]{20,}+", b"_-", _is_mixed),
    _shape("elevenlabs", "sk_", rf"[0-9a-f]{{48}}{_END}", b"_-"),
    _shape("jina", "jina_", r"[\w-]{40,}+", check=_is_mixed),
    _shape("langsmith", "lsv2_", r"(?:pt|sk)_[0-9A-Za-z_]{30,}+"),
    _shape("tavily", "tvly-", r"[\w-]{20,}+", check=has_digit),
    _shape("pinecone", "pcsk_", r"\w{40,}+"),
    _shape("databricks", "dapi", rf"[0-9a-f]{{32}}(?:-\d)?{_END}"),
    _shape("notion", "ntn_", r"[A-Za-z0-9]{40,}+"),
    _shape("notion", "secret_", rf"[A-Za-z0-9]{{43}}{_END}", b"_-", is_random),
    _shape("linear", "lin_api_", r"[A-Za-z0-9]{30,}+"),
    _shape("figma", "figd_", r"[\w-]{30,}+"),
    *(_shape("atlassian", mark, r"[\w=-]{60,}+") for mark in ("ATATT3", "ATCTT3")),
    *(_shape("vault", f"hv{kind}.", r"[\w-]{24,}+") for kind in "sbr"),
    _shape("terraform", "atlasv1.", r"[\w-]{60,}+"),
    *(_shape("digitalocean", f"do{kind}_v1_", r"[0-9a-f]{40,}+") for kind in "por"),
    _shape("shopify", "shp", r"(?:at|ca|pa|ss)_[0-9A-Fa-f]{32,}+"),
    _shape("sendgrid", "SG.", r"[\w-]{16,32}\.[\w-]{16,}+"),
    _shape("brevo", "xkeysib-", r"[0-9a-f]{40,}+(?:-\w{1,40})?"),
    _shape("square", "sq0", r"(?:atp|csp)-[\w-]{22,}+"),
    _shape("doppler", "dp.", r"(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}+"),
    _shape("docker", "dckr_", r"(?:pat|oat)_[\w-]{20,}+"),
    _shape("supabase", "sbp_", r"[0-9a-f]{40,}+"),
    _shape("supabase", "sb_secret_", r"[\w-]{20,}+", check=has_digit),
    _shape("planetscale", "pscale_", r"(?:tkn|pw|oauth)_[\w.-]{30,}+"),
    _shape("postman", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    _shape("new relic", "NRAK-", r"[0-9A-Z]{27}"),
    _shape("grafana", "glsa_", r"[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    _shape("hubspot", "pat-", r"(?:na|eu|ap)\d-[0-9a-f]{8}(?:-[0-9a-f]{4,12}){4}"),
    _shape("age", "AGE-SECRET-KEY-1", r"[0-9A-Z]{50,}+"),
    _shape("npm", "npm_", r"[A-Za-z0-9]{36,}+"),
    _shape("pypi", "pypi-AgE", r"[\w-]{20,}+"),
    _shape("jwt", "eyJ", r"[\w-]{13,4000}+\.[\w-]{10,}+\.[\w-]{5,}+", b"_-"),
)  # fmt: skip
MARKS = tuple(shape.mark for shape in SHAPES)
LONGEST_MARK = max(map(len, MARKS))


def _grouped() -> tuple[tuple[bytes, tuple[Shape, ...]], ...]:
    groups: dict[bytes, list[Shape]] = {}
    for shape in SHAPES:
        part = next((sign for sign in (b".", b"_", b"-") if sign in shape.mark), b"")
        groups.setdefault(part, []).append(shape)
    return tuple((part, tuple(shapes)) for part, shapes in groups.items())


_GROUPS = _grouped()
"""By a character of their marks, without which none of a group is in a text."""


def may_stand_in(dense: bytes) -> list[Shape]:
    """The shapes whose marks are in the text. `dense`: its long runs, and a little before each."""
    found: list[Shape] = []
    for part, shapes in _GROUPS:
        if part in dense:
            found += [shape for shape in shapes if shape.mark in dense]
    return found
