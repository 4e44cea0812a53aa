"""The face for assistants: teams as tools of an MCP server. Needs the extra `mcp`."""
