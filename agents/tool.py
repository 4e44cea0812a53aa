"""Functions that a model may call."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Literal, cast, get_type_hints, overload

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, to_json

from guildhall.errors import Failure, UserError
from guildhall.memory import given
from guildhall.memory.records import TRUST
from guildhall.redact import redact

from .message import ToolSpec, plain

if TYPE_CHECKING:
    from .run import Run

Risk = Literal["read", "write", "execute", "network"]
LONGEST_RESULT = 60_000
"""Characters of a tool's answer that a model is shown."""


@dataclass(frozen=True)
class ToolContext:
    """Where a tool is called: the span of the call, for tools that recall, remember or show sources."""

    run: "Run"
    model: str = ""
    """The model that asked for the call."""


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
    trust: float | None = None
    """How far its answers are trusted, from 0 to 1; if not given, as the web's over a network or a tool's."""

    @property
    def trusted(self) -> float:
        """What a run that was told by it remembers is trusted no more than that."""
        if self.trust is not None:
            return self.trust
        return TRUST["web" if self.risk == "network" else "tool"]

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(name=self.name, description=self.description, parameters=dict(self.parameters))


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, risk: Risk = "read", idempotent: bool = True, trust: float | None = None
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    risk: Risk = "read",
    idempotent: bool = True,
    trust: float | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """A tool made of a typed function: its signature is the schema, its docstring what the model reads.

    A plain function runs in a thread. A parameter of type ToolContext is filled in, and not shown. What comes
    over a network is hardly trusted, and so is what is remembered of it, unless you vouch with a `trust`.
    """
    about = (risk, idempotent, None if trust is None else given.fraction("trust", trust))
    if function is None:
        return lambda function: _made(function, *about)
    return _made(function, *about)


def missing(name: str, offered: Sequence[str]) -> Tool:
    """What stands in for a tool that a model made up: it tells the model what there is."""

    async def call(_arguments: Mapping[str, Any], _context: ToolContext) -> str:
        raise UserError(f"there is no tool {name!r}; there are: {', '.join(offered) or 'none'}")

    return Tool(name, "", {}, call)


def _made(function: Callable[..., Any], risk: Risk, idempotent: bool, trust: float | None) -> Tool:
    name, text = function.__name__, inspect.getdoc(function) or ""
    _check_signature(function)
    context = _context_parameter(function)
    try:
        adapter = TypeAdapter[Any](cast("Any", _bound(function, context)))
        schema = adapter.json_schema()
    except Exception as error:
        raise UserError(
            f"{name} cannot be a tool: every parameter needs a type with a JSON schema ({error})"
        ) from error

    async def call(arguments: Mapping[str, Any], here: ToolContext) -> str:
        filled = {**arguments, context: here} if context else dict(arguments)
        try:
            work = adapter.validate_python(ArgsKwargs((), filled))
        except ValidationError as error:
            raise Failure(_problems(error), kind="bad_arguments") from None
        return _text(await work() if inspect.iscoroutinefunction(function) else await _in_thread(work))

    if context:
        schema = {**schema, "properties": {k: v for k, v in schema["properties"].items() if k != context}}
        schema["required"] = [key for key in schema.get("required", []) if key != context]
    return Tool(name, text, schema, call, risk, idempotent, trust)


def _check_signature(function: Callable[..., Any]) -> None:
    name = function.__name__
    if not name.isidentifier():
        raise UserError(f"a tool needs a name, and {name} has none; make it with def")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UserError(f"the tool {name} takes *{parameter.name}; name each of its parameters")
        if parameter.annotation is parameter.empty:
            raise UserError(f"the parameter {parameter.name} of the tool {name} has no type; give it one")


def _context_parameter(function: Callable[..., Any]) -> str | None:
    hints = get_type_hints(function)
    return next((name for name, hint in hints.items() if hint is ToolContext and name != "return"), None)


def _bound(function: Callable[..., Any], context: str | None) -> Callable[..., Any]:
    """The function as pydantic checks it: given its arguments it gives the work, which is not begun yet."""

    @wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Any:
        return partial(function, *args, **kwargs)

    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    bound.__annotations__ = {**hints, context: Any} if context else hints
    return bound


async def _in_thread(work: Callable[[], Any]) -> Any:
    """What the work gives; its thread does not keep the process alive when the run is cancelled."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(value)
        else:
            done.set_exception(error)

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except Exception as raised:  # noqa: BLE001  it is raised where the work is awaited
            error = raised
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="guildhall-tool", daemon=True).start()
    return await done


def _problems(error: ValidationError) -> str:
    parts = (f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors())
    return "the arguments do not fit: " + "; ".join(parts)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value, fallback=str).decode()
    text = redact(plain(text))
    if len(text) > LONGEST_RESULT:
        return f"{text[:LONGEST_RESULT]}\n[{len(text) - LONGEST_RESULT:,} more characters were left out]"
    return text
