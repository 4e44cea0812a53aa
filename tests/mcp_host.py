"""A host for tests of the MCP server: the official client, a small team, and what results hold."""

import json
from pathlib import Path
from typing import Any

from mcp_types import CallToolResult, TextContent

DUO = {
    "specialists/reader.md": "name: reader\ndescription: Find what the text says.",
    "specialists/doubter.md": "name: doubter\ndescription: Find what the text leaves open.",
    "teams/duo.md": "name: duo\ndescription: Two views.\npattern: parallel\nmembers: [reader, doubter]",
    "teams/asking.md": "name: asking\ndescription: Asks.\npattern: pipeline\nmembers: [human, reader]",
}
"""Files of a project, with their front matter."""


def write_files(project: Path, files: dict[str, str] = DUO) -> None:
    for name, front in files.items():
        path = project / ".guildhall" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"---\n{front}\n---\nWork together.\n")


def data(result: CallToolResult) -> dict[str, Any]:
    assert isinstance(result.structured_content, dict), text(result)
    return result.structured_content


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
