"""The agent's tools as an MCP server on stdin and stdout, without a link and without turns."""

from __future__ import annotations

from pathlib import Path

from mcp.server.stdio import stdio_server

from hyperhive.harness.clones import Clones
from hyperhive.harness.post import PATIENCE, PostCaller
from hyperhive.harness.proposals import ProposingCaller
from hyperhive.harness.requests import Caller
from hyperhive.harness.tools import Tools, build_server
from hyperhive.protocol.verbs import may_propose


async def serve(socket: Path, clones: Path) -> None:
    """Serve until stdin ends; what is proposed is looked for in `clones`.

    Raises HiveError when the host does not say who the agent is.
    """
    async with PostCaller(socket) as post:
        identity = await post.call("whoami", {})
        capabilities = identity["capabilities"]
        caller: Caller = post
        if may_propose(capabilities):
            of = Clones(socket, clones, identity["name"])
            caller = ProposingCaller(post, of, PATIENCE)
        server = build_server(Tools(caller, capabilities))
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
