"""Conditions on what earlier steps answered: `review.score < 0.8 and triage.choice == "bug"`.

    condition   test [or test]... , with `and` binding closer, and `not` before a test or parentheses
    test        value, or value == != < <= > >= in value
    value       "text", 'text', a number, true, false, or STEP.FIELD

Nothing else can be written, so that a file can do no more than compare. Fields are those of the step's typed
output, and of every step `text`, `answered` and `failed`.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from guildhall.errors import UserError

from ..message import Message

Place: TypeAlias = tuple[str, str]
"""A step and a field of its answer."""
Values: TypeAlias = Callable[[Place], Any]
Test: TypeAlias = Callable[[Values], Any]

OF_EVERY_STEP = ("text", "answered", "failed")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"[^\"]*\"|'[^']*')|(?P<number>-?(?:\d+\.?\d*|\.\d+))|(?P<sign>[=!<>]=|[<>()])"
    r"|(?P<word>[a-zA-Z][\w-]*(?:\.[a-z_]+)?))"
)
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "in": lambda one, other: one in other,
}  # fmt: skip
_TRUTHS = {"true": True, "false": False}
LONGEST = 1_000
"""Characters of a condition."""


@dataclass(frozen=True)
class Condition:
    """Holds or does not, given what steps have answered; made by `condition`."""

    text: str
    places: tuple[Place, ...]
    """What it looks at."""
    compared: tuple[tuple[Place, Any], ...]
    """With which constants it compares what it looks at."""
    _test: Test

    def holds(self, done: Mapping[str, Message]) -> bool:
        """Whether it holds; a comparison with what is not there does not."""
        return bool(self._test(lambda place: _value(place, done)))


def condition(text: str) -> Condition:
    """The condition that the text says. Raises UserError with what is allowed."""
    if len(text) > LONGEST:
        raise UserError(f"a condition has at most {LONGEST} characters; this one has {len(text)}")
    reader = _Reader(text)
    test = reader.either()
    reader.end()
    return Condition(text, tuple(dict.fromkeys(reader.places)), tuple(reader.compared), test)


class _Operand(NamedTuple):
    test: Test
    place: Place | None = None
    constant: Any = None


def _compared(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    try:
        return bool(compare(left, right))
    except TypeError:  # a text is not larger than a number
        return False


def _constant(value: object) -> _Operand:
    return _Operand(lambda _: value, None, value)


def _value(place: Place, done: Mapping[str, Message]) -> Any:
    step, name = place
    answer = done.get(step)
    if name == "answered":
        return answer is not None and answer.type == "response"
    if name == "failed":
        return answer is not None and answer.failed
    if answer is None or answer.type != "response":
        return None
    return answer.text if name == "text" else getattr(answer.data, name, None)


class _Reader:
    """Reads a condition from left to right, each rule of its grammar a method."""

    def __init__(self, text: str) -> None:
        self._text, self._depth = text, 0
        self.places: list[Place] = []
        self.compared: list[tuple[Place, Any]] = []
        self._tokens = list(self._split())

    def either(self) -> Test:
        return self._joined(self._both, "or", any)

    def _both(self) -> Test:
        return self._joined(self._one, "and", all)

    def _joined(self, part: Callable[[], Test], word: str, join: Callable[[Iterator[Any]], Any]) -> Test:
        tests = [part()]
        while self._next_is(word):
            tests.append(part())
        return tests[0] if len(tests) == 1 else lambda values: join(test(values) for test in tests)

    def _one(self) -> Test:
        if self._next_is("not"):
            denied = self._one()
            return lambda values: not denied(values)
        if self._next_is("("):
            self._depth += 1
            if self._depth > 20:
                raise self._wrong("has too many parentheses within each other")
            inner = self.either()
            if not self._next_is(")"):
                raise self._wrong("lacks a )")
            self._depth -= 1
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._operand()
        if not self._tokens or not (compare := _SIGNS.get(self._tokens[0])):
            return left.test
        sign, right = self._tokens.pop(0), self._operand()
        for one, other in ((left, right), (right, left)):
            if sign != "in" and one.place is not None and other.place is None:
                self.compared.append((one.place, other.constant))
        return lambda values: _compared(compare, left.test(values), right.test(values))

    def _operand(self) -> _Operand:
        if not self._tokens:
            raise self._wrong("ends too early")
        token = self._tokens.pop(0)
        if token[0] in "\"'":
            return _constant(token[1:-1])
        if token[0] in "-.0123456789":
            return _constant(float(token))
        if token in _TRUTHS:
            return _constant(_TRUTHS[token])
        step, dot, name = token.partition(".")
        if not dot or step in ("and", "or", "not", "in"):
            raise self._wrong(f"has {token!r}, which is no value: write STEP.FIELD, or text in quotes")
        self.places.append((step, name))
        return _Operand(lambda values: values((step, name)), (step, name))

    def _next_is(self, token: str) -> bool:
        if self._tokens[:1] != [token]:
            return False
        self._tokens.pop(0)
        return True

    def end(self) -> None:
        if self._tokens:
            raise self._wrong(f"goes on with {self._tokens[0]!r} where and, or, or its end is expected")

    def _split(self) -> Iterator[str]:
        at, text = 0, self._text.strip()
        while at < len(text):
            if (match := _TOKEN.match(text, at)) is None:
                raise self._wrong(f"cannot be read at {text[at : at + 20]!r}")
            yield match[match.lastgroup or 0]
            at = match.end()

    def _wrong(self, what: str) -> UserError:
        return UserError(
            f"the condition {self._text!r:.200} {what}; a condition compares values, such as "
            'review.score < 0.8 and triage.choice == "bug"'
        )


def check_values(condition: Condition, kind_of: Callable[[Place], type | Sequence[str] | None]) -> None:
    """Raise UserError where it can never hold: a text compared with a number, or a word nobody can choose.

    `kind_of` gives the type of a field, or the words that it can be; None if that is open.
    """
    for place, constant in condition.compared:
        kind, name = kind_of(place), ".".join(place)
        if isinstance(kind, type) and type(constant) is not kind:
            words = {str: "a text", float: "a number", bool: "true or false"}
            raise UserError(
                f"{condition.text!r} compares {name}, which is {words[kind]}, with {words[type(constant)]}"
            )
        if kind is not None and not isinstance(kind, type) and constant not in kind:
            raise UserError(f"{condition.text!r}: {name} can be {', '.join(kind)}, and never {constant!r}")


def check_places(condition: Condition, fields: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError where it looks at what is not there; `fields` are those of each step."""
    for step, name in condition.places:
        if step not in fields:
            raise UserError(f"{condition.text!r} names the step {step!r}; there are: {', '.join(fields)}")
        if name not in fields[step]:
            raise UserError(
                f"{condition.text!r}: {step} has no {name!r}; there are: {', '.join(fields[step])}"
            )
