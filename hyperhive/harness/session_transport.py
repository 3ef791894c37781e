"""A Claude Code process as the Claude Agent SDK wants to have it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from claude_agent_sdk import ProcessError, Transport

from hyperhive.harness.session_process import ClaudeProcess


class ClaudeTransport(Transport):
    """Of a process that runs already."""

    def __init__(self, process: ClaudeProcess) -> None:
        self._process = process

    async def connect(self) -> None:
        pass

    async def write(self, data: str) -> None:
        await self._process.write(data)

    async def read_messages(self) -> AsyncIterator[dict[str, object]]:
        async for message in self._process.read_messages():
            yield message
        if code := self._process.exit_code:
            words = self._process.last_words
            raise ProcessError("Claude Code ended", exit_code=code, stderr=words)

    def is_ready(self) -> bool:
        return self._process.is_ready()

    async def end_input(self) -> None:
        await self._process.end_input()

    async def close(self) -> None:
        await self._process.close()
