"""Secrets are taken out of text before it is stored or shown."""

import re

_KEY = r"-----BEGIN (?:[A-Z ]+ )?PRIVATE KEY-----"
_PATTERNS: tuple[tuple[str, str, str], ...] = (
    # name, a string that must occur for the pattern to be tried, pattern
    ("anthropic", "sk-ant-", r"(?<![\w-])sk-ant-[\w-]{16,}"),
    ("openai", "sk-", r"(?<![\w-])sk-(?:proj-|svcacct-|admin-)?\w[\w-]{19,}"),
    ("aws", "IA", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("github", "gh", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    ("github", "github_pat_", r"\bgithub_pat_\w{22,}\b"),
    ("google", "AIza", r"\bAIza[\w-]{35}"),
    ("slack", "xox", r"\bxox[abposr]-[0-9A-Za-z-]{10,}"),
    ("jwt", "eyJ", r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}"),
    ("private key", "-----BEGIN", _KEY + r"[\s\S]*?(?:" + _KEY.replace("BEGIN", "END") + r"|\Z)"),
    ("password", "://", r"(?<=://)[^\s:/@]{1,80}:[^\s/@]{3,200}(?=@)"),
    ("bearer", "earer ", r"(?<=[Bb]earer )[\w.=/+-]{12,}"),
)  # fmt: skip
_COMPILED = tuple((name, mark, re.compile(pattern)) for name, mark, pattern in _PATTERNS)


def redact(text: str) -> str:
    """The text with every known shape of a secret replaced by its kind."""
    for name, mark, pattern in _COMPILED:
        if mark in text:
            text = pattern.sub(f"[redacted: {name}]", text)
    return text
