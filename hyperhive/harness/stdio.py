"""The agent's tools as an MCP server on stdin and stdout, without a link and without turns."""

from __future__ import annotations

from pathlib import Path

from mcp.server.stdio import stdio_server

from hyperhive.harness.post import PostCaller
from hyperhive.harness.tools import Tools, build_server


async def serve(socket: Path) -> None:
    """Serve until stdin ends. Raises HiveError when the host does not say who the agent is."""
    async with PostCaller(socket) as caller:
        identity = await caller.call("whoami", {})
        server = build_server(Tools(caller, identity["capabilities"]))
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
