"""Notebooks, cell by cell; small cells stand together."""

import json
from collections.abc import Iterator
from typing import Any

from .chunk import LEAST, Part
from .text import decoded
from .unreadable import UnreadableError

_OF_OUTPUT = 1_000
"""Characters that are kept of what a cell gave."""


def cells(data: bytes) -> Iterator[Part]:
    try:
        found = json.loads(decoded(data))["cells"]
        texts = [_text(cell) for cell in found]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"it is no notebook, or one of an old format: {error}") from None
    waiting, first = list[str](), 1
    for number, text in enumerate(texts, 1):
        if waiting and sum(map(len, waiting)) >= LEAST:
            yield _part(waiting, first, number - 1)
            waiting, first = [], number
        waiting.append(text)
    yield _part(waiting, first, len(texts))


def _part(texts: list[str], first: int, last: int) -> Part:
    place = f"cell {first}" if first == last else f"cells {first}-{last}"
    return Part("\n\n".join(filter(None, texts)), place)


def _text(cell: dict[str, Any]) -> str:
    source = _joined(cell.get("source", ""))
    if cell.get("cell_type") != "code":
        return source.strip("\n")
    given = [_joined(_of_output(output)) for output in cell.get("outputs") or []]
    output = "\n".join(filter(str.strip, given))
    fence = "````" if "```" in source else "```"
    code = f"{fence}python\n{source.strip(chr(10))}\n{fence}" if source.strip() else ""
    short = output[:_OF_OUTPUT] + " ..." * (len(output) > _OF_OUTPUT)
    return "\n\n".join(filter(None, [code, f"Output:\n{short}" if output else ""]))


def _of_output(output: dict[str, Any]) -> Any:
    if "text" in output:
        return output["text"]
    if "evalue" in output:
        return f"{output.get('ename', '')}: {output['evalue']}"
    return output.get("data", {}).get("text/plain", "")


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text)
