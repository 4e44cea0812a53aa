"""What the server says of itself, in its handshake and in the files that registries and hosts read."""

import base64

NAME = "io.github.guildhall/guildhall"
"""In the registry of MCP servers; the README has it, too."""
TITLE = "Guildhall"
DESCRIPTION = "Teams of LLM specialists with one shared long-term memory."
WEBSITE = "https://github.com/guildhall/guildhall"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">'
    '<rect width="48" height="48" rx="11" fill="#2f5d8a"/>'
    '<path d="M10 21 24 11l14 10" fill="none" stroke="#fff" stroke-width="3" stroke-linejoin="round"/>'
    '<path d="M14 30h.1M24 30h.1M34 30h.1" stroke="#fff" stroke-width="8" stroke-linecap="round"/>'
    '<path d="M10 38h28" stroke="#fff" stroke-width="3"/></svg>'
)  # fmt: skip


def icon() -> str:
    """The icon as an address that needs no network."""
    return f"data:image/svg+xml;base64,{base64.b64encode(_ICON.encode()).decode()}"
