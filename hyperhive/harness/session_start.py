"""Starts Claude Code, and meanwhile imports what speaks to it: each takes half a second or more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhive.harness.imports import import_aside
from hyperhive.harness.session_events import ClaudeUnavailable
from hyperhive.harness.session_options import SessionOptions, command_line, find_claude
from hyperhive.harness.session_process import ClaudeProcess
from hyperhive.harness.tool_policy import Policy

if TYPE_CHECKING:
    from hyperhive.harness.session_client import ClaudeClient


async def start_client(
    options: SessionOptions, model: str, session_id: str | None, policy: Policy
) -> ClaudeClient:
    """Its process runs, and is to be ended by `stop`. Raises ClaudeUnavailable."""
    program = find_claude(options.environment.get("PATH", ""))
    if program is None:
        raise ClaudeUnavailable("there is no Claude Code program: install claude-agent-sdk")
    argv = command_line(program, options, model, session_id)
    process = ClaudeProcess(argv, options.workspace, options.environment)
    try:
        await process.start()
    except OSError as error:
        raise ClaudeUnavailable(f"Claude Code did not start: {error}") from error
    try:
        # The link stays alive meanwhile.
        module = await import_aside("hyperhive.harness.session_client")
        client: ClaudeClient = module.ClaudeClient(options, model, process, policy)
    except BaseException:
        process.kill()
        await process.close()
        raise
    return client
