"""What differs from one host to another: where its user writes things down."""

_PLACES = {
    "claude-ai": "claude_desktop_config.json (Settings > Developer > Edit Config)",
    "claude-code": ".mcp.json (or add the server again with `claude mcp add --env`)",
    "Visual Studio Code": ".vscode/mcp.json",
    "cursor-vscode": ".cursor/mcp.json",
    "codex-mcp-client": "~/.codex/config.toml",
}
"""The file that starts this server, by the name with which a host introduces itself."""


def how_to_add_a_key(host: str) -> str:
    """What to do when no model could be reached, in the words of this host."""
    place = _PLACES.get(host, "the host's MCP configuration")
    return (
        "no API key reached this server, so the built-in extractive model answered: it quotes "
        "what it was given and writes nothing of its own. Hosts do not pass on the environment "
        "of your shell: put ANTHROPIC_API_KEY or OPENAI_API_KEY into `env` of the server's entry "
        f"in {place}, and restart the server"
    )
