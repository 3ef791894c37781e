"""Connects to a checked address and passes bytes on, no faster than either side takes them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence

import aiohappyeyeballs

from hyperhive.gateway.connection import BUFFER_BYTES
from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.gateway.egress_passages import Passage
from hyperhive.protocol.hosts import Address, HostPort

Count = Callable[[int], Awaitable[None]]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_NEXT_ADDRESS_SECONDS = 0.25
"""RFC 8305, 5: how long one address is tried alone."""


async def connect(addresses: Sequence[Address], target: HostPort, seconds: float) -> Stream:
    """To the first of these addresses that answers. Raises EgressRefused."""
    infos = [_info(address, target.port) for address in addresses]
    try:
        async with asyncio.timeout(seconds):
            sock = await aiohappyeyeballs.start_connection(
                infos, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1
            )
    except TimeoutError:
        raise EgressRefused(504, f"{target} does not answer") from None
    except OSError:
        raise EgressRefused(502, f"{target} cannot be connected to") from None
    try:
        return await asyncio.open_connection(sock=sock, limit=BUFFER_BYTES)
    except BaseException:
        sock.close()
        raise


def _info(address: Address, port: int) -> aiohappyeyeballs.AddrInfoType:
    place = (str(address), port)
    if address.version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (*place, 0, 0)


async def join(client: Stream, host: Stream, passage: Passage, idle_seconds: float) -> None:
    """Until both directions have ended, one has failed, or nothing moved for so long.

    One direction that ends is closed at its other end, and the other one goes on.
    """
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):  # TimeoutError too
        async with asyncio.timeout(idle_seconds) as deadline:

            def moves(count: Count) -> Count:
                async def counted(size: int) -> None:
                    await count(size)
                    deadline.reschedule(loop.time() + idle_seconds)

                return counted

            await _together(
                _pump(client[0], host[1], moves(passage.send)),
                _pump(host[0], client[1], moves(passage.receive)),
            )
            for _, writer in (client, host):
                writer.close()
                await writer.wait_closed()  # sends what drain() left in the buffer


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Count) -> None:
    """Raises OSError."""
    while chunk := await reader.read(BUFFER_BYTES):
        writer.write(chunk)
        await writer.drain()
        await count(len(chunk))
    writer.write_eof()


async def _together(*pumps: Coroutine[object, object, None]) -> None:
    """Raises OSError when one fails; the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for pump in pumps:
                group.create_task(pump)
    except ExceptionGroup as failed:
        _, others = failed.split(OSError)
        if others:
            raise others from None
        raise ConnectionError("one side failed") from None
