"""A job's log, line by line while it is written; the writer is not trusted."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hyperhive.flakes.plain import plain
from hyperhive.flakes.untrusted import open_regular
from hyperhive.protocol.builds import MAX_LOG

OnLine = Callable[[str], None]

LINE_MAX = 4_000
"""Characters; what is longer comes as several lines."""
_LOOK_SECONDS = 0.1
_CHUNK = 64 * 1024


class Lines:
    """Makes lines of bytes: UTF-8 where it is, without colours and what cannot be shown."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> None:
        *whole, self._rest = (self._rest + self._decoder.decode(data, final)).split("\n")
        while len(self._rest) > LINE_MAX or (final and self._rest):
            whole.append(self._rest[:LINE_MAX])
            self._rest = self._rest[LINE_MAX:]
        for line in whole:
            self._tell(line)

    def _tell(self, line: str) -> None:
        shown = plain(line)
        for at in range(0, max(len(shown), 1), LINE_MAX):
            self._on_line(shown[at : at + LINE_MAX])


async def follow(path: Path, on_line: OnLine, over: asyncio.Event) -> None:
    """Until `over` is set and all is read, or `MAX_LOG` is reached."""
    lines, left, fd = Lines(on_line), MAX_LOG, None
    try:
        while True:
            last = over.is_set()
            if fd is None:
                with suppress(OSError):  # not written yet, or nothing that a log could be
                    fd = open_regular(path)
            while fd is not None and left > 0 and (data := os.read(fd, min(_CHUNK, left))):
                left -= len(data)
                lines.feed(data)
                await asyncio.sleep(0)
            if last or left <= 0:
                return lines.feed(b"", final=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await over.wait()
    finally:
        if fd is not None:
            os.close(fd)
