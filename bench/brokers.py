"""The peers of the broker, each set to answer only what is on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import nats
import redis.asyncio as redis

Publish = Callable[[bytes], Awaitable[object]]


async def _add(client: redis.Redis, body: bytes) -> object:
    return await client.xadd("bench", {"body": body})


@contextlib.asynccontextmanager
async def _process(*argv: str) -> AsyncIterator[None]:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


async def _listening(port: int) -> None:
    for _ in range(400):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.025)
    raise RuntimeError(f"nothing listens on port {port}")


@contextlib.asynccontextmanager
async def nats_jetstream(port: int, clients: int) -> AsyncIterator[list[Publish]]:
    """NATS JetStream with `sync_interval: always`; one connection a client."""
    server = str(Path(sys.executable).parent / "nats-server")
    with tempfile.TemporaryDirectory(prefix="nats-bench-", dir="/var/tmp") as directory:
        config = Path(directory) / "nats.conf"
        config.write_text(
            f"listen: 127.0.0.1:{port}\n"
            f'jetstream {{ store_dir: "{directory}", sync_interval: always }}\n'
        )
        async with _process(server, "-c", str(config)):
            await _listening(port)
            connections = [await nats.connect(f"nats://127.0.0.1:{port}") for _ in range(clients)]
            await connections[0].jetstream().add_stream(name="bench", subjects=["bench"])
            streams = [connection.jetstream() for connection in connections]
            try:
                yield [partial(js.publish, "bench") for js in streams]
            finally:
                for connection in connections:
                    await connection.close()


@contextlib.asynccontextmanager
async def redis_streams(port: int, clients: int) -> AsyncIterator[list[Publish]]:
    """Redis Streams with `appendfsync always`; one connection a client."""
    with tempfile.TemporaryDirectory(prefix="redis-bench-", dir="/var/tmp") as directory:
        settings = f"--port {port} --bind 127.0.0.1 --dir {directory} --save".split()
        durable = ["--appendonly", "yes", "--appendfsync", "always"]
        async with _process("redis-server", *settings, "", *durable):
            await _listening(port)
            connections = [redis.Redis(host="127.0.0.1", port=port) for _ in range(clients)]
            try:
                yield [partial(_add, connection) for connection in connections]
            finally:
                for connection in connections:
                    await connection.aclose()
