"""Secrets are taken out of text before it is stored or shown."""

import json
import re

_KEY = r"-----BEGIN (?:[A-Z ]+ )?PRIVATE KEY-----"
_PATTERNS: tuple[tuple[str, str, str], ...] = (
    # name, a string that must occur for the pattern to be tried, pattern
    ("anthropic", "sk-ant-", r"(?<![\w-])sk-ant-[\w-]{16,}"),
    ("openai", "sk-", r"(?<![\w-])sk-(?:proj-|svcacct-|admin-)?\w[\w-]{19,}"),
    ("aws", "AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
    ("aws", "ASIA", r"\bASIA[0-9A-Z]{16}\b"),
    *(("github", f"gh{kind}_", rf"\bgh{kind}_[A-Za-z0-9]{{36,}}\b") for kind in "pousr"),
    ("github", "github_pat_", r"\bgithub_pat_\w{22,}\b"),
    ("google", "AIza", r"\bAIza[\w-]{35}"),
    ("slack", "xox", r"\bxox[abposr]-[0-9A-Za-z-]{10,}"),
    ("jwt", "eyJ", r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}"),
    ("private key", "-----BEGIN", _KEY + r"[\s\S]*?(?:" + _KEY.replace("BEGIN", "END") + r"|\Z)"),
    ("password", "://", r"(?<=://)[^\s:/@\"']{1,80}:[^\s/@\"']{3,200}(?=@)"),
    ("bearer", "earer ", r"(?<=[Bb]earer )[\w.=/+-]{12,}"),
)  # fmt: skip
_COMPILED = tuple((name, mark, re.compile(pattern)) for name, mark, pattern in _PATTERNS)
_MARKS = re.compile("|".join(re.escape(mark) for _, mark, _ in _PATTERNS))
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def redact(text: str) -> str:
    """The text with every known shape of a secret replaced by its kind."""
    for name, mark, pattern in _COMPILED:
        if mark in text:
            text = pattern.sub(f"[redacted: {name}]", text)
    return text


def redact_json(text: str) -> str:
    """The JSON document with the secrets in its strings replaced; all else in it stays byte for byte."""
    if _MARKS.search(text) is None:  # the patterns need the strings: the n of a \n hides what follows it
        return text
    return _STRING.sub(_redacted, text)


def _redacted(string: re.Match[str]) -> str:
    value = json.loads(string[0])
    clean = redact(value)
    return string[0] if clean == value else json.dumps(clean)
