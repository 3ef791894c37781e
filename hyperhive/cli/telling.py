"""Tells a person what happens in the swarm, line by line as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Mapping

import click

from hyperhive.admin.client import AdminClient
from hyperhive.demo.transcript import Transcript
from hyperhive.protocol.errors import HiveError

CATCH_UP_SECONDS = 10.0
_AGAIN_SECONDS = 0.5


class Teller:
    """Prints the transcript of the whole event log; `run` is its task."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._seen = 0
        self._progress = asyncio.Event()
        columns = shutil.get_terminal_size((100, 24)).columns
        self.transcript = Transcript(columns, sys.stdout.isatty())

    async def run(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # a reader who left is told nothing
            while True:
                # The service may be restarted; its end is reported by who runs it.
                with contextlib.suppress(HiveError):
                    await self._tell()
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _tell(self) -> None:
        async for event in self._client.events(self._seen):
            self.tell(event)
            self._seen = int(event.get("seq", self._seen))
            self._progress.set()

    def tell(self, event: Mapping[str, object]) -> None:
        """Also what is in no log."""
        for line in self.transcript.lines(event):
            click.echo(line)

    async def reach(self, seq: int) -> None:
        """Until this event was told, at most CATCH_UP_SECONDS."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while self._seen < seq:
                    self._progress.clear()
                    await self._progress.wait()
