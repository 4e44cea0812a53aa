"""What the adapters share in sending: files, system prompts, JSON schemas."""

import json
import re
from base64 import b64encode
from collections.abc import Set as AbstractSet
from typing import Any

from guildhall.errors import ProviderError

from ..message import Attachment, ModelRequest, Turn

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
PDF = "application/pdf"
_STRICT = frozenset(
    "$defs $ref additionalProperties anyOf const description enum exclusiveMaximum exclusiveMinimum format "
    "items maxItems maximum minItems minimum multipleOf pattern properties required title type".split()
)
"""The keywords that OpenAI's strict mode knows."""


def at_most(request: ModelRequest, room: int | None) -> int:
    """Tokens of the reply that are asked for."""
    return request.max_output if room is None else min(request.max_output, room)


def check_files(request: ModelRequest, takes: AbstractSet[str], model: str) -> None:
    """Raise ProviderError if a file is of a kind that the model does not take."""
    for turn in request.turns:
        for file in turn.attachments:
            kind = "pdf" if file.media_type == PDF else "image" if file.media_type in IMAGES else ""
            if kind not in takes:
                raise ProviderError(
                    "unsupported",
                    f"{model} does not take {file.name} ({file.media_type}), only {_taken(takes)}: "
                    "use another model, or give the file as text",
                )


def system_text(request: ModelRequest) -> str:
    """All system prompts of the request."""
    return "\n\n".join(turn.prompt() for turn in request.turns if turn.role == "system")


def encoded(file: Attachment) -> str:
    return b64encode(file.data).decode("ascii")


def data_url(file: Attachment) -> str:
    return f"data:{file.media_type};base64,{encoded(file)}"


def result_text(turn: Turn) -> str:
    """A tool's result, for APIs that cannot say that it failed."""
    return f"The tool failed: {turn.prompt()}" if turn.failed else turn.prompt()


def in_words(schema: dict[str, Any]) -> str:
    """The schema as an instruction, for models and servers without a feature for it."""
    return f"Answer with one JSON value that fits this JSON schema, and nothing else:\n{json.dumps(schema)}"


def named_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as OpenAI takes it: with a name, and strict only where it fits the rules of that."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "answer"))[:64]
    strict = schema.get("type") == "object" and _fits_strict(schema)
    return {"name": name, "schema": schema, "strict": strict}


def _fits_strict(schema: Any) -> bool:
    """Whether every object is closed, requires all it has, and uses only keywords of strict mode."""
    if not isinstance(schema, dict) or not schema.keys() <= _STRICT or ("$ref" in schema and len(schema) > 1):
        return False
    properties = schema.get("properties", {})
    if schema.get("type") == "object" or properties:
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required", ())) != set(properties):
            return False
    elif not schema.keys() & {"$ref", "anyOf", "const", "enum", "type"}:
        return False
    parts = [*properties.values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    return all(map(_fits_strict, [*parts, *([schema["items"]] if "items" in schema else [])]))


def _taken(takes: AbstractSet[str]) -> str:
    names = {"image": "images (PNG, JPEG, GIF, WebP)", "pdf": "PDF files"}
    return " and ".join(["text", *(names.get(kind, kind) for kind in sorted(takes))])
