"""Secrets that are known by the name they are given to: `DB_PASSWORD="..."`, `api_key: ...`."""

import re
from collections.abc import Iterator
from itertools import pairwise

_WORDS = (b"pass", b"secret", b"token", b"key", b"pwd", b"credential")
"""One of them is in every name of a secret."""
LONGEST_LOOKED_AT = 200
"""Characters of a value that are looked at to tell whether it is a secret."""
_KEY_OF = re.compile(
    rb"(?:api[ _-]?|(?:access|account|admin|app|auth|client|deploy|encryption|license|master|private|secret|"
    rb"service|shared|signing|storage|subscription)[_-]?)\Z",
    re.IGNORECASE,
)
_PART = rb"(?:\\.)?[^\s\"'`\\]{1,4096}+(?:\\.[^\s\"'`\\]{0,100}+){0,20}+"
_BARE = rb"[^\s\"'`,;<>()\[\]{}&|\\]{1,4096}+(?:\\(?![\s\"'])[^\s\"'`,;<>()\[\]{}&|\\]{0,100}+){0,20}+"
_NEXT_LITERAL = rb"(?:[ \t]*+[+\\]?[ \t]*+\r?\n[ \t>]*+\+?[ \t]*+[\"'`]%b[\"'`])" % _PART
_ASSIGNED = re.compile(
    rb"(?P<name>pass(?:word|wd|phrase|code)?|pwd|secrets?(?:[_-]?(?:access[_-]?)?key(?:[_-]?base)?)?|token|key|"
    rb"credentials?)(?:[_-]?\d{1,2})?"
    rb"[\\\"'`\])]{0,5}(?P<before>[ \t]{0,20})(?P<sign>=>|:=|=(?!=)|:(?!:))(?P<after>[\s>\\]{0,40})"
    rb"(?:[rbfu]{0,2}(?:"
    rb"[\"'`](?P<quoted>%b(?:\\?\r?\n[ \t>]*+%b){0,8}+)(?=[\"'`]|\Z)(?P<more>[\"'`]%b{0,64}+)?"
    rb"|\\{1,3}[\"'](?P<escaped>[^\s\"'`\\]{8,4096}+)"
    rb")|(?P<bare>%b(?:\\\r?\n[ \t>]*+%b){0,8}+)(?![(\[{]))" % (_PART, _PART, _NEXT_LITERAL, _BARE, _BARE),
    re.IGNORECASE,
)
_JOINT = re.compile(rb"[\s>+\\\"'`]*\n[\s>+\\\"'`]*")
_NO_VALUE = re.compile(
    rb"[$<{%*\[\]/~]|\(\?|https?:|[\w.]*\.\.\.|(?:base64|sha|utf|oauth|x509|\d+-?bit)[\d-]"
)
"""How what stands for a value begins: a variable, a template, a path, the name of a format."""
_HAS_MORE = re.compile(rb"[\d!@#$%^*]")
_NAME_IN_CODE = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Za-z]+(?:_[A-Za-z]+)*_v?\d{1,2}")
_PLACEHOLDERS = frozenset(
    b"""changeme disabled enabled example forgotten hidden incorrect mandatory optional placeholder plaintext
    redacted required undefined unchanged username""".split()
)


def find(plain: bytes) -> Iterator[tuple[int, int]]:
    """Where values begin and end that are secret by their name and look it."""
    lower = plain.lower()
    for word in _WORDS:
        at = 0
        while (at := lower.find(word, at)) >= 0:
            end = at + len(word)
            near = plain[end : end + 40]
            is_assigned = b":" in near or b"=" in near
            match = _ASSIGNED.match(plain, at) if is_assigned else None
            if match and (span := _secret(plain, match)):
                yield span
                end = span[1]
            at = end


def is_secret(name: str, value: str) -> bool:
    """Whether the value is a secret that is known by this name, as in a JSON object."""
    line = f'{name}": "{value}"'.encode("ascii", "replace")
    return any(start == len(name) + len('": "') for start, _ in find(line))


def _secret(plain: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    name = match["name"].lower()
    before = plain[max(match.start() - 20, 0) : match.start()]
    if (name == b"key" and not _KEY_OF.search(before)) or (name == b"pass" and not before.endswith(b"_")):
        return None
    group = next(group for group in ("quoted", "escaped", "bare") if match[group] is not None)
    start, end = match.span(group)
    if group == "quoted":
        end = match.end("more") - 1 if match["more"] and len(match["more"]) > 1 else end
    else:
        end = start + len(plain[start:end].rstrip(b".,:;!?"))
    value = plain[start : min(end, start + LONGEST_LOOKED_AT)]
    if b"\n" in value:
        value = _JOINT.sub(b"", value)
    strong = name.startswith((b"pass", b"pwd"))
    tight = not match["before"] and not match["after"]
    shown = group != "bare" or tight or before[-1:] in (b"_", b"-")
    looks = _looks_secret(
        value, quoted=group != "bare", shown=shown, password=strong and match["sign"] != b":", tight=tight
    )
    return (start, end) if looks else None


def _looks_secret(value: bytes, *, quoted: bool, shown: bool, password: bool, tight: bool) -> bool:
    """`quoted`, `tight`: nothing stands around the sign. `shown`: one of them, or the name has parts."""
    if len(value) < 8 or _NO_VALUE.match(value) or len(set(value.lower())) < 4 or b"://" in value:
        return False
    if not quoted and (_NAME_IN_CODE.fullmatch(value) or value[:1] in b".#@?="):
        return False
    if not value.lower().islower():  # no letters
        return password and (quoted or tight)
    return _HAS_MORE.search(value) is not None or _is_phrase(value, quoted, shown, password, tight)


def _is_phrase(value: bytes, quoted: bool, shown: bool, password: bool, tight: bool) -> bool:
    """Whether words, or letters without order, are a secret."""
    lower = value.lower()
    if lower in _PLACEHOLDERS or any(word in lower for word in _WORDS):
        return False
    parts = len(re.split(rb"[-_.]", value))
    if parts == 1:
        cases = sum(chr(a).isupper() != chr(b).isupper() for a, b in pairwise(value))
        is_random = len(value) >= 16 and cases >= 0.4 * len(value)
        return (is_random and (quoted or tight)) or (password and quoted)
    is_kebab = shown and b"-" in value and (parts > 2 or password)
    return is_kebab or (password and quoted)
