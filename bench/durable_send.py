"""Durable sends a second through the real link, beside NATS JetStream and Redis Streams."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

from bench.brokers import Publish, nats_jetstream, redis_streams
from bench.hive import running_hive
from bench.ports import free_port
from bench.result import Result

SECONDS = 4.0
BODY = "x" * 200
NATS_AIMS = {1: 1.0, 50: 2.0}


async def run() -> list[Result]:
    results = []
    for senders in (1, 50):
        ours = await _ours(senders)
        async with nats_jetstream(free_port(), senders) as publishers:
            nats = await _rate(publishers)
        async with redis_streams(free_port(), senders) as publishers:
            redis = await _rate(publishers)
        what = f"durable sends, {senders} sender{'s' if senders > 1 else ''}"
        aim = NATS_AIMS[senders]
        results += [
            Result(
                f"{what}: NATS JetStream",
                f"{ours:,.0f}/s",
                f"{nats:,.0f}/s",
                f"{ours / nats:.2f}",
                f"at least {aim:g}",
                ours / nats >= aim,
            ),
            Result(
                f"{what}: Redis Streams",
                f"{ours:,.0f}/s",
                f"{redis:,.0f}/s",
                f"{ours / redis:.2f}",
                "shown",
                True,
            ),
        ]
    return results


async def _ours(senders: int) -> float:
    async with running_hive(senders + 1) as hive, contextlib.AsyncExitStack() as stack:
        links = [await stack.enter_async_context(hive.link(f"a{i}")) for i in range(senders)]
        to = f"a{senders}"

        def publisher(number: int) -> Publish:
            keys = itertools.count()

            async def publish(body: bytes) -> object:
                send = {"to": to, "body": body.decode(), "key": f"{number}-{next(keys)}"}
                return await links[number].request("send", send, 30)

            return publish

        return await _rate([publisher(i) for i in range(senders)])


async def _rate(publishers: list[Publish]) -> float:
    """Acknowledged messages a second, each publisher waiting for one before the next."""
    body = BODY.encode()
    for publish in publishers:
        await publish(body)
    begun = time.monotonic()
    until = begun + SECONDS

    async def keep_on(publish: Publish) -> int:
        count = 0
        while time.monotonic() < until:
            await publish(body)
            count += 1
        return count

    counts = await asyncio.gather(*(keep_on(publish) for publish in publishers))
    return sum(counts) / (time.monotonic() - begun)
