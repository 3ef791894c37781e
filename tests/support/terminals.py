"""Talks to a shell in a terminal the way a person does: types, and reads until something shows."""

from __future__ import annotations

import asyncio
import re

from hyperhive.hive.ports import Terminal

SECONDS = 15.0


class Screen:
    """What a terminal has shown so far."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.shown = b""

    async def until(self, pattern: bytes) -> re.Match[bytes]:
        """Reads until `pattern` was shown; the next call looks behind it."""
        async with asyncio.timeout(SECONDS):
            while not (found := re.search(pattern, self.shown, re.DOTALL)):
                data = await self.terminal.read()
                assert data, f"ended before {pattern!r}: {self.shown!r}"
                self.shown += data
        self.shown = self.shown[found.end() :]
        return found

    async def type(self, text: str) -> None:
        async with asyncio.timeout(SECONDS):
            await self.terminal.write(text.encode())

    async def to_end(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            while data := await self.terminal.read():
                self.shown += data
        return self.shown
