"""Requests byte by byte, as no client library would send them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

Header = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    start: bytes
    """What came of the body with the headers, or right after them."""


async def exchange(port: int, request: bytes, seconds: float = 5.0) -> Answer:
    """Send bytes to a loopback port and read the head of the answer."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            start = await reader.read(65536) if b"Content-Length: 0" not in head else b""
        finally:
            writer.close()
            await writer.wait_closed()
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    return Answer(int(status.split()[1]), headers, start)


def message(method: str, target: str, headers: Iterable[Header], body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    lines += ["Connection: close", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
