"""`guildhall mcp`."""

import click

from .frame import BadInput


@click.command()
def mcp() -> None:
    """Serve an assistant, as an MCP server.

    Hosts such as Claude Desktop, Claude Code, VS Code and Cursor start it themselves; this line goes
    into their configuration:

    \b
    uvx --from "guildhall[mcp]" guildhall mcp
    """
    try:
        from guildhall.mcp_server.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        text = 'the MCP server needs the extra `mcp`: pip install "guildhall[mcp]"'
        raise BadInput(text, code="missing_extra") from None
    serve()
