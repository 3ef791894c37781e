"""From send to received by an idle recipient, beside one fdatasync on the same disk.

An fdatasync after a rest takes twice as long as one right after another, and a send to an idle
recipient comes after a rest: each send has an fdatasync of its own before it, after the same rest.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bench.hive import running_hive
from bench.result import Result, median, ms, percentile

SAMPLES = 300
REST = 0.01
"""Seconds: let the recipient be idle, parked on the host, and the disk too."""
ALLOWANCE = 0.002
"""Seconds, besides three times an fdatasync."""


async def run() -> list[Result]:
    async with running_hive(2) as hive:
        hot = await asyncio.to_thread(_fdatasyncs, hive.root / "hot", 0.0, SAMPLES)
        async with hive.link("a0") as sender, hive.link("a1") as receiver:
            times: list[float] = []
            syncs: list[float] = []
            handled: list[int] = []
            for number in range(SAMPLES):
                wait = {"wait_seconds": 30, "ack": handled, "key": f"r-{number}"}
                receiving = asyncio.create_task(receiver.request("recv", wait, 60))
                syncs += await asyncio.to_thread(_fdatasyncs, hive.root / "probe", REST, 1)
                await asyncio.sleep(REST)
                begun = time.perf_counter()
                send = {"to": "a1", "body": "x", "key": f"s-{number}"}
                sending = asyncio.create_task(sender.request("send", send, 30))
                messages = await receiving
                times.append(time.perf_counter() - begun)
                await sending
                handled = [m["delivery"] for m in messages]
    limit = 3 * median(syncs) + ALLOWANCE
    return [
        Result(
            "send to received, idle recipient: one fdatasync",
            f"{ms(median(times))} (p99 {ms(percentile(times, 99))})",
            f"{ms(median(syncs))} ({ms(median(hot))} without rest)",
            f"{median(times) / median(syncs):.1f}",
            f"under 3 of them plus 2 ms = {ms(limit)}",
            median(times) < limit,
        )
    ]


def _fdatasyncs(path: Path, rest: float, count: int) -> list[float]:
    times = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for _ in range(count):
            time.sleep(rest)
            os.write(fd, b"x" * 4_096)
            begun = time.perf_counter()
            os.fdatasync(fd)
            times.append(time.perf_counter() - begun)
    finally:
        os.close(fd)
    return times
