"""`guildhall mcp`."""

import click

from guildhall.names import LEAST_WAIT, MOST_WAIT, WAIT

from .frame import BadInput


@click.command()
@click.option(
    "--http", is_flag=True, help="Serve programs of yours over HTTP, in place of the host over stdio."
)
@click.option(
    "--port", default=8765, type=click.IntRange(0, 65_535), help="Of HTTP; 0 takes any that is free."
)
@click.option("--host", default="127.0.0.1", help="The address of HTTP.")
@click.option("--name", "names", multiple=True, help="A name by which a proxy calls it; may be repeated.")
@click.option("--behind-tls-proxy", is_flag=True, help="A proxy that speaks TLS is in front of --host.")
@click.option("--new-token", is_flag=True, help="Make a new token for HTTP.")
@click.option(
    "--wait",
    default=WAIT,
    envvar="GUILDHALL_MCP_WAIT",
    type=click.FloatRange(LEAST_WAIT, MOST_WAIT),
    help=f"Seconds that one call waits for a run before it says that it goes on ({WAIT:g}).",
)
def mcp(
    *, http: bool, port: int, host: str, names: tuple[str, ...], behind_tls_proxy: bool, new_token: bool,
    wait: float,
) -> None:  # fmt: skip
    """Serve an assistant, as an MCP server.

    Hosts such as Claude Desktop, Claude Code, VS Code and Cursor start it themselves; `guildhall init` writes
    this line into their configuration:

    \b
    uvx --from "guildhall[mcp]" guildhall mcp

    With --http it serves http://127.0.0.1:8765/mcp to whoever sends the token, which is written to the data
    folder and printed once.
    """
    if not LEAST_WAIT <= wait <= MOST_WAIT:
        raise BadInput(f"--wait is {wait}; give seconds from {LEAST_WAIT:g} to {MOST_WAIT:g}")
    try:
        if http:
            from guildhall.mcp_server.over_http import Where, serve_http

            where = Where(host=host, port=port, names=names, behind_tls=behind_tls_proxy)
            serve_http(where, patience=wait, new_token=new_token)
            return
        from guildhall.mcp_server.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        text = 'the MCP server needs the extra `mcp`: pip install "guildhall[mcp]"'
        raise BadInput(text, code="missing_extra") from None
    serve(patience=wait)
