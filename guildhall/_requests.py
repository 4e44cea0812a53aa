"""Secrets that requests carry: in headers, in cookies and in addresses."""

import binascii
import re
from collections.abc import Iterator

from ._shapes import changes, has_digit, is_random

_AUTHORIZATION = re.compile(
    rb"(?:(?<=bearer)|(?<=basic))(?:[ \t]{1,8}+|[ \t\"'+\\]{0,20}+\r?\n[\s>\"'+]{0,40}+)([\w.~+/=-]{8,}+)",
    re.IGNORECASE,
)
_NUMBERED_WORD = re.compile(rb"[A-Za-z]+\d{1,3}")
_PARAMETER = re.compile(rb"=([\w.~%+/-]{20,4096}+)")
_NAMED = re.compile(
    rb"(?:[?&;](?:key|sig|[\w-]{0,16}signature)|sess(?:ion)?[_-]?(?:id)?|[^a-z]sid)\Z", re.IGNORECASE
)
_LONGEST_NAME = 20
_PASSWORD = re.compile(
    rb"(?![\s\"'])[^\s:/@\"'`<>\[\]?#]{0,80}+:(?![$<{*%])[^\s/\"'`<>\[\]?]{3,200}(?=@[\w\[.-])"
)
_USER = re.compile(rb"[\w.~-]{20,250}+(?=@[\w\[.-])")


def authorizations(plain: bytes) -> Iterator[tuple[int, int]]:
    """Where the values begin and end that stand after `Bearer` and `Basic`."""
    for match in _AUTHORIZATION.finditer(plain):
        if _is_credential(plain, match.start(), match[1]):
            yield match.span(1)


def parameters(plain: bytes) -> Iterator[tuple[int, int]]:
    """Where the keys and signatures of addresses and the sessions of cookies begin and end."""
    for match in _PARAMETER.finditer(plain):
        at = match.start()
        if _NAMED.search(plain, max(at - _LONGEST_NAME, 0), at) and is_random(match[1]):
            yield match.span(1)


def in_urls(plain: bytes) -> Iterator[tuple[int, int, str]]:
    """Where what gives access to an address stands in it: a password with its user, or a token alone."""
    at = 0
    while (at := plain.find(b"://", at)) >= 0:
        at += 3
        if match := _PASSWORD.match(plain, at):
            yield *match.span(), "password"
        elif (match := _USER.match(plain, at)) and has_digit(match[0]) and is_random(match[0]):
            yield *match.span(), "token"


def _is_credential(plain: bytes, end: int, value: bytes) -> bool:
    """Whether the value is a token, or the base64 of a user and a password; `end`: of the word before it."""
    before = plain[max(end - 20, 0) : end].lower()
    if before.endswith(b"basic") and _is_basic(value[:400]):
        return True
    if len(value) < 12 or not before.endswith((b"bearer", b"orization: basic")):
        return False
    return is_random(value) or (has_digit(value[:200]) and not _NUMBERED_WORD.fullmatch(value[:200]))


def _is_basic(value: bytes) -> bool:
    """Whether it is base64 of text with a colon."""
    body = value.rstrip(b"=")
    if changes(body) < 2 or len(body) % 4 == 1 or not re.fullmatch(rb"[A-Za-z0-9+/]+", body):
        return False
    try:
        said = binascii.a2b_base64(body + b"=" * (-len(body) % 4)).decode()
    except UnicodeDecodeError:
        return False
    return ":" in said and said.isprintable()
