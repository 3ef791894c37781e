"""What the model gateway adds to the time until the first token, beside a direct connection."""

from __future__ import annotations

import time

import aiohttp

from bench.hive import MODEL, running_hive
from bench.result import Result, median, ms, percentile
from bench.turns import SCENARIO
from hyperhive.demo import model, scenario

SAMPLES = 200
BODY = {
    "model": MODEL,
    "max_tokens": 100,
    "stream": True,
    "messages": [{"role": "user", "content": "hello " * 2_000}],
}


async def run() -> list[Result]:
    async with model.serve(scenario.loads(SCENARIO)) as url, running_hive(1, url) as hive:
        socket = aiohttp.UnixConnector(path=str(hive.socket("a0")))
        async with (
            aiohttp.ClientSession() as direct,
            aiohttp.ClientSession(connector=socket) as through,
        ):
            ours, peer = [], []
            for _ in range(SAMPLES):
                peer.append(await _first_token(direct, url, "scripted-model"))
                ours.append(await _first_token(through, "http://hive", "placeholder"))
    added = median(ours) - median(peer)
    return [
        Result(
            "first token through the gateway: direct",
            f"{ms(median(ours))} (p99 {ms(percentile(ours, 99))})",
            ms(median(peer)),
            f"{median(ours) / median(peer):.2f}",
            f"added {ms(added)}",
            True,
        )
    ]


async def _first_token(session: aiohttp.ClientSession, url: str, credential: str) -> float:
    headers = {"x-api-key": credential, "anthropic-version": "2023-06-01"}
    begun = time.perf_counter()
    async with session.post(f"{url}/v1/messages", json=BODY, headers=headers) as response:
        response.raise_for_status()
        async for line in response.content:
            if b"content_block_delta" in line:
                elapsed = time.perf_counter() - begun
                break
        else:
            raise RuntimeError("no token came")
        await response.read()
    return elapsed
