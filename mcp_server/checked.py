"""The one way into the tools: what is wrong with a call is told to the model that made it, to put right."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from pydantic import ValidationError

from guildhall.errors import GuildhallError, NameUnknown, UserError, describe
from guildhall.redact import logger, redact, redact_json

from .fixes import usable, where_it_goes
from .jobs import Jobs
from .shortened import clipped

LONGEST_ERROR = 8_000
"""Bytes of an error."""
LONGEST_SHOWN = 100
"""Characters of what was given. What is longer is told by its size: a secret that is cut is not found."""
MOST_SHOWN = 5
"""Names, or problems, of one call."""
AGAIN = "Nothing was done: put it right and call again"
log = logger(__name__)


class _Within(NamedTuple):
    """What a schema calls the things that are within another, and the most of them."""

    name: str
    each: str
    most: str


_WITHIN = {
    "array": _Within("a list", "items", "maxItems"),
    "object": _Within("an object", "additionalProperties", "maxProperties"),
}


class CheckedServer(MCPServer[Jobs]):
    """Refuses what a tool does not take, and tells every error in words of its own, without secrets.

    The library drops arguments of unknown names, and a misspelt `private` must not go unheard.
    """

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Jobs, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        takes: dict[str, Any] = {}
        try:
            takes = await self._takes(name)
            if unknown := [given for given in arguments if given not in takes]:
                raise UserError(f"{name} takes no {_listed(unknown)}; it takes {', '.join(takes)}. {AGAIN}")
            return await super().call_tool(name, arguments, context)
        except MCPError:  # it is for the host, and holds nothing of the call
            raise
        except Exception as error:  # noqa: BLE001  the last place where a host can be told of it
            said = usable(_told(name, error, takes))
            where = where_it_goes(_host(context), [said])
            said = clipped(redact(f"{said}. {where}" if where else said), LONGEST_ERROR)
            return CallToolResult(content=[TextContent(text=said)], is_error=True)

    async def _takes(self, name: str) -> dict[str, Any]:
        """The schemas of the tool's arguments."""
        schemas = {tool.name: tool.input_schema for tool in await self.list_tools()}
        if name not in schemas:
            raise NameUnknown("tool", _listed([name]), schemas)
        takes: dict[str, Any] = schemas[name]["properties"]
        return takes


def _host(context: Context[Jobs, Any] | None) -> str:
    """The name with which the host introduced itself."""
    params = context.session.client_params if context else None
    return params.client_info.name if params else ""


def _told(name: str, error: Exception, takes: dict[str, Any]) -> str:
    """The error in one line; what is nobody's mistake but ours is logged as well."""
    cause = error.__cause__ if isinstance(error, ToolError) else error
    if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
        return f"{name}: {'; '.join(_problems(cause, takes))}. {AGAIN}"
    if isinstance(cause, GuildhallError):
        return describe(cause)
    log.error("a call of %s failed", name, exc_info=cause or error)
    return f"internal error: {describe(cause or error)} (the traceback is in the log of this server)"


def _problems(error: ValidationError, takes: dict[str, Any]) -> Iterable[str]:
    """What is wrong with each argument, and what it may be instead."""
    for one in error.errors(include_url=False, include_context=False)[:MOST_SHOWN]:
        name, *place = one["loc"]
        schema = takes[str(name)]
        if place and (of := _WITHIN.get(schema["type"])):
            name, schema = f"{name}[{_shown(place[0])}]", schema[of.each]
        given = "missing" if one["type"] == "missing" else _shown(one["input"])
        yield f"{name} is {given}: give {_allowed(schema)}"


def _allowed(schema: dict[str, Any]) -> str:
    """What fits the schema, in words."""
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    match schema["type"]:
        case "boolean":
            return "true or false"
        case "string":
            least = f"{schema['minLength']} to" if schema.get("minLength") else "at most"
            return f"a text of {least} {schema['maxLength']:,} characters"
        case "array" | "object" as kind:
            of = _WITHIN[kind]
            return f"{of.name} of at most {schema[of.most]:,}, each {_allowed(schema[of.each])}"
        case "integer":
            return f"a whole number from {schema['minimum']} to {schema['maximum']:,}"
        case _:
            return f"a number above {schema['exclusiveMinimum']} and up to {schema['maximum']:,}"


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) > LONGEST_SHOWN:
        return f"a text of {len(value):,} characters"
    said = json.dumps(value, ensure_ascii=False)
    if len(said) <= 2 * LONGEST_SHOWN:
        return redact_json(said)
    return f"a list of {len(value):,}" if isinstance(value, list) else "too large"


def _listed(names: list[str]) -> str:
    """The names, those that are too long by their size."""
    shown = [name if len(name) <= LONGEST_SHOWN else f"({len(name):,} characters)" for name in names]
    more = [f"and {len(names) - MOST_SHOWN} more"] * (len(names) > MOST_SHOWN)
    return ", ".join([*shown[:MOST_SHOWN], *more])
