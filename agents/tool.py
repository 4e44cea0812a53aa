"""Functions that a model may call."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, cast, get_type_hints, overload

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, to_json

from guildhall.errors import Failure, UserError

from .message import ToolSpec

if TYPE_CHECKING:
    from .run import Run

Risk = Literal["read", "write", "execute", "network"]
LONGEST_RESULT = 60_000
"""Characters of a tool's answer that a model is shown."""


@dataclass(frozen=True)
class ToolContext:
    """Where a tool is called: the span of the call, for tools that recall, remember or show sources."""

    run: "Run"


@dataclass(frozen=True)
class Tool:
    """`call` takes the model's arguments and answers with text; what it raises is told to the model."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema."""
    call: Callable[[Mapping[str, Any], ToolContext], Awaitable[str]]
    risk: Risk = "read"
    idempotent: bool = True
    """A tool that is not is never repeated by itself after a crash."""

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(name=self.name, description=self.description, parameters=dict(self.parameters))


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(*, risk: Risk = "read", idempotent: bool = True) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None, /, *, risk: Risk = "read", idempotent: bool = True
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """A tool made of a typed function: its signature is the schema, its docstring what the model reads.

    A plain function runs in a thread. A parameter of type ToolContext is filled in, and not shown.
    """
    if function is None:
        return lambda function: _made(function, risk, idempotent)
    return _made(function, risk, idempotent)


def missing(name: str, offered: Sequence[str]) -> Tool:
    """What stands in for a tool that a model made up: it tells the model what there is."""

    async def call(_arguments: Mapping[str, Any], _context: ToolContext) -> str:
        raise UserError(f"there is no tool {name!r}; there are: {', '.join(offered) or 'none'}")

    return Tool(name, "", {}, call)


def _made(function: Callable[..., Any], risk: Risk, idempotent: bool) -> Tool:
    name, text = function.__name__, inspect.getdoc(function) or ""
    context = _context_parameter(function)
    try:
        adapter = TypeAdapter[Any](cast("Any", _shown(function, context)))
        schema = adapter.json_schema()
    except Exception as error:
        raise UserError(
            f"{name} cannot be a tool: every parameter needs a type with a JSON schema ({error})"
        ) from error

    async def call(arguments: Mapping[str, Any], given: ToolContext) -> str:
        call_ = ArgsKwargs((), {**arguments, **({context: given} if context else {})})
        if inspect.iscoroutinefunction(function):
            return _text(await _checked(lambda: adapter.validate_python(call_)))
        return _text(await asyncio.to_thread(_run_checked, lambda: adapter.validate_python(call_)))

    if context:
        schema = {**schema, "properties": {k: v for k, v in schema["properties"].items() if k != context}}
        schema["required"] = [key for key in schema.get("required", []) if key != context]
    return Tool(name, text, schema, call, risk, idempotent)


def _context_parameter(function: Callable[..., Any]) -> str | None:
    hints = get_type_hints(function)
    return next((name for name, hint in hints.items() if hint is ToolContext and name != "return"), None)


def _shown(function: Callable[..., Any], context: str | None) -> Callable[..., Any]:
    """The function as pydantic sees it: with anything for its context."""
    if context is None:
        return function

    @wraps(function)
    def shown(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    shown.__annotations__ = {**get_type_hints(function, include_extras=True), context: Any}
    return shown


async def _checked(call: Callable[[], Awaitable[Any]]) -> Any:
    return await _run_checked(call)


def _run_checked(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ValidationError as error:
        raise Failure(_problems(error), kind="bad_arguments") from None


def _problems(error: ValidationError) -> str:
    parts = (f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors())
    return "the arguments do not fit: " + "; ".join(parts)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value, fallback=str).decode()
    if len(text) > LONGEST_RESULT:
        return f"{text[:LONGEST_RESULT]}\n[{len(text) - LONGEST_RESULT:,} more characters were left out]"
    return text
