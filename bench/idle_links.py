"""Memory of the service with a hundred idle links, beside the same service without."""

from __future__ import annotations

import asyncio
import contextlib

from bench.hive import running_hive
from bench.result import Result

LINKS = 100
SETTLE_SECONDS = 2.0


async def run() -> list[Result]:
    async with running_hive(LINKS) as hive, contextlib.AsyncExitStack() as stack:
        before = hive.memory()
        for number in range(LINKS):
            await stack.enter_async_context(hive.link(f"a{number}"))
        await asyncio.sleep(SETTLE_SECONDS)
        after = hive.memory()
    each = (after - before) / LINKS
    return [
        Result(
            f"memory with {LINKS} idle links: without",
            f"{after / 2**20:.1f} MiB",
            f"{before / 2**20:.1f} MiB",
            f"{after / before:.2f}",
            f"{each / 1024:.0f} KiB a link",
            True,
        )
    ]
