"""What Nix printed for a deploy: the end of it for a page, what came since, or the whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from hyperhive.dashboard.text import visible
from hyperhive.hive.config_ports import Builds
from hyperhive.protocol.errors import Unavailable

LINES = 2_000
MAX_LINE = 2_000
"""Characters of a line that are shown."""
MAX_TEXT = 512 * 1024
"""Characters that are shown at once: the oldest are left out first."""
READ_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Printed:
    """Lines that show all there is in them; `next` is the byte at which the log goes on."""

    text: str = ""
    next: int = 0


async def end_of(builds: Builds, deploy: int) -> Printed:
    """The newest lines. Raises Unavailable."""
    text, offset, cut = "", 0, False
    async for part, after in parts(builds, deploy):
        text, offset = text + part, after
        if len(text) > MAX_TEXT:
            text, cut = text[-MAX_TEXT:], True
    return _shown(text, offset, cut)


async def since(builds: Builds, deploy: int, offset: int) -> Printed:
    """What can be read at once from this byte on. Raises Unavailable."""
    text, after = await _read(builds, deploy, offset)
    return _shown(text[-MAX_TEXT:], after, len(text) > MAX_TEXT)


async def parts(builds: Builds, deploy: int) -> AsyncGenerator[tuple[str, int], None]:
    """All of it, each part with where the next one begins. Raises Unavailable."""
    offset = 0
    while True:
        text, after = await _read(builds, deploy, offset)
        if after <= offset:
            return
        yield text, after
        offset = after


async def _read(builds: Builds, deploy: int, offset: int) -> tuple[str, int]:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await builds.log(deploy, offset)
    except TimeoutError:
        raise Unavailable("the log cannot be read in time") from None


def _shown(text: str, offset: int, cut: bool) -> Printed:
    """`cut`: the beginning of the text is missing."""
    lines = text.removesuffix("\n").split("\n") if text else []
    if cut and len(lines) > 1:
        del lines[0]
    return Printed("".join(f"{_line(line)}\n" for line in lines[-LINES:]), offset)


def _line(line: str) -> str:
    shown = visible(line.removesuffix("\r"))
    return shown if len(shown) <= MAX_LINE else shown[:MAX_LINE] + "…"
