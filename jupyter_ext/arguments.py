"""How the lines of magics are read: IPython's argument parser with types, and values that are checked."""

import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from keyword import iskeyword
from typing import Any, TypeVar

from IPython.core import magic_arguments
from IPython.core.error import UsageError

F = TypeVar("F", bound=Callable[..., Any])
Declared = Callable[[F], F]

argument: Callable[..., Any] = magic_arguments.argument
"""One argument, declared as for argparse."""
_begin: Callable[..., Any] = magic_arguments.magic_arguments
_parse: Callable[..., Namespace] = magic_arguments.parse_argstring


def arguments(*declared: Any) -> Callable[[F], F]:
    """The magic with these arguments, which its help lists in this order."""

    def decorate(function: F) -> F:
        for one in reversed(declared):
            function = one(function)
        decorated: F = _begin()(function)
        return decorated

    return decorate


def parsed(magic: Callable[..., Any], line: str) -> Namespace:
    """The arguments on the line. Raises UsageError, which IPython shows as one line."""
    try:
        return _parse(magic, line)
    except ValueError as error:  # a quotation mark without its twin
        raise UsageError(f"the line cannot be read: {error}") from None


def options_and_text(line: str, *flags: str) -> tuple[str, str]:
    """The options that the line begins with, each but these flags with its value, and the rest as it was
    written.
    """
    alone = "|".join(rf"{re.escape(flag)}(?!\S)" for flag in flags) or "(?!)"
    valued = r"-{1,2}[a-zA-Z][\w-]*(?:=|\s+)(?:\"[^\"]*\"|'[^']*'|\S+)"
    options = re.match(rf"\s*(?:(?:{alone}|{valued})\s*)*", line)
    assert options is not None  # no options match as well
    return options[0], line[options.end() :]


def needed(text: str, magic: str, what: str) -> str:
    """The text without the space around it. Raises UsageError if nothing is left."""
    if not text.strip():
        raise UsageError(f"{magic} needs {what}; {magic}? shows how it is written")
    return text.strip()


def unquoted(text: str) -> str:
    """The value without the quotation marks that hold it together on the line."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def variable(name: str) -> str:
    if not name.isidentifier() or iskeyword(name):
        raise ArgumentTypeError(f"{name!r} cannot be the name of a variable")
    return name


def dollars(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no budget; give US dollars above 0, such as 0.50")
    return amount


def fraction(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"{text!r} is no share; give a number from 0 to 1")
    return share


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no count; give a whole number from 1 on")
    return int(text)
